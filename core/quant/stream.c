/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams: union-find over results. The rules are those of the accuracy research (docs/numerics.md
 * section 5); Concat and everything not named here freezes what it touches.
 */
#include "core/quant/stream.h"

#include <math.h>
#include <string.h>

#include "core/graph/op_params.h"
#include "core/quant/qspec.h"

/* Operators that tie their inputs and output; the first `inputs` inputs carry values. */
static const struct {
    const char *op_type;
    bool averages;
} ties[] = {
    {"Add", false},     {"AveragePool", true}, {"Flatten", false}, {"GlobalAveragePool", true},
    {"MaxPool", false}, {"ReduceMean", true},  {"Squeeze", false}};

typedef struct build {
    i8x_stream_model *model;
    i8x_graph *graph;
    int *parent;
    uint8_t *frozen; /* of a root: may not be scaled */
} build;

static int find(const build *b, int value)
{
    while (b->parent[value] != value)
        value = b->parent[value];
    return value;
}

static void tie(build *b, int from, int to)
{
    int a = find(b, from), c = find(b, to);
    if (a == c)
        return;
    int low = a < c ? a : c, high = a < c ? c : a;
    b->parent[high] = low;
    b->frozen[low] |= b->frozen[high];
}

static void freeze(build *b, int value)
{
    if (value >= 0)
        b->frozen[find(b, b->model->result[value])] = 1;
}

int i8x_stream_result(const i8x_stream_model *model, int value)
{
    return value < 0 ? value : model->result[value];
}

static bool is_activation(const i8x_node *node)
{
    return strcmp(node->op_type, "Relu") == 0 || strcmp(node->op_type, "Clip") == 0;
}

/* Finds values behind activations. A clamp that does not commute with scaling freezes later. */
static void results_find(build *b)
{
    i8x_stream_model *m = b->model;
    for (int v = 0; v < b->graph->value_count; v++) {
        m->result[v] = v;
        m->bound_hi[v] = INFINITY;
    }
    for (int n = 0; n < b->graph->node_count; n++) {
        const i8x_node *node = &b->graph->nodes[n];
        float lo, hi;
        if (i8x_node_removed(node) || !is_activation(node) ||
            i8x_graph_single_user(b->graph, node->inputs[0]) != n ||
            !i8x_qspec_clamp(b->graph, n, &lo, &hi))
            continue;
        int producer = b->graph->values[node->inputs[0]].producer;
        if (producer < 0 || is_activation(&b->graph->nodes[producer]))
            continue;
        m->result[node->inputs[0]] = node->outputs[0];
        m->bound_hi[node->outputs[0]] = hi;
        if (lo != 0 && lo > -INFINITY)
            b->frozen[node->outputs[0]] = 1;
    }
}

static bool constant_floats(const i8x_graph *graph, int value)
{
    return value >= 0 && i8x_value_is_constant(&graph->values[value]) &&
           graph->values[value].dtype == I8X_DTYPE_F32;
}

/* A Conv or 2-D Gemm with constant weights; false: the node is none that can be scaled. */
static bool layer_describe(const build *b, int index, i8x_stream_layer *layer)
{
    const i8x_graph *graph = b->graph;
    const i8x_node *node = &graph->nodes[index];
    bool conv = i8x_node_is(node, I8X_OP_CONV), gemm = i8x_node_is(node, I8X_OP_GEMM);
    int bias = node->input_count > 2 ? node->inputs[2] : I8X_GRAPH_NONE;
    if ((!conv && !gemm) || !constant_floats(graph, node->inputs[1]) ||
        (bias >= 0 && !constant_floats(graph, bias)))
        return false;
    const i8x_shape *shape = &graph->values[node->inputs[1]].shape;
    bool transposed = gemm && i8x_node_attr_int(node, "transB", 0) == 0;
    *layer = (i8x_stream_layer){.node = index,
                                .input = b->model->result[node->inputs[0]],
                                .result = b->model->result[node->outputs[0]],
                                .weight_value = node->inputs[1],
                                .bias_value = bias,
                                .channels = shape->dims[transposed ? 1 : 0],
                                .inputs = shape->dims[transposed ? 0 : 1],
                                .inner = 1,
                                .transposed = transposed};
    for (int d = 2; d < shape->rank; d++)
        layer->inner *= shape->dims[d];
    layer->taps = layer->inputs * layer->inner;
    layer->elements = layer->taps * layer->channels;
    int64_t group = conv ? i8x_node_attr_int(node, "group", 1) : 1;
    layer->depthwise = group > 1 && layer->inputs == 1 && group == layer->channels;
    bool plain = gemm ? i8x_node_attr_float(node, "alpha", 1) == 1.0f &&
                            i8x_node_attr_float(node, "beta", 1) == 1.0f &&
                            i8x_node_attr_int(node, "transA", 0) == 0
                      : group == 1 || layer->depthwise;
    if (bias >= 0) {
        const i8x_shape *s = &graph->values[bias].shape;
        plain = plain && s->rank >= 1 && s->rank <= 2 && s->dims[s->rank - 1] == layer->channels &&
                (s->rank == 1 || s->dims[0] == 1);
    }
    return plain && layer->elements > 0;
}

