/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x sweep: many recipes for one model, in this process or (sweep_remote.c) on the service. Here
 * every trial is a job; results of tasks and their blobs stay in OUT/work, so what trials share is
 * computed once, and a sweep that was killed goes on where it was.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/commands/commands.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/service.h"
#include "client/cli/sweep_remote.h"
#include "client/cli/sweep_view.h"
#include "int8x/file.h"
#include "int8x/kernels.h"
#include "int8x/local.h"
#include "int8x/sweep.h"

#define PATH_SIZE 4200

static const i8x_option sweep_options[] = {
    {"output", 'o', "DIR",
     "folder for the results and the work (made if it is not there); needed, but with --detach", 0},
    {"calib", 0, "FILE", "calibration samples (.npy or .npz)", I8X_OPTION_REQUIRED},
    {"eval", 0, "FILE", "samples that the trials are judged on (.npy or .npz)",
     I8X_OPTION_REQUIRED},
    {"labels", 0, "FILE", "class index of each evaluation sample (.npy)", 0},
    {"metric", 0, "NAME",
     "what the best trial and the front go by: sqnr (default), agreement, top1", 0},
    {"threads", 0, "N", "threads (default: one a processor)", 0},
    {"csv", 0, NULL, "the table as CSV on standard output", 0},
    {"remote", 0, NULL, "on the service (also with --server and --context), not in this process",
     0},
    {"detach", 0, NULL, "with --remote: print the sweep's id and do not wait", 0},
    {I8X_OPTION_KEY, 0, "KEY",
     "with --remote: the same key gives the same sweep, however often it is sent (made anew for "
     "each "
     "command)",
     0},
};

typedef struct sweep_run {
    const i8x_options *options;
    i8x_arena *arena;
    i8x_blobdir *dir;
    i8x_sweep sweep;
    i8x_sweep_metric metric;
    int count;
    i8x_sweep_row *rows; /* [count] */
    i8x_job job;
    i8x_progress progress;
    long threads;
    int trial; /* that runs */
} sweep_run;

static i8x_status read_spec(sweep_run *run)
{
    const char *path = run->options->positional[0];
    i8x_json *json = NULL;
    I8X_TRY(i8x_sweep_remote_spec(path, &json));
    i8x_status status = i8x_json_to_sweep(json, run->arena, &run->sweep, &run->count);
    i8x_json_free(json);
    return status == I8X_OK ? I8X_OK : i8x_fail_prefix("%s: ", path);
}

static const char *path_in(const sweep_run *run, const char *name, char *path)
{
    snprintf(path, PATH_SIZE, "%s/%s", i8x_options_get(run->options, "output"), name);
    return path;
}

static i8x_status open_folder(sweep_run *run)
{
    char path[PATH_SIZE];
    const char *folder = i8x_options_get(run->options, "output");
    I8X_ENSURE(strlen(folder) < PATH_SIZE - 128, I8X_EARG, "the path of the output is too long");
    I8X_ENSURE(mkdir(folder, 0755) == 0 || errno == EEXIST, errno == ENOENT ? I8X_ENOENT : I8X_EIO,
               "folder '%s' cannot be made: %s", folder, strerror(errno));
    return i8x_blobdir_open(path_in(run, "work", path), &run->dir);
}

static i8x_status link_files(sweep_run *run)
{
    const char *labels = i8x_options_get(run->options, "labels");
    const char *model = run->options->positional[1], *slash = strrchr(model, '/');
    snprintf(run->job.name, sizeof run->job.name, "%.127s", slash != NULL ? slash + 1 : model);
    I8X_TRY(i8x_blobdir_link_model(run->dir, model, &run->job.model));
    I8X_TRY(i8x_blobdir_link(run->dir, i8x_options_get(run->options, "calib"), &run->job.calib));
    I8X_TRY(i8x_blobdir_link(run->dir, i8x_options_get(run->options, "eval"), &run->job.eval));
    return labels != NULL ? i8x_blobdir_link(run->dir, labels, &run->job.labels) : I8X_OK;
}

static void show_progress(void *user, const i8x_plan *plan, int task_index)
{
    sweep_run *run = user;
    char what[48];
    snprintf(what, sizeof what, "trial %d/%d %s", run->trial + 1, run->count,
             i8x_task_kind_name(i8x_plan_task_kind(plan, task_index)));
    i8x_progress_show(&run->progress, what, i8x_plan_done_count(plan), i8x_plan_task_count(plan));
}

static i8x_status read_report(const i8x_blob_io *io, const i8x_blob_ref *record, i8x_sweep_row *row)
{
    const void *bytes;
    void *handle;
    i8x_arena *arena;
    i8x_report report;
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    i8x_status status = io->open(io->user, record, &bytes, &handle);
    if (status == I8X_OK) {
        status = i8x_report_decode(bytes, (size_t)record->size_bytes, arena, &report);
        io->close(io->user, handle);
    }
    if (status == I8X_OK) {
        row->point = i8x_sweep_point_of(&report);
        row->artifact_sha256 = report.artifact_sha256;
        row->result_sha256 = record->digest;
    }
    i8x_arena_free(arena);
    return status;
}

