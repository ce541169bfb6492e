/* SPDX-License-Identifier: Apache-2.0
 *
 * exp, log, tanh, erf, sigmoid over blocks of sixteen: the operations of core/base/fmath.h in the
 * same order, with a select in place of each early return. Lanes that a select throws away may hold
 * anything.
 */
#include "core/base/fmath_constants.h"

#define C(x) v16f_set(I8X_FMATH_##x)

static inline v16f v16f_abs(v16f x)
{
    return v16f_bits(v16i_and(v16i_bits(x), v16i_set(0x7fffffff)));
}

static inline v16f v16f_copysign(v16f x, v16f sign)
{
    return v16f_bits(v16i_or(v16i_and(v16i_bits(x), v16i_set(0x7fffffff)),
                             v16i_and(v16i_bits(sign), v16i_set(INT32_MIN))));
}

static inline v16f pow2_block(v16i n)
{
    return v16f_bits(v16i_shl(v16i_add(n, v16i_set(127)), 23));
}

static inline v16f exp_block(v16f x)
{
    v16f t = v16f_fma(x, C(LOG2E), C(ROUND));
    v16f n = v16f_sub(t, C(ROUND));
    v16i i = v16i_sub(v16i_bits(t), v16i_set(I8X_FMATH_ROUND_BITS));
    v16f r = v16f_fma(n, v16f_set(-I8X_FMATH_LN2_HI), x);
    r = v16f_fma(n, v16f_set(-I8X_FMATH_LN2_LO), r);
    v16f p = v16f_fma(C(E4), r, C(E3));
    p = v16f_fma(p, r, C(E2));
    p = v16f_fma(p, r, C(E1));
    p = v16f_fma(p, r, C(E0));
    v16f y = v16f_add(v16f_fma(p, v16f_mul(r, r), r), v16f_set(1.0f));
    v16i half = v16i_sar(i, 1);
    y = v16f_mul(v16f_mul(y, pow2_block(half)), pow2_block(v16i_sub(i, half)));
    y = v16f_select(v16f_lt(x, C(EXP_MIN)), v16f_set(0.0f), y);
    return v16f_select(v16f_lt(C(EXP_MAX), x), v16f_set(INFINITY), y);
}

static inline v16f log_block(v16f x)
{
    v16i bits = v16i_bits(x), given = bits;
    v16m denormal = v16i_lt(bits, v16i_set(0x00800000));
    bits = v16i_bits(v16f_select(denormal, v16f_from_i(bits), x));
    v16i shift = v16i_bits(v16f_select(denormal, v16f_bits(v16i_set(-149)), v16f_set(0.0f)));
    v16i k = v16i_sar(v16i_sub(bits, v16i_set(I8X_FMATH_SQRT_HALF_BITS)), 23);
    v16f e = v16f_from_i(v16i_add(k, shift));
    v16f r = v16f_sub(v16f_bits(v16i_sub(bits, v16i_shl(k, 23))), v16f_set(1.0f));
    v16f p = v16f_fma(C(L7), r, C(L6));
    p = v16f_fma(p, r, C(L5));
    p = v16f_fma(p, r, C(L4));
    p = v16f_fma(p, r, C(L3));
    p = v16f_fma(p, r, C(L2));
    p = v16f_fma(p, r, C(L1));
    p = v16f_fma(p, r, C(L0));
    v16f s = v16f_mul(r, r);
    v16f q = v16f_fma(s, v16f_fma(p, r, v16f_set(-0.5f)), v16f_mul(e, C(LN2_LO)));
    v16f y = v16f_fma(e, C(LN2_HI), v16f_add(q, r));
    y = v16f_select(v16i_lt(v16i_set(0x7f7fffff), given), x, y); /* infinity, NaN */
    y = v16f_select(v16i_lt(given, v16i_set(0)), v16f_set(NAN), y);
    v16i magnitude = v16i_and(given, v16i_set(0x7fffffff));
    return v16f_select(v16i_lt(magnitude, v16i_set(1)), v16f_set(-INFINITY), y);
}

static inline v16f tanh_block(v16f x)
{
    v16f a = v16f_abs(x), one = v16f_set(1.0f);
    v16f s = v16f_mul(x, x);
    v16f p = v16f_fma(C(T4), s, C(T3));
    p = v16f_fma(p, s, C(T2));
    p = v16f_fma(p, s, C(T1));
    p = v16f_fma(p, s, C(T0));
    v16f small = v16f_fma(v16f_mul(x, s), p, x);
    v16f e = exp_block(v16f_add(a, a));
    v16f y = v16f_sub(one, v16f_div(v16f_set(2.0f), v16f_add(e, one)));
    y = v16f_copysign(v16f_select(v16f_le(C(TANH_MAX), a), one, y), x);
    y = v16f_select(v16f_lt(a, C(TANH_SMALL)), small, y);
    return v16f_select(v16f_lt(a, v16f_set(0x1p-12f)), x, y);
}

static inline v16f erf_block(v16f x)
{
    v16f a = v16f_abs(x), one = v16f_set(1.0f);
    v16f s = v16f_mul(x, x);
    v16f p = v16f_fma(C(F5), s, C(F4));
    p = v16f_fma(p, s, C(F3));
    p = v16f_fma(p, s, C(F2));
    p = v16f_fma(p, s, C(F1));
    p = v16f_fma(p, s, C(F0));
    v16f small = v16f_fma(p, x, x);
    v16f q = v16f_fma(C(G6), a, C(G5));
    q = v16f_fma(q, a, C(G4));
    q = v16f_fma(q, a, C(G3));
    q = v16f_fma(q, a, C(G2));
    q = v16f_fma(q, a, C(G1));
    q = v16f_fma(q, a, C(G0));
    v16f e = exp_block(v16f_fma(q, a, v16f_sub(v16f_set(0.0f), a)));
    v16f y = v16f_select(v16f_le(C(ERF_MAX), a), one, v16f_sub(one, e));
    return v16f_select(v16f_lt(a, C(ERF_SMALL)), small, v16f_copysign(y, x));
}

static inline v16f sigmoid_block(v16f x)
{
    v16f one = v16f_set(1.0f);
    v16f minus = v16f_bits(v16i_add(v16i_bits(x), v16i_set(INT32_MIN)));
    v16f y = v16f_div(one, v16f_add(one, exp_block(minus)));
    return v16f_select(v16f_lt(x, C(SIGMOID_MIN)), v16f_set(0.0f), y);
}

#define POLY(name)                                                                                 \
    void THIS(name##_f32)(const float *x, float *y, size_t n)                                      \
    {                                                                                              \
        size_t i = 0;                                                                              \
        for (; i + 16 <= n; i += 16)                                                               \
            v16f_store(y + i, name##_block(v16f_load(x + i)));                                     \
        if (i < n)                                                                                 \
            v16f_store_n(y + i, n - i, name##_block(v16f_load_n(x + i, n - i)));                   \
    }

POLY(erf)
POLY(exp)
POLY(log)
POLY(sigmoid)
POLY(tanh)

#undef C
