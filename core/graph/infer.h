/* SPDX-License-Identifier: Apache-2.0
 *
 * Infer: types and shapes, inside the core. i8x_graph_infer and i8x_graph_verify are declared in
 * int8x/graph.h.
 *
 * All shapes become concrete for one batch size; small values that shape arithmetic needs are
 * computed on the side, the graph's nodes stay as they are. So infer can be called again with
 * another batch: what the file left open is remembered in i8x_value.dims_open, everything else is
 * derived anew. A graph whose file fixes the batch stays at that batch. i8x_pass_fold_shapes
 * (pass_fold.h) replaces shape sub-graphs by constants that hold for every batch.
 */
#ifndef CORE_GRAPH_INFER_H
#define CORE_GRAPH_INFER_H

#include "core/graph/graph.h"

#define I8X_INFER_VALUE_ELEMENTS_MAX 4096 /* larger values are not computed on the side */

/**
 * Type, shape and, where known without running the model, data of every value for one batch.
 * values [graph->value_count], data in arena; the graph is not changed. Errors: as i8x_graph_infer.
 */
I8X_FALLIBLE i8x_status i8x_infer_values(const i8x_graph *graph, i8x_tensor *values,
                                         i8x_arena *arena);
/** Derives everything anew for the shapes that the inputs have now: passes call it when nodes have
 * changed. */
I8X_FALLIBLE i8x_status i8x_infer_again(i8x_graph *graph);

#endif
