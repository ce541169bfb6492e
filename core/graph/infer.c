/* SPDX-License-Identifier: Apache-2.0
 *
 * Infer: walks the nodes in order. Each operator's infer function sees types, shapes and, where
 * they are known, values of its inputs and fills in its outputs; small results whose inputs are all
 * known are computed at once by the operator's own run function, so shape arithmetic needs no
 * second implementation. Everything is derived into a table beside the graph; storing it is a last
 * step, which verify leaves out.
 */
#include "core/graph/infer.h"

#include <inttypes.h>
#include <string.h>

#include "core/graph/op_table.h"
#include "core/tensor/tensor.h"

typedef struct state {
    const i8x_graph *graph;
    i8x_tensor *values;
    i8x_arena *arena;        /* data of computed values, scratch */
    i8x_arena *params_arena; /* lists of params */
    void **params;           /* [node_count] */
    const i8x_op **ops;      /* [node_count] */
} state;

static i8x_status check_arity(const i8x_op *op, const i8x_node *node, int64_t opset)
{
    I8X_ENSURE(opset == 0 || opset >= op->since, I8X_EVERSION,
               "opset %" PRId64 " does not have it, %d does", opset, op->since);
    I8X_ENSURE(node->input_count >= op->inputs_min && node->input_count <= op->inputs_max,
               I8X_EUNSUPPORTED, "%d inputs", node->input_count);
    for (int i = 0; i < op->inputs_min; i++)
        I8X_ENSURE(node->inputs[i] != I8X_GRAPH_NONE, I8X_EFORMAT, "input %d is left out", i);
    for (int i = op->outputs_max; i < node->output_count; i++)
        I8X_ENSURE(node->outputs[i] == I8X_GRAPH_NONE, I8X_EUNSUPPORTED, "output %d", i);
    return I8X_OK;
}

/* True if the node's outputs can and should be computed now. */
static bool worth_computing(const i8x_infer_call *call)
{
    int64_t elements = 0;
    for (int i = 0; i < call->output_count; i++)
        elements += i8x_tensor_elements(&call->outputs[i]);
    if (elements > I8X_INFER_VALUE_ELEMENTS_MAX || (call->op->flags & I8X_OP_LINEAR))
        return false;
    for (int i = 0; i < call->input_count && !(call->op->flags & I8X_OP_SHAPES_ONLY); i++)
        if (call->inputs[i].dtype != I8X_DTYPE_NONE && call->inputs[i].data == NULL)
            return false;
    return true;
}

static i8x_status compute(const state *s, const i8x_infer_call *infer)
{
    i8x_op_call call = {.op = infer->op,
                        .node = infer->node,
                        .params = infer->params,
                        .inputs = infer->inputs,
                        .input_count = infer->input_count,
                        .outputs = infer->outputs,
                        .output_count = infer->output_count,
                        .scratch = s->arena};
    for (int i = 0; i < infer->output_count; i++) {
        infer->outputs[i].data =
            i8x_arena_alloc(s->arena, i8x_tensor_size_bytes(&infer->outputs[i]));
        I8X_TRY(i8x_alloc_check(infer->outputs[i].data));
    }
    return infer->op->run(&call);
}

static i8x_status call_infer(const state *s, int index, i8x_infer_call *call)
{
    const i8x_node *node = call->node;
    int64_t elements;
    I8X_TRY(check_arity(call->op, node, call->opset));
    i8x_tensor *inputs = i8x_arena_array(s->arena, (size_t)node->input_count, sizeof *inputs);
    I8X_TRY(i8x_alloc_check(inputs));
    call->outputs = i8x_arena_array(s->arena, (size_t)node->output_count, sizeof *inputs);
    I8X_TRY(i8x_alloc_check(call->outputs));
    for (int i = 0; i < node->input_count; i++)
        if (node->inputs[i] != I8X_GRAPH_NONE)
            inputs[i] = s->values[node->inputs[i]];
    call->inputs = inputs;
    I8X_TRY(call->op->infer(call));
    for (int i = 0; i < node->output_count; i++)
        I8X_TRY(i8x_shape_elements(&call->outputs[i].shape, &elements));
    if (worth_computing(call))
        I8X_TRY(compute(s, call));
    for (int i = 0; i < node->output_count; i++)
        if (node->outputs[i] != I8X_GRAPH_NONE)
            s->values[node->outputs[i]] = call->outputs[i];
    s->params[index] = call->params;
    s->ops[index] = call->op;
    return I8X_OK;
}

