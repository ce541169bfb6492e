/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs. The body of a POST names blobs and a recipe; nothing of a blob is looked at but whether it
 * is there. What is wrong inside a model or a sample is found by a task and told by the job's
 * error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/http/api.h"
#include "int8x/alloc.h"
#include "proto/json.h"

#define REPORT_ARENA_MAX ((size_t)256 << 20)
#define REPORT_BYTES_MAX ((uint64_t)64 << 20)
#define FIELD_SIZE 4200 /* text fields have at most 4,096 bytes */
#define TIME_SIZE 32

static i8x_daemon *daemon_of(const i8x_http_request *request)
{
    return request->context;
}

static i8x_study_job *find_job(i8x_http_request *request)
{
    i8x_study_job *job = i8x_study_find(daemon_of(request)->study, request->params[0]);
    if (job == NULL)
        i8x_http_reply_problem(request, I8X_ENOENT, 0, "no job of that id");
    return job;
}

/* ---- POST ---- */

static i8x_status check_blob(const i8x_store *store, const char *role, i8x_blob_ref *ref,
                             bool required)
{
    static const i8x_digest none = {{0}};
    char hex[I8X_DIGEST_HEX_SIZE];
    if (ref->size_bytes == 0 && i8x_digest_equal(&ref->digest, &none)) {
        I8X_ENSURE(!required, I8X_EARG, "a job wants the member '%s'", role);
        return I8X_OK;
    }
    uint64_t size;
    I8X_ENSURE(i8x_store_has(store, &ref->digest, &size), I8X_ENOENT,
               "%s: blob %s is not stored: PUT it first", role,
               i8x_digest_to_hex(&ref->digest, hex));
    I8X_ENSURE(ref->size_bytes == 0 || ref->size_bytes == size, I8X_EARG,
               "%s: size_bytes is %llu, the blob has %llu", role,
               (unsigned long long)ref->size_bytes, (unsigned long long)size);
    I8X_ENSURE(size > 0, I8X_EFORMAT, "%s: the file is empty", role);
    *ref = (i8x_blob_ref){.digest = ref->digest, .size_bytes = size, .whole = true};
    return I8X_OK;
}

static i8x_status read_job(const i8x_http_request *request, i8x_job *job)
{
    i8x_json *json = NULL;
    I8X_TRY(i8x_json_parse((const char *)request->body, request->body_size, &json));
    i8x_status status = i8x_json_to_job(json, job);
    i8x_json_free(json);
    I8X_TRY(status);
    const i8x_store *store = daemon_of(request)->store;
    I8X_TRY(i8x_recipe_check(&job->recipe));
    I8X_TRY(check_blob(store, "model", &job->model, true));
    I8X_TRY(check_blob(store, "calib", &job->calib, true));
    I8X_TRY(check_blob(store, "eval", &job->eval, false));
    return check_blob(store, "labels", &job->labels, false);
}

void i8x_api_jobs_post(i8x_http_request *request)
{
    i8x_job *job = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *job);
    i8x_status status = i8x_alloc_check(job);
    if (status == I8X_OK)
        status = read_job(request, job);
    if (status == I8X_OK)
        status = i8x_study_submit(daemon_of(request)->study, job, request);
    i8x_alloc_free(i8x_alloc_heap(), job, sizeof *job);
    if (status ==
        I8X_EFORMAT) /* a body that is no JSON is a bad request, not an unprocessable model */
        i8x_http_reply_problem(request, status, 400, i8x_last_error()->detail);
    else if (status != I8X_OK)
        i8x_http_reply_error(request);
}

/* ---- GET ---- */

static char *time_text(int64_t ms, char *text)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t used = strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + used, TIME_SIZE - used, ".%03dZ", (int)(ms % 1000));
    return text;
}

