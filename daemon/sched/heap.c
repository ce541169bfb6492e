/* SPDX-License-Identifier: Apache-2.0
 *
 * A binary heap in an array. Every move of an entry writes its place into its row.
 */
#include "daemon/sched/heap.h"

#include <stdbool.h>

#include "int8x/alloc.h"

#define HEAP_FIRST 16

void i8x_heap_init(i8x_heap *heap, const i8x_rows *rows, size_t place_offset)
{
    *heap = (i8x_heap){.rows = rows, .place_offset = place_offset};
}

void i8x_heap_deinit(i8x_heap *heap)
{
    i8x_alloc_free(i8x_alloc_heap(), heap->entries, heap->capacity * sizeof *heap->entries);
    heap->entries = NULL;
    heap->count = heap->capacity = 0;
}

static uint32_t *place_of(const i8x_heap *heap, uint32_t row)
{
    return (uint32_t *)((char *)i8x_rows_at(heap->rows, row) + heap->place_offset);
}

static bool before(const i8x_heap_entry *a, const i8x_heap_entry *b)
{
    return a->key != b->key ? a->key < b->key : a->row < b->row;
}

static void put(i8x_heap *heap, size_t at, i8x_heap_entry entry)
{
    heap->entries[at] = entry;
    *place_of(heap, entry.row) = (uint32_t)at + 1;
}

/* The entry belongs at this place or nearer to the top. */
static size_t rise(i8x_heap *heap, size_t at, const i8x_heap_entry *entry)
{
    while (at > 0 && before(entry, &heap->entries[(at - 1) / 2])) {
        put(heap, at, heap->entries[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    return at;
}

/* The entry belongs at this place or further from the top. */
static size_t sink(i8x_heap *heap, size_t at, const i8x_heap_entry *entry)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= heap->count)
            return at;
        if (child + 1 < heap->count && before(&heap->entries[child + 1], &heap->entries[child]))
            child++;
        if (!before(&heap->entries[child], entry))
            return at;
        put(heap, at, heap->entries[child]);
        at = child;
    }
}

static void settle(i8x_heap *heap, size_t at, i8x_heap_entry entry)
{
    size_t risen = rise(heap, at, &entry);
    put(heap, risen == at ? sink(heap, at, &entry) : risen, entry);
}

void i8x_heap_set(i8x_heap *heap, uint32_t row, uint64_t key)
{
    uint32_t place = *place_of(heap, row);
    if (place != 0) {
        settle(heap, place - 1, (i8x_heap_entry){key, row});
        return;
    }
    if (heap->count == heap->capacity) {
        size_t capacity = heap->capacity == 0 ? HEAP_FIRST : heap->capacity * 2;
        heap->entries = i8x_alloc_resize(i8x_alloc_heap(), heap->entries,
                                         heap->capacity * sizeof *heap->entries,
                                         capacity * sizeof *heap->entries);
        I8X_ASSERT(heap->entries != NULL);
        heap->capacity = capacity;
    }
    i8x_heap_entry entry = {key, row};
    size_t at = rise(heap, heap->count++, &entry);
    put(heap, at, entry);
}

void i8x_heap_remove(i8x_heap *heap, uint32_t row)
{
    uint32_t *place = place_of(heap, row);
    if (*place == 0)
        return;
    size_t at = *place - 1;
    *place = 0;
    i8x_heap_entry last = heap->entries[--heap->count];
    if (at < heap->count)
        settle(heap, at, last);
}
