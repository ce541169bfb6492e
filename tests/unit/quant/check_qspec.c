/* SPDX-License-Identifier: Apache-2.0
 *
 * The plan between the FP32 graph and the QDQ graph: which nodes are quantized and why not, where
 * pairs stand, what is absorbed, which values share parameters, and that globs are taken at their
 * word.
 */
#include <math.h>
#include <string.h>

#include "core/quant/node_filter.h"
#include "core/quant/range.h"
#include "tests/support/suite.h"
#include "tests/unit/quant/tiny_net.h"

static i8x_arena *arena;
static i8x_graph *graph;
static i8x_recipe recipe;
static i8x_qspec q;

static void setup(void)
{
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    graph = tiny_net(1);
    i8x_recipe_default(&recipe);
}

static void teardown(void)
{
    i8x_graph_free(graph);
    i8x_arena_free(arena);
}

static int output_of(const char *node)
{
    return graph->nodes[tiny_node(graph, node)].outputs[0];
}

static int role_of(const char *node)
{
    return q.node_role[tiny_node(graph, node)];
}

START_TEST(everything_of_the_tiny_net_is_quantized)
{
    setup();
    ck_assert_ok(i8x_qspec_plan(graph, &recipe, arena, &q));
    ck_assert_int_eq(i8x_qspec_quantized_count(&q), 6);
    ck_assert_int_eq(q.layer_count, 6);
    ck_assert_int_eq(role_of("stem"), I8X_QROLE_LAYER);
    ck_assert_int_eq(role_of("stem_relu"), I8X_QROLE_ABSORBED);
    ck_assert_int_eq(role_of("dw_clip"), I8X_QROLE_ABSORBED);
    ck_assert_int_eq(role_of("add"), I8X_QROLE_POINT);
    ck_assert_int_eq(role_of("max"), I8X_QROLE_SHARE);
    ck_assert_int_eq(role_of("max_relu"), I8X_QROLE_ABSORBED);
    ck_assert_int_eq(role_of("pool"), I8X_QROLE_POINT);
    ck_assert_int_eq(role_of("flat"), I8X_QROLE_SHARE);
    teardown();
}
END_TEST

START_TEST(a_product_of_two_computed_tensors_is_listed_and_stays_float)
{
    setup();
    int fc = tiny_node(graph, "fc");
    graph->nodes[fc].inputs[1] = output_of("flat");
    ck_assert_ok(i8x_qspec_plan(graph, &recipe, arena, &q));
    ck_assert_int_eq(q.layer_count, 6);
    ck_assert_int_eq(i8x_qspec_quantized_count(&q), 5);
    ck_assert_int_eq(i8x_qspec_layer(&q, fc)->reason, I8X_QREASON_WEIGHT_NOT_CONSTANT);
    ck_assert_int_eq(i8x_qspec_layer(&q, fc)->elements, 0);
    teardown();
}
END_TEST

START_TEST(pairs_stand_behind_activations_and_outputs)
{
    setup();
    ck_assert_ok(i8x_qspec_plan(graph, &recipe, arena, &q));
    ck_assert_int_eq(q.value_group[output_of("stem")], -1);
    ck_assert_int_ge(q.value_group[output_of("stem_relu")], 0);
    ck_assert_int_eq(q.value_group[output_of("dw")], -1);
    ck_assert_int_eq(q.value_group[output_of("max")], -1);
    ck_assert_int_ge(q.value_group[output_of("fc")], 0);
    recipe.target = I8X_TARGET_TENSORRT; /* gives float outputs */
    i8x_qspec other;
    ck_assert_ok(i8x_qspec_plan(graph, &recipe, arena, &other));
    ck_assert_int_eq(other.value_group[output_of("fc")], -1);
    const i8x_qgroup *clip = &q.groups[q.value_group[output_of("dw_clip")]];
    ck_assert_float_eq(clip->bound_lo, 0.0f);
    ck_assert_float_eq(clip->bound_hi, 6.0f);
    teardown();
}
END_TEST

START_TEST(values_that_are_only_moved_share_parameters)
{
    setup();
    ck_assert_ok(i8x_qspec_plan(graph, &recipe, arena, &q));
    /* Add -> MaxPool -> Relu: the Relu's bound holds for the sum's pair as well */
    int sum = q.value_group[output_of("add")];
    ck_assert_int_eq(q.value_group[output_of("max_relu")], sum);
    ck_assert_float_eq(q.groups[sum].bound_lo, 0.0f);
    ck_assert_int_eq(q.groups[sum].root, output_of("add"));
    ck_assert_int_eq(q.value_group[output_of("flat")], q.value_group[output_of("pool")]);
    ck_assert_int_ne(q.value_group[output_of("pool")], q.value_group[output_of("last")]);
    teardown();
}
END_TEST

