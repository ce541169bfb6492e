/* SPDX-License-Identifier: Apache-2.0
 *
 * Gemm: y[m][n] = alpha a b + beta c in FP32, the core of Gemm and MatMul.
 *
 * With alpha = 1 each output is one fmaf chain in ascending k that starts at beta * c (c itself for
 * beta = 1, 0 without c). With another alpha the chain starts at 0 and y = fmaf(acc, alpha, beta *
 * c).
 */
#ifndef CORE_OPS_GEMM_H
#define CORE_OPS_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/threads.h"
#include "int8x/alloc.h"

typedef struct i8x_gemm_params {
    int64_t m, n, k;
    bool a_transposed, b_transposed; /* a is stored [k][m], b is stored [n][k] */
    float alpha, beta;
    int64_t c_row_step, c_col_step; /* of c, 0 where it is broadcast */
} i8x_gemm_params;

/* Takes finished values of one row; acc may be overwritten; sum is not NULL if the sums were too
 * long for floats (product.h). */
typedef void (*i8x_gemm_sink_fn)(const void *user, int64_t row, int64_t col, int64_t count,
                                 float *acc, const int32_t *sum);

typedef struct i8x_gemm_args {
    const i8x_gemm_params *params;
    const float *a, *b;
    const float *c;        /* NULL = 0 */
    i8x_gemm_sink_fn sink; /* NULL: y is written */
    const void *user;
    float *y;                 /* [m][n] */
    const size_t *chunk_ends; /* integer mode (alpha = 1, no c) */
    size_t chunk_count;
} i8x_gemm_args;

size_t i8x_gemm_scratch_bytes(const i8x_gemm_params *params, size_t chunk_count, int threads);
/** Errors: I8X_ENOMEM, I8X_ELIMIT (scratch). */
I8X_FALLIBLE i8x_status i8x_gemm_run(const i8x_gemm_args *args, i8x_arena *scratch,
                                     i8x_threads *threads);

#endif
