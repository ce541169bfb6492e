/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer layers on the FP32 product: see conv_integer.h.
 */
#include "core/ops/conv_integer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/kernels/kernels.h"
#include "core/tensor/pack4.h"
#include "core/tensor/tensor.h"

#define EXACT_BELOW ((int64_t)1 << 24)
#define SLICE_FLOATS ((int64_t)1 << 20) /* samples are widened together up to this size */

static bool code_8(i8x_dtype dtype)
{
    return dtype == I8X_DTYPE_U8 || dtype == I8X_DTYPE_S8;
}

static int64_t absolute(int64_t v)
{
    return v < 0 ? -v : v;
}

/* |q_w - zero| of one channel at depth k */
static int64_t weight_size(const i8x_integer_layer *layer, int64_t channel, int64_t k)
{
    int64_t at = layer->w_transposed ? k * layer->channels + channel : channel * layer->depth + k;
    return absolute(i8x_tensor_int(&layer->w, at) - (layer->w_zero ? layer->w_zero[channel] : 0));
}

static int64_t largest_input(const i8x_integer_layer *layer)
{
    int64_t below = layer->x_zero - i8x_dtype_min(layer->x_dtype);
    int64_t above = i8x_dtype_max(layer->x_dtype) - layer->x_zero;
    return below > above ? below : above;
}

/* Largest bound over the channels, without and with the bias. */
static void bound_sums(const i8x_integer_layer *layer, int64_t *sums, int64_t *with_bias)
{
    int64_t x = largest_input(layer);
    *sums = *with_bias = 0;
    for (int64_t c = 0; c < layer->channels; c++) {
        int64_t bound = 0;
        for (int64_t k = 0; k < layer->depth; k++)
            bound += weight_size(layer, c, k);
        bound *= x;
        int64_t total = bound + (layer->bias ? absolute(layer->bias[c]) : 0);
        *sums = bound > *sums ? bound : *sums;
        *with_bias = total > *with_bias ? total : *with_bias;
    }
}

/* Greedy: a chunk grows until some channel would reach 2^24. running [channels]. */
static size_t cut_chunks(const i8x_integer_layer *layer, int64_t *running, size_t *ends)
{
    int64_t x = largest_input(layer);
    size_t count = 0;
    for (int64_t k = 0; k < layer->depth; k++) {
        bool over = false;
        for (int64_t c = 0; c < layer->channels; c++) {
            running[c] += weight_size(layer, c, k) * x;
            over = over || running[c] >= EXACT_BELOW;
        }
        if (!over)
            continue;
        if (ends)
            ends[count] = (size_t)k;
        count++;
        for (int64_t c = 0; c < layer->channels; c++)
            running[c] = weight_size(layer, c, k) * x;
    }
    if (ends)
        ends[count] = (size_t)layer->depth;
    return count + 1;
}

i8x_status i8x_integer_layer_init(i8x_integer_layer *layer, int64_t depth, i8x_arena *arena)
{
    int64_t sums, with_bias;
    int bits = i8x_dtype_bits(layer->w.dtype);
    I8X_ENSURE(code_8(layer->x_dtype), I8X_EARG, "codes of x are %s",
               i8x_dtype_name(layer->x_dtype));
    I8X_ENSURE(bits <= 8 && i8x_dtype_is_integer(layer->w.dtype), I8X_EARG, "codes of w are %s",
               i8x_dtype_name(layer->w.dtype));
    I8X_ENSURE(depth > 0 && layer->channels > 0, I8X_EARG,
               "depth %" PRId64 ", %" PRId64 " channels", depth, layer->channels);
    I8X_ENSURE(layer->output != I8X_INTEGER_CODES || code_8(layer->y_dtype), I8X_EARG,
               "codes of y are %s", i8x_dtype_name(layer->y_dtype));
    layer->depth = depth;
    layer->chunk_ends = NULL;
    layer->chunk_count = 1;
    bound_sums(layer, &sums, &with_bias);
    I8X_ENSURE(with_bias <= INT32_MAX, I8X_ERANGE, "a sum could reach %" PRId64 ", beyond 32 bits",
               with_bias);
    layer->bias_in_chain = layer->bias != NULL && with_bias < EXACT_BELOW;
    if (sums < EXACT_BELOW)
        return I8X_OK;
    int64_t *running = i8x_arena_array(arena, (size_t)layer->channels, sizeof *running);
    I8X_TRY(i8x_alloc_check(running));
    size_t count = cut_chunks(layer, running, NULL);
    memset(running, 0, (size_t)layer->channels * sizeof *running);
    size_t *ends = i8x_arena_array(arena, count, sizeof *ends);
    I8X_TRY(i8x_alloc_check(ends));
    cut_chunks(layer, running, ends);
    layer->chunk_ends = ends;
    layer->chunk_count = count;
    return I8X_OK;
}

