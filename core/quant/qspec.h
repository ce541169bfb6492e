/* SPDX-License-Identifier: Apache-2.0
 *
 * Qspec: what is quantized and how: the plan between the FP32 graph and the QDQ graph. First the
 * structure (i8x_qspec_plan, a function of graph and recipe alone), then the numbers
 * (i8x_qspec_solve, from statistics and the selection). Encoded between tasks.
 *
 *   group  values that share one scale and zero point (pools, reshapes, concatenations tie them)
 *   layer  a node with weights (Conv, ConvTranspose, Gemm, MatMul): quantized, or float with a
 * reason role   what becomes of each node
 *
 * Value, node and group numbers are indices; values and nodes those of the prepared graph.
 */
#ifndef CORE_QUANT_QSPEC_H
#define CORE_QUANT_QSPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/graph/graph.h"
#include "core/quant/observer.h"
#include "core/quant/target.h"
#include "int8x/alloc.h"
#include "int8x/recipe.h"

#define I8X_QSPEC_REVISION 1

/* Why a node stays float. X(name, sentence of the report) */
#define I8X_QREASON_LIST(X)                                                                        \
    X(NONE, "")                                                                                    \
    X(EXCLUDED, "excluded by the recipe")                                                          \
    X(NOT_IN_ONLY, "not among the nodes that the recipe asks for")                                 \
    X(NOT_IN_OP_TYPES, "operator type not among those that the recipe asks for")                   \
    X(OPERATOR, "operator is not quantized")                                                       \
    X(WEIGHT_NOT_CONSTANT, "weight is computed, not constant")                                     \
    X(WEIGHT_NOT_FLOAT, "weight is not f32")                                                       \
    X(WEIGHT_RANK, "weight has a rank that is not quantized")                                      \
    X(WEIGHT_GROUPS, "transposed convolution in groups")                                           \
    X(BIAS_NOT_CONSTANT, "bias is computed, not constant")                                         \
    X(GEMM_FORM, "Gemm with alpha, beta, transA or a bias that is no vector of channels")          \
    X(INPUT_NOT_FLOAT, "input is not f32")                                                         \
    X(ISOLATED, "no quantized layer beside it")

typedef enum i8x_qreason {
#define X(name, sentence) I8X_QREASON_##name,
    I8X_QREASON_LIST(X)
#undef X
        I8X_QREASON_COUNT
} i8x_qreason;

/* What becomes of a node. */
typedef enum i8x_qrole {
    I8X_QROLE_FLOAT,   /* stays as it is */
    I8X_QROLE_LAYER,   /* weights quantized, runs on integers */
    I8X_QROLE_POINT,   /* no weights; inputs and outputs with their own parameters (Add ...) */
    I8X_QROLE_SHARE,   /* moves or picks values: output has the parameters of its inputs */
    I8X_QROLE_ABSORBED /* Relu or Clip without a pair before it: the range behind expresses it */
} i8x_qrole;

/* Values with one scale and zero point. */
typedef struct i8x_qgroup {
    int root;                 /* value that the others are made of; names the group */
    float bound_lo, bound_hi; /* range that absorbed activations allow; -inf and +inf without any */
    /* numbers, valid once solved */
    float min, max; /* observed */
    float lo, hi;   /* chosen; lo <= 0 <= hi */
    float scale;    /* > 0 */
    int32_t zero_point;
    int clip; /* i8x_clip that chose it */
} i8x_qgroup;

/* A convolution or matrix product. */
typedef struct i8x_qlayer {
    int node;
    i8x_qreason reason; /* I8X_QREASON_NONE: quantized */
    int input;          /* activation it reads */
    int output; /* value that carries its result: behind an absorbed activation, that one's output
                 */
    int weight; /* constant value if quantized */
    int bias;   /* constant value, or I8X_GRAPH_NONE */
    int axis;   /* of the output channels in the weight */
    int64_t channels; /* output channels */
    int64_t elements; /* of the weight; 0 if both operands are computed */
    bool depthwise;   /* one input channel for each output channel */
} i8x_qlayer;

typedef struct i8x_qspec {
    i8x_target target;
    bool solved;
    int value_count, node_count; /* of the graph it was planned for */
    int *value_group;            /* [value_count] group, or -1: no Q/DQ */
    uint8_t *node_role;          /* [node_count] i8x_qrole */
    uint8_t *node_reason;        /* [node_count] i8x_qreason */
    i8x_qgroup *groups;
    int group_count;
    i8x_qlayer *layers;
    int layer_count; /* all nodes with weights, in graph order */
} i8x_qspec;

/**
 * Structure of the QDQ graph. graph: inferred. Everything lives in the arena.
 * Errors: I8X_EARG (a glob of exclude, only or op_types matches nothing; nothing would be
 * quantized, with the first reasons).
 */
I8X_FALLIBLE i8x_status i8x_qspec_plan(const i8x_graph *graph, const i8x_recipe *recipe,
                                       i8x_arena *arena, i8x_qspec *qspec);
/** True if some node of the graph can be quantized at all under the recipe (inspect). layers and
 * reasons as in plan, but "nothing quantized" is no error. */
I8X_FALLIBLE i8x_status i8x_qspec_survey(const i8x_graph *graph, const i8x_recipe *recipe,
                                         i8x_arena *arena, i8x_qspec *qspec);
/** Sentence of a reason; "" for NONE. Static. */
const char *i8x_qreason_text(i8x_qreason reason);
/** Number of quantized layers. */
int i8x_qspec_quantized_count(const i8x_qspec *qspec);
/** Layer of a node, or NULL. */
const i8x_qlayer *i8x_qspec_layer(const i8x_qspec *qspec, int node);

/** Bounds of a Relu or Clip node; false if they are not constant or not in order. */
bool i8x_qspec_clamp(const i8x_graph *graph, int node, float *lo, float *hi);

/* One group's chosen method (select), -1 = none given: the recipe's method decides. */
typedef struct i8x_selection {
    int group_count;
    int8_t *clip;   /* [group_count] i8x_clip or -1 */
    float *lo, *hi; /* [group_count] range of that choice */
} i8x_selection;

/**
 * Fills the numbers of all groups. selection may be NULL (recipe.clip other than auto).
 * Errors: I8X_EARG (a group has no histogram), I8X_ERANGE.
 */
I8X_FALLIBLE i8x_status i8x_qspec_solve(i8x_qspec *qspec, const i8x_graph *graph,
                                        const i8x_recipe *recipe, const i8x_histograms *histograms,
                                        const i8x_selection *selection);
/** Bytes <-> struct. Errors of decode: I8X_EFORMAT, I8X_EVERSION, I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_qspec_encode(const i8x_qspec *qspec, i8x_arena *arena,
                                         const uint8_t **bytes, size_t *size_bytes);
I8X_FALLIBLE i8x_status i8x_qspec_decode(const void *bytes, size_t size_bytes, i8x_arena *arena,
                                         i8x_qspec *qspec);
/** Checks that a decoded qspec fits a graph (indices, counts). Errors: I8X_EFORMAT. */
I8X_FALLIBLE i8x_status i8x_qspec_check(const i8x_qspec *qspec, const i8x_graph *graph);

#endif
