/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of the element-wise kernels.
 */
#include <math.h>

#include "tests/kernels/harness.h"

static float a[LENGTH_MAX * 5], b[LENGTH_MAX], expected[LENGTH_MAX * 5];

typedef void binary_fn(const float *, size_t, const float *, size_t, float *, size_t);

/* All four pairs of steps; each also in place over an operand of step 1. */
static bool binary(tester *t, size_t n, style kind, binary_fn *reference, binary_fn *level)
{
    for (int steps = 0; steps < 4; ++steps) {
        size_t a_step = steps & 1, b_step = steps >> 1;
        size_t a_bytes = (a_step ? n : n > 0) * sizeof(float),
               b_bytes = (b_step ? n : n > 0) * sizeof(float);
        fill_f32(t, a, n, kind);
        fill_f32(t, b, n, kind);
        reference(a, a_step, b, b_step, expected, n);
        for (int place = 0; place < 3; ++place) {
            if ((place == 1 && !a_step) || (place == 2 && !b_step))
                continue;
            call c;
            case_begin(t);
            float *y = place_output(t,
                                    place == 1   ? a
                                    : place == 2 ? b
                                                 : NULL,
                                    n * sizeof *y, sizeof *y);
            const float *u = place == 1 ? y : place_input(t, a, a_bytes, sizeof *u);
            const float *v = place == 2 ? y : place_input(t, b, b_bytes, sizeof *v);
            if (!guarded_call(t, &c, FN(level), INTS(WORD(u), a_step, WORD(v), b_step, WORD(y), n),
                              NO_FLOATS) ||
                !same_f32(t, "y", expected, y, n) || !case_end(t))
                return false;
        }
    }
    return true;
}

#define BINARY(name)                                                                               \
    static bool test_##name(tester *t, size_t n, style kind)                                       \
    {                                                                                              \
        return binary(t, n, kind, t->reference->name, t->level->name);                             \
    }

BINARY(add_f32)
BINARY(sub_f32)
BINARY(mul_f32)
BINARY(div_f32)
BINARY(max_f32)
BINARY(min_f32)

typedef void two_floats_fn(const float *, float, float, float *, size_t);

static bool two_floats(tester *t, size_t n, style kind, two_floats_fn *reference,
                       two_floats_fn *level, float first, float second)
{
    fill_f32(t, a, n, kind);
    reference(a, first, second, expected, n);
    for (int in_place = 0; in_place < 2; ++in_place) {
        call c;
        case_begin(t);
        float *y = place_output(t, in_place ? a : NULL, n * sizeof *y, sizeof *y);
        const float *x = in_place ? y : place_input(t, a, n * sizeof *x, sizeof *x);
        if (!guarded_call(t, &c, FN(level), INTS(WORD(x), WORD(y), n), FLOATS(first, second)) ||
            !same_f32(t, "y", expected, y, n) || !case_end(t))
            return false;
    }
    return true;
}

static bool test_clip_f32(tester *t, size_t n, style kind)
{
    static const float bounds[][2] = {
        {0, 6}, {-1, 1}, {-INFINITY, 0}, {0, INFINITY}, {-0.0f, 0.0f}};
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; ++i)
        if (!two_floats(t, n, kind, t->reference->clip_f32, t->level->clip_f32, bounds[i][0],
                        bounds[i][1]))
            return false;
    return true;
}

static bool test_scale_shift_f32(tester *t, size_t n, style kind)
{
    return two_floats(t, n, kind, t->reference->scale_shift_f32, t->level->scale_shift_f32,
                      random_float(t, -2, 2), random_float(t, -2, 2)) &&
           two_floats(t, n, kind, t->reference->scale_shift_f32, t->level->scale_shift_f32, 3.0f,
                      -0.0f);
}

