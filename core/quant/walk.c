/* SPDX-License-Identifier: Apache-2.0
 *
 * Walk: storage of the live values and nodes without quantized weights. Nodes run one sample at a
 * time on floats (codes are dequantized for them and their results quantized again), because that
 * is the operators' own code and needs room for one sample only.
 */
#include "core/quant/walk.h"

#include <math.h>
#include <string.h>

#include "core/graph/exec.h"
#include "core/kernels/kernels.h"
#include "core/tensor/tensor.h"

static int64_t elements_of(const i8x_graph *graph, int value)
{
    return i8x_shape_product(&graph->values[value].shape, 0, graph->values[value].shape.rank);
}

static i8x_status value_describe(i8x_walk *walk, int value)
{
    const i8x_value *v = &walk->graph->values[value];
    i8x_walk_value *w = &walk->values[value];
    I8X_ENSURE(v->shape_known && i8x_shape_known(&v->shape), I8X_ESHAPE, "'%s': shape is not known",
               v->name);
    w->elements = elements_of(walk->graph, value);
    w->group = walk->qspec->value_group[value];
    w->sample_bytes = w->group >= 0 ? (size_t)w->elements : i8x_dtype_bytes(v->dtype, w->elements);
    return I8X_OK;
}

i8x_status i8x_walk_begin(i8x_walk *walk, int value)
{
    i8x_walk_value *w = &walk->values[value];
    I8X_TRY(value_describe(walk, value));
    w->data = i8x_alloc_array(i8x_alloc_heap(), (size_t)walk->samples, w->sample_bytes);
    w->owned = true;
    return i8x_alloc_check(w->data);
}

static i8x_status input_take(i8x_walk *walk, int index, const i8x_sample_block *block)
{
    int value = walk->graph->inputs[index];
    i8x_walk_value *w = &walk->values[value];
    const i8x_tensor *tensor = &block->inputs[index];
    I8X_TRY(value_describe(walk, value));
    I8X_ENSURE(i8x_tensor_elements(tensor) == w->elements * block->samples &&
                   tensor->dtype == walk->graph->values[value].dtype,
               I8X_ESHAPE, "samples do not fit input '%s'", walk->graph->values[value].name);
    if (w->group < 0) {
        w->data = tensor->data;
        return I8X_OK;
    }
    I8X_TRY(i8x_walk_begin(walk, value));
    for (int64_t s = 0; s < walk->samples; s++)
        i8x_walk_store(walk, value, s, 0, w->elements,
                       (const float *)tensor->data + s * w->elements);
    if (block->taken != NULL)
        block->taken(block->user, index);
    return I8X_OK;
}

static void uses_count(i8x_walk *walk, int *counts)
{
    i8x_graph_count_uses(walk->graph, counts);
    for (int v = 0; v < walk->graph->value_count; v++) {
        walk->values[v].uses = counts[v];
        walk->users[v] = I8X_GRAPH_NONE;
    }
    for (int n = 0; n < walk->graph->node_count; n++) {
        const i8x_node *node = &walk->graph->nodes[n];
        for (int k = 0; k < node->input_count && !i8x_node_removed(node); k++) {
            int value = node->inputs[k];
            if (value >= 0 && counts[value] == 1 && !walk->graph->values[value].is_output)
                walk->users[value] = n;
        }
    }
}

i8x_status i8x_walk_init(i8x_walk *walk, const i8x_graph *graph, const i8x_qspec *qspec,
                         const i8x_sample_block *block, i8x_threads *threads)
{
    *walk = (i8x_walk){.graph = graph,
                       .qspec = qspec,
                       .target = i8x_target_info_get(qspec->target),
                       .samples = block->samples,
                       .threads = threads};
    I8X_ENSURE(block->samples > 0, I8X_EARG, "a block of no samples");
    I8X_TRY(i8x_arena_new(NULL, 0, &walk->scratch));
    size_t count = (size_t)graph->value_count;
    walk->values = i8x_arena_array(walk->scratch, count, sizeof *walk->values);
    I8X_TRY(i8x_alloc_check(walk->values));
    walk->users = i8x_arena_array(walk->scratch, count, sizeof *walk->users);
    I8X_TRY(i8x_alloc_check(walk->users));
    int *counts = i8x_arena_array(walk->scratch, count, sizeof *counts);
    I8X_TRY(i8x_alloc_check(counts));
    uses_count(walk, counts);
    for (int i = 0; i < graph->input_count; i++)
        I8X_TRY(input_take(walk, i, block));
    return I8X_OK;
}

