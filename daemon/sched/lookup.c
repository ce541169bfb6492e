/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear probing; a removal moves later cells into the gap, so that no grave markers are needed.
 */
#include "daemon/sched/lookup.h"

#include "int8x/alloc.h"

#define SIZE_FIRST 64

void i8x_lookup_deinit(i8x_lookup *lookup)
{
    i8x_alloc_free(i8x_alloc_heap(), lookup->cells, lookup->size * sizeof *lookup->cells);
    *lookup = (i8x_lookup){0};
}

static void insert(i8x_lookup *lookup, i8x_lookup_cell cell)
{
    size_t at = cell.hash & (lookup->size - 1);
    while (lookup->cells[at].row != 0)
        at = (at + 1) & (lookup->size - 1);
    lookup->cells[at] = cell;
}

static void grow(i8x_lookup *lookup)
{
    i8x_lookup old = *lookup;
    lookup->size = old.size == 0 ? SIZE_FIRST : old.size * 2;
    lookup->cells = i8x_alloc_array(i8x_alloc_heap(), lookup->size, sizeof *lookup->cells);
    I8X_ASSERT(lookup->cells != NULL);
    for (size_t i = 0; i < old.size; i++)
        if (old.cells[i].row != 0)
            insert(lookup, old.cells[i]);
    i8x_lookup_deinit(&old);
}

void i8x_lookup_put(i8x_lookup *lookup, uint32_t hash, uint32_t row)
{
    if ((lookup->count + 1) * 2 > lookup->size)
        grow(lookup);
    insert(lookup, (i8x_lookup_cell){hash, row});
    lookup->count++;
}

void i8x_lookup_remove(i8x_lookup *lookup, uint32_t hash, uint32_t row)
{
    size_t mask = lookup->size - 1, hole = hash & mask;
    while (lookup->cells[hole].row != row)
        hole = (hole + 1) & mask;
    lookup->cells[hole].row = 0;
    for (size_t at = (hole + 1) & mask; lookup->cells[at].row != 0; at = (at + 1) & mask) {
        size_t home = lookup->cells[at].hash & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue; /* still reachable from its home */
        lookup->cells[hole] = lookup->cells[at];
        lookup->cells[at].row = 0;
        hole = at;
    }
    lookup->count--;
}
