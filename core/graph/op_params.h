/* SPDX-License-Identifier: Apache-2.0
 *
 * What i8x_node.params points to, per operator (column "params type" of ops.def). Operators of one
 * computation share the struct of core/ops; the rest is here. Valid after i8x_graph_infer.
 */
#ifndef CORE_GRAPH_OP_PARAMS_H
#define CORE_GRAPH_OP_PARAMS_H

#include "core/graph/op_table.h"
#include "core/ops/conv.h"
#include "core/ops/eltwise.h"
#include "core/ops/gemm.h"
#include "core/ops/pool.h"
#include "core/ops/quantize_linear.h"
#include "core/ops/reduce_op.h"

/* MatMul: `batches` products; the operands of product i lie at i-th multiples given by
 * broadcasting. */
typedef struct i8x_matmul_params {
    i8x_gemm_params gemm; /* of one product; a that is one long matrix counts as one product */
    i8x_shape a_batch, b_batch, y_batch; /* leading dimensions */
} i8x_matmul_params;

/* Pad and Resize (nearest): an index table per axis, -1 = the fill value. */
typedef struct i8x_pad_params {
    const int64_t *tables;
    uint8_t fill[8]; /* bytes of the fill element */
} i8x_pad_params;

typedef struct i8x_slice_params {
    int64_t start[I8X_RANK_MAX], step[I8X_RANK_MAX];
} i8x_slice_params;

/* Resize: nearest by tables; linear over the last two axes by two taps per output. */
typedef struct i8x_resize_params {
    bool linear;
    const int64_t *tables;    /* nearest */
    const int64_t *low[2];    /* linear, rows and columns: first tap */
    const int64_t *high[2];   /* second tap */
    const float *fraction[2]; /* weight of the second tap */
} i8x_resize_params;

/** Attributes kernel_shape, strides, dilations, pads, auto_pad of a Conv or pool as a window over
 * x. kernel [rank - 2]; pads_end [2] out: padding at the bottom and right. Errors:
 * I8X_EUNSUPPORTED, I8X_ESHAPE. */
I8X_FALLIBLE i8x_status i8x_window_parse(const i8x_infer_call *call, const int64_t *kernel,
                                         i8x_window *window, int64_t *pads_end);
/** Shape [batch, channels, oh, ow] (or [batch, channels, ow] for rank 3). */
i8x_shape i8x_window_shape(const i8x_window *window, int rank, int64_t batch, int64_t channels);

/* Every function that ops.def names. Several rows may share one, so the declarations repeat. */
#define OP(id, name, since, min, max, outs, variant, flags, weight, axis, params, fn)              \
    i8x_status i8x_op_##fn##_infer(const i8x_infer_call *call);                                    \
    i8x_status i8x_op_##fn##_run(const i8x_op_call *call);
#define OP_HEAVY(id, name, since, min, max, outs, variant, flags, weight, axis, params, fn)        \
    OP(id, name, since, min, max, outs, variant, flags, weight, axis, params, fn)                  \
    size_t i8x_op_##fn##_scratch_bytes(const i8x_op_call *call);                                   \
    uint64_t i8x_op_##fn##_macs(const void *params);
#include "core/graph/ops.def"
#undef OP
#undef OP_HEAVY

#endif
