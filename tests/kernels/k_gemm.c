/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of gemm_f32: tiles of every size against the scalar unit driven over the same matrices,
 * with NaN in the padding (its values must not matter), and the four packing functions against
 * their formula.
 */
#include <math.h>

#include "tests/kernels/harness.h"

enum { K_MAX = 320, MR = I8X_GEMM_MR_MAX, NR = I8X_GEMM_NR_MAX, STRIDE_MAX = NR + 8 };
static float a[MR * K_MAX], b[K_MAX * NR]; /* row-major [rows][k], [k][cols] */
static float packed_a[MR * K_MAX], packed_b[K_MAX * NR];
static float c_before[MR * STRIDE_MAX], expected[MR * STRIDE_MAX];
static _Alignas(64) float small_a[MR * K_MAX], small_b[K_MAX * NR];

/* expected += a b with the reference's own tile and packing */
static void reference_product(const i8x_gemm_f32 *unit, size_t k, size_t rows, size_t cols,
                              size_t c_stride)
{
    for (size_t r = 0; r < rows; r += unit->mr)
        for (size_t j = 0; j < cols; j += unit->nr) {
            size_t height = rows - r < unit->mr ? rows - r : unit->mr;
            size_t width = cols - j < unit->nr ? cols - j : unit->nr;
            unit->pack_a(k, a + r * k, k, height, small_a);
            unit->pack_b(k, b + j, cols, width, small_b);
            unit->kernel(k, small_a, small_b, expected + r * c_stride + j, c_stride, height, width);
        }
}

static void pad(size_t k, const float *x, size_t row_step, size_t column_step, size_t count,
                size_t width, float padding, float *packed)
{
    for (size_t t = 0; t < k; ++t)
        for (size_t l = 0; l < width; ++l)
            packed[t * width + l] = l < count ? x[l * row_step + t * column_step] : padding;
}

static bool product(tester *t, size_t k, size_t rows, size_t cols, style kind)
{
    const i8x_gemm_f32 *unit = &t->level->gemm_f32;
    size_t c_stride = cols + random_below(t, 8), c_count = (rows - 1) * c_stride + cols;
    call c;
    fill_f32(t, a, rows * k, kind);
    fill_f32(t, b, k * cols, kind);
    fill_f32(t, c_before, c_count, kind);
    memcpy(expected, c_before, c_count * sizeof *expected);
    reference_product(&t->reference->gemm_f32, k, rows, cols, c_stride);
    pad(k, a, k, 1, rows, unit->mr, NAN, packed_a);
    pad(k, b, 1, cols, cols, unit->nr, NAN, packed_b);
    case_begin(t);
    const float *from_a = place_input(t, packed_a, k * unit->mr * sizeof *a, sizeof *a);
    const float *from_b = place_input(t, packed_b, k * unit->nr * sizeof *b, 64);
    float *to = place_output(t, c_before, c_count * sizeof *to, sizeof *to);
    if (guarded_call(t, &c, FN(unit->kernel),
                     INTS(k, WORD(from_a), WORD(from_b), WORD(to), c_stride, rows, cols),
                     NO_FLOATS) &&
        same_f32(t, "c", expected, to, c_count) && case_end(t))
        return true;
    size_t used = strlen(t->message);
    snprintf(t->message + used, sizeof t->message - used, " k %zu, tile %zu x %zu of %zu x %zu", k,
             rows, cols, unit->mr, unit->nr);
    return false;
}

typedef void pack_fn(size_t, const float *, size_t, size_t, float *);

/* transposed: the source is [k][count] and not [count][k] */
static bool pack(tester *t, const char *what, pack_fn *fn, size_t k, size_t count, size_t width,
                 bool source_is_k_major)
{
    size_t lines = source_is_k_major ? k : count, length = source_is_k_major ? count : k;
    size_t stride = length + random_below(t, 5),
           source = lines && length ? (lines - 1) * stride + length : 0;
    float *from = width > MR ? b : a, *to = width > MR ? packed_b : packed_a;
    call c;
    if (source > K_MAX * (width > MR ? (size_t)NR : (size_t)MR))
        return true;
    fill_f32(t, from, source, STYLE_NOISE);
    pad(k, from, source_is_k_major ? 1 : stride, source_is_k_major ? stride : 1, count, width, 0.0f,
        to);
    case_begin(t);
    const float *x = place_input(t, from, source * sizeof *x, sizeof *x);
    float *y = place_output(t, NULL, k * width * sizeof *y, 64);
    return guarded_call(t, &c, FN(fn), INTS(k, WORD(x), stride, count, WORD(y)), NO_FLOATS) &&
           same_bytes(t, what, to, y, k * width * sizeof *y) && case_end(t);
}

