/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns: JSON of the service shown as rows, driven by a table of columns. The same table gives
 * the list (a line an object) and the facts (a line a column), for humans and as CSV.
 *
 *     static const i8x_column worker_columns[] = {
 *         {"worker", "id", I8X_CELL_PLAIN, 0},
 *         {"memory", "memory_bytes", I8X_CELL_BYTES, I8X_COLUMN_RIGHT | I8X_COLUMN_WIDE}, ...
 *     };
 *
 * What is missing or null is "-" for humans and an empty cell in CSV. CSV has every column, named
 * after its path, with the values as the service gave them.
 */
#ifndef CLIENT_CLI_VIEW_COLUMNS_H
#define CLIENT_CLI_VIEW_COLUMNS_H

#include "client/cli/view/form.h"
#include "proto/json.h"

#define I8X_CELL_SIZE 4200 /* bytes of a cell; the longest text of a recipe has 4096 */

typedef enum i8x_cell {
    I8X_CELL_PLAIN,  /* text; numbers as they are; yes or no; a list with spaces between */
    I8X_CELL_BYTES,  /* 18.5 MB */
    I8X_CELL_TENTHS, /* a number with one digit behind the point */
    I8X_CELL_SHARE,  /* 0.25 is 25% */
    I8X_CELL_HERTZ,  /* 1500 MHz */
    I8X_CELL_COUNT
} i8x_cell;

enum { I8X_COLUMN_RIGHT = 1, I8X_COLUMN_WIDE = 2 };

typedef struct i8x_column {
    const char *title; /* for humans */
    const char *path;  /* members with "." between: "device.memory_bytes" */
    i8x_cell cell;
    unsigned flags; /* I8X_COLUMN_ */
} i8x_column;

/** Text of a value that is no object, in buffer; raw = as in CSV. Returns buffer. */
char *i8x_value_text(const i8x_json *value, i8x_cell cell, bool raw, char *buffer,
                     size_t size_bytes);
/** The value at a path of an object; the object itself for NULL; NULL if it is not there. */
const i8x_json *i8x_path_follow(const i8x_json *object, const char *path);
/** rows: a list of objects, or one object. form: any but JSON. Errors: I8X_ENOMEM, I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_columns_list(const i8x_column *columns, int count, const i8x_json *rows,
                                         i8x_form form);
/** One object, a line a column that it has: "title  value". wide: those that are wide, too. */
void i8x_columns_facts(const i8x_column *columns, int count, const i8x_json *object, bool wide);

#endif
