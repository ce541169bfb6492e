/* SPDX-License-Identifier: Apache-2.0
 *
 * Error sums: worked numbers, ties of argmax, what counts as a class axis, records, refusals; and
 * the choice of ranges by select, which must be the same however the groups are divided.
 */
#include <math.h>
#include <string.h>

#include "core/quant/error.h"
#include "core/quant/select.h"
#include "tests/support/suite.h"
#include "tests/unit/quant/tiny_net.h"

static i8x_tensor tensor(float *data, int64_t n, int64_t c)
{
    return (i8x_tensor){
        .dtype = I8X_DTYPE_F32, .shape = i8x_shape_make(2, (int64_t[]){n, c}), .data = data};
}

START_TEST(worked_numbers)
{
    float a[] = {3, 4, 0, 1, 1, 0}, b[] = {3, 4.5f, 0, 1, 1.25f, 0};
    i8x_tensor x = tensor(a, 2, 3), y = tensor(b, 2, 3);
    const int64_t labels[] = {1, 0};
    i8x_error_partial p = {0};
    ck_assert_ok(i8x_error_add(&p, 2, &x, &y, labels));
    ck_assert_double_eq(p.error, 0.25 + 0.0625);
    ck_assert_double_eq(p.reference, 27);
    ck_assert_uint_eq(p.agreed, 1); /* second sample: a tie goes to index 0, then 1 is larger */
    ck_assert_uint_eq(p.right_float, 2);
    ck_assert_uint_eq(p.right_quantized, 1);
    i8x_error_result r = i8x_error_finish(&p);
    ck_assert_double_eq_tol(r.sqnr_db, 10 * log10(27 / 0.3125), 1e-9);
    ck_assert_double_eq(r.agreement, 0.5);
    ck_assert_double_eq(r.top1_float, 1.0);
}
END_TEST

START_TEST(what_is_not_there_is_minus_one)
{
    float a[] = {1, 2}, b[] = {1, 2};
    i8x_tensor x = tensor(a, 2, 1), y = tensor(b, 2, 1);
    i8x_error_partial p = {0};
    ck_assert_ok(i8x_error_add(&p, 2, &x, &y, NULL));
    i8x_error_result r = i8x_error_finish(&p);
    ck_assert_double_eq(r.agreement, -1);
    ck_assert_double_eq(r.top1_quantized, -1);
    ck_assert_double_eq(r.sqnr_db, I8X_SQNR_EXACT_DB);
}
END_TEST

