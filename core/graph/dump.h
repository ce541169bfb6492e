/* SPDX-License-Identifier: Apache-2.0
 *
 * Dump: a graph as text, for humans and golden tests. One line per input, constant, node and
 * output:
 *
 *     input  x f32 [1,3,8,8]
 *     const  w f32 [4,3,3,3]
 *     node   y f32 [1,4,6,6] = Conv(x, w, -) group=1 strides=[1,1] "conv_1"
 *     output y
 */
#ifndef CORE_GRAPH_DUMP_H
#define CORE_GRAPH_DUMP_H

#include "core/base/bytes.h"
#include "core/graph/graph.h"

/** Appends the text to writer. Errors: I8X_ENOMEM, I8X_ELIMIT (the writer's). */
I8X_FALLIBLE i8x_status i8x_graph_dump(const i8x_graph *graph, i8x_writer *writer);

#endif
