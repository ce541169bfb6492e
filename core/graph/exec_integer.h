/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer steps: a Conv, Gemm or MatMul whose operands come from DequantizeLinear, computed on the
 * codes.
 *
 *     acc = sum (q_x - z_x) (q_w - z_w) + b        exactly, in integers
 *     y   = acc * (s_x * s_w[c])                   as float, or, if the one reader is
 * QuantizeLinear, q_y = saturate(round_half_even(acc * (s_x * s_w[c] / s_y)) + z_y)
 *
 * which is what ONNX Runtime's QLinearConv and QLinearMatMul compute. It applies if x has 8-bit
 * codes of one scale, w constant 4- or 8-bit codes of one scale or one per output channel, and the
 * bias is absent or constant s32 codes of scale s_x * s_w[c] (to 1e-5); otherwise the node runs on
 * the dequantised floats.
 */
#ifndef CORE_GRAPH_EXEC_INTEGER_H
#define CORE_GRAPH_EXEC_INTEGER_H

#include "core/graph/graph.h"
#include "core/graph/op_table.h"
#include "core/ops/conv_integer.h"
#include "core/ops/quantize_linear.h"

typedef struct i8x_exec_integer {
    int x;        /* value that holds the codes of x */
    int quantize; /* QuantizeLinear node folded in, or -1 */
    i8x_integer_layer layer;
    const void *params; /* of the node: i8x_conv_params, i8x_gemm_params, i8x_matmul_params */
} i8x_exec_integer;

/** Constant data that DequantizeLinear node reads: scale, zero point, codes. */
typedef struct i8x_dequantize_view {
    int codes; /* value */
    const i8x_quantize_params *params;
    const float *scale;
    const i8x_tensor *zero_point; /* data NULL = 0 */
} i8x_dequantize_view;

/** True if value is computed by a DequantizeLinear whose scale and zero point are constant. */
bool i8x_dequantize_of(const i8x_graph *graph, const i8x_tensor *tensors, int value,
                       i8x_dequantize_view *view);
/** Fills integer for a node if it can be computed on codes: *integer NULL if not. quantize: node of
 * the only reader if that is QuantizeLinear to 8 bits and may be folded in, else -1. Errors:
 * I8X_ENOMEM, I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_exec_integer_match(const i8x_graph *graph, const i8x_tensor *tensors,
                                               int node, int quantize, i8x_arena *arena,
                                               i8x_exec_integer **integer);
size_t i8x_exec_integer_scratch_bytes(const i8x_exec_integer *integer, const i8x_op *op,
                                      int threads);
I8X_FALLIBLE i8x_status i8x_exec_integer_run(const i8x_exec_integer *integer, const i8x_op *op,
                                             const i8x_tensor *x, i8x_tensor *y, i8x_arena *scratch,
                                             i8x_threads *threads);

#endif
