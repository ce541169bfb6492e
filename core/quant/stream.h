/* SPDX-License-Identifier: Apache-2.0
 *
 * Stream: values of an FP32 graph whose channels may be scaled together without changing what the
 * network computes: tied by additions, pools and flattening, made and read by layers with constant
 * weights. Activations (Relu, Clip) belong to the node before them; a stream holds the values
 * behind them ("results"). A stream is left out if the caller feeds or sees it, if an operator that
 * does not commute with scaling touches it, if a convolution in groups (other than depthwise) reads
 * it, or if no layer reads it.
 */
#ifndef CORE_QUANT_STREAM_H
#define CORE_QUANT_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/graph/graph.h"
#include "core/quant/moments.h"
#include "int8x/alloc.h"

/* A layer with weights of its own that may be changed. */
typedef struct i8x_stream_layer {
    int node, input, result; /* input and result are results of streams, or not in any */
    float *weight, *bias;    /* copies; bias NULL = none */
    int weight_value, bias_value;
    int64_t elements, channels, taps; /* taps of one output channel */
    int64_t inner;                    /* elements behind the input channel's axis, in a row */
    int64_t inputs;                   /* input channels of one row */
    bool depthwise, transposed;       /* transposed: Gemm without transB, [inputs][channels] */
    bool changed;
} i8x_stream_layer;

typedef struct i8x_stream {
    int index;
    int64_t channels;
    bool clipped; /* some value has a finite upper bound */
    int *values;  /* [count] ascending in graph order */
    int count;
} i8x_stream;

typedef struct i8x_stream_model {
    i8x_graph *graph;
    i8x_arena *arena;
    i8x_moments *moments; /* a copy that follows the scaling */
    i8x_stream_layer *layers;
    int layer_count;
    i8x_stream *streams;
    int stream_count;
    int *value_stream; /* [value_count] stream of a result, or -1 */
    int *result;       /* [value_count] the value behind an activation that alone reads this one, or
                          itself */
    float *bound_hi;   /* [value_count] upper bound of that activation */
    int *tie_output;   /* [node_count] result of a node that ties values, or -1 */
    uint8_t *averages; /* [node_count] 1 = the node averages over positions */
} i8x_stream_model;

/** Finds layers and streams. moments of every result are needed. Errors: I8X_ESHAPE, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_stream_model_init(i8x_stream_model *model, i8x_graph *graph,
                                              const i8x_moments *moments, i8x_arena *arena);
int i8x_stream_result(const i8x_stream_model *model, int value);
/** Signal power of a layer's result: sum of the channels' variances, at least 1e-20. */
double i8x_stream_power(const i8x_stream_model *model, int value);
/** Weight element of output channel o and tap t. */
int64_t i8x_stream_element(const i8x_stream_layer *layer, int64_t o, int64_t t);
/** Scales channel c of a stream by s[c] > 0: producers times s, consumers divided, moments follow.
 */
I8X_FALLIBLE i8x_status i8x_stream_scale(i8x_stream_model *model, const i8x_stream *stream,
                                         const double *s);
/** Puts the changed weights into the graph as constants. */
I8X_FALLIBLE i8x_status i8x_stream_commit(i8x_stream_model *model);

#endif
