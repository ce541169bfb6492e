/* SPDX-License-Identifier: Apache-2.0
 *
 * Lowering of ReduceMean. The axes come as an attribute (opset < 18) or as a constant input.
 */
#include "core/quant/lower.h"

#include <string.h>

#include "core/tensor/tensor.h"

/* True if the list names exactly the axes 2 .. rank - 1. */
static bool all_positions(const i8x_tensor *axes, int rank)
{
    unsigned seen = 0;
    int64_t count = i8x_tensor_elements(axes);
    for (int64_t i = 0; i < count; i++) {
        int axis;
        if (i8x_shape_axis(rank, i8x_tensor_int(axes, i), &axis) != I8X_OK)
            return false;
        seen |= 1u << axis;
    }
    return count == rank - 2 && seen == ((1u << rank) - 1u - 3u);
}

static bool is_global_mean(const i8x_graph *graph, const i8x_node *node)
{
    if (i8x_node_removed(node) || node->domain[0] != '\0' ||
        strcmp(node->op_type, "ReduceMean") != 0)
        return false;
    const i8x_value *x = &graph->values[node->inputs[0]];
    if (x->dtype != I8X_DTYPE_F32 || !x->shape_known || x->shape.rank < 3 || x->data != NULL)
        return false;
    if (node->input_count > 1 && node->inputs[1] >= 0) {
        const i8x_value *axes = &graph->values[node->inputs[1]];
        if (!i8x_value_is_constant(axes))
            return false;
        i8x_tensor tensor = i8x_value_tensor(axes);
        return all_positions(&tensor, x->shape.rank);
    }
    const i8x_attr *attr = i8x_node_attr(node, "axes");
    if (attr == NULL || attr->kind != I8X_ATTR_INTS)
        return false;
    int64_t count = attr->count;
    i8x_tensor tensor = {.dtype = I8X_DTYPE_S64,
                         .shape = i8x_shape_make(1, &count),
                         .data = (void *)(uintptr_t)attr->ints};
    return all_positions(&tensor, x->shape.rank);
}

static i8x_status mean_lower(i8x_graph *graph, int index)
{
    const i8x_node *node = &graph->nodes[index];
    int input = node->inputs[0], output = node->outputs[0], made;
    bool keeps = i8x_node_attr_int(node, "keepdims", 1) != 0;
    const char *base = node->name;
    i8x_graph_remove_node(graph, index);
    const char *name = i8x_graph_unique_name(graph, base);
    I8X_TRY(i8x_alloc_check(name));
    if (keeps)
        return i8x_graph_add_node(graph, "GlobalAveragePool", "", name, &input, 1, &output, 1,
                                  &made);
    int pooled;
    const char *value = i8x_graph_unique_name(
        graph, i8x_arena_format(graph->arena, "%s_pooled", graph->values[output].name));
    I8X_TRY(i8x_alloc_check(value));
    I8X_TRY(i8x_graph_add_value(graph, value, &pooled));
    I8X_TRY(i8x_graph_add_node(graph, "GlobalAveragePool", "", name, &input, 1, &pooled, 1, &made));
    const char *flat =
        i8x_graph_unique_name(graph, i8x_arena_format(graph->arena, "%s_Flatten", base));
    I8X_TRY(i8x_alloc_check(flat));
    return i8x_graph_add_node(graph, "Flatten", "", flat, &pooled, 1, &output, 1, &made);
}

i8x_status i8x_lower_graph(i8x_graph *graph, int *changed)
{
    int count = 0, nodes = graph->node_count;
    for (int n = 0; n < nodes; n++) {
        if (!is_global_mean(graph, &graph->nodes[n]))
            continue;
        I8X_TRY(mean_lower(graph, n));
        count++;
    }
    if (changed != NULL)
        *changed = count;
    if (count == 0)
        return I8X_OK;
    I8X_TRY(i8x_graph_sort(graph));
    const i8x_value *first = graph->input_count > 0 ? &graph->values[graph->inputs[0]] : NULL;
    bool batched = first != NULL && first->shape_known && first->shape.rank > 0;
    return i8x_graph_infer(graph, batched ? first->shape.dims[0] : 1, NULL, 0);
}
