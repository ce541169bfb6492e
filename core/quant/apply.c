/* SPDX-License-Identifier: Apache-2.0
 *
 * Apply, order of work:
 *   1. absorbed activations leave the graph, their producer takes over their output
 *   2. layers get integer weights and biases behind DequantizeLinear
 *   3. values with a pair get QuantizeLinear -> DequantizeLinear; quantized readers (and, where a
 * quantized node made the value, all readers) read behind it
 *   4. a layer left in float between two pairs gets a Clip before it (see guard_add)
 * Scales and zero points of activations are rank-0 tensors: ONNX Runtime refuses [1] in some
 * operators. Everything is done in the order of nodes and values, so the result is a function of
 * its inputs.
 */
#include "core/quant/apply.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/quant/opset.h"
#include "core/quant/range.h"

#define IR_VERSION_LEAST 7 /* of opset 13 */

typedef struct apply {
    i8x_graph *graph;
    const i8x_qspec *qspec;
    const i8x_target_info *target;
    int *scales, *zero_points;   /* [group_count] values, or -1 */
    int value_count, node_count; /* before anything was added */
} apply;

static bool is_layer_op(const i8x_node *node)
{
    return strcmp(node->op_type, "Conv") == 0 || strcmp(node->op_type, "ConvTranspose") == 0 ||
           strcmp(node->op_type, "Gemm") == 0 || strcmp(node->op_type, "MatMul") == 0;
}

/* --- small makers --- */

static i8x_status name_make(i8x_graph *graph, const char *base, const char *suffix,
                            const char **name)
{
    char text[I8X_GRAPH_NAME_MAX];
    size_t room = sizeof text - strlen(suffix) - 16; /* 16 bytes are left for "_<n>" */
    (void)snprintf(text, sizeof text, "%.*s%s", (int)room, base, suffix);
    *name = i8x_graph_unique_name(graph, text);
    return i8x_alloc_check(*name);
}

static i8x_status value_make(i8x_graph *graph, const char *base, const char *suffix, int *value)
{
    const char *name;
    I8X_TRY(name_make(graph, base, suffix, &name));
    return i8x_graph_add_value(graph, name, value);
}

static i8x_status constant_make(i8x_graph *graph, const char *base, const char *suffix,
                                i8x_dtype dtype, const i8x_shape *shape, const void *data,
                                bool copy, int *value)
{
    const char *name;
    I8X_TRY(name_make(graph, base, suffix, &name));
    i8x_tensor tensor = {.dtype = dtype, .shape = *shape, .data = (void *)(uintptr_t)data};
    return i8x_graph_add_constant(graph, name, &tensor, copy, value);
}

static i8x_status node_make(i8x_graph *graph, const char *op_type, const char *base,
                            const int *inputs, int input_count, int output, int *node)
{
    char suffix[64] = "_";
    strncat(suffix, op_type, sizeof suffix - 2);
    const char *name;
    I8X_TRY(name_make(graph, base, suffix, &name));
    return i8x_graph_add_node(graph, op_type, "", name, inputs, input_count, &output, 1, node);
}

/* --- activations --- */

static i8x_status group_constants(apply *a, int group)
{
    if (a->scales[group] >= 0)
        return I8X_OK;
    const i8x_qgroup *g = &a->qspec->groups[group];
    const char *base = a->graph->values[g->root].name;
    i8x_shape scalar = {0};
    uint8_t zero = (uint8_t)g->zero_point; /* two's complement where codes are signed */
    I8X_TRY(constant_make(a->graph, base, "_scale", I8X_DTYPE_F32, &scalar, &g->scale, true,
                          &a->scales[group]));
    return constant_make(a->graph, base, "_zero_point", a->target->activation_dtype, &scalar, &zero,
                         true, &a->zero_points[group]);
}

/* Q and DQ behind `from`; the result is a new value, or `to` if that is one. */
static i8x_status pair_add(apply *a, int group, const char *base, int from, int to, int *result)
{
    I8X_TRY(group_constants(a, group));
    int codes, node;
    I8X_TRY(value_make(a->graph, base, "_quantized", &codes));
    if (to < 0)
        I8X_TRY(value_make(a->graph, base, "_dequantized", &to));
    int quantize[3] = {from, a->scales[group], a->zero_points[group]};
    I8X_TRY(node_make(a->graph, "QuantizeLinear", base, quantize, 3, codes, &node));
    int dequantize[3] = {codes, a->scales[group], a->zero_points[group]};
    I8X_TRY(node_make(a->graph, "DequantizeLinear", base, dequantize, 3, to, &node));
    *result = to;
    return I8X_OK;
}

