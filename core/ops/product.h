/* SPDX-License-Identifier: Apache-2.0
 *
 * Product: acc[rows][cols] = start + a b, the blocked loop under Conv, Gemm and MatMul.
 *
 * Every accumulator is one fmaf chain in ascending k from its start value, whatever the level, the
 * number of threads or the blocking: threads split outputs only. Who calls says how columns of b
 * are fetched (pack), where a chain starts (start) and what becomes of finished accumulators
 * (finish).
 *
 * Integer mode: a and b hold whole numbers and the depth is cut at chunk_ends such that within a
 * chunk every partial sum stays below 2^24 and is exact; chunks are added up in s32. With one chunk
 * the accumulators stay floats.
 */
#ifndef CORE_OPS_PRODUCT_H
#define CORE_OPS_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/threads.h"
#include "int8x/alloc.h"

#define I8X_PRODUCT_COLS_MAX 512 /* columns that are worked on together */

typedef struct i8x_product {
    size_t rows, cols, depth;
    const float *a; /* [rows][depth], or [depth][rows] if a_transposed */
    size_t a_stride;
    bool a_transposed;
    /* Columns [col, col + count) of b, count <= 512, as panels [depth][nr] one after the other;
     * columns beyond count in the last panel are zero. */
    void (*pack)(const void *user, size_t col, size_t count, size_t nr, float *panels);
    /* acc[0 .. count) of one row: where the chains start (in s32 mode: of the first chunk). */
    void (*start)(const void *user, size_t row, size_t col, size_t count, float *acc);
    /* Finished accumulators of one row: acc, or sum if the depth was cut into several chunks. acc
     * may be written to. */
    void (*finish)(const void *user, size_t row, size_t col, size_t count, float *acc,
                   const int32_t *sum);
    const void *user;
    const size_t *chunk_ends; /* ascending, the last one = depth; NULL = one chunk */
    size_t chunk_count;
} i8x_product;

/** Bytes of scratch that i8x_product_run takes. */
size_t i8x_product_scratch_bytes(const i8x_product *product, int threads);
/** Runs it; scratch is rewound. Errors: I8X_ENOMEM, I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_product_run(const i8x_product *product, i8x_arena *scratch,
                                        i8x_threads *threads);

#endif
