/* SPDX-License-Identifier: Apache-2.0
 *
 * Apply: writes a solved qspec and quantized weights into the graph: Q/DQ pairs on activations, DQ
 * on int8 weights and s32 biases, absorbed activations left out, opset raised to 13 where it is
 * lower.
 */
#ifndef CORE_QUANT_APPLY_H
#define CORE_QUANT_APPLY_H

#include "core/graph/graph.h"
#include "core/quant/qspec.h"
#include "core/quant/weights.h"

/**
 * Changes graph in place into the QDQ graph; names derive from tensor names and are unique. weights
 * must hold every quantized layer and outlive the graph (codes are borrowed). metadata: count pairs
 * that go to metadata_props (recipe, digests). Errors: I8X_EARG (not solved, a layer is missing),
 * I8X_EVERSION (opset below 11), I8X_ENOMEM.
 */
I8X_FALLIBLE i8x_status i8x_apply_qdq(i8x_graph *graph, const i8x_qspec *qspec,
                                      const i8x_qweights_set *weights, const i8x_metadata *metadata,
                                      int metadata_count);
/** Puts fake-quantized numbers of one layer alone into the graph (per-layer table): the layer's
 * weights become scale * code, the rest stays FP32. The graph keeps running as FP32. bias of the
 * layer as in weights. */
I8X_FALLIBLE i8x_status i8x_apply_single(i8x_graph *graph, const i8x_qspec *qspec,
                                         const i8x_qweights *weights);

#endif
