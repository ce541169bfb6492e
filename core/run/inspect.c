/* SPDX-License-Identifier: Apache-2.0
 *
 * Inspect: walks the nodes with weights. In a QDQ model the weight of a layer is the output of a
 * DequantizeLinear over an integer constant; ranges are then those of the real values scale * (q -
 * zp).
 */
#include "core/run/inspect.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/half.h"
#include "core/quant/qspec.h"
#include "core/run/recipe.h"
#include "int8x/formats.h"

/* Largest : smallest channel of a weight. Beyond it one scale for the whole tensor would lose the
 * small channels, so a tool without scales per channel fails on the model: worth a sentence. */
#define RANGE_RATIO_REPORTED 1e4

struct walk {
    const i8x_graph *graph;
    i8x_arena *arena;
    i8x_inspection *out;
    const i8x_qspec *survey; /* NULL: shapes are not known */
    int unbalanced_count;    /* layers beyond RANGE_RATIO_REPORTED, and the worst of them */
    double unbalanced_ratio;
    const i8x_inspect_layer *unbalanced;
};

static i8x_status problem(struct walk *walk, const char *text)
{
    I8X_TRY(i8x_alloc_check(text));
    if (walk->out->problem_count < I8X_INSPECT_PROBLEMS_MAX)
        walk->out->problems[walk->out->problem_count++] = text;
    return I8X_OK;
}

/* ---- weights ---- */

/* A weight as stored, and how to get real values out of it. */
struct weight {
    const i8x_value *stored; /* constant: f32, f16, s8, u8 */
    const i8x_value *scale;  /* NULL for a float */
    const i8x_value *zero;   /* may be NULL */
    int axis;                /* of the scales */
};

static const i8x_value *constant_at(const i8x_graph *graph, int value)
{
    return value >= 0 && i8x_value_is_constant(&graph->values[value]) ? &graph->values[value]
                                                                      : NULL;
}

/* The node behind a value if it is a DequantizeLinear. */
static const i8x_node *dequantize_of(const i8x_graph *graph, int value)
{
    if (value < 0 || graph->values[value].producer < 0)
        return NULL;
    const i8x_node *node = &graph->nodes[graph->values[value].producer];
    return strcmp(node->op_type, "DequantizeLinear") == 0 ? node : NULL;
}

static bool find_weight(const i8x_graph *graph, int value, struct weight *weight)
{
    memset(weight, 0, sizeof *weight);
    weight->stored = constant_at(graph, value);
    if (weight->stored != NULL)
        return weight->stored->dtype == I8X_DTYPE_F32 || weight->stored->dtype == I8X_DTYPE_F16;
    const i8x_node *node = dequantize_of(graph, value);
    if (node == NULL || node->input_count < 2)
        return false;
    weight->stored = constant_at(graph, node->inputs[0]);
    weight->scale = constant_at(graph, node->inputs[1]);
    weight->zero = node->input_count > 2 ? constant_at(graph, node->inputs[2]) : NULL;
    weight->axis = (int)i8x_node_attr_int(node, "axis", 1);
    bool bytes = weight->stored != NULL &&
                 (weight->stored->dtype == I8X_DTYPE_S8 || weight->stored->dtype == I8X_DTYPE_U8);
    return bytes && weight->scale != NULL && weight->scale->dtype == I8X_DTYPE_F32;
}

static int64_t inner_of(const i8x_shape *shape, int axis)
{
    int64_t inner = 1;
    for (int i = axis + 1; i < shape->rank; i++)
        inner *= shape->dims[i];
    return inner;
}

static int code_at(const i8x_value *value, int64_t index)
{
    return value->dtype == I8X_DTYPE_S8 ? ((const int8_t *)value->data)[index]
                                        : ((const uint8_t *)value->data)[index];
}

static float real_at(const struct weight *weight, int64_t index, int64_t inner)
{
    const i8x_value *stored = weight->stored;
    if (stored->dtype == I8X_DTYPE_F32)
        return ((const float *)stored->data)[index];
    if (stored->dtype == I8X_DTYPE_F16)
        return i8x_half_to_f32(((const uint16_t *)stored->data)[index]);
    i8x_tensor scales = i8x_value_tensor(weight->scale);
    int64_t count = i8x_tensor_elements(&scales);
    int64_t channel = count > 1 ? index / inner % count : 0;
    int zero = weight->zero != NULL ? code_at(weight->zero, channel) : 0;
    return ((const float *)weight->scale->data)[channel] * (float)(code_at(stored, index) - zero);
}

