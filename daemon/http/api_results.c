/* SPDX-License-Identifier: Apache-2.0
 *
 * What a job gives back: the artifact, a blob; the report, made of the report record and of what
 * the ledger's results say about their cost. The report is made on the reader's thread.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/http/api.h"
#include "daemon/measure.h"
#include "int8x/alloc.h"

#define REPORT_ARENA_MAX ((size_t)256 << 20)
#define REPORT_BYTES_MAX ((uint64_t)64 << 20)
#define FIELD_SIZE 4200 /* text fields have at most 4,096 bytes */
#define HTTP_CONFLICT 409
#define ETAG_SIZE (I8X_DIGEST_HEX_SIZE + 40)

/* Answers for jobs that have not (or never will have) an artifact. */
static bool check_done(i8x_http_request *request, const i8x_study_job *job)
{
    if (job->state == I8X_JOB_DONE)
        return true;
    bool open = !i8x_job_state_ended(job->state);
    char detail[I8X_WIRE_DETAIL_MAX + 64];
    snprintf(detail, sizeof detail, "the job is %s%s%s", i8x_job_state_name(job->state),
             open ? "" : ": ", open ? "" : job->detail);
    i8x_status status = open ? I8X_EBUSY : job->status;
    bool is_ours = i8x_status_http(status) >= 500; /* the task's fault is none of this request's */
    i8x_http_reply_problem(request, status, is_ours ? HTTP_CONFLICT : 0, detail);
    return false;
}

static void send_artifact(i8x_http_request *request, i8x_study_job *job)
{
    if (!check_done(request, job))
        return;
    char file_name[sizeof job->job.name + 16];
    snprintf(file_name, sizeof file_name, "%s", job->job.name);
    char *dot = strrchr(file_name, '.');
    snprintf(dot != NULL ? dot : file_name + strlen(file_name), 12, ".int8.onnx");
    i8x_api_blobs_send(request, &job->artifact.digest, "application/octet-stream", file_name);
}

void i8x_api_jobs_artifact(i8x_http_request *request)
{
    i8x_api_with_job(request, send_artifact);
}

/* ---- the report ---- */

typedef struct report_work {
    i8x_http_request *request;
    const i8x_store *store;
    char id[I8X_JOB_ID_SIZE];
    i8x_job job;
    i8x_blob_ref report;
    uint64_t wall_ns;
    char *text;
    size_t size;
    i8x_status status;
    i8x_error error;
} report_work;

static void free_work(void *state)
{
    report_work *work = state;
    if (work->text != NULL)
        i8x_alloc_free(i8x_alloc_heap(), work->text, work->size + 1);
    i8x_alloc_free(i8x_alloc_heap(), work, sizeof *work);
}

/* What to type to get this artifact again: the recipe's fields that are not the default. */
static void command_text(const i8x_job *job, i8x_buffer *text)
{
    int count;
    const i8x_field *fields = i8x_fields(&count);
    i8x_recipe plain;
    i8x_recipe_default(&plain);
    i8x_buffer_format(text, "int8x submit %s --calib CALIB.npy%s%s",
                      job->name[0] ? job->name : "MODEL",
                      job->eval.size_bytes > 0 ? " --eval EVAL.npy" : "",
                      job->labels.size_bytes > 0 ? " --labels LABELS.npy" : "");
    for (int i = 0; i < count; i++) {
        char value[FIELD_SIZE], usual[FIELD_SIZE];
        if (i8x_recipe_get(&job->recipe, fields[i].name, value, sizeof value) == I8X_OK &&
            i8x_recipe_get(&plain, fields[i].name, usual, sizeof usual) == I8X_OK &&
            strcmp(value, usual) != 0)
            i8x_buffer_format(text, " --set '%s=%s'", fields[i].name, value);
    }
}

static i8x_status make_report(const report_work *work, i8x_ledger_view *view, i8x_arena *arena,
                              i8x_json *json)
{
    I8X_ENSURE(work->report.size_bytes <= REPORT_BYTES_MAX, I8X_ELIMIT, "a report of %llu bytes",
               (unsigned long long)work->report.size_bytes);
    uint8_t *bytes = NULL;
    I8X_TRY(i8x_store_read_range(work->store, &work->report.digest, 0, work->report.size_bytes,
                                 &bytes));
    i8x_report report;
    i8x_measured measured;
    i8x_status status = i8x_report_decode(bytes, (size_t)work->report.size_bytes, arena, &report);
    i8x_alloc_free(i8x_alloc_heap(), bytes, (size_t)work->report.size_bytes);
    I8X_TRY(status);
    I8X_TRY(i8x_measure_job(view, work->id, &work->job, arena, &measured));
    measured.wall_ns = work->wall_ns;
    i8x_buffer command;
    i8x_buffer_init(&command, 0);
    command_text(&work->job, &command);
    i8x_json_put_report(json, &report, &work->report.digest, &measured, i8x_buffer_cstr(&command));
    i8x_buffer_deinit(&command);
    return I8X_OK;
}

static void read_report(void *state, i8x_ledger_view *view)
{
    report_work *work = state;
    i8x_arena *arena = NULL;
    i8x_json *json = NULL;
    work->status = i8x_arena_new(NULL, REPORT_ARENA_MAX, &arena);
    if (work->status == I8X_OK)
        work->status = i8x_json_object(&json);
    if (work->status == I8X_OK)
        work->status = make_report(work, view, arena, json);
    if (work->status == I8X_OK)
        work->status = i8x_json_print(json, true, &work->text, &work->size);
    if (work->status != I8X_OK)
        work->error = *i8x_last_error();
    i8x_json_free(json);
    i8x_arena_free(arena);
}

static void report_read(void *state)
{
    report_work *work = state;
    if (work->status == I8X_OK)
        i8x_api_reply_printed(work->request, 200, work->text, work->size);
    else
        i8x_http_reply_problem(work->request, work->status, 0, work->error.detail);
    free_work(work);
}

static void send_report(i8x_http_request *request, i8x_study_job *job)
{
    if (!check_done(request, job))
        return;
    char etag[ETAG_SIZE], hex[I8X_DIGEST_HEX_SIZE];
    snprintf(etag, sizeof etag, "W/\"%s-%lld\"", i8x_digest_to_hex(&job->report.digest, hex),
             (long long)job->version);
    i8x_http_add_header(request, "ETag", etag);
    if (i8x_http_none_match(request, etag)) {
        i8x_http_reply(request, 304, NULL, "", 0);
        return;
    }
    report_work *work = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *work);
    I8X_ASSERT(work != NULL);
    work->request = request;
    work->store = i8x_api_daemon(request)->store;
    work->job = job->job;
    work->report = job->report;
    work->wall_ns = (uint64_t)(job->finished_ms - job->created_ms) * 1000000;
    snprintf(work->id, sizeof work->id, "%s", job->id);
    i8x_api_read(request, read_report, report_read, free_work, work);
}

void i8x_api_jobs_report(i8x_http_request *request)
{
    i8x_api_with_job(request, send_report);
}
