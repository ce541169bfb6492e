/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranges, and the scale and zero point made of them: what every method must keep (0 inside, bounds
 * respected) and what sets each one apart (outliers are cut, or not).
 */
#include <math.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/kernels/kernels.h"
#include "core/quant/range.h"
#include "tests/support/suite.h"

static i8x_arena *arena;
static float data[20000];

static i8x_histogram histogram_of(const float *x, size_t count)
{
    static uint32_t bins[I8X_LOGHIST_BINS];
    i8x_histogram_sum sum;
    i8x_histogram h;
    float min, max;
    i8x_histogram_sum_init(&sum);
    (void)i8x_kernels_get()->minmax_f32(x, count, &min, &max);
    i8x_kernels_get()->loghist_f32(x, count, bins);
    ck_assert_ok(i8x_histogram_sum_dense(&sum, bins, count, min, max, arena));
    ck_assert_ok(i8x_histogram_sum_finish(&sum, 0, arena, &h));
    return h;
}

/* Sums of twelve uniform numbers: nearly normal, plus one element far out. */
static i8x_histogram bell(float outlier)
{
    for (int i = 0; i < 20000; i++) {
        data[i] = -6;
        for (int k = 0; k < 12; k++)
            data[i] += i8x_rng_f32(5, (uint64_t)(i * 12 + k));
    }
    data[777] = outlier;
    return histogram_of(data, 20000);
}

static i8x_range choose(const i8x_histogram *h, i8x_clip clip, float lo, float hi)
{
    i8x_range_opts opts = {.target = i8x_target_info_get(I8X_TARGET_ORT_X86),
                           .percentile = 99.9,
                           .bound_lo = lo,
                           .bound_hi = hi};
    i8x_range range;
    ck_assert_ok(i8x_range_choose(h, clip, &opts, &range));
    return range;
}

static double error_of(const i8x_histogram *h, const i8x_target_info *target, i8x_range range)
{
    double error;
    ck_assert_ok(i8x_range_error(h, target, range, &error));
    return error;
}

static const i8x_clip methods[] = {I8X_CLIP_MINMAX, I8X_CLIP_PERCENTILE, I8X_CLIP_MSE, I8X_CLIP_KL};

START_TEST(minmax_is_the_whole_range_and_percentile_and_kl_cut_an_outlier)
{
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_histogram h = bell(60.0f);
    i8x_range whole = choose(&h, I8X_CLIP_MINMAX, -INFINITY, INFINITY);
    ck_assert_float_eq(whole.hi, 60.0f);
    ck_assert_float_eq(whole.lo, h.min);
    const i8x_clip cutters[] = {I8X_CLIP_PERCENTILE, I8X_CLIP_KL};
    for (int m = 0; m < 2; m++) { /* least squares keeps it: 55^2 outweighs the finer steps */
        i8x_range cut = choose(&h, cutters[m], -INFINITY, INFINITY);
        ck_assert_msg(cut.hi < 20.0f && cut.hi > 2.0f, "method %d: %g", m, (double)cut.hi);
        ck_assert(cut.lo < 0 && cut.lo >= h.min);
    }
    i8x_arena_free(arena);
}
END_TEST

START_TEST(mse_has_the_least_error_of_the_methods)
{
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_histogram h = bell(25.0f);
    const i8x_target_info *target = i8x_target_info_get(I8X_TARGET_ORT_X86);
    double least = error_of(&h, target, choose(&h, I8X_CLIP_MSE, -INFINITY, INFINITY));
    for (int m = 0; m < 4; m++)
        ck_assert_double_le(
            least, error_of(&h, target, choose(&h, methods[m], -INFINITY, INFINITY)) * 1.0000001);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(the_histogram_error_is_that_of_the_elements)
{
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_histogram h = bell(9.0f);
    const i8x_target_info *target = i8x_target_info_get(I8X_TARGET_ORT_X86);
    i8x_range range = {.lo = -4.0f, .hi = 4.5f};
    float scale;
    int32_t zero;
    i8x_range_params(target, range.lo, range.hi, &scale, &zero);
    float *y = i8x_arena_array(arena, 20000, sizeof *y);
    i8x_kernels_get()->fakequant_f32(data, 20000, scale, zero, 0, 255, y);
    double error, reference;
    i8x_kernels_get()->sq_error_f32(data, y, 20000, &error, &reference);
    double got = error_of(&h, target, range);
    ck_assert_msg(fabs(got / (error / 20000) - 1) < 0.02, "%g against %g", got, error / 20000);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(every_range_contains_zero_and_respects_bounds)
{
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    for (int i = 0; i < 1000; i++)
        data[i] = 2.0f + 0.01f * (float)i; /* 2 .. 12 */
    i8x_histogram high = histogram_of(data, 1000);
    for (int i = 0; i < 1000; i++)
        data[i] = -data[i];
    i8x_histogram low = histogram_of(data, 1000);
    for (int m = 0; m < 4; m++) {
        i8x_range up = choose(&high, methods[m], 0.0f, 6.0f);
        ck_assert(up.lo == 0 && up.hi > 0 && up.hi <= 6.0f);
        i8x_range down = choose(&low, methods[m], -INFINITY, INFINITY);
        ck_assert(down.hi == 0 && down.lo < 0 && down.lo >= -12.0f);
    }
    i8x_arena_free(arena);
}
END_TEST

START_TEST(zeros_alone_give_a_usable_scale)
{
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    memset(data, 0, sizeof data);
    i8x_histogram h = histogram_of(data, 100);
    for (int t = 0; t < I8X_TARGET_COUNT; t++) {
        const i8x_target_info *target = i8x_target_info_get((i8x_target)t);
        for (int m = 0; m < 4; m++) {
            i8x_range range = choose(&h, methods[m], -INFINITY, INFINITY);
            float scale;
            int32_t zero;
            i8x_range_params(target, range.lo, range.hi, &scale, &zero);
            ck_assert(scale > 0 && isfinite(scale));
            ck_assert(zero >= target->qmin && zero <= target->qmax);
        }
    }
    i8x_arena_free(arena);
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_histogram h = bell(9.0f), empty = {0};
    i8x_range_opts opts = {.target = i8x_target_info_get(I8X_TARGET_ORT_X86),
                           .percentile = 0,
                           .bound_lo = -INFINITY,
                           .bound_hi = INFINITY};
    i8x_range range;
    ck_assert_status(i8x_range_choose(&empty, I8X_CLIP_MINMAX, &opts, &range), I8X_EARG);
    ck_assert_status(i8x_range_choose(&h, I8X_CLIP_AUTO, &opts, &range), I8X_EARG);
    ck_assert_status(i8x_range_choose(&h, I8X_CLIP_PERCENTILE, &opts, &range), I8X_EARG);
    i8x_arena_free(arena);
}
END_TEST

Suite *check_range_suite(void)
{
    const TTest *tests[] = {minmax_is_the_whole_range_and_percentile_and_kl_cut_an_outlier,
                            mse_has_the_least_error_of_the_methods,
                            the_histogram_error_is_that_of_the_elements,
                            every_range_contains_zero_and_respects_bounds,
                            zeros_alone_give_a_usable_scale,
                            wrong_arguments_are_refused};
    return i8x_suite("range", tests, sizeof tests / sizeof tests[0]);
}