static i8x_status infer_node(state *s, int index)
{
    const i8x_node *node = &s->graph->nodes[index];
    const i8x_op *op = i8x_op_of(node);
    I8X_ENSURE(op != NULL, I8X_EUNSUPPORTED, "operator %s%s%s (node '%s')",
               node->domain ? node->domain : "", node->domain && node->domain[0] ? "." : "",
               node->op_type, node->name);
    i8x_infer_call call = {.op = op,
                           .node = node,
                           .opset = i8x_graph_opset(s->graph, ""),
                           .input_count = node->input_count,
                           .output_count = node->output_count,
                           .arena = s->params_arena};
    call.params = i8x_arena_array(s->params_arena, 1, op->params_size);
    I8X_TRY(i8x_alloc_check(call.params));
    i8x_status status = call_infer(s, index, &call);
    return status == I8X_OK ? I8X_OK : i8x_fail_prefix("%s '%s': ", node->op_type, node->name);
}

static i8x_status start(state *s)
{
    const i8x_graph *graph = s->graph;
    s->params = i8x_arena_array(s->arena, (size_t)graph->node_count, sizeof *s->params);
    I8X_TRY(i8x_alloc_check(s->params));
    s->ops = i8x_arena_array(s->arena, (size_t)graph->node_count, sizeof(const i8x_op *));
    I8X_TRY(i8x_alloc_check(s->ops));
    for (int i = 0; i < graph->value_count; i++) {
        const i8x_value *v = &graph->values[i];
        int64_t elements;
        s->values[i] = (i8x_tensor){.dtype = I8X_DTYPE_NONE};
        if (i8x_value_is_constant(v)) {
            s->values[i] = i8x_value_tensor(v);
        } else if (v->is_input) {
            I8X_ENSURE(v->dtype != I8X_DTYPE_NONE && v->shape_known && i8x_shape_known(&v->shape),
                       I8X_ESHAPE, "input '%s' has an unknown type or dimension", v->name);
            I8X_TRY(i8x_shape_elements(&v->shape, &elements));
            s->values[i] = i8x_tensor_make(v->dtype, &v->shape, NULL);
        }
    }
    return I8X_OK;
}

static i8x_status walk(state *s)
{
    I8X_TRY(start(s));
    for (int i = 0; i < s->graph->node_count; i++) {
        if (i8x_node_removed(&s->graph->nodes[i]))
            continue;
        for (int k = 0; k < s->graph->nodes[i].input_count; k++) {
            int value = s->graph->nodes[i].inputs[k];
            I8X_ENSURE(value == I8X_GRAPH_NONE || s->values[value].dtype != I8X_DTYPE_NONE,
                       I8X_EFORMAT, "node '%s' reads '%s', which nothing before it computes",
                       s->graph->nodes[i].name, s->graph->values[value].name);
        }
        I8X_TRY(infer_node(s, i));
    }
    return I8X_OK;
}

i8x_status i8x_infer_values(const i8x_graph *graph, i8x_tensor *values, i8x_arena *arena)
{
    state s = {.graph = graph, .values = values, .arena = arena, .params_arena = arena};
    return walk(&s);
}

/* --- binding of inputs --- */

static uint8_t open_dims(const i8x_value *v)
{
    uint8_t open = v->shape_known ? v->dims_open : 0xff;
    for (int i = 0; i < v->shape.rank && v->shape_known; i++)
        if (v->shape.dims[i] < 0 || v->dim_names[i] != NULL)
            open |= (uint8_t)(1u << i);
    return open;
}

static const i8x_shape_binding *binding_of(const char *name, const i8x_shape_binding *bindings,
                                           int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(bindings[i].input, name) == 0)
            return &bindings[i];
    return NULL;
}