/* True if the node reads this input as a tensor that it has quantized. */
static bool reads_codes(const apply *a, int node, int input)
{
    i8x_qrole role = (i8x_qrole)a->qspec->node_role[node];
    if (role == I8X_QROLE_POINT)
        return true;
    return (role == I8X_QROLE_LAYER || role == I8X_QROLE_SHARE) && input == 0;
}

static bool made_quantized(const apply *a, int value)
{
    int producer = a->graph->values[value].producer;
    return producer >= 0 && producer < a->node_count &&
           a->qspec->node_role[producer] != I8X_QROLE_FLOAT;
}

static void readers_move(apply *a, int from, int to, bool all)
{
    for (int n = 0; n < a->node_count; n++) {
        i8x_node *node = &a->graph->nodes[n];
        for (int k = 0; k < node->input_count && !i8x_node_removed(node); k++) {
            if (node->inputs[k] == from && (all || reads_codes(a, n, k)))
                node->inputs[k] = to;
        }
    }
}

/* One pair for all readers. A graph output keeps its value (and name) behind the pair. */
static i8x_status value_pair(apply *a, int value)
{
    i8x_graph *graph = a->graph;
    const char *base = graph->values[value].name;
    int group = a->qspec->value_group[value], producer = graph->values[value].producer, result;
    if (!graph->values[value].is_output || producer < 0) {
        I8X_TRY(pair_add(a, group, base, value, I8X_GRAPH_NONE, &result));
        readers_move(a, value, result, made_quantized(a, value));
        return I8X_OK;
    }
    int before;
    bool all = made_quantized(a, value) && a->target->output_quantized;
    I8X_TRY(value_make(graph, base, "_float", &before));
    if (!all) { /* the caller gets what was computed, quantized readers read codes */
        I8X_TRY(pair_add(a, group, base, value, I8X_GRAPH_NONE, &result));
        readers_move(a, value, result, false);
        return I8X_OK;
    }
    i8x_node *node = &graph->nodes[producer];
    for (int k = 0; k < node->output_count; k++) {
        if (node->outputs[k] == value)
            node->outputs[k] = before;
    }
    graph->values[before].producer = producer;
    graph->values[value].producer = I8X_GRAPH_NONE;
    return pair_add(a, group, base, before, value, &result);
}

/* A pair of its own for every reader. */
static i8x_status value_pairs_apart(apply *a, int value)
{
    int group = a->qspec->value_group[value];
    const char *base = a->graph->values[value].name;
    for (int n = 0; n < a->node_count; n++) {
        for (int k = 0; k < a->graph->nodes[n].input_count; k++) {
            const i8x_node *node = &a->graph->nodes[n];
            if (i8x_node_removed(node) || node->inputs[k] != value || !reads_codes(a, n, k))
                continue;
            int result;
            I8X_TRY(pair_add(a, group, base, value, I8X_GRAPH_NONE, &result));
            a->graph->nodes[n].inputs[k] = result;
        }
    }
    return I8X_OK;
}

/* --- absorbed activations --- */

/* The codes behind the clamp end where the clamp does, to half a step. */
static bool range_expresses(const apply *a, const i8x_qgroup *g, float lo, float hi)
{
    double scale = (double)g->scale, slack = 0.51 * scale;
    double least = (a->target->qmin - g->zero_point) * scale;
    double most = (a->target->qmax - g->zero_point) * scale;
    return least >= (double)lo - slack && most <= (double)hi + slack + 1e-5 * fabs((double)hi);
}

