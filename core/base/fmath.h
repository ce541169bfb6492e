/* SPDX-License-Identifier: Apache-2.0
 *
 * Fmath: exp, log, tanh, erf, sigmoid and sqrt for float as one fixed sequence of operations each,
 * and double exp, log, log2, log10 for reports and scores. libm is not used because its results
 * differ between versions and machines; these are built only from fma, + - * /, sqrt (all correctly
 * rounded by IEEE 754) and integer operations, so they are bit-equal on every machine and in every
 * vector width. core/kernels repeats the float functions lane by lane: the same operations in the
 * same order, with a select in place of each early return.
 *
 * Needs -ffp-contract=off and FLT_EVAL_METHOD 0. ULP bounds are against the true function, tested
 * on all magnitudes (tests/unit/base/check_fmath.c). NaN in gives a NaN. Where a result would be
 * denormal exp and sigmoid give 0. On armv7 NEON denormal inputs count as 0, which changes only
 * tanh (that returns them as they are, a select of bits), erf and sqrt; log treats them by integers
 * alone. Derivation: docs/numerics.md; constants and their origin: fmath_constants.h. Thread-safe.
 */
#ifndef I8X_BASE_FMATH_H
#define I8X_BASE_FMATH_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/base/fmath_constants.h"

_Static_assert(FLT_EVAL_METHOD == 0, "float arithmetic is done in float");

static inline uint32_t i8x_fmath_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float i8x_fmath_from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/** 2^n for -126 <= n <= 127. */
static inline float i8x_fmath_pow2(int32_t n)
{
    return i8x_fmath_from_bits((uint32_t)(n + 127) << 23);
}

/** x with the sign bit of sign. */
static inline float i8x_fmath_copysign(float x, float sign)
{
    return i8x_fmath_from_bits((i8x_fmath_bits(x) & 0x7fffffffu) |
                               (i8x_fmath_bits(sign) & 0x80000000u));
}

/** |x|. */
static inline float i8x_fmath_abs(float x)
{
    return i8x_fmath_from_bits(i8x_fmath_bits(x) & 0x7fffffffu);
}

/** Square root, correctly rounded; NaN below 0, sqrt(-0) = -0. */
static inline float i8x_fmath_sqrt(float x)
{
    return __builtin_sqrtf(x);
}

/**
 * e^x within 2 ULP (worst seen 1.01). 0 below -87.33654 (where e^x is denormal), infinity
 * above 88.72283. x = n ln2 + r; e^x = 2^n e^r, the power of two in two factors as 2^128 is no
 * float.
 */
static inline float i8x_fmath_exp(float x)
{
    if (x != x)
        return x + x;
    if (x < I8X_FMATH_EXP_MIN)
        return 0.0f;
    if (x > I8X_FMATH_EXP_MAX)
        return INFINITY;
    const float t = fmaf(x, I8X_FMATH_LOG2E, I8X_FMATH_ROUND);
    const float n = t - I8X_FMATH_ROUND;
    const int32_t i = (int32_t)(i8x_fmath_bits(t) - I8X_FMATH_ROUND_BITS);
    float r = fmaf(n, -I8X_FMATH_LN2_HI, x);
    r = fmaf(n, -I8X_FMATH_LN2_LO, r);
    float p = fmaf(I8X_FMATH_E4, r, I8X_FMATH_E3);
    p = fmaf(p, r, I8X_FMATH_E2);
    p = fmaf(p, r, I8X_FMATH_E1);
    p = fmaf(p, r, I8X_FMATH_E0);
    const float s = r * r;
    const float y = fmaf(p, s, r) + 1.0f;
    const int32_t half = i >> 1; /* floor */
    return y * i8x_fmath_pow2(half) * i8x_fmath_pow2(i - half);
}

/**
 * Natural logarithm within 1 ULP. -infinity at +-0, NaN below 0, infinity at infinity.
 * x = 2^e m, sqrt(1/2) <= m < sqrt(2). A denormal's mantissa is converted as an integer, so that no
 * float operation sees a denormal.
 */