/* --- widening --- */

static void widen(i8x_dtype dtype, const void *codes, int64_t count, int32_t zero, float *values)
{
    const i8x_kernels *k = i8x_kernels_get();
    if (dtype == I8X_DTYPE_U8)
        k->dequantize_u8_f32(codes, (size_t)count, 1.0f, zero, values);
    else
        k->dequantize_s8_f32(codes, (size_t)count, 1.0f, zero, values);
}

typedef struct widen_work {
    i8x_dtype dtype;
    const uint8_t *codes;
    int32_t zero;
    float *values;
} widen_work;

static void widen_range(void *user, int64_t begin, int64_t end, int thread_index)
{
    const widen_work *w = user;
    (void)thread_index;
    widen(w->dtype, w->codes + begin, end - begin, w->zero, w->values + begin);
}

static void widen_input(const i8x_integer_layer *layer, const void *x, int64_t count, float *values,
                        i8x_threads *threads)
{
    widen_work w = {layer->x_dtype, x, layer->x_zero, values};
    i8x_threads_for(threads, 0, count, 16384, widen_range, &w);
}

/* w as whole floats, in its own layout. */
static i8x_status widen_weights(const i8x_integer_layer *layer, i8x_arena *scratch, float **values)
{
    int64_t count = layer->channels * layer->depth;
    const void *codes = layer->w.data;
    i8x_dtype dtype = layer->w.dtype;
    *values = i8x_arena_alloc(scratch, (size_t)count * sizeof **values);
    I8X_TRY(i8x_alloc_check(*values));
    if (i8x_dtype_bits(dtype) ==
        4) { /* unpacked into the end of the floats, widened from the front */
        uint8_t *bytes = (uint8_t *)*values + (size_t)count * (sizeof **values - 1);
        if (dtype == I8X_DTYPE_S4)
            i8x_unpack4_s4(codes, (size_t)count, (int8_t *)bytes);
        else
            i8x_unpack4_u4(codes, (size_t)count, bytes);
        for (int64_t i = 0; i < count; i++) {
            float v = dtype == I8X_DTYPE_S4 ? (float)(int8_t)bytes[i] : (float)bytes[i];
            memcpy(&(*values)[i], &v, sizeof v);
        }
    } else {
        widen(dtype, codes, count, 0, *values);
    }
    for (int64_t i = 0; layer->w_zero != NULL && i < count; i++) {
        int64_t c = layer->w_transposed ? i % layer->channels : i / layer->depth;
        (*values)[i] -= (float)layer->w_zero[c];
    }
    return I8X_OK;
}

/* The bias as floats if it starts the chain, else NULL. */
static i8x_status widen_bias(const i8x_integer_layer *layer, i8x_arena *scratch, float **values)
{
    *values = NULL;
    if (!layer->bias_in_chain)
        return I8X_OK;
    *values = i8x_arena_alloc(scratch, (size_t)layer->channels * sizeof **values);
    I8X_TRY(i8x_alloc_check(*values));
    for (int64_t c = 0; c < layer->channels; c++)
        (*values)[c] = (float)layer->bias[c];
    return I8X_OK;
}

/* --- finished sums --- */

typedef struct output {
    const i8x_integer_layer *layer;
    char *y;
    int64_t channels, plane; /* conv: layout of y */
} output;

/* Sums as s32, bias included. acc holds whole numbers. */
static int32_t total(const i8x_integer_layer *layer, int64_t channel, const float *acc,
                     const int32_t *sum, int64_t i)
{
    int32_t t = sum ? sum[i] : (int32_t)acc[i];
    return layer->bias && !layer->bias_in_chain ? t + layer->bias[channel] : t;
}

