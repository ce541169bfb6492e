/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution as an implicit GEMM: rows are output channels of a group, columns are the output
 * pixels of the whole batch one after the other (so small planes of several samples share a panel),
 * the depth is input channel x kernel row x kernel column. Columns are cut into segments that lie
 * in one output row (of one sample, of one panel); a tap is then a copy of a piece of an input row,
 * zeros outside. A 1x1 kernel without stride or padding is treated as one long row, so its segments
 * are long.
 */
#include "core/ops/conv.h"

#include <string.h>

#include "core/kernels/kernels.h"
#include "core/ops/copy.h"
#include "core/ops/product.h"

#define PREFETCH_ROWS 6

typedef struct image {
    const i8x_conv_args *args;
    const i8x_kernels *kernels;
    i8x_window w;           /* 1x1 kernels: the plane as one row */
    int64_t channels, rows; /* per group: input and output channels */
    int64_t group;
} image;

typedef struct segment {
    size_t to; /* offset of its first element within the panels */
    int64_t sample, oy, ox, count;
} segment;

/* One tap of the kernel over an output row: its inputs start at `shift`, and the outputs
 * [first, end) lie inside the image. */
typedef struct tap {
    int64_t shift, first, end;
} tap;

static tap tap_of(const i8x_window *w, int64_t kx)
{
    int64_t shift = kx * w->dilation_w - w->pad_left, step = w->stride_w;
    return (tap){.shift = shift,
                 .first = shift >= 0 ? 0 : (-shift + step - 1) / step,
                 .end = w->iw - shift <= 0 ? 0 : (w->iw - shift + step - 1) / step};
}

/* A segment's inputs; zero where the tap lies outside. */
static void copy_tap(const image *m, const segment *s, const tap *t, const float *row, float *to)
{
    int64_t begin = t->first - s->ox < 0 ? 0 : t->first - s->ox;
    begin = begin > s->count ? s->count : begin;
    int64_t stop = t->end - s->ox < begin ? begin : t->end - s->ox;
    stop = stop > s->count ? s->count : stop;
    for (int64_t i = 0; i < begin; i++)
        to[i] = 0;
    if (stop > begin) {
        const float *from = row + (s->ox + begin) * m->w.stride_w + t->shift;
        m->kernels->copy_rows_f32(from, 0, (size_t)m->w.stride_w, to + begin, 0, 1,
                                  (size_t)(stop - begin));
    }
    for (int64_t i = stop; i < s->count; i++)
        to[i] = 0;
}

/* Cuts columns into segments. Returns how many. */
static int cut(const image *m, size_t col, size_t count, size_t nr, segment *segments)
{
    int64_t plane = m->w.oh * m->w.ow;
    size_t panel_floats = (size_t)(m->channels * m->w.kh * m->w.kw) * nr;
    int n = 0;
    for (size_t j = 0; j < count;) {
        int64_t at = (int64_t)(col + j), pixel = at % plane;
        segment s = {.sample = at / plane, .oy = pixel / m->w.ow, .ox = pixel % m->w.ow};
        size_t left = nr - j % nr;
        left = left < count - j ? left : count - j;
        s.count = m->w.ow - s.ox < (int64_t)left ? m->w.ow - s.ox : (int64_t)left;
        s.to = j / nr * panel_floats + j % nr;
        segments[n++] = s;
        j += (size_t)s.count;
    }
    return n;
}

static void clear_tail(size_t depth, size_t count, size_t nr, float *panels)
{
    size_t used = count % nr;
    if (used == 0)
        return;
    float *panel = panels + count / nr * depth * nr;
    for (size_t k = 0; k < depth; k++)
        memset(panel + k * nr + used, 0, (nr - used) * sizeof *panel);
}

static void pack(const void *user, size_t col, size_t count, size_t nr, float *panels)
{
    const image *m = user;
    const i8x_window *w = &m->w;
    segment segments[I8X_PRODUCT_COLS_MAX];
    int segment_count = cut(m, col, count, nr, segments);
    int64_t taps = w->kh * w->kw, depth = m->channels * taps;
    int64_t sample_floats = m->args->params->ic * w->ih * w->iw;
    const float *x = m->args->x + m->group * m->channels * w->ih * w->iw;
    for (int64_t k = 0; k < depth; k++) {
        int64_t channel = k / taps, ky = k % taps / w->kw, kx = k % w->kw;
        const float *plane = x + channel * w->ih * w->iw;
        tap t = tap_of(w, kx);
        for (int i = 0; i < segment_count; i++) {
            const segment *s = &segments[i];
            float *to = panels + s->to + (size_t)k * nr;
            int64_t y = s->oy * w->stride_h + ky * w->dilation_h - w->pad_top;
            if (y < 0 || y >= w->ih)
                memset(to, 0, (size_t)s->count * sizeof *to);
            else
                copy_tap(m, s, &t, plane + s->sample * sample_floats + y * w->iw, to);
        }
    }
    clear_tail((size_t)depth, count, nr, panels);
}

