/* SPDX-License-Identifier: Apache-2.0
 *
 * Why: a job run in this process must be what a fleet makes of it: every task from its encoded form
 * alone, with a cold store, gives the same blobs; limits are kept; a canceled or failed job leaves
 * no memory.
 */
#include <stdio.h>
#include <string.h>

#include "core/run/task.h"
#include "int8x/data.h"
#include "int8x/local.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"

#define SAMPLES 12

static i8x_temp_dir temp;
static i8x_blobdir *dir;
static i8x_job job;

struct sink {
    const i8x_blob_io *io;
    void *writer;
};

static i8x_status sink_write(void *user, const void *bytes, size_t size)
{
    struct sink *sink = user;
    return sink->io->write(sink->io->user, sink->writer, bytes, size);
}

/* Blob of a .npy [count,1,28,28]: waves that depend on the sample. */
static i8x_blob_ref put_samples(int count, int phase)
{
    static float values[SAMPLES * 784];
    i8x_tensor tensor = {I8X_DTYPE_F32, i8x_shape_make(4, (int64_t[]){count, 1, 28, 28}), values};
    for (int i = 0; i < count * 784; i++) {
        float x = (float)(i % 28) / 28.0f, y = (float)(i / 28 % 28) / 28.0f;
        float hill = x * (1 - x) * y * (1 - y) * 16;
        values[i] = hill * (0.5f + 0.1f * (float)(((i / 784 + phase) * 7 + i % 28) % 5));
    }
    struct sink sink = {.io = i8x_blobdir_io(dir)};
    i8x_blob_ref ref;
    ck_assert_ok(sink.io->begin(sink.io->user, &sink.writer));
    ck_assert_ok(i8x_npy_write(&tensor, sink_write, &sink));
    ck_assert_ok(sink.io->end(sink.io->user, sink.writer, false, &ref));
    return ref;
}

static void make_job(void)
{
    i8x_temp_dir_init(&temp);
    ck_assert_ok(i8x_blobdir_open(i8x_temp_dir_path(&temp, "blobs"), &dir));
    memset(&job, 0, sizeof job);
    i8x_recipe_default(&job.recipe);
    job.recipe.shard_samples = 5;
    ck_assert_ok(i8x_blobdir_link_model(dir, I8X_TEST_SOURCE_DIR "/tests/data/lenet_mnist.onnx",
                                        &job.model));
    job.calib = put_samples(SAMPLES, 0);
    job.eval = put_samples(SAMPLES, 3);
}

static void drop_job(void)
{
    i8x_blobdir_close(dir);
    i8x_temp_dir_deinit(&temp);
}

static i8x_task_env make_env(void)
{
    return (i8x_task_env){.io = i8x_blobdir_io(dir), .threads = 1, .level = I8X_CPU_LEVEL_COUNT};
}

/* Runs the task from its bytes, on a store that knows nothing yet, and compares the outputs. */
static void run_again(const i8x_plan *plan, int index)
{
    i8x_arena *arena;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    const uint8_t *bytes;
    size_t size;
    i8x_task task;
    ck_assert_ok(i8x_task_encode(i8x_plan_task(plan, index), arena, &bytes, &size));
    ck_assert_ok(i8x_task_decode(bytes, size, arena, &task));
    i8x_blobdir *cold;
    ck_assert_ok(i8x_blobdir_open(i8x_temp_dir_path(&temp, "blobs"), &cold));
    char path[512];
    i8x_blob_ref ref;
    ck_assert_ok(i8x_blobdir_path(dir, &job.model.digest, path, sizeof path));
    ck_assert_ok(i8x_blobdir_link(cold, path, &ref));
    i8x_task_env env = {.io = i8x_blobdir_io(cold), .threads = 2, .level = I8X_CPU_LEVEL_COUNT};
    i8x_task_result result;
    ck_assert_ok(i8x_task_run(&task, &env, &result));
    int count;
    const i8x_task_output *first = i8x_plan_outputs(plan, index, &count);
    ck_assert_int_eq(result.output_count, count);
    for (int i = 0; i < result.output_count; i++)
        ck_assert_msg(i8x_digest_equal(&result.outputs[i].ref.digest, &first[i].ref.digest),
                      "task %d (%s): output '%s' differs", index, i8x_task_kind_name(task.kind),
                      result.outputs[i].role);
    i8x_task_result_deinit(&result);
    i8x_blobdir_close(cold);
    i8x_arena_free(arena);
}