/* (float)acc of `count` sums of one channel, in acc itself. */
static void totals_as_floats(const i8x_integer_layer *layer, int64_t channel, float *acc,
                             const int32_t *sum, int64_t count)
{
    if (sum == NULL && (layer->bias == NULL || layer->bias_in_chain))
        return;
    float bias = layer->bias ? (float)layer->bias[channel] : 0.0f;
    if (sum == NULL && (double)bias == (double)layer->bias[channel]) {
        /* both exact, so the float sum is the exact sum rounded once */
        i8x_kernels_get()->add_f32(acc, 1, &bias, 0, acc, (size_t)count);
        return;
    }
    for (int64_t i = 0; i < count; i++)
        acc[i] = (float)total(layer, channel, acc, sum, i);
}

/* `count` outputs of one channel at y + at. */
static void put_channel(const output *o, int64_t channel, int64_t at, int64_t count, float *acc,
                        const int32_t *sum)
{
    const i8x_integer_layer *layer = o->layer;
    const i8x_kernels *k = i8x_kernels_get();
    if (layer->output == I8X_INTEGER_S32) {
        for (int64_t i = 0; i < count; i++)
            ((int32_t *)(void *)o->y)[at + i] = total(layer, channel, acc, sum, i);
        return;
    }
    totals_as_floats(layer, channel, acc, sum, count);
    float multiplier = layer->multiplier[channel];
    if (layer->output == I8X_INTEGER_F32)
        k->mul_f32(acc, 1, &multiplier, 0, (float *)(void *)o->y + at, (size_t)count);
    else if (layer->y_dtype == I8X_DTYPE_U8)
        k->requant_f32_u8(acc, (size_t)count, multiplier, layer->y_zero, (uint8_t *)o->y + at);
    else
        k->requant_f32_s8(acc, (size_t)count, multiplier, layer->y_zero, (int8_t *)o->y + at);
}

static void conv_sink(const void *user, int64_t sample, int64_t channel, int64_t pixel,
                      int64_t count, float *acc, const int32_t *sum)
{
    const output *o = user;
    put_channel(o, channel, (sample * o->channels + channel) * o->plane + pixel, count, acc, sum);
}

static size_t output_size(const i8x_integer_layer *layer)
{
    return layer->output == I8X_INTEGER_CODES ? 1 : 4;
}

static int64_t slice_samples(const i8x_conv_params *conv)
{
    int64_t sample = conv->ic * conv->window.ih * conv->window.iw;
    int64_t count = sample > 0 ? SLICE_FLOATS / sample : 1;
    count = count < 1 ? 1 : count;
    return count < conv->batch ? count : conv->batch;
}

size_t i8x_conv_integer_scratch_bytes(const i8x_integer_layer *layer, const i8x_conv_params *conv,
                                      int threads)
{
    i8x_conv_params slice = *conv;
    slice.batch = slice_samples(conv);
    size_t input = (size_t)(slice.batch * conv->ic * conv->window.ih * conv->window.iw);
    size_t weights = (size_t)(layer->channels * layer->depth + layer->channels);
    return (input + weights) * sizeof(float) + 4 * (size_t)I8X_ALIGNMENT +
           i8x_conv_scratch_bytes(&slice, layer->chunk_count, threads);
}

i8x_status i8x_conv_integer_run(const i8x_integer_layer *layer, const i8x_conv_params *conv,
                                const void *x, void *y, i8x_arena *scratch, i8x_threads *threads)
{
    i8x_arena_mark mark = i8x_arena_mark_get(scratch);
    i8x_conv_params slice = *conv;
    int64_t step = slice_samples(conv), sample = conv->ic * conv->window.ih * conv->window.iw;
    float *weights, *bias;
    output o = {.layer = layer, .channels = conv->oc, .plane = conv->window.oh * conv->window.ow};
    I8X_TRY(widen_weights(layer, scratch, &weights));
    I8X_TRY(widen_bias(layer, scratch, &bias));
    float *values = i8x_arena_alloc(scratch, (size_t)(step * sample) * sizeof *values);
    I8X_TRY(i8x_alloc_check(values));
    i8x_conv_args args = {.params = &slice,
                          .x = values,
                          .w = weights,
                          .bias = bias,
                          .sink = conv_sink,
                          .user = &o,
                          .chunk_ends = layer->chunk_ends,
                          .chunk_count = layer->chunk_count};
    for (int64_t first = 0; first < conv->batch; first += step) {
        slice.batch = conv->batch - first < step ? conv->batch - first : step;
        o.y = (char *)y + (size_t)(first * o.channels * o.plane) * output_size(layer);
        widen_input(layer, (const uint8_t *)x + first * sample, slice.batch * sample, values,
                    threads);
        I8X_TRY(i8x_conv_run(&args, scratch, threads));
    }
    i8x_arena_rewind(scratch, mark);
    return I8X_OK;
}

