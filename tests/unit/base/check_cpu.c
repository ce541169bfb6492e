/* SPDX-License-Identifier: Apache-2.0
 *
 * Levels and clocks of the machine the test runs on: little can be demanded, but that little must
 * hold.
 */
#include <string.h>

#include "int8x/clock.h"
#include "int8x/cpu.h"
#include "tests/support/fake_clock.h"
#include "tests/support/suite.h"

START_TEST(detected_level_can_be_parsed_and_others_are_told_apart)
{
    int known = 0;
    i8x_cpu_level level = I8X_CPU_SCALAR;
    ck_assert_ok(i8x_cpu_level_parse(i8x_cpu_level_name(i8x_cpu_detect()), &level));
    ck_assert_int_eq(level, i8x_cpu_detect());
    for (int i = 0; i < I8X_CPU_LEVEL_COUNT; i++) {
        const char *name = i8x_cpu_level_name((i8x_cpu_level)i);
        const i8x_status status = i8x_cpu_level_parse(name, &level);
        ck_assert(status == I8X_OK || status == I8X_EUNSUPPORTED);
        if (status == I8X_OK)
            ck_assert_int_eq(level, i);
        known += status == I8X_OK;
    }
    ck_assert_int_ge(known, 1);
    ck_assert_ok(i8x_cpu_level_parse("scalar", &level));
    ck_assert_status(i8x_cpu_level_parse("sse9", &level), I8X_EARG);
    ck_assert_status(i8x_cpu_level_parse(NULL, &level), I8X_EARG);
    ck_assert_str_eq(i8x_cpu_level_name(I8X_CPU_LEVEL_COUNT), "?");
}
END_TEST

START_TEST(levels_belong_to_the_architecture)
{
    const i8x_cpu_level level = i8x_cpu_detect();
#if defined(__x86_64__)
    ck_assert_int_ne(level, I8X_CPU_NEON);
#elif defined(__aarch64__)
    ck_assert_int_eq(level, I8X_CPU_NEON); /* Advanced SIMD is part of every aarch64 we run on */
#else
    ck_assert(level == I8X_CPU_NEON || level == I8X_CPU_SCALAR);
#endif
    ck_assert_int_ge(i8x_cpu_count(), 1);
}
END_TEST

START_TEST(features_agree_with_the_level_and_keep_to_their_room)
{
    char text[256], small[8];
    ck_assert_str_eq(i8x_cpu_features(text, sizeof text), text);
    const i8x_cpu_level level = i8x_cpu_detect();
    ck_assert(level < I8X_CPU_AVX2 || strstr(text, "avx2") != NULL);
    ck_assert(level < I8X_CPU_AVX512 || strstr(text, "avx512vnni") != NULL);
#if defined(__aarch64__)
    ck_assert_ptr_nonnull(strstr(text, "asimd"));
#endif
    for (size_t size = 1; size <= sizeof small; size++) {
        memset(small, 'x', sizeof small);
        i8x_cpu_features(small, size);
        ck_assert_uint_lt(strlen(small), size);
        ck_assert(small[0] == 0 || strstr(text, small) != NULL);
    }
}
END_TEST

START_TEST(monotonic_time_and_cpu_time_go_forward)
{
    const int64_t start = i8x_clock_now_ns(NULL), cpu = i8x_clock_process_cpu_ns();
    volatile unsigned work = 0;
    for (unsigned i = 0; i < 3000000; i++)
        work += i;
    ck_assert_int_gt(i8x_clock_now_ns(i8x_clock_monotonic()), start);
    ck_assert_int_gt(i8x_clock_process_cpu_ns(), cpu);
}
END_TEST

START_TEST(a_fake_clock_moves_when_told)
{
    i8x_fake_clock fake;
    i8x_fake_clock_init(&fake, 50);
    ck_assert_int_eq(i8x_clock_now_ns(&fake.clock), 50);
    i8x_fake_clock_advance(&fake, 7);
    ck_assert_int_eq(i8x_clock_now_ns(&fake.clock), 57);
}
END_TEST

START_TEST(peak_memory_is_known_on_linux)
{
    const size_t peak = i8x_clock_peak_rss_bytes();
    ck_assert_uint_gt(peak, 100 << 10);
    ck_assert_uint_lt(peak / 1024, 64u << 20);
}
END_TEST

Suite *check_cpu_suite(void)
{
    const TTest *tests[] = {
        detected_level_can_be_parsed_and_others_are_told_apart,
        levels_belong_to_the_architecture,
        features_agree_with_the_level_and_keep_to_their_room,
        monotonic_time_and_cpu_time_go_forward,
        a_fake_clock_moves_when_told,
        peak_memory_is_known_on_linux,
    };
    return i8x_suite("cpu", tests, sizeof tests / sizeof tests[0]);
}
