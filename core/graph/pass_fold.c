/* SPDX-License-Identifier: Apache-2.0
 *
 * Folding of constants, shapes, identities, and of affine functions into the linear operator before
 * them.
 *
 * Whatever follows a linear operator per channel (batch norm, Mul, Add, Sub, Div by constants) is
 * one pair (factor, shift) per channel; w' = w * factor and b' = b * factor + shift, in double,
 * rounded once. The linear node then writes the value that the folded node wrote, so names further
 * down stay.
 */
#include "core/graph/pass_fold.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/graph/exec.h"
#include "core/graph/infer.h"
#include "core/graph/op_params.h"
#include "core/tensor/tensor.h"

#define FOLDED_BYTES_MAX ((size_t)64 << 20)

static i8x_status finish(i8x_graph *graph)
{
    I8X_TRY(i8x_graph_sort(graph));
    I8X_TRY(i8x_graph_prune(graph));
    return i8x_infer_again(graph);
}

static bool constant_input(const i8x_graph *graph, const i8x_node *node, int input)
{
    return input < node->input_count && node->inputs[input] != I8X_GRAPH_NONE &&
           i8x_value_is_constant(&graph->values[node->inputs[input]]);
}

/* --- constants --- */

static bool foldable(const i8x_graph *graph, const i8x_node *node, size_t left)
{
    const i8x_op *op = i8x_op_of(node);
    size_t bytes = 0;
    if (i8x_node_removed(node) || op == NULL || (op->flags & I8X_OP_QUANTIZE))
        return false;
    for (int i = 0; i < node->input_count; i++)
        if (node->inputs[i] != I8X_GRAPH_NONE && !constant_input(graph, node, i))
            return false;
    for (int i = 0; i < node->output_count; i++) {
        if (node->outputs[i] == I8X_GRAPH_NONE)
            continue;
        const i8x_value *v = &graph->values[node->outputs[i]];
        i8x_tensor t = i8x_tensor_make(v->dtype, &v->shape, NULL);
        bytes += i8x_tensor_size_bytes(&t);
        if (v->is_output)
            return false;
    }
    return bytes <= left;
}

static i8x_status fold_node(i8x_graph *graph, int index, i8x_arena *scratch, size_t *left)
{
    i8x_node *node = &graph->nodes[index];
    i8x_tensor *inputs = i8x_arena_array(scratch, (size_t)node->input_count, sizeof *inputs);
    I8X_TRY(i8x_alloc_check(inputs));
    i8x_tensor *outputs = i8x_arena_array(scratch, (size_t)node->output_count, sizeof *outputs);
    I8X_TRY(i8x_alloc_check(outputs));
    for (int i = 0; i < node->input_count; i++)
        if (node->inputs[i] != I8X_GRAPH_NONE)
            inputs[i] = i8x_value_tensor(&graph->values[node->inputs[i]]);
    for (int i = 0; i < node->output_count; i++) {
        if (node->outputs[i] == I8X_GRAPH_NONE)
            continue;
        const i8x_value *v = &graph->values[node->outputs[i]];
        outputs[i] = i8x_tensor_make(v->dtype, &v->shape, NULL);
        size_t bytes = i8x_tensor_size_bytes(&outputs[i]);
        outputs[i].data = i8x_arena_array(graph->arena, bytes ? bytes : 1, 1);
        I8X_TRY(i8x_alloc_check(outputs[i].data));
        *left -= bytes;
    }
    I8X_TRY(i8x_exec_node(graph, index, inputs, outputs, scratch, NULL));
    i8x_graph_remove_node(graph, index);
    for (int i = 0; i < node->output_count; i++)
        if (node->outputs[i] != I8X_GRAPH_NONE)
            graph->values[node->outputs[i]].data = outputs[i].data;
    return I8X_OK;
}

