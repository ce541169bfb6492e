/* SPDX-License-Identifier: Apache-2.0
 *
 * Heap: rows of a table by a number, the lowest on top. Each row keeps its place in the heap (a
 * uint32_t, 0 = not in it), so that it can be moved or taken out of the middle: O(log n), nothing
 * stale is ever left behind. Equal keys come in the order of their rows.
 *
 *     i8x_heap_init(&heap, &rows, offsetof(thing, place));
 *     i8x_heap_set(&heap, row, key);                   // puts in, or moves
 *     while ((row = i8x_heap_top(&heap)) != 0 && i8x_heap_top_key(&heap) <= now) ...
 */
#ifndef I8X_DAEMON_HEAP_H
#define I8X_DAEMON_HEAP_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/sched/rows.h"

typedef struct i8x_heap_entry {
    uint64_t key;
    uint32_t row;
} i8x_heap_entry;

typedef struct i8x_heap {
    i8x_heap_entry *entries; /* [count]; the first is the lowest, the others half-ordered */
    size_t count, capacity;
    const i8x_rows *rows; /* borrowed */
    size_t place_offset;
} i8x_heap;

void i8x_heap_init(i8x_heap *heap, const i8x_rows *rows, size_t place_offset);
/** Does not touch the rows. */
void i8x_heap_deinit(i8x_heap *heap);
/** Puts the row in with this key, or gives it this key. */
void i8x_heap_set(i8x_heap *heap, uint32_t row, uint64_t key);
/** Takes the row out; nothing happens if it is not in. */
void i8x_heap_remove(i8x_heap *heap, uint32_t row);

/** The row with the lowest key, 0 if the heap is empty. */
static inline uint32_t i8x_heap_top(const i8x_heap *heap)
{
    return heap->count != 0 ? heap->entries[0].row : 0;
}

/** The lowest key, UINT64_MAX if the heap is empty. */
static inline uint64_t i8x_heap_top_key(const i8x_heap *heap)
{
    return heap->count != 0 ? heap->entries[0].key : UINT64_MAX;
}

#endif
