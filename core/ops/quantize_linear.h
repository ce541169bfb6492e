/* SPDX-License-Identifier: Apache-2.0
 *
 * QuantizeLinear and DequantizeLinear as ONNX defines them: per tensor or per axis, to and from u8,
 * s8, u16, s16, u4, s4 (and from s32). q = saturate(round_half_even(x / scale) + zero_point),    y
 * = (q - zero_point) * scale
 */
#ifndef CORE_OPS_QUANTIZE_LINEAR_H
#define CORE_OPS_QUANTIZE_LINEAR_H

#include "core/base/threads.h"
#include "int8x/alloc.h"
#include "int8x/tensor.h"

typedef struct i8x_quantize_params {
    int64_t outer, channels, inner; /* channels = 1: per tensor */
    int axis;                       /* of the channels; -1 = per tensor */
    i8x_dtype code;                 /* element type of the codes */
} i8x_quantize_params;

/** Codes types that both directions know. */
bool i8x_code_dtype(i8x_dtype dtype);
/** scale [channels]; zero_point: tensor of channels codes, data NULL = 0. q has room for all codes.
 *  Errors: I8X_ENOMEM, I8X_ELIMIT (scratch, 4-bit codes only). */
I8X_FALLIBLE i8x_status i8x_quantize_linear_run(const i8x_quantize_params *params, const float *x,
                                                const float *scale, const i8x_tensor *zero_point,
                                                void *q, i8x_arena *scratch, i8x_threads *threads);
I8X_FALLIBLE i8x_status i8x_dequantize_linear_run(const i8x_quantize_params *params, const void *q,
                                                  const float *scale, const i8x_tensor *zero_point,
                                                  float *y, i8x_arena *scratch,
                                                  i8x_threads *threads);

#endif