i8x_status i8x_pass_fold_constants(i8x_graph *graph)
{
    i8x_arena *scratch;
    size_t left = FOLDED_BYTES_MAX;
    i8x_status status = I8X_OK;
    I8X_TRY(i8x_arena_new(NULL, 0, &scratch));
    for (int n = 0; n < graph->node_count && status == I8X_OK; n++)
        if (foldable(graph, &graph->nodes[n], left))
            status = fold_node(graph, n, scratch, &left);
    i8x_arena_free(scratch);
    return status == I8X_OK ? finish(graph) : status;
}

/* --- shapes --- */

static void move_batch(i8x_graph *graph, int64_t by)
{
    for (int i = 0; i < graph->input_count; i++) {
        i8x_value *v = &graph->values[graph->inputs[i]];
        if ((v->dims_open & 1) && v->shape.rank > 0)
            v->shape.dims[0] += by;
    }
}

/* The list that is right for both batches: -1 where it moves, if the operator can take that. */
static bool common_list(const i8x_tensor *a, const i8x_tensor *b, bool open_allowed, int64_t *list)
{
    int64_t count = i8x_tensor_elements(a);
    int moving = 0, open = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t va = i8x_tensor_int(a, i), vb = i8x_tensor_int(b, i);
        list[i] = va == vb ? va : -1;
        moving += va != vb;
        open += va == -1;
    }
    return moving == 0 || (open_allowed && moving == 1 && open == 0);
}

static i8x_status fix_input(i8x_graph *graph, int n, int input, const i8x_tensor *a,
                            const i8x_tensor *b)
{
    i8x_node *node = &graph->nodes[n];
    int64_t list[I8X_RANK_MAX * 2];
    int value;
    if (a->dtype != I8X_DTYPE_S64 || !i8x_shape_equal(&a->shape, &b->shape) || a->shape.rank > 1 ||
        i8x_tensor_elements(a) > I8X_RANK_MAX * 2)
        return I8X_OK;
    if (!common_list(a, b, i8x_node_is(node, I8X_OP_RESHAPE) && input == 1, list))
        return I8X_OK;
    i8x_tensor t = i8x_tensor_make(I8X_DTYPE_S64, &a->shape, list);
    const char *base =
        i8x_arena_format(graph->arena, "%.900s_%s", node->name, input == 1 ? "shape" : "list");
    I8X_TRY(i8x_alloc_check(base));
    const char *name = i8x_graph_unique_name(graph, base);
    I8X_TRY(i8x_alloc_check(name));
    I8X_TRY(i8x_graph_add_constant(graph, name, &t, true, &value));
    graph->nodes[n].inputs[input] = value;
    return I8X_OK;
}

/* True if the node's own result is computed ahead of the run: then its readers are what matters. */
static bool known_node(const i8x_node *node, const i8x_tensor *values)
{
    for (int i = 0; i < node->output_count; i++)
        if (node->outputs[i] != I8X_GRAPH_NONE && values[node->outputs[i]].data == NULL)
            return false;
    return true;
}

static i8x_status fix_shapes(i8x_graph *graph, i8x_arena *arena)
{
    int value_count = graph->value_count, node_count = graph->node_count;
    i8x_tensor *a = i8x_arena_array(arena, (size_t)value_count, sizeof *a);
    I8X_TRY(i8x_alloc_check(a));
    i8x_tensor *b = i8x_arena_array(arena, (size_t)value_count, sizeof *b);
    I8X_TRY(i8x_alloc_check(b));
    I8X_TRY(i8x_infer_values(graph, a, arena));
    move_batch(graph, 1);
    i8x_status status = i8x_infer_values(graph, b, arena);
    move_batch(graph, -1);
    if (status != I8X_OK) /* the model works for this batch alone */
        memcpy(b, a, (size_t)value_count * sizeof *b);
    for (int n = 0; n < node_count; n++) {
        const i8x_node *node = &graph->nodes[n];
        if (i8x_node_removed(node) || known_node(node, a))
            continue;
        for (int i = 0; i < graph->nodes[n].input_count; i++) {
            int v = graph->nodes[n].inputs[i];
            if (v != I8X_GRAPH_NONE && !i8x_value_is_constant(&graph->values[v]) && a[v].data &&
                b[v].data)
                I8X_TRY(fix_input(graph, n, i, &a[v], &b[v]));
        }
    }
    return I8X_OK;
}

