/* SPDX-License-Identifier: Apache-2.0
 *
 * Why: a fleet finishes tasks in any order, twice, and after a restart. The plan must come to the
 * same tasks (keys, numbers) and the same artifact whatever the order, must take a repeated result
 * silently and must refuse a different one. The tasks are not run: a result is made from the task's
 * key alone, which is what "pure function of its inputs" means to a plan.
 */
#include <string.h>

#include "core/run/inspect.h"
#include "core/run/task.h"
#include "tests/prop/prop.h"
#include "tests/support/suite.h"

static i8x_digest digest_from(const i8x_digest *key, const char *role)
{
    uint8_t bytes[I8X_DIGEST_SIZE + I8X_TASK_ROLE_MAX] = {0};
    memcpy(bytes, key->bytes, I8X_DIGEST_SIZE);
    memcpy(bytes + I8X_DIGEST_SIZE, role, strlen(role));
    return i8x_digest_of(bytes, sizeof bytes);
}

static void add_output(i8x_task_result *result, const i8x_digest *key, const char *role)
{
    i8x_task_output *output = &result->outputs[result->output_count++];
    memset(output, 0, sizeof *output);
    memcpy(output->role, role, strlen(role) + 1);
    output->ref.digest = digest_from(key, role);
    output->ref.size_bytes = 100;
    output->ref.whole = true;
}

static const char *const role_table[I8X_TASK_KIND_COUNT][2] = {
    [I8X_TASK_INSPECT] = {"inspection"},
    [I8X_TASK_PREPARE] = {"prepared"},
    [I8X_TASK_CALIBRATE] = {"histograms", "moments"},
    [I8X_TASK_SELECT] = {"selection"},
    [I8X_TASK_SOLVE] = {"solved"},
    [I8X_TASK_QUANTIZE] = {"weights"},
    [I8X_TASK_CORRECT] = {"weights"},
    [I8X_TASK_ASSEMBLE] = {"artifact", "coverage"},
    [I8X_TASK_REPORT] = {"report"},
};

/* What a job of this case looks like to the plan. */
struct world {
    i8x_job job;
    i8x_inspect_summary summary;
};

static void make_set(prop_case *c, i8x_sample_set *set, int64_t samples)
{
    memset(set, 0, sizeof *set);
    if (samples == 0)
        return;
    set->samples = samples;
    set->array_count = 1 + (int)prop_below(c, 2);
    for (int i = 0; i < set->array_count; i++) {
        i8x_sample_array *array = &set->arrays[i];
        array->type.dtype = I8X_DTYPE_F32;
        array->type.shape = i8x_shape_make(1, (int64_t[]){3 + i});
        array->blob.digest.bytes[0] = (uint8_t)(1 + i);
        array->data_offset = 128;
        array->sample_bytes = (uint64_t)(3 + i) * 4;
        array->blob.size_bytes = 128 + array->sample_bytes * (uint64_t)samples;
        array->blob.whole = true;
    }
}

static void make_world(prop_case *c, struct world *world)
{
    memset(world, 0, sizeof *world);
    i8x_recipe *recipe = &world->job.recipe;
    i8x_recipe_default(recipe);
    recipe->shard_samples = prop_range(c, 1, 4);
    recipe->clip = (int)prop_below(c, I8X_CLIP_COUNT);
    recipe->equalize = (int)prop_below(c, I8X_EQUALIZE_COUNT);
    recipe->weight_scale = (int)prop_below(c, I8X_WEIGHT_SCALE_COUNT);
    recipe->bias_correction = (int)prop_below(c, I8X_BIAS_CORRECTION_COUNT);
    recipe->layer_samples = prop_range(c, 0, 3);
    recipe->correct_samples = prop_range(c, 1, 40);
    world->job.model = (i8x_blob_ref){.digest.bytes = {9}, .size_bytes = 1000, .whole = true};
    world->job.calib = (i8x_blob_ref){.digest.bytes = {8}, .size_bytes = 1000, .whole = true};
    bool evaluated = prop_bool(c);
    if (evaluated)
        world->job.eval = (i8x_blob_ref){.digest.bytes = {7}, .size_bytes = 1000, .whole = true};
    /* above 64 * shard_samples samples the merge tree has two levels */
    make_set(c, &world->summary.calib, 1 + (int64_t)prop_below(c, c->size * 6 + 1));
    make_set(c, &world->summary.eval, evaluated ? 1 + (int64_t)prop_below(c, c->size * 2 + 1) : 0);
    world->summary.batch_step = 1;
    world->summary.layers = prop_range(c, 0, 70);
}

/* Result of a task: a function of its key (and, for inspect, of the world). */
static i8x_status make_result(const struct world *world, const i8x_task *task,
                              i8x_task_result *result)
{
    memset(result, 0, sizeof *result);
    const i8x_digest key = i8x_task_key(task);
    for (int i = 0; i < 2 && role_table[task->kind][i] != NULL; i++)
        add_output(result, &key, role_table[task->kind][i]);
    if (task->kind == I8X_TASK_MERGE)
        add_output(result, &key, task->inputs[0].role);
    if (task->kind == I8X_TASK_EVALUATE)
        add_output(result, &key, strcmp(task->inputs[0].role, "model") == 0 ? "metrics" : "layers");
    if (task->kind != I8X_TASK_INSPECT)
        return I8X_OK;
    i8x_canon_writer writer;
    i8x_canon_writer_init(&writer, NULL, 0);
    i8x_inspect_summary_put(&writer, &world->summary);
    i8x_status status = i8x_canon_writer_status(&writer);
    if (status == I8X_OK)
        status = i8x_canon_writer_take(&writer, &result->summary, &result->summary_size);
    i8x_canon_writer_deinit(&writer);
    return status;
}

