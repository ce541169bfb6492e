/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights, rounding and records of them: layouts of every layer type, dead channels, golden vectors
 * made by exact fractions, and that adaptive rounding never does worse on the output than rounding
 * to nearest.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/quant/range.h"
#include "core/quant/rounding.h"
#include "core/quant/weights.h"
#include "tests/support/golden.h"
#include "tests/support/suite.h"
#include "tests/unit/quant/tiny_net.h"

static i8x_arena *arena;

START_TEST(golden_scales_and_codes)
{
    i8x_golden *golden = i8x_golden_open(I8X_TEST_SOURCE_DIR, "quant/params.txt");
    char *f[6];
    size_t count = 0;
    while (i8x_golden_next(golden, f, 6)) { /* target lo hi scale zero -- floats as bits */
        float lo, hi, wanted, scale;
        uint32_t bits[3];
        for (int k = 0; k < 3; k++)
            bits[k] = (uint32_t)strtoul(f[1 + k], NULL, 16);
        memcpy(&lo, &bits[0], 4);
        memcpy(&hi, &bits[1], 4);
        memcpy(&wanted, &bits[2], 4);
        int32_t zero;
        i8x_target target = (i8x_target)atoi(f[0]);
        i8x_range_params(i8x_target_info_get(target), lo, hi, &scale, &zero);
        ck_require(scale == wanted && zero == atoi(f[4]), "%s: scale %a, zero %d", f[5],
                   (double)scale, zero);
        count++;
    }
    i8x_golden_close(golden, 100);
    ck_assert_uint_ge(count, 100);
    golden = i8x_golden_open(I8X_TEST_SOURCE_DIR, "quant/bias.txt");
    while (i8x_golden_next(golden, f, 4)) { /* bias input-scale scale code */
        float x[3];
        for (int k = 0; k < 3; k++) {
            uint32_t b = (uint32_t)strtoul(f[k], NULL, 16);
            memcpy(&x[k], &b, 4);
        }
        ck_require(i8x_weights_bias_code(x[0], x[1], x[2]) == atol(f[3]), "%s %s %s", f[0], f[1],
                   f[2]);
    }
    i8x_golden_close(golden, 100);
}
END_TEST

START_TEST(scales_are_positive_and_the_mse_scale_is_no_worse)
{
    float w[40], zeros[40] = {0};
    for (int i = 0; i < 40; i++)
        w[i] = i8x_rng_f32(3, (uint64_t)i) - 0.5f;
    w[7] = 4.0f; /* one large weight: a smaller scale serves the others better */
    ck_assert_float_eq(i8x_weights_scale_max(w, 40), 4.0f / 127);
    ck_assert(i8x_weights_scale_max(zeros, 40) > 0);
    ck_assert(i8x_weights_scale_mse(zeros, NULL, 40) > 0);
    double power[40];
    for (int i = 0; i < 40; i++)
        power[i] = i == 7 ? 1e-6 : 1;
    ck_assert(i8x_weights_scale_mse(w, power, 40) < i8x_weights_scale_max(w, 40));
}
END_TEST

START_TEST(a_dead_channel_gets_a_scale_that_its_bias_fits)
{
    float scale = 1e-18f;
    ck_assert(i8x_weights_scale_raise(&scale, 3.0f, 0.01f));
    int32_t code = i8x_weights_bias_code(3.0f, 0.01f, scale);
    ck_assert_int_le(code, 1 << 30);
    ck_assert_int_ge(code, (1 << 30) - 1000);
    ck_assert(!i8x_weights_scale_raise(&scale, 3.0f, 0.01f));
    ck_assert_int_eq(i8x_weights_bias_code(1e30f, 1e-10f, 1e-10f), INT32_MAX);
}
END_TEST

