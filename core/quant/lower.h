/* SPDX-License-Identifier: Apache-2.0
 *
 * Lower: writes what a network computes in the operators that runtimes have integer kernels for. A
 * ReduceMean over all positions becomes GlobalAveragePool (and Flatten where the dimensions go):
 * ONNX Runtime runs that on integers, and leaves a ReduceMean in float with a pair around it. Runs
 * after folding, before calibration.
 */
#ifndef CORE_QUANT_LOWER_H
#define CORE_QUANT_LOWER_H

#include "core/graph/graph.h"

/** graph: inferred and sorted; so it is afterwards. changed (may be NULL): nodes that were
 * rewritten. Errors: I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_lower_graph(i8x_graph *graph, int *changed);

#endif