START_TEST(a_glob_that_matches_nothing_is_an_error_that_names_it)
{
    setup();
    strcpy(recipe.exclude, "stem, nowhere*");
    ck_assert_status(i8x_qspec_plan(graph, &recipe, arena, &q), I8X_EARG);
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "nowhere*"));
    recipe.exclude[0] = '\0';
    strcpy(recipe.op_types, "Conv,LSTM");
    ck_assert_status(i8x_qspec_plan(graph, &recipe, arena, &q), I8X_EARG);
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "LSTM"));
    recipe.op_types[0] = '\0';
    strcpy(recipe.only, "f?x");
    ck_assert_status(i8x_qspec_plan(graph, &recipe, arena, &q), I8X_EARG);
    teardown();
}
END_TEST

START_TEST(excluded_layers_stay_float_with_their_reason)
{
    setup();
    strcpy(recipe.exclude, "proj*");
    ck_assert_ok(i8x_qspec_plan(graph, &recipe, arena, &q));
    ck_assert_int_eq(i8x_qspec_quantized_count(&q), 5);
    const i8x_qlayer *layer = i8x_qspec_layer(&q, tiny_node(graph, "project"));
    ck_assert_int_eq((int)layer->reason, I8X_QREASON_EXCLUDED);
    /* the addition would read a float: it stays float, too */
    ck_assert_int_eq(role_of("add"), I8X_QROLE_FLOAT);
    teardown();
}
END_TEST

START_TEST(only_quantizes_what_it_names)
{
    setup();
    strcpy(recipe.only, "last");
    ck_assert_ok(i8x_qspec_plan(graph, &recipe, arena, &q));
    ck_assert_int_eq(i8x_qspec_quantized_count(&q), 1);
    ck_assert_int_ge(q.value_group[output_of("max_relu")], 0);
    ck_assert_int_ge(q.value_group[output_of("last")], 0);
    ck_assert_int_eq(q.value_group[output_of("stem_relu")], -1);
    ck_assert_int_eq(q.node_reason[tiny_node(graph, "stem")], I8X_QREASON_NOT_IN_ONLY);
    teardown();
}
END_TEST

START_TEST(nothing_quantized_is_an_error_with_the_reason)
{
    setup();
    strcpy(recipe.exclude, "*");
    ck_assert_status(i8x_qspec_plan(graph, &recipe, arena, &q), I8X_EARG);
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "excluded by the recipe"));
    ck_assert_ok(i8x_qspec_survey(graph, &recipe, arena, &q));
    ck_assert_int_eq(i8x_qspec_quantized_count(&q), 0);
    teardown();
}
END_TEST

START_TEST(numbers_follow_the_target)
{
    setup();
    i8x_moments moments;
    float *samples = tiny_samples(arena, 4);
    for (int t = 0; t < I8X_TARGET_COUNT; t++) {
        const i8x_target_info *target = i8x_target_info_get((i8x_target)t);
        recipe.target = t;
        tiny_solve(graph, samples, 4, &recipe, arena, &q, &moments);
        for (int g = 0; g < q.group_count; g++) {
            const i8x_qgroup *group = &q.groups[g];
            ck_assert(group->scale > 0 && group->lo <= 0 && group->hi >= 0);
            ck_assert_int_ge(group->zero_point, target->qmin);
            ck_assert_int_le(group->zero_point, target->qmax);
            if (target->symmetric)
                ck_assert_int_eq(group->zero_point, 0);
        }
        const i8x_qgroup *relu = &q.groups[q.value_group[output_of("stem_relu")]];
        if (!target->symmetric)
            ck_assert_int_eq(relu->zero_point, target->qmin);
    }
    teardown();
}
END_TEST

