/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs: one, a page of them, and what can be done to one. A page is read from the ledger on the
 * reader's thread; jobs that are open are then shown as they are in memory, with their progress.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/http/api.h"
#include "daemon/http/cursor.h"
#include "daemon/http/job_view.h"
#include "daemon/removals.h"
#include "int8x/alloc.h"
#include "proto/limits.h"

#define PAGE_ARENA_MAX ((size_t)64 << 20)

/* ---- one ---- */

static i8x_study_stage sum_stages(const i8x_study_job *job)
{
    i8x_study_stage sum = {0};
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++) {
        sum.tasks += job->stages[kind].tasks;
        sum.done += job->stages[kind].done;
        sum.cached += job->stages[kind].cached;
    }
    return sum;
}

static i8x_status print_job(const i8x_study_job *job, char **text, size_t *size)
{
    i8x_json *json = NULL;
    i8x_job_view view;
    I8X_TRY(i8x_json_object(&json));
    i8x_job_view_of(job, &view);
    i8x_job_view_put(json, &view);
    i8x_json_put_job(json, "job", &job->job);
    i8x_status status = i8x_json_print(json, true, text, size);
    i8x_json_free(json);
    return status;
}

/* Many ask for a job that has not changed since: its text is kept. Each change that is not in the
 * sums is an event, and so another version. */
static void answer_job(i8x_http_request *request, i8x_study_job *job)
{
    i8x_study_stage sum = sum_stages(job);
    bool same = job->shown != NULL && job->shown_version == job->version &&
                job->shown_sum.tasks == sum.tasks && job->shown_sum.done == sum.done &&
                job->shown_sum.cached == sum.cached;
    if (!same) {
        char *text = NULL;
        size_t size = 0;
        if (print_job(job, &text, &size) != I8X_OK) {
            i8x_http_reply_error(request);
            return;
        }
        if (job->shown != NULL)
            i8x_alloc_free(i8x_alloc_heap(), job->shown, job->shown_size + 1);
        job->shown = text;
        job->shown_size = size;
        job->shown_sum = sum;
        job->shown_version = job->version;
    }
    i8x_api_reply_printed(request, 200, job->shown, job->shown_size);
}

static void get_job(i8x_http_request *request, i8x_study_job *job)
{
    i8x_daemon *daemon = i8x_api_daemon(request);
    uint64_t wait_s, seen;
    if (!i8x_api_query_number(request, "wait", I8X_HTTP_WAIT_S_MAX, 0, &wait_s) ||
        !i8x_api_query_number(request, "version", I8X_JSON_WHOLE_MAX, (uint64_t)job->version,
                              &seen))
        return;
    if (wait_s == 0 || i8x_job_state_ended(job->state))
        answer_job(request, job);
    else
        i8x_study_wait(daemon->study, job, (int64_t)seen,
                       i8x_daemon_now_ms(daemon) + (int64_t)wait_s * 1000, request, answer_job);
}

void i8x_api_jobs_get(i8x_http_request *request)
{
    i8x_api_with_job(request, get_job);
}

/* ---- what can be done to one ---- */

/* Answers with the job when the change is in the ledger. */
static void answer_change(i8x_http_request *request, i8x_study_job *job, i8x_status status)
{
    if (status != I8X_OK)
        i8x_http_reply_error(request);
    else
        i8x_study_wait(i8x_api_daemon(request)->study, job, job->awaited - 1, INT64_MAX, request,
                       answer_job);
}

static void cancel_job(i8x_http_request *request, i8x_study_job *job)
{
    answer_change(request, job, i8x_study_cancel(i8x_api_daemon(request)->study, job));
}

static void pause_job(i8x_http_request *request, i8x_study_job *job)
{
    answer_change(request, job, i8x_study_pause(i8x_api_daemon(request)->study, job));
}

static void resume_job(i8x_http_request *request, i8x_study_job *job)
{
    answer_change(request, job, i8x_study_resume(i8x_api_daemon(request)->study, job));
}

static void retry_job(i8x_http_request *request, i8x_study_job *job)
{
    answer_change(request, job, i8x_study_retry(i8x_api_daemon(request)->study, job));
}

static void forget_job(i8x_http_request *request, i8x_study_job *job)
{
    if (i8x_removals_job(i8x_api_daemon(request)->study, job, request->principal, i8x_api_removed,
                         request) != I8X_OK)
        i8x_http_reply_error(request);
}

void i8x_api_jobs_delete(i8x_http_request *request)
{
    i8x_api_with_job(request, cancel_job);
}

void i8x_api_jobs_pause(i8x_http_request *request)
{
    i8x_api_with_job(request, pause_job);
}

