/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x top: the workers and how busy they are. Rates come from two answers, one interval apart:
 * what a worker has committed in between. On a terminal the table is drawn again and again until
 * Ctrl-C.
 */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/commands/commands.h"
#include "client/cli/output.h"
#include "client/cli/service.h"
#include "client/cli/view/resource.h"
#include "int8x/clock.h"

#define INTERVAL_S 2
#define LINES_USUAL 24
#define LINES_OTHER 3 /* of the terminal that are not workers: sums, titles, what was left out */
#define MEMBER_SIZE 64
#define RIGHT I8X_COLUMN_RIGHT

static const i8x_option top_options[] = {
    I8X_OPTION_FORM,
    {"once", 0, NULL, "one table and no more; so it is without a terminal", 0},
    {"interval", 0, "S", "seconds between two tables, and of the rates (2)", 0},
};

static const i8x_column columns[] = {
    {"worker", "id", I8X_CELL_PLAIN, 0},
    {"name", "name", I8X_CELL_PLAIN, 0},
    {"state", "state", I8X_CELL_PLAIN, 0},
    {"standing", "standing.state", I8X_CELL_PLAIN, 0},
    {"slots", "slots", I8X_CELL_PLAIN, RIGHT},
    {"leases", "leases", I8X_CELL_PLAIN, RIGHT},
    {"tasks/s", "tasks_per_second", I8X_CELL_TENTHS, RIGHT},
    {"load", "load_ratio", I8X_CELL_SHARE, RIGHT},
    {"celsius", "temperature_celsius", I8X_CELL_TENTHS, RIGHT},
    {"throttled", "throttled", I8X_CELL_PLAIN, 0},
    {"cores", "cores", I8X_CELL_PLAIN, RIGHT | I8X_COLUMN_WIDE},
    {"free", "memory_available_bytes", I8X_CELL_BYTES, RIGHT | I8X_COLUMN_WIDE},
    {"frequency", "frequency_hertz", I8X_CELL_HERTZ, RIGHT | I8X_COLUMN_WIDE},
    {"reason", "reason", I8X_CELL_PLAIN, 0},
    {"because", "standing.reason", I8X_CELL_PLAIN, I8X_COLUMN_WIDE},
};

/* One answer of the service and when it came. */
typedef struct sample {
    i8x_json *answer;
    const i8x_json *rows;
    int64_t at_ns;
} sample;

typedef struct sums {
    double workers, slots, leases, rate;
} sums;

static i8x_status take(i8x_remote *remote, sample *to)
{
    const i8x_resource *workers;
    I8X_TRY(i8x_resource_find("workers", &workers));
    i8x_selection all = {.limit = I8X_RESOURCE_LIMIT_MAX};
    I8X_TRY(i8x_resource_list(workers, remote, &all, &to->answer, &to->rows));
    to->at_ns = i8x_clock_now_ns(NULL);
    return I8X_OK;
}

/* The worker's row in the earlier sample; the order hardly changes, so the same place comes first.
 */
static const i8x_json *same_worker(const sample *before, const i8x_json *row, int place)
{
    const char *id = i8x_json_member_text(row, "id", "");
    const i8x_json *there = i8x_json_item(before->rows, place);
    if (strcmp(i8x_json_member_text(there, "id", ""), id) == 0)
        return there;
    for (int i = 0; i < i8x_json_count(before->rows); i++) {
        there = i8x_json_item(before->rows, i);
        if (strcmp(i8x_json_member_text(there, "id", ""), id) == 0)
            return there;
    }
    return NULL;
}

/* Rows of columns, with the rates; a worker that was not there before has none. */
static void put_rows(const sample *before, const sample *now, i8x_json *list, sums *all)
{
    double seconds = (double)(now->at_ns - before->at_ns) * 1e-9;
    for (int i = 0; i < i8x_json_count(now->rows); i++) {
        const i8x_json *row = i8x_json_item(now->rows, i), *old = same_worker(before, row, i);
        if (!i8x_json_member_bool(row, "connected", true))
            continue; /* away, and kept in the list by what was decided about it */
        i8x_json *to = i8x_json_put_object(list, NULL);
        for (int c = 0; c < I8X_COUNT(columns); c++) {
            char member[MEMBER_SIZE]; /* "standing.state" lies in "standing" */
            snprintf(member, sizeof member, "%.*s", (int)strcspn(columns[c].path, "."),
                     columns[c].path);
            if (i8x_json_member(row, member) != NULL && i8x_json_member(to, member) == NULL)
                i8x_json_put_copy(to, member, i8x_json_member(row, member));
        }
        double done = i8x_json_member_number(row, "committed", 0) -
                      i8x_json_member_number(old, "committed", 0);
        if (old != NULL && done >= 0 && seconds > 0) {
            i8x_json_put_number(to, "tasks_per_second", done / seconds);
            all->rate += done / seconds;
        }
        all->workers++;
        all->slots += i8x_json_member_number(row, "slots", 0);
        all->leases += i8x_json_member_number(row, "leases", 0);
    }
}

