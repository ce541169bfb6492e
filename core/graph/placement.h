/* SPDX-License-Identifier: Apache-2.0
 *
 * Placement: lifetimes to offsets in one block. Items whose lifetimes touch get disjoint bytes.
 */
#ifndef CORE_GRAPH_PLACEMENT_H
#define CORE_GRAPH_PLACEMENT_H

#include <stddef.h>

#include "int8x/alloc.h"

typedef struct i8x_placement_item {
    int first, last;   /* steps during which it is alive, both included */
    size_t size_bytes; /* 0: nothing is placed */
    size_t offset;     /* out, a multiple of I8X_ALIGNMENT */
} i8x_placement_item;

/**
 * Fills the offsets; *total_bytes is the size of the block. Largest items first, each at the lowest
 * place that is free during its whole life. Cost: O(count^2). Errors: I8X_ELIMIT (sizes overflow),
 * I8X_ENOMEM (scratch).
 */
I8X_FALLIBLE i8x_status i8x_placement_solve(i8x_placement_item *items, int count,
                                            i8x_arena *scratch, size_t *total_bytes);

#endif
