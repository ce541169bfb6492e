/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x quantize: a job in this process. The files are hashed where they lie, intermediate blobs
 * live in a temporary folder, and the model and the report are written last and atomically.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "client/cli/commands/commands.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/table.h"
#include "int8x/kernels.h"
#include "int8x/local.h"
#include "proto/json.h"

#define COMMAND_SIZE 8192

static const i8x_option quantize_options[] = {
    {"output", 'o', "OUT", "where the quantized model goes", I8X_OPTION_REQUIRED},
    I8X_OPTIONS_JOB,
    {"report", 0, "FILE", "where the report goes, as JSON", 0},
    {"threads", 0, "N", "threads (default: one a processor)", 0},
};

struct job_run {
    i8x_blobdir *dir;
    i8x_arena *arena;
    i8x_plan *plan;
    i8x_measured measured;
    i8x_measured_worker worker;
    struct utsname system;
    i8x_progress progress;
};

static void show_progress(void *user, const i8x_plan *plan, int task_index)
{
    i8x_progress_show(user, i8x_task_kind_name(i8x_plan_task_kind(plan, task_index)),
                      i8x_plan_done_count(plan), i8x_plan_task_count(plan));
}

static i8x_status link_file(i8x_blobdir *dir, const char *path, i8x_blob_ref *ref)
{
    return path != NULL ? i8x_blobdir_link(dir, path, ref) : I8X_OK;
}

static i8x_status make_job(const i8x_options *options, i8x_blobdir *dir, i8x_job *job)
{
    memset(job, 0, sizeof *job);
    const char *model = options->positional[0], *slash = strrchr(model, '/');
    snprintf(job->name, sizeof job->name, "%.127s", slash != NULL ? slash + 1 : model);
    I8X_TRY(i8x_options_recipe(options, &job->recipe));
    I8X_TRY(i8x_blobdir_link_model(dir, model, &job->model));
    I8X_TRY(link_file(dir, i8x_options_get(options, "calib"), &job->calib));
    I8X_TRY(link_file(dir, i8x_options_get(options, "eval"), &job->eval));
    return link_file(dir, i8x_options_get(options, "labels"), &job->labels);
}

/* A wrong output path is told before the work, not after it. */
static i8x_status check_writable(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    int length = slash == NULL ? snprintf(folder, sizeof folder, ".")
                               : snprintf(folder, sizeof folder, "%.*s",
                                          slash == path ? 1 : (int)(slash - path), path);
    I8X_ENSURE(length > 0 && (size_t)length < sizeof folder, I8X_EARG,
               "the path '%.60s...' is too long", path);
    I8X_ENSURE(access(folder, W_OK) == 0, errno == ENOENT ? I8X_ENOENT : I8X_EIO,
               "'%s' cannot be written: %s", path, strerror(errno));
    return I8X_OK;
}

static i8x_status make_report(const i8x_options *options, const struct job_run *run,
                              const i8x_report *report, const i8x_digest *result_sha256,
                              i8x_json **json)
{
    char command[COMMAND_SIZE];
    I8X_TRY(i8x_json_object(json));
    i8x_json_put_report(*json, report, result_sha256, &run->measured,
                        i8x_options_command(options, command, sizeof command));
    return I8X_OK;
}

static i8x_status write_results(const i8x_options *options, struct job_run *run)
{
    i8x_blob_ref artifact, record;
    I8X_ENSURE(i8x_plan_artifact(run->plan, &artifact) && i8x_plan_report(run->plan, &record),
               I8X_EINTERNAL, "the job ended without a model");
    const i8x_blob_io *io = i8x_blobdir_io(run->dir);
    const void *bytes;
    void *handle;
    i8x_report report;
    I8X_TRY(io->open(io->user, &record, &bytes, &handle));
    i8x_status status = i8x_report_decode(bytes, (size_t)record.size_bytes, run->arena, &report);
    io->close(io->user, handle);
    I8X_TRY(status);
    I8X_TRY(i8x_blobdir_export(run->dir, &artifact, i8x_options_get(options, "output")));
    i8x_json *json = NULL;
    status = make_report(options, run, &report, &record.digest, &json);
    if (status == I8X_OK && i8x_options_has(options, "report"))
        status = i8x_output_json_file(json, i8x_options_get(options, "report"));
    if (status == I8X_OK && i8x_options_has(options, "json"))
        status = i8x_output_json(json);
    else if (status == I8X_OK)
        i8x_table_report(&report, &record.digest, &run->measured);
    i8x_json_free(json);
    return status;
}

static void name_worker(struct job_run *run)
{
    const char *arch = uname(&run->system) == 0 ? run->system.machine : "unknown";
    int tasks = 0;
    for (int i = 0; i < I8X_TASK_KIND_COUNT; i++)
        tasks += run->measured.stages[i].tasks;
    run->worker =
        (i8x_measured_worker){"local", i8x_cpu_level_name(run->measured.level), arch, tasks};
    run->measured.workers = &run->worker;
    run->measured.worker_count = 1;
}

static i8x_status run_job(const i8x_options *options, struct job_run *run)
{
    i8x_job job;
    long threads;
    I8X_TRY(check_writable(i8x_options_get(options, "output")));
    if (i8x_options_has(options, "report"))
        I8X_TRY(check_writable(i8x_options_get(options, "report")));
    I8X_TRY(i8x_options_int(options, "threads", 1, 256, i8x_cpu_count(), &threads));
    I8X_TRY(i8x_arena_new(NULL, 0, &run->arena));
    I8X_TRY(i8x_blobdir_open_temporary(getenv("TMPDIR"), &run->dir));
    I8X_TRY(make_job(options, run->dir, &job));
    i8x_task_env env = {
        .io = i8x_blobdir_io(run->dir), .threads = (int)threads, .level = i8x_kernels_level()};
    i8x_progress_init(&run->progress, i8x_options_has(options, "json"));
    i8x_local_opts opts = {.stage = show_progress, .user = &run->progress};
    i8x_status status = i8x_local_run(&job, &env, &opts, &run->plan, &run->measured);
    i8x_progress_end(&run->progress);
    I8X_TRY(status);
    name_worker(run);
    return write_results(options, run);
}

static i8x_status quantize(const i8x_options *options)
{
    struct job_run run;
    memset(&run, 0, sizeof run);
    i8x_status status = run_job(options, &run);
    i8x_plan_free(run.plan);
    i8x_blobdir_close(run.dir);
    i8x_arena_free(run.arena);
    return status;
}

const i8x_command i8x_cmd_quantize = {
    "quantize",
    "MODEL -o OUT --calib X.npy [--eval X.npy --labels Y.npy] [--recipe R.json] "
    "[--set KEY=VALUE] [--target T] [--report R.json]",
    "quantizes a model in this process",
    quantize_options,
    I8X_COUNT(quantize_options),
    1,
    1,
    true,
    quantize};
