/* SPDX-License-Identifier: Apache-2.0
 *
 * Equalisation by a noise model. For every stream (values tied by additions and pools) and
 * candidate exponent a:
 *
 *     full[c] = min(cap, 0.75 * largest range / range of c),   s[c] = full[c]^a
 *     A = sum over values t   (R_t / 255)^2 / 12 * sum_c G[t][c] / s[c]^2
 *     B = sum over consumers  1 / P * sum_o d_o^2 / 12 * taps * sum_c s[c]^2 m2[c]
 *     J = A + B                 noise of rounded activations and of rounded weights
 *
 * R_t is the range of the scaled value, G the gain from a channel's noise to the consumers' outputs
 * in units of their signal power P, d_o = max |W[o][c]| / s[c] / 127 the step of the consumer's
 * weights, m2 second moments. The first exponent with the least J is taken: full equalisation alone
 * does harm where narrow channels matter little. docs/numerics.md section 5; scaling across layers:
 * Nagel et al., "Data-Free Quantization through Weight Equalization and Bias Correction", ICCV
 * 2019.
 *
 * Where a Clip bounds the stream, s is held to what keeps 0.75 of the bound over the measured
 * maximum. That needs many samples: on EfficientNet-Lite0 the equalised FP32 model itself keeps 42
 * dB with 128 of them and 14 dB with 16. So with fewer than 64, which is the default, such streams
 * are left alone: measured as good (25.6 dB against 25.3 with all 128), and cheaper.
 */
#include "core/quant/equalize.h"

#include <math.h>
#include <string.h>

#include "core/graph/op_params.h"
#include "core/quant/qspec.h"
#include "core/quant/stream.h"

#define POWER_LEAST 1e-20
#define CODES_ACTIVATION 255.0
#define CODES_WEIGHT 127.0

/* Columns of the stream's channels in a value: a flattened value repeats each channel over `each`
 * of them. */
static int64_t each_of(const i8x_stream *stream, const i8x_moment *m)
{
    I8X_ASSERT(stream->channels > 0 && m->channels >= stream->channels); /* see stream_fill */
    return m->channels / stream->channels;
}

/* --- sensitivity --- */

/* Power gain of one consuming layer: sum of squared weights by input channel, over its output
 * power. */
static void layer_gain(const i8x_stream_model *model, int index, double *gain)
{
    const i8x_stream_layer *layer = &model->layers[index];
    double power = i8x_stream_power(model, layer->result);
    const float *w = layer->weight;
    int64_t rows = layer->transposed ? 1 : layer->channels;
    int64_t inner = layer->transposed ? layer->channels : layer->inner;
    for (int64_t o = 0; o < rows; o++) {
        for (int64_t c = 0; c < layer->inputs; c++, w += inner) {
            double sum = 0;
            for (int64_t i = 0; i < inner; i++)
                sum += (double)w[i] * (double)w[i];
            gain[layer->depthwise ? o : c] += sum / power;
        }
    }
}

/* G of a value from its readers; G of values further on is known (they come later in the graph). */
static void value_gain(const i8x_stream_model *model, double **gains, int value)
{
    const i8x_graph *graph = model->graph;
    const i8x_moment *m = i8x_moments_find(model->moments, value);
    for (int l = 0; l < model->layer_count; l++) {
        if (model->layers[l].input == value)
            layer_gain(model, l, gains[value]);
    }
    for (int n = 0; n < graph->node_count; n++) {
        int out = model->tie_output[n];
        if (out < 0 || gains[out] == NULL || model->value_stream[out] != model->value_stream[value])
            continue;
        const i8x_moment *to = i8x_moments_find(model->moments, out);
        int64_t each = to->channels / m->channels;
        for (int k = 0; k < graph->nodes[n].input_count; k++) {
            if (i8x_stream_result(model, graph->nodes[n].inputs[k]) != value)
                continue;
            double averaged =
                each == 1 && model->averages[n] ? (double)m->count / (double)to->count : 1;
            for (int64_t c = 0; c < m->channels * each; c++)
                gains[value][c / each] += gains[out][c] / averaged;
        }
    }
}

