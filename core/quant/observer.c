/* SPDX-License-Identifier: Apache-2.0
 *
 * Observer: fills histograms and moments while the executor runs. One dense scratch of 2 MB serves
 * all values: a tensor is counted into it and at once folded into the value's sparse sum. Elements
 * are taken sample by sample, so that neither the batch size nor padding shows in a result.
 */
#include "core/quant/observer.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/kernels/kernels.h"
#include "core/tensor/tensor.h"

#define COUNT_MAX                                                                                  \
    ((size_t)1 << 30) /* elements between two folds: the dense counters are 32 bit                 \
                       */
#define PIECE                                                                                      \
    ((int64_t)2048) /* elements that are still in the first-level cache for the next pass */

typedef struct seen {
    bool histogram, moments;
    int64_t inner; /* elements behind the channel axis */
    i8x_histogram_sum sum;
    i8x_moment moment;
} seen;

struct i8x_observer {
    const i8x_graph *graph;
    i8x_arena *arena;
    unsigned flags;
    uint8_t *observed; /* [value_count] */
    seen **seen;       /* [value_count] NULL = not observed */
    uint32_t *bins;
    size_t counted; /* elements in bins, and their range */
    float low, high;
    int64_t first_sample, samples, batch;
    uint64_t total_samples;
};

static bool is_layer(const i8x_node *node)
{
    return strcmp(node->op_type, "Conv") == 0 || strcmp(node->op_type, "ConvTranspose") == 0 ||
           strcmp(node->op_type, "Gemm") == 0 || strcmp(node->op_type, "MatMul") == 0;
}

static bool is_matrix(const i8x_node *node)
{
    return strcmp(node->op_type, "Gemm") == 0 || strcmp(node->op_type, "MatMul") == 0;
}

/* The axis that a layer beside the value takes for channels: 1 beside a convolution and where
 * nothing says otherwise, the last one beside a matrix product. */
static int channel_axis(const i8x_graph *graph, int value)
{
    const i8x_value *v = &graph->values[value];
    bool matrix = false;
    if (v->producer >= 0 && is_layer(&graph->nodes[v->producer]))
        return is_matrix(&graph->nodes[v->producer]) ? v->shape.rank - 1 : 1;
    for (int i = 0; i < graph->node_count; i++) {
        const i8x_node *node = &graph->nodes[i];
        if (i8x_node_removed(node) || node->input_count == 0 || node->inputs[0] != value ||
            !is_layer(node))
            continue;
        if (!is_matrix(node))
            return 1;
        matrix = true;
    }
    return matrix ? v->shape.rank - 1 : 1;
}

/* A value whose only use is a Relu or Clip never carries a Q/DQ pair of its own. */
static bool feeds_only_activation(const i8x_graph *graph, int value)
{
    int user = i8x_graph_single_user(graph, value);
    if (user < 0)
        return false;
    const char *op = graph->nodes[user].op_type;
    return strcmp(op, "Relu") == 0 || strcmp(op, "Clip") == 0;
}

static i8x_status value_add(i8x_observer *observer, int value)
{
    const i8x_graph *graph = observer->graph;
    const i8x_value *v = &graph->values[value];
    I8X_ENSURE(v->shape_known && i8x_shape_known(&v->shape), I8X_ESHAPE, "'%s': shape is not known",
               v->name);
    seen *s = i8x_arena_array(observer->arena, 1, sizeof *s);
    I8X_TRY(i8x_alloc_check(s));
    s->histogram =
        !(observer->flags & I8X_OBSERVE_NO_HISTOGRAMS) && !feeds_only_activation(graph, value);
    s->moments = !(observer->flags & I8X_OBSERVE_NO_MOMENTS) &&
                 !(observer->flags & I8X_OBSERVE_RESULTS && feeds_only_activation(graph, value));
    i8x_histogram_sum_init(&s->sum);
    int axis = v->shape.rank >= 2 ? channel_axis(graph, value) : 0;
    int64_t channels = v->shape.rank >= 2 ? v->shape.dims[axis] : 1;
    s->inner = v->shape.rank >= 2 ? i8x_shape_product(&v->shape, axis + 1, v->shape.rank) : 1;
    if (channels == 0 || channels > I8X_MOMENTS_CHANNELS_MAX)
        s->moments = false;
    if (s->moments)
        I8X_TRY(i8x_moment_init(&s->moment, value, axis, channels, observer->arena));
    observer->observed[value] = s->histogram || s->moments;
    if (observer->observed[value])
        observer->seen[value] = s;
    return I8X_OK;
}

