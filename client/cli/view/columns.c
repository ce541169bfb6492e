/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns: see columns.h.
 */
#include "client/cli/view/columns.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/table.h"
#include "client/cli/view/csv.h"
#include "client/cli/view/printable.h"

#define NAME_SIZE 64 /* one member of a path */

/* ---- cells ---- */

static void put_number(i8x_cell cell, bool raw, double number, char *buffer, size_t size)
{
    static const struct {
        double factor;
        const char *format;
    } units[I8X_CELL_COUNT] = {
        [I8X_CELL_TENTHS] = {1, "%.1f"},
        [I8X_CELL_SHARE] = {100, "%.0f%%"},
        [I8X_CELL_HERTZ] = {1e-6, "%.0f MHz"},
    };
    if (!raw && cell == I8X_CELL_BYTES && number >= 0 && number < 1e18)
        i8x_table_bytes((uint64_t)number, buffer, size);
    else if (!raw && units[cell].format != NULL)
        snprintf(buffer, size, units[cell].format, units[cell].factor * number);
    else if (number == floor(number) && fabs(number) < 9007199254740992.0) /* 2^53 */
        snprintf(buffer, size, "%.0f", number);
    else if (!raw)
        snprintf(buffer, size, "%.6g", number);
    else
        for (int digits = 15; digits <= 17; digits++) { /* the fewest that read back the same */
            snprintf(buffer, size, "%.*g", digits, number);
            if (strtod(buffer, NULL) == number)
                break;
        }
}

static void put_list(const i8x_json *list, char *buffer, size_t size)
{
    size_t used = 0;
    for (int i = 0; i < i8x_json_count(list) && used < size; i++) {
        const i8x_json *item = i8x_json_item(list, i);
        const char *text = i8x_json_text(item);
        char number[32] = "";
        double value;
        if (i8x_json_number(item, &value))
            put_number(I8X_CELL_PLAIN, true, value, number, sizeof number);
        int wrote = snprintf(buffer + used, size - used, "%s%s", i > 0 ? " " : "",
                             text != NULL ? text : number);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

char *i8x_value_text(const i8x_json *value, i8x_cell cell, bool raw, char *buffer,
                     size_t size_bytes)
{
    const char *text = i8x_json_text(value);
    double number;
    bool truth;
    buffer[0] = 0;
    if (text != NULL)
        snprintf(buffer, size_bytes, "%s", text);
    else if (i8x_json_number(value, &number))
        put_number(cell, raw, number, buffer, size_bytes);
    else if (i8x_json_is_list(value))
        put_list(value, buffer, size_bytes);
    else if (i8x_json_bool(value, &truth))
        snprintf(buffer, size_bytes, "%s", truth ? (raw ? "true" : "yes") : (raw ? "false" : "no"));
    if (!raw && buffer[0] == 0)
        snprintf(buffer, size_bytes, "-");
    return buffer;
}

const i8x_json *i8x_path_follow(const i8x_json *object, const char *path)
{
    char name[NAME_SIZE];
    while (path != NULL && *path != 0) {
        size_t length = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)length, path);
        object = i8x_json_member(object, name);
        path += length + (path[length] == '.');
    }
    return object;
}

static char *column_text(const i8x_column *column, const i8x_json *object, bool raw, char *buffer)
{
    return i8x_value_text(i8x_path_follow(object, column->path), column->cell, raw, buffer,
                          I8X_CELL_SIZE);
}

/* ---- lists ---- */

/* What is no list is its own only row. */
static int row_count(const i8x_json *rows)
{
    return i8x_json_is_list(rows) ? i8x_json_count(rows) : 1;
}

static const i8x_json *row_at(const i8x_json *rows, int index)
{
    return i8x_json_is_list(rows) ? i8x_json_item(rows, index) : rows;
}

static i8x_status list_names(const i8x_json *rows)
{
    char cell[I8X_CELL_SIZE];
    for (int row = 0; row < row_count(rows); row++) {
        snprintf(cell, sizeof cell, "%s", i8x_json_member_text(row_at(rows, row), "id", ""));
        printf("%s\n", i8x_printable(cell));
    }
    return I8X_OK;
}

static i8x_status list_csv(const i8x_column *columns, int count, const i8x_json *rows)
{
    char cell[I8X_CELL_SIZE];
    i8x_csv csv = {0};
    for (int i = 0; i < count; i++)
        i8x_csv_cell(&csv, columns[i].path);
    i8x_csv_end_row(&csv);
    for (int row = 0; row < row_count(rows); row++) {
        const i8x_json *object = row_at(rows, row);
        for (int i = 0; i < count; i++)
            i8x_csv_cell(&csv, column_text(&columns[i], object, true, cell));
        i8x_csv_end_row(&csv);
    }
    return i8x_csv_write(&csv, NULL);
}

static i8x_status list_table(const i8x_column *columns, int count, const i8x_json *rows, bool wide)
{
    char titles[I8X_TABLE_COLUMNS_MAX * 32] = "", text[I8X_TABLE_COLUMNS_MAX][I8X_CELL_SIZE];
    const char *cells[I8X_TABLE_COLUMNS_MAX];
    const i8x_column *shown[I8X_TABLE_COLUMNS_MAX];
    int used = 0;
    I8X_ASSERT(count <= I8X_TABLE_COLUMNS_MAX);
    for (int i = 0; i < count; i++) {
        if ((columns[i].flags & I8X_COLUMN_WIDE) != 0 && !wide)
            continue;
        size_t length = strlen(titles);
        snprintf(titles + length, sizeof titles - length, "%s%s%.28s", used > 0 ? "|" : "",
                 columns[i].flags & I8X_COLUMN_RIGHT ? ">" : "", columns[i].title);
        cells[used] = text[used];
        shown[used++] = &columns[i];
    }
    i8x_table *table = NULL;
    I8X_TRY(i8x_table_new(titles, &table));
    for (int row = 0; row < row_count(rows); row++) {
        const i8x_json *object = row_at(rows, row);
        for (int i = 0; i < used; i++)
            column_text(shown[i], object, false, text[i]);
        i8x_table_row(table, cells);
    }
    i8x_table_print(table);
    return I8X_OK;
}

i8x_status i8x_columns_list(const i8x_column *columns, int count, const i8x_json *rows,
                            i8x_form form)
{
    if (form == I8X_FORM_NAME)
        return list_names(rows);
    return form == I8X_FORM_CSV ? list_csv(columns, count, rows)
                                : list_table(columns, count, rows, form == I8X_FORM_WIDE);
}

/* ---- facts ---- */

void i8x_columns_facts(const i8x_column *columns, int count, const i8x_json *object, bool wide)
{
    char cell[I8X_CELL_SIZE];
    int width = 0;
    for (int i = 0; i < count; i++) {
        int length = (int)strlen(columns[i].title);
        width = length > width ? length : width;
    }
    for (int i = 0; i < count; i++) {
        if ((columns[i].flags & I8X_COLUMN_WIDE) != 0 && !wide)
            continue;
        column_text(&columns[i], object, false, cell);
        if (strcmp(cell, "-") != 0)
            printf("%-*s  %s\n", width, columns[i].title, i8x_printable(cell));
    }
}
