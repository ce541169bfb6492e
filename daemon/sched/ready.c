/* SPDX-License-Identifier: Apache-2.0
 *
 * Binary heaps, one per task kind, so that a worker that lacks a kind does not have to look past
 * its tasks.
 */
#include "daemon/sched/ready.h"

#include "int8x/alloc.h"

#define HEAP_FIRST 64

_Static_assert(I8X_TASK_KIND_COUNT <= 32, "kinds are bits of a uint32_t");

void i8x_ready_deinit(i8x_ready *ready)
{
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++) {
        i8x_ready_heap *heap = &ready->heaps[kind];
        i8x_alloc_free(i8x_alloc_heap(), heap->entries, heap->capacity * sizeof *heap->entries);
    }
    *ready = (i8x_ready){0};
}

static bool before(const i8x_ready_entry *a, const i8x_ready_entry *b)
{
    return a->order < b->order;
}

void i8x_ready_put(i8x_ready *ready, i8x_task_kind kind, i8x_ready_entry entry)
{
    i8x_ready_heap *heap = &ready->heaps[kind];
    if (heap->count == heap->capacity) {
        size_t capacity = heap->capacity == 0 ? HEAP_FIRST : heap->capacity * 2;
        heap->entries = i8x_alloc_resize(i8x_alloc_heap(), heap->entries,
                                         heap->capacity * sizeof entry, capacity * sizeof entry);
        I8X_ASSERT(heap->entries != NULL);
        heap->capacity = capacity;
    }
    size_t at = heap->count++;
    while (at > 0 && before(&entry, &heap->entries[(at - 1) / 2])) {
        heap->entries[at] = heap->entries[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap->entries[at] = entry;
}

static i8x_ready_entry heap_take(i8x_ready_heap *heap)
{
    i8x_ready_entry top = heap->entries[0], last = heap->entries[--heap->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && before(&heap->entries[child + 1], &heap->entries[child]))
            child++;
        if (!before(&heap->entries[child], &last))
            break;
        heap->entries[at] = heap->entries[child];
        at = child;
    }
    heap->entries[at] = last;
    return top;
}

bool i8x_ready_take(i8x_ready *ready, uint32_t kinds, i8x_task_kind *kind, i8x_ready_entry *entry)
{
    int best = -1;
    for (int i = 0; i < I8X_TASK_KIND_COUNT; i++) {
        if ((kinds >> i & 1) == 0 || ready->heaps[i].count == 0)
            continue;
        if (best < 0 || before(&ready->heaps[i].entries[0], &ready->heaps[best].entries[0]))
            best = i;
    }
    if (best < 0)
        return false;
    *kind = (i8x_task_kind)best;
    *entry = heap_take(&ready->heaps[best]);
    return true;
}
