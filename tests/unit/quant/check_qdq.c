/* SPDX-License-Identifier: Apache-2.0
 *
 * From FP32 to QDQ on the tiny net: equalisation keeps the function, the walk corrects means, the
 * written graph computes nearly the same, holds what each target asks for, and is the same for
 * every thread count and part order.
 */
#include <math.h>
#include <string.h>

#include "core/quant/apply.h"
#include "core/quant/bias_correct.h"
#include "core/quant/equalize.h"
#include "core/quant/error.h"
#include "core/quant/lower.h"
#include "core/quant/opset.h"
#include "tests/support/suite.h"
#include "tests/unit/quant/tiny_net.h"

#define SAMPLES 32

static i8x_arena *arena;
static i8x_graph *graph;
static i8x_recipe recipe;
static float *samples;
static i8x_qspec q;
static i8x_moments moments;

static void setup(void)
{
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    graph = tiny_net(1);
    i8x_recipe_default(&recipe);
    samples = tiny_samples(arena, SAMPLES);
}

static void teardown(void)
{
    i8x_graph_free(graph);
    i8x_arena_free(arena);
}

static i8x_sample_block block_of(i8x_tensor *input)
{
    *input = (i8x_tensor){.dtype = I8X_DTYPE_F32,
                          .shape = i8x_shape_make(4, (int64_t[]){SAMPLES, 3, 8, 8}),
                          .data = samples};
    return (i8x_sample_block){.samples = SAMPLES, .inputs = input};
}

/* Weights of the whole net, corrected if the recipe says so. */
static i8x_qweights_set weights_make(i8x_threads *threads)
{
    i8x_qweights_set sets[2], merged;
    i8x_tensor input;
    i8x_sample_block block = block_of(&input);
    tiny_solve(graph, samples, SAMPLES, &recipe, arena, &q, &moments);
    ck_assert_ok(i8x_weights_quantize(graph, &q, &recipe, &moments, 0, q.layer_count, threads,
                                      arena, &sets[0]));
    ck_assert_ok(i8x_bias_correct_run(graph, &q, &recipe, &sets[0], &moments, &block, threads,
                                      arena, &sets[1]));
    ck_assert_ok(i8x_weights_merge(sets, 2, arena, &merged));
    return merged;
}

static double sqnr(const float *a, const float *b)
{
    i8x_tensor x = {.dtype = I8X_DTYPE_F32,
                    .shape = i8x_shape_make(2, (int64_t[]){SAMPLES, TINY_CLASSES}),
                    .data = (void *)(uintptr_t)a},
               y = x;
    y.data = (void *)(uintptr_t)b;
    i8x_error_partial partial = {0};
    ck_assert_ok(i8x_error_add(&partial, SAMPLES, &x, &y, NULL));
    return i8x_error_finish(&partial).sqnr_db;
}

static int count_op(const i8x_graph *g, const char *op)
{
    int count = 0;
    for (int i = 0; i < g->node_count; i++)
        count += strcmp(g->nodes[i].op_type, op) == 0;
    return count;
}

/* The QDQ graph of the tiny net, ready to run. */
static i8x_graph *written(const i8x_qweights_set *weights)
{
    i8x_graph *out = tiny_net(1);
    i8x_metadata metadata = {.key = "int8x.test", .value = "tiny"};
    ck_assert_ok(i8x_apply_qdq(out, &q, weights, &metadata, 1));
    ck_assert_ok(i8x_graph_infer(out, 1, NULL, 0));
    ck_assert_ok(i8x_graph_verify(out));
    return out;
}

START_TEST(the_written_graph_computes_nearly_the_same)
{
    setup();
    float *reference = tiny_run(graph, samples, SAMPLES, arena);
    for (int t = 0; t < I8X_TARGET_COUNT; t++) {
        recipe.target = t;
        i8x_qweights_set weights = weights_make(NULL);
        i8x_graph *out = written(&weights);
        double db = sqnr(reference, tiny_run(out, samples, SAMPLES, arena));
        ck_assert_msg(db > (t == I8X_TARGET_TENSORRT ? 24 : 28), "target %d: %g dB", t, db);
        i8x_graph_free(out);
    }
    teardown();
}
END_TEST

