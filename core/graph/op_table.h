/* SPDX-License-Identifier: Apache-2.0
 *
 * Operator table: one row per operator, made from ops.def. A row says what an operator is called,
 * which inputs it has, what may be assumed about it (flags), and names its functions: infer parses
 * the attributes and gives type and shape of the outputs, run computes. To add an operator: a line
 * in ops.def, its infer and run in one of the op_*.c files, the computation in core/ops.
 *
 *     const i8x_op *op = i8x_op_of(node);       // NULL = not known here
 *     if (op->flags & I8X_OP_PASSES) ...
 */
#ifndef CORE_GRAPH_OP_TABLE_H
#define CORE_GRAPH_OP_TABLE_H

#include "core/base/threads.h"
#include "core/graph/graph.h"
#include "int8x/alloc.h"
#include "int8x/tensor.h"

typedef enum i8x_op_flag {
    I8X_OP_ELEMENTWISE =
        1 << 0,             /* each output element needs the inputs' elements at its place alone */
    I8X_OP_VIEW = 1 << 1,   /* output 0 has the bytes of input 0, in another shape or none */
    I8X_OP_PASSES = 1 << 2, /* picks or moves values of its data input unchanged: quantisation
                               parameters are shared */
    I8X_OP_ACTIVATION =
        1 << 3, /* a clamp that the range of the next quantiser absorbs: Relu, Clip */
    I8X_OP_COMMUTATIVE = 1 << 4,
    I8X_OP_LINEAR =
        1 << 5, /* Conv, Gemm, MatMul ...: has multiply-accumulates, is worth quantising */
    I8X_OP_SHAPES_ONLY = 1 << 6, /* the result depends on input shapes, not on their values */
    I8X_OP_QUANTIZE = 1 << 7,    /* QuantizeLinear, DequantizeLinear */
    I8X_OP_INPUTS_MANY = 1 << 8  /* any number of inputs, all alike: Concat, Sum, Max */
} i8x_op_flag;

/* A clamp that runs on finished values while they are hot (the Clip or Relu behind a convolution).
 */
typedef struct i8x_op_clamp {
    bool on;
    float lo, hi;
} i8x_op_clamp;

typedef struct i8x_op i8x_op;

/* One execution of a node. An omitted optional input has dtype NONE and data NULL. */
typedef struct i8x_op_call {
    const i8x_op *op;
    const i8x_node *node;
    const void *params;
    const i8x_tensor *inputs;
    int input_count;
    i8x_tensor *outputs; /* type, shape and room are there */
    int output_count;
    i8x_op_clamp clamp; /* only for operators with a scratch function */
    i8x_arena *scratch;
    i8x_threads *threads;
} i8x_op_call;

/* What infer sees. Types and shapes of inputs are known; data is not NULL where the values are,
 * too. */
typedef struct i8x_infer_call {
    const i8x_op *op;
    const i8x_node *node;
    int64_t opset;
    const i8x_tensor *inputs;
    int input_count;
    i8x_tensor *outputs; /* infer fills type and shape */
    int output_count;
    void *params;     /* zeroed, op->params_size */
    i8x_arena *arena; /* for lists that params point to */
} i8x_infer_call;

typedef enum i8x_op_id {
#define OP(id, name, since, min, max, outs, variant, flags, weight, axis, params, fn) I8X_OP_##id,
#define OP_HEAVY OP
#include "core/graph/ops.def"
#undef OP
#undef OP_HEAVY
    I8X_OP_COUNT
} i8x_op_id;

struct i8x_op {
    const char *name;
    i8x_op_id id;
    int since; /* first opset that has it */
    int inputs_min, inputs_max, outputs_max;
    int variant; /* which of several operators that share functions */
    unsigned flags;
    int weight_input; /* operand that usually is a constant weight, or -1 */
    int weight_axis;  /* its axis of output channels; Gemm: of the untransposed B; -1 = last */
    size_t params_size;
    i8x_status (*infer)(const i8x_infer_call *call);
    i8x_status (*run)(const i8x_op_call *call);
    size_t (*scratch_bytes)(const i8x_op_call *call); /* NULL: little or none */
    uint64_t (*macs)(const void *params);             /* NULL: none */
};

/** Row of a node, or NULL for an operator (or domain) that is not known. */
const i8x_op *i8x_op_of(const i8x_node *node);
/** Row by ONNX name (domain ai.onnx), or NULL. */
const i8x_op *i8x_op_find(const char *name);
const i8x_op *i8x_op_get(i8x_op_id id);
/** True if node is that operator. */
bool i8x_node_is(const i8x_node *node, i8x_op_id id);

/* For infer functions. */
bool i8x_infer_has(const i8x_infer_call *call, int input);
/** Sets output 0. Rank is asserted. */
void i8x_infer_set(const i8x_infer_call *call, i8x_dtype dtype, const i8x_shape *shape);
/** Element type of an input must be that. Errors: I8X_EUNSUPPORTED. */
I8X_FALLIBLE i8x_status i8x_infer_expect(const i8x_infer_call *call, int input, i8x_dtype dtype);
/** Values of a known integer input as s64, in call->arena. Errors: I8X_EUNSUPPORTED (not constant),
 * I8X_EDTYPE, I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_infer_ints(const i8x_infer_call *call, int input, const int64_t **list,
                                       int *count);
/** Attribute (opsets that have it) or input as a list; *count = -1 if there is neither. */
I8X_FALLIBLE i8x_status i8x_infer_list(const i8x_infer_call *call, const char *attr, int input,
                                       const int64_t **list, int *count);
/** First value of a known FP32 input, or otherwise if it is omitted. */
I8X_FALLIBLE i8x_status i8x_infer_float(const i8x_infer_call *call, int input, float otherwise,
                                        float *value);
/** String attribute equal to text (or absent and otherwise true). */
bool i8x_node_attr_is(const i8x_node *node, const char *name, const char *text, bool otherwise);

/** Runs one node: inputs and outputs given. Errors carry op and node name. */
I8X_FALLIBLE i8x_status i8x_op_run(const i8x_op_call *call);

#endif
