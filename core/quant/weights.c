/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights: scales, nearest codes, biases, and the record of them.
 *
 * Dead channels: a channel whose weights are all (next to) zero would get a scale so small that its
 * bias does not fit into 32 bits. Its scale is enlarged until |bias| / (s_x s_w) <= 2^30, never the
 * other way round: the codes become 0, which is what the weights are worth beside that bias.
 */
#include "core/quant/weights.h"

#include <math.h>
#include <string.h>

#include "core/base/bytes.h"

#define WEIGHTS_MAGIC 0x57583849u /* "I8XW" */
#define WEIGHTS_VERSION 1
#define CODE_MAX 127
#define BIAS_LIMIT 0x1p30    /* largest bias code: room for what correction adds */
#define SCALE_LEAST 0x1p-60f /* products with an activation scale stay normal floats */
#define MSE_STEPS 26         /* tried shares of the largest magnitude: 1, 0.98 ... 0.5 */

int64_t i8x_weights_taps(const i8x_qlayer *layer)
{
    return layer->elements / layer->channels;
}

/* Element of (row, tap): axis 0 is one run; else taps come in runs of what lies behind the axis. */
static int64_t inner_of(const i8x_graph *graph, const i8x_qlayer *layer)
{
    const i8x_shape *shape = &graph->values[layer->weight].shape;
    int64_t inner = 1;
    for (int d = layer->axis + 1; d < shape->rank; d++)
        inner *= shape->dims[d];
    return inner;
}

void i8x_weights_row_get(const i8x_graph *graph, const i8x_qlayer *layer, int64_t row, float *w)
{
    const float *data = graph->values[layer->weight].data;
    int64_t inner = inner_of(graph, layer), taps = i8x_weights_taps(layer);
    for (int64_t t = 0; t < taps; t++)
        w[t] = data[(t / inner * layer->channels + row) * inner + t % inner];
}

void i8x_weights_row_put(const i8x_graph *graph, const i8x_qlayer *layer, int64_t row,
                         const int8_t *row_codes, int8_t *codes)
{
    int64_t inner = inner_of(graph, layer), taps = i8x_weights_taps(layer);
    for (int64_t t = 0; t < taps; t++)
        codes[(t / inner * layer->channels + row) * inner + t % inner] = row_codes[t];
}

void i8x_weights_real(const i8x_graph *graph, const i8x_qlayer *layer, const int8_t *codes,
                      const float *scale, float *w)
{
    int64_t inner = inner_of(graph, layer);
    for (int64_t i = 0; i < layer->elements; i++)
        w[i] = (float)codes[i] * scale[i / inner % layer->channels];
}

float i8x_weights_scale_max(const float *w, int64_t count)
{
    float largest = 0;
    for (int64_t i = 0; i < count; i++) {
        float magnitude = fabsf(w[i]);
        largest = magnitude > largest ? magnitude : largest;
    }
    float scale = largest / CODE_MAX;
    return scale > SCALE_LEAST ? scale : SCALE_LEAST;
}

static double clipped_code(double w, double scale)
{
    double q = rint(w / scale);
    return q > CODE_MAX ? CODE_MAX : q < -CODE_MAX ? -CODE_MAX : q;
}

float i8x_weights_scale_mse(const float *w, const double *power, int64_t count)
{
    float whole = i8x_weights_scale_max(w, count), best = whole;
    double least = INFINITY;
    for (int step = 0; step < MSE_STEPS; step++) {
        float scale = (float)((double)whole * (1.0 - 0.02 * step));
        double error = 0;
        for (int64_t i = 0; i < count; i++) {
            double d = clipped_code((double)w[i], (double)scale) * (double)scale - (double)w[i];
            error += (power == NULL ? 1.0 : power[i]) * (d * d);
        }
        if (error < least) {
            least = error;
            best = scale;
        }
    }
    return best > SCALE_LEAST ? best : SCALE_LEAST;
}

bool i8x_weights_scale_raise(float *scale, float bias, float input_scale)
{
    double least = fabs((double)bias) / ((double)input_scale * BIAS_LIMIT);
    if ((double)*scale >= least)
        return false;
    *scale = nextafterf((float)least, INFINITY);
    return true;
}

int32_t i8x_weights_bias_code(float bias, float input_scale, float scale)
{
    /* the product is the float that the model's DequantizeLinear holds */
    float unit = input_scale * scale;
    double code = rint((double)bias / (double)unit);
    return (int32_t)(code > INT32_MAX ? INT32_MAX : code < -INT32_MAX ? -INT32_MAX : code);
}