START_TEST(rows_of_every_layout_come_back)
{
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    const struct {
        int rank, axis;
        int64_t dims[4];
    } cases[] = {{4, 0, {5, 3, 2, 2}}, {4, 1, {3, 5, 2, 2}}, {2, 0, {5, 6}}, {2, 1, {6, 5}}};
    for (size_t i = 0; i < 4; i++) {
        i8x_graph *g;
        ck_assert_ok(i8x_graph_new(0, &g));
        i8x_tensor t = {.dtype = I8X_DTYPE_F32,
                        .shape = i8x_shape_make(cases[i].rank, cases[i].dims)};
        int64_t count = i8x_tensor_elements(&t);
        float *w = i8x_arena_array(arena, (size_t)count, sizeof *w), row[64];
        for (int64_t k = 0; k < count; k++)
            w[k] = (float)k;
        t.data = w;
        int value;
        ck_assert_ok(i8x_graph_add_constant(g, "w", &t, true, &value));
        i8x_qlayer layer = {
            .weight = value, .axis = cases[i].axis, .channels = 5, .elements = count};
        int8_t codes[64] = {0}, row_codes[64];
        int64_t stride = 1;
        for (int d = cases[i].axis + 1; d < cases[i].rank; d++)
            stride *= cases[i].dims[d];
        for (int64_t r = 0; r < 5; r++) {
            i8x_weights_row_get(g, &layer, r, row);
            for (int64_t k = 0; k < count / 5; k++) {
                ck_assert_int_eq((int64_t)row[k] / stride % 5, r);
                row_codes[k] = (int8_t)row[k];
            }
            i8x_weights_row_put(g, &layer, r, row_codes, codes);
        }
        for (int64_t k = 0; k < count; k++)
            ck_assert_int_eq(codes[k], k);
        i8x_graph_free(g);
    }
    i8x_arena_free(arena);
}
END_TEST

START_TEST(records_of_parts_merge_and_survive_encoding)
{
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_graph *graph = tiny_net(1);
    i8x_recipe recipe;
    i8x_recipe_default(&recipe);
    i8x_qspec q;
    i8x_moments moments;
    tiny_solve(graph, tiny_samples(arena, 4), 4, &recipe, arena, &q, &moments);
    i8x_qweights_set whole, parts[3], merged, back;
    ck_assert_ok(i8x_weights_quantize(graph, &q, &recipe, NULL, 0, 6, NULL, arena, &whole));
    ck_assert_ok(i8x_weights_quantize(graph, &q, &recipe, NULL, 4, 6, NULL, arena, &parts[0]));
    ck_assert_ok(i8x_weights_quantize(graph, &q, &recipe, NULL, 0, 2, NULL, arena, &parts[1]));
    ck_assert_ok(i8x_weights_quantize(graph, &q, &recipe, NULL, 2, 4, NULL, arena, &parts[2]));
    ck_assert_ok(i8x_weights_merge(parts, 3, arena, &merged));
    const uint8_t *a, *b;
    size_t a_size, b_size;
    ck_assert_ok(i8x_weights_encode(&whole, arena, &a, &a_size));
    ck_assert_ok(i8x_weights_encode(&merged, arena, &b, &b_size));
    ck_assert_uint_eq(a_size, b_size);
    ck_assert_mem_eq(a, b, a_size);
    ck_assert_ok(i8x_weights_decode(a, a_size, arena, &back));
    ck_assert_int_eq(back.count, 6);
    for (size_t cut = 0; cut < a_size; cut += 1 + cut / 16)
        ck_assert_int_ne(i8x_weights_decode(a, cut, arena, &back), I8X_OK);
    /* a correction without codes keeps those that were there */
    i8x_qweights fixed = whole.items[1];
    fixed.codes = NULL;
    i8x_qweights_set pair[2] = {whole, {.items = &fixed, .count = 1}};
    ck_assert_ok(i8x_weights_merge(pair, 2, arena, &merged));
    ck_assert_ptr_eq(merged.items[1].codes, whole.items[1].codes);
    q.solved = false;
    ck_assert_status(i8x_weights_quantize(graph, &q, &recipe, NULL, 0, 6, NULL, arena, &whole),
                     I8X_EARG);
    q.solved = true;
    float *w = (float *)(uintptr_t)graph->values[q.layers[0].weight].data;
    w[3] = NAN;
    ck_assert_status(i8x_weights_quantize(graph, &q, &recipe, NULL, 0, 6, NULL, arena, &whole),
                     I8X_ERANGE);
    i8x_graph_free(graph);
    i8x_arena_free(arena);
}
END_TEST