/* --- matrices: channels lie along the columns --- */

static float round_code(float t, int32_t zero, i8x_dtype dtype)
{
    float low = (float)(i8x_dtype_min(dtype) - zero), high = (float)(i8x_dtype_max(dtype) - zero);
    t = rintf(t);
    return (t < low ? low : t > high ? high : t) + (float)zero;
}

static void matrix_sink(const void *user, int64_t row, int64_t col, int64_t count, float *acc,
                        const int32_t *sum)
{
    const output *o = user;
    const i8x_integer_layer *layer = o->layer;
    int64_t at = row * layer->channels + col;
    for (int64_t i = 0; i < count; i++) {
        int32_t t = total(layer, col + i, acc + i, sum ? sum + i : NULL, 0);
        if (layer->output == I8X_INTEGER_S32) {
            ((int32_t *)(void *)o->y)[at + i] = t;
            continue;
        }
        float scaled = (float)t * layer->multiplier[col + i];
        if (layer->output == I8X_INTEGER_F32)
            ((float *)(void *)o->y)[at + i] = scaled;
        else if (layer->y_dtype == I8X_DTYPE_U8)
            ((uint8_t *)o->y)[at + i] = (uint8_t)round_code(scaled, layer->y_zero, layer->y_dtype);
        else
            ((int8_t *)o->y)[at + i] = (int8_t)round_code(scaled, layer->y_zero, layer->y_dtype);
    }
}

static i8x_gemm_params matrix_params(const i8x_integer_layer *layer, int64_t rows)
{
    return (i8x_gemm_params){.m = rows,
                             .n = layer->channels,
                             .k = layer->depth,
                             .b_transposed = !layer->w_transposed,
                             .alpha = 1.0f,
                             .beta = 1.0f,
                             .c_col_step = 1};
}

static int64_t slice_rows(const i8x_integer_layer *layer, int64_t m)
{
    int64_t rows = SLICE_FLOATS / layer->depth;
    rows = rows < 1 ? 1 : rows;
    return rows < m ? rows : m;
}

size_t i8x_matrix_integer_scratch_bytes(const i8x_integer_layer *layer, int64_t m, int threads)
{
    int64_t rows = slice_rows(layer, m);
    i8x_gemm_params params = matrix_params(layer, rows);
    size_t floats =
        (size_t)(rows * layer->depth + layer->channels * layer->depth + layer->channels);
    return floats * sizeof(float) + 4 * (size_t)I8X_ALIGNMENT +
           i8x_gemm_scratch_bytes(&params, layer->chunk_count, threads);
}

i8x_status i8x_matrix_integer_run(const i8x_integer_layer *layer, int64_t m, const void *x, void *y,
                                  i8x_arena *scratch, i8x_threads *threads)
{
    i8x_arena_mark mark = i8x_arena_mark_get(scratch);
    int64_t step = slice_rows(layer, m);
    float *weights, *bias;
    output o = {.layer = layer};
    I8X_TRY(widen_weights(layer, scratch, &weights));
    I8X_TRY(widen_bias(layer, scratch, &bias));
    float *values = i8x_arena_alloc(scratch, (size_t)(step * layer->depth) * sizeof *values);
    I8X_TRY(i8x_alloc_check(values));
    for (int64_t first = 0; first < m; first += step) {
        int64_t rows = m - first < step ? m - first : step;
        i8x_gemm_params params = matrix_params(layer, rows);
        i8x_gemm_args args = {.params = &params,
                              .a = values,
                              .b = weights,
                              .c = bias,
                              .sink = matrix_sink,
                              .user = &o,
                              .chunk_ends = layer->chunk_ends,
                              .chunk_count = layer->chunk_count};
        o.y = (char *)y + (size_t)(first * layer->channels) * output_size(layer);
        widen_input(layer, (const uint8_t *)x + first * layer->depth, rows * layer->depth, values,
                    threads);
        I8X_TRY(i8x_gemm_run(&args, scratch, threads));
    }
    i8x_arena_rewind(scratch, mark);
    return I8X_OK;
}