static void put_stages(i8x_json *json, const i8x_study_job *job)
{
    uint32_t tasks = 0, done = 0, cached = 0;
    const char *running = "";
    i8x_json *list = i8x_json_put_list(json, "stages");
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++) {
        const i8x_study_stage *stage = &job->stages[kind];
        if (stage->tasks == 0)
            continue;
        i8x_json *row = i8x_json_put_object(list, NULL);
        i8x_json_put_text(row, "kind", i8x_task_kind_name((i8x_task_kind)kind));
        i8x_json_put_u64(row, "tasks", stage->tasks);
        i8x_json_put_u64(row, "done", stage->done);
        i8x_json_put_u64(row, "cached", stage->cached);
        if (stage->done < stage->tasks && running[0] == 0)
            running = i8x_task_kind_name((i8x_task_kind)kind);
        tasks += stage->tasks;
        done += stage->done;
        cached += stage->cached;
    }
    i8x_json_put_text(json, "stage", running);
    i8x_json_put_u64(json, "tasks", tasks);
    i8x_json_put_u64(json, "done", done);
    i8x_json_put_u64(json, "cached", cached);
}

static void put_error(i8x_json *json, const i8x_study_job *job)
{
    char type[64];
    snprintf(type, sizeof type, "urn:int8x:status:%s", i8x_status_name(job->status));
    i8x_json *error = i8x_json_put_object(json, "error");
    i8x_json_put_text(error, "type", type);
    i8x_json_put_text(error, "title", i8x_status_sentence(job->status));
    i8x_json_put_u64(error, "status", (uint64_t)i8x_status_http(job->status));
    i8x_json_put_text(error, "detail", job->detail);
}

static void put_job(i8x_json *json, const i8x_study_job *job, bool all)
{
    char text[TIME_SIZE];
    i8x_json_put_text(json, "id", job->id);
    i8x_json_put_text(json, "name", job->job.name);
    i8x_json_put_text(json, "state", i8x_job_state_name(job->state));
    i8x_json_put_u64(json, "version", job->version);
    i8x_json_put_text(json, "created", time_text(job->created_ms, text));
    if (job->state != I8X_JOB_OPEN)
        i8x_json_put_text(json, "finished", time_text(job->finished_ms, text));
    put_stages(json, job);
    if (job->state == I8X_JOB_FAILED || job->state == I8X_JOB_CANCELED)
        put_error(json, job);
    if (job->state == I8X_JOB_DONE) {
        i8x_json_put_digest(json, "artifact_sha256", &job->artifact.digest);
        i8x_json_put_u64(json, "artifact_bytes", job->artifact.size_bytes);
        i8x_json_put_digest(json, "result_sha256", &job->report.digest);
    }
    if (all)
        i8x_json_put_job(json, "job", &job->job);
}

static void answer_job(i8x_http_request *request, i8x_study_job *job)
{
    i8x_json *json = NULL;
    if (i8x_json_object(&json) != I8X_OK) {
        i8x_http_reply_error(request);
        return;
    }
    put_job(json, job, true);
    i8x_api_reply_json(request, 200, json);
}

/* A whole number of the query; false and answered if it is none. */
static bool query_number(i8x_http_request *request, const char *name, uint64_t max,
                         uint64_t otherwise, uint64_t *value)
{
    const char *text = i8x_http_query(request, name);
    *value = otherwise;
    if (text == NULL)
        return true;
    char *end = NULL;
    *value = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == 0 && *value <= max)
        return true;
    char detail[128];
    snprintf(detail, sizeof detail, "?%s= is a whole number from 0 to %llu", name,
             (unsigned long long)max);
    i8x_http_reply_problem(request, I8X_EARG, 0, detail);
    return false;
}

void i8x_api_jobs_get(i8x_http_request *request)
{
    i8x_study_job *job = find_job(request);
    uint64_t wait_s, seen;
    if (job == NULL || !query_number(request, "wait", I8X_HTTP_WAIT_S_MAX, 0, &wait_s) ||
        !query_number(request, "version", UINT64_MAX, job->version, &seen))
        return;
    i8x_daemon *daemon = daemon_of(request);
    if (wait_s == 0 || job->state != I8X_JOB_OPEN)
        answer_job(request, job);
    else
        i8x_study_wait(daemon->study, job, seen, i8x_daemon_now_ms(daemon) + (int64_t)wait_s * 1000,
                       request, answer_job);
}

