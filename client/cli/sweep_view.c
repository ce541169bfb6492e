/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweep view. The table shows as many fields as fit beside the figures; CSV has all of them.
 */
#include "client/cli/sweep_view.h"

#include <stdio.h>
#include <string.h>

#include "client/cli/output.h"
#include "client/cli/table.h"
#include "client/cli/view/csv.h"

#define TABLE_FIELDS_MAX 6
#define PATH_SIZE 4200

/* ---- figures ---- */

/* A number member in buffer; "-" if there is none. */
static const char *figure(const i8x_json *trial, const char *name, const char *format, char *buffer,
                          size_t size)
{
    double number;
    if (!i8x_json_number(i8x_json_member(trial, name), &number))
        return "-";
    snprintf(buffer, size, format, number);
    return buffer;
}

static const char *field_value(const i8x_json *trial, const i8x_json *fields, int index)
{
    const char *name = i8x_json_text(i8x_json_item(fields, index));
    return i8x_json_member_text(i8x_json_member(trial, "recipe"), name != NULL ? name : "", "");
}

/* ---- table ---- */

static void add_trial(i8x_table *table, const i8x_json *trial, const i8x_json *fields, int shown)
{
    const char *cells[TABLE_FIELDS_MAX + 7];
    char number[32], sqnr[32], agreement[32], top1[32], size[32];
    const char *state = i8x_json_member_text(trial, "state", "");
    bool done = strcmp(state, "done") == 0;
    double bytes = i8x_json_member_number(trial, "artifact_bytes", 0);
    cells[0] = figure(trial, "trial", "%.0f", number, sizeof number);
    for (int i = 0; i < shown; i++)
        cells[1 + i] = field_value(trial, fields, i);
    const char **figures = cells + 1 + shown;
    figures[0] = figure(trial, "sqnr_db", "%.2f", sqnr, sizeof sqnr);
    figures[1] = figure(trial, "agreement", "%.4f", agreement, sizeof agreement);
    figures[2] = figure(trial, "top1", "%.4f", top1, sizeof top1);
    figures[3] = done ? i8x_table_bytes((uint64_t)bytes, size, sizeof size) : "-";
    figures[4] = !done ? state : i8x_json_member_bool(trial, "front", false) ? "*" : "";
    figures[5] = i8x_json_member_text(trial, "job", "-"); /* shown if the table has the column */
    i8x_table_row(table, cells);
}

i8x_status i8x_sweep_view_print(const i8x_json *sweep, bool wide)
{
    char columns[1024];
    const i8x_json *fields = i8x_json_member(sweep, "fields");
    const i8x_json *trials = i8x_json_member(sweep, "trials");
    int shown = i8x_json_count(fields);
    shown = shown < TABLE_FIELDS_MAX ? shown : TABLE_FIELDS_MAX;
    int used = snprintf(columns, sizeof columns, ">trial|");
    for (int i = 0; i < shown; i++)
        used += snprintf(columns + used, sizeof columns - (size_t)used, "%.60s|",
                         i8x_json_text(i8x_json_item(fields, i)));
    snprintf(columns + used, sizeof columns - (size_t)used,
             ">SQNR dB|>agreement|>top-1|>size|front%s", wide ? "|job" : "");
    i8x_table *table;
    I8X_TRY(i8x_table_new(columns, &table));
    for (int i = 0; i < i8x_json_count(trials); i++)
        add_trial(table, i8x_json_item(trials, i), fields, shown);
    i8x_table_print(table);
    double best;
    if (i8x_json_number(i8x_json_member(sweep, "best"), &best))
        printf("best by %s: trial %.0f\n", i8x_json_member_text(sweep, "metric", ""), best);
    return I8X_OK;
}

/* ---- CSV ---- */

static void csv_trial(i8x_csv *csv, const i8x_json *trial, const i8x_json *fields)
{
    static const struct {
        const char *name, *format;
    } numbers[] = {
        {"sqnr_db", "%.6f"}, {"agreement", "%.6f"}, {"top1", "%.6f"}, {"artifact_bytes", "%.0f"}};
    char number[40];
    i8x_csv_cell(csv, figure(trial, "trial", "%.0f", number, sizeof number));
    i8x_csv_cell(csv, i8x_json_member_text(trial, "state", ""));
    for (int i = 0; i < i8x_json_count(fields); i++)
        i8x_csv_cell(csv, field_value(trial, fields, i));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        bool there = i8x_json_number(i8x_json_member(trial, numbers[i].name), &(double){0});
        i8x_csv_cell(
            csv,
            there ? figure(trial, numbers[i].name, numbers[i].format, number, sizeof number) : "");
    }
    i8x_csv_cell(csv, i8x_json_member_bool(trial, "front", false) ? "1" : "0");
    i8x_csv_cell(csv, i8x_json_member_text(trial, "artifact_sha256", ""));
    i8x_csv_cell(csv, i8x_json_member_text(trial, "result_sha256", ""));
    i8x_csv_end_row(csv);
}

static void csv_titles(i8x_csv *csv, const i8x_json *fields)
{
    static const char *const figures[] = {"sqnr_db",        "agreement", "top1",
                                          "artifact_bytes", "front",     "artifact_sha256",
                                          "result_sha256"};
    i8x_csv_cell(csv, "trial");
    i8x_csv_cell(csv, "state");
    for (int i = 0; i < i8x_json_count(fields); i++)
        i8x_csv_cell(csv, i8x_json_text(i8x_json_item(fields, i)));
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        i8x_csv_cell(csv, figures[i]);
    i8x_csv_end_row(csv);
}

i8x_status i8x_sweep_view_csv(const i8x_json *sweep, const char *path)
{
    const i8x_json *fields = i8x_json_member(sweep, "fields");
    const i8x_json *trials = i8x_json_member(sweep, "trials");
    i8x_csv csv = {0};
    csv_titles(&csv, fields);
    for (int i = 0; i < i8x_json_count(trials); i++)
        csv_trial(&csv, i8x_json_item(trials, i), fields);
    return i8x_csv_write(&csv, path);
}

/* ---- files and standard output ---- */

static i8x_status path_in(const char *folder, const char *name, char *path)
{
    int used = snprintf(path, PATH_SIZE, "%s/%s", folder, name);
    I8X_ENSURE(used > 0 && used < PATH_SIZE, I8X_EARG, "the path '%.60s...' is too long", folder);
    return I8X_OK;
}

i8x_status i8x_sweep_view_files(const i8x_json *sweep, const char *folder)
{
    char path[PATH_SIZE];
    I8X_TRY(path_in(folder, "sweep.json", path));
    I8X_TRY(i8x_output_json_file(sweep, path));
    I8X_TRY(path_in(folder, "trials.csv", path));
    I8X_TRY(i8x_sweep_view_csv(sweep, path));
    const i8x_json *best = i8x_json_member(sweep, "best_recipe");
    if (best == NULL)
        return I8X_OK;
    I8X_TRY(path_in(folder, "best.recipe.json", path));
    return i8x_output_json_file(best, path);
}

i8x_status i8x_sweep_view_show(const i8x_json *sweep, const i8x_options *options)
{
    if (i8x_options_has(options, "json"))
        return i8x_output_json(sweep);
    return i8x_options_has(options, "csv") ? i8x_sweep_view_csv(sweep, NULL)
                                           : i8x_sweep_view_print(sweep, false);
}