static i8x_status observer_fill(i8x_observer *observer)
{
    const i8x_graph *graph = observer->graph;
    size_t count = (size_t)graph->value_count;
    observer->observed = i8x_arena_array(observer->arena, count, sizeof *observer->observed);
    I8X_TRY(i8x_alloc_check(observer->observed));
    observer->seen = i8x_arena_array(observer->arena, count, sizeof(seen *));
    I8X_TRY(i8x_alloc_check(observer->seen));
    if (!(observer->flags & I8X_OBSERVE_NO_HISTOGRAMS)) {
        observer->bins = i8x_arena_array(observer->arena, I8X_LOGHIST_BINS, sizeof(uint32_t));
        I8X_TRY(i8x_alloc_check(observer->bins));
    }
    for (int i = 0; i < graph->value_count; i++) {
        const i8x_value *v = &graph->values[i];
        bool computed = v->producer >= 0 || v->is_input;
        if (computed && v->data == NULL && v->dtype == I8X_DTYPE_F32)
            I8X_TRY(value_add(observer, i));
    }
    return I8X_OK;
}

i8x_status i8x_observer_new(const i8x_graph *graph, unsigned flags, i8x_observer **observer)
{
    i8x_arena *arena;
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    i8x_observer *made = i8x_arena_array(arena, 1, sizeof *made);
    i8x_status status = i8x_alloc_check(made);
    if (status == I8X_OK) {
        made->graph = graph;
        made->arena = arena;
        made->flags = flags;
        status = observer_fill(made);
    }
    if (status != I8X_OK) {
        i8x_arena_free(arena);
        return status;
    }
    *observer = made;
    return I8X_OK;
}

void i8x_observer_free(i8x_observer *observer)
{
    if (observer != NULL)
        i8x_arena_free(observer->arena);
}

const uint8_t *i8x_observer_observed(const i8x_observer *observer)
{
    return observer->observed;
}

void i8x_observer_batch(i8x_observer *observer, int64_t first_sample, int64_t samples,
                        int64_t batch)
{
    I8X_ASSERT(samples >= 0 && samples <= batch);
    observer->first_sample = first_sample;
    observer->samples = samples;
    observer->batch = batch;
    observer->total_samples += (uint64_t)samples;
}

/* Moves what has been counted into the value's sum. */
static i8x_status fold(i8x_observer *observer, seen *s)
{
    if (observer->counted == 0)
        return I8X_OK;
    size_t count = observer->counted;
    observer->counted = 0;
    return i8x_histogram_sum_dense(&s->sum, observer->bins, count, observer->low, observer->high,
                                   observer->arena);
}

/* Counts finite values that lie in [min, max]. */
static i8x_status count_values(i8x_observer *observer, seen *s, const float *x, int64_t size,
                               float min, float max)
{
    for (size_t left = s->histogram ? (size_t)size : 0; left > 0;) {
        if (observer->counted == COUNT_MAX)
            I8X_TRY(fold(observer, s));
        size_t room = COUNT_MAX - observer->counted, count = left < room ? left : room;
        bool first = observer->counted == 0;
        i8x_kernels_get()->loghist_f32(x, count, observer->bins);
        observer->low = first || min < observer->low ? min : observer->low;
        observer->high = first || max > observer->high ? max : observer->high;
        observer->counted += count;
        left -= count;
        x += count;
    }
    return I8X_OK;
}

static i8x_status bad_value(const i8x_observer *observer, int value, int64_t sample)
{
    I8X_FAIL(I8X_ERANGE, "'%s': NaN or infinity in sample %lld",
             observer->graph->values[value].name, (long long)(observer->first_sample + sample));
}

/* Moments of one channel's elements in one sample; widens [*low, *high] by them. */
static bool plane_add(seen *s, int64_t channel, const float *plane, bool first, float *low,
                      float *high)
{
    const i8x_kernels *kernels = i8x_kernels_get();
    i8x_moment *m = &s->moment;
    double sum, squares;
    float min, max;
    if (kernels->minmax_f32(plane, (size_t)s->inner, &min, &max) < (size_t)s->inner)
        return false;
    kernels->moments_f32(plane, (size_t)s->inner, &sum, &squares);
    m->sum[channel] += sum;
    m->sum_squares[channel] += squares;
    m->min[channel] = first || min < m->min[channel] ? min : m->min[channel];
    m->max[channel] = first || max > m->max[channel] ? max : m->max[channel];
    *low = min < *low ? min : *low;
    *high = max > *high ? max : *high;
    return true;
}

/* Channels lie apart: some planes at a time, so that they are counted while they are in the cache.
 */