START_TEST(the_written_graph_holds_what_the_targets_ask_for)
{
    setup();
    i8x_qweights_set weights = weights_make(NULL);
    i8x_graph *out = written(&weights);
    ck_assert_int_eq(count_op(out, "Relu") + count_op(out, "Clip"), 0);
    ck_assert_int_eq(count_op(out, "QuantizeLinear"), 11);
    ck_assert_int_eq(count_op(out, "DequantizeLinear"), 11 + 2 * 6);
    ck_assert_int_eq(out->metadata_count, 1);
    ck_assert_str_eq(out->values[out->outputs[0]].name, "fc_out");
    i8x_graph_free(out);
    recipe.target = I8X_TARGET_TENSORRT;
    weights = weights_make(NULL);
    out = written(&weights);
    ck_assert_int_eq(count_op(out, "Relu"), 2);
    ck_assert_int_eq(count_op(out, "Clip"), 1);
    for (int i = 0; i < out->node_count; i++) { /* no DequantizeLinear feeds two nodes */
        if (strcmp(out->nodes[i].op_type, "DequantizeLinear") == 0)
            ck_assert_int_eq(i8x_graph_use_count(out, out->nodes[i].outputs[0]), 1);
    }
    i8x_graph_free(out);
    teardown();
}
END_TEST

START_TEST(a_float_layer_between_pairs_is_guarded)
{
    setup();
    strcpy(recipe.exclude, "dw");
    i8x_qweights_set weights = weights_make(NULL);
    i8x_graph *out = written(&weights);
    int dw = tiny_node(out, "dw");
    int before = out->values[out->nodes[dw].inputs[0]].producer;
    ck_assert_str_eq(out->nodes[before].op_type, "Clip");
    float *reference = tiny_run(graph, samples, SAMPLES, arena);
    ck_assert(sqnr(reference, tiny_run(out, samples, SAMPLES, arena)) > 28);
    i8x_graph_free(out);
    teardown();
}
END_TEST

START_TEST(thread_counts_do_not_show)
{
    setup();
    i8x_qweights_set first = weights_make(NULL), again;
    i8x_threads *threads;
    ck_assert_ok(i8x_threads_new(3, &threads));
    again = weights_make(threads);
    const uint8_t *a, *b;
    size_t a_size, b_size;
    ck_assert_ok(i8x_weights_encode(&first, arena, &a, &a_size));
    ck_assert_ok(i8x_weights_encode(&again, arena, &b, &b_size));
    ck_assert_uint_eq(a_size, b_size);
    ck_assert_mem_eq(a, b, a_size);
    i8x_threads_free(threads);
    teardown();
}
END_TEST

START_TEST(correction_brings_the_means_back)
{
    setup();
    recipe.rounding = I8X_ROUNDING_NEAREST;
    double before, after;
    float *reference = tiny_run(graph, samples, SAMPLES, arena);
    /* spoil one bias by far more than rounding does: the walk must find it */
    i8x_graph *other = tiny_net(1);
    float *bias = (float *)(uintptr_t)other->values[i8x_graph_find_value(other, "project_b")].data;
    for (int c = 0; c < 6; c++)
        bias[c] += 0.5f;
    before = sqnr(reference, tiny_run(other, samples, SAMPLES, arena));
    tiny_solve(graph, samples, SAMPLES, &recipe, arena, &q, &moments); /* the true means */
    i8x_qweights_set sets[2], merged;
    i8x_tensor input;
    i8x_sample_block block = block_of(&input);
    ck_assert_ok(i8x_weights_quantize(other, &q, &recipe, NULL, 0, 6, NULL, arena, &sets[0]));
    ck_assert_ok(i8x_bias_correct_run(other, &q, &recipe, &sets[0], &moments, &block, NULL, arena,
                                      &sets[1]));
    ck_assert_ok(i8x_weights_merge(sets, 2, arena, &merged));
    i8x_graph *out = written(&merged);
    after = sqnr(reference, tiny_run(out, samples, SAMPLES, arena));
    ck_assert_msg(before < 15 && after > 28, "%g dB before, %g after", before, after);
    i8x_graph_free(out);
    i8x_graph_free(other);
    teardown();
}
END_TEST

