/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of quantization, dequantization and requantization: many scales and zero points, inputs on
 * and within 2 ULP of the ties of the scale in use, NaN, infinities and overflow.
 */
#include <limits.h>
#include <math.h>

#include "tests/kernels/harness.h"

static float x[LENGTH_MAX], expected_f32[LENGTH_MAX];
static int32_t s32[LENGTH_MAX];
static uint8_t expected[LENGTH_MAX], codes[LENGTH_MAX];

typedef struct range {
    int32_t min, max;
} range;
static const range range_s8 = {-128, 127}, range_u8 = {0, 255};

static float random_scale(tester *t)
{
    static const float fixed[] = {1.0f,  0.5f,      0.0078431377f, 0.1f, 1e-30f,
                                  1e30f, 0x1p-126f, 0x1p-140f,     3e38f};
    uint32_t i = random_below(t, 18);
    return i < 9 ? fixed[i] : random_float(t, 0.001f, 0.1f);
}

static int32_t random_zero_point(tester *t, range r)
{
    uint32_t i = random_below(t, 6);
    return i == 0 ? r.min : i == 1 ? r.max : i == 2 ? 0 : r.min + (int32_t)random_below(t, 256);
}

/* Half of the inputs close to (k + 1/2) * scale, where a reciprocal and a division part ways. */
static void near_ties(tester *t, size_t n, float scale)
{
    for (size_t i = 0; i < n; i += 1 + random_below(t, 2)) {
        float v = ((float)((int)random_below(t, 600) - 300) + 0.5f) * scale;
        for (uint32_t steps = random_below(t, 3); steps > 0; --steps)
            v = nextafterf(v, random_below(t, 2) ? INFINITY : -INFINITY);
        x[i] = v;
    }
}

typedef void quantize_s8_fn(const float *, size_t, float, int32_t, int8_t *);
typedef void quantize_u8_fn(const float *, size_t, float, int32_t, uint8_t *);

static bool quantize_case(tester *t, size_t n, const void *input, void (*level)(void), float factor,
                          int32_t zero_point)
{
    call c;
    case_begin(t);
    const void *from = place_input(t, input, n * 4, 4);
    uint8_t *q = place_output(t, NULL, n, 1);
    if (!guarded_call(t, &c, level, INTS(WORD(from), n, SIGNED(zero_point), WORD(q)),
                      FLOATS(factor)) ||
        !same_bytes(t, "q", expected, q, n) || !case_end(t)) {
        size_t used = strlen(t->message);
        snprintf(t->message + used, sizeof t->message - used, " factor %a zero_point %d",
                 (double)factor, zero_point);
        return false;
    }
    return true;
}

#define QUANTIZE(name, type, r, is_reciprocal)                                                     \
    static bool test_##name(tester *t, size_t n, style kind)                                       \
    {                                                                                              \
        for (int pass = 0; pass < 3; ++pass) {                                                     \
            float scale = pass == 0 ? 1.0f : random_scale(t);                                      \
            float factor = is_reciprocal ? 1.0f / scale : scale;                                   \
            int32_t zero_point = random_zero_point(t, r);                                          \
            fill_f32(t, x, n, kind);                                                               \
            if (pass == 2)                                                                         \
                near_ties(t, n, scale);                                                            \
            t->reference->name(x, n, factor, zero_point, (type *)expected);                        \
            if (!quantize_case(t, n, x, FN(t->level->name), factor, zero_point))                   \
                return false;                                                                      \
        }                                                                                          \
        return true;                                                                               \
    }

QUANTIZE(quantize_f32_s8, int8_t, range_s8, 0)
QUANTIZE(quantize_f32_u8, uint8_t, range_u8, 0)
QUANTIZE(quantize_rcp_f32_s8, int8_t, range_s8, 1)
QUANTIZE(quantize_rcp_f32_u8, uint8_t, range_u8, 1)
QUANTIZE(requant_f32_s8, int8_t, range_s8, 1)
QUANTIZE(requant_f32_u8, uint8_t, range_u8, 1)