/* Sum of squares of (scale * codes - w) . x over all output positions of all samples, by direct
 * convolution with padding 1 (3x3) or none (1x1). */
static double output_error(const float *x, int64_t samples, const float *w, const int8_t *codes,
                           float scale, int64_t inputs, int64_t k)
{
    double total = 0;
    for (int64_t n = 0; n < samples; n++) {
        for (int64_t p = 0; p < 64; p++) {
            double y = 0;
            for (int64_t t = 0; t < inputs * k * k; t++) {
                int64_t c = t / (k * k), iy = p / 8 + t % (k * k) / k - k / 2,
                        ix = p % 8 + t % k - k / 2;
                if (iy < 0 || iy > 7 || ix < 0 || ix > 7)
                    continue;
                y += ((double)codes[t] * (double)scale - (double)w[t]) *
                     (double)x[(n * inputs + c) * 64 + iy * 8 + ix];
            }
            total += y * y;
        }
    }
    return total;
}

START_TEST(adaptive_rounding_is_no_worse_on_the_output)
{
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_graph *graph = tiny_net(1);
    i8x_recipe recipe;
    i8x_recipe_default(&recipe);
    i8x_qspec q;
    ck_assert_ok(i8x_qspec_plan(graph, &recipe, arena, &q));
    const char *names[] = {"stem", "side"};
    for (int i = 0; i < 2; i++) {
        const i8x_qlayer *layer = i8x_qspec_layer(&q, tiny_node(graph, names[i]));
        int64_t inputs = i == 0 ? 3 : 8, k = i == 0 ? 3 : 1, taps = inputs * k * k;
        float *x = i8x_arena_array(arena, (size_t)(16 * inputs * 64), sizeof *x), w[64];
        for (int64_t j = 0; j < 16 * inputs * 64; j++)
            x[j] = i8x_rng_f32(9, (uint64_t)j) + 0.2f * (float)(j / 64 % inputs);
        i8x_gram gram;
        bool usable;
        ck_assert_ok(i8x_gram_init(&gram, graph, layer, 16, arena, &usable));
        ck_assert(usable && (gram.full != NULL) == (i == 0));
        for (int64_t n = 0; n < gram.samples; n++)
            ck_assert_ok(i8x_gram_add(&gram, graph, layer, x + n * inputs * 64, arena));
        i8x_gram_finish(&gram);
        double *scratch = i8x_arena_array(arena, (size_t)i8x_rounding_scratch(&gram), 8);
        double before = 0, after = 0;
        for (int64_t row = 0; row < layer->channels; row++) {
            int8_t codes[64], start[64];
            i8x_weights_row_get(graph, layer, row, w);
            float scale = i8x_weights_scale_max(w, taps), fitted = scale;
            for (int64_t t = 0; t < taps; t++)
                start[t] = (int8_t)rintf(w[t] / scale);
            i8x_rounding_row(&gram, row, w, &fitted, codes, scratch);
            ck_assert(fitted > 0.5f * scale && fitted < 2 * scale);
            before += output_error(x, 16, w, start, scale, inputs, k);
            after += output_error(x, 16, w, codes, fitted, inputs, k);
        }
        ck_assert_msg(after < 0.9 * before, "%s: %g after, %g before", names[i], after, before);
    }
    const i8x_qlayer *fc = i8x_qspec_layer(&q, tiny_node(graph, "fc"));
    i8x_gram gram;
    bool usable;
    ck_assert_ok(i8x_gram_init(&gram, graph, fc, 16, arena, &usable));
    ck_assert(!usable);
    i8x_graph_free(graph);
    i8x_arena_free(arena);
}
END_TEST

Suite *check_weights_suite(void)
{
    const TTest *tests[] = {golden_scales_and_codes,
                            scales_are_positive_and_the_mse_scale_is_no_worse,
                            a_dead_channel_gets_a_scale_that_its_bias_fits,
                            rows_of_every_layout_come_back,
                            records_of_parts_merge_and_survive_encoding,
                            adaptive_rounding_is_no_worse_on_the_output};
    return i8x_suite("weights", tests, sizeof tests / sizeof tests[0]);
}
