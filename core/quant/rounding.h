/* SPDX-License-Identifier: Apache-2.0
 *
 * Rounding: integer codes of weights that keep a layer's output, not the weights themselves. With x
 * the taps that one output sees and e = scale * codes - w, the squared error of the output is
 * E[(e.x)^2] = e' H e with the Gram matrix H = E[x x']. Codes start at the nearest ones and are
 * moved one at a time to the least of that quadratic form (coordinate descent); then scale is
 * fitted to the codes in closed form and they move once more.
 *
 * H comes in two forms:
 *   full    H itself, for layers with few taps (depthwise, first layers): exact
 *   factors H = Z Z' + diag(D): Z the means of the input channels over quarters of each sample's
 * plane, D what they leave of the second moments. For 1x1 convolutions: rank 4 a sample instead of
 * K x K docs/numerics.md section 6. Not thread-safe per gram while it is filled; rows are
 * independent afterwards.
 */
#ifndef CORE_QUANT_ROUNDING_H
#define CORE_QUANT_ROUNDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/graph/graph.h"
#include "core/quant/qspec.h"
#include "int8x/alloc.h"
#include "int8x/tensor.h"

/* The numbers of the method, in one place. */
#define I8X_ROUNDING_FULL_TAPS 320 /* layers with more taps take the factored form */
#define I8X_ROUNDING_REGIONS 2     /* planes are cut into 2 x 2 (images) or 4 (sequences) */
#define I8X_ROUNDING_SWEEPS 2      /* passes over the taps of a row */
#define I8X_ROUNDING_REFITS 2      /* fits of the scale, each followed by sweeps */
#define I8X_ROUNDING_POSITIONS                                                                     \
    16384 /* output positions that a full Gram matrix is made of, or all */
#define I8X_ROUNDING_SAMPLES_LEAST 8 /* but no fewer samples than these */

typedef struct i8x_gram {
    int64_t taps;       /* K: weights of one output channel */
    int64_t channels;   /* output channels of the layer */
    int64_t sources;    /* groups of input channels, each with a Gram matrix of its own */
    int64_t samples;    /* that it wants to see */
    bool grid;          /* depthwise: some other start scales are tried, too */
    uint64_t positions; /* added so far: output positions (full) or inputs of a channel (factors) */
    double *full;       /* [sources][K][K], or NULL */
    int64_t plane_taps; /* factors: taps that share an input channel */
    int64_t inputs;     /* factors: input channels of all sources */
    int64_t regions;    /* factors: columns of Z for each sample */
    int64_t rank, rank_max; /* factors: columns of Z, and room for them */
    float *factors;         /* [inputs][rank_max]: Z, then Z / sqrt(rank) */
    ptrdiff_t *offsets;     /* [taps] where the row of Z of a tap's input channel begins */
    double *norms;          /* [inputs] squared length of a row of Z */
    double *diagonal;       /* [inputs] sum of squares, then D */
} i8x_gram;

/**
 * Empty Gram matrix for a layer; graph inferred with batch 1. *usable = false: the layer (a matrix,
 * a transposed convolution, one in groups) is rounded to nearest: they see too few rows for a Gram
 * matrix, or were not measured. samples: how many there are. Errors: I8X_ENOMEM, I8X_ELIMIT.
 */
I8X_FALLIBLE i8x_status i8x_gram_init(i8x_gram *gram, const i8x_graph *graph,
                                      const i8x_qlayer *layer, int64_t samples, i8x_arena *arena,
                                      bool *usable);
/** Adds the layer's input of one sample (f32, as the layer sees it). scratch is rewound. */
I8X_FALLIBLE i8x_status i8x_gram_add(i8x_gram *gram, const i8x_graph *graph,
                                     const i8x_qlayer *layer, const float *input,
                                     i8x_arena *scratch);
/** Means over what was added, and a little on the diagonal. */
void i8x_gram_finish(i8x_gram *gram);
/** Bytes of scratch, in doubles, that one row needs. */
int64_t i8x_rounding_scratch(const i8x_gram *gram);
/**
 * Codes of one output channel. w [taps]; scale in: the start, out: the fitted one; codes [taps]
 * out. scratch: i8x_rounding_scratch doubles.
 */
void i8x_rounding_row(const i8x_gram *gram, int64_t channel, const float *w, float *scale,
                      int8_t *codes, double *scratch);

#endif
