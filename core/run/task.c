/* SPDX-License-Identifier: Apache-2.0
 *
 * Task: the table of kinds, the options they share one form for, and the frame that runs one of
 * them: arena, threads, kernel level, measuring, cleanup.
 *
 * On ARMv7 the vector units flush denormal numbers; the frame clears and reads the flags on every
 * thread and repeats the task on the scalar level if one was met. Blobs of the first pass are
 * dropped: they are named by content, so nobody refers to them.
 */
#include "core/run/task.h"

#include <string.h>

#include "core/run/recipe.h"
#include "int8x/clock.h"
#include "int8x/kernels.h"

#define LIST(...)                                                                                  \
    (const char *const[]){__VA_ARGS__},                                                            \
        (int)(sizeof(const char *const[]){__VA_ARGS__} / sizeof(char *)), (i8x_reach)0
#define REACH(reach) NULL, 0, reach
/* shapes and batch stand wherever a graph is inferred; which layers and tensors are quantized
 * follows from target, exclude, only and op_types. Calibration statistics depend on neither. */
#define GRAPH_FIELDS "shapes", "batch"
#define CHOICE_FIELDS "target", "exclude", "only", "op_types"

static const i8x_task_kind_row kind_table[I8X_TASK_KIND_COUNT] = {
    [I8X_TASK_INSPECT] = {LIST("shapes", CHOICE_FIELDS), I8X_TASK_PART_JOB, i8x_task_inspect},
    [I8X_TASK_PREPARE] = {LIST("shapes", "equalize"), I8X_TASK_PART_SAMPLES, i8x_task_prepare},
    [I8X_TASK_CALIBRATE] = {LIST(GRAPH_FIELDS), I8X_TASK_PART_SAMPLES, i8x_task_calibrate},
    [I8X_TASK_MERGE] = {NULL, 0, (i8x_reach)0, 0, i8x_task_merge},
    [I8X_TASK_SELECT] = {LIST(GRAPH_FIELDS, CHOICE_FIELDS, "percentile"),
                         I8X_TASK_PART_SAMPLES | I8X_TASK_PART_GROUP, i8x_task_select},
    [I8X_TASK_SOLVE] = {LIST(GRAPH_FIELDS, CHOICE_FIELDS, "clip", "percentile"), 0, i8x_task_solve},
    [I8X_TASK_QUANTIZE] = {LIST(GRAPH_FIELDS, CHOICE_FIELDS, "weight_scale"), I8X_TASK_PART_GROUP,
                           i8x_task_quantize},
    [I8X_TASK_CORRECT] = {LIST(GRAPH_FIELDS, CHOICE_FIELDS, "bias_correction", "weight_scale",
                               "rounding"),
                          I8X_TASK_PART_SAMPLES, i8x_task_correct},
    [I8X_TASK_ASSEMBLE] = {REACH(I8X_REACH_ARTIFACT), I8X_TASK_PART_JOB, i8x_task_assemble},
    [I8X_TASK_EVALUATE] = {LIST(GRAPH_FIELDS, CHOICE_FIELDS),
                           I8X_TASK_PART_SAMPLES | I8X_TASK_PART_LABELS | I8X_TASK_PART_GROUP,
                           i8x_task_evaluate},
    [I8X_TASK_REPORT] = {REACH(I8X_REACH_REPORT), I8X_TASK_PART_JOB, i8x_task_report},
    [I8X_TASK_PROBE] = {NULL, 0, (i8x_reach)0, I8X_TASK_PART_PROBE, i8x_task_probe},
};

const i8x_task_kind_row *i8x_task_kind_get(i8x_task_kind kind)
{
    I8X_ASSERT((int)kind >= 0 && kind < I8X_TASK_KIND_COUNT);
    return &kind_table[kind];
}

static const struct {
    const char *name;
    int revision;
} kind_names[I8X_TASK_KIND_COUNT] = {
#define X(name, text, revision) {text, revision},
    I8X_TASK_LIST(X)
#undef X
};