static void activation_remove(apply *a, int index)
{
    i8x_graph *graph = a->graph;
    const i8x_node *node = &graph->nodes[index];
    int from = node->inputs[0], to = node->outputs[0], group = a->qspec->value_group[to];
    float lo, hi;
    if (!a->target->activation_absorbed || group < 0 || !i8x_qspec_clamp(graph, index, &lo, &hi) ||
        !range_expresses(a, &a->qspec->groups[group], lo, hi))
        return;
    int producer = graph->values[from].producer;
    i8x_graph_remove_node(graph, index);
    i8x_node *before = &graph->nodes[producer];
    for (int k = 0; k < before->output_count; k++) {
        if (before->outputs[k] == from)
            before->outputs[k] = to;
    }
    graph->values[from].producer = I8X_GRAPH_NONE;
    graph->values[to].producer = producer;
}

/* --- layers --- */

static i8x_status dequantize_add(apply *a, const char *base, int codes, int scale, int zero_point,
                                 int axis, int *result)
{
    int node, inputs[3] = {codes, scale, zero_point};
    I8X_TRY(value_make(a->graph, base, "_dequantized", result));
    I8X_TRY(node_make(a->graph, "DequantizeLinear", base, inputs, 3, *result, &node));
    i8x_attr attr = {.name = "axis", .kind = I8X_ATTR_INT, .count = 1, .i = axis};
    return i8x_graph_set_attr(a->graph, node, &attr);
}

static i8x_status zeros_make(apply *a, const char *base, i8x_dtype dtype, int64_t channels,
                             int *value)
{
    i8x_shape shape = i8x_shape_make(1, &channels);
    size_t size = dtype == I8X_DTYPE_S32 ? sizeof(int32_t) : sizeof(int8_t);
    void *zeros = i8x_arena_array(a->graph->arena, (size_t)channels, size);
    I8X_TRY(i8x_alloc_check(zeros));
    return constant_make(a->graph, base, "_zero_point", dtype, &shape, zeros, false, value);
}

static i8x_status weight_apply(apply *a, const i8x_qlayer *layer, const i8x_qweights *item)
{
    const char *base = a->graph->values[layer->weight].name;
    i8x_shape channels = i8x_shape_make(1, &layer->channels);
    i8x_shape whole = a->graph->values[layer->weight].shape;
    int codes, scale, zero_point, result;
    I8X_TRY(constant_make(a->graph, base, "_quantized", I8X_DTYPE_S8, &whole, item->codes, false,
                          &codes));
    I8X_TRY(constant_make(a->graph, base, "_scale", I8X_DTYPE_F32, &channels, item->scale, true,
                          &scale));
    I8X_TRY(zeros_make(a, base, I8X_DTYPE_S8, layer->channels, &zero_point));
    I8X_TRY(dequantize_add(a, base, codes, scale, zero_point, layer->axis, &result));
    a->graph->nodes[layer->node].inputs[1] = result;
    return I8X_OK;
}

static i8x_status bias_quantized(apply *a, const i8x_qlayer *layer, const i8x_qweights *item,
                                 const char *base, int *result)
{
    i8x_shape channels = i8x_shape_make(1, &layer->channels);
    float input_scale = a->qspec->groups[a->qspec->value_group[layer->input]].scale;
    float *scales = i8x_arena_array(a->graph->arena, (size_t)layer->channels, sizeof *scales);
    I8X_TRY(i8x_alloc_check(scales));
    for (int64_t c = 0; c < layer->channels; c++)
        scales[c] = input_scale * item->scale[c];
    int codes, scale, zero_point;
    I8X_TRY(constant_make(a->graph, base, "_quantized", I8X_DTYPE_S32, &channels, item->bias_codes,
                          true, &codes));
    I8X_TRY(
        constant_make(a->graph, base, "_scale", I8X_DTYPE_F32, &channels, scales, false, &scale));
    I8X_TRY(zeros_make(a, base, I8X_DTYPE_S32, layer->channels, &zero_point));
    return dequantize_add(a, base, codes, scale, zero_point, 0, result);
}

static i8x_status node_input_set(i8x_graph *graph, int index, int input, int value)
{
    i8x_node *node = &graph->nodes[index];
    if (input >= node->input_count) {
        int *inputs = i8x_arena_array(graph->arena, (size_t)input + 1, sizeof *inputs);
        I8X_TRY(i8x_alloc_check(inputs));
        for (int k = 0; k <= input; k++)
            inputs[k] = k < node->input_count ? node->inputs[k] : I8X_GRAPH_NONE;
        node->inputs = inputs;
        node->input_count = input + 1;
    }
    node->inputs[input] = value;
    return I8X_OK;
}

