/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution, matrix product and pooling against exact vectors (tests/golden/ops), on every level
 * this processor has and for several thread counts: the bits are the contract, so nothing has a
 * tolerance.
 */
#include <stdlib.h>
#include <string.h>

#include "core/ops/conv.h"
#include "core/ops/conv_integer.h"
#include "core/ops/gemm.h"
#include "core/ops/pool.h"
#include "int8x/kernels.h"
#include "tests/support/golden.h"
#include "tests/support/suite.h"

#define FLOATS_MAX 4096

typedef struct variant {
    i8x_threads *threads;
    i8x_arena *arena;
} variant;

/* Calls fn for every level and 1, 2 and 3 threads. */
static void each_variant(void (*fn)(const variant *))
{
    for (int level = 0; level < I8X_CPU_LEVEL_COUNT; level++) {
        i8x_kernels_select((i8x_cpu_level)level);
        for (int count = 1; count <= 3; count++) {
            variant v;
            ck_assert_ok(i8x_threads_new(count, &v.threads));
            ck_assert_ok(i8x_arena_new(NULL, 0, &v.arena));
            fn(&v);
            i8x_arena_free(v.arena);
            i8x_threads_free(v.threads);
        }
    }
    i8x_kernels_select(I8X_CPU_LEVEL_COUNT);
}

static size_t floats(const char *hex, float *values)
{
    return i8x_golden_hex(hex, (uint8_t *)values, FLOATS_MAX * sizeof(float)) / sizeof(float);
}

/* fields: batch group ic ih iw oc kh kw sh sw dh dw pt pl pb pr */
static void parse_conv(char **f, i8x_conv_params *p, int64_t *pads_end)
{
    int64_t n[16];
    for (int i = 0; i < 16; i++)
        n[i] = strtoll(f[i], NULL, 10);
    *p = (i8x_conv_params){.batch = n[0], .group = n[1], .ic = n[2], .oc = n[5]};
    p->window = (i8x_window){.ih = n[3],
                             .iw = n[4],
                             .kh = n[6],
                             .kw = n[7],
                             .stride_h = n[8],
                             .stride_w = n[9],
                             .dilation_h = n[10],
                             .dilation_w = n[11],
                             .pad_top = n[12],
                             .pad_left = n[13]};
    p->window.oh = i8x_window_out(n[3], n[12] + n[14], (n[6] - 1) * n[10] + 1, n[8], 0);
    p->window.ow = i8x_window_out(n[4], n[13] + n[15], (n[7] - 1) * n[11] + 1, n[9], 0);
    pads_end[0] = n[14];
    pads_end[1] = n[15];
}

static void conv_golden(const variant *v)
{
    static float x[FLOATS_MAX], w[FLOATS_MAX], bias[FLOATS_MAX], wanted[FLOATS_MAX], y[FLOATS_MAX];
    i8x_golden *golden = i8x_golden_open(I8X_TEST_SOURCE_DIR, "ops/conv.txt");
    char *f[20];
    while (i8x_golden_next(golden, f, 20)) {
        i8x_conv_params p;
        int64_t pads_end[2];
        parse_conv(f, &p, pads_end);
        (void)floats(f[16], x);
        (void)floats(f[17], w);
        bool has_bias = floats(f[18], bias) > 0;
        size_t count = floats(f[19], wanted);
        i8x_conv_store store = {.y = y, .oc = p.oc, .plane = p.window.oh * p.window.ow};
        i8x_conv_args args = {.params = &p,
                              .x = x,
                              .w = w,
                              .bias = has_bias ? bias : NULL,
                              .sink = i8x_conv_store_sink,
                              .user = &store};
        memset(y, 0xff, sizeof y);
        ck_assert_ok(i8x_conv_run(&args, v->arena, v->threads));
        ck_assert_uint_eq(count, (size_t)(p.batch * p.oc * store.plane));
        ck_assert_mem_eq(y, wanted, count * sizeof *y);
    }
    i8x_golden_close(golden, 18);
}

START_TEST(convolutions_are_one_chain_per_output_on_every_level)
{
    each_variant(conv_golden);
}
END_TEST

static void gemm_golden(const variant *v)
{
    static float a[FLOATS_MAX], b[FLOATS_MAX], c[FLOATS_MAX], wanted[FLOATS_MAX], y[FLOATS_MAX];
    i8x_golden *golden = i8x_golden_open(I8X_TEST_SOURCE_DIR, "ops/gemm.txt");
    char *f[9];
    while (i8x_golden_next(golden, f, 9)) {
        i8x_gemm_params p = {.m = strtoll(f[0], NULL, 10),
                             .n = strtoll(f[1], NULL, 10),
                             .k = strtoll(f[2], NULL, 10),
                             .a_transposed = f[3][0] == '1',
                             .b_transposed = f[4][0] == '1',
                             .alpha = 1,
                             .beta = 1,
                             .c_col_step = 1};
        (void)floats(f[5], a);
        (void)floats(f[6], b);
        (void)floats(f[7], c);
        size_t count = floats(f[8], wanted);
        i8x_gemm_args args = {.params = &p, .a = a, .b = b, .c = c, .y = y};
        ck_assert_ok(i8x_gemm_run(&args, v->arena, v->threads));
        ck_assert_uint_eq(count, (size_t)(p.m * p.n));
        ck_assert_mem_eq(y, wanted, count * sizeof *y);
    }
    i8x_golden_close(golden, 20);
}

