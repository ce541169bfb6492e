/* SPDX-License-Identifier: Apache-2.0
 *
 * Histogram: integer counts of a value's elements on a fixed log grid (sign, exponent, up to 10
 * bits of mantissa), minimum and maximum. No range has to be known first, no outlier costs
 * resolution, and merging is exact: any order, any grouping, same bytes.
 *
 * Resolution: an octave e (elements with that IEEE exponent field) keeps
 *     bits(e) = clamp(10 - max(0, (E - e) - 3), 2, 10)
 * mantissa bits, E = the largest octave of the value. Coarsening by a part's own E and later by the
 * larger E of all is the same as coarsening once (bits is non-increasing in E), so merges commute
 * (docs/numerics.md).
 */
#ifndef CORE_QUANT_HISTOGRAM_H
#define CORE_QUANT_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "int8x/alloc.h"
#include "int8x/status.h"

#define I8X_HISTOGRAM_VALUES_MAX 65536
#define I8X_HISTOGRAM_KEYS                                                                         \
    (1u << 19) /* key = bits(x) >> 13: sign, exponent, 10 bits of mantissa                         \
                */
#define I8X_HISTOGRAM_MANTISSA_BITS 10
#define I8X_HISTOGRAM_MANTISSA_BITS_MIN 2
#define I8X_HISTOGRAM_FULL_OCTAVES 3 /* octaves below the largest one that keep all bits */

/* Histogram of one value. Bins ascend by real value. Plain value; arrays live in the arena it came
 * from. */
typedef struct i8x_histogram {
    int value;      /* index in the graph */
    float min, max; /* of all elements; 0, 0 if count is 0 */
    uint64_t count; /* elements */
    int top;        /* largest exponent field (0..254) with an element: E of the resolution rule */
    uint32_t bin_count;
    const uint32_t *keys;   /* [bin_count] key of the first grid cell of the bin */
    const uint64_t *counts; /* [bin_count] > 0 */
} i8x_histogram;

typedef struct i8x_histograms {
    uint64_t samples;
    i8x_histogram *items; /* ascending by value */
    int count;
} i8x_histograms;

/* Counts that grow. Blocks of 2^bits(e) counters are taken from the arena when an octave is first
 * met. */
typedef struct i8x_histogram_sum {
    int top; /* E so far, -1 = empty */
    float min, max;
    uint64_t count;
    uint64_t *blocks[512]; /* by sign * 256 + exponent field; NULL = none */
} i8x_histogram_sum;

void i8x_histogram_sum_init(i8x_histogram_sum *sum);
/** Adds the dense bins of kernels->loghist_f32 (I8X_HISTOGRAM_KEYS counters, 0 afterwards). min and
 * max are those of the elements that were counted, count > 0 their number. Errors: I8X_ENOMEM,
 * I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_histogram_sum_dense(i8x_histogram_sum *sum, uint32_t *bins,
                                                uint64_t count, float min, float max,
                                                i8x_arena *arena);
I8X_FALLIBLE i8x_status i8x_histogram_sum_add(i8x_histogram_sum *sum, const i8x_histogram *part,
                                              i8x_arena *arena);
/** Bins in ascending order, in the arena. */
I8X_FALLIBLE i8x_status i8x_histogram_sum_finish(const i8x_histogram_sum *sum, int value,
                                                 i8x_arena *arena, i8x_histogram *histogram);
/** Mantissa bits of octave e when the largest one is top. */
int i8x_histogram_bits(int top, int octave);

/** Sum of parts; commutative and associative. Parts that lack a value add nothing to it. Errors:
 * I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_histograms_merge(const i8x_histograms *parts, int part_count,
                                             i8x_arena *arena, i8x_histograms *merged);
/** Bytes <-> struct. Same histograms -> same bytes. Errors of decode: I8X_EFORMAT, I8X_EVERSION,
 * I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_histograms_encode(const i8x_histograms *histograms, i8x_arena *arena,
                                              const uint8_t **bytes, size_t *size_bytes);
I8X_FALLIBLE i8x_status i8x_histograms_decode(const void *bytes, size_t size_bytes,
                                              i8x_arena *arena, i8x_histograms *histograms);
/** Histogram of a value, or NULL. */
const i8x_histogram *i8x_histograms_find(const i8x_histograms *histograms, int value);
/** Lower and upper edge of a bin as real numbers (lower <= upper; the sign of the key counts). */
void i8x_histogram_edges(const i8x_histogram *histogram, uint32_t bin, double *lower,
                         double *upper);

#endif
