/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution with few channels per group. Each thread keeps phase planes (planes.h) for the input
 * channels of one group; their borders are zeroed once, the insides rewritten per group and sample.
 * One fir call computes a band of output rows, the few positions between the rows too, which are
 * dropped.
 */
#include "core/kernels/kernels.h"
#include "core/ops/conv.h"

/* Floats of planes and accumulators that are worked on together, so that they stay in the
 * first-level cache. Small planes are taken many at a time: one stage after the other, because
 * loads that straddle rows stored a moment ago would wait for the stores. Large ones are cut into
 * bands of rows. */
#define CHUNK_FLOATS 4096
#define BAND_FLOATS 2048

typedef struct work {
    const i8x_conv_args *args;
    i8x_planes planes;
    ptrdiff_t *offset;
    size_t taps;            /* of one output: channels of the group x kernel */
    int64_t channels, rows; /* of a group: input and output channels */
    int64_t chunk;          /* groups at a time */
    int64_t band;           /* output rows at a time */
    size_t group_floats;    /* planes of one group */
    size_t acc_floats;      /* accumulators of one output channel */
    size_t floats_per_thread;
    float *scratch;
} work;

static size_t round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

static int64_t clamp(int64_t n, int64_t most)
{
    return n < 1 ? 1 : n > most && most > 0 ? most : n;
}

static void work_init(work *w, const i8x_conv_params *params)
{
    i8x_planes_init(&w->planes, &params->window);
    w->channels = params->ic / params->group;
    w->rows = params->oc / params->group;
    w->taps = (size_t)(w->channels * params->window.kh * params->window.kw);
    w->band = clamp(w->planes.width > 0 ? BAND_FLOATS / w->planes.width : 1, params->window.oh);
    w->group_floats = round_up(w->planes.elements * (size_t)w->channels, 16);
    w->acc_floats = round_up((size_t)(w->band * w->planes.width), 16);
    size_t each = w->group_floats + (size_t)w->rows * w->acc_floats;
    w->chunk = clamp(CHUNK_FLOATS / (int64_t)(each + 1), params->batch * params->group);
    w->floats_per_thread = (size_t)w->chunk * each;
}

/* The next output channel; after the last one comes the first of the next sample. */
static void step(const work *w, int64_t *sample, int64_t *channel)
{
    if (++*channel == w->args->params->oc) {
        *channel = 0;
        ++*sample;
    }
}

/* Output rows [y, y_end) of `count` groups from `first` on: one fir over all of a channel's rows,
 * then its rows closed up, then the sink. */
static void run_band(const work *w, int64_t first, int64_t count, int64_t y, int64_t y_end,
                     const float *planes, float *acc)
{
    const i8x_kernels *kernels = i8x_kernels_get();
    const i8x_conv_args *args = w->args;
    int64_t ow = w->planes.window.ow, width = w->planes.width, rows = y_end - y;
    int64_t sample = first / args->params->group, start = first % args->params->group * w->rows;
    int64_t channel = start, next_sample = sample;
    float *to = acc, *end = acc + (size_t)(count * w->rows) * w->acc_floats;
    for (int64_t i = 0; i < count; i++, planes += w->group_floats)
        for (int64_t r = 0; r < w->rows; r++, to += w->acc_floats) {
            kernels->fir_f32(planes + y * width, w->offset, args->w + (size_t)channel * w->taps,
                             w->taps, args->bias ? args->bias[channel] : 0.0f, to,
                             (size_t)((rows - 1) * width + ow));
            step(w, &next_sample, &channel);
        }
    for (to = acc; to < end && width != ow; to += w->acc_floats)
        kernels->copy_rows_f32(to + width, (size_t)width, 1, to + ow, (size_t)ow,
                               (size_t)(rows - 1), (size_t)ow);
    channel = start;
    for (to = acc; to < end; to += w->acc_floats) {
        args->sink(args->user, sample, channel, y * ow, rows * ow, to, NULL);
        step(w, &sample, &channel);
    }
}

static void run_groups(void *user, int64_t begin, int64_t end, int thread_index)
{
    const work *w = user;
    const i8x_window *window = &w->args->params->window;
    int64_t plane = window->ih * window->iw;
    float *planes = w->scratch + (size_t)thread_index * w->floats_per_thread;
    float *acc = planes + (size_t)w->chunk * w->group_floats;
    for (int64_t i = 0; i < w->chunk; i++)
        for (int64_t c = 0; c < w->channels; c++)
            i8x_planes_clear(&w->planes, 0.0f,
                             planes + (size_t)i * w->group_floats + (size_t)c * w->planes.elements);
    for (int64_t item = begin; item < end; item += w->chunk) {
        int64_t item_end = end - item < w->chunk ? end : item + w->chunk;
        for (int64_t i = item; i < item_end; i++)
            for (int64_t c = 0; c < w->channels; c++)
                i8x_planes_fill(&w->planes, w->args->x + (i * w->channels + c) * plane,
                                planes + (size_t)(i - item) * w->group_floats +
                                    (size_t)c * w->planes.elements);
        for (int64_t y = 0; y < window->oh; y += w->band)
            run_band(w, item, item_end - item, y,
                     window->oh - y < w->band ? window->oh : y + w->band, planes, acc);
    }
}

size_t i8x_conv_depthwise_scratch_bytes(const i8x_conv_params *params, int threads)
{
    work w;
    work_init(&w, params);
    return w.taps * sizeof(ptrdiff_t) + 2 * (size_t)I8X_ALIGNMENT +
           (size_t)threads * w.floats_per_thread * sizeof(float);
}

i8x_status i8x_conv_depthwise_run(const i8x_conv_args *args, i8x_arena *scratch,
                                  i8x_threads *threads)
{
    const i8x_conv_params *params = args->params;
    work w = {.args = args};
    size_t kernel_taps = (size_t)(params->window.kh * params->window.kw);
    i8x_arena_mark mark = i8x_arena_mark_get(scratch);
    work_init(&w, params);
    w.offset = i8x_arena_alloc(scratch, w.taps * sizeof *w.offset);
    I8X_TRY(i8x_alloc_check(w.offset));
    i8x_planes_offsets(&w.planes, w.offset);
    for (size_t i = kernel_taps; i < w.taps; i++)
        w.offset[i] = w.offset[i - kernel_taps] + (ptrdiff_t)w.planes.elements;
    w.scratch = i8x_arena_alloc(scratch, (size_t)i8x_threads_count(threads) * w.floats_per_thread *
                                             sizeof(float));
    I8X_TRY(i8x_alloc_check(w.scratch));
    i8x_threads_for(threads, 0, params->batch * params->group, 1, run_groups, &w);
    i8x_arena_rewind(scratch, mark);
    return I8X_OK;
}