const char *i8x_task_kind_name(i8x_task_kind kind)
{
    return (int)kind >= 0 && kind < I8X_TASK_KIND_COUNT ? kind_names[kind].name : "?";
}

int i8x_task_kind_revision(i8x_task_kind kind)
{
    return (int)kind >= 0 && kind < I8X_TASK_KIND_COUNT ? kind_names[kind].revision : 0;
}

/* ---- options ---- */

static void put_job_part(i8x_canon_writer *writer, const i8x_task_params *params)
{
    i8x_canon_put_digest(writer, &params->model);
    i8x_canon_put_digest(writer, &params->calib);
    i8x_canon_put_digest(writer, &params->eval);
    i8x_canon_put_digest(writer, &params->labels);
    i8x_canon_put_u64(writer, params->model_bytes);
    i8x_canon_put_s64(writer, params->calib_samples);
    i8x_canon_put_s64(writer, params->eval_samples);
}

void i8x_task_params_put(i8x_canon_writer *writer, i8x_task_kind kind,
                         const i8x_task_params *params)
{
    const i8x_task_kind_row *row = i8x_task_kind_get(kind);
    i8x_canon_put_text(writer, i8x_task_kind_name(kind));
    if (row->fields != NULL)
        i8x_recipe_put(writer, &params->recipe, row->fields, row->field_count);
    else if (row->reach != 0)
        i8x_recipe_put_reach(writer, &params->recipe, row->reach);
    if (row->parts & I8X_TASK_PART_GROUP) {
        i8x_canon_put_s64(writer, params->group);
        i8x_canon_put_s64(writer, params->group_count);
    }
    if (row->parts & I8X_TASK_PART_SAMPLES) {
        i8x_canon_put_s64(writer, params->first);
        i8x_canon_put_s64(writer, params->count);
        i8x_canon_begin_list(writer);
        for (int i = 0; i < params->array_count; i++)
            i8x_sample_type_put(writer, &params->arrays[i]);
        i8x_canon_end_list(writer);
    }
    if (row->parts & I8X_TASK_PART_LABELS)
        i8x_canon_put_s64(writer, params->label_dtype);
    if (row->parts & I8X_TASK_PART_JOB)
        put_job_part(writer, params);
    if (row->parts & I8X_TASK_PART_PROBE) {
        i8x_canon_put_digest(writer, &params->model);
        i8x_canon_put_s64(writer, params->first);
        i8x_probe_put(writer, &params->probe);
    }
}

static void take_samples_part(i8x_canon_reader *reader, i8x_task_params *params)
{
    params->first = i8x_canon_get_s64_in(reader, 0, INT64_MAX);
    params->count = i8x_canon_get_s64_in(reader, 0, INT64_MAX);
    i8x_canon_get_begin_list(reader);
    while (i8x_canon_more(reader) && params->array_count < I8X_SAMPLE_ARRAYS_MAX)
        i8x_sample_type_take(reader, &params->arrays[params->array_count++]);
    i8x_canon_get_end_list(reader);
}

static void take_job_part(i8x_canon_reader *reader, i8x_task_params *params)
{
    params->model = i8x_canon_get_digest(reader);
    params->calib = i8x_canon_get_digest(reader);
    params->eval = i8x_canon_get_digest(reader);
    params->labels = i8x_canon_get_digest(reader);
    params->model_bytes = i8x_canon_get_u64(reader);
    params->calib_samples = i8x_canon_get_s64_in(reader, 0, INT64_MAX);
    params->eval_samples = i8x_canon_get_s64_in(reader, 0, INT64_MAX);
}

