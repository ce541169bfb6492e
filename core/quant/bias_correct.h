/* SPDX-License-Identifier: Apache-2.0
 *
 * Bias correction: one walk through the quantized graph in topological order on a block of samples.
 * At each layer the channel means of the quantized output are compared with the FP32 means of the
 * same samples (moments of calibration) and the bias takes the difference; then the layer runs and
 * its output codes go on. Live activations are held as 8-bit codes, so that memory is a few MB a
 * sample.
 */
#ifndef CORE_QUANT_BIAS_CORRECT_H
#define CORE_QUANT_BIAS_CORRECT_H

#include "core/quant/select.h"
#include "core/quant/weights.h"

/**
 * graph: inferred with batch 1, the prepared FP32 graph. block: the samples of whole shards.
 * moments: FP32 moments of exactly those samples (i8x_moments_merge of their shards in order).
 * corrected: record of all quantized layers (codes only where they changed).
 * Errors: I8X_EARG, I8X_ESHAPE, I8X_ELIMIT, I8X_ECANCELED.
 */
I8X_FALLIBLE i8x_status i8x_bias_correct_run(const i8x_graph *graph, const i8x_qspec *qspec,
                                             const i8x_recipe *recipe,
                                             const i8x_qweights_set *weights,
                                             const i8x_moments *moments,
                                             const i8x_sample_block *block, i8x_threads *threads,
                                             i8x_arena *arena, i8x_qweights_set *corrected);

#endif
