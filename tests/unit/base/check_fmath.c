/* SPDX-License-Identifier: Apache-2.0
 *
 * ULP bounds against long double (80-bit on x86, 128-bit on aarch64; on armv7 long double is
 * double, which is still 2^29 times finer than float), over all signs and magnitudes; special
 * values; and a frozen digest of results, so that a changed bit on any machine is seen.
 */
#include <float.h>
#include <stdlib.h>

#include "core/base/fmath.h"
#include "int8x/digest.h"
#include "tests/support/suite.h"

/*
 * Where long double is done in software (aarch64: 128 bits) fewer samples are taken: that the bits
 * are those of the other machines is shown by results_are_the_same_bits_on_every_machine.
 */
#define SLOW_TRUTH (LDBL_MANT_DIG > 64)

typedef float (*float_fn)(float);
typedef long double (*true_fn)(long double);

/* The functions are static inline: these are their addressable forms. */
static float call_exp(float x)
{
    return i8x_fmath_exp(x);
}

static float call_log(float x)
{
    return i8x_fmath_log(x);
}

static float call_tanh(float x)
{
    return i8x_fmath_tanh(x);
}

static float call_erf(float x)
{
    return i8x_fmath_erf(x);
}

static float call_sigmoid(float x)
{
    return i8x_fmath_sigmoid(x);
}

static long double true_sigmoid(long double x)
{
    return 1 / (1 + expl(-x));
}

/* |got - wanted| in units of the last place of the nearest digits-bit numbers. */
static long double ulp_error(long double got, long double wanted, int digits, int exponent_min)
{
    int exponent;
    (void)frexpl(fabsl(wanted), &exponent);
    if (exponent < exponent_min)
        exponent = exponent_min;
    return fabsl(got - wanted) / ldexpl(1, exponent - digits);
}

/* Every step-th float, of both signs, whose true result is finite and not flushed. */
static void expect_ulp(float_fn fn, true_fn truth, long double bound, int flushes)
{
    /* primes: all bit patterns of the low fraction are met */
    const uint32_t step = SLOW_TRUTH ? 100003 : 4001;
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += step) {
        const float x = i8x_fmath_from_bits((uint32_t)bits);
        const long double wanted = truth((long double)x);
        if (isnan(wanted) || fabsl(wanted) > FLT_MAX)
            continue;
        const float got = fn(x);
        if (flushes && wanted < FLT_MIN * 1.0001L && got == 0)
            continue;
        const long double error = ulp_error((long double)got, wanted, 24, -125);
        ck_require(error <= bound, "%.3Lf ULP at %a", error, (double)x);
    }
}

START_TEST(exp_is_within_2_ulp)
{
    expect_ulp(call_exp, expl, 1.1L, 1);
}
END_TEST

START_TEST(log_is_within_1_ulp)
{
    expect_ulp(call_log, logl, 1.0L, 0);
}
END_TEST

START_TEST(tanh_is_within_2_ulp)
{
    expect_ulp(call_tanh, tanhl, 2.0L, 0);
}
END_TEST

START_TEST(erf_is_within_2_ulp)
{
    expect_ulp(call_erf, erfl, 2.0L, 0);
}
END_TEST

START_TEST(sigmoid_is_within_3_ulp)
{
    expect_ulp(call_sigmoid, true_sigmoid, 3.0L, 1);
}
END_TEST