static void fill_s32(tester *t, size_t n)
{
    for (size_t i = 0; i < n; ++i) {
        int32_t v = (int32_t)(uint32_t)random_bits(t);
        switch (random_below(t, 6)) {
        case 0:
            s32[i] = random_below(t, 2) ? INT32_MAX : INT32_MIN;
            break;
        case 1:
            s32[i] = v;
            break;
        case 2:
            s32[i] = (1 << 24) + (int32_t)random_below(t, 64) - 32; /* no longer exact in float */
            break;
        default:
            s32[i] = v / (1 << random_below(t, 24));
            break;
        }
    }
}

#define REQUANT(name, type, r)                                                                     \
    static bool test_##name(tester *t, size_t n, style kind)                                       \
    {                                                                                              \
        static const float multiplier[] = {0.5f, 0.001f, 0x1p-24f, 1.0f, 3e-5f, 1e30f};            \
        (void)kind;                                                                                \
        for (int pass = 0; pass < 6; ++pass) {                                                     \
            int32_t zero_point = random_zero_point(t, r);                                          \
            fill_s32(t, n);                                                                        \
            t->reference->name(s32, n, multiplier[pass], zero_point, (type *)expected);            \
            if (!quantize_case(t, n, s32, FN(t->level->name), multiplier[pass], zero_point))       \
                return false;                                                                      \
        }                                                                                          \
        return true;                                                                               \
    }

REQUANT(requant_s32_s8, int8_t, range_s8)
REQUANT(requant_s32_u8, uint8_t, range_u8)

#define DEQUANTIZE(name, type, r)                                                                  \
    static bool test_##name(tester *t, size_t n, style kind)                                       \
    {                                                                                              \
        call c;                                                                                    \
        float scale = random_scale(t);                                                             \
        int32_t zero_point = random_zero_point(t, r);                                              \
        (void)kind;                                                                                \
        fill_bytes(t, codes, n);                                                                   \
        t->reference->name((const type *)codes, n, scale, zero_point, expected_f32);               \
        case_begin(t);                                                                             \
        const type *q = place_input(t, codes, n, 1);                                               \
        float *y = place_output(t, NULL, n * sizeof *y, sizeof *y);                                \
        return guarded_call(t, &c, FN(t->level->name),                                             \
                            INTS(WORD(q), n, SIGNED(zero_point), WORD(y)), FLOATS(scale)) &&       \
               same_f32(t, "y", expected_f32, y, n) && case_end(t);                                \
    }

DEQUANTIZE(dequantize_s8_f32, int8_t, range_s8)
DEQUANTIZE(dequantize_u8_f32, uint8_t, range_u8)

static bool test_fakequant_f32(tester *t, size_t n, style kind)
{
    static const range ranges[] = {{-128, 127},
                                   {0, 255},
                                   {-8, 7},
                                   {0, 15},
                                   {-127, 127},
                                   {-32768, 32767},
                                   {-(1 << 23), (1 << 23)}};
    for (int pass = 0; pass < 14; ++pass) {
        range r = ranges[pass / 2];
        float scale = random_scale(t);
        int32_t span = r.max - r.min + 1;
        int32_t zero_point =
            random_below(t, 2) ? r.min + (int32_t)random_below(t, (uint32_t)span) : 0;
        fill_f32(t, x, n, kind);
        if (pass & 1)
            near_ties(t, n, scale);
        t->reference->fakequant_f32(x, n, scale, zero_point, r.min, r.max, expected_f32);
        for (int in_place = 0; in_place < 2; ++in_place) {
            call c;
            case_begin(t);
            float *y = place_output(t, in_place ? x : NULL, n * sizeof *y, sizeof *y);
            const float *from = in_place ? y : place_input(t, x, n * sizeof *x, sizeof *x);
            if (!guarded_call(
                    t, &c, FN(t->level->fakequant_f32),
                    INTS(WORD(from), n, SIGNED(zero_point), SIGNED(r.min), SIGNED(r.max), WORD(y)),
                    FLOATS(scale)) ||
                !same_f32(t, "y", expected_f32, y, n) || !case_end(t))
                return false;
        }
    }
    return true;
}

/* Bytes read and written: 6 KiB (L1), 128 KiB (L2), 2 MiB (L3) of inputs. */
enum { LARGE = 1 << 19 };
static _Alignas(64) float bench_x[LARGE];
static _Alignas(64) uint8_t bench_q[LARGE];
static _Alignas(64) int32_t bench_s32[LARGE];
static const size_t bench_sizes[] = {1536, 32768, LARGE};