START_TEST(batches_do_not_show_and_records_come_back)
{
    i8x_arena *arena;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    float *a = tiny_samples(arena, 4), *b = i8x_arena_copy(arena, a, 4 * TINY_SAMPLE * 4);
    for (int i = 0; i < 4 * TINY_SAMPLE; i++)
        b[i] += 0.01f * a[(i * 7) % TINY_SAMPLE];
    i8x_error_partial one = {0}, four = {0}, *back;
    i8x_tensor x = tensor(a, 4, TINY_SAMPLE), y = tensor(b, 4, TINY_SAMPLE);
    ck_assert_ok(i8x_error_add(&four, 4, &x, &y, NULL));
    for (int i = 0; i < 4; i++) {
        x = tensor(a + i * TINY_SAMPLE, 1, TINY_SAMPLE);
        y = tensor(b + i * TINY_SAMPLE, 1, TINY_SAMPLE);
        ck_assert_ok(i8x_error_add(&one, 1, &x, &y, NULL));
    }
    ck_assert_mem_eq(&one, &four, sizeof one);
    const uint8_t *bytes;
    size_t size;
    int count;
    ck_assert_ok(i8x_error_encode(&one, 1, arena, &bytes, &size));
    ck_assert_ok(i8x_error_decode(bytes, size, arena, &back, &count));
    ck_assert_int_eq(count, 1);
    ck_assert_mem_eq(back, &one, sizeof one);
    for (size_t cut = 0; cut < size; cut++)
        ck_assert_status(i8x_error_decode(bytes, cut, arena, &back, &count), I8X_EFORMAT);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(outputs_that_cannot_be_compared_are_refused)
{
    float a[] = {1, 2, 3, NAN}, b[] = {1, 2, 3, 4};
    i8x_error_partial p = {0};
    i8x_tensor x = tensor(a, 2, 2), y = tensor(b, 2, 2), z = tensor(b, 1, 2);
    ck_assert_status(i8x_error_add(&p, 2, &x, &y, NULL), I8X_ERANGE);
    ck_assert_status(i8x_error_add(&p, 2, &y, &z, NULL), I8X_ESHAPE);
    z.dtype = I8X_DTYPE_S32;
    ck_assert_status(i8x_error_add(&p, 2, &y, &z, NULL), I8X_EDTYPE);
}
END_TEST

START_TEST(select_is_the_same_however_groups_are_divided)
{
    i8x_arena *arena;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_graph *graph = tiny_net(1);
    float *samples = tiny_samples(arena, 8);
    i8x_recipe recipe;
    i8x_recipe_default(&recipe);
    recipe.clip = I8X_CLIP_AUTO;
    i8x_histograms histograms;
    i8x_moments moments;
    i8x_qspec q;
    tiny_observe(graph, samples, 0, 8, 1, arena, &histograms, &moments);
    ck_assert_ok(i8x_qspec_plan(graph, &recipe, arena, &q));
    i8x_tensor input = {.dtype = I8X_DTYPE_F32,
                        .shape = i8x_shape_make(4, (int64_t[]){8, 3, 8, 8}),
                        .data = samples};
    i8x_sample_block block = {.samples = 8, .inputs = &input};
    i8x_selection whole, parts[2], merged, back;
    ck_assert_ok(i8x_select_run(graph, &q, &recipe, &histograms, &block, 0, q.group_count, NULL,
                                arena, &whole));
    ck_assert_ok(i8x_select_run(graph, &q, &recipe, &histograms, &block, 3, q.group_count, NULL,
                                arena, &parts[0]));
    ck_assert_ok(
        i8x_select_run(graph, &q, &recipe, &histograms, &block, 0, 3, NULL, arena, &parts[1]));
    ck_assert_ok(i8x_selection_merge(parts, 2, arena, &merged));
    const uint8_t *a, *b;
    size_t a_size, b_size;
    ck_assert_ok(i8x_selection_encode(&whole, arena, &a, &a_size));
    ck_assert_ok(i8x_selection_encode(&merged, arena, &b, &b_size));
    ck_assert_uint_eq(a_size, b_size);
    ck_assert_mem_eq(a, b, a_size);
    ck_assert_ok(i8x_selection_decode(a, a_size, arena, &back));
    for (int g = 0; g < q.group_count; g++)
        ck_assert_int_ge(whole.clip[g], 0);
    ck_assert_ok(i8x_qspec_solve(&q, graph, &recipe, &histograms, &back));
    parts[0].lo[3] -= 1;
    parts[1].clip[3] = parts[0].clip[3];
    ck_assert_status(i8x_selection_merge(parts, 2, arena, &merged), I8X_EFORMAT);
    ck_assert_status(
        i8x_select_run(graph, &q, &recipe, &histograms, &block, 0, 99, NULL, arena, &whole),
        I8X_EARG);
    i8x_graph_free(graph);
    i8x_arena_free(arena);
}
END_TEST

Suite *check_error_suite(void)
{
    const TTest *tests[] = {
        worked_numbers, what_is_not_there_is_minus_one, batches_do_not_show_and_records_come_back,
        outputs_that_cannot_be_compared_are_refused, select_is_the_same_however_groups_are_divided};
    return i8x_suite("error", tests, sizeof tests / sizeof tests[0]);
}