i8x_status i8x_task_params_take(i8x_canon_reader *reader, i8x_task_kind kind, i8x_arena *scratch,
                                i8x_task_params *params)
{
    const i8x_task_kind_row *row = i8x_task_kind_get(kind);
    memset(params, 0, sizeof *params);
    i8x_recipe_default(&params->recipe);
    i8x_canon_expect_text(reader, i8x_task_kind_name(kind));
    I8X_TRY(i8x_canon_reader_status(reader));
    if (row->fields != NULL)
        I8X_TRY(i8x_recipe_take(reader, &params->recipe, row->fields, row->field_count, scratch));
    else if (row->reach != 0)
        I8X_TRY(i8x_recipe_take_reach(reader, &params->recipe, row->reach, scratch));
    if (row->parts & I8X_TASK_PART_GROUP) {
        params->group = i8x_canon_get_s64_in(reader, 0, I8X_PLAN_TASKS_MAX);
        params->group_count = i8x_canon_get_s64_in(reader, 0, I8X_PLAN_TASKS_MAX);
    }
    if (row->parts & I8X_TASK_PART_SAMPLES)
        take_samples_part(reader, params);
    if (row->parts & I8X_TASK_PART_LABELS)
        params->label_dtype = (i8x_dtype)i8x_canon_get_s64_in(reader, 0, I8X_DTYPE_COUNT - 1);
    if (row->parts & I8X_TASK_PART_JOB)
        take_job_part(reader, params);
    if (row->parts & I8X_TASK_PART_PROBE) {
        params->model = i8x_canon_get_digest(reader);
        params->first = i8x_canon_get_s64_in(reader, 0, I8X_PROBE_COUNT_MAX);
        i8x_probe_take(reader, &params->probe);
    }
    return i8x_canon_reader_end(reader);
}

i8x_status i8x_task_record(i8x_canon_writer *writer, i8x_arena *arena, const uint8_t **bytes,
                           size_t *size_bytes)
{
    i8x_status status = i8x_canon_writer_status(writer);
    if (status == I8X_OK) {
        *bytes = i8x_arena_copy(arena, writer->out.bytes, writer->out.size);
        *size_bytes = writer->out.size;
        status = i8x_alloc_check(*bytes);
    }
    i8x_canon_writer_deinit(writer);
    return status;
}

/* ---- inputs ---- */

i8x_status i8x_task_defer(i8x_task_ctx *ctx, void (*fn)(void *owner, void *what), void *owner,
                          void *what)
{
    if (ctx->cleanup_count == I8X_TASK_CLEANUPS_MAX) {
        fn(owner, what);
        I8X_FAIL(I8X_ELIMIT, "a task opens more than %d things", I8X_TASK_CLEANUPS_MAX);
    }
    ctx->cleanups[ctx->cleanup_count].fn = fn;
    ctx->cleanups[ctx->cleanup_count].owner = owner;
    ctx->cleanups[ctx->cleanup_count++].what = what;
    return I8X_OK;
}

static void do_nothing(void *owner, void *what)
{
    (void)owner, (void)what;
}

void i8x_task_release(i8x_task_ctx *ctx, int entry)
{
    I8X_ASSERT(entry >= 0 && entry < ctx->cleanup_count);
    ctx->cleanups[entry].fn(ctx->cleanups[entry].owner, ctx->cleanups[entry].what);
    ctx->cleanups[entry].fn = do_nothing;
}

int i8x_task_input_count(const i8x_task_ctx *ctx, const char *role)
{
    int count = 0;
    for (int i = 0; i < ctx->task->input_count; i++)
        count += strcmp(ctx->task->inputs[i].role, role) == 0;
    return count;
}

const i8x_task_input *i8x_task_input_find(const i8x_task_ctx *ctx, const char *role, int nth)
{
    for (int i = 0; i < ctx->task->input_count; i++)
        if (strcmp(ctx->task->inputs[i].role, role) == 0 && nth-- == 0)
            return &ctx->task->inputs[i];
    return NULL;
}

static void close_handle(void *owner, void *what)
{
    const i8x_blob_io *io = owner;
    io->close(io->user, what);
}