/* Value of a dimension name that an input before this one has been given, or -1. */
static int64_t named_dim(const i8x_graph *graph, int before, const char *name)
{
    for (int i = 0; i < before; i++) {
        const i8x_value *v = &graph->values[graph->inputs[i]];
        for (int d = 0; d < v->shape.rank; d++)
            if (v->dim_names[d] != NULL && strcmp(v->dim_names[d], name) == 0)
                return v->shape.dims[d];
    }
    return I8X_DIM_UNKNOWN;
}

static i8x_status bind_input(i8x_graph *graph, int index, int64_t batch,
                             const i8x_shape_binding *binding)
{
    i8x_value *v = &graph->values[graph->inputs[index]];
    uint8_t open = open_dims(v);
    if (!v->shape_known) {
        I8X_ENSURE(binding != NULL, I8X_ESHAPE, "input '%s' has no shape; give one", v->name);
        v->shape = binding->shape;
        v->shape_known = true;
    }
    I8X_ENSURE(binding == NULL || binding->shape.rank == v->shape.rank, I8X_ESHAPE,
               "input '%s' has rank %d, the given shape %d", v->name, v->shape.rank,
               binding->shape.rank);
    for (int d = 0; d < v->shape.rank; d++) {
        int64_t given = binding ? binding->shape.dims[d] : I8X_DIM_UNKNOWN;
        int64_t named =
            v->dim_names[d] ? named_dim(graph, index, v->dim_names[d]) : I8X_DIM_UNKNOWN;
        if (!(open & 1u << d)) {
            I8X_ENSURE(given < 0 || given == v->shape.dims[d] || d == 0, I8X_ESHAPE,
                       "input '%s': dimension %d is %" PRId64 ", %" PRId64 " was given", v->name, d,
                       v->shape.dims[d], given);
            continue;
        }
        int64_t dim = d == 0 ? batch : given >= 0 ? given : named;
        I8X_ENSURE(dim >= 0, I8X_ESHAPE,
                   "input '%s': dimension %d is unknown; give the input's shape", v->name, d);
        v->shape.dims[d] = dim;
    }
    v->dims_open = open;
    return I8X_OK;
}

static i8x_status bind_inputs(i8x_graph *graph, int64_t batch, const i8x_shape_binding *bindings,
                              int count)
{
    I8X_ENSURE(batch > 0, I8X_EARG, "batch %" PRId64, batch);
    for (int i = 0; i < count; i++) {
        int value = i8x_graph_find_value(graph, bindings[i].input);
        I8X_ENSURE(value != I8X_GRAPH_NONE && graph->values[value].is_input, I8X_EARG,
                   "no input is named '%s'", bindings[i].input);
    }
    for (int i = 0; i < graph->input_count; i++)
        I8X_TRY(bind_input(graph, i, batch,
                           binding_of(graph->values[graph->inputs[i]].name, bindings, count)));
    return I8X_OK;
}

static void store(i8x_graph *graph, const state *s)
{
    for (int i = 0; i < graph->value_count; i++) {
        i8x_value *v = &graph->values[i];
        if (s->values[i].dtype == I8X_DTYPE_NONE || i8x_value_is_constant(v) || v->is_input)
            continue;
        v->dims_open = open_dims(v);
        v->dtype = s->values[i].dtype;
        v->shape = s->values[i].shape;
        v->shape_known = true;
    }
    for (int i = 0; i < graph->node_count; i++) {
        graph->nodes[i].op = s->ops[i] ? (int)s->ops[i]->id : -1;
        graph->nodes[i].params = s->params[i];
    }
}

i8x_status i8x_infer_again(i8x_graph *graph)
{
    state s = {.graph = graph, .params_arena = graph->arena};
    I8X_TRY(i8x_arena_new(NULL, 0, &s.arena));
    s.values = i8x_arena_array(s.arena, (size_t)graph->value_count, sizeof *s.values);
    i8x_status status = i8x_alloc_check(s.values);
    if (status == I8X_OK)
        status = walk(&s);
    if (status == I8X_OK)
        store(graph, &s);
    i8x_arena_free(s.arena);
    return status;
}

i8x_status i8x_graph_infer(i8x_graph *graph, int64_t batch, const i8x_shape_binding *bindings,
                           int binding_count)
{
    I8X_TRY(bind_inputs(graph, batch, bindings, binding_count));
    return i8x_infer_again(graph);
}