/* A ready task: the first one, or any. */
static int pick(prop_case *c, const i8x_plan *plan, bool shuffled)
{
    int first = i8x_plan_next_ready(plan, 0);
    if (!shuffled)
        return first;
    int from = i8x_plan_next_ready(plan, (int)prop_below(c, (size_t)i8x_plan_task_count(plan)));
    return from >= 0 ? from : first;
}

static bool complete(prop_case *c, const struct world *world, i8x_plan *plan, int index)
{
    i8x_task_result result;
    PROP_OK(c, make_result(world, i8x_plan_task(plan, index), &result));
    PROP_OK(c, i8x_plan_complete(plan, index, &result));
    int done = i8x_plan_done_count(plan);
    PROP_OK(c, i8x_plan_complete(plan, index, &result)); /* once more is harmless */
    PROP_CHECK(c, i8x_plan_done_count(plan) == done, "a repeated result counted twice");
    result.outputs[0].ref.digest.bytes[0] ^= 1;
    PROP_CHECK(c, i8x_plan_complete(plan, index, &result) == I8X_ECORRUPT,
               "another result for task %d was taken", index);
    i8x_task_result_deinit(&result);
    return true;
}

static bool run(prop_case *c, const struct world *world, bool shuffled, i8x_plan **plan)
{
    PROP_OK(c, i8x_plan_new(&world->job, plan));
    for (int turns = 0; !i8x_plan_finished(*plan); turns++) {
        int index = pick(c, *plan, shuffled);
        PROP_CHECK(c, index >= 0, "the plan is stuck after %d tasks", turns);
        PROP_CHECK(c, turns < 100000, "the plan does not end");
        if (!complete(c, world, *plan, index))
            return false;
    }
    return true;
}

static bool same_plans(prop_case *c, const i8x_plan *a, const i8x_plan *b)
{
    int count = i8x_plan_task_count(a);
    PROP_CHECK(c, count == i8x_plan_task_count(b), "%d tasks and %d", count,
               i8x_plan_task_count(b));
    PROP_CHECK(c, i8x_plan_done_count(a) == count, "tasks were left over");
    for (int i = 0; i < count; i++) {
        i8x_digest first = i8x_task_key(i8x_plan_task(a, i)),
                   second = i8x_task_key(i8x_plan_task(b, i));
        PROP_CHECK(c, i8x_digest_equal(&first, &second), "task %d (%s) has another key", i,
                   i8x_task_kind_name(i8x_plan_task_kind(a, i)));
    }
    i8x_blob_ref one, two;
    PROP_CHECK(c, i8x_plan_artifact(a, &one) && i8x_plan_artifact(b, &two), "no artifact");
    PROP_CHECK(c, i8x_digest_equal(&one.digest, &two.digest), "artifacts differ");
    PROP_CHECK(c, i8x_plan_report(a, &one) && i8x_plan_report(b, &two), "no report");
    PROP_CHECK(c, i8x_digest_equal(&one.digest, &two.digest), "reports differ");
    return true;
}

static bool order_does_not_matter(prop_case *c)
{
    struct world *world = prop_array(c, 1, sizeof *world);
    make_world(c, world);
    i8x_plan *straight = NULL, *shuffled = NULL;
    bool good = run(c, world, false, &straight) && run(c, world, true, &shuffled) &&
                same_plans(c, straight, shuffled);
    i8x_plan_free(straight);
    i8x_plan_free(shuffled);
    return good;
}

/* Two jobs that differ in one field: tasks whose kind does not depend on it keep their keys. */
static bool sweeps_share_calibration(prop_case *c)
{
    struct world *world = prop_array(c, 1, sizeof *world);
    make_world(c, world);
    i8x_plan *a = NULL, *b = NULL;
    bool calibrating = true;
    world->job.recipe.clip = I8X_CLIP_MINMAX;
    bool good = run(c, world, false, &a);
    world->job.recipe.clip = I8X_CLIP_MSE;
    world->job.recipe.percentile = 99;
    good = good && run(c, world, false, &b);
    for (int i = 0; good && i < i8x_plan_task_count(a); i++) {
        i8x_task_kind kind = i8x_plan_task_kind(a, i);
        i8x_digest first = i8x_task_key(i8x_plan_task(a, i)),
                   second = i8x_task_key(i8x_plan_task(b, i));
        bool same = i8x_digest_equal(&first, &second);
        /* tasks stand in the order of their stages: calibration ends where solve begins */
        calibrating = calibrating && kind != I8X_TASK_SOLVE;
        if (calibrating && !same)
            good = prop_fail(c, "task %d (%s) depends on clip", i, i8x_task_kind_name(kind));
        if (kind == I8X_TASK_SOLVE && same)
            good = prop_fail(c, "solve does not depend on clip");
    }
    i8x_plan_free(a);
    i8x_plan_free(b);
    return good;
}

START_TEST(any_completion_order_gives_the_same_tasks_and_artifact)
{
    prop_run("order_does_not_matter", order_does_not_matter, 120, 60);
}
END_TEST

START_TEST(recipes_that_differ_in_clip_share_calibration)
{
    prop_run("sweeps_share_calibration", sweeps_share_calibration, 60, 40);
}
END_TEST

Suite *prop_plan_suite(void)
{
    const TTest *tests[] = {any_completion_order_gives_the_same_tasks_and_artifact,
                            recipes_that_differ_in_clip_share_calibration};
    return i8x_suite("prop_plan", tests, sizeof tests / sizeof tests[0]);
}
