/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of the sums and maxima over taps: offsets of both signs in any order, no read outside the
 * windows.
 */
#include "tests/kernels/harness.h"

enum { TAPS_MAX = 49, REACH = 40 };
static float x[LENGTH_MAX + 2 * REACH], w[TAPS_MAX], expected[LENGTH_MAX];
static ptrdiff_t offset[TAPS_MAX];

/* x for indices least .. greatest + n - 1; returns the pointer to index 0. */
static const float *place_windows(tester *t, size_t taps, size_t n, const float *zero)
{
    ptrdiff_t least = 0, greatest = -1;
    if (taps && n) {
        least = greatest = offset[0];
        for (size_t i = 1; i < taps; ++i) {
            least = offset[i] < least ? offset[i] : least;
            greatest = offset[i] > greatest ? offset[i] : greatest;
        }
        greatest += (ptrdiff_t)n - 1;
    }
    const float *from =
        place_input(t, zero + least, (size_t)(greatest - least + 1) * sizeof *from, sizeof *from);
    return (const float *)((uintptr_t)from - (uintptr_t)least * sizeof *from);
}

static size_t draw(tester *t, size_t n, style kind)
{
    static const size_t counts[] = {0, 1, 2, 3, 4, 6, 9, 12, 25, 49};
    size_t taps = counts[random_below(t, n > 600 ? 7 : 10)];
    fill_f32(t, x, n + 2 * REACH, kind);
    fill_f32(t, w, taps, kind == STYLE_NONFINITE || kind == STYLE_ONE_BAD ? STYLE_NOISE : kind);
    for (size_t i = 0; i < taps; ++i)
        offset[i] = (ptrdiff_t)random_below(t, 2 * REACH) - REACH;
    return taps;
}

static bool test_fir_f32(tester *t, size_t n, style kind)
{
    for (int pass = 0; pass < 2; ++pass) {
        call c;
        size_t taps = draw(t, n, kind);
        float init = pass ? random_float(t, -1, 1) : -0.0f;
        t->reference->fir_f32(x + REACH, offset, w, taps, init, expected, n);
        case_begin(t);
        const float *from = place_windows(t, taps, n, x + REACH);
        const ptrdiff_t *offsets = place_input(t, offset, taps * sizeof *offset, sizeof *offset);
        const float *weights = place_input(t, w, taps * sizeof *w, sizeof *w);
        float *y = place_output(t, NULL, n * sizeof *y, sizeof *y);
        if (!guarded_call(t, &c, FN(t->level->fir_f32),
                          INTS(WORD(from), WORD(offsets), WORD(weights), taps, WORD(y), n),
                          FLOATS(init)) ||
            !same_f32(t, "y", expected, y, n) || !case_end(t))
            return false;
    }
    return true;
}

static bool test_fir_max_f32(tester *t, size_t n, style kind)
{
    call c;
    size_t taps = draw(t, n, kind);
    t->reference->fir_max_f32(x + REACH, offset, taps, expected, n);
    case_begin(t);
    const float *from = place_windows(t, taps, n, x + REACH);
    const ptrdiff_t *offsets = place_input(t, offset, taps * sizeof *offset, sizeof *offset);
    float *y = place_output(t, NULL, n * sizeof *y, sizeof *y);
    return guarded_call(t, &c, FN(t->level->fir_max_f32),
                        INTS(WORD(from), WORD(offsets), taps, WORD(y), n), NO_FLOATS) &&
           same_f32(t, "y", expected, y, n) && case_end(t);
}

/* 3 x 3 over a padded plane of 58 columns (a 56 x 56 channel), and over one of 16 (14 x 14). */
enum { PLANE = 58 * 58, N56 = 56 * 58 - 2, N14 = 14 * 16 - 2 };
static _Alignas(64) float bench_x[PLANE], bench_y[PLANE], bench_w[9];
static ptrdiff_t offsets_56[9], offsets_14[9];

static void bench_fill(const i8x_kernels *k, void *state)
{
    (void)k, (void)state;
    for (size_t i = 0; i < PLANE; ++i)
        bench_x[i] = (float)(i % 31) - 15.0f;
    for (ptrdiff_t i = 0; i < 9; ++i) {
        offsets_56[i] = i / 3 * 58 + i % 3;
        offsets_14[i] = i / 3 * 16 + i % 3;
        bench_w[i] = (float)i * 0.1f;
    }
}

static void bench_fir_56(const i8x_kernels *k, void *state)
{
    (void)state;
    k->fir_f32(bench_x, offsets_56, bench_w, 9, 0.5f, bench_y, N56);
}
static void bench_fir_14(const i8x_kernels *k, void *state)
{
    (void)state;
    k->fir_f32(bench_x, offsets_14, bench_w, 9, 0.5f, bench_y, N14);
}
static void bench_fir_row(const i8x_kernels *k, void *state)
{
    (void)state;
    k->fir_f32(bench_x, offsets_14, bench_w, 9, 0.5f, bench_y, 14);
}
static void bench_fir_max(const i8x_kernels *k, void *state)
{
    (void)state;
    k->fir_max_f32(bench_x, offsets_56, 9, bench_y, N56);
}

static const bench fir_bench[] = {
    {"3x3 56x56", bench_fir_56, bench_fill, N56 * 18e-9, "GFLOP/s", false},
    {"3x3 14x14", bench_fir_14, bench_fill, N14 * 18e-9, "GFLOP/s", false},
    {"3x3 row 14", bench_fir_row, bench_fill, 14 * 18e-9, "GFLOP/s", false}};
static const bench fir_max_bench[] = {
    {"3x3 56x56", bench_fir_max, bench_fill, N56 * 9e-9, "Gvalue/s", false}};

const test fir_tests[] = {
    {"fir_f32", "FMA_CHAIN", test_fir_f32, STYLES_ALL, fir_bench, 3},
    {"fir_max_f32", "EXACT", test_fir_max_f32, STYLES_ALL, fir_max_bench, 1},
};
const size_t fir_test_count = sizeof fir_tests / sizeof fir_tests[0];
