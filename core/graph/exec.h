/* SPDX-License-Identifier: Apache-2.0
 *
 * Exec: runs a graph in FP32, or a QDQ graph with exact INT8 semantics, on a fixed batch size.
 *
 * i8x_exec_new compiles the graph once: operators bound to their functions, values placed by
 * lifetime in one block (core/graph/placement). i8x_exec_run feeds the inputs, runs node after node
 * and shows every computed value to an observer while it is alive (calibration lives on this).
 * Constant weights are packed per call into scratch, so memory is activations + scratch.
 * QuantizeLinear/DequantizeLinear nodes run as ONNX defines them; a Conv, Gemm or MatMul whose
 * operands come from DequantizeLinear is computed on the integer codes (exact s32 sums), then
 * scaled (docs/numerics.md), so the codes behind the following QuantizeLinear equal ONNX Runtime's.
 */
#ifndef CORE_GRAPH_EXEC_H
#define CORE_GRAPH_EXEC_H

#include "core/base/threads.h"
#include "core/graph/graph.h"
#include "int8x/alloc.h"
#include "int8x/tensor.h"

typedef struct i8x_exec i8x_exec;

/* Called after the node that computed `value` ran (and once for each graph input before the first
 * node). Values that do not depend on the inputs (shape arithmetic, small dequantised constants)
 * are not shown. tensor: borrowed, valid during the call; its memory may be used again afterwards.
 * A status other than I8X_OK stops the run and is returned. */
typedef i8x_status (*i8x_exec_observer_fn)(void *user, int value, const i8x_tensor *tensor);

typedef struct i8x_exec_opts {
    i8x_threads *threads;          /* NULL = this thread alone */
    size_t limit_bytes;            /* activations + scratch; 0 = no limit */
    i8x_exec_observer_fn observer; /* NULL = none */
    void *observer_user;
    const uint8_t *observed; /* [value_count] 1 = show this value (it is then computed as a float
                                tensor of its own, not folded into a neighbour); NULL = all */
} i8x_exec_opts;

/**
 * Compiles graph (inferred and verified, all shapes known). graph is borrowed and must not change.
 * Errors: I8X_ESHAPE (unknown shape), I8X_EUNSUPPORTED (operator, with op and node name),
 * I8X_ELIMIT.
 */
I8X_FALLIBLE i8x_status i8x_exec_new(const i8x_graph *graph, const i8x_exec_opts *opts,
                                     i8x_exec **exec);
void i8x_exec_free(i8x_exec *exec);
/**
 * inputs [graph->input_count] tensors with the inferred shapes; outputs [graph->output_count]
 * receive views that stay valid until the next run. Errors: I8X_ESHAPE, I8X_EDTYPE (a given tensor
 * differs), I8X_ERANGE, whatever the observer returns.
 */
I8X_FALLIBLE i8x_status i8x_exec_run(i8x_exec *exec, const i8x_tensor *inputs, i8x_tensor *outputs);
/** Bytes of activations and of scratch. */
size_t i8x_exec_memory_bytes(const i8x_exec *exec);
/** Multiply-accumulates of one run (convolutions and matrix products). */
uint64_t i8x_exec_macs(const i8x_exec *exec);
/** Runs one node by itself on given tensors (inputs [node.input_count]; an omitted one has data
 * NULL): layer-by-layer algorithms (bias correction, clip selection) call this. Any batch will do:
 * shapes are inferred from the tensors given. outputs: data has room for the result (else
 * I8X_EARG), type and shape are filled in. scratch: arena, rewound after. */
I8X_FALLIBLE i8x_status i8x_exec_node(const i8x_graph *graph, int node, const i8x_tensor *inputs,
                                      i8x_tensor *outputs, i8x_arena *scratch,
                                      i8x_threads *threads);

#endif
