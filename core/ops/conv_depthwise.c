/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution with few channels per group. Each thread keeps phase planes (planes.h) for the input
 * channels of one group; their borders are zeroed once, the insides rewritten per group and sample.
 * One fir call computes a whole output plane, the few positions between the rows too, which are
 * dropped.
 */
#include <string.h>

#include "core/kernels/kernels.h"
#include "core/ops/conv.h"

typedef struct work {
    const i8x_conv_args *args;
    i8x_planes planes;
    ptrdiff_t *offset;
    size_t taps; /* of one output: channels of the group x kernel */
    float *scratch;
    size_t floats_per_thread;
} work;

static size_t round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

static size_t thread_floats(const i8x_conv_params *params, const i8x_planes *planes)
{
    size_t channels = (size_t)(params->ic / params->group);
    return round_up(planes->elements * channels, 16) + round_up(planes->span, 16);
}

/* Moves count floats to a lower place; the two may overlap. */
static void slide(float *to, const float *from, int64_t count)
{
    float piece[8];
    for (; count >= 8; count -= 8, to += 8, from += 8) {
        memcpy(piece, from, sizeof piece);
        memcpy(to, piece, sizeof piece);
    }
    for (; count > 0; count--)
        *to++ = *from++;
}

/* Closes the rows up: acc[y * width + x] to acc[y * ow + x]. */
static void close_rows(const i8x_planes *planes, float *acc)
{
    int64_t ow = planes->window.ow;
    for (int64_t y = 1; y < planes->window.oh && planes->width != ow; y++)
        slide(acc + y * ow, acc + y * planes->width, ow);
}

static void run_group(const work *w, int64_t sample, int64_t group, float *planes, float *acc)
{
    const i8x_conv_params *params = w->args->params;
    const i8x_window *window = &params->window;
    int64_t channels = params->ic / params->group, rows = params->oc / params->group;
    const float *x =
        w->args->x + (sample * params->ic + group * channels) * window->ih * window->iw;
    for (int64_t c = 0; c < channels; c++)
        i8x_planes_fill(&w->planes, x + c * window->ih * window->iw,
                        planes + (size_t)c * w->planes.elements);
    for (int64_t channel = group * rows; channel < (group + 1) * rows; channel++) {
        float bias = w->args->bias ? w->args->bias[channel] : 0.0f;
        i8x_kernels_get()->fir_f32(planes, w->offset, w->args->w + (size_t)channel * w->taps,
                                   w->taps, bias, acc, w->planes.span);
        close_rows(&w->planes, acc);
        w->args->sink(w->args->user, sample, channel, 0, window->oh * window->ow, acc, NULL);
    }
}

static void run_groups(void *user, int64_t begin, int64_t end, int thread_index)
{
    const work *w = user;
    int64_t groups = w->args->params->group, channels = w->args->params->ic / groups;
    float *planes = w->scratch + (size_t)thread_index * w->floats_per_thread;
    float *acc = planes + round_up(w->planes.elements * (size_t)channels, 16);
    for (int64_t c = 0; c < channels; c++)
        i8x_planes_clear(&w->planes, 0.0f, planes + (size_t)c * w->planes.elements);
    for (int64_t item = begin; item < end; item++)
        run_group(w, item / groups, item % groups, planes, acc);
}

size_t i8x_conv_depthwise_scratch_bytes(const i8x_conv_params *params, int threads)
{
    i8x_planes planes;
    i8x_planes_init(&planes, &params->window);
    size_t taps = (size_t)(params->ic / params->group * params->window.kh * params->window.kw);
    return taps * sizeof(ptrdiff_t) + 2 * (size_t)I8X_ALIGNMENT +
           (size_t)threads * thread_floats(params, &planes) * sizeof(float);
}

i8x_status i8x_conv_depthwise_run(const i8x_conv_args *args, i8x_arena *scratch,
                                  i8x_threads *threads)
{
    const i8x_conv_params *params = args->params;
    size_t channels = (size_t)(params->ic / params->group);
    size_t kernel_taps = (size_t)(params->window.kh * params->window.kw);
    work w = {.args = args, .taps = channels * kernel_taps};
    i8x_arena_mark mark = i8x_arena_mark_get(scratch);
    i8x_planes_init(&w.planes, &params->window);
    w.floats_per_thread = thread_floats(params, &w.planes);
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
