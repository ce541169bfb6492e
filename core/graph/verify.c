/* SPDX-License-Identifier: Apache-2.0
 *
 * Verify: the invariants that every pass must leave behind. Structure first (indices, producers,
 * order, names), then, for a graph that has been inferred, types and shapes once more from the
 * inputs.
 */
#include <string.h>

#include "core/graph/graph.h"
#include "core/graph/infer.h"
#include "core/tensor/tensor.h"

static i8x_status check_value(const i8x_graph *graph, int index)
{
    const i8x_value *v = &graph->values[index];
    I8X_ENSURE(v->name != NULL && v->name[0] != 0, I8X_EFORMAT, "value %d has no name", index);
    I8X_ENSURE(v->shape.rank >= 0 && v->shape.rank <= I8X_RANK_MAX, I8X_EFORMAT,
               "value '%s' has rank %d", v->name, v->shape.rank);
    I8X_ENSURE(v->producer >= I8X_GRAPH_NONE && v->producer < graph->node_count, I8X_EFORMAT,
               "value '%s' has the producer %d of %d nodes", v->name, v->producer,
               graph->node_count);
    int sources = (v->producer != I8X_GRAPH_NONE) + (v->is_input ? 1 : 0) +
                  (i8x_value_is_constant(v) ? 1 : 0);
    I8X_ENSURE(sources <= 1, I8X_EFORMAT, "value '%s' has %d sources", v->name, sources);
    I8X_ENSURE(i8x_graph_find_value(graph, v->name) == index, I8X_EFORMAT,
               "the name '%s' is used twice", v->name);
    if (i8x_value_is_constant(v)) {
        int64_t elements;
        I8X_ENSURE(v->dtype != I8X_DTYPE_NONE, I8X_EFORMAT, "constant '%s' has no type", v->name);
        I8X_TRY(i8x_shape_elements(&v->shape, &elements));
    }
    return I8X_OK;
}

/* Fed, computed, constant, or a constant of a type that is only passed through. */
static bool has_source(const i8x_value *v)
{
    return v->producer != I8X_GRAPH_NONE || v->is_input || i8x_value_is_constant(v) ||
           v->opaque.size > 0;
}

static i8x_status check_input(const i8x_graph *graph, int node, int value)
{
    const char *name = graph->nodes[node].name;
    I8X_ENSURE(value >= I8X_GRAPH_NONE && value < graph->value_count, I8X_EFORMAT,
               "node '%s' reads value %d of %d", name, value, graph->value_count);
    if (value == I8X_GRAPH_NONE)
        return I8X_OK;
    const i8x_value *v = &graph->values[value];
    I8X_ENSURE(v->producer < node, I8X_EFORMAT, "node '%s' reads '%s', which is computed behind it",
               name, v->name);
    I8X_ENSURE(has_source(v), I8X_EFORMAT, "node '%s' reads '%s', which has no source", name,
               v->name);
    return I8X_OK;
}

static i8x_status check_node(const i8x_graph *graph, int index)
{
    const i8x_node *node = &graph->nodes[index];
    I8X_ENSURE(node->op_type != NULL && node->name != NULL && node->name[0] != 0, I8X_EFORMAT,
               "node %d has no operator or no name", index);
    for (int i = 0; i < node->input_count; i++)
        I8X_TRY(check_input(graph, index, node->inputs[i]));
    for (int i = 0; i < node->captured_count; i++)
        I8X_TRY(check_input(graph, index, node->captured[i]));
    for (int i = 0; i < node->output_count; i++) {
        int value = node->outputs[i];
        I8X_ENSURE(value >= I8X_GRAPH_NONE && value < graph->value_count, I8X_EFORMAT,
                   "node '%s' writes value %d of %d", node->name, value, graph->value_count);
        I8X_ENSURE(value == I8X_GRAPH_NONE || graph->values[value].producer == index, I8X_EFORMAT,
                   "value '%s' does not name node '%s' as its producer",
                   value == I8X_GRAPH_NONE ? "" : graph->values[value].name, node->name);
    }
    return I8X_OK;
}

static i8x_status check_ends(const i8x_graph *graph)
{
    for (int i = 0; i < graph->input_count; i++) {
        int value = graph->inputs[i];
        I8X_ENSURE(value >= 0 && value < graph->value_count && graph->values[value].is_input,
                   I8X_EFORMAT, "graph input %d is not marked as one", i);
    }
    for (int i = 0; i < graph->output_count; i++) {
        int value = graph->outputs[i];
        I8X_ENSURE(value >= 0 && value < graph->value_count && graph->values[value].is_output,
                   I8X_EFORMAT, "graph output %d is not marked as one", i);
        const i8x_value *v = &graph->values[value];
        I8X_ENSURE(has_source(v), I8X_EFORMAT, "graph output '%s' has no source", v->name);
    }
    return I8X_OK;
}

/* True if infer has been here: every node has its row and every value it writes a shape. */
static bool inferred(const i8x_graph *graph)
{
    for (int i = 0; i < graph->node_count; i++) {
        const i8x_node *node = &graph->nodes[i];
        if (i8x_node_removed(node))
            continue;
        if (node->op < 0 || node->params == NULL)
            return false;
        for (int k = 0; k < node->output_count; k++)
            if (node->outputs[k] != I8X_GRAPH_NONE &&
                (graph->values[node->outputs[k]].dtype == I8X_DTYPE_NONE ||
                 !i8x_shape_known(&graph->values[node->outputs[k]].shape)))
                return false;
    }
    return true;
}

static i8x_status compare_shapes(const i8x_graph *graph, i8x_arena *arena)
{
    i8x_tensor *values = i8x_arena_array(arena, (size_t)graph->value_count, sizeof *values);
    char stored[96], derived[96];
    I8X_TRY(i8x_alloc_check(values));
    I8X_TRY(i8x_infer_values(graph, values, arena));
    for (int i = 0; i < graph->value_count; i++) {
        const i8x_value *v = &graph->values[i];
        if (v->producer == I8X_GRAPH_NONE)
            continue;
        I8X_ENSURE(values[i].dtype == v->dtype && i8x_shape_equal(&values[i].shape, &v->shape),
                   I8X_ESHAPE, "value '%s' is %s %s, node '%s' gives %s %s", v->name,
                   i8x_dtype_name(v->dtype), i8x_shape_text(&v->shape, stored, sizeof stored),
                   graph->nodes[v->producer].name, i8x_dtype_name(values[i].dtype),
                   i8x_shape_text(&values[i].shape, derived, sizeof derived));
    }
    return I8X_OK;
}

i8x_status i8x_graph_verify(const i8x_graph *graph)
{
    i8x_arena *arena;
    for (int i = 0; i < graph->value_count; i++)
        I8X_TRY(check_value(graph, i));
    for (int i = 0; i < graph->node_count; i++)
        if (!i8x_node_removed(&graph->nodes[i]))
            I8X_TRY(check_node(graph, i));
    I8X_TRY(check_ends(graph));
    if (!inferred(graph))
        return I8X_OK;
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    i8x_status status = compare_shapes(graph, arena);
    i8x_arena_free(arena);
    return status;
}
