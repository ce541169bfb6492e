/* SPDX-License-Identifier: Apache-2.0
 *
 * Moments: per value and channel: sum, sum of squares (double), minimum, maximum. Doubles are
 * summed within a sample by the LANES16 kernels (or row after row where channels are the last
 * axis), over samples in order, over shards in the order given: the batch size never matters, the
 * shard boundaries are the job's.
 */
#ifndef CORE_QUANT_MOMENTS_H
#define CORE_QUANT_MOMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "int8x/alloc.h"
#include "int8x/status.h"

#define I8X_MOMENTS_VALUES_MAX 65536
#define I8X_MOMENTS_CHANNELS_MAX (1 << 24)

/* Per-channel moments of one value. */
typedef struct i8x_moment {
    int value;
    int axis; /* of the channels in the value's shape */
    int64_t channels;
    uint64_t count; /* elements of one channel */
    double *sum;    /* [channels] */
    double *sum_squares;
    float *min, *max; /* [channels] */
} i8x_moment;

typedef struct i8x_moments {
    uint64_t samples;
    i8x_moment *items; /* ascending by value */
    int count;
} i8x_moments;

/** Moments of no elements yet: zeros; min and max are set by the first sample. Errors: I8X_ENOMEM.
 */
I8X_FALLIBLE i8x_status i8x_moment_init(i8x_moment *moment, int value, int axis, int64_t channels,
                                        i8x_arena *arena);
I8X_FALLIBLE i8x_status i8x_moment_copy(const i8x_moment *from, i8x_arena *arena, i8x_moment *to);
/** Sum of parts in the order given (doubles: the order is part of the result). All parts must have
 * the same values and channels. Errors: I8X_ESHAPE (they differ), I8X_EARG (no part). */
I8X_FALLIBLE i8x_status i8x_moments_merge(const i8x_moments *parts, int part_count,
                                          i8x_arena *arena, i8x_moments *merged);
I8X_FALLIBLE i8x_status i8x_moments_encode(const i8x_moments *moments, i8x_arena *arena,
                                           const uint8_t **bytes, size_t *size_bytes);
I8X_FALLIBLE i8x_status i8x_moments_decode(const void *bytes, size_t size_bytes, i8x_arena *arena,
                                           i8x_moments *moments);
const i8x_moment *i8x_moments_find(const i8x_moments *moments, int value);

#endif
