/* SPDX-License-Identifier: Apache-2.0
 *
 * Pass fold: rewrites that keep the function of the model and leave fewer nodes.
 *
 * All passes want an inferred graph and leave an inferred, sorted one. Constants made here are
 * computed in double and rounded once. A weight that other nodes read as well is copied before it
 * is changed.
 */
#ifndef CORE_GRAPH_PASS_FOLD_H
#define CORE_GRAPH_PASS_FOLD_H

#include "core/graph/graph.h"

/** Nodes whose inputs are all constant become constants, up to 64 MiB of results (DequantizeLinear
 * of weights stays). Errors: what the operators give; I8X_ENOMEM, I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_pass_fold_constants(i8x_graph *graph);
/** Shape sub-graphs that feed Reshape, Expand ... become constants if that holds for every batch:
 * computed for two batches, the one entry that moves with the batch becomes -1 (Reshape alone). The
 * graph stays at its batch. */
I8X_FALLIBLE i8x_status i8x_pass_fold_shapes(i8x_graph *graph);
/** Identity and Dropout go; what they return is read directly. */
I8X_FALLIBLE i8x_status i8x_pass_fold_identity(i8x_graph *graph);
/** BatchNormalization behind a Conv, ConvTranspose or Gemm of constant weights moves into them. */
I8X_FALLIBLE i8x_status i8x_pass_fold_batchnorm(i8x_graph *graph);
/** Mul and Add by one constant per channel behind Conv, ConvTranspose, Gemm, MatMul move into
 * weight and bias. A two-dimensional MatMul that gains a bias becomes a Gemm; one of more
 * dimensions keeps its Add. */
I8X_FALLIBLE i8x_status i8x_pass_fold_scale(i8x_graph *graph);
/** All of them, in the order that lets each help the next. */
I8X_FALLIBLE i8x_status i8x_pass_fold(i8x_graph *graph);

#endif
