/* SPDX-License-Identifier: Apache-2.0
 *
 * Local evaluate: the tasks inspect and evaluate (one per shard) of a job, without the job: for
 * comparing two models that are there already.
 */
#include <string.h>

#include "core/quant/error.h"
#include "core/run/inspect.h"
#include "core/run/task.h"
#include "int8x/clock.h"
#include "int8x/local.h"

struct run {
    const i8x_evaluation *evaluation;
    const i8x_task_env *env;
    i8x_arena *arena;
    i8x_measured *measured;
    bool (*progress)(void *user, uint64_t done, uint64_t total); /* the caller's */
    i8x_task_params *params;
    i8x_task_input inputs[I8X_TASK_INPUTS_MAX];
    int input_count;
    i8x_task_result result;
};

static void add_input(struct run *run, const char *role, const i8x_blob_ref *ref)
{
    I8X_ASSERT(run->input_count < I8X_TASK_INPUTS_MAX && strlen(role) < I8X_TASK_ROLE_MAX);
    i8x_task_input *input = &run->inputs[run->input_count++];
    memset(input, 0, sizeof *input);
    memcpy(input->role, role, strlen(role) + 1);
    input->ref = *ref;
}

/* Runs a task of run->inputs; its result stays in run->result until the next one. */
static i8x_status run_task(struct run *run, i8x_task_kind kind)
{
    i8x_canon_writer writer;
    i8x_canon_writer_init(&writer, NULL, I8X_TASK_OPTIONS_MAX);
    i8x_task_params_put(&writer, kind, run->params);
    i8x_task task = {.kind = kind,
                     .revision = i8x_task_kind_revision(kind),
                     .inputs = run->inputs,
                     .input_count = run->input_count};
    I8X_TRY(i8x_task_record(&writer, run->arena, &task.options, &task.options_size));
    i8x_task_result_deinit(&run->result);
    I8X_TRY(i8x_task_run(&task, run->env, &run->result));
    run->input_count = 0;
    if (run->measured != NULL) {
        i8x_measured_stage *stage = &run->measured->stages[kind];
        stage->kind = kind;
        stage->tasks++;
        stage->wall_ns += run->result.measure.wall_ns;
        stage->cpu_ns += run->result.measure.cpu_ns;
        stage->peak_bytes = run->result.measure.peak_bytes;
        run->measured->peak_bytes = run->result.measure.peak_bytes;
        run->measured->level = run->result.measure.level;
    }
    return I8X_OK;
}

static void add_data(struct run *run, const char *role, const char *head_role,
                     const i8x_blob_ref *ref)
{
    if (ref->size_bytes == 0)
        return;
    i8x_blob_ref head = *ref;
    head.size_bytes =
        ref->size_bytes < I8X_INSPECT_HEAD_BYTES ? ref->size_bytes : I8X_INSPECT_HEAD_BYTES;
    head.whole = false;
    add_input(run, head_role, &head);
    add_input(run, role, ref);
}

static i8x_status inspect(struct run *run, i8x_inspect_summary *summary)
{
    add_input(run, "model", &run->evaluation->model);
    add_data(run, "eval", "eval.head", &run->evaluation->eval);
    add_data(run, "labels", "labels.head", &run->evaluation->labels);
    I8X_TRY(run_task(run, I8X_TASK_INSPECT));
    return i8x_inspect_summary_decode(run->result.summary, run->result.summary_size, summary);
}

static i8x_status evaluate_shard(struct run *run, const i8x_inspect_summary *summary, int64_t first,
                                 int64_t count)
{
    i8x_task_params *params = run->params;
    params->first = first;
    params->count = count;
    params->array_count = summary->eval.array_count;
    add_input(run, "model", &run->evaluation->model);
    add_input(run, "artifact", &run->evaluation->quantized);
    for (int i = 0; i < summary->eval.array_count; i++) {
        params->arrays[i] = summary->eval.arrays[i].type;
        i8x_blob_ref ref = i8x_sample_array_range(&summary->eval.arrays[i], first, count);
        add_input(run, "samples", &ref);
    }
    if (summary->labels.samples > 0) {
        i8x_blob_ref ref = i8x_sample_array_range(&summary->labels.arrays[0], first, count);
        params->label_dtype = summary->labels.arrays[0].type.dtype;
        add_input(run, "labels", &ref);
    }
    return run_task(run, I8X_TASK_EVALUATE);
}

