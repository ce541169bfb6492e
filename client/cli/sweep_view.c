/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweep view. The table shows as many fields as fit beside the figures; CSV has all of them.
 */
#include "client/cli/sweep_view.h"

#include <stdio.h>
#include <string.h>

#include "client/cli/table.h"
#include "client/cli/view/csv.h"

#define TABLE_FIELDS_MAX 6
#define LINE_SIZE 8192

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
    char line[LINE_SIZE], number[32];
    int used = snprintf(line, sizeof line, "%.0f|", i8x_json_member_number(trial, "trial", 0));
    for (int i = 0; i < shown; i++)
        used += snprintf(line + used, sizeof line - (size_t)used, "%.200s|",
                         field_value(trial, fields, i));
    const char *state = i8x_json_member_text(trial, "state", "");
    bool done = strcmp(state, "done") == 0;
    double bytes = i8x_json_member_number(trial, "artifact_bytes", 0);
    used += snprintf(line + used, sizeof line - (size_t)used, "%s|",
                     figure(trial, "sqnr_db", "%.2f", number, sizeof number));
    used += snprintf(line + used, sizeof line - (size_t)used, "%s|",
                     figure(trial, "agreement", "%.4f", number, sizeof number));
    used += snprintf(line + used, sizeof line - (size_t)used, "%s|",
                     figure(trial, "top1", "%.4f", number, sizeof number));
    snprintf(line + used, sizeof line - (size_t)used, "%s|%s",
             done ? i8x_table_bytes((uint64_t)bytes, number, sizeof number) : "-",
             !done                                         ? state
             : i8x_json_member_bool(trial, "front", false) ? "*"
                                                           : "");
    i8x_table_add(table, "%s", line);
}

i8x_status i8x_sweep_view_print(const i8x_json *sweep)
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
             ">SQNR dB|>agreement|>top-1|>size|front");
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