/* What quantizing the rows of one layer needs. */
typedef struct job {
    const i8x_graph *graph;
    const i8x_qlayer *layer;
    const double *power; /* [taps] second moments of the taps, or NULL */
    bool mse;
    float input_scale;
    float *scale, *bias;
    int8_t *codes;
    int32_t *bias_codes;
    uint8_t *raised;
    float *rows; /* [threads][taps] */
    int8_t *row_codes;
} job;

static void rows_quantize(void *user, int64_t begin, int64_t end, int thread)
{
    job *j = user;
    int64_t taps = i8x_weights_taps(j->layer);
    float *w = j->rows + thread * taps;
    int8_t *codes = j->row_codes + thread * taps;
    const float *bias = j->layer->bias >= 0 ? j->graph->values[j->layer->bias].data : NULL;
    for (int64_t row = begin; row < end; row++) {
        i8x_weights_row_get(j->graph, j->layer, row, w);
        float scale =
            j->mse ? i8x_weights_scale_mse(w, j->power, taps) : i8x_weights_scale_max(w, taps);
        j->bias[row] = bias != NULL ? bias[row] : 0.0f;
        j->raised[row] = i8x_weights_scale_raise(&scale, j->bias[row], j->input_scale);
        for (int64_t t = 0; t < taps; t++)
            codes[t] = (int8_t)clipped_code((double)w[t], (double)scale);
        i8x_weights_row_put(j->graph, j->layer, row, codes, j->codes);
        j->scale[row] = scale;
        j->bias_codes[row] = i8x_weights_bias_code(j->bias[row], j->input_scale, scale);
    }
}

/* Second moment of each tap of a dense layer from the moments of its input; NULL where it tells
 * nothing (depthwise: all taps of a row see one channel) or is not there. */
static i8x_status tap_power(const i8x_graph *graph, const i8x_qlayer *layer,
                            const i8x_moments *moments, i8x_arena *arena, double **power)
{
    const i8x_moment *m = moments == NULL ? NULL : i8x_moments_find(moments, layer->input);
    int64_t taps = i8x_weights_taps(layer);
    *power = NULL;
    if (m == NULL || m->count == 0 || layer->depthwise || taps % m->channels != 0)
        return I8X_OK;
    bool transposed = strcmp(graph->nodes[layer->node].op_type, "ConvTranspose") == 0;
    int64_t plane = transposed ? inner_of(graph, layer) : taps / m->channels;
    *power = i8x_arena_array(arena, (size_t)taps, sizeof **power);
    I8X_TRY(i8x_alloc_check(*power));
    for (int64_t t = 0; t < taps; t++)
        (*power)[t] = m->sum_squares[t / plane] / (double)m->count;
    return I8X_OK;
}

static i8x_status job_alloc(job *j, int threads, i8x_arena *arena)
{
    size_t channels = (size_t)j->layer->channels, taps = (size_t)i8x_weights_taps(j->layer);
    j->scale = i8x_arena_array(arena, channels, sizeof *j->scale);
    I8X_TRY(i8x_alloc_check(j->scale));
    j->bias = i8x_arena_array(arena, channels, sizeof *j->bias);
    I8X_TRY(i8x_alloc_check(j->bias));
    j->bias_codes = i8x_arena_array(arena, channels, sizeof *j->bias_codes);
    I8X_TRY(i8x_alloc_check(j->bias_codes));
    j->raised = i8x_arena_array(arena, channels, 1);
    I8X_TRY(i8x_alloc_check(j->raised));
    j->codes = i8x_arena_array(arena, (size_t)j->layer->elements, 1);
    I8X_TRY(i8x_alloc_check(j->codes));
    j->rows = i8x_arena_array(arena, taps * (size_t)threads, sizeof *j->rows);
    I8X_TRY(i8x_alloc_check(j->rows));
    j->row_codes = i8x_arena_array(arena, taps * (size_t)threads, 1);
    return i8x_alloc_check(j->row_codes);
}

static i8x_status weights_check(const i8x_graph *graph, const i8x_qlayer *layer)
{
    int values[2] = {layer->weight, layer->bias};
    for (int k = 0; k < 2; k++) {
        if (values[k] < 0)
            continue;
        const float *data = graph->values[values[k]].data;
        int64_t count = k == 0 ? layer->elements : layer->channels;
        for (int64_t i = 0; i < count; i++)
            I8X_ENSURE(isfinite(data[i]), I8X_ERANGE, "'%s': NaN or infinity at element %lld",
                       graph->values[values[k]].name, (long long)i);
    }
    return I8X_OK;
}