START_TEST(matrix_products_are_one_chain_per_output_on_every_level)
{
    each_variant(gemm_golden);
}
END_TEST

static void pool_golden(const variant *v)
{
    static float x[FLOATS_MAX], wanted[FLOATS_MAX], y[FLOATS_MAX];
    i8x_golden *golden = i8x_golden_open(I8X_TEST_SOURCE_DIR, "ops/pool.txt");
    char *f[19];
    while (i8x_golden_next(golden, f, 19)) {
        i8x_conv_params sizes;
        int64_t pads_end[2];
        parse_conv(f, &sizes, pads_end);
        i8x_pool_params p = {.planes = sizes.batch * sizes.ic,
                             .window = sizes.window,
                             .pad_bottom = pads_end[0],
                             .pad_right = pads_end[1],
                             .count_padding = f[16][0] == '1'};
        (void)floats(f[17], x);
        size_t count = floats(f[18], wanted);
        ck_assert_ok(i8x_pool_run(&p, x, y, v->arena, v->threads));
        ck_assert_mem_eq(y, wanted, count * sizeof *y);
    }
    i8x_golden_close(golden, 4);
}

START_TEST(average_pools_sum_in_order_and_divide_once)
{
    each_variant(pool_golden);
}
END_TEST

static void integer_golden(const variant *v)
{
    static uint8_t x[FLOATS_MAX], wanted[FLOATS_MAX], y[FLOATS_MAX];
    static int8_t w[FLOATS_MAX];
    static int32_t bias[64];
    static float multiplier[64];
    i8x_golden *golden = i8x_golden_open(I8X_TEST_SOURCE_DIR, "ops/integer.txt");
    char *f[23];
    size_t chunks_most = 0;
    while (i8x_golden_next(golden, f, 23)) {
        i8x_conv_params p;
        int64_t pads_end[2];
        parse_conv(f, &p, pads_end);
        (void)i8x_golden_hex(f[18], x, sizeof x);
        size_t weights = i8x_golden_hex(f[19], (uint8_t *)w, sizeof w);
        (void)i8x_golden_hex(f[20], (uint8_t *)bias, sizeof bias);
        (void)i8x_golden_hex(f[21], (uint8_t *)multiplier, sizeof multiplier);
        size_t count = i8x_golden_hex(f[22], wanted, sizeof wanted);
        i8x_shape shape = {.rank = 1, .dims = {(int64_t)weights}};
        i8x_integer_layer layer = {.x_dtype = I8X_DTYPE_U8,
                                   .x_zero = atoi(f[16]),
                                   .channels = p.oc,
                                   .bias = bias,
                                   .w = {I8X_DTYPE_S8, shape, w},
                                   .multiplier = multiplier,
                                   .output = I8X_INTEGER_CODES,
                                   .y_dtype = I8X_DTYPE_U8,
                                   .y_zero = atoi(f[17])};
        ck_assert_ok(
            i8x_integer_layer_init(&layer, p.ic / p.group * p.window.kh * p.window.kw, v->arena));
        chunks_most = layer.chunk_count > chunks_most ? layer.chunk_count : chunks_most;
        ck_assert_ok(i8x_conv_integer_run(&layer, &p, x, y, v->arena, v->threads));
        ck_assert_uint_eq(count, (size_t)(p.batch * p.oc * p.window.oh * p.window.ow));
        ck_assert_mem_eq(y, wanted, count);
    }
    ck_assert_uint_gt(chunks_most, 1); /* sums that no float holds were among them */
    i8x_golden_close(golden, 7);
}

START_TEST(integer_convolutions_are_exact_beyond_what_floats_hold)
{
    each_variant(integer_golden);
}
END_TEST

