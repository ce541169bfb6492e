/* SPDX-License-Identifier: Apache-2.0
 *
 * Known answers: the scalar level is the reference for all others, so it is itself held to numbers
 * worked out by hand, and so is the level in use.
 */
#include <float.h>
#include <math.h>

#include "tests/kernels/harness.h"

static int failures, passes;

static void expect(bool condition, const char *sentence)
{
    if (condition) {
        ++passes;
    } else {
        ++failures;
        printf("FAIL  fact: %s\n", sentence);
    }
}

static void rounding(const i8x_kernels *k)
{
    static const float x[] = {0.5f,        1.5f,   2.5f,   -0.5f,   -1.5f,
                              0.49999997f, 126.5f, 127.5f, -128.5f, -129.0f};
    static const int8_t even[] = {0, 2, 2, 0, -2, 0, 126, 127, -128, -128};
    int8_t q[10];
    k->quantize_f32_s8(x, 10, 1.0f, 0, q);
    expect(memcmp(q, even, sizeof q) == 0, "quantize_f32_s8 rounds ties to even");
    k->quantize_rcp_f32_s8(x, 10, 1.0f, 0, q);
    expect(memcmp(q, even, sizeof q) == 0, "quantize_rcp_f32_s8 rounds ties to even");
    static const int32_t acc[] = {1, 3, 5, -1, -3, 0, 253, 255, -257, -258};
    k->requant_s32_s8(acc, 10, 0.5f, 0, q);
    expect(memcmp(q, even, sizeof q) == 0, "requant_s32_s8 rounds ties to even");
}

static void saturation(const i8x_kernels *k)
{
    const float x[] = {NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 3e9f, -3e9f, -0.0f};
    static const int8_t s8[] = {5, 127, -128, 127, -128, 127, -128, 5};
    static const uint8_t u8[] = {5, 255, 0, 255, 0, 255, 0, 5};
    int8_t q[8];
    uint8_t u[8];
    k->quantize_f32_s8(x, 8, 1.0f, 5, q);
    expect(memcmp(q, s8, sizeof q) == 0,
           "quantize_f32_s8: NaN gives the zero point, the rest saturates");
    k->quantize_rcp_f32_s8(x, 8, 1.0f, 5, q);
    expect(memcmp(q, s8, sizeof q) == 0,
           "quantize_rcp_f32_s8: NaN gives the zero point, the rest saturates");
    k->quantize_f32_u8(x, 8, 1.0f, 5, u);
    expect(memcmp(u, u8, sizeof u) == 0,
           "quantize_f32_u8: NaN gives the zero point, the rest saturates");
    k->requant_f32_u8(x, 8, 1.0f, 5, u);
    expect(memcmp(u, u8, sizeof u) == 0,
           "requant_f32_u8: NaN gives the zero point, the rest saturates");
    float y[8];
    k->fakequant_f32(x, 8, 0.5f, 5, 0, 15, y);
    expect(y[0] == 0 && y[1] == 5 && y[2] == -2.5f && y[3] == 5 && !signbit(y[7]),
           "fakequant_f32 clamps to its own range and gives no -0");
}

static void not_a_number(const i8x_kernels *k)
{
    const float x[] = {NAN, -0.0f, 3}, zero = 0;
    float y[3];
    k->max_f32(&zero, 0, x, 1, y, 3);
    expect(y[0] != y[0] && signbit(y[1]) && y[2] == 3,
           "max_f32 gives b for a NaN in b and for equal zeros");
    k->max_f32(x, 1, &zero, 0, y, 3);
    expect(y[0] == 0 && !signbit(y[1]) && y[2] == 3, "max_f32 gives b for a NaN in a");
    k->clip_f32(x, 0, 2, y, 3);
    expect(y[0] != y[0] && y[2] == 2, "clip_f32 keeps NaN");
    const float data[] = {-0.0f, 1, -2, INFINITY, 9};
    float min, max;
    expect(k->minmax_f32(data, 5, &min, &max) == 3 && min == -2 && max == 1,
           "minmax_f32 stops before the first infinity");
    expect(k->minmax_f32(data, 1, &min, &max) == 1 && !signbit(min) && !signbit(max),
           "minmax_f32 counts -0 as +0");
    expect(k->minmax_f32(data, 0, &min, &max) == 0 && min == INFINITY && max == -INFINITY,
           "minmax_f32 of nothing is an empty range");
    static uint32_t bins[I8X_LOGHIST_BINS];
    memset(bins, 0, sizeof bins);
    k->loghist_f32(data, 5, bins);
    expect(bins[0] == 1 && bins[0x3f800000u >> 13] == 1 && bins[0xc0000000u >> 13] == 1 &&
               bins[0x7f800000u >> 13] == 1 && bins[0x40000] == 0,
           "loghist_f32 counts each value in the bin of its top bits, -0 in bin 0");
}

