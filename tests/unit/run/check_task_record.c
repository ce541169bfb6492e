/* SPDX-License-Identifier: Apache-2.0
 *
 * Why: tasks, results and jobs cross process and machine borders as these bytes, and come back from
 * peers that may be broken or hostile: what was encoded must come back, and no prefix or changed
 * byte may do more than fail with a status.
 */
#include <string.h>

#include "core/run/task.h"
#include "tests/support/suite.h"

static i8x_arena *arena;

static void setup_arena(void)
{
    ck_assert_ok(i8x_arena_new(NULL, (size_t)64 << 20, &arena));
}

static const i8x_task_input inputs[] = {
    {"prepared", {{{1, 2, 3}}, 0, 77, true}},
    {"samples", {{{4}}, 128, 4096, false}},
};
static const uint8_t options[] = {1, 2, 3, 4, 5};
static const i8x_task task = {I8X_TASK_CALIBRATE, 1, options, sizeof options, inputs, 2};

START_TEST(task_comes_back)
{
    setup_arena();
    const uint8_t *bytes;
    size_t size;
    i8x_task back;
    i8x_task given = task;
    given.revision = i8x_task_kind_revision(task.kind);
    ck_assert_ok(i8x_task_encode(&given, arena, &bytes, &size));
    ck_assert_ok(i8x_task_decode(bytes, size, arena, &back));
    ck_assert_int_eq(back.kind, task.kind);
    ck_assert_uint_eq(back.options_size, sizeof options);
    ck_assert_mem_eq(back.options, options, sizeof options);
    ck_assert_int_eq(back.input_count, 2);
    ck_assert_str_eq(back.inputs[1].role, "samples");
    ck_assert_uint_eq(back.inputs[1].ref.offset, 128);
    ck_assert(!back.inputs[1].ref.whole);
    i8x_digest a = i8x_task_key(&given), b = i8x_task_key(&back);
    ck_assert(i8x_digest_equal(&a, &b));
    i8x_arena_free(arena);
}
END_TEST

START_TEST(key_depends_on_everything_that_can_change_the_result)
{
    i8x_task_input changed[2];
    uint8_t other_options[sizeof options];
    i8x_digest base = i8x_task_key(&task);
    for (int i = 0; i < 7; i++) {
        i8x_task other = task;
        memcpy(changed, inputs, sizeof changed);
        memcpy(other_options, options, sizeof options);
        other.inputs = changed;
        other.options = other_options;
        if (i == 0)
            other.kind = I8X_TASK_SOLVE;
        else if (i == 1)
            other.revision++;
        else if (i == 2)
            other_options[0] ^= 1;
        else if (i == 3)
            changed[0].ref.digest.bytes[31] ^= 1;
        else if (i == 4)
            changed[1].ref.offset++;
        else if (i == 5)
            changed[1].ref.size_bytes++;
        else
            other.input_count--;
        i8x_digest key = i8x_task_key(&other);
        ck_assert_msg(!i8x_digest_equal(&base, &key), "change %d keeps the key", i);
    }
}
END_TEST

