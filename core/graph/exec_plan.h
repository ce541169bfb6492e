/* SPDX-License-Identifier: Apache-2.0
 *
 * Exec plan: which nodes become steps, which are folded into a neighbour or left out, and which
 * values share memory. Private to the executor (exec.c runs it).
 *
 *   known      a value that does not depend on the inputs (shape arithmetic) is computed once
 *   view       Reshape and its kin run as nothing: output and input are one memory
 *   clamp      a Clip or Relu that alone reads a convolution's result runs on its hot tiles
 *   integer    Conv, Gemm, MatMul on codes (exec_integer.h), with the DequantizeLinear before and
 * the QuantizeLinear behind it where nobody else needs the floats in place   an element-wise step
 * writes over an operand that nobody reads later
 */
#ifndef CORE_GRAPH_EXEC_PLAN_H
#define CORE_GRAPH_EXEC_PLAN_H

#include "core/graph/exec.h"
#include "core/graph/exec_integer.h"
#include "core/graph/op_table.h"

typedef struct i8x_exec_step {
    const i8x_op *op;
    int node;
    bool view;
    i8x_op_clamp clamp;
    const i8x_exec_integer *integer; /* NULL: the operator's own run function */
    int *inputs;                     /* values */
    int input_count;
    int *outputs;
    int output_count;
} i8x_exec_step;

typedef struct i8x_exec_plan {
    i8x_exec_step *steps;
    int step_count;
    i8x_tensor *tensors; /* [value_count] types and shapes; data of constants and known values */
    int *place;          /* [value_count] item of placement, or -1: no memory of ours */
    struct i8x_placement_item *items;
    int item_count;
} i8x_exec_plan;

/** graph and opts as for i8x_exec_new; everything lives in arena. Errors: as i8x_exec_new. */
I8X_FALLIBLE i8x_status i8x_exec_plan_make(const i8x_graph *graph, const i8x_exec_opts *opts,
                                           i8x_arena *arena, i8x_exec_plan *plan);
/** True if the observer asked for a value. */
bool i8x_exec_observes(const i8x_exec_opts *opts, int value);

#endif
