/* SPDX-License-Identifier: Apache-2.0
 *
 * Opset: raises a graph to opset 13, the first with per-axis QuantizeLinear and DequantizeLinear,
 * and rewrites the operators that read differently there. Graphs of 13 or more are left alone.
 */
#ifndef CORE_QUANT_OPSET_H
#define CORE_QUANT_OPSET_H

#include "core/graph/graph.h"

#define I8X_OPSET_LEAST 13

/** Errors: I8X_EVERSION (no ai.onnx import, or below 11), I8X_EUNSUPPORTED (Softmax over several
 * axes), I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_opset_raise(i8x_graph *graph);

#endif