i8x_status i8x_pass_fold_shapes(i8x_graph *graph)
{
    i8x_arena *arena;
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    i8x_status status = fix_shapes(graph, arena);
    i8x_arena_free(arena);
    return status == I8X_OK ? finish(graph) : status;
}

/* --- identities --- */

/* `node` writes what `follower` wrote; whoever read the value between reads the follower's. */
static void take_output(i8x_graph *graph, int node, int output, int follower)
{
    int between = graph->nodes[node].outputs[output], result = graph->nodes[follower].outputs[0];
    i8x_graph_remove_node(graph, follower);
    i8x_graph_replace_uses(graph, between, result);
    graph->nodes[node].outputs[output] = result;
    graph->values[result].producer = node;
    graph->values[between].producer = I8X_GRAPH_NONE;
}

static void drop_identity(i8x_graph *graph, int n)
{
    const i8x_node *node = &graph->nodes[n];
    int from = node->inputs[0], to = node->outputs[0];
    const i8x_value *source = &graph->values[from];
    if (!graph->values[to].is_output) {
        i8x_graph_remove_node(graph, n);
        i8x_graph_replace_uses(graph, to, from);
    } else if (source->producer != I8X_GRAPH_NONE && !source->is_output) {
        const i8x_node *producer = &graph->nodes[source->producer];
        for (int i = 0; i < producer->output_count; i++)
            if (producer->outputs[i] == from) {
                take_output(graph, source->producer, i, n);
                return;
            }
    }
}

i8x_status i8x_pass_fold_identity(i8x_graph *graph)
{
    for (int n = 0; n < graph->node_count; n++) {
        const i8x_node *node = &graph->nodes[n];
        if (!i8x_node_removed(node) &&
            (i8x_node_is(node, I8X_OP_IDENTITY) || i8x_node_is(node, I8X_OP_DROPOUT)))
            drop_identity(graph, n);
    }
    return finish(graph);
}

/* --- affine functions into linear operators --- */

/* y = x * factor[c] + shift[c] */
typedef struct affine {
    int64_t channels;
    double *factor, *shift;
    bool shifts;
} affine;

static i8x_status affine_new(int64_t channels, i8x_arena *arena, affine *a)
{
    *a = (affine){.channels = channels};
    a->factor = i8x_arena_array(arena, (size_t)channels, sizeof *a->factor);
    I8X_TRY(i8x_alloc_check(a->factor));
    a->shift = i8x_arena_array(arena, (size_t)channels, sizeof *a->shift);
    I8X_TRY(i8x_alloc_check(a->shift));
    for (int64_t c = 0; c < channels; c++)
        a->factor[c] = 1.0;
    return I8X_OK;
}

static bool plain_gemm(const i8x_node *node)
{
    return i8x_node_attr_float(node, "alpha", 1.0f) == 1.0f &&
           i8x_node_attr_float(node, "beta", 1.0f) == 1.0f;
}

/* The linear node that alone computes value and whose weight and bias are constants of ours to
 * change, or -1. */
static int linear_before(const i8x_graph *graph, int value)
{
    int n = graph->values[value].producer;
    if (n == I8X_GRAPH_NONE || i8x_graph_single_user(graph, value) == I8X_GRAPH_NONE)
        return -1;
    const i8x_node *node = &graph->nodes[n];
    const i8x_op *op = i8x_op_of(node);
    if (op == NULL || !(op->flags & I8X_OP_LINEAR) || !constant_input(graph, node, 1) ||
        graph->values[node->inputs[1]].dtype != I8X_DTYPE_F32)
        return -1;
    bool has_bias = node->input_count > 2 && node->inputs[2] != I8X_GRAPH_NONE;
    if (has_bias && !constant_input(graph, node, 2))
        return -1;
    if (op->id == I8X_OP_GEMM && !plain_gemm(node))
        return -1;
    if (op->id == I8X_OP_MATMUL && graph->values[node->inputs[1]].shape.rank != 2)
        return -1;
    return n;
}