START_TEST(special_values_are_as_stated)
{
    const float_fn fns[] = {call_exp, call_log, call_tanh, call_erf, call_sigmoid};
    for (size_t i = 0; i < sizeof fns / sizeof fns[0]; i++)
        ck_assert(isnan(fns[i](NAN)) && isnan(fns[i](-NAN)));
    ck_assert(i8x_fmath_exp(-INFINITY) == 0 && i8x_fmath_exp(INFINITY) == INFINITY);
    ck_assert(i8x_fmath_exp(0.0f) == 1 && i8x_fmath_exp(-0.0f) == 1);
    ck_assert(i8x_fmath_exp(I8X_FMATH_EXP_MIN) >= FLT_MIN);
    ck_assert(i8x_fmath_exp(nextafterf(I8X_FMATH_EXP_MIN, -100)) == 0);
    ck_assert(i8x_fmath_exp(I8X_FMATH_EXP_MAX) <= FLT_MAX);
    ck_assert(i8x_fmath_exp(nextafterf(I8X_FMATH_EXP_MAX, 100)) == INFINITY);
    ck_assert(i8x_fmath_log(0.0f) == -INFINITY && i8x_fmath_log(-0.0f) == -INFINITY);
    ck_assert(isnan(i8x_fmath_log(-1.0f)) && isnan(i8x_fmath_log(-INFINITY)));
    ck_assert(i8x_fmath_log(INFINITY) == INFINITY && i8x_fmath_log(1.0f) == 0);
    ck_assert(i8x_fmath_tanh(INFINITY) == 1 && i8x_fmath_tanh(-INFINITY) == -1);
    ck_assert(i8x_fmath_erf(INFINITY) == 1 && i8x_fmath_erf(-INFINITY) == -1);
    ck_assert(i8x_fmath_sigmoid(-INFINITY) == 0 && i8x_fmath_sigmoid(INFINITY) == 1);
    ck_assert(i8x_fmath_sigmoid(0.0f) == 0.5f);
    ck_assert(i8x_fmath_sqrt(2.0f) == 0x1.6a09e6p0f && isnan(i8x_fmath_sqrt(-1.0f)));
    const float tiny = i8x_fmath_from_bits(1);
    ck_assert_uint_eq(i8x_fmath_bits(i8x_fmath_tanh(-tiny)), 0x80000001u);
    ck_assert(signbit(i8x_fmath_tanh(-0.0f)) && signbit(i8x_fmath_erf(-0.0f)));
}
END_TEST

START_TEST(odd_functions_are_odd_and_all_stay_in_their_range)
{
    for (uint64_t bits = 0; bits < 0x7f800000u; bits += SLOW_TRUTH ? 100003 : 10007) {
        const float x = i8x_fmath_from_bits((uint32_t)bits);
        ck_require(i8x_fmath_tanh(-x) == -i8x_fmath_tanh(x) && i8x_fmath_tanh(x) <= 1, "at %a",
                   (double)x);
        ck_require(i8x_fmath_erf(-x) == -i8x_fmath_erf(x) && i8x_fmath_erf(x) <= 1, "at %a",
                   (double)x);
        ck_require(i8x_fmath_sigmoid(x) <= 1 && i8x_fmath_sigmoid(-x) >= 0, "at %a", (double)x);
        const float s = i8x_fmath_sigmoid(-x); /* 0 or normal, never denormal */
        ck_require(s == 0 || s >= FLT_MIN, "at %a", (double)x);
    }
}
END_TEST

START_TEST(double_functions_are_within_2_ulp)
{
    if (LDBL_MANT_DIG <= DBL_MANT_DIG) {
        i8x_test_skip("double_functions_are_within_2_ulp", "long double is double here");
        return;
    }
    for (int i = 1; i < 400000; i += SLOW_TRUTH ? 41 : 1) {
        const double y = -700 + 1400.0 * i / 400000;
        double x = i % 2 ? (double)expl((long double)y) : 1 + (i - 200000) * 3e-6;
        if (x <= 0 || x == 1)
            x = 0.75;
        const long double wide = (long double)x;
        const long double errors[] = {
            ulp_error((long double)i8x_fmath_exp_f64(y), expl((long double)y), 53, -1021),
            ulp_error((long double)i8x_fmath_log_f64(x), logl(wide), 53, -1021),
            ulp_error((long double)i8x_fmath_log2_f64(x), log2l(wide), 53, -1021),
            ulp_error((long double)i8x_fmath_log10_f64(x), log10l(wide), 53, -1021),
        };
        for (int k = 0; k < 4; k++)
            ck_require(errors[k] <= 2, "function %d: %.3Lf ULP at %a or %a", k, errors[k], y, x);
    }
}
END_TEST