static i8x_status layer_copy(i8x_stream_model *model, i8x_stream_layer *layer)
{
    const i8x_graph *graph = model->graph;
    layer->weight = i8x_arena_copy(model->arena, graph->values[layer->weight_value].data,
                                   (size_t)layer->elements * sizeof(float));
    I8X_TRY(i8x_alloc_check(layer->weight));
    if (layer->bias_value < 0)
        return I8X_OK;
    layer->bias = i8x_arena_copy(model->arena, graph->values[layer->bias_value].data,
                                 (size_t)layer->channels * sizeof(float));
    return i8x_alloc_check(layer->bias);
}

static int tie_row(const i8x_node *node)
{
    for (size_t i = 0; i < sizeof ties / sizeof ties[0]; i++) {
        if (node->domain[0] == '\0' && strcmp(node->op_type, ties[i].op_type) == 0)
            return (int)i;
    }
    return -1;
}

/* Channels stay channels: means over positions, flattening behind the batch, additions of equal
 * shapes. */
static bool ties_channels(const i8x_graph *graph, const i8x_node *node)
{
    const i8x_shape *x = &graph->values[node->inputs[0]].shape;
    const i8x_shape *y = &graph->values[node->outputs[0]].shape;
    if (strcmp(node->op_type, "Add") == 0)
        return i8x_shape_equal(x, &graph->values[node->inputs[1]].shape) && x->rank >= 2 &&
               !i8x_value_is_constant(&graph->values[node->inputs[0]]) &&
               !i8x_value_is_constant(&graph->values[node->inputs[1]]);
    if (strcmp(node->op_type, "Flatten") == 0)
        return i8x_node_attr_int(node, "axis", 1) == 1 && x->rank >= 2;
    return x->rank >= 3 && y->rank >= 2 && y->dims[1] == x->dims[1] && x->dims[0] == y->dims[0];
}

static void node_freeze(build *b, const i8x_node *node)
{
    for (int k = 0; k < node->input_count; k++) {
        if (node->inputs[k] >= 0 && !i8x_value_is_constant(&b->graph->values[node->inputs[k]]))
            freeze(b, node->inputs[k]);
    }
    for (int k = 0; k < node->captured_count; k++)
        freeze(b, node->captured[k]);
    for (int k = 0; k < node->output_count; k++)
        freeze(b, node->outputs[k]);
}

static i8x_status node_take(build *b, int n)
{
    i8x_stream_model *m = b->model;
    const i8x_node *node = &b->graph->nodes[n];
    m->tie_output[n] = -1;
    if (i8x_node_removed(node))
        return I8X_OK;
    if (is_activation(node) && m->result[node->inputs[0]] == node->outputs[0])
        return I8X_OK;
    if (layer_describe(b, n, &m->layers[m->layer_count]))
        return layer_copy(m, &m->layers[m->layer_count++]);
    int row = tie_row(node);
    if (row < 0 || !ties_channels(b->graph, node)) {
        node_freeze(b, node);
        return I8X_OK;
    }
    m->tie_output[n] = m->result[node->outputs[0]];
    m->averages[n] = ties[row].averages;
    tie(b, m->result[node->inputs[0]], m->tie_output[n]);
    if (strcmp(node->op_type, "Add") == 0)
        tie(b, m->result[node->inputs[1]], m->tie_output[n]);
    return I8X_OK;
}

/* Position of a value in the graph: that of its producer. */
static int order_of(const i8x_graph *graph, int value)
{
    return graph->values[value].producer;
}

static bool layer_reads(const i8x_stream_model *m, const build *b, int root)
{
    for (int l = 0; l < m->layer_count; l++) {
        if (find(b, m->layers[l].input) == root)
            return true;
    }
    return false;
}