/* Range over all, dead channels, and the ratio between the largest and the smallest live channel.
 */
static double measure_weight(const struct weight *weight, int axis, i8x_inspect_layer *layer)
{
    const i8x_shape *shape = &weight->stored->shape;
    int64_t channels = shape->rank > axis ? shape->dims[axis] : 1;
    int64_t inner = inner_of(shape, axis),
            scale_inner = inner_of(shape, weight->axis < shape->rank ? weight->axis : 0);
    float least = INFINITY, most = 0;
    layer->channels = channels;
    layer->weight_min = INFINITY;
    layer->weight_max = -INFINITY;
    for (int64_t c = 0; c < channels; c++) {
        float magnitude = 0;
        for (int64_t outer = 0; outer < layer->weights / (channels * inner); outer++)
            for (int64_t i = 0; i < inner; i++) {
                float w = real_at(weight, (outer * channels + c) * inner + i, scale_inner);
                layer->weight_min = w < layer->weight_min ? w : layer->weight_min;
                layer->weight_max = w > layer->weight_max ? w : layer->weight_max;
                magnitude = fabsf(w) > magnitude ? fabsf(w) : magnitude;
            }
        layer->dead_channels += magnitude == 0;
        most = magnitude > most ? magnitude : most;
        least = magnitude > 0 && magnitude < least ? magnitude : least;
    }
    return least < INFINITY ? (double)most / least : 1;
}

/* ---- layers ---- */

static int64_t dim_or_zero(const i8x_value *value, int axis)
{
    return value->shape_known && axis < value->shape.rank && value->shape.dims[axis] > 0
               ? value->shape.dims[axis]
               : 0;
}

uint64_t i8x_inspect_macs(const i8x_graph *graph, int node)
{
    const i8x_node *n = &graph->nodes[node];
    if (n->input_count < 2 || n->inputs[0] < 0 || n->inputs[1] < 0)
        return 0;
    const i8x_value *x = &graph->values[n->inputs[0]], *w = &graph->values[n->inputs[1]];
    const i8x_value *y = &graph->values[n->outputs[0]];
    i8x_tensor in = {x->dtype, x->shape, NULL}, out = {y->dtype, y->shape, NULL},
               weight = {w->dtype, w->shape, NULL};
    int64_t elements = y->shape_known ? i8x_tensor_elements(&out) : 0;
    bool transposed = strcmp(n->op_type, "ConvTranspose") == 0;
    if (transposed || strcmp(n->op_type, "Conv") == 0) {
        /* each output (each input of a transposed one) meets the kernel once for every channel of
         * its group */
        int64_t channels = dim_or_zero(w, 0);
        if (transposed)
            elements = x->shape_known ? i8x_tensor_elements(&in) : 0;
        return channels > 0
                   ? (uint64_t)elements * (uint64_t)(i8x_tensor_elements(&weight) / channels)
                   : 0;
    }
    int depth = strcmp(n->op_type, "Gemm") == 0 && i8x_node_attr_int(n, "transA", 0) != 0
                    ? 0
                    : x->shape.rank - 1;
    return depth >= 0 ? (uint64_t)elements * (uint64_t)dim_or_zero(x, depth) : 0;
}

