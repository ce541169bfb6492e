/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer layers: convolution and matrix product on 8-bit codes with exact sums.
 *
 *     acc[c] = sum (q_x - x_zero) (q_w - w_zero[c]) + bias[c]
 *     I8X_INTEGER_CODES  y = saturate(round_half_even((float)acc * multiplier[c]) + y_zero), u8 or
 * s8 I8X_INTEGER_F32    y = (float)acc * multiplier[c] I8X_INTEGER_S32    y = acc
 *
 * Codes are widened to whole floats and run on the FP32 kernels, which is exact as long as every
 * partial sum stays below 2^24: i8x_integer_layer_init bounds them by sum |q_w| * max |q_x -
 * x_zero| per channel and, where a channel is over, cuts the depth into chunks that are added in
 * s32. A batch is worked on in slices of samples, so memory beside codes in and out does not grow
 * with it.
 *
 *     i8x_integer_layer layer = {.x_dtype = I8X_DTYPE_U8, .x_zero = 3, .w = codes, .w_channels =
 * oc, ...}; I8X_TRY(i8x_integer_layer_init(&layer, depth, arena));
 *     I8X_TRY(i8x_conv_integer_run(&layer, &conv, x, y, scratch, threads));
 */
#ifndef CORE_OPS_CONV_INTEGER_H
#define CORE_OPS_CONV_INTEGER_H

#include "core/base/threads.h"
#include "core/ops/conv.h"
#include "core/ops/gemm.h"
#include "int8x/alloc.h"
#include "int8x/tensor.h"

typedef enum i8x_integer_output {
    I8X_INTEGER_CODES,
    I8X_INTEGER_F32,
    I8X_INTEGER_S32
} i8x_integer_output;

/* Everything but the sizes. The caller fills the first block; init the second. */
typedef struct i8x_integer_layer {
    i8x_dtype x_dtype; /* U8 or S8 */
    int32_t x_zero;
    i8x_tensor w; /* codes U8, S8, S4 or U4: conv [oc][depth]; matrix [n][depth] or [depth][n] */
    bool w_transposed;       /* matrix stored [depth][n]: channels along the last axis */
    int64_t channels;        /* oc or n */
    const int32_t *w_zero;   /* [channels] or NULL = 0 */
    const int32_t *bias;     /* [channels] or NULL */
    const float *multiplier; /* [channels]; not for S32 */
    i8x_integer_output output;
    i8x_dtype y_dtype; /* CODES: U8 or S8 */
    int32_t y_zero;

    int64_t depth;
    const size_t *chunk_ends; /* NULL: one chunk */
    size_t chunk_count;
    bool bias_in_chain; /* the bias starts the float chain: still exact */
} i8x_integer_layer;

/** Bounds the sums. depth: input channels of a group x kernel, or k. arena holds the chunk list; it
 * may be the scratch of the run. Errors: I8X_EARG (types, depth 0), I8X_ERANGE (a sum could leave
 * s32), I8X_ENOMEM, I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_integer_layer_init(i8x_integer_layer *layer, int64_t depth,
                                               i8x_arena *arena);

/** x [batch][ic][ih][iw] codes, y [batch][oc][oh][ow] of the output's type. Errors: I8X_ENOMEM,
 * I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_conv_integer_run(const i8x_integer_layer *layer,
                                             const i8x_conv_params *conv, const void *x, void *y,
                                             i8x_arena *scratch, i8x_threads *threads);
size_t i8x_conv_integer_scratch_bytes(const i8x_integer_layer *layer, const i8x_conv_params *conv,
                                      int threads);

/** x [m][depth] codes, y [m][n]. */
I8X_FALLIBLE i8x_status i8x_matrix_integer_run(const i8x_integer_layer *layer, int64_t m,
                                               const void *x, void *y, i8x_arena *scratch,
                                               i8x_threads *threads);
size_t i8x_matrix_integer_scratch_bytes(const i8x_integer_layer *layer, int64_t m, int threads);

#endif