/* Rows of n floats apart, then rows of x that slide down to lie closer. */
static bool test_copy_rows_f32(tester *t, size_t n, style kind)
{
    enum { GAP = 3 };
    for (size_t step = 1; step <= 4; ++step) {
        size_t rows = n > LENGTH_MAX / 8 ? 1 : 3, row = n * step + GAP, close = n + 1;
        size_t count = n ? (rows - 1) * row + (n - 1) * step + 1 : 0;
        size_t out = n ? (rows - 1) * close + n : 0;
        for (int slide = 0; slide <= (step == 1); ++slide) {
            call c;
            fill_f32(t, a, count, kind);
            case_begin(t);
            memcpy(expected, a, count * sizeof *a);
            if (!slide)
                for (size_t i = 0; i < out; ++i)
                    expected[i] = -1.0f;
            float *y = place_output(t, expected, (slide ? count : out) * sizeof *y, sizeof *y);
            const float *x = slide ? y : place_input(t, a, count * sizeof *x, sizeof *x);
            t->reference->copy_rows_f32(slide ? expected : a, row, step, expected, close, rows, n);
            if (!guarded_call(t, &c, FN(t->level->copy_rows_f32),
                              INTS(WORD(x), row, step, WORD(y), close, rows, n), NO_FLOATS) ||
                !same_f32(t, "y", expected, y, slide ? count : out) || !case_end(t))
                return false;
        }
    }
    return true;
}

/* Benches: 2,048 floats (L1) and 1 Mi floats (L3), bytes read and written. */
enum { SMALL = 2048, LARGE = 1 << 20 };
static _Alignas(64) float bench_a[LARGE], bench_b[LARGE], bench_y[LARGE];

static void bench_fill(const i8x_kernels *k, void *state)
{
    (void)k, (void)state;
    for (size_t i = 0; i < LARGE; ++i) {
        bench_a[i] = (float)((i * 2654435761u) >> 8 & 0xffff) * 0x1p-12f - 8.0f;
        bench_b[i] = bench_a[(i * 7) % LARGE] + 1.0f;
    }
}

static void bench_add(const i8x_kernels *k, void *state)
{
    (void)state;
    k->add_f32(bench_a, 1, bench_b, 1, bench_y, SMALL);
}
static void bench_add_large(const i8x_kernels *k, void *state)
{
    (void)state;
    k->add_f32(bench_a, 1, bench_b, 1, bench_y, LARGE);
}
static void bench_max(const i8x_kernels *k, void *state)
{
    static const float zero;
    (void)state;
    k->max_f32(&zero, 0, bench_a, 1, bench_y, SMALL);
}
static void bench_div(const i8x_kernels *k, void *state)
{
    (void)state;
    k->div_f32(bench_a, 1, bench_b, 1, bench_y, SMALL);
}
static void bench_scale_shift(const i8x_kernels *k, void *state)
{
    (void)state;
    k->scale_shift_f32(bench_a, 1.5f, 0.25f, bench_y, SMALL);
}
static void bench_strided(const i8x_kernels *k, void *state)
{
    (void)state;
    k->copy_rows_f32(bench_a, 0, 2, bench_y, 0, 1, SMALL);
}

static const bench add_bench[] = {
    {"2048", bench_add, bench_fill, SMALL * 12e-9, "GB/s", false},
    {"1Mi", bench_add_large, bench_fill, LARGE * 12e-9, "GB/s", false}};
static const bench max_bench[] = {
    {"relu 2048", bench_max, bench_fill, SMALL * 8e-9, "GB/s", false}};
static const bench div_bench[] = {{"2048", bench_div, bench_fill, SMALL * 12e-9, "GB/s", false}};
static const bench scale_bench[] = {
    {"2048", bench_scale_shift, bench_fill, SMALL * 8e-9, "GB/s", false}};
static const bench strided_bench[] = {
    {"2 x 2048", bench_strided, bench_fill, SMALL * 1e-9, "Gvalue/s", false}};

const test eltwise_tests[] = {
    {"add_f32", "EXACT", test_add_f32, STYLES_ALL, add_bench, 2},
    {"clip_f32", "EXACT", test_clip_f32, STYLES_ALL, NULL, 0},
    {"copy_rows_f32", "EXACT", test_copy_rows_f32, STYLES_ONE, strided_bench, 1},
    {"div_f32", "EXACT", test_div_f32, STYLES_ALL, div_bench, 1},
    {"max_f32", "EXACT", test_max_f32, STYLES_ALL, max_bench, 1},
    {"min_f32", "EXACT", test_min_f32, STYLES_ALL, NULL, 0},
    {"mul_f32", "EXACT", test_mul_f32, STYLES_ALL, NULL, 0},
    {"scale_shift_f32", "EXACT", test_scale_shift_f32, STYLES_ALL, scale_bench, 1},
    {"sub_f32", "EXACT", test_sub_f32, STYLES_ALL, NULL, 0},
};
const size_t eltwise_test_count = sizeof eltwise_tests / sizeof eltwise_tests[0];