/* --- cost --- */

static double activation_cost(const i8x_stream_model *model, const i8x_stream *stream,
                              double **gains, const double *s)
{
    double total = 0;
    for (int i = 0; i < stream->count; i++) {
        const i8x_moment *m = i8x_moments_find(model->moments, stream->values[i]);
        const double *gain = gains[stream->values[i]];
        double top = 0, bottom = 0, sum = 0;
        for (int64_t c = 0; c < m->channels; c++) {
            double factor = s[c / each_of(stream, m)];
            top = fmax(top, (double)m->max[c] * factor);
            bottom = fmin(bottom, (double)m->min[c] * factor);
            sum += gain[c] / (factor * factor);
        }
        double step = (top - bottom) / CODES_ACTIVATION;
        total += step * step / 12 * sum;
    }
    return total;
}

/* Sum over output channels of the squared step of the weights, each divided by its input channel's
 * factor. */
static double steps_squared(const i8x_stream_layer *layer, int64_t each, const double *s)
{
    double total = 0;
    int64_t stride = layer->transposed ? layer->channels : 1;
    for (int64_t o = 0; o < layer->channels; o++) {
        const float *w = layer->weight + (layer->transposed ? o : o * layer->taps);
        double largest = 0;
        for (int64_t c = 0; c < layer->inputs; c++, w += layer->inner * stride) {
            float magnitude = 0;
            for (int64_t i = 0; i < layer->inner; i++)
                magnitude = fabsf(w[i * stride]) > magnitude ? fabsf(w[i * stride]) : magnitude;
            double scaled = (double)magnitude / s[each == 1 ? c : c / each];
            largest = scaled > largest ? scaled : largest;
        }
        total += largest / CODES_WEIGHT * (largest / CODES_WEIGHT);
    }
    return total;
}

static double weight_cost(const i8x_stream_model *model, const i8x_stream *stream, const double *s)
{
    double total = 0;
    for (int l = 0; l < model->layer_count; l++) {
        const i8x_stream_layer *layer = &model->layers[l];
        if (layer->depthwise || model->value_stream[layer->input] != stream->index)
            continue;
        const i8x_moment *m = i8x_moments_find(model->moments, layer->input);
        int64_t each = each_of(stream, m);
        double power = 0;
        for (int64_t c = 0; c < m->channels; c++)
            power += s[c / each] * s[c / each] * m->sum_squares[c] / (double)m->count;
        total += steps_squared(layer, each, s) / 12 * power * (double)layer->inner /
                 i8x_stream_power(model, layer->result);
    }
    return total;
}

/* --- choice --- */

/* full[c], and the limit[c] that Clips of the stream set. */
static void factors_full(const i8x_stream_model *model, const i8x_stream *stream, double *full,
                         double *limit)
{
    int64_t channels = stream->channels;
    for (int64_t c = 0; c < channels; c++) {
        full[c] = 0;
        limit[c] = INFINITY;
    }
    for (int i = 0; i < stream->count; i++) {
        int value = stream->values[i];
        const i8x_moment *m = i8x_moments_find(model->moments, value);
        int64_t each = each_of(stream, m);
        double largest = 0;
        for (int64_t c = 0; c < m->channels; c++)
            largest = fmax(largest, fmax((double)m->max[c], -(double)m->min[c]));
        for (int64_t c = 0; c < m->channels && largest > 0; c++) {
            double range = fmax((double)m->max[c], -(double)m->min[c]) / largest;
            full[c / each] = fmax(full[c / each], range);
            double bound = (double)model->bound_hi[value];
            if (bound < (double)INFINITY && m->max[c] > 0)
                limit[c / each] =
                    fmin(limit[c / each], I8X_EQUALIZE_MARGIN * bound / (double)m->max[c]);
        }
    }
    double largest = 0, cap = stream->clipped ? I8X_EQUALIZE_CAP_CLIPPED : I8X_EQUALIZE_CAP;
    for (int64_t c = 0; c < channels; c++)
        largest = fmax(largest, full[c]);
    for (int64_t c = 0; c < channels; c++) {
        double ratio = full[c] > 0 ? I8X_EQUALIZE_MARGIN * largest / full[c] : 1;
        full[c] = fmax(1, fmin(cap, ratio));
        limit[c] = model->moments->samples < I8X_EQUALIZE_CLIPPED_LEAST ? 1 : fmax(1, limit[c]);
    }
}

