/* SPDX-License-Identifier: Apache-2.0
 *
 * The walk that rounds weights and corrects biases, layer after layer on the same samples:
 *
 *   1. weights are rounded for the input that the quantized graph really delivers (rounding.h)
 *   2. the layer runs; per channel the bias takes the difference of the FP32 and the quantized mean
 * before the activation, then in a few Newton steps what is left of the means behind it (a clamp
 * bends a mean)
 *   3. the output becomes codes, with the bias that the integer model will hold
 *
 * Outputs are made in blocks of channels, so that all positions of all samples of a channel are
 * there at once and the block stays small; convolutions are cut by channels, other layers give all
 * their channels together. Means over the samples' outputs and not tap sums (linear in the codes,
 * exact in integers) because step 2 needs the distribution behind the clamp, which no linear sum
 * knows.
 */
#include "core/quant/bias_correct.h"

#include <math.h>
#include <string.h>

#include "core/graph/op_params.h"
#include "core/kernels/kernels.h"
#include "core/quant/rounding.h"
#include "core/quant/walk.h"

#define OUTPUT_BYTES ((int64_t)12 << 20) /* of a block of channels, all samples */
#define POST_STEPS 3                     /* Newton steps on the mean behind the clamp */
#define POST_INSIDE 0.02                 /* least share of outputs between the bounds for a step */
#define PIECE 2048                       /* floats of a line that are looked at together */

/* One layer at work. */
typedef struct stage {
    i8x_walk *walk;
    const i8x_recipe *recipe;
    const i8x_moments *moments;
    int index; /* in qspec->layers */
    const i8x_qlayer *layer;
    float input_scale;
    int8_t *codes;       /* [elements], written if they change */
    float *scale, *bias; /* [channels] in: before, out: after */
    int32_t *bias_codes;
    const float *bias_before; /* [channels] or NULL */
    float *real;              /* [elements] scale * codes */
    int result;               /* value that takes the output */
    float lo, hi;             /* clamp before it */
    int64_t positions;        /* of one channel of one sample */
    bool by_channel;          /* output [channels][positions]; otherwise [positions][channels] */
    float *y;                 /* [block][samples * positions] */
    int64_t block, first;     /* channels in y */
    i8x_gram gram;
    float *rows; /* [threads][taps] */
    int8_t *row_codes;
    double *row_scratch;
} stage;

/* --- rounding --- */

static void rows_round(void *user, int64_t begin, int64_t end, int thread)
{
    stage *s = user;
    int64_t taps = i8x_weights_taps(s->layer);
    float *w = s->rows + thread * taps;
    int8_t *codes = s->row_codes + thread * taps;
    double *scratch = s->row_scratch + thread * i8x_rounding_scratch(&s->gram);
    for (int64_t row = begin; row < end; row++) {
        i8x_weights_row_get(s->walk->graph, s->layer, row, w);
        float scale = s->scale[row];
        i8x_rounding_row(&s->gram, row, w, &scale, codes, scratch);
        float bias = s->bias_before != NULL ? s->bias_before[row] : 0.0f;
        float raised = scale;
        if (i8x_weights_scale_raise(&raised, bias, s->input_scale))
            continue; /* the start scale was raised as well: its nearest codes stay */
        s->scale[row] = scale;
        i8x_weights_row_put(s->walk->graph, s->layer, row, codes, s->codes);
    }
}

static i8x_status gram_fill(stage *s)
{
    i8x_walk *walk = s->walk;
    i8x_gram *gram = &s->gram;
    i8x_arena_mark mark = i8x_arena_mark_get(walk->scratch);
    size_t elements = (size_t)walk->values[s->layer->input].elements;
    float *x = i8x_arena_array(walk->scratch, elements, sizeof *x);
    I8X_TRY(i8x_alloc_check(x));
    for (int64_t n = 0; n < gram->samples; n++) {
        i8x_walk_load(walk, s->layer->input, n, x);
        I8X_TRY(i8x_gram_add(gram, walk->graph, s->layer, x, walk->scratch));
    }
    i8x_gram_finish(gram);
    i8x_arena_rewind(walk->scratch, mark);
    return I8X_OK;
}

