/* SPDX-License-Identifier: Apache-2.0
 *
 * Task record: bytes of tasks, results and jobs, and the key. All of them are canonical records
 * (docs/formats.md): the first text names the record, then its version.
 */
#include <string.h>

#include "core/run/recipe.h"
#include "core/run/task.h"

#define TASK_VERSION 1
#define RESULT_VERSION 1
#define JOB_VERSION 1

static void put_ref(i8x_canon_writer *writer, const i8x_blob_ref *ref)
{
    i8x_canon_put_digest(writer, &ref->digest);
    i8x_canon_put_u64(writer, ref->offset);
    i8x_canon_put_u64(writer, ref->size_bytes);
    i8x_canon_put_bool(writer, ref->whole);
}

static i8x_blob_ref get_ref(i8x_canon_reader *reader)
{
    i8x_blob_ref ref;
    memset(&ref, 0, sizeof ref); /* padding too: refs are compared and copied as bytes in tests */
    ref.digest = i8x_canon_get_digest(reader);
    ref.offset = i8x_canon_get_u64(reader);
    ref.size_bytes = i8x_canon_get_u64(reader);
    ref.whole = i8x_canon_get_bool(reader);
    return ref;
}

static void get_role(i8x_canon_reader *reader, char role[I8X_TASK_ROLE_MAX])
{
    size_t size = 0;
    const uint8_t *text = i8x_canon_get_bytes(reader, I8X_TASK_ROLE_MAX - 1, &size);
    memset(role, 0, I8X_TASK_ROLE_MAX);
    if (text != NULL)
        memcpy(role, text, size);
}

static void put_role(i8x_canon_writer *writer, const char *role)
{
    i8x_canon_put_bytes(writer, role, strlen(role));
}

i8x_digest i8x_task_key(const i8x_task *task)
{
    i8x_canon_writer writer;
    i8x_canon_writer_init(&writer, NULL, 0);
    i8x_canon_put_text(&writer, "int8x.key");
    i8x_canon_put_text(&writer, i8x_task_kind_name(task->kind));
    i8x_canon_put_s64(&writer, task->revision);
    i8x_canon_put_bytes(&writer, task->options, task->options_size);
    i8x_canon_begin_list(&writer);
    for (int i = 0; i < task->input_count; i++) {
        put_role(&writer, task->inputs[i].role);
        i8x_canon_put_digest(&writer, &task->inputs[i].ref.digest);
        i8x_canon_put_u64(&writer, task->inputs[i].ref.offset);
        i8x_canon_put_u64(&writer, task->inputs[i].ref.size_bytes);
    }
    i8x_canon_end_list(&writer);
    i8x_digest key;
    memset(&key, 0, sizeof key);
    /* a key that cannot be made (no memory) must not collide with another: there is no way on */
    I8X_ASSERT(i8x_canon_digest(&writer, &key) == I8X_OK);
    i8x_canon_writer_deinit(&writer);
    return key;
}

i8x_status i8x_task_encode(const i8x_task *task, i8x_arena *arena, const uint8_t **bytes,
                           size_t *size_bytes)
{
    i8x_canon_writer writer;
    i8x_canon_writer_init(&writer, NULL, 0);
    i8x_canon_put_text(&writer, "int8x.task");
    i8x_canon_put_s64(&writer, TASK_VERSION);
    i8x_canon_put_text(&writer, i8x_task_kind_name(task->kind));
    i8x_canon_put_s64(&writer, task->revision);
    i8x_canon_put_bytes(&writer, task->options, task->options_size);
    i8x_canon_begin_list(&writer);
    for (int i = 0; i < task->input_count; i++) {
        put_role(&writer, task->inputs[i].role);
        put_ref(&writer, &task->inputs[i].ref);
    }
    i8x_canon_end_list(&writer);
    return i8x_task_record(&writer, arena, bytes, size_bytes);
}

static i8x_status check_version(i8x_canon_reader *reader, int64_t version, const char *what)
{
    int64_t found = i8x_canon_get_s64(reader);
    I8X_TRY(i8x_canon_reader_status(reader));
    I8X_ENSURE(found == version, I8X_EVERSION, "%s has version %lld; this build reads %lld", what,
               (long long)found, (long long)version);
    return I8X_OK;
}