i8x_status i8x_task_open(i8x_task_ctx *ctx, const char *role, int nth, const uint8_t **bytes,
                         size_t *size_bytes)
{
    const i8x_task_input *input = i8x_task_input_find(ctx, role, nth);
    I8X_ENSURE(input != NULL, I8X_EFORMAT, "the task has no input '%s' number %d", role, nth);
    size_t size = (size_t)input->ref.size_bytes;
    I8X_ENSURE(size == input->ref.size_bytes, I8X_ELIMIT,
               "input '%s' has more bytes than this machine can address", role);
    const void *data = NULL;
    void *handle = NULL;
    const i8x_blob_io *io = ctx->env->io;
    I8X_TRY(io->open(io->user, &input->ref, &data, &handle));
    I8X_TRY(i8x_task_defer(ctx, close_handle, (void *)(uintptr_t)io, handle));
    *bytes = data;
    *size_bytes = size;
    return I8X_OK;
}

static void free_graph(void *owner, void *what)
{
    (void)owner;
    i8x_graph_free(what);
}

i8x_status i8x_task_graph(i8x_task_ctx *ctx, const char *role, int64_t batch, i8x_graph **graph)
{
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_task_open(ctx, role, 0, &bytes, &size));
    i8x_model_opts opts = {.external_data_allowed = false};
    I8X_TRY(i8x_task_limit_left(ctx, &opts.limit_bytes));
    I8X_TRY(i8x_onnx_read(bytes, size, &opts, graph));
    I8X_TRY(i8x_task_defer(ctx, free_graph, NULL, *graph));
    i8x_shape_binding *bindings;
    int count;
    I8X_TRY(i8x_recipe_shapes(&ctx->params.recipe, ctx->arena, &bindings, &count));
    I8X_TRY(i8x_graph_infer(*graph, batch, bindings, count));
    return i8x_graph_verify(*graph);
}

/* ---- outputs ---- */

static i8x_status add_output(i8x_task_ctx *ctx, const char *role, const i8x_blob_ref *ref)
{
    i8x_task_result *result = ctx->result;
    I8X_ENSURE(result->output_count < I8X_TASK_OUTPUTS_MAX, I8X_ELIMIT,
               "a task has more than %d outputs", I8X_TASK_OUTPUTS_MAX);
    i8x_task_output *output = &result->outputs[result->output_count++];
    size_t length = strlen(role);
    I8X_ASSERT(length < I8X_TASK_ROLE_MAX);
    memcpy(output->role, role, length + 1);
    output->ref = *ref;
    return I8X_OK;
}

struct sink {
    const i8x_blob_io *io;
    void *writer;
};

static i8x_status sink_write(void *user, const void *bytes, size_t size_bytes)
{
    struct sink *sink = user;
    return sink->io->write(sink->io->user, sink->writer, bytes, size_bytes);
}

i8x_status i8x_task_output_stream(i8x_task_ctx *ctx, const char *role, i8x_task_produce_fn produce,
                                  void *user, i8x_blob_ref *ref)
{
    struct sink sink = {.io = ctx->env->io};
    I8X_TRY(sink.io->begin(sink.io->user, &sink.writer));
    i8x_status status = produce(user, sink_write, &sink);
    i8x_blob_ref made = {.whole = true};
    i8x_status ended = sink.io->end(sink.io->user, sink.writer, status != I8X_OK, &made);
    I8X_TRY(status);
    I8X_TRY(ended);
    if (ref != NULL)
        *ref = made;
    return add_output(ctx, role, &made);
}

struct span {
    const void *bytes;
    size_t size_bytes;
};

static i8x_status produce_bytes(void *user, i8x_sink_fn sink, void *sink_user)
{
    const struct span *span = user;
    return sink(sink_user, span->bytes, span->size_bytes);
}