static void value_drop(i8x_walk *walk, int value)
{
    i8x_walk_value *w = &walk->values[value];
    if (w->owned)
        i8x_alloc_free(i8x_alloc_heap(), w->data, (size_t)walk->samples * w->sample_bytes);
    w->data = NULL;
    w->owned = false;
}

void i8x_walk_deinit(i8x_walk *walk)
{
    for (int v = 0; walk->values != NULL && v < walk->graph->value_count; v++)
        value_drop(walk, v);
    walk->values = NULL;
    i8x_arena_free(walk->scratch);
    walk->scratch = NULL;
}

void i8x_walk_load(const i8x_walk *walk, int value, int64_t sample, float *to)
{
    const i8x_walk_value *w = &walk->values[value];
    const uint8_t *from = w->data + (size_t)sample * w->sample_bytes;
    if (w->group < 0) {
        memcpy(to, from, w->sample_bytes);
        return;
    }
    const i8x_qgroup *g = &walk->qspec->groups[w->group];
    const i8x_kernels *kernels = i8x_kernels_get();
    size_t count = (size_t)w->elements;
    if (walk->target->activation_dtype == I8X_DTYPE_U8)
        kernels->dequantize_u8_f32(from, count, g->scale, g->zero_point, to);
    else
        kernels->dequantize_s8_f32((const int8_t *)from, count, g->scale, g->zero_point, to);
}

void i8x_walk_store(i8x_walk *walk, int value, int64_t sample, int64_t at, int64_t count,
                    const float *from)
{
    const i8x_walk_value *w = &walk->values[value];
    uint8_t *to = w->data + (size_t)sample * w->sample_bytes;
    if (w->group < 0) {
        memcpy(to + (size_t)at * sizeof *from, from, (size_t)count * sizeof *from);
        return;
    }
    const i8x_qgroup *g = &walk->qspec->groups[w->group];
    const i8x_kernels *kernels = i8x_kernels_get();
    to += at;
    if (walk->target->activation_dtype == I8X_DTYPE_U8) {
        kernels->quantize_f32_u8(from, (size_t)count, g->scale, g->zero_point, to);
        return;
    }
    kernels->quantize_f32_s8(from, (size_t)count, g->scale, g->zero_point, (int8_t *)to);
    for (int64_t i = 0; i < count; i++) {
        if ((int8_t)to[i] < walk->target->qmin) /* a symmetric target does not use -128 */
            to[i] = (uint8_t)(int8_t)walk->target->qmin;
    }
}

int i8x_walk_result(const i8x_walk *walk, int value, float *lo, float *hi)
{
    *lo = -INFINITY;
    *hi = INFINITY;
    int user = walk->users[value];
    if (user < 0 || walk->qspec->node_role[user] != I8X_QROLE_ABSORBED)
        return value;
    (void)i8x_qspec_clamp(walk->graph, user, lo, hi);
    return walk->graph->nodes[user].outputs[0];
}

/* Tensors of one sample: constants as they are, floats without a pair in place, codes dequantized.
 */
static i8x_status inputs_open(i8x_walk *walk, const i8x_node *node, int64_t sample,
                              const float *weight, i8x_tensor *tensors)
{
    for (int k = 0; k < node->input_count; k++) {
        int value = node->inputs[k];
        tensors[k] = (i8x_tensor){0};
        if (value < 0)
            continue;
        const i8x_value *v = &walk->graph->values[value];
        const i8x_walk_value *w = &walk->values[value];
        tensors[k] = i8x_tensor_make(v->dtype, &v->shape, NULL);
        if (i8x_value_is_constant(v)) {
            tensors[k] = i8x_value_tensor(v);
            if (k == 1 && weight != NULL)
                tensors[k].data = (void *)(uintptr_t)weight;
            continue;
        }
        I8X_ENSURE(w->data != NULL, I8X_EINTERNAL, "'%s' is not there yet", v->name);
        if (w->group < 0) {
            tensors[k].data = w->data + (size_t)sample * w->sample_bytes;
            continue;
        }
        tensors[k].data = i8x_arena_alloc(walk->scratch, (size_t)w->elements * sizeof(float));
        I8X_TRY(i8x_alloc_check(tensors[k].data));
        i8x_walk_load(walk, value, sample, tensors[k].data);
    }
    return I8X_OK;
}

