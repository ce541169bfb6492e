/* SPDX-License-Identifier: Apache-2.0
 *
 * Move: copies between strided layouts, for elements of 1, 2, 4 or 8 bytes: Transpose, Slice,
 * Concat, Split, Expand, Pad, Resize to the nearest. No arithmetic.
 */
#ifndef CORE_OPS_MOVE_H
#define CORE_OPS_MOVE_H

#include "core/base/threads.h"
#include "int8x/tensor.h"

/* y[sum i_d * y_step[d]] = x[sum i_d * x_step[d]] over all i < dims; steps in elements, of any
 * sign. */
typedef struct i8x_move {
    int rank;
    int64_t dims[I8X_RANK_MAX];
    int64_t x_step[I8X_RANK_MAX], y_step[I8X_RANK_MAX];
    size_t element_size;
} i8x_move;

/** x and y point to element 0 of the walk. They must not overlap. */
void i8x_move_run(const i8x_move *move, const void *x, void *y, i8x_threads *threads);
/** y = x with axes permuted: y.dims[i] = x.dims[permutation[i]]. */
void i8x_transpose_run(const i8x_tensor *x, const int64_t *permutation, void *y,
                       i8x_threads *threads);
/**
 * y[i0, i1 ..] = x[table0[i0], table1[i1] ..]; an index of -1 gives the fill element.
 * tables: one after the other, dims of y long each.
 */
void i8x_pick_run(const i8x_tensor *x, const int64_t *tables, const void *fill, i8x_tensor *y);

#endif
