/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunks of equal size behind a table of pointers. A place that was given back keeps the number of
 * the next free one.
 */
#include "daemon/sched/rows.h"

#include <string.h>

#include "int8x/alloc.h"

#define CHUNK_ROWS (1u << I8X_ROWS_CHUNK_BITS)
#define CHUNKS_FIRST 4

void i8x_rows_init(i8x_rows *rows, size_t row_bytes)
{
    *rows = (i8x_rows){.row_bytes = row_bytes, .count = 1};
}

static size_t chunk_count(const i8x_rows *rows)
{
    return rows->chunks == NULL ? 0 : ((size_t)rows->count + CHUNK_ROWS - 1) / CHUNK_ROWS;
}

void i8x_rows_deinit(i8x_rows *rows)
{
    for (size_t i = 0; i < chunk_count(rows); i++)
        i8x_alloc_free(i8x_alloc_heap(), rows->chunks[i], CHUNK_ROWS * rows->row_bytes);
    i8x_alloc_free(i8x_alloc_heap(), rows->chunks, rows->chunk_capacity * sizeof *rows->chunks);
    *rows = (i8x_rows){0};
}

static void add_chunk(i8x_rows *rows, size_t index)
{
    if (index >= rows->chunk_capacity) {
        size_t capacity = rows->chunk_capacity == 0 ? CHUNKS_FIRST : rows->chunk_capacity * 2;
        rows->chunks = i8x_alloc_resize(i8x_alloc_heap(), rows->chunks,
                                        rows->chunk_capacity * sizeof *rows->chunks,
                                        capacity * sizeof *rows->chunks);
        I8X_ASSERT(rows->chunks != NULL);
        rows->chunk_capacity = capacity;
    }
    rows->chunks[index] = i8x_alloc_array(i8x_alloc_heap(), CHUNK_ROWS, rows->row_bytes);
    I8X_ASSERT(rows->chunks[index] != NULL);
}

uint32_t i8x_rows_take(i8x_rows *rows)
{
    uint32_t row = rows->free_first;
    if (row != 0) {
        void *place = i8x_rows_at(rows, row);
        memcpy(&rows->free_first, place, sizeof rows->free_first);
        memset(place, 0, rows->row_bytes);
        return row;
    }
    I8X_ASSERT(rows->count < UINT32_MAX);
    row = rows->count;
    if (chunk_count(rows) * CHUNK_ROWS <= row)
        add_chunk(rows, row / CHUNK_ROWS);
    rows->count++;
    return row;
}

void i8x_rows_give(i8x_rows *rows, uint32_t row)
{
    memcpy(i8x_rows_at(rows, row), &rows->free_first, sizeof rows->free_first);
    rows->free_first = row;
}

static i8x_list_link *link_at(const i8x_rows *rows, size_t link_offset, uint32_t row)
{
    return (i8x_list_link *)((char *)i8x_rows_at(rows, row) + link_offset);
}

void i8x_list_append(i8x_list *list, const i8x_rows *rows, size_t link_offset, uint32_t row)
{
    *link_at(rows, link_offset, row) = (i8x_list_link){.previous = list->last};
    if (list->last != 0)
        link_at(rows, link_offset, list->last)->next = row;
    else
        list->first = row;
    list->last = row;
    list->count++;
}

void i8x_list_remove(i8x_list *list, const i8x_rows *rows, size_t link_offset, uint32_t row)
{
    i8x_list_link *link = link_at(rows, link_offset, row);
    if (link->previous != 0)
        link_at(rows, link_offset, link->previous)->next = link->next;
    else
        list->first = link->next;
    if (link->next != 0)
        link_at(rows, link_offset, link->next)->previous = link->previous;
    else
        list->last = link->previous;
    *link = (i8x_list_link){0};
    list->count--;
}