void i8x_api_jobs_list(i8x_http_request *request)
{
    uint64_t limit;
    if (!query_number(request, "limit", I8X_JOBS_LIST_MAX, 100, &limit))
        return;
    i8x_json *json = NULL;
    if (i8x_json_object(&json) != I8X_OK) {
        i8x_http_reply_error(request);
        return;
    }
    i8x_json *list = i8x_json_put_list(json, "jobs");
    i8x_study_job *job = i8x_study_before(daemon_of(request)->study, NULL);
    for (uint64_t i = 0; i < limit && job != NULL; i++) {
        put_job(i8x_json_put_object(list, NULL), job, false);
        job = i8x_study_before(daemon_of(request)->study, job);
    }
    i8x_api_reply_json(request, 200, json);
}

void i8x_api_jobs_delete(i8x_http_request *request)
{
    i8x_study_job *job = find_job(request);
    if (job == NULL)
        return;
    if (i8x_study_cancel(daemon_of(request)->study, job) != I8X_OK)
        i8x_http_reply_error(request);
    else
        i8x_study_wait(daemon_of(request)->study, job, job->version, INT64_MAX, request,
                       answer_job);
}

/* ---- what a job gives back ---- */

/* Answers for jobs that have not (or never will have) an artifact. */
static bool check_done(i8x_http_request *request, const i8x_study_job *job)
{
    if (job->state == I8X_JOB_DONE)
        return true;
    char detail[I8X_WIRE_DETAIL_MAX + 64];
    snprintf(detail, sizeof detail, "the job is %s%s%s", i8x_job_state_name(job->state),
             job->state == I8X_JOB_OPEN ? "" : ": ", job->state == I8X_JOB_OPEN ? "" : job->detail);
    i8x_http_reply_problem(request, job->state == I8X_JOB_OPEN ? I8X_EBUSY : job->status,
                           job->state == I8X_JOB_OPEN ? 409 : 0, detail);
    return false;
}

void i8x_api_jobs_artifact(i8x_http_request *request)
{
    const i8x_study_job *job = find_job(request);
    if (job == NULL || !check_done(request, job))
        return;
    char file_name[sizeof job->job.name + 16];
    snprintf(file_name, sizeof file_name, "%s", job->job.name);
    char *dot = strrchr(file_name, '.');
    snprintf(dot != NULL ? dot : file_name + strlen(file_name), 12, ".int8.onnx");
    i8x_api_blobs_send(request, &job->artifact.digest, "application/octet-stream", file_name);
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

static i8x_status make_report(i8x_daemon *daemon, const i8x_study_job *job, i8x_arena *arena,
                              i8x_json *json)
{
    I8X_ENSURE(job->report.size_bytes <= REPORT_BYTES_MAX, I8X_ELIMIT, "a report of %llu bytes",
               (unsigned long long)job->report.size_bytes);
    uint8_t *bytes = NULL;
    I8X_TRY(i8x_store_read_range(daemon->store, &job->report.digest, 0, job->report.size_bytes,
                                 &bytes));
    i8x_report report;
    i8x_measured measured;
    i8x_status status = i8x_report_decode(bytes, (size_t)job->report.size_bytes, arena, &report);
    i8x_alloc_free(i8x_alloc_heap(), bytes, (size_t)job->report.size_bytes);
    I8X_TRY(status);
    I8X_TRY(i8x_study_measure(daemon->study, job, arena, &measured));
    i8x_buffer command;
    i8x_buffer_init(&command, 0);
    command_text(&job->job, &command);
    i8x_json_put_report(json, &report, &job->report.digest, &measured, i8x_buffer_cstr(&command));
    i8x_buffer_deinit(&command);
    return I8X_OK;
}

void i8x_api_jobs_report(i8x_http_request *request)
{
    const i8x_study_job *job = find_job(request);
    if (job == NULL || !check_done(request, job))
        return;
    i8x_arena *arena = NULL;
    i8x_json *json = NULL;
    i8x_status status = i8x_arena_new(NULL, REPORT_ARENA_MAX, &arena);
    if (status == I8X_OK)
        status = i8x_json_object(&json);
    if (status == I8X_OK)
        status = make_report(daemon_of(request), job, arena, json);
    if (status == I8X_OK) {
        i8x_api_reply_json(request, 200, json);
    } else {
        i8x_json_free(json);
        i8x_http_reply_error(request);
    }
    i8x_arena_free(arena);
}
