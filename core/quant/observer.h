/* SPDX-License-Identifier: Apache-2.0
 *
 * Observer: statistics of activations, collected in one pass over the samples and merged exactly.
 *
 * Two records come out of a shard, encoded apart so that a reader takes only what it needs:
 *   histograms  per value an integer histogram on a fixed log grid (sign, exponent, up to 10 bits of
 *               mantissa), minimum and maximum. Merging is exact: any order, any grouping, same bytes.
 *   moments     per value and channel: sum, sum of squares (double), minimum, maximum. Doubles are summed
 *               within a sample by the LANES16 kernels, over samples in order, over shards in the order given.
 * Neither depends on the recipe: one calibration serves every clip method, target and layer selection.
 *
 * Resolution: an octave e (values with that IEEE exponent) keeps
 *     bits(e) = clamp(10 - max(0, (E - e) - 3), 2, 10)
 * mantissa bits, E = the largest octave of the value. Coarsening by a shard's own E and later by the larger
 * E of all is the same as coarsening once (bits is non-increasing in E), so merges commute (docs/numerics.md).
 *
 *     i8x_observer_new(graph, 0, &o);
 *     exec_opts.observer = i8x_observer_see; .observer_user = o; .observed = i8x_observer_observed(o);
 *     i8x_observer_batch(o, first_sample, samples); i8x_exec_run(...);       ... per batch ...
 *     i8x_observer_histograms(o, arena, &h); i8x_histograms_encode(&h, arena, &bytes, &size);
 *
 * Not thread-safe; one observer a thread.
 */
#ifndef CORE_QUANT_OBSERVER_H
#define CORE_QUANT_OBSERVER_H

#include <stddef.h>
#include <stdint.h>

#include "core/graph/graph.h"
#include "int8x/alloc.h"
#include "int8x/tensor.h"

#define I8X_HISTOGRAM_VALUES_MAX 65536
#define I8X_HISTOGRAM_KEYS (1u << 19) /* key = bits(x) >> 13: sign, exponent, 10 bits of mantissa */
#define I8X_HISTOGRAM_MANTISSA_BITS 10
#define I8X_HISTOGRAM_MANTISSA_BITS_MIN 2
#define I8X_HISTOGRAM_FULL_OCTAVES 3 /* octaves below the largest one that keep all bits */
#define I8X_MOMENTS_CHANNELS_MAX (1 << 24)

/* Histogram of one value. Bins ascend by real value. Plain value; arrays live in the arena it came from. */
typedef struct i8x_histogram {
    int value;              /* index in the graph */
    float min, max;         /* of all elements; 0, 0 if count is 0 */
    uint64_t count;         /* elements */
    int top;                /* largest exponent field (0..254) with an element: E of the resolution rule */
    uint32_t bin_count;
    const uint32_t *keys;   /* [bin_count] key of the first grid cell of the bin */
    const uint64_t *counts; /* [bin_count] > 0 */
} i8x_histogram;

typedef struct i8x_histograms {
    uint64_t samples;
    i8x_histogram *items; /* ascending by value */
    int count;
} i8x_histograms;

/* Per-channel moments of one value. */
typedef struct i8x_moment {
    int value;
    int axis;           /* of the channels in the value's shape */
    int64_t channels;
    uint64_t count;     /* elements of one channel */
    double *sum;        /* [channels] */
    double *sum_squares;
    float *min, *max;   /* [channels] */
} i8x_moment;

typedef struct i8x_moments {
    uint64_t samples;
    i8x_moment *items; /* ascending by value */
    int count;
} i8x_moments;

typedef struct i8x_observer i8x_observer;

/* What is left out of the full set (0 = everything). */
#define I8X_OBSERVE_NO_HISTOGRAMS 1u
#define I8X_OBSERVE_NO_MOMENTS 2u

/**
 * New observer of an inferred graph (borrowed). Observed are the float values that a recipe may quantize:
 * inputs and computed values; values that only feed one Relu or Clip have moments but no histogram.
 * Errors: I8X_ESHAPE (shape unknown), I8X_ELIMIT, I8X_ENOMEM.
 */
I8X_FALLIBLE i8x_status i8x_observer_new(const i8x_graph *graph, unsigned flags, i8x_observer **observer);
void i8x_observer_free(i8x_observer *observer);
/** [value_count] 1 = observed; for i8x_exec_opts.observed. Borrowed. */
const uint8_t *i8x_observer_observed(const i8x_observer *observer);
/** Announces the next run: its first sample's index in the whole set (for error sentences) and how many
 *  samples it holds. All samples of a run must be real ones (no padding). */
void i8x_observer_batch(i8x_observer *observer, int64_t first_sample, int64_t samples);
/**
 * One value of the announced run; is an i8x_exec_observer_fn (user = the observer).
 * Errors: I8X_ERANGE (NaN or infinity: tensor and sample named), I8X_ENOMEM.
 */
I8X_FALLIBLE i8x_status i8x_observer_see(void *user, int value, const i8x_tensor *tensor);
/** Results so far, copied into the arena. */
I8X_FALLIBLE i8x_status i8x_observer_histograms(const i8x_observer *observer, i8x_arena *arena, i8x_histograms *histograms);
I8X_FALLIBLE i8x_status i8x_observer_moments(const i8x_observer *observer, i8x_arena *arena, i8x_moments *moments);

/** Sum of parts; commutative and associative. Parts that lack a value add nothing to it. Errors: I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_histograms_merge(const i8x_histograms *parts, int part_count, i8x_arena *arena,
                                             i8x_histograms *merged);
/** Bytes <-> struct. Same histograms -> same bytes. Errors of decode: I8X_EFORMAT, I8X_EVERSION, I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_histograms_encode(const i8x_histograms *histograms, i8x_arena *arena,
                                              const uint8_t **bytes, size_t *size_bytes);
I8X_FALLIBLE i8x_status i8x_histograms_decode(const void *bytes, size_t size_bytes, i8x_arena *arena,
                                              i8x_histograms *histograms);
/** Histogram of a value, or NULL. */
const i8x_histogram *i8x_histograms_find(const i8x_histograms *histograms, int value);
/** Lower and upper edge of a bin as real numbers (lower <= upper; the sign of the key counts). */
void i8x_histogram_edges(const i8x_histogram *histogram, uint32_t bin, double *lower, double *upper);

/** Sum of parts in the order given (doubles: the order is part of the result). All parts must have the same
 *  values and channels. Errors: I8X_ESHAPE (they differ), I8X_EARG (no part). */
I8X_FALLIBLE i8x_status i8x_moments_merge(const i8x_moments *parts, int part_count, i8x_arena *arena, i8x_moments *merged);
I8X_FALLIBLE i8x_status i8x_moments_encode(const i8x_moments *moments, i8x_arena *arena, const uint8_t **bytes,
                                           size_t *size_bytes);
I8X_FALLIBLE i8x_status i8x_moments_decode(const void *bytes, size_t size_bytes, i8x_arena *arena, i8x_moments *moments);
const i8x_moment *i8x_moments_find(const i8x_moments *moments, int value);

#endif
