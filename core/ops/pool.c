/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling on phase planes (planes.h): one fir or fir_max call per plane.
 */
#include "core/ops/pool.h"

#include <math.h>
#include <string.h>

#include "core/kernels/kernels.h"

typedef struct work {
    const i8x_pool_params *params;
    i8x_planes planes;
    const float *x;
    float *y;
    ptrdiff_t *offset;
    float *ones;           /* [taps] */
    float *rows, *columns; /* taps counted per output row and column */
    float *scratch;
    size_t taps, floats_per_thread;
} work;

static size_t round_up(size_t n)
{
    return (n + 15) / 16 * 16;
}

/* Taps of one axis that count for each output. */
static void count_taps(int64_t out, int64_t kernel, int64_t stride, int64_t dilation,
                       const int64_t *range, float *counts)
{
    for (int64_t o = 0; o < out; o++) {
        int count = 0;
        for (int64_t k = 0; k < kernel; k++) {
            int64_t at = o * stride + k * dilation;
            count += at >= range[0] && at < range[1];
        }
        counts[o] = (float)count;
    }
}

static void count_all(const work *w)
{
    const i8x_pool_params *p = w->params;
    const i8x_window *n = &p->window;
    /* in padded coordinates: the whole padded image, or the image alone */
    int64_t rows[2] = {n->pad_top, n->pad_top + n->ih},
            columns[2] = {n->pad_left, n->pad_left + n->iw};
    if (p->count_padding) {
        rows[0] = columns[0] = 0;
        rows[1] += p->pad_bottom;
        columns[1] += p->pad_right;
    }
    count_taps(n->oh, n->kh, n->stride_h, n->dilation_h, rows, w->rows);
    count_taps(n->ow, n->kw, n->stride_w, n->dilation_w, columns, w->columns);
}

static void store_average(const work *w, const float *acc, float *y)
{
    const i8x_window *n = &w->params->window;
    for (int64_t oy = 0; oy < n->oh; oy++)
        for (int64_t ox = 0; ox < n->ow; ox++)
            y[oy * n->ow + ox] = acc[oy * w->planes.width + ox] / (w->rows[oy] * w->columns[ox]);
}

static void run_planes(void *user, int64_t begin, int64_t end, int thread_index)
{
    const work *w = user;
    const i8x_window *n = &w->params->window;
    const i8x_kernels *kernels = i8x_kernels_get();
    float *planes = w->scratch + (size_t)thread_index * w->floats_per_thread;
    float *acc = planes + round_up(w->planes.elements);
    i8x_planes_clear(&w->planes, w->params->max ? -INFINITY : 0.0f, planes);
    for (int64_t i = begin; i < end; i++) {
        float *y = w->y + i * n->oh * n->ow;
        i8x_planes_fill(&w->planes, w->x + i * n->ih * n->iw, planes);
        if (w->params->max) {
            kernels->fir_max_f32(planes, w->offset, w->taps, acc, w->planes.span);
            for (int64_t oy = 0; oy < n->oh; oy++)
                memcpy(y + oy * n->ow, acc + oy * w->planes.width, (size_t)n->ow * sizeof *y);
        } else {
            kernels->fir_f32(planes, w->offset, w->ones, w->taps, 0.0f, acc, w->planes.span);
            store_average(w, acc, y);
        }
    }
}

i8x_status i8x_pool_run(const i8x_pool_params *params, const float *x, float *y, i8x_arena *scratch,
                        i8x_threads *threads)
{
    const i8x_window *n = &params->window;
    work w = {.params = params, .x = x, .y = y, .taps = (size_t)(n->kh * n->kw)};
    i8x_arena_mark mark = i8x_arena_mark_get(scratch);
    i8x_planes_init(&w.planes, n);
    w.floats_per_thread = round_up(w.planes.elements) + round_up(w.planes.span);
    size_t floats = (size_t)i8x_threads_count(threads) * w.floats_per_thread;
    w.offset = i8x_arena_alloc(scratch, w.taps * sizeof *w.offset);
    I8X_TRY(i8x_alloc_check(w.offset));
    float *all =
        i8x_arena_alloc(scratch, (floats + w.taps + (size_t)(n->oh + n->ow)) * sizeof(float));
    I8X_TRY(i8x_alloc_check(all));
    w.scratch = all;
    w.ones = all + floats;
    w.rows = w.ones + w.taps;
    w.columns = w.rows + n->oh;
    for (size_t i = 0; i < w.taps; i++)
        w.ones[i] = 1.0f;
    i8x_planes_offsets(&w.planes, w.offset);
    count_all(&w);
    if (w.planes.span > 0)
        i8x_threads_for(threads, 0, params->planes, 1, run_planes, &w);
    i8x_arena_rewind(scratch, mark);
    return I8X_OK;
}
