/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax and layer normalisation, row by row.
 */
#include <math.h>
#include <string.h>

#include "core/kernels/kernels.h"
#include "core/ops/reduce_op.h"

typedef struct softmax_work {
    int64_t count, inner;
    const float *x;
    float *y;
} softmax_work;

static void softmax_row(const float *x, float *y, size_t n)
{
    const i8x_kernels *k = i8x_kernels_get();
    float max = x[0];
    for (size_t i = 1; i < n; i++)
        max = x[i] > max ? x[i] : max;
    k->sub_f32(x, 1, &max, 0, y, n);
    k->exp_f32(y, y, n);
    float sum = k->sum_f32(y, n);
    k->div_f32(y, 1, &sum, 0, y, n);
}

/* One column of [count][inner]: strided, in ascending order. */
static void softmax_column(const float *x, float *y, int64_t count, int64_t inner)
{
    const i8x_kernels *k = i8x_kernels_get();
    float max = x[0], sum = 0;
    for (int64_t i = 1; i < count; i++)
        max = x[i * inner] > max ? x[i * inner] : max;
    for (int64_t i = 0; i < count; i++) {
        float shifted = x[i * inner] - max;
        k->exp_f32(&shifted, &y[i * inner], 1);
        sum += y[i * inner];
    }
    for (int64_t i = 0; i < count; i++)
        y[i * inner] /= sum;
}

static void softmax_rows(void *user, int64_t begin, int64_t end, int thread_index)
{
    const softmax_work *w = user;
    (void)thread_index;
    for (int64_t row = begin; row < end; row++) {
        int64_t at = row * w->count * w->inner;
        if (w->inner == 1)
            softmax_row(w->x + at, w->y + at, (size_t)w->count);
        for (int64_t i = 0; w->inner > 1 && i < w->inner; i++)
            softmax_column(w->x + at + i, w->y + at + i, w->count, w->inner);
    }
}

void i8x_softmax_run(const i8x_softmax_params *params, const float *x, float *y,
                     i8x_threads *threads)
{
    softmax_work w = {.count = params->count, .inner = params->inner, .x = x, .y = y};
    if (params->count * params->inner > 0)
        i8x_threads_for(threads, 0, params->outer, 1 + 2048 / (params->count * params->inner),
                        softmax_rows, &w);
}

typedef struct norm_work {
    const i8x_layer_norm_params *params;
    const float *x, *scale, *bias;
    float *y;
} norm_work;

static void norm_rows(void *user, int64_t begin, int64_t end, int thread_index)
{
    const norm_work *w = user;
    const i8x_kernels *k = i8x_kernels_get();
    size_t n = (size_t)w->params->count;
    (void)thread_index;
    for (int64_t row = begin; row < end; row++) {
        const float *x = w->x + row * w->params->count;
        float *y = w->y + row * w->params->count;
        double sum, squares;
        k->moments_f32(x, n, &sum, &squares);
        float mean = (float)(sum / (double)n);
        k->sub_f32(x, 1, &mean, 0, y, n);
        k->moments_f32(y, n, &sum, &squares);
        float inverse = (float)(1.0 / sqrt(squares / (double)n + (double)w->params->epsilon));
        k->mul_f32(y, 1, &inverse, 0, y, n);
        k->mul_f32(y, 1, w->scale, 1, y, n);
        if (w->bias)
            k->add_f32(y, 1, w->bias, 1, y, n);
    }
}

void i8x_layer_norm_run(const i8x_layer_norm_params *params, const float *x, const float *scale,
                        const float *bias, float *y, i8x_threads *threads)
{
    norm_work w = {.params = params, .x = x, .scale = scale, .bias = bias, .y = y};
    if (params->count > 0)
        i8x_threads_for(threads, 0, params->rows, 1 + 4096 / params->count, norm_rows, &w);
}
