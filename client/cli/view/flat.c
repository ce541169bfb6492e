/* SPDX-License-Identifier: Apache-2.0
 *
 * Flat: see flat.h. A walk with the path in one buffer; the parser has bounded the depth.
 */
#include "client/cli/view/flat.h"

#include <stdio.h>
#include <string.h>

#include "client/cli/view/columns.h"
#include "client/cli/view/csv.h"

#define PATH_SIZE 1024 /* a longer path is cut */

static void put_leaf(i8x_csv *csv, const char *path, const i8x_json *value)
{
    char text[I8X_CELL_SIZE];
    i8x_csv_cell(csv, path);
    i8x_csv_cell(csv, i8x_value_text(value, I8X_CELL_PLAIN, true, text, sizeof text));
    i8x_csv_end_row(csv);
}

/* NOLINTNEXTLINE(misc-no-recursion): at most depth calls */
static void walk(i8x_csv *csv, char *path, const i8x_json *value, int depth)
{
    size_t length = strlen(path);
    bool list = i8x_json_is_list(value);
    if (depth == 0 || (!list && !i8x_json_is_object(value))) {
        put_leaf(csv, path, value);
        return;
    }
    for (int i = 0; i < i8x_json_count(value); i++) {
        const i8x_json *item = i8x_json_item(value, i);
        const char *dot = length > 0 ? "." : "";
        if (list)
            snprintf(path + length, PATH_SIZE - length, "%s%d", dot, i);
        else
            snprintf(path + length, PATH_SIZE - length, "%s%s", dot, i8x_json_name(item));
        walk(csv, path, item, depth - 1);
        path[length] = 0;
    }
}

i8x_status i8x_flat_csv(const i8x_json *json)
{
    char path[PATH_SIZE] = "";
    i8x_csv csv = {0};
    i8x_csv_cell(&csv, "path");
    i8x_csv_cell(&csv, "value");
    i8x_csv_end_row(&csv);
    walk(&csv, path, json, I8X_JSON_DEPTH_MAX);
    return i8x_csv_write(&csv, NULL);
}