START_TEST(every_task_gives_the_same_from_its_bytes_alone)
{
    make_job();
    i8x_task_env env = make_env();
    i8x_plan *plan;
    i8x_measured measured;
    ck_assert_ok(i8x_local_run(&job, &env, NULL, &plan, &measured));
    int tasks = 0;
    for (int i = 0; i < I8X_TASK_KIND_COUNT; i++)
        tasks += measured.stages[i].tasks;
    ck_assert_int_eq(tasks, i8x_plan_task_count(plan));
    ck_assert_int_eq(measured.stages[I8X_TASK_CALIBRATE].tasks, 3);
    for (int i = 0; i < i8x_plan_task_count(plan); i++)
        run_again(plan, i);
    i8x_plan_free(plan);
    drop_job();
}
END_TEST

static int computed(const i8x_measured *measured)
{
    int count = 0;
    for (int i = 0; i < I8X_TASK_KIND_COUNT; i++)
        count += measured->stages[i].tasks - measured->stages[i].cached;
    return count;
}

/* Runs the job on its folder's results; returns how many tasks were computed. */
static int run_cached(i8x_blob_ref *artifact)
{
    i8x_task_env env = make_env();
    i8x_local_opts opts = {.cache = i8x_blobdir_results(dir)};
    i8x_plan *plan;
    i8x_measured measured;
    ck_assert_ok(i8x_local_run(&job, &env, &opts, &plan, &measured));
    ck_assert(i8x_plan_artifact(plan, artifact));
    i8x_plan_free(plan);
    return computed(&measured);
}

/* Another program's view: the folder is opened again, what was hashed is forgotten. */
static void open_again(void)
{
    i8x_blobdir_close(dir);
    ck_assert_ok(i8x_blobdir_open(i8x_temp_dir_path(&temp, "blobs"), &dir));
    i8x_blob_ref model;
    ck_assert_ok(
        i8x_blobdir_link_model(dir, I8X_TEST_SOURCE_DIR "/tests/data/lenet_mnist.onnx", &model));
}

START_TEST(a_second_run_finds_the_results_of_the_first)
{
    make_job();
    i8x_blob_ref first, again;
    int all = run_cached(&first);
    ck_assert_int_ge(all, 10);
    open_again();
    ck_assert_int_eq(run_cached(&again), 0);
    ck_assert(i8x_digest_equal(&first.digest, &again.digest));
    job.recipe.bias_correction = I8X_BIAS_CORRECTION_NONE; /* shares what comes before */
    int other = run_cached(&again);
    ck_assert(other > 0 && other < all);
    drop_job();
}
END_TEST

START_TEST(damaged_results_and_blobs_are_computed_again)
{
    make_job();
    i8x_blob_ref first, again;
    run_cached(&first);
    char path[512];
    ck_assert_ok(i8x_blobdir_path(dir, &first.digest, path, sizeof path));
    FILE *file = fopen(path, "r+b");
    ck_assert_int_eq(fputc(7, file), 7);
    fclose(file);
    open_again();
    ck_assert_int_ge(run_cached(&again), 1);
    ck_assert(i8x_digest_equal(&first.digest, &again.digest));
    open_again();
    ck_assert_int_eq(run_cached(&again), 0);
    drop_job();
}
END_TEST

