/* SPDX-License-Identifier: Apache-2.0
 *
 * All 65,536 halves both ways, and roundings against vectors made by Python's struct module (which
 * rounds to nearest even on its own).
 */
#include <math.h>
#include <stdlib.h>

#include "core/base/half.h"
#include "tests/support/golden.h"
#include "tests/support/suite.h"

START_TEST(every_half_survives_the_way_to_float_and_back)
{
    for (uint32_t half = 0; half < 0x10000; half++) {
        const float value = i8x_half_to_f32((uint16_t)half);
        const uint32_t exponent = half >> 10 & 31, fraction = half & 0x3ff;
        if (exponent == 31 && fraction != 0) {
            ck_require(isnan(value) && i8x_half_from_f32(value) == (half | 0x200), /* made quiet */
                       "NaN %04x", half);
            continue;
        }
        ck_require(i8x_half_from_f32(value) == half, "%04x", half);
        const float magnitude = exponent == 31 ? INFINITY
                                : exponent == 0
                                    ? ldexpf((float)fraction, -24)
                                    : ldexpf((float)(fraction + 1024), (int)exponent - 25);
        ck_require(fabsf(value) == magnitude && (signbit(value) != 0) == half >> 15, "%04x", half);
    }
}
END_TEST

START_TEST(every_bfloat_survives_the_way_to_float_and_back)
{
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        const float value = i8x_bf16_to_f32((uint16_t)bits);
        ck_require(i8x_bf16_from_f32(value) == (isnan(value) ? bits | 0x40 : bits), "%04x", bits);
    }
}
END_TEST

START_TEST(rounding_equals_the_golden_vectors)
{
    char *fields[3];
    i8x_golden *golden = i8x_golden_open(I8X_TEST_SOURCE_DIR, "half/rounding.txt");
    while (i8x_golden_next(golden, fields, 3)) {
        const float value = i8x_half_f32_from_bits((uint32_t)strtoul(fields[0], NULL, 16));
        ck_assert_msg(i8x_half_from_f32(value) == strtoul(fields[1], NULL, 16),
                      "f16 of %s gives %04x", fields[0], i8x_half_from_f32(value));
        ck_assert_msg(i8x_bf16_from_f32(value) == strtoul(fields[2], NULL, 16),
                      "bf16 of %s gives %04x", fields[0], i8x_bf16_from_f32(value));
    }
    i8x_golden_close(golden, 2000);
}
END_TEST

START_TEST(nan_stays_nan_and_overflow_is_infinity)
{
    ck_assert_uint_eq(i8x_half_from_f32(i8x_half_f32_from_bits(0x7f800001)), 0x7e00);
    ck_assert_uint_eq(i8x_half_from_f32(i8x_half_f32_from_bits(0xffffffff)), 0xffff);
    ck_assert_uint_eq(i8x_bf16_from_f32(i8x_half_f32_from_bits(0x7f800001)), 0x7fc0);
    ck_assert_uint_eq(i8x_half_from_f32(65519.996f), 0x7bff);
    ck_assert_uint_eq(i8x_half_from_f32(65520.0f), 0x7c00);
    ck_assert_uint_eq(i8x_half_from_f32(-1e30f), 0xfc00);
    ck_assert_uint_eq(i8x_bf16_from_f32(3.4e38f), 0x7f80);
}
END_TEST

Suite *check_half_suite(void)
{
    const TTest *tests[] = {
        every_half_survives_the_way_to_float_and_back,
        every_bfloat_survives_the_way_to_float_and_back,
        rounding_equals_the_golden_vectors,
        nan_stays_nan_and_overflow_is_infinity,
    };
    return i8x_suite("half", tests, sizeof tests / sizeof tests[0]);
}
