/* SPDX-License-Identifier: Apache-2.0
 *
 * Double-precision exp and logarithms from fma and plain arithmetic. Logarithms: x = 2^e m with m
 * in [sqrt(1/2), sqrt(2)), ln m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.1716, by its series
 * up to s^23 (the rest is below 2^-61 of the result). exp: x = n ln2 + r and the series of e^r up
 * to r^13. Coefficients are the correctly rounded reciprocals of odd numbers and of factorials.
 */
#include "core/base/fmath.h"

#define LN2_HI 0x1.62e42fefa38p-1 /* 42 bits: n * HI is exact for |n| < 2^11 */
#define LN2_LO 0x1.ef35793c7673p-45
#define LOG2E 0x1.71547652b82fep+0
#define LOG2E_LO 0x1.777d0ffda0d24p-56
#define LOG10E 0x1.bcb7b1526e50ep-2
#define LOG10_2_HI 0x1.34413509f78p-2 /* 42 bits */
#define LOG10_2_LO 0x1.fef311f12b358p-46
#define ROUND_F64 0x1.8p52

typedef struct log_parts {
    double e;    /* exponent */
    double high; /* ln m = high + low */
    double low;
} log_parts;

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double from_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/*
 * x is positive and finite. 2s is split: s is a rounded quotient, and its residual, which fma gives
 * exactly, goes into the low part; so the sum is good to well under one unit in the last place.
 */
static log_parts log_split(double x)
{
    uint64_t bits = bits_of(x);
    int64_t shift = 0;
    if (bits < UINT64_C(0x0010000000000000)) { /* denormal */
        bits = bits_of((double)(int64_t)bits);
        shift = -1074;
    }
    const int64_t k = (int64_t)(bits - UINT64_C(0x3fe6a09e667f3bcd)) >> 52; /* sqrt(1/2); floor */
    const double m = from_bits(bits - ((uint64_t)k << 52));
    const double above = m - 1.0, below = m + 1.0;
    const double below_low = m - (below - 1.0); /* what m + 1 lost; exact */
    const double s = above / below;
    const double residual = (fma(-s, below, above) - s * below_low) / below;
    static const double odd[] = {1.0 / 23, 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13,
                                 1.0 / 11, 1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3};
    const double z = s * s;
    double p = odd[0];
    for (size_t i = 1; i < sizeof odd / sizeof odd[0]; i++)
        p = fma(p, z, odd[i]);
    return (log_parts){(double)(k + shift), 2.0 * s, 2.0 * fma(s * z, p, residual)};
}

/* Results outside the positive finite numbers; true if x is one of those. */
static int log_special(double x, double *result)
{
    if (x > 0 && x <= DBL_MAX)
        return 0;
    *result = x == 0 ? -INFINITY : (x > 0 ? x : NAN);
    return 1;
}

double i8x_fmath_log_f64(double x)
{
    double special;
    if (log_special(x, &special))
        return special;
    const log_parts parts = log_split(x);
    return fma(parts.e, LN2_HI, parts.high + fma(parts.e, LN2_LO, parts.low));
}

double i8x_fmath_log2_f64(double x)
{
    double special;
    if (log_special(x, &special))
        return special;
    const log_parts parts = log_split(x);
    const double product = parts.high * LOG2E;
    const double rest =
        fma(parts.high, LOG2E, -product) + fma(parts.low, LOG2E, parts.high * LOG2E_LO);
    return parts.e + (product + rest);
}

double i8x_fmath_log10_f64(double x)
{
    double special;
    if (log_special(x, &special))
        return special;
    const log_parts parts = log_split(x);
    const double rest = fma(parts.low, LOG10E, parts.e * LOG10_2_LO);
    return fma(parts.e, LOG10_2_HI, fma(parts.high, LOG10E, rest));
}

double i8x_fmath_exp_f64(double x)
{
    if (x != x)
        return x + x;
    if (x < -708.39)
        return 0;
    if (x > 0x1.62e42fefa39efp+9)
        return INFINITY;
    const double t = fma(x, LOG2E, ROUND_F64);
    const double n = t - ROUND_F64;
    const int64_t i = (int64_t)(bits_of(t) - bits_of(ROUND_F64));
    const double r = fma(n, -LN2_LO, fma(n, -LN2_HI, x));
    static const double inverse_factorial[] = {
        1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320,
        1.0 / 5040,       1.0 / 720,       1.0 / 120,      1.0 / 24,      1.0 / 6,      1.0 / 2};
    double p = inverse_factorial[0];
    for (size_t k = 1; k < sizeof inverse_factorial / sizeof inverse_factorial[0]; k++)
        p = fma(p, r, inverse_factorial[k]);
    const double y = 1.0 + fma(p, r * r, r);
    const int64_t half = i >> 1; /* floor */
    return y * from_bits((uint64_t)(half + 1023) << 52) *
           from_bits((uint64_t)(i - half + 1023) << 52);
}