static int64_t channel_count(const i8x_graph *graph, const i8x_node *node)
{
    const i8x_shape *y = &graph->values[node->outputs[0]].shape;
    bool image = i8x_node_is(node, I8X_OP_CONV) || i8x_node_is(node, I8X_OP_CONV_TRANSPOSE);
    return y->dims[image ? 1 : y->rank - 1];
}

/* Output channel of weight element i. */
static int64_t channel_of(const i8x_node *node, const i8x_shape *w, int64_t channels, int64_t i)
{
    if (i8x_node_is(node, I8X_OP_CONV))
        return i / (i8x_shape_product(w, 1, w->rank));
    if (i8x_node_is(node, I8X_OP_CONV_TRANSPOSE)) {
        int64_t taps = i8x_shape_product(w, 2, w->rank), per_group = w->dims[1],
                group = channels / per_group;
        int64_t ic = i / (taps * per_group);
        return ic / (w->dims[0] / group) * per_group + i / taps % per_group;
    }
    if (i8x_node_attr_int(node, "transB", 0))
        return i / w->dims[1];
    return i % w->dims[1];
}

/* A constant that only `node` reads is changed in place of name, else a copy is made. data lies in
 * graph->arena. */
static i8x_status set_constant(i8x_graph *graph, int n, int input, const i8x_shape *shape,
                               float *data)
{
    i8x_node *node = &graph->nodes[n];
    int old = input < node->input_count ? node->inputs[input] : I8X_GRAPH_NONE, value;
    i8x_tensor t = i8x_tensor_make(I8X_DTYPE_F32, shape, data);
    if (old != I8X_GRAPH_NONE && i8x_graph_use_count(graph, old) == 1) {
        graph->values[old].data = data;
        graph->values[old].shape = *shape;
        return I8X_OK;
    }
    const char *base = old != I8X_GRAPH_NONE ? graph->values[old].name : node->name;
    base = i8x_arena_format(graph->arena, "%.900s_%s", base, input == 1 ? "folded" : "bias");
    I8X_TRY(i8x_alloc_check(base));
    const char *name = i8x_graph_unique_name(graph, base);
    I8X_TRY(i8x_alloc_check(name));
    I8X_TRY(i8x_graph_add_constant(graph, name, &t, false, &value));
    node = &graph->nodes[n];
    if (input < node->input_count) {
        node->inputs[input] = value;
        return I8X_OK;
    }
    int *inputs = i8x_arena_array(graph->arena, (size_t)input + 1, sizeof *inputs);
    I8X_TRY(i8x_alloc_check(inputs));
    for (int i = 0; i < input; i++)
        inputs[i] = i < node->input_count ? node->inputs[i] : I8X_GRAPH_NONE;
    inputs[input] = value;
    node->inputs = inputs;
    node->input_count = input + 1;
    return I8X_OK;
}

static i8x_status scale_weight(i8x_graph *graph, int n, const affine *a)
{
    const i8x_node *node = &graph->nodes[n];
    const i8x_value *w = &graph->values[node->inputs[1]];
    i8x_shape shape = w->shape;
    int64_t count = i8x_shape_product(&shape, 0, shape.rank);
    const float *from = w->data;
    float *to = i8x_arena_array(graph->arena, (size_t)count, sizeof *to);
    I8X_TRY(i8x_alloc_check(to));
    for (int64_t i = 0; i < count; i++)
        to[i] = (float)((double)from[i] * a->factor[channel_of(node, &shape, a->channels, i)]);
    return set_constant(graph, n, 1, &shape, to);
}

