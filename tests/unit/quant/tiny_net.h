/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiny net: a convolutional network with everything that quantization treats apart, made by hand:
 *
 *     input [N,3,8,8] -> Conv stem 3x3 -> Relu -> Conv dw 3x3 depthwise -> Clip(0,6) -> Conv
 * project 1x1 -+-> Add
 *                                   +-> Conv side 1x1
 * ------------------------------------------------+ Add -> MaxPool -> Relu -> Conv last 1x1 ->
 * GlobalAveragePool -> Flatten -> Gemm fc -> logits [N,5]
 *
 * Weights and samples are seeded. Node names are "stem", "dw", "project", "side", "add", "last",
 * "pool", "fc" ...
 */
#ifndef I8X_TESTS_TINY_NET_H
#define I8X_TESTS_TINY_NET_H

#include "core/graph/graph.h"
#include "core/quant/observer.h"
#include "core/quant/qspec.h"
#include "core/quant/sample_block.h"
#include "int8x/alloc.h"

#define TINY_SAMPLE 192 /* floats of a sample */
#define TINY_CLASSES 5

/** Inferred for that batch. Fails the test on any error. */
i8x_graph *tiny_net(int64_t batch);
/** samples [count][3][8][8], seeded, in [-1, 1]. */
float *tiny_samples(i8x_arena *arena, int64_t count);
int tiny_node(const i8x_graph *graph, const char *name);
/** Runs samples [first, first + count), `batch` at a time (the graph's), under a fresh observer. */
void tiny_observe(const i8x_graph *graph, const float *samples, int64_t first, int64_t count,
                  int64_t batch, i8x_arena *arena, i8x_histograms *histograms,
                  i8x_moments *moments);
/** Outputs [count][5] of a graph of batch 1. */
float *tiny_run(const i8x_graph *graph, const float *samples, int64_t count, i8x_arena *arena);
/** Default recipe without equalisation, a plan solved on `count` samples, and their block. */
void tiny_solve(const i8x_graph *graph, const float *samples, int64_t count, i8x_recipe *recipe,
                i8x_arena *arena, i8x_qspec *qspec, i8x_moments *moments);

#endif
