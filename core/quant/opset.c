/* SPDX-License-Identifier: Apache-2.0
 *
 * From opset 11 or 12 to 13: Squeeze, Unsqueeze, ReduceSum and Split take their lists as an input
 * instead of an attribute; Softmax, LogSoftmax and Hardmax work along one axis (default the last)
 * instead of over all from an axis on. Other operators gained element types only.
 */
#include "core/quant/opset.h"

#include <stdio.h>
#include <string.h>

#include "int8x/tensor.h"

static const struct {
    const char *op_type, *attr;
} moved[] = {{"Squeeze", "axes"}, {"Unsqueeze", "axes"}, {"ReduceSum", "axes"}, {"Split", "split"}};

static void attr_drop(i8x_node *node, const char *name)
{
    for (int i = 0; i < node->attr_count; i++) {
        if (strcmp(node->attrs[i].name, name) != 0)
            continue;
        memmove(&node->attrs[i], &node->attrs[i + 1],
                (size_t)(node->attr_count - i - 1) * sizeof *node->attrs);
        node->attr_count--;
        return;
    }
}

static i8x_status list_move(i8x_graph *graph, int index, const char *name)
{
    const i8x_attr *attr = i8x_node_attr(&graph->nodes[index], name);
    if (attr == NULL || attr->kind != I8X_ATTR_INTS)
        return I8X_OK;
    int64_t count = attr->count;
    i8x_tensor tensor = {.dtype = I8X_DTYPE_S64,
                         .shape = i8x_shape_make(1, &count),
                         .data = (void *)(uintptr_t)attr->ints};
    int value;
    char text[I8X_GRAPH_NAME_MAX];
    (void)snprintf(text, sizeof text, "%.*s_%.8s", (int)sizeof text - 32, graph->nodes[index].name,
                   name);
    const char *unique = i8x_graph_unique_name(graph, text);
    I8X_TRY(i8x_alloc_check(unique));
    I8X_TRY(i8x_graph_add_constant(graph, unique, &tensor, true, &value));
    i8x_node *node = &graph->nodes[index];
    int *inputs = i8x_arena_array(graph->arena, 2, sizeof *inputs);
    I8X_TRY(i8x_alloc_check(inputs));
    inputs[0] = node->inputs[0];
    inputs[1] = value;
    node->inputs = inputs;
    node->input_count = 2;
    attr_drop(node, name);
    return I8X_OK;
}

static i8x_status softmax_raise(i8x_graph *graph, int index)
{
    const i8x_node *node = &graph->nodes[index];
    const i8x_value *x = &graph->values[node->inputs[0]];
    int64_t axis = i8x_node_attr_int(node, "axis", 1);
    bool last = axis == -1 || (x->shape_known && axis == x->shape.rank - 1);
    I8X_ENSURE(last, I8X_EUNSUPPORTED, "%s '%s': axis %lld of opset 11 is not the last one",
               node->op_type, node->name, (long long)axis);
    i8x_attr attr = {.name = "axis", .kind = I8X_ATTR_INT, .count = 1, .i = -1};
    return i8x_graph_set_attr(graph, index, &attr);
}

static i8x_status node_raise(i8x_graph *graph, int index)
{
    const i8x_node *node = &graph->nodes[index];
    if (i8x_node_removed(node) || node->domain[0] != '\0')
        return I8X_OK;
    for (size_t i = 0; i < sizeof moved / sizeof moved[0]; i++) {
        if (strcmp(node->op_type, moved[i].op_type) == 0)
            return list_move(graph, index, moved[i].attr);
    }
    bool soft = strcmp(node->op_type, "Softmax") == 0 || strcmp(node->op_type, "LogSoftmax") == 0 ||
                strcmp(node->op_type, "Hardmax") == 0;
    return soft ? softmax_raise(graph, index) : I8X_OK;
}

i8x_status i8x_opset_raise(i8x_graph *graph)
{
    for (int i = 0; i < graph->opset_count; i++) {
        i8x_opset *opset = &graph->opsets[i];
        if (opset->domain[0] != '\0')
            continue;
        if (opset->version >= I8X_OPSET_LEAST)
            return I8X_OK;
        I8X_ENSURE(opset->version >= 11, I8X_EVERSION, "opset %lld; 11 is the least",
                   (long long)opset->version);
        for (int n = 0; n < graph->node_count; n++)
            I8X_TRY(node_raise(graph, n));
        opset->version = I8X_OPSET_LEAST;
        return I8X_OK;
    }
    I8X_FAIL(I8X_EVERSION, "the model imports no operators of ai.onnx");
}
