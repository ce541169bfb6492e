/* SPDX-License-Identifier: Apache-2.0
 *
 * Graph, seen from outside the core: an opaque model that formats.h reads and writes, that can be
 * inspected and freed. Not thread-safe while it is changed.
 *
 *     i8x_graph *g; I8X_TRY(i8x_onnx_read_file("m.onnx", NULL, &g)); ... i8x_graph_free(g);
 */
#ifndef INT8X_GRAPH_H
#define INT8X_GRAPH_H

#include <stddef.h>
#include <stdint.h>

#include "int8x/status.h"
#include "int8x/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct i8x_graph i8x_graph;

/* One binding of a symbolic or unknown shape: input name -> shape (from --shape NAME=1,3,224,224).
 */
typedef struct i8x_shape_binding {
    const char *input;
    i8x_shape shape;
} i8x_shape_binding;

/** Frees the graph and what it keeps alive. NULL is allowed. */
I8X_EXPORT void i8x_graph_free(i8x_graph *graph);
I8X_EXPORT int i8x_graph_input_count(const i8x_graph *graph);
I8X_EXPORT int i8x_graph_output_count(const i8x_graph *graph);
/** Name, type and shape of an input or output; shape may hold unknown dimensions. Borrowed name. */
I8X_EXPORT const char *i8x_graph_input(const i8x_graph *graph, int index, i8x_dtype *dtype,
                                       i8x_shape *shape);
I8X_EXPORT const char *i8x_graph_output(const i8x_graph *graph, int index, i8x_dtype *dtype,
                                        i8x_shape *shape);
I8X_EXPORT int i8x_graph_node_count(const i8x_graph *graph);

/**
 * Types and shapes of every value, for one batch size: the first dimension of each graph input,
 * where it is unknown or symbolic, becomes `batch`; other unknown dimensions come from `bindings`.
 * Shape sub-graphs (Shape, Gather, Concat ... feeding Reshape) are computed on the side; the nodes
 * stay as they are, so it can be called again with another batch. Errors: I8X_ESHAPE, I8X_EDTYPE,
 * I8X_EUNSUPPORTED (operator or attribute, with op and node name), I8X_EARG (a binding names no
 * input).
 */
I8X_FALLIBLE i8x_status i8x_graph_infer(i8x_graph *graph, int64_t batch,
                                        const i8x_shape_binding *bindings, int binding_count);
/** Invariants: indices in range, names unique, order topological, one producer a value, types and
 * shapes as the operators demand. Errors: I8X_EFORMAT, I8X_ESHAPE naming node and value. */
I8X_FALLIBLE i8x_status i8x_graph_verify(const i8x_graph *graph);

#ifdef __cplusplus
}
#endif
#endif