START_TEST(a_solved_plan_survives_encoding)
{
    setup();
    i8x_moments moments;
    i8x_qspec back;
    tiny_solve(graph, tiny_samples(arena, 4), 4, &recipe, arena, &q, &moments);
    const uint8_t *bytes, *again;
    size_t size, size_again;
    ck_assert_ok(i8x_qspec_encode(&q, arena, &bytes, &size));
    ck_assert_ok(i8x_qspec_decode(bytes, size, arena, &back));
    ck_assert_ok(i8x_qspec_check(&back, graph));
    ck_assert_ok(i8x_qspec_encode(&back, arena, &again, &size_again));
    ck_assert_uint_eq(size, size_again);
    ck_assert_mem_eq(bytes, again, size);
    for (size_t cut = 0; cut < size; cut += 1 + cut / 16)
        ck_assert_int_ne(i8x_qspec_decode(bytes, cut, arena, &back), I8X_OK);
    for (size_t i = 8; i < size;
         i++) { /* any flipped byte is refused or gives a plan within bounds */
        uint8_t *bad = i8x_arena_copy(arena, bytes, size);
        bad[i] ^= 0x80;
        if (i8x_qspec_decode(bad, size, arena, &back) == I8X_OK)
            ck_assert_int_lt(i8x_qspec_check(&back, graph), I8X_STATUS_COUNT);
    }
    teardown();
}
END_TEST

START_TEST(a_selection_overrides_and_an_input_keeps_its_range)
{
    setup();
    i8x_histograms histograms;
    i8x_moments moments;
    tiny_observe(graph, tiny_samples(arena, 4), 0, 4, 1, arena, &histograms, &moments);
    strcpy(recipe.exclude, "");
    recipe.clip = I8X_CLIP_MSE;
    ck_assert_ok(i8x_qspec_plan(graph, &recipe, arena, &q));
    int8_t clip[16];
    float lo[16] = {0}, hi[16];
    memset(clip, -1, sizeof clip);
    for (int i = 0; i < 16; i++)
        hi[i] = 1.5f;
    int chosen = q.value_group[output_of("last")];
    clip[chosen] = I8X_CLIP_KL;
    lo[chosen] = -0.5f;
    i8x_selection selection = {.group_count = q.group_count, .clip = clip, .lo = lo, .hi = hi};
    ck_assert_ok(i8x_qspec_solve(&q, graph, &recipe, &histograms, &selection));
    ck_assert_int_eq(q.groups[chosen].clip, I8X_CLIP_KL);
    ck_assert_float_eq(q.groups[chosen].hi, 1.5f);
    const i8x_qgroup *input = &q.groups[q.value_group[graph->inputs[0]]];
    ck_assert_int_eq(input->clip, I8X_CLIP_MINMAX);
    selection.group_count--;
    ck_assert_status(i8x_qspec_solve(&q, graph, &recipe, &histograms, &selection), I8X_EARG);
    histograms.count = 0;
    ck_assert_status(i8x_qspec_solve(&q, graph, &recipe, &histograms, NULL), I8X_EARG);
    teardown();
}
END_TEST

START_TEST(globs_match_as_shells_do)
{
    const struct {
        const char *glob, *text;
        bool match;
    } cases[] = {{"*", "", true},
                 {"", "", true},
                 {"", "a", false},
                 {"a*c", "abbbc", true},
                 {"a*c", "abbb", false},
                 {"?b", "ab", true},
                 {"?b", "b", false},
                 {"*a*b*", "xaxbx", true},
                 {"**", "x", true},
                 {"a*b*c", "a-b-b-c", true},
                 {"/x/*", "/x/y/Conv", true},
                 {"x", "xy", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(i8x_glob_match(cases[i].glob, strlen(cases[i].glob), cases[i].text) ==
                          cases[i].match,
                      "'%s' against '%s'", cases[i].glob, cases[i].text);
    ck_assert(i8x_glob_list_match(" a , b* ", "bcd"));
    ck_assert(!i8x_glob_list_match(",, ,", "x"));
}
END_TEST

Suite *check_qspec_suite(void)
{
    const TTest *tests[] = {everything_of_the_tiny_net_is_quantized,
                            a_product_of_two_computed_tensors_is_listed_and_stays_float,
                            pairs_stand_behind_activations_and_outputs,
                            values_that_are_only_moved_share_parameters,
                            a_glob_that_matches_nothing_is_an_error_that_names_it,
                            excluded_layers_stay_float_with_their_reason,
                            only_quantizes_what_it_names,
                            nothing_quantized_is_an_error_with_the_reason,
                            numbers_follow_the_target,
                            a_solved_plan_survives_encoding,
                            a_selection_overrides_and_an_input_keeps_its_range,
                            globs_match_as_shells_do};
    return i8x_suite("qspec", tests, sizeof tests / sizeof tests[0]);
}