static i8x_status stream_fill(build *b, int root, i8x_stream *stream)
{
    i8x_stream_model *m = b->model;
    const i8x_graph *graph = b->graph;
    *stream = (i8x_stream){.index = m->stream_count};
    stream->values = i8x_arena_array(m->arena, (size_t)graph->value_count, sizeof(int));
    I8X_TRY(i8x_alloc_check(stream->values));
    for (int v = 0; v < graph->value_count; v++) {
        if (m->result[v] != v || find(b, v) != root || graph->values[v].producer < 0)
            continue;
        int at = stream->count++;
        while (at > 0 && order_of(graph, stream->values[at - 1]) > order_of(graph, v)) {
            stream->values[at] = stream->values[at - 1];
            at--;
        }
        stream->values[at] = v;
    }
    for (int i = 0; i < stream->count; i++) {
        const i8x_moment *moment = i8x_moments_find(m->moments, stream->values[i]);
        if (moment == NULL || moment->count == 0) {
            stream->count = 0;
            break;
        }
        if (stream->channels == 0 || moment->channels < stream->channels)
            stream->channels = moment->channels;
        stream->clipped = stream->clipped || m->bound_hi[stream->values[i]] < INFINITY;
    }
    for (int i = 0; i < stream->count; i++) {
        const i8x_moment *moment = i8x_moments_find(m->moments, stream->values[i]);
        if (moment->channels % stream->channels != 0)
            stream->count = 0;
    }
    return I8X_OK;
}

static i8x_status streams_make(build *b)
{
    i8x_stream_model *m = b->model;
    const i8x_graph *graph = b->graph;
    for (int v = 0; v < graph->value_count; v++)
        m->value_stream[v] = -1;
    /* in the order of their first value in the graph: earlier streams change what later ones see */
    for (int n = 0; n < graph->node_count; n++) {
        const i8x_node *node = &graph->nodes[n];
        for (int k = 0; k < node->output_count && !i8x_node_removed(node); k++) {
            int v = m->result[node->outputs[k] >= 0 ? node->outputs[k] : 0];
            if (node->outputs[k] < 0 || m->value_stream[v] >= 0)
                continue;
            int root = find(b, v);
            if (b->frozen[root] || !layer_reads(m, b, root))
                continue;
            i8x_stream *stream = &m->streams[m->stream_count];
            I8X_TRY(stream_fill(b, root, stream));
            for (int i = 0; i < stream->count; i++)
                m->value_stream[stream->values[i]] = stream->index;
            m->stream_count += stream->count > 0;
        }
    }
    return I8X_OK;
}

static i8x_status moments_copy(const i8x_moments *from, i8x_arena *arena, i8x_moments **to)
{
    *to = i8x_arena_array(arena, 1, sizeof **to);
    I8X_TRY(i8x_alloc_check(*to));
    return i8x_moments_merge(from, 1, arena, *to);
}

static i8x_status model_alloc(build *b, i8x_arena *arena)
{
    i8x_stream_model *m = b->model;
    size_t values = (size_t)b->graph->value_count, nodes = (size_t)b->graph->node_count;
    m->layers = i8x_arena_array(arena, nodes, sizeof *m->layers);
    I8X_TRY(i8x_alloc_check(m->layers));
    m->streams = i8x_arena_array(arena, values, sizeof *m->streams);
    I8X_TRY(i8x_alloc_check(m->streams));
    m->value_stream = i8x_arena_array(arena, values, sizeof(int));
    I8X_TRY(i8x_alloc_check(m->value_stream));
    m->result = i8x_arena_array(arena, values, sizeof(int));
    I8X_TRY(i8x_alloc_check(m->result));
    m->bound_hi = i8x_arena_array(arena, values, sizeof(float));
    I8X_TRY(i8x_alloc_check(m->bound_hi));
    m->tie_output = i8x_arena_array(arena, nodes, sizeof(int));
    I8X_TRY(i8x_alloc_check(m->tie_output));
    m->averages = i8x_arena_array(arena, nodes, 1);
    I8X_TRY(i8x_alloc_check(m->averages));
    b->parent = i8x_arena_array(arena, values, sizeof(int));
    I8X_TRY(i8x_alloc_check(b->parent));
    b->frozen = i8x_arena_array(arena, values, 1);
    I8X_TRY(i8x_alloc_check(b->frozen));
    for (int v = 0; v < b->graph->value_count; v++)
        b->parent[v] = v;
    return I8X_OK;
}