/* 1x1 kernels of stride 1: rows of x as they are. */
static void pack_pointwise(const void *user, size_t col, size_t count, size_t nr, float *panels)
{
    const image *m = user;
    segment segments[I8X_PRODUCT_COLS_MAX];
    int segment_count = cut(m, col, count, nr, segments);
    int64_t plane = m->w.iw, sample_floats = m->args->params->ic * plane;
    const float *x = m->args->x + m->group * m->channels * plane;
    for (int64_t k = 0; k < m->channels; k++, x += plane)
        for (int i = 0; i < segment_count; i++) {
            const segment *s = &segments[i];
            /* rows lie a plane apart, too far for the processor to see what comes next */
            for (int64_t ahead = 0; ahead < s->count && k + PREFETCH_ROWS < m->channels;
                 ahead += 16)
                __builtin_prefetch(x + PREFETCH_ROWS * plane + s->sample * sample_floats + s->ox +
                                   ahead);
            i8x_copy_f32(panels + s->to + (size_t)k * nr, x + s->sample * sample_floats + s->ox,
                         (size_t)s->count);
        }
    clear_tail((size_t)m->channels, count, nr, panels);
}

static void start(const void *user, size_t row, size_t col, size_t count, float *acc)
{
    const image *m = user;
    float bias = m->args->bias ? m->args->bias[m->group * m->rows + (int64_t)row] : 0.0f;
    (void)col;
    /* the larger of a number and itself: a fill by a kernel, which keeps the bits (-0 too) */
    m->kernels->max_f32(&bias, 0, &bias, 0, acc, count);
}

static void finish(const void *user, size_t row, size_t col, size_t count, float *acc,
                   const int32_t *sum)
{
    const image *m = user;
    int64_t plane = m->w.oh * m->w.ow, channel = m->group * m->rows + (int64_t)row;
    bool one = m->args->params->batch == 1; /* spares a division for every row of a strip */
    for (int64_t j = 0; j < (int64_t)count;) {
        int64_t at = (int64_t)col + j, sample = one ? 0 : at / plane, pixel = at - sample * plane;
        int64_t n = plane - pixel < (int64_t)count - j ? plane - pixel : (int64_t)count - j;
        m->args->sink(m->args->user, sample, channel, pixel, n, acc + j, sum ? sum + j : NULL);
        j += n;
    }
}

static bool is_pointwise(const i8x_window *w)
{
    return w->kh == 1 && w->kw == 1 && w->stride_h == 1 && w->stride_w == 1 && w->pad_top == 0 &&
           w->pad_left == 0 && w->oh == w->ih && w->ow == w->iw;
}

static i8x_product product_of(const i8x_conv_params *params, const image *m)
{
    i8x_product p = {.rows = (size_t)m->rows, .user = m, .start = start, .finish = finish};
    p.depth = (size_t)(m->channels * m->w.kh * m->w.kw);
    p.cols = (size_t)(params->batch * m->w.oh * m->w.ow);
    p.a_stride = p.depth;
    p.pack = is_pointwise(&m->w) ? pack_pointwise : pack;
    return p;
}

static image image_of(const i8x_conv_params *params)
{
    image m = {.w = params->window,
               .channels = params->ic / params->group,
               .rows = params->oc / params->group};
    if (is_pointwise(&m.w)) {
        m.w.iw = m.w.ow = m.w.ih * m.w.iw;
        m.w.ih = m.w.oh = 1;
    }
    return m;
}

uint64_t i8x_conv_macs(const i8x_conv_params *params)
{
    const i8x_window *w = &params->window;
    return (uint64_t)(params->batch * params->oc * w->oh * w->ow) *
           (uint64_t)(params->ic / params->group * w->kh * w->kw);
}

/* Few output channels per group fill too little of a tile; sums that need s32 go the other way. */
bool i8x_conv_is_depthwise(const i8x_conv_params *params, size_t chunk_count)
{
    int64_t per_group = params->oc / params->group;
    return params->group > 1 && per_group <= 4 && chunk_count <= 1;
}

size_t i8x_conv_scratch_bytes(const i8x_conv_params *params, size_t chunk_count, int threads)
{
    if (i8x_conv_is_depthwise(params, chunk_count))
        return i8x_conv_depthwise_scratch_bytes(params, threads);
    image m = image_of(params);
    i8x_product p = product_of(params, &m);
    p.chunk_count = chunk_count;
    return i8x_product_scratch_bytes(&p, threads);
}

i8x_status i8x_conv_run(const i8x_conv_args *args, i8x_arena *scratch, i8x_threads *threads)
{
    const i8x_conv_params *params = args->params;
    if (i8x_conv_is_depthwise(params, args->chunk_count))
        return i8x_conv_depthwise_run(args, scratch, threads);
    image m = image_of(params);
    m.args = args;
    m.kernels = i8x_kernels_get();
    for (m.group = 0; m.group < params->group; m.group++) {
        i8x_product p = product_of(params, &m);
        p.a = args->w + (size_t)(m.group * m.rows) * p.depth;
        p.chunk_ends = args->chunk_ends;
        p.chunk_count = args->chunk_count;
        I8X_TRY(i8x_product_run(&p, scratch, threads));
    }
    return I8X_OK;
}

void i8x_conv_store_sink(const void *user, int64_t sample, int64_t channel, int64_t pixel,
                         int64_t count, float *acc, const int32_t *sum)
{
    const i8x_conv_store *store = user;
    float *y = store->y + (sample * store->oc + channel) * store->plane + pixel;
    (void)sum;
    if (store->clipped)
        i8x_kernels_get()->clip_f32(acc, store->lo, store->hi, y, (size_t)count);
    else
        i8x_copy_f32(y, acc, (size_t)count);
}