/* Runs a node on one sample; *outputs in scratch. */
static i8x_status sample_run(i8x_walk *walk, int index, int64_t sample, const float *weight,
                             i8x_tensor **outputs)
{
    const i8x_node *node = &walk->graph->nodes[index];
    i8x_tensor *inputs = i8x_arena_array(walk->scratch, (size_t)node->input_count, sizeof *inputs);
    I8X_TRY(i8x_alloc_check(inputs));
    *outputs = i8x_arena_array(walk->scratch, (size_t)node->output_count, sizeof **outputs);
    I8X_TRY(i8x_alloc_check(*outputs));
    I8X_TRY(inputs_open(walk, node, sample, weight, inputs));
    for (int k = 0; k < node->output_count; k++) {
        if (node->outputs[k] < 0)
            continue;
        const i8x_value *v = &walk->graph->values[node->outputs[k]];
        i8x_tensor *y = &(*outputs)[k];
        *y = i8x_tensor_make(v->dtype, &v->shape, NULL);
        y->data = i8x_arena_alloc(walk->scratch, i8x_tensor_size_bytes(y));
        I8X_TRY(i8x_alloc_check(y->data));
    }
    return i8x_exec_node(walk->graph, index, inputs, *outputs, walk->scratch, walk->threads);
}

i8x_status i8x_walk_node_with(i8x_walk *walk, int node, int64_t sample, const float *weight,
                              float **y)
{
    i8x_tensor *outputs;
    I8X_TRY(sample_run(walk, node, sample, weight, &outputs));
    *y = outputs[0].data;
    return I8X_OK;
}

static void output_keep(i8x_walk *walk, int value, int64_t sample, i8x_tensor *y)
{
    float lo, hi;
    int result = i8x_walk_result(walk, value, &lo, &hi);
    const i8x_walk_value *w = &walk->values[result];
    if (y->dtype != I8X_DTYPE_F32) {
        memcpy(w->data + (size_t)sample * w->sample_bytes, y->data, w->sample_bytes);
        return;
    }
    if (result != value)
        i8x_kernels_get()->clip_f32(y->data, lo, hi, y->data, (size_t)w->elements);
    i8x_walk_store(walk, result, sample, 0, w->elements, y->data);
}

i8x_status i8x_walk_node(i8x_walk *walk, int index)
{
    const i8x_node *node = &walk->graph->nodes[index];
    for (int k = 0; k < node->output_count; k++) {
        float lo, hi;
        if (node->outputs[k] >= 0)
            I8X_TRY(i8x_walk_begin(walk, i8x_walk_result(walk, node->outputs[k], &lo, &hi)));
    }
    for (int64_t s = 0; s < walk->samples; s++) {
        i8x_arena_mark mark = i8x_arena_mark_get(walk->scratch);
        i8x_tensor *outputs;
        I8X_TRY(sample_run(walk, index, s, NULL, &outputs));
        for (int k = 0; k < node->output_count; k++) {
            if (node->outputs[k] >= 0)
                output_keep(walk, node->outputs[k], s, &outputs[k]);
        }
        i8x_arena_rewind(walk->scratch, mark);
    }
    return I8X_OK;
}

void i8x_walk_release(i8x_walk *walk, int node)
{
    const i8x_node *n = &walk->graph->nodes[node];
    for (int k = 0; k < n->input_count; k++) {
        int value = n->inputs[k];
        if (value >= 0 && --walk->values[value].uses == 0)
            value_drop(walk, value);
    }
    for (int k = 0; k < n->output_count; k++) {
        if (n->outputs[k] >= 0 && walk->values[n->outputs[k]].uses == 0)
            value_drop(walk, n->outputs[k]);
    }
}