static i8x_status layer_round(stage *s, bool *changed)
{
    i8x_arena *scratch = s->walk->scratch;
    *changed = false;
    I8X_TRY(i8x_gram_init(&s->gram, s->walk->graph, s->layer, s->walk->samples, scratch, changed));
    if (!*changed)
        return I8X_OK;
    I8X_TRY(gram_fill(s));
    size_t threads = (size_t)i8x_threads_count(s->walk->threads), taps = (size_t)s->gram.taps;
    s->rows = i8x_arena_array(scratch, threads * taps, sizeof *s->rows);
    I8X_TRY(i8x_alloc_check(s->rows));
    s->row_codes = i8x_arena_array(scratch, threads * taps, 1);
    I8X_TRY(i8x_alloc_check(s->row_codes));
    s->row_scratch = i8x_arena_array(scratch, threads * (size_t)i8x_rounding_scratch(&s->gram),
                                     sizeof *s->row_scratch);
    I8X_TRY(i8x_alloc_check(s->row_scratch));
    i8x_threads_for(s->walk->threads, 0, s->layer->channels, 1, rows_round, s);
    return I8X_OK;
}

/* --- outputs --- */

/* Where finished values of a convolution go: straight into the channel's line. */
typedef struct line_sink {
    float *y;
    int64_t line, offset; /* floats of a channel; those of the samples before */
} line_sink;

static void line_store(const void *user, int64_t sample, int64_t channel, int64_t pixel,
                       int64_t count, float *acc, const int32_t *sum)
{
    const line_sink *sink = user;
    (void)sample;
    (void)sum;
    memcpy(sink->y + channel * sink->line + sink->offset + pixel, acc, (size_t)count * sizeof *acc);
}

/* A convolution whose channels can be computed apart. */
static const i8x_conv_params *separable(const stage *s)
{
    const i8x_node *node = &s->walk->graph->nodes[s->layer->node];
    if (!i8x_node_is(node, I8X_OP_CONV) || node->params == NULL)
        return NULL;
    const i8x_conv_params *p = node->params;
    return p->batch == 1 && (p->group == 1 || (p->group == p->oc && p->group == p->ic)) ? p : NULL;
}

static i8x_status block_convolve(stage *s, const i8x_conv_params *whole, int64_t channels)
{
    i8x_walk *walk = s->walk;
    i8x_conv_params part = *whole;
    bool depthwise = whole->group > 1;
    part.oc = channels;
    part.ic = depthwise ? channels : whole->ic;
    part.group = depthwise ? channels : 1;
    int64_t plane = whole->window.ih * whole->window.iw;
    i8x_arena_mark mark = i8x_arena_mark_get(walk->scratch);
    float *x = i8x_arena_array(walk->scratch, (size_t)(whole->ic * plane), sizeof *x);
    I8X_TRY(i8x_alloc_check(x));
    line_sink sink = {.y = s->y, .line = walk->samples * s->positions};
    i8x_conv_args args = {.params = &part,
                          .x = depthwise ? x + s->first * plane : x,
                          .w = s->real + s->first * i8x_weights_taps(s->layer),
                          .bias = s->bias_before != NULL ? s->bias_before + s->first : NULL,
                          .sink = line_store,
                          .user = &sink};
    for (int64_t n = 0; n < walk->samples; n++) {
        i8x_walk_load(walk, s->layer->input, n, x);
        sink.offset = n * s->positions;
        I8X_TRY(i8x_conv_run(&args, walk->scratch, walk->threads));
    }
    i8x_arena_rewind(walk->scratch, mark);
    return I8X_OK;
}

