/* SPDX-License-Identifier: Apache-2.0
 *
 * What the handlers share: reading the query, finding the job, answering with JSON, reading the
 * ledger off the loop.
 */
#include "daemon/http/api.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/http/cursor.h"
#include "int8x/alloc.h"

#define PAGE_LIMIT 100 /* rows of a page unless ?limit= says otherwise */

i8x_daemon *i8x_api_daemon(const i8x_http_request *request)
{
    return request->context;
}

/* A terminal wants the line to end. */
void i8x_api_reply_printed(i8x_http_request *request, int http_status, char *text, size_t size)
{
    text[size] = '\n';
    i8x_http_reply(request, http_status, "application/json", text, size + 1);
    text[size] = 0;
}

void i8x_api_reply_json(i8x_http_request *request, int http_status, i8x_json *json)
{
    char *text = NULL;
    size_t size = 0;
    i8x_status status = i8x_json_print(json, true, &text, &size);
    i8x_json_free(json);
    if (status != I8X_OK) {
        i8x_http_reply_error(request);
        return;
    }
    i8x_api_reply_printed(request, http_status, text, size);
    i8x_alloc_free(i8x_alloc_heap(), text, size + 1);
}

static bool query_number(i8x_http_request *request, const char *name, uint64_t min, uint64_t max,
                         uint64_t otherwise, uint64_t *value)
{
    const char *text = i8x_http_query(request, name);
    *value = otherwise;
    if (text == NULL)
        return true;
    char *end = NULL;
    *value = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == 0 && *value >= min && *value <= max)
        return true;
    char detail[128];
    snprintf(detail, sizeof detail, "?%s= is a whole number from %llu to %llu", name,
             (unsigned long long)min, (unsigned long long)max);
    i8x_http_reply_problem(request, I8X_EARG, 0, detail);
    return false;
}

bool i8x_api_query_number(i8x_http_request *request, const char *name, uint64_t max,
                          uint64_t otherwise, uint64_t *value)
{
    return query_number(request, name, 0, max, otherwise, value);
}

bool i8x_api_query_limit(i8x_http_request *request, uint64_t max, uint64_t *limit)
{
    return query_number(request, "limit", 1, max, PAGE_LIMIT, limit);
}

bool i8x_api_query_cursor(i8x_http_request *request, char list, int64_t otherwise, int64_t *value)
{
    const char *text = i8x_http_query(request, "cursor");
    *value = otherwise;
    if (text == NULL || i8x_cursor_read_number(list, text, value) == I8X_OK)
        return true;
    i8x_http_reply_error(request);
    return false;
}

void i8x_api_add_number(i8x_http_request *request, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    i8x_http_add_header(request, name, text);
}

void i8x_api_removed(void *user, i8x_status status)
{
    i8x_http_request *request = user;
    if (status == I8X_OK)
        i8x_http_reply(request, 204, NULL, "", 0);
    else
        i8x_http_reply_error(request);
}

/* ---- the job of the path ---- */

typedef struct job_wanted {
    i8x_http_request *request;
    void (*then)(i8x_http_request *request, i8x_study_job *job);
} job_wanted;

static void job_found(void *user, i8x_study_job *job)
{
    job_wanted wanted = *(job_wanted *)user;
    i8x_alloc_free(i8x_alloc_heap(), user, sizeof wanted);
    if (job == NULL)
        i8x_http_reply_error(wanted.request);
    else
        wanted.then(wanted.request, job);
}

void i8x_api_with_job(i8x_http_request *request,
                      void (*then)(i8x_http_request *request, i8x_study_job *job))
{
    i8x_study *study = i8x_api_daemon(request)->study;
    i8x_study_job *job = i8x_study_find(study, request->params[0]);
    if (job != NULL) {
        then(request, job);
        return;
    }
    job_wanted *wanted = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *wanted);
    I8X_ASSERT(wanted != NULL);
    *wanted = (job_wanted){request, then};
    if (i8x_study_get(study, request->params[0], job_found, wanted) == I8X_OK)
        return;
    i8x_alloc_free(i8x_alloc_heap(), wanted, sizeof *wanted);
    i8x_http_reply_error(request);
}

/* ---- reads ---- */

typedef struct api_read {
    i8x_daemon *daemon;
    i8x_ledger_read_cb work;
    i8x_ledger_done_cb done;
    void *state;
} api_read;

static void on_work(void *user, i8x_ledger_view *view)
{
    const api_read *read = user;
    read->work(read->state, view);
}

static void on_done(void *user)
{
    api_read read = *(api_read *)user;
    i8x_alloc_free(i8x_alloc_heap(), user, sizeof read);
    read.daemon->pending--;
    read.done(read.state);
}

void i8x_api_read(i8x_http_request *request, i8x_ledger_read_cb work, i8x_ledger_done_cb done,
                  void (*drop)(void *state), void *state)
{
    i8x_daemon *daemon = i8x_api_daemon(request);
    api_read *read = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *read);
    I8X_ASSERT(read != NULL);
    *read = (api_read){daemon, work, done, state};
    if (i8x_ledger_read(daemon->ledger, on_work, on_done, read) == I8X_OK) {
        daemon->pending++;
        return;
    }
    i8x_alloc_free(i8x_alloc_heap(), read, sizeof *read);
    i8x_http_reply_error(request);
    drop(state);
}
