/* SPDX-License-Identifier: Apache-2.0
 *
 * Text form of a graph.
 */
#include "core/graph/dump.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/tensor/tensor.h"

#define PIECE_MAX 1280
#define LIST_SHOWN 8

static void put(i8x_writer *writer, const char *format, ...) I8X_PRINTF(2, 3);

static void put(i8x_writer *writer, const char *format, ...)
{
    char piece[PIECE_MAX];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    if (length > 0)
        i8x_writer_put_bytes(writer, piece, strlen(piece));
}

static void put_type(i8x_writer *writer, const i8x_value *v)
{
    char text[160];
    put(writer, "%s %s %s", v->name, i8x_dtype_name(v->dtype),
        v->shape_known ? i8x_shape_text(&v->shape, text, sizeof text) : "?");
}

static void put_attr(i8x_writer *writer, const i8x_attr *a)
{
    put(writer, " %s=", a->name);
    if (a->kind == I8X_ATTR_INT)
        put(writer, "%" PRId64, a->i);
    else if (a->kind == I8X_ATTR_FLOAT)
        put(writer, "%.9g", (double)a->f);
    else if (a->kind == I8X_ATTR_STRING)
        put(writer, "'%.*s'", a->count > 64 ? 64 : a->count, a->s);
    else if (a->kind == I8X_ATTR_INTS || a->kind == I8X_ATTR_FLOATS) {
        for (int i = 0; i < a->count && i < LIST_SHOWN; i++) {
            const char *before = i == 0 ? "[" : ",";
            if (a->kind == I8X_ATTR_INTS)
                put(writer, "%s%" PRId64, before, a->ints[i]);
            else
                put(writer, "%s%.9g", before, (double)a->floats[i]);
        }
        put(writer, "%s%s", a->count == 0 ? "[" : "", a->count > LIST_SHOWN ? ",..]" : "]");
    } else {
        put(writer, "<%s>",
            a->kind == I8X_ATTR_TENSOR ? i8x_dtype_name(a->tensor.dtype) : "opaque");
    }
}

static void put_node(i8x_writer *writer, const i8x_graph *graph, const i8x_node *node)
{
    put(writer, "node   ");
    for (int i = 0; i < node->output_count; i++) {
        put(writer, "%s", i == 0 ? "" : ", ");
        if (node->outputs[i] == I8X_GRAPH_NONE)
            put(writer, "-");
        else
            put_type(writer, &graph->values[node->outputs[i]]);
    }
    put(writer, " = %s%s%s(", node->domain, node->domain[0] ? "." : "", node->op_type);
    for (int i = 0; i < node->input_count; i++)
        put(writer, "%s%s", i == 0 ? "" : ", ",
            node->inputs[i] == I8X_GRAPH_NONE ? "-" : graph->values[node->inputs[i]].name);
    put(writer, ")");
    for (int i = 0; i < node->attr_count; i++)
        put_attr(writer, &node->attrs[i]);
    put(writer, " \"%s\"\n", node->name);
}

i8x_status i8x_graph_dump(const i8x_graph *graph, i8x_writer *writer)
{
    for (int i = 0; i < graph->input_count; i++) {
        put(writer, "input  ");
        put_type(writer, &graph->values[graph->inputs[i]]);
        put(writer, "\n");
    }
    for (int i = 0; i < graph->value_count; i++)
        if (i8x_value_is_constant(&graph->values[i])) {
            put(writer, "const  ");
            put_type(writer, &graph->values[i]);
            put(writer, "\n");
        }
    for (int i = 0; i < graph->node_count; i++)
        if (!i8x_node_removed(&graph->nodes[i]))
            put_node(writer, graph, &graph->nodes[i]);
    for (int i = 0; i < graph->output_count; i++)
        put(writer, "output %s\n", graph->values[graph->outputs[i]].name);
    return i8x_writer_status(writer);
}