START_TEST(report_record_is_named_by_its_digest_and_comes_back)
{
    make_job();
    i8x_task_env env = make_env();
    i8x_plan *plan;
    ck_assert_ok(i8x_local_run(&job, &env, NULL, &plan, NULL));
    i8x_blob_ref artifact, record;
    ck_assert(i8x_plan_artifact(plan, &artifact));
    ck_assert(i8x_plan_report(plan, &record));
    i8x_arena *arena;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    const void *bytes;
    void *handle;
    i8x_report report;
    ck_assert_ok(env.io->open(env.io->user, &record, &bytes, &handle));
    ck_assert_ok(i8x_report_decode(bytes, (size_t)record.size_bytes, arena, &report));
    ck_assert(i8x_digest_equal(&report.artifact_sha256, &artifact.digest));
    ck_assert_uint_eq(report.artifact_bytes, artifact.size_bytes);
    ck_assert_int_eq((int)report.calib_samples, SAMPLES);
    ck_assert_int_eq(report.layer_count, 4);
    ck_assert_int_eq(report.output_count, 1);
    const uint8_t *again;
    size_t size;
    ck_assert_ok(i8x_report_encode(&report, arena, &again, &size));
    i8x_digest digest = i8x_digest_of(again, size);
    ck_assert(i8x_digest_equal(&digest, &record.digest));
    for (size_t cut = 0; cut < size; cut += 13)
        ck_assert_int_ne(i8x_report_decode(bytes, cut, arena, &report), I8X_OK);
    env.io->close(env.io->user, handle);
    i8x_arena_free(arena);
    i8x_plan_free(plan);
    drop_job();
}
END_TEST

START_TEST(memory_limit_is_kept_with_a_sentence)
{
    make_job();
    i8x_task_env env = make_env();
    env.limit_bytes = 100 * 1024;
    i8x_plan *plan;
    ck_assert_status(i8x_local_run(&job, &env, NULL, &plan, NULL), I8X_ELIMIT);
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "limit"));
    drop_job();
}
END_TEST

static bool refuse(void *user, uint64_t done, uint64_t total)
{
    (void)user, (void)done, (void)total;
    return false;
}

START_TEST(progress_that_says_no_cancels)
{
    make_job();
    i8x_task_env env = make_env();
    env.progress = refuse;
    i8x_plan *plan;
    ck_assert_status(i8x_local_run(&job, &env, NULL, &plan, NULL), I8X_ECANCELED);
    drop_job();
}
END_TEST

START_TEST(jobs_without_what_they_need_are_refused)
{
    make_job();
    i8x_plan *plan;
    i8x_job broken = job;
    broken.calib.size_bytes = 0;
    ck_assert_status(i8x_plan_new(&broken, &plan), I8X_EARG);
    broken = job;
    broken.model.size_bytes = 0;
    ck_assert_status(i8x_plan_new(&broken, &plan), I8X_EARG);
    broken = job;
    broken.labels = job.calib;
    broken.eval.size_bytes = 0;
    ck_assert_status(i8x_plan_new(&broken, &plan), I8X_EARG);
    drop_job();
}
END_TEST

START_TEST(unknown_revision_and_broken_options_are_refused)
{
    make_job();
    i8x_task_env env = make_env();
    i8x_plan *plan;
    ck_assert_ok(i8x_plan_new(&job, &plan));
    i8x_task task = *i8x_plan_task(plan, 0);
    i8x_task_result result;
    task.revision++;
    ck_assert_status(i8x_task_run(&task, &env, &result), I8X_EVERSION);
    task.revision--;
    for (size_t cut = 0; cut < task.options_size; cut++) {
        i8x_task broken = task;
        broken.options_size = cut;
        ck_assert_status(i8x_task_run(&broken, &env, &result), I8X_EFORMAT);
    }
    task.input_count = 0;
    ck_assert_status(i8x_task_run(&task, &env, &result), I8X_EFORMAT);
    i8x_plan_free(plan);
    drop_job();
}
END_TEST

Suite *check_local_suite(void)
{
    const TTest *tests[] = {every_task_gives_the_same_from_its_bytes_alone,
                            a_second_run_finds_the_results_of_the_first,
                            damaged_results_and_blobs_are_computed_again,
                            report_record_is_named_by_its_digest_and_comes_back,
                            memory_limit_is_kept_with_a_sentence,
                            progress_that_says_no_cancels,
                            jobs_without_what_they_need_are_refused,
                            unknown_revision_and_broken_options_are_refused};
    return i8x_suite("local", tests, sizeof tests / sizeof tests[0]);
}