/* Adds the metrics of the last task to the sum; shards come in order. */
static i8x_status add_metrics(struct run *run, i8x_error_partial **sum, int *count)
{
    const i8x_blob_io *io = run->env->io;
    const void *bytes;
    void *handle;
    I8X_ENSURE(run->result.output_count == 1, I8X_EINTERNAL, "evaluate gave %d outputs",
               run->result.output_count);
    const i8x_blob_ref *ref = &run->result.outputs[0].ref;
    I8X_TRY(io->open(io->user, ref, &bytes, &handle));
    i8x_error_partial *part;
    int parts;
    i8x_status status = i8x_error_decode(bytes, (size_t)ref->size_bytes, run->arena, &part, &parts);
    io->close(io->user, handle);
    I8X_TRY(status);
    if (*sum == NULL) {
        *sum = part;
        *count = parts;
        return I8X_OK;
    }
    for (int i = 0; i < *count && i < parts; i++)
        i8x_error_merge(&(*sum)[i], &part[i]);
    return I8X_OK;
}

/* Names of the outputs, from the inspection that inspect left. */
static i8x_status open_inspection(struct run *run, i8x_inspection *inspection)
{
    const i8x_blob_io *io = run->env->io;
    for (int i = 0; i < run->result.output_count; i++) {
        if (strcmp(run->result.outputs[i].role, "inspection") != 0)
            continue;
        const i8x_blob_ref *ref = &run->result.outputs[i].ref;
        const void *bytes;
        void *handle;
        I8X_TRY(io->open(io->user, ref, &bytes, &handle));
        i8x_status status =
            i8x_inspection_decode(bytes, (size_t)ref->size_bytes, run->arena, inspection);
        io->close(io->user, handle);
        return status;
    }
    I8X_FAIL(I8X_EINTERNAL, "inspect gave no inspection");
}

static i8x_status finish(struct run *run, const i8x_inspection *inspection,
                         const i8x_error_partial *sum, int count, i8x_report_output **outputs)
{
    i8x_report_output *list = i8x_arena_array(run->arena, (size_t)count, sizeof *list);
    I8X_TRY(i8x_alloc_check(list));
    I8X_ENSURE(count == inspection->output_count, I8X_EINTERNAL, "evaluate gave %d outputs of %d",
               count, inspection->output_count);
    for (int i = 0; i < count; i++) {
        i8x_error_result result = i8x_error_finish(&sum[i]);
        list[i] = (i8x_report_output){inspection->outputs[i].name, result.sqnr_db, result.agreement,
                                      result.top1_float, result.top1_quantized};
    }
    *outputs = list;
    return I8X_OK;
}

static i8x_status run_all(struct run *run, i8x_report_output **outputs, int *output_count,
                          int64_t *samples)
{
    i8x_inspect_summary *summary = i8x_arena_array(run->arena, 1, sizeof *summary);
    I8X_TRY(i8x_alloc_check(summary));
    i8x_inspection inspection;
    I8X_TRY(inspect(run, summary));
    I8X_TRY(open_inspection(run, &inspection));
    int64_t step = summary->batch_step;
    int64_t shard = (run->evaluation->recipe.shard_samples + step - 1) / step * step;
    i8x_error_partial *sum = NULL;
    *samples = summary->eval.samples;
    for (int64_t first = 0; first < *samples; first += shard) {
        int64_t count = *samples - first < shard ? *samples - first : shard;
        I8X_TRY(evaluate_shard(run, summary, first, count));
        I8X_TRY(add_metrics(run, &sum, output_count));
        I8X_ENSURE(run->progress == NULL ||
                       run->progress(run->env->user, (uint64_t)(first + count), (uint64_t)*samples),
                   I8X_ECANCELED, "the evaluation was canceled");
    }
    return finish(run, &inspection, sum, *output_count, outputs);
}

i8x_status i8x_local_evaluate(const i8x_evaluation *evaluation, const i8x_task_env *env,
                              i8x_arena *arena, i8x_report_output **outputs, int *output_count,
                              int64_t *samples, i8x_measured *measured)
{
    I8X_ENSURE(evaluation->eval.size_bytes > 0, I8X_EARG, "there is no evaluation data");
    struct run *run = i8x_arena_array(arena, 1, sizeof *run);
    I8X_TRY(i8x_alloc_check(run));
    run->params = i8x_arena_array(arena, 1, sizeof *run->params);
    I8X_TRY(i8x_alloc_check(run->params));
    run->evaluation = evaluation;
    i8x_task_env inner = *env; /* progress counts samples of the whole, not of one task */
    inner.progress = NULL;
    run->env = &inner;
    run->progress = env->progress;
    run->arena = arena;
    run->measured = measured;
    run->params->recipe = evaluation->recipe;
    run->params->model_bytes = evaluation->model.size_bytes;
    if (measured != NULL)
        memset(measured, 0, sizeof *measured);
    int64_t wall = i8x_clock_now_ns(NULL), cpu = i8x_clock_process_cpu_ns();
    i8x_status status = run_all(run, outputs, output_count, samples);
    i8x_task_result_deinit(&run->result);
    if (measured != NULL) {
        measured->wall_ns = (uint64_t)(i8x_clock_now_ns(NULL) - wall);
        measured->cpu_ns = (uint64_t)(i8x_clock_process_cpu_ns() - cpu);
    }
    return status;
}