/* Any other layer: all channels of one sample after the other, turned into lines. */
static i8x_status block_run(stage *s)
{
    i8x_walk *walk = s->walk;
    int64_t channels = s->layer->channels, line = walk->samples * s->positions;
    for (int64_t n = 0; n < walk->samples; n++) {
        i8x_arena_mark mark = i8x_arena_mark_get(walk->scratch);
        float *y;
        I8X_TRY(i8x_walk_node_with(walk, s->layer->node, n, s->real, &y));
        for (int64_t c = 0; c < channels; c++) {
            float *to = s->y + c * line + n * s->positions;
            for (int64_t p = 0; p < s->positions; p++)
                to[p] = s->by_channel ? y[c * s->positions + p] : y[p * channels + c];
        }
        i8x_arena_rewind(walk->scratch, mark);
    }
    return I8X_OK;
}

/* --- biases --- */

/* Sum of clamp(y + delta) and how many of them lie between the bounds; a piece at a time through
 * the kernels. */
static double clamped_sum(const float *y, int64_t count, float delta, float lo, float hi,
                          int64_t *inside)
{
    const i8x_kernels *kernels = i8x_kernels_get();
    float piece[PIECE];
    double total = 0;
    *inside = 0;
    for (int64_t at = 0; at < count; at += PIECE) {
        size_t size = (size_t)(count - at < PIECE ? count - at : PIECE);
        double sum, squares;
        int32_t within = 0;
        kernels->scale_shift_f32(y + at, 1.0f, delta, piece, size);
        for (size_t i = 0; i < size; i++)
            within += (piece[i] > lo) & (piece[i] < hi);
        kernels->clip_f32(piece, lo, hi, piece, size);
        kernels->moments_f32(piece, size, &sum, &squares);
        total += sum;
        *inside += within;
    }
    return total;
}

static bool mean_of(const i8x_moments *moments, int value, int64_t channel, int64_t channels,
                    double *mean)
{
    const i8x_moment *m = moments == NULL ? NULL : i8x_moments_find(moments, value);
    if (m == NULL || m->count == 0 || m->channels != channels)
        return false;
    *mean = m->sum[channel] / (double)m->count;
    return true;
}

/* What the channel's outputs are to be moved by. */
static double shift_of(const stage *s, int64_t channel, const float *y, int64_t count)
{
    double wanted, sum, squares, shift = 0;
    int64_t channels = s->layer->channels;
    int output = s->walk->graph->nodes[s->layer->node].outputs[0];
    if (mean_of(s->moments, output, channel, channels, &wanted)) {
        i8x_kernels_get()->moments_f32(y, (size_t)count, &sum, &squares);
        shift = wanted - sum / (double)count;
    }
    if (s->result == output || !mean_of(s->moments, s->result, channel, channels, &wanted))
        return shift;
    for (int step = 0; step < POST_STEPS; step++) {
        int64_t inside;
        double mean = clamped_sum(y, count, (float)shift, s->lo, s->hi, &inside) / (double)count;
        double share = (double)inside / (double)count;
        if (share <= POST_INSIDE)
            break;
        shift += (wanted - mean) / share;
    }
    return shift;
}

static void line_keep(stage *s, int64_t channel, const float *line)
{
    i8x_walk *walk = s->walk;
    int64_t channels = s->layer->channels;
    for (int64_t n = 0; n < walk->samples; n++, line += s->positions) {
        if (s->by_channel) {
            i8x_walk_store(walk, s->result, n, channel * s->positions, s->positions, line);
            continue;
        }
        for (int64_t p = 0; p < s->positions; p++)
            i8x_walk_store(walk, s->result, n, p * channels + channel, 1, line + p);
    }
}