static void order_of_sums(const i8x_kernels *k)
{
    /* 2^24 + 1 is not a float: an element alone in its partial sum survives, one behind 2^24 is
     * lost */
    float x[33] = {0};
    x[0] = 0x1p24f, x[16] = 1, x[1] = 1, x[17] = 1;
    expect(k->sum_f32(x, 33) == 0x1p24f + 2, "sum_f32 keeps sixteen partial sums");
    double sum, squares;
    k->moments_f32(x, 33, &sum, &squares);
    expect(sum == 0x1p24 + 3 && squares == 0x1p48 + 3, "moments_f32 adds in double");
    const float tap[] = {0x1p24f, 1, 1}, w[] = {1, 1, -1};
    const ptrdiff_t offset[] = {0, 1, 2};
    float y;
    k->fir_f32(tap, offset, w, 3, 0.5f, &y, 1);
    expect(y == 0x1p24f - 1, "fir_f32 adds in ascending order from init");
}

int check_facts(int *passed)
{
    i8x_kernels scalar;
    i8x_kernels_init(&scalar, I8X_CPU_SCALAR);
    rounding(&scalar);
    saturation(&scalar);
    not_a_number(&scalar);
    order_of_sums(&scalar);
    const i8x_kernels *k = i8x_kernels_get();
    rounding(k);
    saturation(k);
    not_a_number(k);
    order_of_sums(k);
    expect(k->level == i8x_kernels_level() && k->level == i8x_cpu_detect(),
           "the process-wide table has the level of this processor");
    i8x_kernels_select(I8X_CPU_SCALAR);
    expect(i8x_kernels_level() == I8X_CPU_SCALAR && i8x_kernels_get()->add_f32 == scalar.add_f32,
           "i8x_kernels_select takes a lower level");
    expect(!i8x_kernels_flushed(), "the scalar level never says that it flushed");
    i8x_kernels_select(I8X_CPU_LEVEL_COUNT);
    expect(i8x_kernels_level() == i8x_cpu_detect(),
           "i8x_kernels_select without a limit takes the highest");

    /* A denormal product: kept by every level except one that flushes, and that one must say so. */
    const float tiny[] = {0x1p-100f, 0x1p-100f, 0x1p-100f, 0x1p-100f}, factor = 0x1.8p-30f, one = 1;
    float y[4], scaled[4];
    i8x_kernels_fpscr_clear();
    k->mul_f32(tiny, 1, &one, 0, y, 4);
    expect(!i8x_kernels_flushed(), "normal numbers do not set the flush flags");
    i8x_kernels_fpscr_clear();
    k->mul_f32(tiny, 1, &factor, 0, y, 4);
    bool kept = y[0] == 0x1.8p-130f;
    expect(kept != i8x_kernels_flushed() || (kept && sizeof(void *) == 4),
           "a denormal result is either exact or flagged");
    scalar.mul_f32(tiny, 1, &factor, 0, scaled, 4);
    expect(scaled[0] == 0x1.8p-130f, "the scalar level keeps denormals");
    i8x_kernels_fpscr_clear();
    k->mul_f32(scaled, 1, &one, 0, y, 4);
    expect((y[0] == 0x1.8p-130f) != i8x_kernels_flushed(),
           "a denormal input is either exact or flagged");
    i8x_kernels_fpscr_clear();
    expect(!i8x_kernels_flushed(), "clearing clears");
    *passed += passes;
    return failures;
}