void i8x_api_jobs_resume(i8x_http_request *request)
{
    i8x_api_with_job(request, resume_job);
}

void i8x_api_jobs_retry(i8x_http_request *request)
{
    i8x_api_with_job(request, retry_job);
}

void i8x_api_jobs_forget(i8x_http_request *request)
{
    i8x_api_with_job(request, forget_job);
}

/* ---- a page ---- */

typedef struct jobs_page {
    i8x_http_request *request;
    i8x_job_filter filter; /* limit: one more than is shown */
    char name[sizeof((i8x_job *)0)->name];
    i8x_arena *arena;
    i8x_job_view *views;
    int count;
    i8x_status status;
    i8x_error error;
} jobs_page;

static void free_page(void *state)
{
    jobs_page *page = state;
    i8x_arena_free(page->arena);
    i8x_alloc_free(i8x_alloc_heap(), page, sizeof *page);
}

static i8x_status add_row(void *user, const i8x_job_row *row)
{
    jobs_page *page = user;
    return i8x_job_view_copy(row, page->arena, &page->views[page->count++]);
}

static void read_page(void *state, i8x_ledger_view *view)
{
    jobs_page *page = state;
    page->status = i8x_ledger_page_jobs(view, &page->filter, add_row, page);
    if (page->status != I8X_OK)
        page->error = *i8x_last_error();
}

static void put_rows(jobs_page *page, i8x_json *json)
{
    i8x_study *study = i8x_api_daemon(page->request)->study;
    int shown = page->count < page->filter.limit ? page->count : page->filter.limit - 1;
    i8x_json *list = i8x_json_put_list(json, "jobs");
    for (int i = 0; i < shown; i++) {
        i8x_job_view *view = &page->views[i];
        if (!i8x_job_state_ended(view->state) && i8x_study_is_open(study, view->id))
            i8x_job_view_of(i8x_study_find_any(study, view->id), view);
        i8x_job_view_put(i8x_json_put_object(list, NULL), view);
    }
    char text[I8X_CURSOR_SIZE];
    if (page->count > shown && shown > 0)
        i8x_json_put_text(json, "next",
                          i8x_cursor_print_number('j', page->views[shown - 1].sequence, text));
    else
        i8x_json_put_null(json, "next");
}

static void page_read(void *state)
{
    jobs_page *page = state;
    i8x_json *json = NULL;
    if (page->status != I8X_OK) {
        i8x_http_reply_problem(page->request, page->status, 0, page->error.detail);
    } else if (i8x_json_object(&json) != I8X_OK) {
        i8x_http_reply_error(page->request);
    } else {
        put_rows(page, json);
        i8x_api_reply_json(page->request, 200, json);
    }
    free_page(page);
}

/* ?state= and ?name=; false and answered if one is not possible. */
static bool read_filter(i8x_http_request *request, jobs_page *page)
{
    const char *state = i8x_http_query(request, "state"), *name = i8x_http_query(request, "name");
    page->filter.state = state != NULL ? (int)i8x_job_state_from_name(state) : -1;
    if (page->filter.state == I8X_JOB_STATE_COUNT) {
        i8x_http_reply_problem(request, I8X_EARG, 0,
                               "?state= is running, paused, done, failed or canceled");
        return false;
    }
    if (name != NULL && strlen(name) >= sizeof page->name) {
        i8x_http_reply_problem(request, I8X_EARG, 0, "?name= is longer than a name can be (127)");
        return false;
    }
    if (name != NULL) {
        snprintf(page->name, sizeof page->name, "%s", name);
        page->filter.name = page->name;
    }
    return true;
}

void i8x_api_jobs_list(i8x_http_request *request)
{
    uint64_t limit;
    jobs_page *page = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *page);
    I8X_ASSERT(page != NULL);
    page->request = request;
    if (!i8x_api_query_limit(request, I8X_JOBS_LIST_MAX, &limit) ||
        !i8x_api_query_cursor(request, 'j', INT64_MAX, &page->filter.before) ||
        !read_filter(request, page)) {
        free_page(page);
        return;
    }
    page->filter.limit = (int)limit + 1;
    i8x_status status = i8x_arena_new(NULL, PAGE_ARENA_MAX, &page->arena);
    if (status == I8X_OK) {
        page->views = i8x_arena_array(page->arena, (size_t)page->filter.limit, sizeof *page->views);
        status = i8x_alloc_check(page->views);
    }
    if (status == I8X_OK) {
        i8x_api_read(request, read_page, page_read, free_page, page);
        return;
    }
    i8x_http_reply_error(request);
    free_page(page);
}