/* Bias, then output codes, of channels [begin, end) of the block. */
static void lines_finish(void *user, int64_t begin, int64_t end, int thread)
{
    stage *s = user;
    const i8x_kernels *kernels = i8x_kernels_get();
    int64_t count = s->walk->samples * s->positions;
    /* MatMul has no bias to take a correction */
    bool corrected = s->recipe->bias_correction != I8X_BIAS_CORRECTION_NONE &&
                     !i8x_node_is(&s->walk->graph->nodes[s->layer->node], I8X_OP_MATMUL);
    (void)thread;
    for (int64_t c = begin; c < end; c++) {
        int64_t channel = s->first + c;
        float *y = s->y + c * count;
        float before = s->bias_before != NULL ? s->bias_before[channel] : 0.0f;
        double shift = corrected ? shift_of(s, channel, y, count) : 0;
        s->bias[channel] = (float)((double)before + shift);
        float unit = s->input_scale * s->scale[channel];
        int32_t code = i8x_weights_bias_code(s->bias[channel], s->input_scale, s->scale[channel]);
        s->bias_codes[channel] = code;
        double real = s->walk->target->bias_quantized ? (double)code * (double)unit
                                                      : (double)s->bias[channel];
        kernels->scale_shift_f32(y, 1.0f, (float)(real - (double)before), y, (size_t)count);
        if (s->lo > -INFINITY || s->hi < INFINITY)
            kernels->clip_f32(y, s->lo, s->hi, y, (size_t)count);
        line_keep(s, channel, y);
    }
}

/* --- one layer --- */

static i8x_status stage_begin(stage *s, const i8x_qweights *item, i8x_arena *arena)
{
    const i8x_graph *graph = s->walk->graph;
    size_t channels = (size_t)s->layer->channels, elements = (size_t)s->layer->elements;
    s->input_scale = s->walk->qspec->groups[s->walk->qspec->value_group[s->layer->input]].scale;
    s->bias_before = s->layer->bias >= 0 ? graph->values[s->layer->bias].data : NULL;
    int output = graph->nodes[s->layer->node].outputs[0];
    s->result = i8x_walk_result(s->walk, output, &s->lo, &s->hi);
    const i8x_shape *shape = &graph->values[output].shape;
    bool conv = strstr(graph->nodes[s->layer->node].op_type, "Conv") != NULL;
    s->by_channel = conv;
    s->positions = 1;
    for (int d = 0; d < shape->rank; d++) {
        if (d != (conv ? 1 : shape->rank - 1))
            s->positions *= shape->dims[d];
    }
    I8X_ENSURE(item->codes != NULL && item->channels == s->layer->channels &&
                   item->elements == s->layer->elements,
               I8X_EARG, "no codes for '%s'", graph->nodes[s->layer->node].name);
    s->scale = i8x_arena_copy(arena, item->scale, channels * sizeof *s->scale);
    I8X_TRY(i8x_alloc_check(s->scale));
    s->codes = i8x_arena_copy(arena, item->codes, elements);
    I8X_TRY(i8x_alloc_check(s->codes));
    s->bias = i8x_arena_array(arena, channels, sizeof *s->bias);
    I8X_TRY(i8x_alloc_check(s->bias));
    s->bias_codes = i8x_arena_array(arena, channels, sizeof *s->bias_codes);
    return i8x_alloc_check(s->bias_codes);
}

static i8x_status stage_run(stage *s)
{
    i8x_walk *walk = s->walk;
    int64_t channels = s->layer->channels, line = walk->samples * s->positions;
    const i8x_conv_params *conv = separable(s);
    s->real = i8x_arena_array(walk->scratch, (size_t)s->layer->elements, sizeof *s->real);
    I8X_TRY(i8x_alloc_check(s->real));
    i8x_weights_real(walk->graph, s->layer, s->codes, s->scale, s->real);
    s->block = channels;
    if (conv != NULL) {
        s->block = OUTPUT_BYTES / (int64_t)sizeof(float) / (line > 0 ? line : 1);
        s->block = s->block < 1 ? 1 : s->block > channels ? channels : s->block;
    }
    s->y = i8x_arena_array(walk->scratch, (size_t)(s->block * line), sizeof *s->y);
    I8X_TRY(i8x_alloc_check(s->y));
    I8X_TRY(i8x_walk_begin(walk, s->result));
    for (s->first = 0; s->first < channels; s->first += s->block) {
        int64_t count = channels - s->first < s->block ? channels - s->first : s->block;
        if (conv != NULL)
            I8X_TRY(block_convolve(s, conv, count));
        else
            I8X_TRY(block_run(s));
        i8x_threads_for(walk->threads, 0, count, 1, lines_finish, s);
    }
    return I8X_OK;
}

