/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of the reductions and of the histogram on the log grid.
 */
#include <math.h>
#include <stdlib.h>

#include "tests/kernels/harness.h"

static float a[LENGTH_MAX], b[LENGTH_MAX];

static bool test_sum_f32(tester *t, size_t n, style kind)
{
    call c;
    fill_f32(t, a, n, kind);
    float expected = t->reference->sum_f32(a, n);
    case_begin(t);
    const float *x = place_input(t, a, n * sizeof *x, sizeof *x);
    return guarded_call(t, &c, FN(t->level->sum_f32), INTS(WORD(x), n), NO_FLOATS) &&
           same_f32(t, "sum", &expected, &c.fp_result, 1) && case_end(t);
}

static bool test_dot_f32(tester *t, size_t n, style kind)
{
    call c;
    fill_f32(t, a, n, kind);
    fill_f32(t, b, n, kind);
    float expected = t->reference->dot_f32(a, b, n);
    case_begin(t);
    const float *x = place_input(t, a, n * sizeof *x, sizeof *x);
    const float *y = place_input(t, b, n * sizeof *y, sizeof *y);
    return guarded_call(t, &c, FN(t->level->dot_f32), INTS(WORD(x), WORD(y), n), NO_FLOATS) &&
           same_f32(t, "dot", &expected, &c.fp_result, 1) && case_end(t);
}

static bool test_moments_f32(tester *t, size_t n, style kind)
{
    call c;
    double expected[2];
    fill_f32(t, a, n, kind);
    t->reference->moments_f32(a, n, &expected[0], &expected[1]);
    case_begin(t);
    const float *x = place_input(t, a, n * sizeof *x, sizeof *x);
    double *sum = place_output(t, NULL, sizeof *sum, sizeof *sum);
    double *squares = place_output(t, NULL, sizeof *squares, sizeof *squares);
    return guarded_call(t, &c, FN(t->level->moments_f32),
                        INTS(WORD(x), n, WORD(sum), WORD(squares)), NO_FLOATS) &&
           same_f64(t, "sum", &expected[0], sum, 1) &&
           same_f64(t, "sum of squares", &expected[1], squares, 1) && case_end(t);
}

static bool test_sq_error_f32(tester *t, size_t n, style kind)
{
    call c;
    double expected[2];
    fill_f32(t, a, n, kind);
    fill_f32(t, b, n, kind);
    t->reference->sq_error_f32(a, b, n, &expected[0], &expected[1]);
    case_begin(t);
    const float *x = place_input(t, a, n * sizeof *x, sizeof *x);
    const float *y = place_input(t, b, n * sizeof *y, sizeof *y);
    double *error = place_output(t, NULL, sizeof *error, sizeof *error);
    double *reference = place_output(t, NULL, sizeof *reference, sizeof *reference);
    return guarded_call(t, &c, FN(t->level->sq_error_f32),
                        INTS(WORD(x), WORD(y), n, WORD(error), WORD(reference)), NO_FLOATS) &&
           same_f64(t, "error", &expected[0], error, 1) &&
           same_f64(t, "reference", &expected[1], reference, 1) && case_end(t);
}

static bool minmax_case(tester *t, size_t n)
{
    call c;
    float expected[2];
    size_t index = t->reference->minmax_f32(a, n, &expected[0], &expected[1]);
    case_begin(t);
    const float *x = place_input(t, a, n * sizeof *x, sizeof *x);
    float *min = place_output(t, NULL, sizeof *min, sizeof *min);
    float *max = place_output(t, NULL, sizeof *max, sizeof *max);
    if (!guarded_call(t, &c, FN(t->level->minmax_f32), INTS(WORD(x), n, WORD(min), WORD(max)),
                      NO_FLOATS))
        return false;
    if ((size_t)c.int_result != index)
        return fail(t, "index of the first bad value: expected %zu, got %zu", index,
                    (size_t)c.int_result);
    return same_f32(t, "min", &expected[0], min, 1) && same_f32(t, "max", &expected[1], max, 1) &&
           case_end(t);
}