static bool test_gemm_f32(tester *t, size_t n, style kind)
{
    const i8x_gemm_f32 *unit = &t->level->gemm_f32;
    size_t k = n < 300 ? n : n % 301;
    if (unit->mr > MR || unit->nr > NR)
        return fail(t, "tile %zu x %zu is larger than kernels.h says", unit->mr, unit->nr);
    if (kind == STYLE_NOISE && (n == 0 || n == 3 || n == 8)) { /* every tile size */
        for (size_t rows = 1; rows <= unit->mr; ++rows)
            for (size_t cols = 1; cols <= unit->nr; ++cols)
                if (!product(t, k, rows, cols, kind))
                    return false;
    }
    size_t rows = 1 + random_below(t, (uint32_t)unit->mr),
           cols = 1 + random_below(t, (uint32_t)unit->nr);
    return product(t, k, unit->mr, unit->nr, kind) && product(t, k, rows, cols, kind) &&
           pack(t, "pack_a", unit->pack_a, k, rows, unit->mr, false) &&
           pack(t, "pack_a", unit->pack_a, k, unit->mr, unit->mr, false) &&
           pack(t, "pack_a_transposed", unit->pack_a_transposed, k, rows, unit->mr, true) &&
           pack(t, "pack_b", unit->pack_b, k, cols, unit->nr, true) &&
           pack(t, "pack_b", unit->pack_b, k, unit->nr, unit->nr, true) &&
           pack(t, "pack_b_transposed", unit->pack_b_transposed, k, cols, unit->nr, false);
}

/* Packed operands stay where they are; the tile of c too. Depths 64 and 256 (L1, L2), 1024 (L2). */
enum { BENCH_K = 1024 };
static _Alignas(64) float bench_a[BENCH_K * MR], bench_b[BENCH_K * NR], bench_c[MR * NR];

static void bench_fill(const i8x_kernels *k, void *state)
{
    (void)k, (void)state;
    for (size_t i = 0; i < BENCH_K * MR; ++i)
        bench_a[i] = (float)(i % 17) * 0.01f - 0.08f;
    for (size_t i = 0; i < BENCH_K * NR; ++i)
        bench_b[i] = (float)(i % 13) * 0.01f - 0.06f;
    memset(bench_c, 0, sizeof bench_c);
}

/* 24 rows x 96 columns per call, whatever the tile is, so that levels compare. */
static void bench_tile(const i8x_kernels *k, size_t depth)
{
    const i8x_gemm_f32 *unit = &k->gemm_f32;
    for (size_t r = 0; r < 24; r += unit->mr)
        for (size_t j = 0; j < 96; j += unit->nr)
            unit->kernel(depth, bench_a, bench_b, bench_c, unit->nr,
                         24 - r < unit->mr ? 24 - r : unit->mr,
                         96 - j < unit->nr ? 96 - j : unit->nr);
}

static void bench_64(const i8x_kernels *k, void *state)
{
    (void)state;
    bench_tile(k, 64);
}
static void bench_256(const i8x_kernels *k, void *state)
{
    (void)state;
    bench_tile(k, 256);
}
static void bench_1024(const i8x_kernels *k, void *state)
{
    (void)state;
    bench_tile(k, 1024);
}

/* Packing 192 rows of depth 256 (weights as a, or as b of a linear layer), bytes read and written.
 */
static _Alignas(64) float bench_source[192 * 256], bench_packed[192 * 256];

static void bench_pack_a(const i8x_kernels *k, void *state)
{
    (void)state;
    for (size_t r = 0; r < 192; r += k->gemm_f32.mr)
        k->gemm_f32.pack_a(256, bench_source + r * 256, 256, k->gemm_f32.mr, bench_packed);
}
static void bench_pack_b_transposed(const i8x_kernels *k, void *state)
{
    (void)state;
    for (size_t r = 0; r < 192; r += k->gemm_f32.nr)
        k->gemm_f32.pack_b_transposed(256, bench_source + r * 256, 256, k->gemm_f32.nr,
                                      bench_packed);
}
static void bench_pack_b(const i8x_kernels *k, void *state)
{
    (void)state;
    for (size_t j = 0; j < 192; j += k->gemm_f32.nr)
        k->gemm_f32.pack_b(256, bench_source + j, 192, k->gemm_f32.nr, bench_packed);
}

static const bench gemm_bench[] = {
    {"k 64", bench_64, bench_fill, 24 * 96 * 2 * 64e-9, "GFLOP/s", false},
    {"k 256", bench_256, bench_fill, 24 * 96 * 2 * 256e-9, "GFLOP/s", false},
    {"k 1024", bench_1024, bench_fill, 24 * 96 * 2 * 1024e-9, "GFLOP/s", false},
    {"pack_a", bench_pack_a, bench_fill, 192 * 256 * 8e-9, "GB/s", false},
    {"pack_b", bench_pack_b, bench_fill, 192 * 256 * 8e-9, "GB/s", false},
    {"pack_b_t", bench_pack_b_transposed, bench_fill, 192 * 256 * 8e-9, "GB/s", false}};

const test gemm_tests[] = {
    {"gemm_f32", "FMA_CHAIN", test_gemm_f32, STYLES_ALL, gemm_bench,
     sizeof gemm_bench / sizeof gemm_bench[0]},
};
const size_t gemm_test_count = sizeof gemm_tests / sizeof gemm_tests[0];