static i8x_status get_kind(i8x_canon_reader *reader, i8x_arena *arena, i8x_task *task)
{
    const char *name = i8x_canon_get_text(reader, arena, 64);
    task->revision = (int)i8x_canon_get_s64_in(reader, 1, INT32_MAX);
    I8X_TRY(i8x_canon_reader_status(reader));
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++) {
        if (strcmp(i8x_task_kind_name((i8x_task_kind)kind), name) != 0)
            continue;
        task->kind = (i8x_task_kind)kind;
        I8X_ENSURE(task->revision == i8x_task_kind_revision(task->kind), I8X_EVERSION,
                   "task %s has revision %d; this build has %d", name, task->revision,
                   i8x_task_kind_revision(task->kind));
        return I8X_OK;
    }
    I8X_FAIL(I8X_EVERSION, "task kind '%s' is not known to this build", name);
}

i8x_status i8x_task_decode(const void *bytes, size_t size_bytes, i8x_arena *arena, i8x_task *task)
{
    i8x_canon_reader reader;
    i8x_canon_reader_init(&reader, bytes, size_bytes, "task");
    i8x_canon_expect_text(&reader, "int8x.task");
    I8X_TRY(check_version(&reader, TASK_VERSION, "the task"));
    memset(task, 0, sizeof *task);
    I8X_TRY(get_kind(&reader, arena, task));
    const uint8_t *options =
        i8x_canon_get_bytes(&reader, I8X_TASK_OPTIONS_MAX, &task->options_size);
    I8X_TRY(i8x_canon_reader_status(&reader));
    task->options = i8x_arena_copy(arena, options, task->options_size);
    i8x_task_input *inputs = i8x_arena_array(arena, I8X_TASK_INPUTS_MAX, sizeof *inputs);
    I8X_TRY(i8x_alloc_check(task->options));
    I8X_TRY(i8x_alloc_check(inputs));
    i8x_canon_get_begin_list(&reader);
    while (i8x_canon_more(&reader)) {
        I8X_ENSURE(task->input_count < I8X_TASK_INPUTS_MAX, I8X_ELIMIT,
                   "a task has more than %d inputs", I8X_TASK_INPUTS_MAX);
        get_role(&reader, inputs[task->input_count].role);
        inputs[task->input_count++].ref = get_ref(&reader);
    }
    i8x_canon_get_end_list(&reader);
    task->inputs = inputs;
    return i8x_canon_reader_end(&reader);
}

static void put_measure(i8x_canon_writer *writer, const i8x_task_measure *measure)
{
    i8x_canon_put_u64(writer, measure->wall_ns);
    i8x_canon_put_u64(writer, measure->cpu_ns);
    i8x_canon_put_u64(writer, measure->peak_bytes);
    i8x_canon_put_u64(writer, measure->arena_peak_bytes);
    i8x_canon_put_s64(writer, measure->level);
    i8x_canon_put_bool(writer, measure->repeated_scalar);
}

i8x_status i8x_task_result_encode(const i8x_task_result *result, i8x_arena *arena,
                                  const uint8_t **bytes, size_t *size_bytes)
{
    i8x_canon_writer writer;
    i8x_canon_writer_init(&writer, NULL, 0);
    i8x_canon_put_text(&writer, "int8x.result");
    i8x_canon_put_s64(&writer, RESULT_VERSION);
    i8x_canon_begin_list(&writer);
    for (int i = 0; i < result->output_count; i++) {
        put_role(&writer, result->outputs[i].role);
        put_ref(&writer, &result->outputs[i].ref);
    }
    i8x_canon_end_list(&writer);
    i8x_canon_put_bytes(&writer, result->summary, result->summary_size);
    put_measure(&writer, &result->measure);
    return i8x_task_record(&writer, arena, bytes, size_bytes);
}