static i8x_status layer_walk(stage *s, const i8x_qweights_set *weights, i8x_arena *arena,
                             i8x_qweights *corrected)
{
    const i8x_qweights *item = i8x_weights_find(weights, s->index);
    I8X_ENSURE(item != NULL, I8X_EARG, "no weights for '%s'",
               s->walk->graph->nodes[s->layer->node].name);
    i8x_arena_mark mark = i8x_arena_mark_get(s->walk->scratch);
    I8X_TRY(stage_begin(s, item, arena));
    bool changed = false;
    if (s->recipe->rounding == I8X_ROUNDING_ADAPTIVE)
        I8X_TRY(layer_round(s, &changed));
    I8X_TRY(stage_run(s));
    i8x_arena_rewind(s->walk->scratch, mark);
    *corrected = *item;
    corrected->scale = s->scale;
    corrected->codes = changed ? s->codes : NULL;
    corrected->bias = s->bias;
    corrected->bias_codes = s->bias_codes;
    return I8X_OK;
}

static i8x_status graph_walk(i8x_walk *walk, const i8x_recipe *recipe,
                             const i8x_qweights_set *weights, const i8x_moments *moments,
                             i8x_arena *arena, i8x_qweights_set *corrected)
{
    const i8x_qspec *qspec = walk->qspec;
    int left = i8x_qspec_quantized_count(qspec);
    for (int n = 0; n < walk->graph->node_count && left > 0; n++) {
        i8x_qrole role = (i8x_qrole)qspec->node_role[n];
        if (role == I8X_QROLE_LAYER) {
            const i8x_qlayer *layer = i8x_qspec_layer(qspec, n);
            I8X_ENSURE(layer != NULL, I8X_EFORMAT, "qspec: node %d is no layer", n);
            stage s = {.walk = walk,
                       .recipe = recipe,
                       .moments = moments,
                       .layer = layer,
                       .index = (int)(layer - qspec->layers)};
            I8X_TRY(layer_walk(&s, weights, arena, &corrected->items[corrected->count]));
            corrected->count++;
            left--;
        } else if (role != I8X_QROLE_ABSORBED) {
            I8X_TRY(i8x_walk_node(walk, n));
        }
        i8x_walk_release(walk, n);
    }
    return I8X_OK;
}

i8x_status i8x_bias_correct_run(const i8x_graph *graph, const i8x_qspec *qspec,
                                const i8x_recipe *recipe, const i8x_qweights_set *weights,
                                const i8x_moments *moments, const i8x_sample_block *block,
                                i8x_threads *threads, i8x_arena *arena, i8x_qweights_set *corrected)
{
    I8X_ENSURE(qspec->solved, I8X_EARG, "the ranges are not solved yet");
    corrected->count = 0;
    corrected->items = i8x_arena_array(arena, (size_t)qspec->layer_count, sizeof *corrected->items);
    I8X_TRY(i8x_alloc_check(corrected->items));
    i8x_walk walk;
    i8x_status status = i8x_walk_init(&walk, graph, qspec, block, threads);
    if (status == I8X_OK)
        status = graph_walk(&walk, recipe, weights, moments, arena, corrected);
    i8x_walk_deinit(&walk);
    return status;
}
