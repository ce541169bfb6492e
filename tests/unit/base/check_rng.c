/* SPDX-License-Identifier: Apache-2.0
 *
 * The sequence is part of the result of every seeded task, so it is frozen: golden vectors by an
 * independent implementation in Python; plus the crude statistics a broken mix would fail.
 */
#include <math.h>
#include <stdlib.h>

#include "core/base/rng.h"
#include "tests/support/golden.h"
#include "tests/support/suite.h"

START_TEST(sequence_streams_and_normals_equal_the_golden_vectors)
{
    char *fields[6];
    i8x_golden *golden = i8x_golden_open(I8X_TEST_SOURCE_DIR, "rng/sequence.txt");
    while (i8x_golden_next(golden, fields, 6)) {
        const uint64_t seed = strtoull(fields[0], NULL, 16), index = strtoull(fields[1], NULL, 16);
        ck_assert_uint_eq(i8x_rng_u64(seed, index), strtoull(fields[2], NULL, 16));
        ck_assert_uint_eq(i8x_rng_stream(seed, index), strtoull(fields[3], NULL, 16));
        ck_assert_uint_eq(i8x_rng_below(seed, index, 1000003), strtoull(fields[4], NULL, 10));
        const double wanted = strtod(fields[5], NULL);
        ck_assert_double_le(fabs(i8x_rng_normal(seed, index) - wanted), 2e-13 * fabs(wanted));
    }
    i8x_golden_close(golden, 100);
}
END_TEST

START_TEST(first_outputs_are_those_of_the_published_splitmix64)
{
    ck_assert_uint_eq(i8x_rng_u64(0, 0), UINT64_C(0xe220a8397b1dcdaf));
    ck_assert_uint_eq(i8x_rng_u64(0, 1), UINT64_C(0x6e789e6aa1b965f4));
    ck_assert_uint_eq(i8x_rng_u64(1234567, 0), UINT64_C(6457827717110365317));
}
END_TEST

START_TEST(uniforms_stay_in_their_interval_and_fill_it)
{
    double sum = 0, sum_squares = 0;
    int buckets[16] = {0}, below[7] = {0};
    const int count = 64000;
    for (int i = 0; i < count; i++) {
        const float f = i8x_rng_f32(42, (uint64_t)i);
        const double d = i8x_rng_f64(43, (uint64_t)i);
        ck_require(f >= 0 && f < 1 && d >= 0 && d < 1, "index %d", i);
        buckets[(int)(f * 16)]++;
        below[i8x_rng_below(44, (uint64_t)i, 7)]++;
        sum += d;
        sum_squares += d * d;
        const float range = i8x_rng_range_f32(45, (uint64_t)i, -2.0f, 3.0f);
        ck_require(range >= -2.0f && range <= 3.0f, "index %d", i);
    }
    ck_assert_double_le(fabs(sum / count - 0.5), 0.005);
    ck_assert_double_le(fabs(sum_squares / count - 1.0 / 3), 0.005);
    for (int i = 0; i < 16; i++)
        ck_assert_int_le(abs(buckets[i] - count / 16), 300);
    for (int i = 0; i < 7; i++)
        ck_assert_int_le(abs(below[i] - count / 7), 450);
    ck_assert_uint_eq(i8x_rng_below(1, 1, 0), 0);
    ck_assert_uint_eq(i8x_rng_below(1, 1, 1), 0);
}
END_TEST

START_TEST(normals_have_mean_0_variance_1_and_kurtosis_3)
{
    double moments[5] = {0};
    const int count = 100000;
    for (int i = 0; i < count; i++) {
        const double x = i8x_rng_normal(7, (uint64_t)i);
        double power = 1;
        for (int k = 1; k < 5; k++)
            moments[k] += (power *= x) / count;
    }
    ck_assert_double_le(fabs(moments[1]), 0.015);
    ck_assert_double_le(fabs(moments[2] - 1), 0.02);
    ck_assert_double_le(fabs(moments[3]), 0.05);
    ck_assert_double_le(fabs(moments[4] - 3), 0.15);
}
END_TEST

START_TEST(a_flipped_input_bit_flips_about_half_of_the_output)
{
    int flips = 0;
    for (int bit = 0; bit < 64; bit++)
        for (uint64_t i = 0; i < 100; i++) {
            const uint64_t a = i8x_rng_u64(i8x_rng_stream(9, i), 5);
            const uint64_t b = i8x_rng_u64(i8x_rng_stream(9 ^ UINT64_C(1) << bit, i), 5);
            flips += __builtin_popcountll(a ^ b);
        }
    ck_assert_int_le(abs(flips - 6400 * 32), 6400 * 32 / 50);
}
END_TEST

Suite *check_rng_suite(void)
{
    const TTest *tests[] = {
        sequence_streams_and_normals_equal_the_golden_vectors,
        first_outputs_are_those_of_the_published_splitmix64,
        uniforms_stay_in_their_interval_and_fill_it,
        normals_have_mean_0_variance_1_and_kurtosis_3,
        a_flipped_input_bit_flips_about_half_of_the_output,
    };
    return i8x_suite("rng", tests, sizeof tests / sizeof tests[0]);
}
