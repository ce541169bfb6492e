/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantisation of whole tensors: a run of equal scale is one kernel call. 16- and 32-bit codes are
 * rare (16-bit activations, biases) and done by plain loops with the same arithmetic; 4-bit codes
 * are packed and unpacked through bytes.
 */
#include "core/ops/quantize_linear.h"

#include <math.h>

#include "core/kernels/kernels.h"
#include "core/tensor/pack4.h"
#include "core/tensor/tensor.h"

#define PIECE 8192

typedef struct work {
    const i8x_quantize_params *params;
    const float *scale;
    const i8x_tensor *zero_point;
    const void *from;
    void *to;
    int64_t pieces; /* of one run of equal scale */
} work;

bool i8x_code_dtype(i8x_dtype dtype)
{
    return i8x_dtype_is_integer(dtype) && dtype != I8X_DTYPE_S64;
}

static int32_t zero_of(const work *w, int64_t channel)
{
    return w->zero_point->data ? (int32_t)i8x_tensor_int(w->zero_point, channel) : 0;
}

/* The division contract of quantize_f32_*: NaN gives the zero point, overflow saturates. */
static int32_t quantize_one(float x, float scale, int32_t zero, float low, float high)
{
    float t = rintf(x / scale);
    t = t != t ? 0.0f : t;
    float lo = low - (float)zero, hi = high - (float)zero;
    t = t < lo ? lo : t > hi ? hi : t;
    return (int32_t)t + zero;
}

static void quantize_16(const work *w, const float *x, int64_t at, int64_t count, int64_t channel)
{
    i8x_dtype code = w->params->code;
    float low = (float)i8x_dtype_min(code), high = (float)i8x_dtype_max(code);
    for (int64_t i = 0; i < count; i++) {
        int32_t q = quantize_one(x[i], w->scale[channel], zero_of(w, channel), low, high);
        if (code == I8X_DTYPE_S16)
            ((int16_t *)w->to)[at + i] = (int16_t)q;
        else if (code == I8X_DTYPE_U16)
            ((uint16_t *)w->to)[at + i] = (uint16_t)q;
        else /* 4-bit codes, still one to a byte */
            ((int8_t *)w->to)[at + i] = (int8_t)q;
    }
}

static void quantize_piece(const work *w, int64_t at, int64_t count, int64_t channel)
{
    const i8x_kernels *k = i8x_kernels_get();
    const float *x = (const float *)w->from + at;
    if (w->params->code == I8X_DTYPE_U8)
        k->quantize_f32_u8(x, (size_t)count, w->scale[channel], zero_of(w, channel),
                           (uint8_t *)w->to + at);
    else if (w->params->code == I8X_DTYPE_S8)
        k->quantize_f32_s8(x, (size_t)count, w->scale[channel], zero_of(w, channel),
                           (int8_t *)w->to + at);
    else
        quantize_16(w, x, at, count, channel);
}

static void dequantize_piece(const work *w, int64_t at, int64_t count, int64_t channel)
{
    const i8x_kernels *k = i8x_kernels_get();
    float scale = w->scale[channel], *y = (float *)w->to + at;
    int32_t zero = zero_of(w, channel);
    i8x_tensor codes = {.dtype = w->params->code, .data = (void *)(uintptr_t)w->from};
    if (codes.dtype == I8X_DTYPE_U8)
        k->dequantize_u8_f32((const uint8_t *)w->from + at, (size_t)count, scale, zero, y);
    else if (codes.dtype == I8X_DTYPE_S8)
        k->dequantize_s8_f32((const int8_t *)w->from + at, (size_t)count, scale, zero, y);
    else
        for (int64_t i = 0; i < count; i++)
            y[i] = (float)(i8x_tensor_int(&codes, at + i) - zero) * scale;
}

static void run_pieces(const work *w, int64_t begin, int64_t end,
                       void (*piece)(const work *, int64_t, int64_t, int64_t))
{
    const i8x_quantize_params *p = w->params;
    for (int64_t i = begin; i < end; i++) {
        int64_t run = i / w->pieces, first = i % w->pieces * PIECE;
        int64_t count = p->inner - first < PIECE ? p->inner - first : PIECE;
        piece(w, run * p->inner + first, count, run % p->channels);
    }
}

static void run_quantize(void *user, int64_t begin, int64_t end, int thread_index)
{
    (void)thread_index;
    run_pieces(user, begin, end, quantize_piece);
}

static void run_dequantize(void *user, int64_t begin, int64_t end, int thread_index)
{
    (void)thread_index;
    run_pieces(user, begin, end, dequantize_piece);
}

static work work_of(const i8x_quantize_params *params, const float *scale,
                    const i8x_tensor *zero_point)
{
    return (work){.params = params,
                  .scale = scale,
                  .zero_point = zero_point,
                  .pieces = (params->inner + PIECE - 1) / PIECE};
}

i8x_status i8x_quantize_linear_run(const i8x_quantize_params *params, const float *x,
                                   const float *scale, const i8x_tensor *zero_point, void *q,
                                   i8x_arena *scratch, i8x_threads *threads)
{
    work w = work_of(params, scale, zero_point);
    int64_t runs = params->outer * params->channels;
    bool packed = i8x_dtype_bits(params->code) == 4;
    size_t count = (size_t)(runs * params->inner);
    i8x_arena_mark mark = i8x_arena_mark_get(scratch);
    w.from = x;
    w.to = packed ? i8x_arena_alloc(scratch, count) : q;
    I8X_TRY(i8x_alloc_check(w.to));
    i8x_threads_for(threads, 0, runs * w.pieces, 1, run_quantize, &w);
    if (packed)
        i8x_pack4(w.to, count, q);
    i8x_arena_rewind(scratch, mark);
    return I8X_OK;
}

i8x_status i8x_dequantize_linear_run(const i8x_quantize_params *params, const void *q,
                                     const float *scale, const i8x_tensor *zero_point, float *y,
                                     i8x_arena *scratch, i8x_threads *threads)
{
    work w = work_of(params, scale, zero_point);
    (void)scratch;
    w.from = q;
    w.to = y;
    i8x_threads_for(threads, 0, params->outer * params->channels * w.pieces, 1, run_dequantize, &w);
    return I8X_OK;
}
