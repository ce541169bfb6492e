/* SPDX-License-Identifier: Apache-2.0
 *
 * Table: columns of text on standard output, and the tables of a report and of an inspection.
 */
#ifndef CLIENT_CLI_TABLE_H
#define CLIENT_CLI_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "int8x/inspect.h"
#include "int8x/report.h"

#define I8X_TABLE_COLUMNS_MAX 32

typedef struct i8x_table i8x_table;

/** columns: names with "|" between; a name that starts with '>' is right-aligned:
 * "layer|op|>weights". */
i8x_status i8x_table_new(const char *columns, i8x_table **table)
    __attribute__((warn_unused_result));
/** One row, cells with "|" between: for texts that hold none. printf style. */
void i8x_table_add(i8x_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** One row of cells [columns], copied; control characters of foreign texts become '?'. */
void i8x_table_row(i8x_table *table, const char *const *cells);
/** Prints and frees. */
void i8x_table_print(i8x_table *table);

/** "18.5 MB", "1.2 G", "87.0 ms" into buffer; return buffer. */
char *i8x_table_bytes(uint64_t bytes, char *buffer, size_t size);
char *i8x_table_count(uint64_t count, char *buffer, size_t size);
char *i8x_table_time(uint64_t ns, char *buffer, size_t size);

/** measured may be NULL. */
void i8x_table_report(const i8x_report *report, const i8x_digest *result_sha256,
                      const i8x_measured *measured);
void i8x_table_inspection(const i8x_inspection *inspection);

#endif