/* Bias element of channel c, whatever broadcast form it has: [n], [1, n], [1], scalar. */
static double bias_at(const i8x_graph *graph, const i8x_node *node, int64_t c)
{
    if (node->input_count < 3 || node->inputs[2] == I8X_GRAPH_NONE)
        return 0.0;
    i8x_tensor t = i8x_value_tensor(&graph->values[node->inputs[2]]);
    return (double)((const float *)t.data)[i8x_tensor_elements(&t) == 1 ? 0 : c];
}

static i8x_status shift_bias(i8x_graph *graph, int n, const affine *a)
{
    i8x_shape shape = {.rank = 1, .dims = {a->channels}};
    float *to = i8x_arena_array(graph->arena, (size_t)a->channels, sizeof *to);
    I8X_TRY(i8x_alloc_check(to));
    for (int64_t c = 0; c < a->channels; c++)
        to[c] = (float)(bias_at(graph, &graph->nodes[n], c) * a->factor[c] + a->shift[c]);
    if (i8x_node_is(&graph->nodes[n], I8X_OP_MATMUL))
        graph->nodes[n].op_type = "Gemm";
    return set_constant(graph, n, 2, &shape, to);
}

/* Whether the bias of a linear node may take a shift: one row for all, and a MatMul of two
 * dimensions. */
static bool takes_shift(const i8x_graph *graph, const i8x_node *node, int64_t channels)
{
    if (i8x_node_is(node, I8X_OP_MATMUL))
        return graph->values[node->inputs[0]].shape.rank == 2;
    if (node->input_count < 3 || node->inputs[2] == I8X_GRAPH_NONE)
        return true;
    i8x_tensor t = i8x_value_tensor(&graph->values[node->inputs[2]]);
    int64_t count = i8x_tensor_elements(&t);
    return count == 1 || (count == channels && t.shape.dims[t.shape.rank - 1] == channels);
}

static i8x_status absorb(i8x_graph *graph, int linear, int follower, const affine *a)
{
    const i8x_node *node = &graph->nodes[linear];
    bool has_bias = node->input_count > 2 && node->inputs[2] != I8X_GRAPH_NONE;
    if ((has_bias || a->shifts) && !takes_shift(graph, node, a->channels))
        return I8X_OK;
    I8X_TRY(scale_weight(graph, linear, a));
    if (has_bias || a->shifts)
        I8X_TRY(shift_bias(graph, linear, a));
    take_output(graph, linear, 0, follower);
    return I8X_OK;
}

static i8x_status fold_one_norm(i8x_graph *graph, int n, i8x_arena *arena)
{
    const i8x_node *node = &graph->nodes[n];
    const float *p[5];
    affine a;
    int linear = linear_before(graph, node->inputs[0]);
    if (linear < 0)
        return I8X_OK;
    for (int i = 1; i < 5; i++) {
        if (!constant_input(graph, node, i))
            return I8X_OK;
        p[i] = graph->values[node->inputs[i]].data;
    }
    I8X_TRY(affine_new(channel_count(graph, &graph->nodes[linear]), arena, &a));
    double epsilon = (double)i8x_node_attr_float(node, "epsilon", 1e-5f);
    a.shifts = true;
    for (int64_t c = 0; c < a.channels; c++) {
        a.factor[c] = (double)p[1][c] / sqrt((double)p[4][c] + epsilon);
        a.shift[c] = (double)p[2][c] - (double)p[3][c] * a.factor[c];
    }
    return absorb(graph, linear, n, &a);
}

static i8x_status each_node(i8x_graph *graph, bool (*is)(const i8x_node *),
                            i8x_status (*fold)(i8x_graph *, int, i8x_arena *))
{
    i8x_arena *arena;
    i8x_status status = I8X_OK;
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    for (int n = 0; n < graph->node_count && status == I8X_OK; n++)
        if (!i8x_node_removed(&graph->nodes[n]) && is(&graph->nodes[n]))
            status = fold(graph, n, arena);
    i8x_arena_free(arena);
    return status == I8X_OK ? finish(graph) : status;
}