START_TEST(integer_matrices_equal_sums_in_64_bits)
{
    enum { M = 5, K = 700, N = 37 };
    static int8_t x[M * K], w[K * N];
    static int32_t y[M * N], bias[N];
    i8x_arena *arena;
    uint32_t state = 7;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    for (int i = 0; i < M * K; i++)
        x[i] = (int8_t)((state = state * 1664525u + 1013904223u) >> 24);
    for (int i = 0; i < K * N; i++)
        w[i] = (int8_t)(i % 3 ? 127 : -90);
    for (int i = 0; i < N; i++)
        bias[i] = (i - 7) * 40000000;
    for (int transposed = 0; transposed < 2; transposed++) {
        i8x_shape shape = {.rank = 2, .dims = {K, N}};
        i8x_integer_layer layer = {.x_dtype = I8X_DTYPE_S8,
                                   .x_zero = -128,
                                   .channels = N,
                                   .bias = bias,
                                   .w = {I8X_DTYPE_S8, shape, w},
                                   .w_transposed = transposed == 1,
                                   .output = I8X_INTEGER_S32};
        ck_assert_ok(i8x_integer_layer_init(&layer, K, arena));
        ck_assert_uint_gt(layer.chunk_count, 1);
        ck_assert_ok(i8x_matrix_integer_run(&layer, M, x, y, arena, NULL));
        for (int m = 0; m < M; m++)
            for (int n = 0; n < N; n++) {
                int64_t sum = bias[n];
                for (int k = 0; k < K; k++)
                    sum += (int64_t)(x[m * K + k] + 128) * w[transposed ? k * N + n : n * K + k];
                ck_assert_int_eq(y[m * N + n], sum);
            }
    }
    i8x_arena_free(arena);
}
END_TEST

START_TEST(integer_layers_take_four_bit_weights_with_zero_points)
{
    const uint8_t packed[3] = {0x21, 0x43, 0x65}; /* u4: 1 2 3 4 5 6 as [2][3] */
    const int32_t w_zero[2] = {1, 4};
    const uint8_t x[3] = {10, 20, 30};
    const float multiplier[2] = {1.0f, 0.5f};
    float y[2];
    i8x_arena *arena;
    i8x_shape shape = {.rank = 2, .dims = {2, 3}};
    i8x_integer_layer layer = {.x_dtype = I8X_DTYPE_U8,
                               .x_zero = 10,
                               .channels = 2,
                               .w_zero = w_zero,
                               .w = {I8X_DTYPE_U4, shape, (void *)(uintptr_t)packed},
                               .multiplier = multiplier,
                               .output = I8X_INTEGER_F32};
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    ck_assert_ok(i8x_integer_layer_init(&layer, 3, arena));
    ck_assert_ok(i8x_matrix_integer_run(&layer, 1, x, y, arena, NULL));
    ck_assert_float_eq(y[0], 0 * 0 + 10 * 1 + 20 * 2);
    ck_assert_float_eq(y[1], (0 * 0 + 10 * 1 + 20 * 2) * 0.5f);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(integer_layers_refuse_what_they_cannot_do_exactly)
{
    static int8_t w[4] = {127, 127, 127, 127};
    const int32_t bias[1] = {INT32_MAX};
    i8x_arena *arena;
    i8x_shape shape = {.rank = 2, .dims = {1, 4}};
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_integer_layer layer = {.x_dtype = I8X_DTYPE_U8,
                               .channels = 1,
                               .bias = bias,
                               .w = {I8X_DTYPE_S8, shape, w},
                               .output = I8X_INTEGER_S32};
    ck_assert_status(i8x_integer_layer_init(&layer, 4, arena), I8X_ERANGE);
    layer.bias = NULL;
    ck_assert_ok(i8x_integer_layer_init(&layer, 4, arena));
    ck_assert_status(i8x_integer_layer_init(&layer, 0, arena), I8X_EARG);
    layer.x_dtype = I8X_DTYPE_S16;
    ck_assert_status(i8x_integer_layer_init(&layer, 4, arena), I8X_EARG);
    layer.x_dtype = I8X_DTYPE_S8;
    layer.w.dtype = I8X_DTYPE_F32;
    ck_assert_status(i8x_integer_layer_init(&layer, 4, arena), I8X_EARG);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(scratch_limits_are_kept)
{
    static float x[64 * 64], w[64 * 64], y[64 * 64];
    i8x_arena *arena;
    i8x_gemm_params p = {.m = 64, .n = 64, .k = 64, .alpha = 1, .beta = 1};
    i8x_gemm_args args = {.params = &p, .a = x, .b = w, .y = y};
    ck_assert_ok(i8x_arena_new(NULL, 4096, &arena));
    ck_assert_status(i8x_gemm_run(&args, arena, NULL), I8X_ELIMIT);
    i8x_arena_free(arena);
}
END_TEST

Suite *check_product_suite(void)
{
    const TTest *tests[] = {
        convolutions_are_one_chain_per_output_on_every_level,
        matrix_products_are_one_chain_per_output_on_every_level,
        average_pools_sum_in_order_and_divide_once,
        integer_convolutions_are_exact_beyond_what_floats_hold,
        integer_matrices_equal_sums_in_64_bits,
        integer_layers_take_four_bit_weights_with_zero_points,
        integer_layers_refuse_what_they_cannot_do_exactly,
        scratch_limits_are_kept,
    };
    return i8x_suite("product", tests, sizeof tests / sizeof tests[0]);
}