static bool has_weights(const i8x_node *node)
{
    static const char *const types[] = {"Conv", "ConvTranspose", "Gemm", "MatMul"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (node->domain[0] == '\0' && strcmp(node->op_type, types[i]) == 0)
            return node->input_count >= 2;
    return false;
}

/* Axis of the output channels in the stored weight. */
static int channel_axis(const i8x_node *node, int rank)
{
    if (strcmp(node->op_type, "Conv") == 0)
        return 0;
    if (strcmp(node->op_type, "ConvTranspose") == 0)
        return 1;
    bool transposed =
        strcmp(node->op_type, "Gemm") == 0 && i8x_node_attr_int(node, "transB", 0) != 0;
    return transposed ? 0 : rank > 0 ? rank - 1 : 0;
}

static i8x_status add_layer(struct walk *walk, int node)
{
    const i8x_graph *graph = walk->graph;
    const i8x_node *n = &graph->nodes[node];
    struct weight weight;
    if (!find_weight(graph, n->inputs[1], &weight))
        return I8X_OK;
    i8x_tensor tensor = i8x_value_tensor(weight.stored);
    i8x_inspect_layer *layer = &walk->out->layers[walk->out->layer_count++];
    memset(layer, 0, sizeof *layer);
    layer->node = i8x_arena_string(walk->arena, n->name);
    layer->op_type = i8x_arena_string(walk->arena, n->op_type);
    layer->reason = "";
    I8X_TRY(i8x_alloc_check(layer->node));
    I8X_TRY(i8x_alloc_check(layer->op_type));
    layer->weight_shape = tensor.shape;
    layer->weight_dtype = tensor.dtype;
    layer->weights = i8x_tensor_elements(&tensor);
    layer->weight_bytes = i8x_tensor_size_bytes(&tensor);
    if (weight.scale != NULL) {
        i8x_tensor scales = i8x_value_tensor(weight.scale);
        layer->weight_bytes += i8x_tensor_size_bytes(&scales);
    }
    layer->output_shape = graph->values[n->outputs[0]].shape;
    layer->macs = i8x_inspect_macs(graph, node);
    layer->quantized = weight.scale != NULL && dequantize_of(graph, n->inputs[0]) != NULL;
    double ratio = measure_weight(&weight, channel_axis(n, tensor.shape.rank), layer);
    if (walk->survey != NULL && !layer->quantized) {
        const i8x_qlayer *row = i8x_qspec_layer(walk->survey, node);
        layer->reason = row != NULL ? i8x_qreason_text(row->reason) : "operator is not quantized";
    }
    walk->out->macs += layer->macs;
    walk->out->quantized_count += layer->quantized;
    if (layer->dead_channels > 0)
        I8X_TRY(problem(
            walk, i8x_arena_format(walk->arena,
                                   "%s '%s': %lld of %lld output channels have only zero weights",
                                   layer->op_type, layer->node, (long long)layer->dead_channels,
                                   (long long)layer->channels)));
    if (ratio > RANGE_RATIO_REPORTED) {
        walk->unbalanced_count++;
        if (ratio > walk->unbalanced_ratio) {
            walk->unbalanced_ratio = ratio;
            walk->unbalanced = layer;
        }
    }
    return I8X_OK;
}

static i8x_status copy_values(struct walk *walk, const int *values, int count,
                              i8x_inspect_value **list)
{
    *list = i8x_arena_array(walk->arena, (size_t)count, sizeof **list);
    I8X_TRY(i8x_alloc_check(*list));
    for (int i = 0; i < count; i++) {
        const i8x_value *value = &walk->graph->values[values[i]];
        (*list)[i].name = i8x_arena_string(walk->arena, value->name);
        I8X_TRY(i8x_alloc_check((*list)[i].name));
        (*list)[i].dtype = value->dtype;
        (*list)[i].shape = value->shape;
        for (int k = 0; k < value->shape.rank; k++)
            if ((value->dims_open >> k & 1) != 0 && k == 0)
                (*list)[i].shape.dims[k] = I8X_DIM_UNKNOWN; /* the sample axis that infer bound */
    }
    return I8X_OK;
}

static uint64_t constant_bytes(const i8x_graph *graph)
{
    uint64_t bytes = 0;
    for (int i = 0; i < graph->value_count; i++)
        if (i8x_value_is_constant(&graph->values[i])) {
            i8x_tensor tensor = i8x_value_tensor(&graph->values[i]);
            bytes += i8x_tensor_size_bytes(&tensor);
        }
    return bytes;
}

i8x_status i8x_inspect_graph(const i8x_graph *graph, bool inferred, const i8x_recipe *recipe,
                             i8x_arena *arena, i8x_inspection *inspection)
{
    const char **problems = inspection->problems; /* the caller may have found some already */
    int problem_count = inspection->problem_count;
    memset(inspection, 0, sizeof *inspection);
    struct walk walk = {.graph = graph, .arena = arena, .out = inspection, .survey = NULL};
    inspection->problems = problems != NULL
                               ? problems
                               : i8x_arena_array(arena, I8X_INSPECT_PROBLEMS_MAX, sizeof *problems);
    inspection->problem_count = problem_count;
    inspection->layers =
        i8x_arena_array(arena, (size_t)graph->node_count, sizeof *inspection->layers);
    inspection->producer = i8x_arena_string(arena, graph->producer_name);
    I8X_TRY(i8x_alloc_check(inspection->problems));
    I8X_TRY(i8x_alloc_check(inspection->layers));
    I8X_TRY(i8x_alloc_check(inspection->producer));
    inspection->ir_version = graph->ir_version;
    inspection->opset = i8x_graph_opset(graph, "");
    inspection->node_count = graph->node_count;
    inspection->weight_bytes = constant_bytes(graph);
    I8X_TRY(copy_values(&walk, graph->inputs, graph->input_count, &inspection->inputs));
    I8X_TRY(copy_values(&walk, graph->outputs, graph->output_count, &inspection->outputs));
    inspection->input_count = graph->input_count;
    inspection->output_count = graph->output_count;
    i8x_qspec survey;
    if (inferred) {
        I8X_TRY(i8x_qspec_survey(graph, recipe, arena, &survey));
        walk.survey = &survey;
    }
    for (int i = 0; i < graph->node_count; i++)
        if (has_weights(&graph->nodes[i]))
            I8X_TRY(add_layer(&walk, i));
    if (walk.unbalanced != NULL)
        I8X_TRY(problem(&walk, i8x_arena_format(
                                   arena,
                                   "%d layers have channels of very different size (most: %s '%s', "
                                   "%.3g times); a scale for each channel takes care of it",
                                   walk.unbalanced_count, walk.unbalanced->op_type,
                                   walk.unbalanced->node, walk.unbalanced_ratio)));
    if (inspection->layer_count == 0)
        I8X_TRY(problem(
            &walk, i8x_arena_string(
                       arena, "no Conv, ConvTranspose, Gemm or MatMul with constant weights")));
    return I8X_OK;
}

/* Infers on a best-effort basis: what fails becomes a problem. */
static i8x_status inspect_read(i8x_graph *graph, const i8x_recipe *recipe, i8x_arena *arena,
                               i8x_inspection *inspection)
{
    memset(inspection, 0, sizeof *inspection);
    inspection->problems =
        i8x_arena_array(arena, I8X_INSPECT_PROBLEMS_MAX, sizeof *inspection->problems);
    I8X_TRY(i8x_alloc_check(inspection->problems));
    i8x_recipe standard;
    i8x_recipe_default(&standard);
    recipe = recipe != NULL ? recipe : &standard;
    i8x_shape_binding *bindings;
    int count;
    I8X_TRY(i8x_recipe_shapes(recipe, arena, &bindings, &count));
    i8x_status status = i8x_graph_infer(graph, 1, bindings, count);
    if (status == I8X_OK)
        status = i8x_graph_verify(graph);
    bool soft = status == I8X_EUNSUPPORTED || status == I8X_ESHAPE || status == I8X_EDTYPE;
    if (status != I8X_OK && !soft)
        return status;
    if (soft) {
        inspection->problems[inspection->problem_count] =
            i8x_arena_string(arena, i8x_last_error()->detail);
        I8X_TRY(i8x_alloc_check(inspection->problems[inspection->problem_count++]));
    }
    return i8x_inspect_graph(graph, status == I8X_OK, recipe, arena, inspection);
}

i8x_status i8x_inspect_bytes(const void *bytes, size_t size_bytes, const i8x_recipe *recipe,
                             i8x_arena *arena, i8x_inspection *inspection)
{
    i8x_graph *graph = NULL;
    I8X_TRY(i8x_onnx_read(bytes, size_bytes, NULL, &graph));
    i8x_status status = inspect_read(graph, recipe, arena, inspection);
    i8x_graph_free(graph);
    inspection->file_bytes = size_bytes;
    return status;
}

i8x_status i8x_inspect_file(const char *path, const i8x_recipe *recipe, i8x_arena *arena,
                            i8x_inspection *inspection)
{
    uint64_t size = 0;
    I8X_TRY(i8x_file_size(path, &size));
    i8x_model_opts opts = {.external_data_allowed = true};
    i8x_graph *graph = NULL;
    I8X_TRY(i8x_onnx_read_file(path, &opts, &graph));
    i8x_status status = inspect_read(graph, recipe, arena, inspection);
    i8x_graph_free(graph);
    inspection->file_bytes = size;
    return status;
}
