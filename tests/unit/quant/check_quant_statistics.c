/* SPDX-License-Identifier: Apache-2.0
 *
 * Histograms, moments and the observer that fills them: what a value counts as, that neither batch
 * size nor padding nor the way shards are put together shows, and that foreign records are refused.
 */
#include <math.h>
#include <string.h>

#include "core/kernels/kernels.h"
#include "tests/support/suite.h"
#include "tests/unit/quant/tiny_net.h"

static i8x_arena *arena;

static void setup(void)
{
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
}

static i8x_histogram histogram_of(const float *x, size_t count)
{
    static uint32_t bins[I8X_LOGHIST_BINS];
    memset(bins, 0, sizeof bins);
    i8x_histogram_sum sum;
    i8x_histogram h;
    float min, max;
    i8x_histogram_sum_init(&sum);
    (void)i8x_kernels_get()->minmax_f32(x, count, &min, &max);
    i8x_kernels_get()->loghist_f32(x, count, bins);
    ck_assert_ok(i8x_histogram_sum_dense(&sum, bins, count, min, max, arena));
    ck_assert_ok(i8x_histogram_sum_finish(&sum, 3, arena, &h));
    return h;
}

START_TEST(bins_ascend_and_hold_their_elements)
{
    setup();
    const float x[] = {-2.5f, -1e-9f, -0.0f, 0.0f, 1e-9f, 0.75f, 0.75f, 3.0f};
    i8x_histogram h = histogram_of(x, 8);
    ck_assert_uint_eq(h.count, 8);
    ck_assert_float_eq(h.min, -2.5f);
    ck_assert_float_eq(h.max, 3.0f);
    uint64_t total = 0;
    double before = -INFINITY;
    for (uint32_t i = 0; i < h.bin_count; i++) {
        double lower, upper;
        i8x_histogram_edges(&h, i, &lower, &upper);
        ck_assert(lower >= before && upper > lower);
        before = lower;
        int inside = 0;
        for (int k = 0; k < 8; k++) {
            double v = (double)x[k];
            /* a negative bin holds its lower edge's side, a positive one its lower edge */
            inside += v < 0 ? v > lower && v <= upper : v >= lower && v < upper && lower >= 0;
        }
        ck_assert_int_eq(inside, (int)h.counts[i]);
        total += h.counts[i];
    }
    ck_assert_uint_eq(total, 8);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(octaves_far_below_the_top_keep_two_bits)
{
    ck_assert_int_eq(i8x_histogram_bits(130, 130), 10);
    ck_assert_int_eq(i8x_histogram_bits(130, 127), 10);
    ck_assert_int_eq(i8x_histogram_bits(130, 126), 9);
    ck_assert_int_eq(i8x_histogram_bits(130, 119), 2);
    ck_assert_int_eq(i8x_histogram_bits(130, 0), 2);
}
END_TEST

START_TEST(records_survive_encoding_and_truncation_is_refused)
{
    setup();
    float x[4096];
    for (int i = 0; i < 4096; i++)
        x[i] = (float)(i - 1000) * 0.01f;
    i8x_histogram h = histogram_of(x, 4096);
    i8x_histograms all = {.samples = 7, .items = &h, .count = 1}, back;
    const uint8_t *bytes, *again;
    size_t size, size_again;
    ck_assert_ok(i8x_histograms_encode(&all, arena, &bytes, &size));
    ck_assert_ok(i8x_histograms_decode(bytes, size, arena, &back));
    ck_assert_uint_eq(back.samples, 7);
    ck_assert_ok(i8x_histograms_encode(&back, arena, &again, &size_again));
    ck_assert_uint_eq(size, size_again);
    ck_assert_mem_eq(bytes, again, size);
    for (size_t cut = 0; cut < size; cut += 1 + cut / 16)
        ck_assert_status(i8x_histograms_decode(bytes, cut, arena, &back), I8X_EFORMAT);
    uint8_t *bad = i8x_arena_copy(arena, bytes, size);
    bad[4] = 9;
    ck_assert_status(i8x_histograms_decode(bad, size, arena, &back), I8X_EVERSION);
    bad[4] = bytes[4];
    bad[size - 1]++; /* the last count: they no longer add up */
    ck_assert_status(i8x_histograms_decode(bad, size, arena, &back), I8X_EFORMAT);
    i8x_arena_free(arena);
}
END_TEST

static void bytes_of(const i8x_histograms *h, const i8x_moments *m, const uint8_t **bytes,
                     size_t *sizes)
{
    ck_assert_ok(i8x_histograms_encode(h, arena, &bytes[0], &sizes[0]));
    ck_assert_ok(i8x_moments_encode(m, arena, &bytes[1], &sizes[1]));
}

START_TEST(batch_size_and_padding_change_nothing)
{
    setup();
    float *samples = tiny_samples(arena, 7);
    const uint8_t *first[2], *bytes[2];
    size_t first_sizes[2], sizes[2];
    for (int64_t batch = 1; batch <= 4; batch++) {
        i8x_graph *graph = tiny_net(batch);
        i8x_histograms h;
        i8x_moments m;
        tiny_observe(graph, samples, 0, 7, batch, arena, &h, &m);
        bytes_of(&h, &m, batch == 1 ? first : bytes, batch == 1 ? first_sizes : sizes);
        for (int k = 0; k < 2 && batch > 1; k++) {
            ck_assert_uint_eq(sizes[k], first_sizes[k]);
            ck_assert_mem_eq(bytes[k], first[k], sizes[k]);
        }
        i8x_graph_free(graph);
    }
    i8x_arena_free(arena);
}
END_TEST

START_TEST(histograms_of_shards_merge_to_that_of_the_whole)
{
    setup();
    float *samples = tiny_samples(arena, 9);
    i8x_graph *graph = tiny_net(1);
    i8x_histograms whole, parts[3], merged;
    i8x_moments m;
    tiny_observe(graph, samples, 0, 9, 1, arena, &whole, &m);
    for (int s = 0; s < 3; s++)
        tiny_observe(graph, samples, s * 3, 3, 1, arena, &parts[2 - s], &m);
    ck_assert_ok(i8x_histograms_merge(parts, 3, arena, &merged));
    const uint8_t *a, *b;
    size_t a_size, b_size;
    ck_assert_ok(i8x_histograms_encode(&whole, arena, &a, &a_size));
    ck_assert_ok(i8x_histograms_encode(&merged, arena, &b, &b_size));
    ck_assert_uint_eq(a_size, b_size);
    ck_assert_mem_eq(a, b, a_size);
    i8x_graph_free(graph);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(values_before_an_activation_have_moments_but_no_histogram)
{
    setup();
    i8x_graph *graph = tiny_net(1);
    i8x_histograms h;
    i8x_moments m;
    tiny_observe(graph, tiny_samples(arena, 2), 0, 2, 1, arena, &h, &m);
    int before = graph->nodes[tiny_node(graph, "stem")].outputs[0];
    int behind = graph->nodes[tiny_node(graph, "stem_relu")].outputs[0];
    ck_assert_ptr_null(i8x_histograms_find(&h, before));
    ck_assert_ptr_nonnull(i8x_histograms_find(&h, behind));
    const i8x_moment *moment = i8x_moments_find(&m, before);
    ck_assert_ptr_nonnull(moment);
    ck_assert_int_eq((int)moment->channels, 8);
    ck_assert_uint_eq(moment->count, 2 * 64);
    i8x_graph_free(graph);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(a_nan_is_refused_with_tensor_and_sample)
{
    setup();
    i8x_graph *graph = tiny_net(2);
    i8x_observer *observer;
    ck_assert_ok(i8x_observer_new(graph, 0, &observer));
    float *samples = tiny_samples(arena, 2);
    samples[TINY_SAMPLE + 5] = NAN;
    i8x_tensor x = {.dtype = I8X_DTYPE_F32,
                    .shape = i8x_shape_make(4, (int64_t[]){2, 3, 8, 8}),
                    .data = samples};
    i8x_observer_batch(observer, 40, 2, 2);
    ck_assert_status(i8x_observer_see(observer, graph->inputs[0], &x), I8X_ERANGE);
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "'input'"));
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "41"));
    /* in the padding it does not count */
    i8x_observer_batch(observer, 40, 1, 2);
    ck_assert_ok(i8x_observer_see(observer, graph->inputs[0], &x));
    i8x_observer_free(observer);
    i8x_graph_free(graph);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(moments_that_do_not_fit_are_not_merged)
{
    setup();
    i8x_graph *graph = tiny_net(1);
    i8x_histograms h;
    i8x_moments parts[2], merged, back;
    tiny_observe(graph, tiny_samples(arena, 2), 0, 1, 1, arena, &h, &parts[0]);
    tiny_observe(graph, tiny_samples(arena, 2), 1, 1, 1, arena, &h, &parts[1]);
    ck_assert_ok(i8x_moments_merge(parts, 2, arena, &merged));
    ck_assert_uint_eq(merged.samples, 2);
    const uint8_t *bytes;
    size_t size;
    ck_assert_ok(i8x_moments_encode(&merged, arena, &bytes, &size));
    ck_assert_ok(i8x_moments_decode(bytes, size, arena, &back));
    ck_assert_int_eq(back.count, merged.count);
    ck_assert_double_eq(back.items[1].sum[0], merged.items[1].sum[0]);
    for (size_t cut = 0; cut < size; cut += 1 + cut / 8)
        ck_assert_status(i8x_moments_decode(bytes, cut, arena, &back), I8X_EFORMAT);
    parts[1].count--;
    ck_assert_status(i8x_moments_merge(parts, 2, arena, &merged), I8X_ESHAPE);
    ck_assert_status(i8x_moments_merge(parts, 0, arena, &merged), I8X_EARG);
    i8x_graph_free(graph);
    i8x_arena_free(arena);
}
END_TEST

Suite *check_quant_statistics_suite(void)
{
    const TTest *tests[] = {bins_ascend_and_hold_their_elements,
                            octaves_far_below_the_top_keep_two_bits,
                            records_survive_encoding_and_truncation_is_refused,
                            batch_size_and_padding_change_nothing,
                            histograms_of_shards_merge_to_that_of_the_whole,
                            values_before_an_activation_have_moments_but_no_histogram,
                            a_nan_is_refused_with_tensor_and_sample,
                            moments_that_do_not_fit_are_not_merged};
    return i8x_suite("quant_statistics", tests, sizeof tests / sizeof tests[0]);
}