START_TEST(a_single_layer_costs_less_than_all)
{
    setup();
    i8x_qweights_set weights = weights_make(NULL);
    float *reference = tiny_run(graph, samples, SAMPLES, arena);
    i8x_graph *all = written(&weights);
    double whole = sqnr(reference, tiny_run(all, samples, SAMPLES, arena));
    i8x_graph_free(all);
    for (int l = 0; l < q.layer_count; l++) {
        i8x_graph *one = tiny_net(1);
        ck_assert_ok(i8x_apply_single(one, &q, &weights.items[l]));
        ck_assert_ok(i8x_graph_infer(one, 1, NULL, 0));
        ck_assert(sqnr(reference, tiny_run(one, samples, SAMPLES, arena)) > whole - 1);
        i8x_graph_free(one);
    }
    teardown();
}
END_TEST

START_TEST(what_is_missing_is_named)
{
    setup();
    i8x_qweights_set weights = weights_make(NULL);
    i8x_qweights_set few = {.items = weights.items, .count = 2};
    i8x_graph *out = tiny_net(1);
    ck_assert_status(i8x_apply_qdq(out, &q, &few, NULL, 0), I8X_EARG);
    i8x_graph_free(out);
    out = tiny_net(1);
    out->opsets[0].version = 10;
    ck_assert_status(i8x_apply_qdq(out, &q, &weights, NULL, 0), I8X_EVERSION);
    i8x_graph_free(out);
    out = tiny_net(1);
    q.value_count--;
    ck_assert_status(i8x_apply_qdq(out, &q, &weights, NULL, 0), I8X_EFORMAT);
    i8x_graph_free(out);
    teardown();
}
END_TEST

/* Channels of the stem made unequal by powers of two, undone in its readers: the same function. */
static void unbalance(i8x_graph *g)
{
    float *w = (float *)(uintptr_t)g->values[i8x_graph_find_value(g, "stem_w")].data;
    float *b = (float *)(uintptr_t)g->values[i8x_graph_find_value(g, "stem_b")].data;
    float *dw = (float *)(uintptr_t)g->values[i8x_graph_find_value(g, "dw_w")].data;
    float *side = (float *)(uintptr_t)g->values[i8x_graph_find_value(g, "side_w")].data;
    for (int c = 0; c < 8; c++) {
        float s = ldexpf(1.0f, c - 4);
        for (int k = 0; k < 27; k++)
            w[c * 27 + k] *= s;
        b[c] *= s;
        for (int k = 0; k < 9; k++)
            dw[c * 9 + k] /= s;
        for (int o = 0; o < 6; o++)
            side[o * 8 + c] /= s;
    }
}

START_TEST(equalisation_keeps_the_function_and_restores_balance)
{
    setup();
    float *reference = tiny_run(graph, samples, SAMPLES, arena);
    recipe.equalize = I8X_EQUALIZE_FULL;
    i8x_equalize_report report;
    i8x_histograms histograms;
    unbalance(graph);
    tiny_observe(graph, samples, 0, SAMPLES, 1, arena, &histograms, &moments);
    ck_assert_ok(i8x_equalize_graph(graph, I8X_EQUALIZE_NONE, &moments, &report));
    ck_assert_int_eq(report.streams, 0);
    ck_assert_ok(i8x_equalize_graph(graph, I8X_EQUALIZE_FULL, &moments, &report));
    ck_assert_int_ge(report.streams_changed, 1);
    ck_assert(report.largest_ratio > 16);
    ck_assert_ok(i8x_graph_infer(graph, 1, NULL, 0));
    ck_assert(sqnr(reference, tiny_run(graph, samples, SAMPLES, arena)) > 110);
    teardown();
}
END_TEST