static i8x_status planes_see(i8x_observer *observer, int value, const float *x, int64_t size,
                             int64_t sample)
{
    seen *s = observer->seen[value];
    int64_t planes = size / s->inner, together = PIECE / s->inner, channels = s->moment.channels;
    together = together < 1 ? 1 : together;
    for (int64_t p = 0, channel = 0; p < planes;) {
        const float *piece = x + p * s->inner;
        int64_t end = planes - p < together ? planes : p + together;
        float low = INFINITY, high = -INFINITY;
        for (; p < end; p++, channel = channel + 1 < channels ? channel + 1 : 0) {
            bool first = s->moment.count == 0 && p < channels;
            if (!plane_add(s, channel, x + p * s->inner, first, &low, &high))
                return bad_value(observer, value, sample);
        }
        I8X_TRY(count_values(observer, s, piece, x + p * s->inner - piece, low, high));
    }
    s->moment.count += (uint64_t)(planes / channels * s->inner);
    return I8X_OK;
}

/* Channels are the last axis: row after row. */
static void rows_add(seen *s, const float *x, int64_t rows)
{
    i8x_moment *m = &s->moment;
    bool first = m->count == 0;
    for (int64_t r = 0; r < rows; r++) {
        const float *row = x + r * m->channels;
        for (int64_t c = 0; c < m->channels; c++) {
            double value = (double)row[c] + 0.0; /* -0 counts as +0 */
            m->sum[c] += value;
            m->sum_squares[c] += value * value;
            float v = (float)value;
            m->min[c] = (first && r == 0) || v < m->min[c] ? v : m->min[c];
            m->max[c] = (first && r == 0) || v > m->max[c] ? v : m->max[c];
        }
    }
    m->count += (uint64_t)rows;
}

static i8x_status rows_see(i8x_observer *observer, int value, const float *x, int64_t size,
                           int64_t sample)
{
    seen *s = observer->seen[value];
    int64_t columns = s->moments ? s->moment.channels : 1, step = PIECE / columns * columns;
    step = step < columns ? columns : step;
    for (int64_t at = 0; at < size; at += step) {
        size_t count = (size_t)(size - at < step ? size - at : step);
        float min, max;
        if (i8x_kernels_get()->minmax_f32(x + at, count, &min, &max) < count)
            return bad_value(observer, value, sample);
        I8X_TRY(count_values(observer, s, x + at, (int64_t)count, min, max));
        if (s->moments)
            rows_add(s, x + at, (int64_t)count / columns);
    }
    return I8X_OK;
}

i8x_status i8x_observer_see(void *user, int value, const i8x_tensor *tensor)
{
    i8x_observer *observer = user;
    seen *s = observer->seen[value];
    if (s == NULL || observer->samples == 0)
        return I8X_OK;
    const char *name = observer->graph->values[value].name;
    int64_t elements = i8x_tensor_elements(tensor), size = elements / observer->batch;
    I8X_ENSURE(elements % observer->batch == 0, I8X_ESHAPE,
               "'%s': %lld elements are not the same for each of %lld samples", name,
               (long long)elements, (long long)observer->batch);
    if (size == 0)
        return I8X_OK;
    I8X_ENSURE(!s->moments || size % (s->moment.channels * s->inner) == 0, I8X_ESHAPE,
               "'%s': a sample is no whole number of channels", name);
    const float *x = tensor->data;
    for (int64_t i = 0; i < observer->samples; i++, x += size)
        I8X_TRY(s->moments && s->inner > 1 ? planes_see(observer, value, x, size, i)
                                           : rows_see(observer, value, x, size, i));
    return fold(observer, s);
}

i8x_status i8x_observer_histograms(const i8x_observer *observer, i8x_arena *arena,
                                   i8x_histograms *histograms)
{
    size_t count = (size_t)observer->graph->value_count;
    *histograms = (i8x_histograms){.samples = observer->total_samples};
    histograms->items = i8x_arena_array(arena, count, sizeof *histograms->items);
    I8X_TRY(i8x_alloc_check(histograms->items));
    for (int i = 0; i < observer->graph->value_count; i++) {
        const seen *s = observer->seen[i];
        if (s != NULL && s->histogram)
            I8X_TRY(i8x_histogram_sum_finish(&s->sum, i, arena,
                                             &histograms->items[histograms->count++]));
    }
    return I8X_OK;
}

i8x_status i8x_observer_moments(const i8x_observer *observer, i8x_arena *arena,
                                i8x_moments *moments)
{
    size_t count = (size_t)observer->graph->value_count;
    *moments = (i8x_moments){.samples = observer->total_samples};
    moments->items = i8x_arena_array(arena, count, sizeof *moments->items);
    I8X_TRY(i8x_alloc_check(moments->items));
    for (int i = 0; i < observer->graph->value_count; i++) {
        const seen *s = observer->seen[i];
        if (s != NULL && s->moments)
            I8X_TRY(i8x_moment_copy(&s->moment, arena, &moments->items[moments->count++]));
    }
    return I8X_OK;
}