i8x_status i8x_task_output_bytes(i8x_task_ctx *ctx, const char *role, const void *bytes,
                                 size_t size_bytes)
{
    struct span span = {bytes, size_bytes};
    return i8x_task_output_stream(ctx, role, produce_bytes, &span, NULL);
}

i8x_status i8x_task_output_record(i8x_task_ctx *ctx, const char *role, i8x_canon_writer *writer)
{
    i8x_status status = i8x_canon_writer_status(writer);
    if (status == I8X_OK)
        status = i8x_task_output_bytes(ctx, role, writer->out.bytes, writer->out.size);
    i8x_canon_writer_deinit(writer);
    return status;
}

static i8x_status produce_graph(void *user, i8x_sink_fn sink, void *sink_user)
{
    return i8x_onnx_write(user, sink, sink_user);
}

i8x_status i8x_task_output_graph(i8x_task_ctx *ctx, const char *role, const i8x_graph *graph)
{
    return i8x_task_output_stream(ctx, role, produce_graph, (void *)(uintptr_t)graph, NULL);
}

i8x_status i8x_task_summary(i8x_task_ctx *ctx, i8x_canon_writer *writer)
{
    i8x_status status = i8x_canon_writer_status(writer);
    size_t size = writer->out.size;
    if (status == I8X_OK && size > I8X_TASK_SUMMARY_MAX)
        status =
            i8x_fail(I8X_ELIMIT, __FILE__, __LINE__,
                     "a task summary has %zu bytes; the limit is %d", size, I8X_TASK_SUMMARY_MAX);
    if (status == I8X_OK) {
        ctx->result->summary = i8x_alloc_array(i8x_alloc_heap(), size, 1);
        status = i8x_alloc_check(ctx->result->summary);
    }
    if (status == I8X_OK) {
        memcpy(ctx->result->summary, writer->out.bytes, size);
        ctx->result->summary_size = size;
    }
    i8x_canon_writer_deinit(writer);
    return status;
}

/* ---- running ---- */

i8x_status i8x_task_step(i8x_task_ctx *ctx, uint64_t done, uint64_t total)
{
    const i8x_task_env *env = ctx->env;
    I8X_ENSURE(env->progress == NULL || env->progress(env->user, done, total), I8X_ECANCELED,
               "the task was canceled");
    return I8X_OK;
}

i8x_status i8x_task_limit_left(const i8x_task_ctx *ctx, size_t *limit_bytes)
{
    *limit_bytes = 0;
    size_t limit = ctx->env->limit_bytes;
    if (limit == 0)
        return I8X_OK;
    size_t used = i8x_arena_size_bytes(ctx->arena);
    I8X_ENSURE(used < limit, I8X_ELIMIT, "the task uses %zu bytes of memory; the limit is %zu",
               used, limit);
    *limit_bytes = limit - used;
    return I8X_OK;
}

void i8x_task_group(const i8x_task_ctx *ctx, int layers, int *begin, int *end)
{
    int64_t groups = ctx->params.group_count > 0 ? ctx->params.group_count : 1;
    *begin = (int)(layers * ctx->params.group / groups);
    *end = (int)(layers * (ctx->params.group + 1) / groups);
}

static void clear_flags(void *user, int64_t begin, int64_t end, int thread_index)
{
    (void)user, (void)begin, (void)end, (void)thread_index;
    i8x_kernels_fpscr_clear();
}

static void read_flags(void *user, int64_t begin, int64_t end, int thread_index)
{
    (void)begin, (void)end;
    ((bool *)user)[thread_index] = i8x_kernels_flushed();
}

static bool any_flushed(i8x_threads *threads)
{
    bool flushed[I8X_THREADS_MAX] = {false};
    i8x_threads_for(threads, 0, i8x_threads_count(threads), 1, read_flags, flushed);
    for (int i = 0; i < I8X_THREADS_MAX; i++)
        if (flushed[i])
            return true;
    return false;
}