START_TEST(cut_and_changed_tasks_are_refused)
{
    setup_arena();
    const uint8_t *bytes;
    size_t size;
    i8x_task given = task, back;
    given.revision = i8x_task_kind_revision(task.kind);
    ck_assert_ok(i8x_task_encode(&given, arena, &bytes, &size));
    for (size_t cut = 0; cut < size; cut++)
        ck_assert_int_ne(i8x_task_decode(bytes, cut, arena, &back), I8X_OK);
    uint8_t *copy = i8x_arena_copy(arena, bytes, size);
    for (size_t at = 0; at < size; at++)
        for (int bit = 0; bit < 8; bit++) {
            i8x_arena_mark mark = i8x_arena_mark_get(arena);
            copy[at] ^= (uint8_t)(1 << bit);
            (void)!i8x_task_decode(copy, size, arena, &back); /* a status, whatever it is */
            copy[at] ^= (uint8_t)(1 << bit);
            i8x_arena_rewind(arena, mark);
        }
    given.revision++;
    ck_assert_ok(i8x_task_encode(&given, arena, &bytes, &size));
    ck_assert_status(i8x_task_decode(bytes, size, arena, &back), I8X_EVERSION);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(result_comes_back_and_cut_ones_are_refused)
{
    setup_arena();
    i8x_task_result result, back;
    memset(&result, 0, sizeof result);
    result.output_count = 1;
    strcpy(result.outputs[0].role, "moments");
    result.outputs[0].ref = (i8x_blob_ref){{{9}}, 0, 5, true};
    result.summary = (uint8_t *)"abc";
    result.summary_size = 3;
    result.measure = (i8x_task_measure){1, 2, 3, 4, I8X_CPU_AVX2, true};
    const uint8_t *bytes;
    size_t size;
    ck_assert_ok(i8x_task_result_encode(&result, arena, &bytes, &size));
    ck_assert_ok(i8x_task_result_decode(bytes, size, &back));
    ck_assert_str_eq(back.outputs[0].role, "moments");
    ck_assert_uint_eq(back.summary_size, 3);
    ck_assert_mem_eq(back.summary, "abc", 3);
    ck_assert_uint_eq(back.measure.peak_bytes, 3);
    ck_assert_int_eq(back.measure.level, I8X_CPU_AVX2);
    ck_assert(back.measure.repeated_scalar);
    i8x_task_result_deinit(&back);
    for (size_t cut = 0; cut < size; cut++)
        ck_assert_int_ne(i8x_task_result_decode(bytes, cut, &back), I8X_OK);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(job_comes_back)
{
    setup_arena();
    i8x_job job, back;
    memset(&job, 0, sizeof job);
    i8x_recipe_default(&job.recipe);
    job.recipe.batch = 9;
    strcpy(job.name, "m.onnx");
    job.model = (i8x_blob_ref){{{1}}, 0, 10, true};
    job.calib = (i8x_blob_ref){{{2}}, 0, 20, true};
    const uint8_t *bytes;
    size_t size;
    ck_assert_ok(i8x_job_encode(&job, arena, &bytes, &size));
    ck_assert_ok(i8x_job_decode(bytes, size, &back));
    ck_assert_mem_eq(&job.recipe, &back.recipe, sizeof job.recipe);
    ck_assert_str_eq(back.name, "m.onnx");
    ck_assert_uint_eq(back.calib.size_bytes, 20);
    ck_assert_uint_eq(back.eval.size_bytes, 0);
    for (size_t cut = 0; cut < size; cut += 7)
        ck_assert_int_ne(i8x_job_decode(bytes, cut, &back), I8X_OK);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(an_input_whose_head_is_an_input_is_late)
{
    i8x_digest one = i8x_digest_of("1", 1), two = i8x_digest_of("2", 1);
    i8x_task_input some[] = {{"model", {one, 0, 10, true}},
                             {"calib.head", {two, 0, 5, false}},
                             {"calib", {two, 0, 10, true}},
                             {"eval", {two, 0, 10, true}},
                             {"eval.head", {one, 0, 5, false}}};
    i8x_task other = {.inputs = some, .input_count = 5};
    static const bool wanted[] = {false, false, true, false, false};
    for (int i = 0; i < 5; i++)
        ck_assert(i8x_task_input_is_late(&other, i) == wanted[i]);
}
END_TEST

START_TEST(kinds_have_names_and_revisions)
{
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++) {
        ck_assert_str_ne(i8x_task_kind_name((i8x_task_kind)kind), "?");
        ck_assert_int_ge(i8x_task_kind_revision((i8x_task_kind)kind), 1);
        ck_assert_ptr_nonnull(i8x_task_kind_get((i8x_task_kind)kind)->fn);
    }
    ck_assert_str_eq(i8x_task_kind_name(I8X_TASK_KIND_COUNT), "?");
    ck_assert_int_eq(i8x_task_kind_revision(I8X_TASK_KIND_COUNT), 0);
}
END_TEST

static bool kind_takes(const i8x_task_kind_row *row, const char *name)
{
    for (int i = 0; i < row->field_count; i++)
        if (strcmp(row->fields[i], name) == 0)
            return true;
    return false;
}

/* A field that no kind lists has its default in every task: the artifact would name a value that
 * nothing computed with. */
START_TEST(every_recipe_field_is_listed_by_a_kind_or_steers_the_plan)
{
    static const char *const planned[] = {"shard_samples", "select_samples", "correct_samples",
                                          "layer_samples"};
    int field_count;
    const i8x_field *fields = i8x_fields(&field_count);
    for (int f = 0; f < field_count; f++) {
        bool used = false;
        for (size_t i = 0; i < sizeof planned / sizeof planned[0]; i++)
            used |= strcmp(planned[i], fields[f].name) == 0;
        for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
            used |= kind_takes(i8x_task_kind_get((i8x_task_kind)kind), fields[f].name);
        ck_assert_msg(used,
                      "recipe field '%s' reaches no task: add it to the kinds of "
                      "core/run/task.c that depend on it",
                      fields[f].name);
    }
}
END_TEST

Suite *check_task_record_suite(void)
{
    const TTest *tests[] = {task_comes_back,
                            key_depends_on_everything_that_can_change_the_result,
                            cut_and_changed_tasks_are_refused,
                            result_comes_back_and_cut_ones_are_refused,
                            job_comes_back,
                            an_input_whose_head_is_an_input_is_late,
                            kinds_have_names_and_revisions,
                            every_recipe_field_is_listed_by_a_kind_or_steers_the_plan};
    return i8x_suite("task_record", tests, sizeof tests / sizeof tests[0]);
}