static i8x_status bias_apply(apply *a, const i8x_qlayer *layer, const i8x_qweights *item)
{
    const i8x_node *node = &a->graph->nodes[layer->node];
    bool any = layer->bias >= 0;
    for (int64_t c = 0; c < layer->channels; c++)
        any = any || item->bias[c] != 0;
    if (!any || strcmp(node->op_type, "MatMul") == 0)
        return I8X_OK;
    const char *base = layer->bias >= 0 ? a->graph->values[layer->bias].name : NULL;
    if (base == NULL)
        I8X_TRY(name_make(a->graph, node->name, "_bias", &base));
    int result;
    if (a->target->bias_quantized) {
        I8X_TRY(bias_quantized(a, layer, item, base, &result));
    } else {
        i8x_shape channels = i8x_shape_make(1, &layer->channels);
        I8X_TRY(constant_make(a->graph, base, "_corrected", I8X_DTYPE_F32, &channels, item->bias,
                              true, &result));
    }
    return node_input_set(a->graph, layer->node, 2, result);
}

/* --- layers left in float --- */

static bool made_by_dequantize(const i8x_graph *graph, int value)
{
    int producer = value >= 0 ? graph->values[value].producer : I8X_GRAPH_NONE;
    return producer >= 0 && strcmp(graph->nodes[producer].op_type, "DequantizeLinear") == 0;
}

/* True if a Q reads the value, perhaps behind one Relu or Clip. */
static bool read_by_quantize(const i8x_graph *graph, int value, bool look_behind)
{
    for (int n = 0; n < graph->node_count; n++) {
        const i8x_node *node = &graph->nodes[n];
        if (i8x_node_removed(node) || node->input_count == 0 || node->inputs[0] != value)
            continue;
        if (strcmp(node->op_type, "QuantizeLinear") == 0)
            return true;
        bool activation = strcmp(node->op_type, "Relu") == 0 || strcmp(node->op_type, "Clip") == 0;
        if (look_behind && activation && read_by_quantize(graph, node->outputs[0], false))
            return true;
    }
    return false;
}

/* DQ -> float Conv -> Q: ONNX Runtime takes that for a quantized convolution whose weights were
 * forgotten and quantizes them per tensor by itself. A Clip to the range of the codes changes no
 * value and breaks the pattern. */
static i8x_status guard_add(apply *a, int index)
{
    i8x_graph *graph = a->graph;
    int input = graph->nodes[index].inputs[0];
    const i8x_node *dequantize = &graph->nodes[graph->values[input].producer];
    const float *scale = graph->values[dequantize->inputs[1]].data;
    const uint8_t *zero = graph->values[dequantize->inputs[2]].data;
    if (scale == NULL || zero == NULL)
        return I8X_OK;
    int zero_point = a->target->activation_dtype == I8X_DTYPE_U8 ? *zero : (int8_t)*zero;
    float least = *scale * (float)(a->target->qmin - zero_point);
    float most = *scale * (float)(a->target->qmax - zero_point);
    const char *base = graph->values[input].name;
    i8x_shape scalar = {0};
    int inputs[3] = {input}, result, node;
    I8X_TRY(constant_make(graph, base, "_least", I8X_DTYPE_F32, &scalar, &least, true, &inputs[1]));
    I8X_TRY(constant_make(graph, base, "_most", I8X_DTYPE_F32, &scalar, &most, true, &inputs[2]));
    I8X_TRY(value_make(graph, base, "_guarded", &result));
    I8X_TRY(node_make(graph, "Clip", base, inputs, 3, result, &node));
    graph->nodes[index].inputs[0] = result;
    return I8X_OK;
}

static i8x_status guards_add(apply *a)
{
    for (int n = 0; n < a->node_count; n++) {
        const i8x_node *node = &a->graph->nodes[n];
        if (i8x_node_removed(node) || !is_layer_op(node) || !a->target->results_paired ||
            a->qspec->node_role[n] != I8X_QROLE_FLOAT ||
            !made_by_dequantize(a->graph, node->inputs[0]) ||
            !read_by_quantize(a->graph, node->outputs[0], true))
            continue;
        I8X_TRY(guard_add(a, n));
    }
    return I8X_OK;
}