static i8x_status result_fields(i8x_canon_reader *reader, i8x_task_result *result)
{
    i8x_canon_expect_text(reader, "int8x.result");
    I8X_TRY(check_version(reader, RESULT_VERSION, "the result"));
    i8x_canon_get_begin_list(reader);
    while (i8x_canon_more(reader)) {
        I8X_ENSURE(result->output_count < I8X_TASK_OUTPUTS_MAX, I8X_ELIMIT,
                   "a result has more than %d outputs", I8X_TASK_OUTPUTS_MAX);
        get_role(reader, result->outputs[result->output_count].role);
        result->outputs[result->output_count++].ref = get_ref(reader);
    }
    i8x_canon_get_end_list(reader);
    size_t size = 0;
    const uint8_t *summary = i8x_canon_get_bytes(reader, I8X_TASK_SUMMARY_MAX, &size);
    i8x_task_measure *measure = &result->measure;
    measure->wall_ns = i8x_canon_get_u64(reader);
    measure->cpu_ns = i8x_canon_get_u64(reader);
    measure->peak_bytes = i8x_canon_get_u64(reader);
    measure->arena_peak_bytes = i8x_canon_get_u64(reader);
    measure->level = (i8x_cpu_level)i8x_canon_get_s64_in(reader, 0, I8X_CPU_LEVEL_COUNT - 1);
    measure->repeated_scalar = i8x_canon_get_bool(reader);
    I8X_TRY(i8x_canon_reader_end(reader));
    if (size > 0) {
        result->summary = i8x_alloc_array(i8x_alloc_heap(), size, 1);
        I8X_TRY(i8x_alloc_check(result->summary));
        memcpy(result->summary, summary, size);
        result->summary_size = size;
    }
    return I8X_OK;
}

i8x_status i8x_task_result_decode(const void *bytes, size_t size_bytes, i8x_task_result *result)
{
    i8x_canon_reader reader;
    i8x_canon_reader_init(&reader, bytes, size_bytes, "task result");
    memset(result, 0, sizeof *result);
    i8x_status status = result_fields(&reader, result);
    if (status != I8X_OK)
        i8x_task_result_deinit(result);
    return status;
}

i8x_status i8x_job_encode(const i8x_job *job, i8x_arena *arena, const uint8_t **bytes,
                          size_t *size_bytes)
{
    i8x_canon_writer writer;
    i8x_canon_writer_init(&writer, NULL, 0);
    i8x_canon_put_text(&writer, "int8x.job");
    i8x_canon_put_s64(&writer, JOB_VERSION);
    i8x_canon_put_text(&writer, job->name);
    i8x_recipe_put_reach(&writer, &job->recipe, I8X_REACH_SPEED);
    put_ref(&writer, &job->model);
    put_ref(&writer, &job->calib);
    put_ref(&writer, &job->eval);
    put_ref(&writer, &job->labels);
    return i8x_task_record(&writer, arena, bytes, size_bytes);
}

static i8x_status job_fields(i8x_canon_reader *reader, i8x_arena *scratch, i8x_job *job)
{
    i8x_canon_expect_text(reader, "int8x.job");
    I8X_TRY(check_version(reader, JOB_VERSION, "the job"));
    const char *name = i8x_canon_get_text(reader, scratch, sizeof job->name - 1);
    I8X_TRY(i8x_canon_reader_status(reader));
    memcpy(job->name, name, strlen(name) + 1);
    I8X_TRY(i8x_recipe_take_reach(reader, &job->recipe, I8X_REACH_SPEED, scratch));
    job->model = get_ref(reader);
    job->calib = get_ref(reader);
    job->eval = get_ref(reader);
    job->labels = get_ref(reader);
    return i8x_canon_reader_end(reader);
}

i8x_status i8x_job_decode(const void *bytes, size_t size_bytes, i8x_job *job)
{
    i8x_arena *scratch = NULL;
    I8X_TRY(i8x_arena_new(NULL, 0, &scratch));
    memset(job, 0, sizeof *job);
    i8x_canon_reader reader;
    i8x_canon_reader_init(&reader, bytes, size_bytes, "job");
    i8x_status status = job_fields(&reader, scratch, job);
    i8x_arena_free(scratch);
    return status;
}

bool i8x_task_input_is_late(const i8x_task *task, int index)
{
    const i8x_task_input *input = &task->inputs[index];
    size_t length = strlen(input->role);
    for (int i = 0; i < task->input_count && input->ref.whole; i++) {
        const char *role = task->inputs[i].role;
        if (strncmp(role, input->role, length) == 0 && strcmp(role + length, ".head") == 0 &&
            i8x_digest_equal(&task->inputs[i].ref.digest, &input->ref.digest))
            return true;
    }
    return false;
}