i8x_status i8x_stream_model_init(i8x_stream_model *model, i8x_graph *graph,
                                 const i8x_moments *moments, i8x_arena *arena)
{
    *model = (i8x_stream_model){.graph = graph, .arena = arena};
    build b = {.model = model, .graph = graph};
    I8X_TRY(model_alloc(&b, arena));
    I8X_TRY(moments_copy(moments, arena, &model->moments));
    results_find(&b);
    for (int v = 0; v < graph->value_count; v++) {
        if (graph->values[v].is_input || graph->values[v].is_output)
            freeze(&b, v);
    }
    for (int n = 0; n < graph->node_count; n++)
        I8X_TRY(node_take(&b, n));
    return streams_make(&b);
}

double i8x_stream_power(const i8x_stream_model *model, int value)
{
    const i8x_moment *m = i8x_moments_find(model->moments, value);
    double power = 0;
    for (int64_t c = 0; m != NULL && m->count > 0 && c < m->channels; c++) {
        double mean = m->sum[c] / (double)m->count;
        power += m->sum_squares[c] / (double)m->count - mean * mean;
    }
    return power > 1e-20 ? power : 1e-20;
}

int64_t i8x_stream_element(const i8x_stream_layer *layer, int64_t o, int64_t t)
{
    return layer->transposed ? t * layer->channels + o : o * layer->taps + t;
}

static void consumer_scale(i8x_stream_layer *layer, int64_t each, const double *s)
{
    int64_t rows = layer->transposed ? 1 : layer->channels;
    int64_t inner = layer->transposed ? layer->channels : layer->inner;
    float *w = layer->weight;
    for (int64_t o = 0; o < rows; o++) {
        for (int64_t c = 0; c < layer->inputs; c++, w += inner) {
            double factor = s[(layer->depthwise ? o : c) / each];
            for (int64_t i = 0; i < inner; i++)
                w[i] = (float)((double)w[i] / factor);
        }
    }
    layer->changed = true;
}

static void producer_scale(i8x_stream_layer *layer, const double *s)
{
    for (int64_t o = 0; o < layer->channels; o++) {
        for (int64_t t = 0; t < layer->taps; t++) {
            int64_t i = i8x_stream_element(layer, o, t);
            layer->weight[i] = (float)((double)layer->weight[i] * s[o]);
        }
        if (layer->bias != NULL)
            layer->bias[o] = (float)((double)layer->bias[o] * s[o]);
    }
    layer->changed = true;
}

static void moment_scale(i8x_moment *m, int64_t each, const double *s)
{
    for (int64_t c = 0; c < m->channels; c++) {
        double factor = s[c / each];
        m->sum[c] *= factor;
        m->sum_squares[c] *= factor * factor;
        m->min[c] = (float)((double)m->min[c] * factor);
        m->max[c] = (float)((double)m->max[c] * factor);
    }
}

i8x_status i8x_stream_scale(i8x_stream_model *model, const i8x_stream *stream, const double *s)
{
    for (int i = 0; i < stream->count; i++) {
        /* the items are ours: a copy made by init */
        i8x_moment *m =
            (i8x_moment *)(uintptr_t)i8x_moments_find(model->moments, stream->values[i]);
        int64_t each = m->channels / stream->channels;
        for (int l = 0; l < model->layer_count; l++) {
            i8x_stream_layer *layer = &model->layers[l];
            if (layer->input == stream->values[i])
                consumer_scale(layer, each, s);
            if (layer->result == stream->values[i]) {
                I8X_ENSURE(layer->channels == stream->channels, I8X_ESHAPE,
                           "'%s': %lld channels in a stream of %lld",
                           model->graph->nodes[layer->node].name, (long long)layer->channels,
                           (long long)stream->channels);
                producer_scale(layer, s);
            }
        }
        moment_scale(m, each, s);
    }
    return I8X_OK;
}

static i8x_status constant_replace(i8x_graph *graph, int node, int input, const float *data)
{
    int old = graph->nodes[node].inputs[input], made;
    i8x_tensor tensor = i8x_value_tensor(&graph->values[old]);
    tensor.data = (void *)(uintptr_t)data;
    const char *name = i8x_graph_unique_name(graph, graph->values[old].name);
    I8X_TRY(i8x_alloc_check(name));
    I8X_TRY(i8x_graph_add_constant(graph, name, &tensor, true, &made));
    graph->nodes[node].inputs[input] = made;
    return I8X_OK;
}

i8x_status i8x_stream_commit(i8x_stream_model *model)
{
    for (int l = 0; l < model->layer_count; l++) {
        const i8x_stream_layer *layer = &model->layers[l];
        if (!layer->changed)
            continue;
        I8X_TRY(constant_replace(model->graph, layer->node, 1, layer->weight));
        if (layer->bias != NULL)
            I8X_TRY(constant_replace(model->graph, layer->node, 2, layer->bias));
    }
    return i8x_graph_prune(model->graph);
}
