/* SPDX-License-Identifier: Apache-2.0
 *
 * Greedy placement by size. Placed items are kept sorted by offset, so that the lowest gap is found
 * in one walk over those that are alive at the same time.
 */
#include "core/graph/placement.h"

#include <stdlib.h>

#include "core/base/checked.h"

typedef struct entry {
    size_t size;
    int item;
} entry;

/* Larger first; equal sizes in the order given, so that the result does not depend on the sort. */
static int by_size(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return x->item < y->item ? -1 : 1;
}

static size_t lowest_gap(const i8x_placement_item *items, const int *placed, int placed_count,
                         const i8x_placement_item *item, size_t size)
{
    size_t at = 0;
    for (int i = 0; i < placed_count; i++) {
        const i8x_placement_item *other = &items[placed[i]];
        if (other->last < item->first || other->first > item->last)
            continue;
        if (at + size <= other->offset)
            break;
        size_t end =
            other->offset + (other->size_bytes + I8X_ALIGNMENT - 1) / I8X_ALIGNMENT * I8X_ALIGNMENT;
        at = end > at ? end : at;
    }
    return at;
}

static void insert_sorted(const i8x_placement_item *items, int *placed, int count, int item)
{
    int at = count;
    while (at > 0 && items[placed[at - 1]].offset > items[item].offset) {
        placed[at] = placed[at - 1];
        at--;
    }
    placed[at] = item;
}

i8x_status i8x_placement_solve(i8x_placement_item *items, int count, i8x_arena *scratch,
                               size_t *total_bytes)
{
    i8x_arena_mark mark = i8x_arena_mark_get(scratch);
    size_t sum = 0, end = 0;
    int placed_count = 0, used = 0;
    entry *order = i8x_arena_array(scratch, (size_t)count, sizeof *order);
    I8X_TRY(i8x_alloc_check(order));
    int *placed = i8x_arena_array(scratch, (size_t)count, sizeof *placed);
    I8X_TRY(i8x_alloc_check(placed));
    for (int i = 0; i < count; i++) {
        size_t size;
        I8X_ENSURE(i8x_align_size(items[i].size_bytes, I8X_ALIGNMENT, &size) &&
                       i8x_add_size(sum, size, &sum),
                   I8X_ELIMIT, "the activations are too large");
        if (size > 0)
            order[used++] = (entry){size, i};
    }
    qsort(order, (size_t)used, sizeof *order, by_size);
    for (int i = 0; i < used; i++) {
        i8x_placement_item *item = &items[order[i].item];
        item->offset = lowest_gap(items, placed, placed_count, item, order[i].size);
        insert_sorted(items, placed, placed_count++, order[i].item);
        end = item->offset + order[i].size > end ? item->offset + order[i].size : end;
    }
    i8x_arena_rewind(scratch, mark);
    *total_bytes = end;
    return I8X_OK;
}
