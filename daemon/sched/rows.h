/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: a growing table whose rows keep their address and are named by a number; places are used
 * again. Row 0 is never given out, so that 0 means "none" wherever a row's number is kept. Lists
 * run through rows by a link inside each row.
 *
 *     i8x_rows_init(&rows, sizeof(thing));
 *     uint32_t row = i8x_rows_take(&rows);            // zeroed
 *     thing *t = i8x_rows_at(&rows, row);
 *     i8x_list_append(&list, &rows, offsetof(thing, link), row);
 *
 * Out of memory ends the process: the ledger has everything. Not thread-safe.
 */
#ifndef I8X_DAEMON_ROWS_H
#define I8X_DAEMON_ROWS_H

#include <stddef.h>
#include <stdint.h>

#define I8X_ROWS_CHUNK_BITS 8 /* rows come in chunks of 256, so that growing copies nothing */

typedef struct i8x_rows {
    char **chunks;
    size_t chunk_capacity;
    size_t row_bytes;    /* at least 4 */
    uint32_t count;      /* rows ever taken, row 0 among them */
    uint32_t free_first; /* place to use again; each has the next in its first 4 bytes */
} i8x_rows;

void i8x_rows_init(i8x_rows *rows, size_t row_bytes);
void i8x_rows_deinit(i8x_rows *rows);
/** A zeroed row; never 0. */
uint32_t i8x_rows_take(i8x_rows *rows);
void i8x_rows_give(i8x_rows *rows, uint32_t row);

/** Stays where it is until it is given back. */
static inline void *i8x_rows_at(const i8x_rows *rows, uint32_t row)
{
    return rows->chunks[row >> I8X_ROWS_CHUNK_BITS] +
           (row & ((1u << I8X_ROWS_CHUNK_BITS) - 1)) * rows->row_bytes;
}

typedef struct i8x_list {
    uint32_t first, last, count;
} i8x_list;

typedef struct i8x_list_link {
    uint32_t next, previous;
} i8x_list_link;

/** Puts a row that is in no list through this link behind the last one. */
void i8x_list_append(i8x_list *list, const i8x_rows *rows, size_t link_offset, uint32_t row);
/** Takes a row of this list out. */
void i8x_list_remove(i8x_list *list, const i8x_rows *rows, size_t link_offset, uint32_t row);

#endif
