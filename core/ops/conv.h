/* SPDX-License-Identifier: Apache-2.0
 *
 * Conv: convolution of NCHW images in FP32, groups, strides, dilations, padding; 1-D images have
 * height 1.
 *
 * Each output is one fmaf chain that starts at the bias and takes the taps in the order input
 * channel of the group, kernel row, kernel column; a padding tap takes part as fmaf(0, w, acc). So
 * the bits do not depend on the path taken (implicit GEMM, or shifted planes for few channels per
 * group), the level, the threads or the batch. Finished values go to a sink, which stores, clips or
 * requantises them while they are in the cache.
 */
#ifndef CORE_OPS_CONV_H
#define CORE_OPS_CONV_H

#include <stdbool.h>

#include "core/base/threads.h"
#include "core/ops/planes.h"
#include "int8x/alloc.h"

typedef struct i8x_conv_params {
    int64_t batch, group, ic, oc; /* ic and oc of the whole tensor */
    i8x_window window;
} i8x_conv_params;

/* Takes `count` finished values of (sample, channel) from position `pixel` of the output plane on.
 * acc may be overwritten; sum is not NULL if the sums were too long for floats (product.h). */
typedef void (*i8x_conv_sink_fn)(const void *user, int64_t sample, int64_t channel, int64_t pixel,
                                 int64_t count, float *acc, const int32_t *sum);

typedef struct i8x_conv_args {
    const i8x_conv_params *params;
    const float *x;    /* [batch][ic][ih][iw] */
    const float *w;    /* [oc][ic / group][kh][kw] */
    const float *bias; /* [oc] or NULL = 0 */
    i8x_conv_sink_fn sink;
    const void *user;
    const size_t *chunk_ends; /* integer mode, see product.h; NULL otherwise */
    size_t chunk_count;
} i8x_conv_args;

/* Sink that writes floats, clipped to [lo, hi] if clipped. */
typedef struct i8x_conv_store {
    float *y; /* [batch][oc][oh][ow] */
    int64_t oc, plane;
    bool clipped;
    float lo, hi;
} i8x_conv_store;

void i8x_conv_store_sink(const void *user, int64_t sample, int64_t channel, int64_t pixel,
                         int64_t count, float *acc, const int32_t *sum);

/** Multiply-accumulates, padding taps counted. */
uint64_t i8x_conv_macs(const i8x_conv_params *params);
/** Bytes of scratch that i8x_conv_run takes. */
size_t i8x_conv_scratch_bytes(const i8x_conv_params *params, size_t chunk_count, int threads);
/** Runs a convolution; sizes have been checked. Errors: I8X_ENOMEM, I8X_ELIMIT (scratch). */
I8X_FALLIBLE i8x_status i8x_conv_run(const i8x_conv_args *args, i8x_arena *scratch,
                                     i8x_threads *threads);

/* The two paths; conv.c chooses. */
bool i8x_conv_is_depthwise(const i8x_conv_params *params, size_t chunk_count);
size_t i8x_conv_depthwise_scratch_bytes(const i8x_conv_params *params, int threads);
I8X_FALLIBLE i8x_status i8x_conv_depthwise_run(const i8x_conv_args *args, i8x_arena *scratch,
                                               i8x_threads *threads);

#endif