START_TEST(double_special_values_are_as_stated)
{
    for (int i = -1074; i < 1024; i++)
        ck_require(i8x_fmath_log2_f64(ldexp(1, i)) == i, "2^%d", i);
    ck_assert(i8x_fmath_log_f64(0) == -INFINITY && isnan(i8x_fmath_log_f64(-1)));
    ck_assert(i8x_fmath_log_f64(1) == 0 && i8x_fmath_log10_f64(1) == 0);
    ck_assert(i8x_fmath_log10_f64(INFINITY) == INFINITY && isnan(i8x_fmath_log2_f64(NAN)));
    ck_assert(i8x_fmath_log10_f64(1000) == 3);
    ck_assert(i8x_fmath_exp_f64(0) == 1 && i8x_fmath_exp_f64(-INFINITY) == 0);
    ck_assert(i8x_fmath_exp_f64(INFINITY) == INFINITY && isnan(i8x_fmath_exp_f64(NAN)));
    ck_assert(i8x_fmath_exp_f64(-708.4) == 0 && i8x_fmath_exp_f64(-708.3) >= DBL_MIN);
    ck_assert(i8x_fmath_exp_f64(709.78) < INFINITY && i8x_fmath_exp_f64(709.79) == INFINITY);
}
END_TEST

/* Digest of the results of all functions on 200,000 floats and 20,000 doubles. */
static i8x_digest digest_of_results(void)
{
    const float_fn fns[] = {call_exp, call_log, call_tanh, call_erf, call_sigmoid};
    i8x_digest_stream *stream;
    ck_assert_ok(i8x_digest_stream_new(&stream));
    for (uint32_t i = 0; i < 200000; i++) {
        const float x = i8x_fmath_from_bits(i * 21474u + (i & 1 ? 0x80000000u : 0u));
        for (size_t k = 0; k < sizeof fns / sizeof fns[0]; k++) {
            const float y = fns[k](x);
            const uint32_t bits = isnan(y) ? 0x7fc00000u : i8x_fmath_bits(y);
            i8x_digest_stream_add(stream, &bits, sizeof bits);
        }
    }
    for (int i = 1; i < 20000; i++) {
        const double x = ldexp(i, i % 200 - 100);
        const double y[] = {i8x_fmath_exp_f64(ldexp(i - 10000, -5)), i8x_fmath_log_f64(x),
                            i8x_fmath_log2_f64(x), i8x_fmath_log10_f64(x)};
        i8x_digest_stream_add(stream, y, sizeof y);
    }
    return i8x_digest_stream_end(stream);
}

START_TEST(results_are_the_same_bits_on_every_machine)
{
    char hex[I8X_DIGEST_HEX_SIZE];
    const i8x_digest digest = digest_of_results();
    ck_assert_str_eq(i8x_digest_to_hex(&digest, hex),
                     "be5c716d6ad5c2ff171fb7333dd8619bc95a34d21b48872eee48ee3a3f855e43");
}
END_TEST

Suite *check_fmath_suite(void)
{
    const TTest *tests[] = {
        exp_is_within_2_ulp,
        log_is_within_1_ulp,
        tanh_is_within_2_ulp,
        erf_is_within_2_ulp,
        sigmoid_is_within_3_ulp,
        special_values_are_as_stated,
        odd_functions_are_odd_and_all_stay_in_their_range,
        double_functions_are_within_2_ulp,
        double_special_values_are_as_stated,
        results_are_the_same_bits_on_every_machine,
    };
    return i8x_suite("fmath", tests, sizeof tests / sizeof tests[0]);
}