static bool is_norm(const i8x_node *node)
{
    return i8x_node_is(node, I8X_OP_BATCH_NORMALIZATION);
}

i8x_status i8x_pass_fold_batchnorm(i8x_graph *graph)
{
    return each_node(graph, is_norm, fold_one_norm);
}

static bool is_scale(const i8x_node *node)
{
    return i8x_node_is(node, I8X_OP_MUL) || i8x_node_is(node, I8X_OP_ADD) ||
           i8x_node_is(node, I8X_OP_SUB) || i8x_node_is(node, I8X_OP_DIV);
}

/* True if c has one element, or one per channel along the channel axis of y and nothing else. */
static bool per_channel(const i8x_shape *c, const i8x_shape *y, int axis)
{
    if (i8x_shape_product(c, 0, c->rank) == 1)
        return c->rank <= y->rank;
    int at = axis - (y->rank - c->rank);
    return c->rank <= y->rank && at >= 0 && c->dims[at] == y->dims[axis] &&
           i8x_shape_product(c, 0, c->rank) == y->dims[axis];
}

static i8x_status fold_one_scale(i8x_graph *graph, int n, i8x_arena *arena)
{
    const i8x_node *node = &graph->nodes[n];
    bool commutes = i8x_node_is(node, I8X_OP_MUL) || i8x_node_is(node, I8X_OP_ADD);
    int with = constant_input(graph, node, 1)               ? 1
               : commutes && constant_input(graph, node, 0) ? 0
                                                            : -1;
    if (with < 0 || constant_input(graph, node, 1 - with))
        return I8X_OK;
    int linear = linear_before(graph, node->inputs[1 - with]);
    const i8x_value *c = &graph->values[node->inputs[with]];
    const i8x_shape *y = &graph->values[node->outputs[0]].shape;
    if (linear < 0 || c->dtype != I8X_DTYPE_F32)
        return I8X_OK;
    const i8x_node *before = &graph->nodes[linear];
    bool image = i8x_node_is(before, I8X_OP_CONV) || i8x_node_is(before, I8X_OP_CONV_TRANSPOSE);
    affine a;
    if (!i8x_shape_equal(y, &graph->values[before->outputs[0]].shape) ||
        !per_channel(&c->shape, y, image ? 1 : y->rank - 1))
        return I8X_OK;
    I8X_TRY(affine_new(channel_count(graph, before), arena, &a));
    bool one = i8x_shape_product(&c->shape, 0, c->shape.rank) == 1;
    for (int64_t i = 0; i < a.channels; i++) {
        double v = (double)((const float *)c->data)[one ? 0 : i];
        if (i8x_node_is(node, I8X_OP_MUL) || i8x_node_is(node, I8X_OP_DIV))
            a.factor[i] = i8x_node_is(node, I8X_OP_MUL) ? v : 1.0 / v;
        else
            a.shift[i] = i8x_node_is(node, I8X_OP_ADD) ? v : -v;
        if (!isfinite(a.factor[i]))
            return I8X_OK;
    }
    a.shifts = i8x_node_is(node, I8X_OP_ADD) || i8x_node_is(node, I8X_OP_SUB);
    return absorb(graph, linear, n, &a);
}

i8x_status i8x_pass_fold_scale(i8x_graph *graph)
{
    return each_node(graph, is_scale, fold_one_scale);
}

i8x_status i8x_pass_fold(i8x_graph *graph)
{
    I8X_TRY(i8x_pass_fold_shapes(graph));
    I8X_TRY(i8x_pass_fold_constants(graph));
    I8X_TRY(i8x_pass_fold_identity(graph));
    I8X_TRY(i8x_pass_fold_batchnorm(graph));
    return i8x_pass_fold_scale(graph);
}