static void bench_fill(const i8x_kernels *k, void *state)
{
    (void)k, (void)state;
    uint64_t z = 1;
    for (size_t i = 0; i < LARGE; ++i) {
        z = z * 6364136223846793005u + 1442695040888963407u;
        bench_x[i] = (float)(z >> 40) * 0x1p-22f - 2.0f;
        bench_s32[i] = (int32_t)(z >> 45);
        bench_q[i] = (uint8_t)(z >> 33);
    }
}

#define BENCH(name, expression, bytes)                                                             \
    static void bench_##name(const i8x_kernels *k, void *state)                                    \
    {                                                                                              \
        size_t n = *(const size_t *)state;                                                         \
        (expression);                                                                              \
    }                                                                                              \
    static void bench_##name##_l1(const i8x_kernels *k, void *state)                               \
    {                                                                                              \
        (void)state;                                                                               \
        bench_##name(k, (void *)&bench_sizes[0]);                                                  \
    }                                                                                              \
    static void bench_##name##_l2(const i8x_kernels *k, void *state)                               \
    {                                                                                              \
        (void)state;                                                                               \
        bench_##name(k, (void *)&bench_sizes[1]);                                                  \
    }                                                                                              \
    static void bench_##name##_l3(const i8x_kernels *k, void *state)                               \
    {                                                                                              \
        (void)state;                                                                               \
        bench_##name(k, (void *)&bench_sizes[2]);                                                  \
    }                                                                                              \
    static const bench benches_##name[] = {                                                        \
        {"L1 1536", bench_##name##_l1, bench_fill, 1536 * (bytes)*1e-9, "GB/s", false},            \
        {"L2 32Ki", bench_##name##_l2, bench_fill, 32768 * (bytes)*1e-9, "GB/s", false},           \
        {"L3 512Ki", bench_##name##_l3, bench_fill, LARGE * (bytes)*1e-9, "GB/s", false}};

BENCH(quantize_s8, k->quantize_f32_s8(bench_x, n, 0.0157f, 3, (int8_t *)bench_q), 5)
BENCH(quantize_u8, k->quantize_f32_u8(bench_x, n, 0.0157f, 128, bench_q), 5)
BENCH(quantize_rcp_u8, k->quantize_rcp_f32_u8(bench_x, n, 63.7f, 128, bench_q), 5)
BENCH(requant_s8, k->requant_s32_s8(bench_s32, n, 0x1p-12f, 3, (int8_t *)bench_q), 5)
BENCH(dequantize_u8, k->dequantize_u8_f32(bench_q, n, 0.0157f, 128, bench_x), 5)
BENCH(fakequant, k->fakequant_f32(bench_x, n, 0.0157f, 3, -128, 127, (float *)bench_s32), 8)

const test quantize_tests[] = {
    {"dequantize_s8_f32", "EXACT", test_dequantize_s8_f32, STYLES_ONE, NULL, 0},
    {"dequantize_u8_f32", "EXACT", test_dequantize_u8_f32, STYLES_ONE, benches_dequantize_u8, 3},
    {"fakequant_f32", "EXACT", test_fakequant_f32, STYLES_ALL, benches_fakequant, 3},
    {"quantize_f32_s8", "EXACT", test_quantize_f32_s8, STYLES_ALL, benches_quantize_s8, 3},
    {"quantize_f32_u8", "EXACT", test_quantize_f32_u8, STYLES_ALL, benches_quantize_u8, 3},
    {"quantize_rcp_f32_s8", "EXACT", test_quantize_rcp_f32_s8, STYLES_ALL, NULL, 0},
    {"quantize_rcp_f32_u8", "EXACT", test_quantize_rcp_f32_u8, STYLES_ALL, benches_quantize_rcp_u8,
     3},
    {"requant_f32_s8", "EXACT", test_requant_f32_s8, STYLES_ALL, NULL, 0},
    {"requant_f32_u8", "EXACT", test_requant_f32_u8, STYLES_ALL, NULL, 0},
    {"requant_s32_s8", "EXACT", test_requant_s32_s8, STYLES_ONE, benches_requant_s8, 3},
    {"requant_s32_u8", "EXACT", test_requant_s32_u8, STYLES_ONE, NULL, 0},
};
const size_t quantize_test_count = sizeof quantize_tests / sizeof quantize_tests[0];
