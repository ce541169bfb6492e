/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of exp, log, tanh, erf and sigmoid: bit-equal to the scalar functions, over random bits,
 * over the borders between their pieces, and over the special values. Their accuracy is tested with
 * core/base.
 */
#include <math.h>

#include "core/base/fmath_constants.h"
#include "tests/kernels/harness.h"

static float x[LENGTH_MAX], expected[LENGTH_MAX];

typedef void unary_fn(const float *, float *, size_t);

/* Every second input is put within 2 ULP of a border or special value, or into the working range.
 */
static void near_borders(tester *t, size_t n)
{
    static const float border[] = {0.0f,
                                   -0.0f,
                                   I8X_FMATH_EXP_MIN,
                                   I8X_FMATH_EXP_MAX,
                                   -I8X_FMATH_EXP_MIN,
                                   -I8X_FMATH_EXP_MAX,
                                   I8X_FMATH_TANH_SMALL,
                                   -I8X_FMATH_TANH_SMALL,
                                   I8X_FMATH_TANH_MAX,
                                   I8X_FMATH_ERF_SMALL,
                                   -I8X_FMATH_ERF_SMALL,
                                   I8X_FMATH_ERF_MAX,
                                   I8X_FMATH_SIGMOID_MIN,
                                   0x1p-12f,
                                   0x1p-126f,
                                   0x1.6a09e6p-1f,
                                   1.0f,
                                   0.34657359f,
                                   INFINITY,
                                   -INFINITY,
                                   NAN};
    enum { BORDERS = sizeof border / sizeof border[0] };
    for (size_t i = 0; i < n; i += 1 + random_below(t, 2)) {
        if (random_below(t, 2)) {
            x[i] = random_float(t, -100, 100);
            continue;
        }
        float v = border[random_below(t, BORDERS)];
        for (uint32_t steps = random_below(t, 3); steps > 0; --steps)
            v = nextafterf(v, random_below(t, 2) ? INFINITY : -INFINITY);
        x[i] = v;
    }
}

static bool unary(tester *t, size_t n, style kind, unary_fn *reference, unary_fn *level)
{
    for (int pass = 0; pass < 2; ++pass) {
        fill_f32(t, x, n, kind);
        if (pass)
            near_borders(t, n);
        reference(x, expected, n);
        for (int in_place = 0; in_place < 2; ++in_place) {
            call c;
            case_begin(t);
            float *y = place_output(t, in_place ? x : NULL, n * sizeof *y, sizeof *y);
            const float *from = in_place ? y : place_input(t, x, n * sizeof *x, sizeof *x);
            if (!guarded_call(t, &c, FN(level), INTS(WORD(from), WORD(y), n), NO_FLOATS) ||
                !same_f32(t, "y", expected, y, n) || !case_end(t))
                return false;
        }
    }
    return true;
}

enum { BENCH_N = 2048 };
static _Alignas(64) float bench_x[BENCH_N], bench_y[BENCH_N];

static void bench_fill(const i8x_kernels *k, void *state)
{
    (void)k, (void)state;
    for (size_t i = 0; i < BENCH_N; ++i)
        bench_x[i] = (float)(i % 97) * 0.1f - 4.8f;
}

static void bench_fill_positive(const i8x_kernels *k, void *state)
{
    (void)k, (void)state;
    for (size_t i = 0; i < BENCH_N; ++i)
        bench_x[i] = (float)(i % 97) * 0.1f + 0.01f;
}

#define UNARY(name, fill)                                                                          \
    static bool test_##name(tester *t, size_t n, style kind)                                       \
    {                                                                                              \
        return unary(t, n, kind, t->reference->name, t->level->name);                              \
    }                                                                                              \
    static void bench_##name(const i8x_kernels *k, void *state)                                    \
    {                                                                                              \
        (void)state;                                                                               \
        k->name(bench_x, bench_y, BENCH_N);                                                        \
    }                                                                                              \
    static const bench benches_##name[] = {                                                        \
        {"2048", bench_##name, fill, BENCH_N * 1e-9, "Gvalue/s", false}};

UNARY(erf_f32, bench_fill)
UNARY(exp_f32, bench_fill)
UNARY(log_f32, bench_fill_positive)
UNARY(sigmoid_f32, bench_fill)
UNARY(tanh_f32, bench_fill)

const test poly_tests[] = {
    {"erf_f32", "POLY", test_erf_f32, STYLES_ALL, benches_erf_f32, 1},
    {"exp_f32", "POLY", test_exp_f32, STYLES_ALL, benches_exp_f32, 1},
    {"log_f32", "POLY", test_log_f32, STYLES_ALL, benches_log_f32, 1},
    {"sigmoid_f32", "POLY", test_sigmoid_f32, STYLES_ALL, benches_sigmoid_f32, 1},
    {"tanh_f32", "POLY", test_tanh_f32, STYLES_ALL, benches_tanh_f32, 1},
};
const size_t poly_test_count = sizeof poly_tests / sizeof poly_tests[0];
