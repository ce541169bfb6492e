/* SPDX-License-Identifier: Apache-2.0
 *
 * CSV (RFC 4180): rows of cells, collected in memory and then written as a whole. Lines end with
 * CR LF; a cell with a comma, a quote or a line end stands in quotes, quotes in it are doubled.
 *
 *     i8x_csv csv = {0};
 *     i8x_csv_cell(&csv, "trial"); i8x_csv_cell(&csv, "state"); i8x_csv_end_row(&csv);
 *     I8X_TRY(i8x_csv_write(&csv, NULL));
 *
 * A failure to get memory is kept and told by i8x_csv_write.
 */
#ifndef CLIENT_CLI_VIEW_CSV_H
#define CLIENT_CLI_VIEW_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "int8x/status.h"

/* Starts as {0}; the members belong to csv.c. */
typedef struct i8x_csv {
    char *bytes;
    size_t size, capacity;
    bool failed, in_row;
} i8x_csv;

void i8x_csv_cell(i8x_csv *csv, const char *text);
void i8x_csv_end_row(i8x_csv *csv);
/** To a new file, or to standard output (path NULL); frees either way. Errors: I8X_EIO, I8X_ENOENT,
 * I8X_ELIMIT (disk full), I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_csv_write(i8x_csv *csv, const char *path);

#endif