static bool test_minmax_f32(tester *t, size_t n, style kind)
{
    fill_f32(t, a, n, kind);
    if (!minmax_case(t, n))
        return false;
    if (kind != STYLE_ONE_BAD || n > 161)
        return true;
    for (size_t i = 0; i < n; ++i) { /* one bad value at every place */
        fill_f32(t, a, n, STYLE_NOISE);
        a[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
        if (!minmax_case(t, n))
            return false;
    }
    return true;
}

static bool sum_codes(tester *t, size_t n, int64_t expected, void (*level)(void))
{
    call c;
    case_begin(t);
    const void *q = place_input(t, a, n, 1);
    if (!guarded_call(t, &c, level, INTS(WORD(q), n), NO_FLOATS))
        return false;
    if ((int64_t)c.int_result != expected)
        return fail(t, "sum: expected %lld, got %lld", (long long)expected,
                    (long long)c.int_result);
    return case_end(t);
}

static bool test_sum_s8_s64(tester *t, size_t n, style kind)
{
    (void)kind;
    fill_bytes(t, a, n);
    return sum_codes(t, n, t->reference->sum_s8_s64((const int8_t *)a, n),
                     FN(t->level->sum_s8_s64));
}

static bool test_sum_u8_s64(tester *t, size_t n, style kind)
{
    (void)kind;
    fill_bytes(t, a, n);
    return sum_codes(t, n, t->reference->sum_u8_s64((const uint8_t *)a, n),
                     FN(t->level->sum_u8_s64));
}

/* The bins are too many to compare for each case: those of the inputs are compared and cleared, and
 * at the greatest length all of them must be 0 again. */
static uint32_t expected_bins[I8X_LOGHIST_BINS], got_bins[I8X_LOGHIST_BINS];

static bool test_loghist_f32(tester *t, size_t n, style kind)
{
    call c;
    fill_f32(t, a, n, kind);
    if (kind == STYLE_DENORMAL)
        for (size_t i = 0; i < n;
             i += 3) { /* least denormals of both signs share keys with the zeros */
            uint32_t bits = (uint32_t)random_bits(t) & 0x80003fffu;
            memcpy(a + i, &bits, sizeof bits);
        }
    t->reference->loghist_f32(a, n, expected_bins);
    case_begin(t);
    const float *x = place_input(t, a, n * sizeof *x, sizeof *x);
    if (!guarded_call(t, &c, FN(t->level->loghist_f32), INTS(WORD(x), n, WORD(got_bins)),
                      NO_FLOATS))
        return false;
    t->flushed = false; /* integers alone: there is nothing to flush */
    bool same = same_bytes(t, "bin 0", expected_bins, got_bins, sizeof *got_bins);
    for (size_t i = 0; i < n && same; ++i) {
        uint32_t bits;
        memcpy(&bits, a + i, sizeof bits);
        uint32_t key = bits >> I8X_LOGHIST_SHIFT;
        if (expected_bins[key] != got_bins[key])
            same = fail(t, "bin %05x: expected %u, got %u", key, expected_bins[key], got_bins[key]);
    }
    for (size_t i = 0; i < n; ++i) {
        uint32_t bits;
        memcpy(&bits, a + i, sizeof bits);
        expected_bins[bits >> I8X_LOGHIST_SHIFT] = got_bins[bits >> I8X_LOGHIST_SHIFT] = 0;
    }
    expected_bins[0] = got_bins[0] = 0;
    if (same && n == lengths[length_count - 1])
        same = same_bytes(t, "other bins", expected_bins, got_bins, sizeof got_bins);
    if (!same)
        memset(got_bins, 0, sizeof got_bins);
    return same && case_end(t);
}

enum { BENCH_N = 1 << 15 };
static _Alignas(64) float bench_x[BENCH_N], bench_y[BENCH_N];

static void bench_fill(const i8x_kernels *k, void *state)
{
    (void)k, (void)state;
    uint64_t z = 1;
    for (size_t i = 0; i < BENCH_N; ++i) { /* about normal */
        float sum = 0;
        for (int j = 0; j < 4; ++j) {
            z = z * 6364136223846793005u + 1442695040888963407u;
            sum += (float)(z >> 40) * 0x1p-24f - 0.5f;
        }
        bench_x[i] = sum;
        bench_y[i] = sum * 1.01f;
    }
}

static void bench_fill_relu(const i8x_kernels *k, void *state)
{
    bench_fill(k, state);
    for (size_t i = 0; i < BENCH_N; ++i)
        bench_x[i] = bench_x[i] > 0 ? bench_x[i] : 0.0f;
}

static volatile double sink;

static void bench_sum(const i8x_kernels *k, void *state)
{
    (void)state;
    sink = (double)k->sum_f32(bench_x, 2048);
}
static void bench_dot(const i8x_kernels *k, void *state)
{
    (void)state;
    sink = (double)k->dot_f32(bench_x, bench_y, 2048);
}
static void bench_moments(const i8x_kernels *k, void *state)
{
    (void)state;
    double sum, squares;
    k->moments_f32(bench_x, BENCH_N, &sum, &squares);
    sink = sum + squares;
}
static void bench_sq_error(const i8x_kernels *k, void *state)
{
    (void)state;
    double error, reference;
    k->sq_error_f32(bench_x, bench_y, BENCH_N, &error, &reference);
    sink = error + reference;
}
static void bench_minmax(const i8x_kernels *k, void *state)
{
    (void)state;
    float min, max;
    k->minmax_f32(bench_x, 4096, &min, &max);
    sink = (double)(min + max);
}
static void bench_minmax_large(const i8x_kernels *k, void *state)
{
    (void)state;
    float min, max;
    k->minmax_f32(bench_x, BENCH_N, &min, &max);
    sink = (double)(min + max);
}
static void bench_sum_u8(const i8x_kernels *k, void *state)
{
    (void)state;
    sink = (double)k->sum_u8_s64((const uint8_t *)bench_x, 16384);
}
static void bench_loghist(const i8x_kernels *k, void *state)
{
    (void)state;
    k->loghist_f32(bench_x, BENCH_N, got_bins);
}

static const bench sum_bench[] = {{"2048", bench_sum, bench_fill, 2048e-9, "Gvalue/s", false}};
static const bench dot_bench[] = {{"2048", bench_dot, bench_fill, 4096e-9, "GFLOP/s", false}};
static const bench moments_bench[] = {
    {"32Ki", bench_moments, bench_fill, BENCH_N * 1e-9, "Gvalue/s", false}};
static const bench sq_error_bench[] = {
    {"32Ki", bench_sq_error, bench_fill, BENCH_N * 1e-9, "Gvalue/s", false}};
static const bench minmax_bench[] = {
    {"4096", bench_minmax, bench_fill, 4096 * 4e-9, "GB/s", false},
    {"32Ki", bench_minmax_large, bench_fill, BENCH_N * 4e-9, "GB/s", false}};
static const bench sum_u8_bench[] = {{"16384", bench_sum_u8, bench_fill, 16384e-9, "GB/s", false}};
static const bench loghist_bench[] = {
    {"normal 32Ki", bench_loghist, bench_fill, BENCH_N * 1e-9, "Gvalue/s", false},
    {"relu 32Ki", bench_loghist, bench_fill_relu, BENCH_N * 1e-9, "Gvalue/s", false}};

const test reduce_tests[] = {
    {"dot_f32", "LANES16", test_dot_f32, STYLES_ALL, dot_bench, 1},
    {"loghist_f32", "EXACT", test_loghist_f32, STYLES_ALL, loghist_bench, 2},
    {"minmax_f32", "EXACT", test_minmax_f32, STYLES_ALL, minmax_bench, 2},
    {"moments_f32", "LANES16", test_moments_f32, STYLES_ALL, moments_bench, 1},
    {"sq_error_f32", "LANES16", test_sq_error_f32, STYLES_ALL, sq_error_bench, 1},
    {"sum_f32", "LANES16", test_sum_f32, STYLES_ALL, sum_bench, 1},
    {"sum_s8_s64", "EXACT", test_sum_s8_s64, STYLES_ONE, NULL, 0},
    {"sum_u8_s64", "EXACT", test_sum_u8_s64, STYLES_ONE, sum_u8_bench, 1},
};
const size_t reduce_test_count = sizeof reduce_tests / sizeof reduce_tests[0];