static inline float i8x_fmath_log(float x)
{
    uint32_t bits = i8x_fmath_bits(x);
    if ((bits & 0x7fffffffu) == 0)
        return -INFINITY;
    if (bits >= 0x7f800000u) /* infinity, NaN, negative */
        return bits == 0x7f800000u ? x : NAN;
    int32_t shift = 0;
    if (bits < 0x00800000u) {
        bits = i8x_fmath_bits((float)(int32_t)bits); /* exact; the value is this times 2^-149 */
        shift = -149;
    }
    const int32_t k = (int32_t)(bits - I8X_FMATH_SQRT_HALF_BITS) >> 23; /* floor */
    const float e = (float)(k + shift);
    const float r = i8x_fmath_from_bits(bits - ((uint32_t)k << 23)) - 1.0f;
    float p = fmaf(I8X_FMATH_L7, r, I8X_FMATH_L6);
    p = fmaf(p, r, I8X_FMATH_L5);
    p = fmaf(p, r, I8X_FMATH_L4);
    p = fmaf(p, r, I8X_FMATH_L3);
    p = fmaf(p, r, I8X_FMATH_L2);
    p = fmaf(p, r, I8X_FMATH_L1);
    p = fmaf(p, r, I8X_FMATH_L0);
    const float s = r * r;
    const float q = fmaf(s, fmaf(p, r, -0.5f), e * I8X_FMATH_LN2_LO);
    return fmaf(e, I8X_FMATH_LN2_HI, q + r);
}

/** tanh within 2 ULP. |x| < 2^-12 is returned as it is; +-1 from |x| = 9.125 on. */
static inline float i8x_fmath_tanh(float x)
{
    const float a = i8x_fmath_abs(x);
    if (x != x)
        return x + x;
    if (a < 0x1p-12f)
        return x;
    if (a < I8X_FMATH_TANH_SMALL) {
        const float s = x * x;
        float p = fmaf(I8X_FMATH_T4, s, I8X_FMATH_T3);
        p = fmaf(p, s, I8X_FMATH_T2);
        p = fmaf(p, s, I8X_FMATH_T1);
        p = fmaf(p, s, I8X_FMATH_T0);
        return fmaf(x * s, p, x);
    }
    if (a >= I8X_FMATH_TANH_MAX)
        return i8x_fmath_copysign(1.0f, x);
    const float e = i8x_fmath_exp(a + a);
    return i8x_fmath_copysign(1.0f - 2.0f / (e + 1.0f), x);
}

/**
 * Error function within 2 ULP; +-1 from |x| = 3.9375 on. Above 0.84375: 1 - exp(polynomial), as
 * ln(erfc(t)) / t is smooth there.
 */
static inline float i8x_fmath_erf(float x)
{
    const float a = i8x_fmath_abs(x);
    if (x != x)
        return x + x;
    if (a < I8X_FMATH_ERF_SMALL) {
        const float s = x * x;
        float p = fmaf(I8X_FMATH_F5, s, I8X_FMATH_F4);
        p = fmaf(p, s, I8X_FMATH_F3);
        p = fmaf(p, s, I8X_FMATH_F2);
        p = fmaf(p, s, I8X_FMATH_F1);
        p = fmaf(p, s, I8X_FMATH_F0);
        return fmaf(p, x, x);
    }
    if (a >= I8X_FMATH_ERF_MAX)
        return i8x_fmath_copysign(1.0f, x);
    float q = fmaf(I8X_FMATH_G6, a, I8X_FMATH_G5);
    q = fmaf(q, a, I8X_FMATH_G4);
    q = fmaf(q, a, I8X_FMATH_G3);
    q = fmaf(q, a, I8X_FMATH_G2);
    q = fmaf(q, a, I8X_FMATH_G1);
    q = fmaf(q, a, I8X_FMATH_G0);
    const float e = i8x_fmath_exp(fmaf(q, a, -a));
    return i8x_fmath_copysign(1.0f - e, x);
}

/** 1 / (1 + e^-x) within 3 ULP; 0 below -87.33654. */
static inline float i8x_fmath_sigmoid(float x)
{
    if (x < I8X_FMATH_SIGMOID_MIN)
        return 0.0f;
    return 1.0f / (1.0f + i8x_fmath_exp(-x));
}

/* Double precision, for reports, scores and statistics; same law, compiled once (fmath.c). */

/** e^x within 2 ULP; 0 below -708.39 (denormal), infinity above 709.78. */
double i8x_fmath_exp_f64(double x);
/** Natural logarithm within 2 ULP; -infinity at 0, NaN below 0. */
double i8x_fmath_log_f64(double x);
/** Logarithm to base 2 within 2 ULP; exact for powers of two. */
double i8x_fmath_log2_f64(double x);
/** Logarithm to base 10 within 2 ULP. */
double i8x_fmath_log10_f64(double x);

#endif