static void finish(i8x_task_ctx *ctx)
{
    while (ctx->cleanup_count > 0) {
        ctx->cleanup_count--;
        ctx->cleanups[ctx->cleanup_count].fn(ctx->cleanups[ctx->cleanup_count].owner,
                                             ctx->cleanups[ctx->cleanup_count].what);
    }
    if (ctx->arena != NULL) {
        uint64_t peak = i8x_arena_peak_bytes(ctx->arena);
        if (peak > ctx->result->measure.arena_peak_bytes)
            ctx->result->measure.arena_peak_bytes = peak;
    }
    i8x_arena_free(ctx->arena);
    ctx->arena = NULL;
}

static i8x_status run_once(i8x_task_ctx *ctx)
{
    i8x_threads_for(ctx->threads, 0, i8x_threads_count(ctx->threads), 1, clear_flags, NULL);
    i8x_status status = i8x_arena_new(NULL, ctx->env->limit_bytes, &ctx->arena);
    i8x_canon_reader reader;
    i8x_canon_reader_init(&reader, ctx->task->options, ctx->task->options_size, "task options");
    if (status == I8X_OK)
        status = i8x_task_params_take(&reader, ctx->task->kind, ctx->arena, &ctx->params);
    if (status == I8X_OK)
        status = i8x_task_kind_get(ctx->task->kind)->fn(ctx);
    finish(ctx);
    return status;
}

static i8x_status run_repeated(i8x_task_ctx *ctx)
{
    i8x_task_result *result = ctx->result;
    i8x_status status = run_once(ctx);
    result->measure.level = i8x_kernels_level();
    if (!any_flushed(ctx->threads) || result->measure.level == I8X_CPU_SCALAR)
        return status;
    i8x_task_measure measure = result->measure;
    i8x_task_result_deinit(result);
    result->measure = measure;
    result->measure.repeated_scalar = true;
    i8x_kernels_select(I8X_CPU_SCALAR);
    status = run_once(ctx);
    result->measure.level = I8X_CPU_SCALAR;
    i8x_kernels_select(ctx->env->level);
    return status;
}

i8x_status i8x_task_run(const i8x_task *task, const i8x_task_env *env, i8x_task_result *result)
{
    memset(result, 0, sizeof *result);
    I8X_ENSURE((int)task->kind >= 0 && task->kind < I8X_TASK_KIND_COUNT, I8X_EVERSION,
               "task kind %d is not known", (int)task->kind);
    I8X_ENSURE(task->revision == i8x_task_kind_revision(task->kind), I8X_EVERSION,
               "task %s has revision %d; this build has %d", i8x_task_kind_name(task->kind),
               task->revision, i8x_task_kind_revision(task->kind));
    i8x_task_ctx *ctx = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *ctx);
    I8X_TRY(i8x_alloc_check(ctx));
    ctx->task = task;
    ctx->env = env;
    ctx->result = result;
    i8x_kernels_select(env->level);
    int64_t wall = i8x_clock_now_ns(NULL), cpu = i8x_clock_process_cpu_ns();
    i8x_status status = env->threads > 1 ? i8x_threads_new(env->threads, &ctx->threads) : I8X_OK;
    if (status == I8X_OK)
        status = run_repeated(ctx);
    i8x_threads_free(ctx->threads);
    i8x_alloc_free(i8x_alloc_heap(), ctx, sizeof *ctx);
    if (status != I8X_OK) {
        i8x_task_result_deinit(result);
        return status;
    }
    result->measure.wall_ns = (uint64_t)(i8x_clock_now_ns(NULL) - wall);
    result->measure.cpu_ns = (uint64_t)(i8x_clock_process_cpu_ns() - cpu);
    result->measure.peak_bytes = i8x_clock_peak_rss_bytes();
    return I8X_OK;
}

void i8x_task_result_deinit(i8x_task_result *result)
{
    i8x_alloc_free(i8x_alloc_heap(), result->summary, result->summary_size);
    memset(result, 0, sizeof *result);
}