static const char *plural(double count)
{
    return count == 1 ? "" : "s";
}

/* ---- the terminal ---- */

static int lines_of_terminal(void)
{
    struct winsize size = {0};
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row
                                                                           : LINES_USUAL;
}

/* The first rows of a list that fit, as a list of their own. */
static i8x_status cut(const i8x_json *rows, int count, i8x_json **list)
{
    I8X_TRY(i8x_json_list(list));
    for (int i = 0; i < count; i++)
        i8x_json_put_copy(*list, NULL, i8x_json_item(rows, i));
    return I8X_OK;
}

static i8x_status draw_rows(const i8x_json *rows, i8x_form form)
{
    int fit = lines_of_terminal() - LINES_OTHER - 1, count = i8x_json_count(rows);
    i8x_json *list = NULL;
    fit = fit < 1 ? 1 : fit;
    I8X_TRY(cut(rows, count < fit ? count : fit, &list));
    i8x_status status = i8x_columns_list(columns, I8X_COUNT(columns), list, form);
    i8x_json_free(list);
    if (count > fit)
        printf("and %d more; `int8x get workers` lists all\n", count - fit);
    return status;
}

static i8x_status draw(const i8x_json *list, const sums *all, i8x_form form, bool terminal)
{
    /* upper left corner, clear, long lines are cut instead of wrapped */
    printf("%s", terminal ? "\033[H\033[J\033[?7l" : "");
    printf("%.0f worker%s, %.0f slot%s, %.0f lease%s, %.1f tasks/s\n", all->workers,
           plural(all->workers), all->slots, plural(all->slots), all->leases, plural(all->leases),
           all->rate);
    i8x_status status = terminal ? draw_rows(list, form)
                                 : i8x_columns_list(columns, I8X_COUNT(columns), list, form);
    printf("%s", terminal ? "\033[?7h" : "");
    return status;
}

static i8x_status show(i8x_form form, const sample *before, const sample *now, bool terminal)
{
    i8x_json *json = NULL;
    sums all = {0};
    I8X_TRY(i8x_json_object(&json));
    i8x_json *list = i8x_json_put_list(json, "workers");
    put_rows(before, now, list, &all);
    i8x_status status;
    if (form == I8X_FORM_JSON)
        status = i8x_output_json(json);
    else if (form == I8X_FORM_TABLE || form == I8X_FORM_WIDE)
        status = draw(list, &all, form, terminal);
    else
        status = i8x_columns_list(columns, I8X_COUNT(columns), list, form);
    i8x_json_free(json);
    I8X_ENSURE(fflush(stdout) == 0 || status != I8X_OK, I8X_EIO,
               "standard output cannot be written");
    return status;
}

static void pause_s(long seconds)
{
    struct timespec left = {seconds, 0};
    while (nanosleep(&left, &left) != 0)
        ; /* a signal that ends nothing */
}

/* A service that is away is waited for on a terminal; a single table cannot wait. */
static i8x_status wait_for(i8x_remote *remote, long interval_s, bool terminal, sample *now)
{
    i8x_status status;
    for (;;) {
        pause_s(interval_s);
        status = take(remote, now);
        if (!terminal || (status != I8X_EUNREACHABLE && status != I8X_EBUSY))
            return status;
        printf("\033[H\033[J%s\n", i8x_last_error()->detail);
        fflush(stdout);
    }
}

static i8x_status watch(const i8x_options *options, i8x_form form, i8x_remote *remote,
                        long interval_s)
{
    bool table = form == I8X_FORM_TABLE || form == I8X_FORM_WIDE;
    bool once = i8x_options_has(options, "once") || !table || isatty(STDOUT_FILENO) == 0;
    sample before, now;
    I8X_TRY(take(remote, &before));
    i8x_status status = once ? I8X_OK : show(form, &before, &before, true);
    while (status == I8X_OK) {
        status = wait_for(remote, interval_s, !once, &now);
        if (status != I8X_OK)
            break;
        status = show(form, &before, &now, !once);
        i8x_json_free(before.answer);
        before = now;
        if (once)
            break;
    }
    i8x_json_free(before.answer);
    return status;
}

static i8x_status top(const i8x_options *options)
{
    long interval_s;
    i8x_form form;
    i8x_remote *remote = NULL;
    I8X_TRY(i8x_form_of(options, &form));
    I8X_TRY(i8x_options_int(options, "interval", 1, 3600, INTERVAL_S, &interval_s));
    I8X_TRY(i8x_service_open(options, &remote));
    i8x_status status = watch(options, form, remote, interval_s);
    i8x_remote_free(remote);
    return status;
}

const i8x_command i8x_cmd_top = {"top",
                                 "[-o FORM] [--once] [--interval S]",
                                 "shows the workers and how busy they are, again and again",
                                 top_options,
                                 I8X_COUNT(top_options),
                                 0,
                                 0,
                                 false,
                                 top};
