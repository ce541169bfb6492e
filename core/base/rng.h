/* SPDX-License-Identifier: Apache-2.0
 *
 * Rng: random numbers as a pure function of (seed, index), so that any part of a sequence can be
 * made anywhere, in any order, by any number of threads, with the same bits.
 *
 * i8x_rng_u64(seed, i) is output i of SplitMix64 started at seed: the mix function of Steele, Lea
 * and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, with Stafford's
 * variant 13. Independent sequences come from i8x_rng_stream(seed, name), not from seed + 1. Not
 * for secrets (i8x_digest_random is). Thread-safe: there is no state.
 */
#ifndef I8X_BASE_RNG_H
#define I8X_BASE_RNG_H

#include <stdint.h>

#define I8X_RNG_GOLDEN UINT64_C(0x9E3779B97F4A7C15) /* 2^64 / golden ratio, odd */

/** Stafford's mix 13: a bijection of 64-bit words. */
static inline uint64_t i8x_rng_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/** Output index of the sequence seed. */
static inline uint64_t i8x_rng_u64(uint64_t seed, uint64_t index)
{
    return i8x_rng_mix(seed + (index + 1) * I8X_RNG_GOLDEN);
}

/** Seed of sub-sequence stream (a layer number, a hash of a name) of seed. */
static inline uint64_t i8x_rng_stream(uint64_t seed, uint64_t stream)
{
    return i8x_rng_mix(i8x_rng_mix(stream + I8X_RNG_GOLDEN) ^ i8x_rng_mix(seed));
}

/** Uniform in [0, 1), a multiple of 2^-24. */
static inline float i8x_rng_f32(uint64_t seed, uint64_t index)
{
    return (float)(i8x_rng_u64(seed, index) >> 40) * 0x1p-24f;
}

/** Uniform in [0, 1), a multiple of 2^-53. */
static inline double i8x_rng_f64(uint64_t seed, uint64_t index)
{
    return (double)(i8x_rng_u64(seed, index) >> 11) * 0x1p-53;
}

/** Uniform in [low, high) up to the rounding of one fused step. */
static inline float i8x_rng_range_f32(uint64_t seed, uint64_t index, float low, float high)
{
    return __builtin_fmaf(i8x_rng_f32(seed, index), high - low, low);
}

/** Uniform in 0 .. count-1 (0 if count is 0) by multiplication (Lemire 2019); bias at most count /
 * 2^32, so count is 32 bits. */
static inline uint32_t i8x_rng_below(uint64_t seed, uint64_t index, uint32_t count)
{
    return (uint32_t)(((i8x_rng_u64(seed, index) >> 32) * count) >> 32);
}

/**
 * Standard normal number: the inverse distribution function (Wichura, Algorithm AS 241, PPND16,
 * Applied Statistics 37, 1988) of the uniform (2k+1) 2^-54. Only fmath's logarithm, sqrt and plain
 * arithmetic: bit-equal on every machine. |result| < 8.3.
 */
double i8x_rng_normal(uint64_t seed, uint64_t index);

#endif