static i8x_status layer_quantize(const i8x_graph *graph, const i8x_qspec *qspec, int index,
                                 bool mse, const i8x_moments *moments, i8x_threads *threads,
                                 i8x_arena *arena, i8x_qweights *item)
{
    const i8x_qlayer *layer = &qspec->layers[index];
    I8X_TRY(weights_check(graph, layer));
    job j = {.graph = graph, .layer = layer, .mse = mse};
    j.input_scale = qspec->groups[qspec->value_group[layer->input]].scale;
    double *power = NULL;
    if (mse)
        I8X_TRY(tap_power(graph, layer, moments, arena, &power));
    j.power = power;
    I8X_TRY(job_alloc(&j, i8x_threads_count(threads), arena));
    i8x_threads_for(threads, 0, layer->channels, 1, rows_quantize, &j);
    *item = (i8x_qweights){.layer = index,
                           .channels = layer->channels,
                           .elements = layer->elements,
                           .scale = j.scale,
                           .codes = j.codes,
                           .bias = j.bias,
                           .bias_codes = j.bias_codes};
    for (int64_t c = 0; c < layer->channels; c++)
        item->scale_raised += j.raised[c];
    return I8X_OK;
}

i8x_status i8x_weights_quantize(const i8x_graph *graph, const i8x_qspec *qspec,
                                const i8x_recipe *recipe, const i8x_moments *moments,
                                int layer_begin, int layer_end, i8x_threads *threads,
                                i8x_arena *arena, i8x_qweights_set *set)
{
    I8X_ENSURE(qspec->solved, I8X_EARG, "the ranges are not solved yet");
    I8X_ENSURE(layer_begin >= 0 && layer_begin <= layer_end && layer_end <= qspec->layer_count,
               I8X_EARG, "layers [%d, %d) of %d", layer_begin, layer_end, qspec->layer_count);
    set->count = 0;
    set->items = i8x_arena_array(arena, (size_t)(layer_end - layer_begin), sizeof *set->items);
    I8X_TRY(i8x_alloc_check(set->items));
    bool mse = recipe->weight_scale == I8X_WEIGHT_SCALE_MSE;
    for (int l = layer_begin; l < layer_end; l++) {
        if (qspec->layers[l].reason == I8X_QREASON_NONE)
            I8X_TRY(layer_quantize(graph, qspec, l, mse, moments, threads, arena,
                                   &set->items[set->count++]));
    }
    return I8X_OK;
}

const i8x_qweights *i8x_weights_find(const i8x_qweights_set *set, int layer)
{
    for (int i = 0; i < set->count; i++) {
        if (set->items[i].layer == layer)
            return &set->items[i];
    }
    return NULL;
}

/* Puts one item where its layer belongs; a later one replaces what it holds. */
static i8x_status item_merge(i8x_qweights_set *set, const i8x_qweights *item)
{
    int at = 0;
    while (at < set->count && set->items[at].layer < item->layer)
        at++;
    if (at < set->count && set->items[at].layer == item->layer) {
        i8x_qweights *old = &set->items[at];
        I8X_ENSURE(old->channels == item->channels && old->elements == item->elements, I8X_ESHAPE,
                   "two records of layer %d do not fit", item->layer);
        const int8_t *codes = item->codes != NULL ? item->codes : old->codes;
        *old = *item;
        old->codes = codes;
        return I8X_OK;
    }
    memmove(&set->items[at + 1], &set->items[at], (size_t)(set->count - at) * sizeof *set->items);
    set->items[at] = *item;
    set->count++;
    return I8X_OK;
}

i8x_status i8x_weights_merge(const i8x_qweights_set *parts, int part_count, i8x_arena *arena,
                             i8x_qweights_set *merged)
{
    size_t capacity = 0;
    for (int p = 0; p < part_count; p++)
        capacity += (size_t)parts[p].count;
    merged->count = 0;
    merged->items = i8x_arena_array(arena, capacity + 1, sizeof *merged->items);
    I8X_TRY(i8x_alloc_check(merged->items));
    for (int p = 0; p < part_count; p++) {
        for (int i = 0; i < parts[p].count; i++)
            I8X_TRY(item_merge(merged, &parts[p].items[i]));
    }
    return I8X_OK;
}

static void item_put(i8x_writer *writer, const i8x_qweights *item)
{
    i8x_writer_put_u32(writer, (uint32_t)item->layer);
    i8x_writer_put_u64(writer, (uint64_t)item->channels);
    i8x_writer_put_u64(writer, (uint64_t)item->elements);
    i8x_writer_put_u32(writer, item->scale_raised);
    i8x_writer_put_u8(writer, item->codes != NULL);
    for (int64_t c = 0; c < item->channels; c++) {
        i8x_writer_put_f32(writer, item->scale[c]);
        i8x_writer_put_f32(writer, item->bias[c] + 0.0f);
        i8x_writer_put_s32(writer, item->bias_codes[c]);
    }
    if (item->codes != NULL)
        i8x_writer_put_bytes(writer, item->codes, (size_t)item->elements);
}