/* A trial that its recipe makes impossible is a row, not the end of the sweep. */
static i8x_status run_trial(sweep_run *run, i8x_sweep_row *row)
{
    i8x_plan *plan = NULL;
    i8x_blob_ref record;
    i8x_task_env env = {
        .io = i8x_blobdir_io(run->dir), .threads = (int)run->threads, .level = i8x_kernels_level()};
    i8x_local_opts opts = {
        .cache = i8x_blobdir_results(run->dir), .stage = show_progress, .user = run};
    I8X_TRY(i8x_sweep_trial(&run->sweep, run->trial, &run->job.recipe));
    i8x_status status = i8x_local_run(&run->job, &env, &opts, &plan, NULL);
    if (status != I8X_OK && i8x_status_http(status) < 500) {
        row->state = "failed";
        row->detail = i8x_arena_string(run->arena, i8x_last_error()->detail);
        return i8x_alloc_check(row->detail);
    }
    I8X_TRY(status);
    row->state = "done";
    status = i8x_plan_report(plan, &record) ? read_report(env.io, &record, row) : I8X_EINTERNAL;
    i8x_plan_free(plan);
    return status;
}

static i8x_status run_trials(sweep_run *run)
{
    run->rows = i8x_arena_array(run->arena, (size_t)run->count, sizeof *run->rows);
    I8X_TRY(i8x_alloc_check(run->rows));
    for (int i = 0; i < run->count; i++)
        run->rows[i].state = "waiting";
    i8x_progress_init(&run->progress, i8x_options_has(run->options, "json"));
    i8x_status status = I8X_OK;
    for (run->trial = 0; run->trial < run->count && status == I8X_OK; run->trial++)
        status = run_trial(run, &run->rows[run->trial]);
    i8x_progress_end(&run->progress);
    return status;
}

static i8x_status export_best(const sweep_run *run, int best)
{
    char path[PATH_SIZE];
    const i8x_sweep_row *row = &run->rows[best];
    i8x_blob_ref artifact = {
        .digest = row->artifact_sha256, .size_bytes = row->point.size_bytes, .whole = true};
    return i8x_blobdir_export(run->dir, &artifact, path_in(run, "best.int8.onnx", path));
}

static i8x_status write_results(const sweep_run *run)
{
    i8x_json *json = NULL;
    double best;
    I8X_TRY(i8x_json_object(&json));
    i8x_status status = i8x_json_put_sweep(json, &run->sweep, run->rows, run->count, run->metric);
    if (status == I8X_OK)
        status = i8x_sweep_view_files(json, i8x_options_get(run->options, "output"));
    if (status == I8X_OK && i8x_json_number(i8x_json_member(json, "best"), &best))
        status = export_best(run, (int)best);
    if (status == I8X_OK)
        status = i8x_sweep_view_show(json, run->options);
    i8x_json_free(json);
    return status;
}

static i8x_status run_sweep(sweep_run *run)
{
    I8X_TRY(i8x_sweep_metric_parse(
        i8x_options_has(run->options, "metric") ? i8x_options_get(run->options, "metric") : "sqnr",
        &run->metric));
    I8X_TRY(i8x_options_int(run->options, "threads", 1, 256, i8x_cpu_count(), &run->threads));
    I8X_TRY(read_spec(run));
    I8X_TRY(open_folder(run));
    I8X_TRY(link_files(run));
    I8X_TRY(run_trials(run));
    return write_results(run);
}

static i8x_status sweep_here(const i8x_options *options)
{
    sweep_run *run = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *run);
    I8X_TRY(i8x_alloc_check(run));
    run->options = options;
    i8x_status status = i8x_arena_new(NULL, 0, &run->arena);
    if (status == I8X_OK)
        status = run_sweep(run);
    i8x_blobdir_close(run->dir);
    i8x_arena_free(run->arena);
    i8x_alloc_free(i8x_alloc_heap(), run, sizeof *run);
    return status;
}

static i8x_status sweep(const i8x_options *options)
{
    static const struct {
        const char *option;
        bool remote;
    } only[] = {{"detach", true}, {I8X_OPTION_KEY, true}, {"threads", false}};
    bool remote = i8x_options_has(options, "remote") || i8x_options_has(options, "server") ||
                  i8x_options_has(options, "context");
    for (int i = 0; i < I8X_COUNT(only); i++)
        I8X_ENSURE(remote == only[i].remote || !i8x_options_has(options, only[i].option), I8X_EARG,
                   "option '--%s' is for a sweep %s", only[i].option,
                   remote ? "in this process" : "on a service: --remote");
    bool detach = i8x_options_has(options, "detach"), output = i8x_options_has(options, "output");
    I8X_ENSURE(detach || output, I8X_EARG, "option '--output' is missing: where the results go");
    I8X_ENSURE(
        !detach || !output, I8X_EARG,
        "with --detach nothing is fetched: leave --output out; `int8x fetch SWEEP -o DIR` gets "
        "the results when it is done");
    return remote ? i8x_sweep_remote(options) : sweep_here(options);
}

const i8x_command i8x_cmd_sweep = {"sweep",
                                   "SPEC.json MODEL --calib X.npy --eval X.npy [--labels Y.npy] -o "
                                   "DIR [--metric M] [--remote]",
                                   "tries many recipes, shows the table and the front, and keeps "
                                   "the best",
                                   sweep_options,
                                   I8X_COUNT(sweep_options),
                                   2,
                                   2,
                                   false,
                                   sweep};
