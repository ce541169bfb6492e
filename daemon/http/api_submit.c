/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /v1/jobs. The body names blobs and a recipe; nothing of a blob is looked at but whether it
 * is there. What is wrong inside a model or a sample is found by a task and told by the job's
 * error. With an Idempotency-Key the same request makes one job however often it is sent.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/http/api.h"
#include "int8x/alloc.h"
#include "proto/limits.h"

/* What a POST asks for. */
typedef struct wish {
    i8x_job job;
    int priority;
} wish;

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

static i8x_status read_priority(const i8x_json *json, int *priority)
{
    const i8x_json *member = i8x_json_member(json, "priority");
    double number = i8x_json_member_number(json, "priority", -1);
    *priority = I8X_JOB_PRIORITY;
    if (member == NULL)
        return I8X_OK;
    I8X_ENSURE(number >= 0 && number <= I8X_JOB_PRIORITY_MAX && number == floor(number), I8X_EARG,
               "job field 'priority' is a whole number from 0 to %d (%d if it is left out; higher "
               "runs first)",
               I8X_JOB_PRIORITY_MAX, I8X_JOB_PRIORITY);
    *priority = (int)number;
    return I8X_OK;
}

static i8x_status read_wish(const i8x_http_request *request, wish *asked)
{
    i8x_json *json = NULL;
    I8X_TRY(i8x_json_parse((const char *)request->body, request->body_size, &json));
    i8x_status status = i8x_json_to_job(json, &asked->job);
    if (status == I8X_OK)
        status = read_priority(json, &asked->priority);
    i8x_json_free(json);
    I8X_TRY(status);
    I8X_TRY(i8x_recipe_check(&asked->job.recipe));
    return i8x_api_check_blobs(i8x_api_daemon(request)->store, &asked->job);
}

i8x_status i8x_api_check_blobs(const i8x_store *store, i8x_job *job)
{
    I8X_TRY(check_blob(store, "model", &job->model, true));
    I8X_TRY(check_blob(store, "calib", &job->calib, true));
    I8X_TRY(check_blob(store, "eval", &job->eval, false));
    return check_blob(store, "labels", &job->labels, false);
}

static void answer_created(void *user, i8x_study_job *job)
{
    i8x_http_request *request = user;
    i8x_json *json = NULL;
    if (i8x_json_object(&json) != I8X_OK) {
        i8x_http_reply_error(request);
        return;
    }
    char place[sizeof job->id + 16];
    snprintf(place, sizeof place, "/v1/jobs/%s", job->id);
    i8x_http_add_header(request, "Location", place);
    i8x_json_put_text(json, "id", job->id);
    i8x_json_put_text(json, "state", i8x_job_state_name(job->state));
    i8x_json_put_u64(json, "version", (uint64_t)job->version);
    i8x_api_put_warnings(i8x_api_daemon(request), &job->job, json);
    i8x_api_reply_json(request, 202, json);
}

/* ---- the same request again ---- */

static void answer_found(void *user, i8x_study_job *job)
{
    if (job == NULL && i8x_last_error()->status == I8X_ENOENT)
        i8x_api_once_forgotten(user);
    else if (job == NULL)
        i8x_http_reply_error(user);
    else
        answer_created(user, job);
}

/* The key and the body were seen before: the same answer. */
static void answer_again(i8x_http_request *request, const char *id)
{
    i8x_study *study = i8x_api_daemon(request)->study;
    i8x_study_job *job = i8x_study_find_any(study, id);
    if (job != NULL)
        i8x_study_when_created(job, answer_created, request);
    else if (i8x_study_get(study, id, answer_found, request) != I8X_OK)
        i8x_http_reply_error(request);
}

/* ---- the handler ---- */

static i8x_status submit(i8x_http_request *request, wish *asked, i8x_api_once *once)
{
    I8X_TRY(read_wish(request, asked));
    I8X_TRY(i8x_api_once_check_room(request, once));
    i8x_submission submission = {.job = &asked->job,
                                 .priority = asked->priority,
                                 .owner = request->principal,
                                 .request = once->has_key ? &once->row : NULL};
    char id[I8X_JOB_ID_SIZE];
    I8X_TRY(
        i8x_study_submit(i8x_api_daemon(request)->study, &submission, answer_created, request, id));
    i8x_api_once_keep(request, once, id);
    return I8X_OK;
}

void i8x_api_jobs_post(i8x_http_request *request)
{
    i8x_api_once once;
    if (!i8x_api_once_read(request, 'j', &once))
        return;
    if (once.id[0] != 0) {
        answer_again(request, once.id);
        return;
    }
    wish *asked = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *asked);
    i8x_status status = i8x_alloc_check(asked);
    if (status == I8X_OK)
        status = submit(request, asked, &once);
    i8x_alloc_free(i8x_alloc_heap(), asked, sizeof *asked);
    if (status == I8X_EFORMAT) /* a body that is no JSON is a bad request */
        i8x_http_reply_problem(request, status, 400, i8x_last_error()->detail);
    else if (status != I8X_OK)
        i8x_http_reply_error(request);
}