i8x_status i8x_weights_encode(const i8x_qweights_set *set, i8x_arena *arena, const uint8_t **bytes,
                              size_t *size_bytes)
{
    i8x_writer writer;
    i8x_writer_init(&writer, NULL, 0);
    i8x_writer_put_u32(&writer, WEIGHTS_MAGIC);
    i8x_writer_put_u32(&writer, WEIGHTS_VERSION);
    i8x_writer_put_u32(&writer, (uint32_t)set->count);
    for (int i = 0; i < set->count; i++)
        item_put(&writer, &set->items[i]);
    i8x_status status = i8x_writer_status(&writer);
    if (status == I8X_OK) {
        *size_bytes = writer.size;
        *bytes = i8x_arena_copy(arena, writer.bytes, writer.size);
        status = i8x_alloc_check(*bytes);
    }
    i8x_writer_deinit(&writer);
    return status;
}

/* The numbers of the channels; false in *sound if one cannot be. */
static i8x_status channels_take(i8x_reader *reader, i8x_qweights *item, i8x_arena *arena)
{
    size_t channels = (size_t)item->channels;
    float *scale = i8x_arena_array(arena, channels, sizeof *scale);
    I8X_TRY(i8x_alloc_check(scale));
    float *bias = i8x_arena_array(arena, channels, sizeof *bias);
    I8X_TRY(i8x_alloc_check(bias));
    int32_t *bias_codes = i8x_arena_array(arena, channels, sizeof *bias_codes);
    I8X_TRY(i8x_alloc_check(bias_codes));
    bool sound = true;
    for (size_t c = 0; c < channels; c++) {
        scale[c] = i8x_reader_f32(reader);
        bias[c] = i8x_reader_f32(reader);
        bias_codes[c] = i8x_reader_s32(reader);
        sound = sound && isfinite(scale[c]) && scale[c] > 0 && isfinite(bias[c]);
    }
    if (!sound)
        (void)i8x_reader_fail(reader, "a scale or bias is not a finite number");
    item->scale = scale;
    item->bias = bias;
    item->bias_codes = bias_codes;
    return i8x_reader_status(reader);
}

static i8x_status item_take(i8x_reader *reader, int layer_before, i8x_arena *arena,
                            i8x_qweights *item)
{
    uint32_t layer = i8x_reader_u32(reader);
    uint64_t channels = i8x_reader_u64(reader), elements = i8x_reader_u64(reader);
    item->scale_raised = i8x_reader_u32(reader);
    uint8_t has_codes = i8x_reader_u8(reader);
    size_t left = i8x_reader_left(reader);
    if (layer > INT32_MAX || (int64_t)layer <= layer_before || channels == 0 ||
        channels > left / 12 || elements < channels || elements % channels != 0 ||
        elements > (uint64_t)I8X_ELEMENTS_MAX || has_codes > 1)
        (void)i8x_reader_fail(reader, "bad layer, channel or element count");
    I8X_TRY(i8x_reader_status(reader));
    item->layer = (int)layer;
    item->channels = (int64_t)channels;
    item->elements = (int64_t)elements;
    I8X_TRY(channels_take(reader, item, arena));
    item->codes = NULL;
    if (has_codes) {
        item->codes = (const int8_t *)i8x_reader_bytes(reader, (size_t)elements);
        I8X_TRY(i8x_reader_status(reader));
        I8X_ENSURE(memchr(item->codes, (uint8_t)INT8_MIN, (size_t)elements) == NULL, I8X_EFORMAT,
                   "weights: code -128");
    }
    return I8X_OK;
}

i8x_status i8x_weights_decode(const void *bytes, size_t size_bytes, i8x_arena *arena,
                              i8x_qweights_set *set)
{
    i8x_reader reader;
    i8x_reader_init(&reader, bytes, size_bytes, "weights");
    uint32_t magic = i8x_reader_u32(&reader), version = i8x_reader_u32(&reader);
    uint32_t count = i8x_reader_u32(&reader);
    I8X_TRY(i8x_reader_status(&reader));
    I8X_ENSURE(magic == WEIGHTS_MAGIC, I8X_EFORMAT, "weights: not such a record");
    I8X_ENSURE(version == WEIGHTS_VERSION, I8X_EVERSION, "weights: version %u", version);
    I8X_ENSURE(count <= I8X_GRAPH_NODES_MAX, I8X_ELIMIT, "weights: %u layers", count);
    set->count = (int)count;
    set->items = i8x_arena_array(arena, count, sizeof *set->items);
    I8X_TRY(i8x_alloc_check(set->items));
    for (uint32_t i = 0; i < count; i++) {
        int before = i > 0 ? set->items[i - 1].layer : -1;
        I8X_TRY(item_take(&reader, before, arena, &set->items[i]));
    }
    return i8x_reader_end(&reader);
}