/* --- the whole --- */

static i8x_status apply_begin(apply *a, i8x_graph *graph, const i8x_qspec *qspec)
{
    *a = (apply){.graph = graph,
                 .qspec = qspec,
                 .target = i8x_target_info_get(qspec->target),
                 .value_count = graph->value_count,
                 .node_count = graph->node_count};
    I8X_ENSURE(qspec->solved, I8X_EARG, "the ranges are not solved yet");
    I8X_TRY(i8x_qspec_check(qspec, graph));
    size_t groups = (size_t)qspec->group_count;
    a->scales = i8x_arena_array(graph->arena, groups, sizeof *a->scales);
    I8X_TRY(i8x_alloc_check(a->scales));
    a->zero_points = i8x_arena_array(graph->arena, groups, sizeof *a->zero_points);
    I8X_TRY(i8x_alloc_check(a->zero_points));
    for (int g = 0; g < qspec->group_count; g++)
        a->scales[g] = a->zero_points[g] = I8X_GRAPH_NONE;
    I8X_TRY(i8x_opset_raise(graph));
    if (graph->ir_version < IR_VERSION_LEAST)
        graph->ir_version = IR_VERSION_LEAST;
    return I8X_OK;
}

static i8x_status layers_apply(apply *a, const i8x_qweights_set *weights)
{
    for (int l = 0; l < a->qspec->layer_count; l++) {
        const i8x_qlayer *layer = &a->qspec->layers[l];
        if (layer->reason != I8X_QREASON_NONE)
            continue;
        const i8x_qweights *item = i8x_weights_find(weights, l);
        I8X_ENSURE(item != NULL && item->codes != NULL && item->channels == layer->channels &&
                       item->elements == layer->elements,
                   I8X_EARG, "no weights for '%s'", a->graph->nodes[layer->node].name);
        I8X_TRY(weight_apply(a, layer, item));
        I8X_TRY(bias_apply(a, layer, item));
    }
    return I8X_OK;
}

i8x_status i8x_apply_qdq(i8x_graph *graph, const i8x_qspec *qspec, const i8x_qweights_set *weights,
                         const i8x_metadata *metadata, int metadata_count)
{
    apply a;
    I8X_TRY(apply_begin(&a, graph, qspec));
    for (int n = 0; n < a.node_count; n++) {
        if (qspec->node_role[n] == I8X_QROLE_ABSORBED)
            activation_remove(&a, n);
    }
    I8X_TRY(layers_apply(&a, weights));
    for (int v = 0; v < a.value_count; v++) {
        if (qspec->value_group[v] < 0)
            continue;
        if (a.target->pairs_shared)
            I8X_TRY(value_pair(&a, v));
        else
            I8X_TRY(value_pairs_apart(&a, v));
    }
    I8X_TRY(guards_add(&a));
    for (int i = 0; i < metadata_count; i++)
        I8X_TRY(i8x_graph_set_metadata(graph, metadata[i].key, metadata[i].value));
    I8X_TRY(i8x_graph_sort(graph));
    return i8x_graph_prune(graph);
}

i8x_status i8x_apply_single(i8x_graph *graph, const i8x_qspec *qspec, const i8x_qweights *weights)
{
    apply a;
    I8X_TRY(apply_begin(&a, graph, qspec));
    I8X_ENSURE(weights->layer >= 0 && weights->layer < qspec->layer_count && weights->codes != NULL,
               I8X_EARG, "no weights of layer %d", weights->layer);
    const i8x_qlayer *layer = &qspec->layers[weights->layer];
    I8X_ENSURE(layer->reason == I8X_QREASON_NONE, I8X_EARG, "'%s' stays float",
               graph->nodes[layer->node].name);
    I8X_TRY(weight_apply(&a, layer, weights));
    I8X_TRY(bias_apply(&a, layer, weights));
    int result;
    I8X_TRY(pair_add(&a, qspec->value_group[layer->input], graph->values[layer->input].name,
                     layer->input, I8X_GRAPH_NONE, &result));
    graph->nodes[layer->node].inputs[0] = result;
    I8X_TRY(i8x_graph_sort(graph));
    return i8x_graph_prune(graph);
}