/* full^(k / 8) by square roots, which are the same on every machine. */
static double power_of_eighths(double full, int eighths)
{
    double half = sqrt(full), quarter = sqrt(half), eighth = sqrt(quarter);
    return (eighths & 8 ? full : 1) * (eighths & 4 ? half : 1) * (eighths & 2 ? quarter : 1) *
           (eighths & 1 ? eighth : 1);
}

static void factors_choose(const i8x_stream_model *model, const i8x_stream *stream, double **gains,
                           const double *full, const double *limit, double *tried, double *best)
{
    double least = INFINITY;
    for (int k = 0; k < I8X_EQUALIZE_EXPONENTS; k++) {
        for (int64_t c = 0; c < stream->channels; c++) {
            double s = power_of_eighths(full[c], k);
            tried[c] = stream->clipped ? fmin(fmax(s, 1), limit[c]) : s;
        }
        double j = activation_cost(model, stream, gains, tried) + weight_cost(model, stream, tried);
        if (j < least) {
            least = j;
            memcpy(best, tried, (size_t)stream->channels * sizeof *best);
        }
    }
}

/* --- the whole --- */

static i8x_status gains_make(const i8x_stream_model *model, const i8x_stream *stream,
                             i8x_arena *arena, double **gains)
{
    for (int i = stream->count - 1; i >= 0; i--) {
        int value = stream->values[i];
        const i8x_moment *m = i8x_moments_find(model->moments, value);
        gains[value] = i8x_arena_array(arena, (size_t)m->channels, sizeof(double));
        I8X_TRY(i8x_alloc_check(gains[value]));
        value_gain(model, gains, value);
    }
    return I8X_OK;
}

static i8x_status stream_equalize(i8x_stream_model *model, const i8x_stream *stream, double **gains,
                                  i8x_arena *arena, i8x_equalize_report *report)
{
    size_t channels = (size_t)stream->channels;
    double *vectors = i8x_arena_array(arena, 4 * channels, sizeof *vectors);
    I8X_TRY(i8x_alloc_check(vectors));
    double *full = vectors, *limit = vectors + channels, *tried = vectors + 2 * channels,
           *best = vectors + 3 * channels;
    I8X_TRY(gains_make(model, stream, arena, gains));
    factors_full(model, stream, full, limit);
    for (size_t c = 0; c < channels; c++)
        best[c] = 1;
    factors_choose(model, stream, gains, full, limit, tried, best);
    double least = INFINITY, most = 0;
    for (size_t c = 0; c < channels; c++) {
        least = fmin(least, best[c]);
        most = fmax(most, best[c]);
    }
    report->streams++;
    if (most == 1 && least == 1)
        return I8X_OK;
    report->streams_changed++;
    report->largest_ratio = fmax(report->largest_ratio, most / least);
    return i8x_stream_scale(model, stream, best);
}

i8x_status i8x_equalize_graph(i8x_graph *graph, i8x_equalize method, const i8x_moments *moments,
                              i8x_equalize_report *report)
{
    i8x_equalize_report own = {.largest_ratio = 1}, *r = report != NULL ? report : &own;
    *r = own;
    if (method == I8X_EQUALIZE_NONE)
        return I8X_OK;
    i8x_arena *arena;
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    i8x_stream_model model;
    i8x_status status = i8x_stream_model_init(&model, graph, moments, arena);
    double **gains = NULL;
    if (status == I8X_OK) {
        gains = i8x_arena_array(arena, (size_t)graph->value_count, sizeof *gains);
        status = i8x_alloc_check(gains);
    }
    for (int i = 0; status == I8X_OK && i < model.stream_count; i++)
        status = stream_equalize(&model, &model.streams[i], gains, arena, r);
    if (status == I8X_OK)
        status = i8x_stream_commit(&model);
    i8x_arena_free(arena);
    return status;
}