START_TEST(streams_with_a_clip_are_left_alone_with_few_samples)
{
    setup();
    i8x_histograms histograms;
    i8x_equalize_report report;
    tiny_observe(graph, samples, 0, 8, 1, arena, &histograms, &moments);
    float before[8 * 9];
    memcpy(before, graph->values[i8x_graph_find_value(graph, "project_w")].data, 48 * 4);
    int dw = i8x_graph_find_value(graph, "dw_clip_out");
    ck_assert_int_ge(dw, 0);
    float *reference = tiny_run(graph, samples, SAMPLES, arena);
    ck_assert_ok(i8x_equalize_graph(graph, I8X_EQUALIZE_FULL, &moments, &report));
    ck_assert_ok(i8x_graph_infer(graph, 1, NULL, 0));
    ck_assert(sqnr(reference, tiny_run(graph, samples, SAMPLES, arena)) > 110);
    teardown();
}
END_TEST

START_TEST(opset_eleven_is_raised)
{
    setup();
    graph->opsets[0].version = 11;
    ck_assert_ok(i8x_opset_raise(graph));
    ck_assert_int_eq((int)graph->opsets[0].version, 13);
    graph->opsets[0].version = 17;
    ck_assert_ok(i8x_opset_raise(graph));
    ck_assert_int_eq((int)graph->opsets[0].version, 17);
    graph->opset_count = 0;
    ck_assert_status(i8x_opset_raise(graph), I8X_EVERSION);
    teardown();
}
END_TEST

START_TEST(a_mean_over_all_positions_becomes_a_pool)
{
    setup();
    int pool = tiny_node(graph, "pool"), changed;
    float *reference = tiny_run(graph, samples, SAMPLES, arena);
    /* the same network with ReduceMean in place of the pool */
    int input = graph->nodes[pool].inputs[0], output = graph->nodes[pool].outputs[0], made;
    i8x_graph_remove_node(graph, pool);
    ck_assert_ok(i8x_graph_add_node(graph, "ReduceMean", "", "mean", &input, 1, &output, 1, &made));
    const int64_t axes[] = {-1, 2};
    i8x_attr attr = {.name = "axes", .kind = I8X_ATTR_INTS, .count = 2, .ints = axes};
    ck_assert_ok(i8x_graph_set_attr(graph, made, &attr));
    ck_assert_ok(i8x_graph_sort(graph));
    ck_assert_ok(i8x_graph_infer(graph, 1, NULL, 0));
    ck_assert_ok(i8x_lower_graph(graph, &changed));
    ck_assert_int_eq(changed, 1);
    ck_assert_int_eq(count_op(graph, "ReduceMean"), 0);
    ck_assert_int_eq(count_op(graph, "GlobalAveragePool"), 1);
    ck_assert(sqnr(reference, tiny_run(graph, samples, SAMPLES, arena)) > 110);
    ck_assert_ok(i8x_lower_graph(graph, &changed));
    ck_assert_int_eq(changed, 0);
    teardown();
}
END_TEST

Suite *check_qdq_suite(void)
{
    const TTest *tests[] = {the_written_graph_computes_nearly_the_same,
                            the_written_graph_holds_what_the_targets_ask_for,
                            a_float_layer_between_pairs_is_guarded,
                            thread_counts_do_not_show,
                            correction_brings_the_means_back,
                            a_single_layer_costs_less_than_all,
                            what_is_missing_is_named,
                            equalisation_keeps_the_function_and_restores_balance,
                            streams_with_a_clip_are_left_alone_with_few_samples,
                            opset_eleven_is_raised,
                            a_mean_over_all_positions_becomes_a_pool};
    return i8x_suite("qdq", tests, sizeof tests / sizeof tests[0]);
}
