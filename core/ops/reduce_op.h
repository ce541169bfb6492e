/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions over axes, softmax and layer normalisation.
 *
 * Order of the sums, fixed by the shape alone: if the reduced axes are the innermost ones, the
 * LANES16 order of sum_f32 over each row; else the reduced index ascending, element by element.
 * Axes that do not lie together are first brought to the end by a transposition.
 */
#ifndef CORE_OPS_REDUCE_OP_H
#define CORE_OPS_REDUCE_OP_H

#include "core/base/threads.h"
#include "int8x/alloc.h"
#include "int8x/tensor.h"

typedef enum i8x_reduce {
    I8X_REDUCE_SUM,
    I8X_REDUCE_MEAN,
    I8X_REDUCE_MAX,
    I8X_REDUCE_MIN,
    I8X_REDUCE_PROD
} i8x_reduce;

typedef struct i8x_reduce_params {
    i8x_reduce op;
    bool reduced[I8X_RANK_MAX]; /* per axis of x */
} i8x_reduce_params;

/** x, y FP32, S32 or S64 of one type; y has room for the elements of the kept axes.
 *  Errors: I8X_ENOMEM, I8X_ELIMIT (scratch). */
I8X_FALLIBLE i8x_status i8x_reduce_run(const i8x_reduce_params *params, const i8x_tensor *x,
                                       i8x_tensor *y, i8x_arena *scratch, i8x_threads *threads);

typedef struct i8x_softmax_params {
    int64_t outer, count, inner; /* normalised over count */
} i8x_softmax_params;

/** y = exp(x - max) / sum; in place. */
void i8x_softmax_run(const i8x_softmax_params *params, const float *x, float *y,
                     i8x_threads *threads);

typedef struct i8x_layer_norm_params {
    int64_t rows, count;
    float epsilon;
} i8x_layer_norm_params;

/** y = (x - mean) / sqrt(var + epsilon) * scale + bias over rows; bias NULL = 0. Mean and variance
 * in double. */
void i8x_layer_norm_run(const i8x_layer_norm_params *params, const float *x, const float *scale,
                        const float *bias, float *y, i8x_threads *threads);

#endif
