/* SPDX-License-Identifier: Apache-2.0
 *
 * Equalize: cross-layer equalisation. A channel c of a stream of values may be scaled by s[c] > 0
 * if its producers' weights are multiplied and its consumers' weights divided by it; Relu commutes
 * with it, Clip does where the channel stays below the bound. The function of the network is kept,
 * the channels become alike in range, and one scale for the whole tensor wastes fewer codes.
 *
 * Works on the prepared FP32 graph in place, before calibration. moments: per-channel ranges and
 * powers measured on a small block with i8x_observer (flag I8X_OBSERVE_NO_HISTOGRAMS) on the same
 * graph.
 */
#ifndef CORE_QUANT_EQUALIZE_H
#define CORE_QUANT_EQUALIZE_H

#include "core/graph/graph.h"
#include "core/quant/observer.h"
#include "int8x/recipe.h"

/* The numbers of the method, in one place; measured figures: docs/numerics.md section 5. */
#define I8X_EQUALIZE_SAMPLES 32       /* first ones of the calibration set, for the moments */
#define I8X_EQUALIZE_CLIPPED_LEAST 64 /* with fewer samples streams with a Clip are left alone */
#define I8X_EQUALIZE_EXPONENTS 9      /* candidates: 0, 1/8 ... 1 */
#define I8X_EQUALIZE_MARGIN 0.75      /* of the largest channel or of a bound: raised no further */
#define I8X_EQUALIZE_CAP 4096.0       /* largest factor */
#define I8X_EQUALIZE_CAP_CLIPPED 16.0 /* where a Clip bounds the stream */

typedef struct i8x_equalize_report {
    int streams; /* sets of values that share a scale vector */
    int streams_changed;
    double largest_ratio; /* largest s[c] / smallest s[c] of any stream */
} i8x_equalize_report;

/**
 * Scales the weights and biases of graph (new constants; shared ones are copied). report may be
 * NULL. method I8X_EQUALIZE_NONE changes nothing. Errors: I8X_ESHAPE (moments do not fit),
 * I8X_ENOMEM.
 */
I8X_FALLIBLE i8x_status i8x_equalize_graph(i8x_graph *graph, i8x_equalize method,
                                           const i8x_moments *moments, i8x_equalize_report *report);

#endif
