/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweeps over HTTP. Documents are made on the ledger's reader thread.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/events.h"
#include "daemon/http/api.h"
#include "daemon/http/cursor.h"
#include "daemon/removals.h"
#include "daemon/sweeps.h"
#include "int8x/alloc.h"
#include "proto/limits.h"

/* ---- documents ---- */

typedef struct sweep_page {
    i8x_http_request *request;
    char id[I8X_HTTP_PARAM_SIZE];
    int64_t before;
    int limit, count; /* limit: one more than is shown */
    int64_t last_sequence;
    bool more;
    i8x_job_state state;
    i8x_json *json, *list;
    i8x_status status;
    i8x_error error;
} sweep_page;

static void page_free(void *state)
{
    sweep_page *page = state;
    i8x_json_free(page->json);
    i8x_alloc_free(i8x_alloc_heap(), page, sizeof *page);
}

static sweep_page *page_new(i8x_http_request *request)
{
    sweep_page *page = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *page);
    I8X_ASSERT(page != NULL);
    page->request = request;
    snprintf(page->id, sizeof page->id, "%s", request->params[0]);
    return page;
}

static void keep_error(sweep_page *page)
{
    if (page->status != I8X_OK)
        page->error = *i8x_last_error();
}

static void read_one(void *state, i8x_ledger_view *view)
{
    sweep_page *page = state;
    page->status = i8x_json_object(&page->json);
    if (page->status == I8X_OK)
        page->status = i8x_sweeps_describe(view, page->id, page->json);
    keep_error(page);
}

static void page_answer(void *state)
{
    sweep_page *page = state;
    if (page->status != I8X_OK) {
        i8x_http_reply_problem(page->request, page->status, 0, page->error.detail);
    } else {
        i8x_api_reply_json(page->request, 200, page->json);
        page->json = NULL;
    }
    page_free(page);
}

void i8x_api_sweeps_get(i8x_http_request *request)
{
    i8x_api_read(request, read_one, page_answer, page_free, page_new(request));
}

/* The best trial's recipe as a document of its own: a file for --recipe. */
static void best_answer(void *state)
{
    sweep_page *page = state;
    const i8x_json *best =
        page->status == I8X_OK ? i8x_json_member(page->json, "best_recipe") : NULL;
    char *text = NULL;
    size_t size = 0;
    if (page->status != I8X_OK) {
        i8x_http_reply_problem(page->request, page->status, 0, page->error.detail);
    } else if (best == NULL) {
        i8x_http_reply_problem(page->request, I8X_EBUSY, 409, "no trial of the sweep is done yet");
    } else if (i8x_json_print(best, true, &text, &size) != I8X_OK) {
        i8x_http_reply_error(page->request);
    } else {
        i8x_api_reply_printed(page->request, 200, text, size);
        i8x_alloc_free(i8x_alloc_heap(), text, size + 1);
    }
    page_free(page);
}

void i8x_api_sweeps_best(i8x_http_request *request)
{
    i8x_api_read(request, read_one, best_answer, page_free, page_new(request));
}

static i8x_status add_row(void *user, const i8x_sweep_record *row)
{
    sweep_page *page = user;
    char text[I8X_TIME_TEXT_SIZE];
    if (++page->count == page->limit) {
        page->more = true;
        return I8X_OK;
    }
    int trials;
    I8X_TRY(i8x_sweep_request_count(row->request, &trials));
    i8x_json *json = i8x_json_put_object(page->list, NULL);
    i8x_json_put_text(json, "id", row->id);
    i8x_json_put_text(json, "name", row->name);
    i8x_json_put_text(json, "state", i8x_job_state_name(row->state));
    i8x_json_put_text(json, "owner", row->owner);
    i8x_json_put_text(json, "created", i8x_time_text(row->created_ms, text));
    if (row->state != I8X_JOB_OPEN)
        i8x_json_put_text(json, "finished", i8x_time_text(row->finished_ms, text));
    /* trials that a canceled sweep did not begin are over, too */
    int ended = row->state == I8X_JOB_OPEN ? row->ended : trials;
    i8x_json_put_u64(json, "count", (uint64_t)trials);
    i8x_json_put_u64(json, "done", (uint64_t)ended);
    page->last_sequence = row->sequence;
    return I8X_OK;
}

static void read_list(void *state, i8x_ledger_view *view)
{
    sweep_page *page = state;
    char cursor[I8X_CURSOR_SIZE];
    page->status = i8x_json_object(&page->json);
    if (page->status == I8X_OK) {
        page->list = i8x_json_put_list(page->json, "sweeps");
        page->status = i8x_ledger_page_sweeps(view, page->before, page->limit, add_row, page);
    }
    if (page->status == I8X_OK && page->more)
        i8x_json_put_text(page->json, "next",
                          i8x_cursor_print_number('s', page->last_sequence, cursor));
    else if (page->status == I8X_OK)
        i8x_json_put_null(page->json, "next");
    keep_error(page);
}

void i8x_api_sweeps_list(i8x_http_request *request)
{
    uint64_t limit;
    sweep_page *page = page_new(request);
    if (!i8x_api_query_limit(request, I8X_JOBS_LIST_MAX, &limit) ||
        !i8x_api_query_cursor(request, 's', INT64_MAX, &page->before)) {
        page_free(page);
        return;
    }
    page->limit = (int)limit + 1;
    i8x_api_read(request, read_list, page_answer, page_free, page);
}

/* ---- POST ---- */

static void answer_taken(i8x_http_request *request, const char *id, i8x_job_state state)
{
    i8x_json *json = NULL;
    char place[I8X_SWEEP_ID_SIZE + 16];
    if (i8x_json_object(&json) != I8X_OK) {
        i8x_http_reply_error(request);
        return;
    }
    snprintf(place, sizeof place, "/v1/sweeps/%s", id);
    i8x_http_add_header(request, "Location", place);
    i8x_json_put_text(json, "id", id);
    i8x_json_put_text(json, "state", i8x_job_state_name(state));
    i8x_api_reply_json(request, 202, json);
}

static void answer_created(void *user, const char *id)
{
    answer_taken(user, id, I8X_JOB_OPEN);
}

static i8x_status see_state(void *user, const i8x_sweep_record *row)
{
    sweep_page *page = user;
    page->state = row->state;
    return I8X_OK;
}

static void read_state(void *state, i8x_ledger_view *view)
{
    sweep_page *page = state;
    page->status = i8x_ledger_get_sweep(view, page->id, see_state, page);
    keep_error(page);
}

static void again_answer(void *state)
{
    sweep_page *page = state;
    if (page->status == I8X_OK)
        answer_taken(page->request, page->id, page->state);
    else if (page->status == I8X_ENOENT)
        i8x_api_once_forgotten(page->request);
    else
        i8x_http_reply_problem(page->request, page->status, 0, page->error.detail);
    page_free(page);
}

/* The key and the body were seen before: the same answer. */
static void answer_again(i8x_http_request *request, const char *id)
{
    if (i8x_sweeps_is_new(i8x_api_daemon(request)->sweeps, id)) {
        i8x_http_reply_problem(request, I8X_EBUSY, 0, "the same request is being taken");
        return;
    }
    sweep_page *page = page_new(request);
    snprintf(page->id, sizeof page->id, "%s", id);
    i8x_api_read(request, read_state, again_answer, page_free, page);
}

/* The blobs of the request are there. */
static i8x_status check_blobs(const i8x_store *store, const i8x_json *json)
{
    i8x_arena *arena = NULL;
    i8x_sweep_request *asked = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *asked);
    I8X_TRY(i8x_alloc_check(asked));
    i8x_status status = i8x_arena_new(NULL, 0, &arena);
    if (status == I8X_OK)
        status = i8x_sweep_request_read(json, arena, asked);
    if (status == I8X_OK)
        status = i8x_api_check_blobs(store, &asked->job);
    i8x_arena_free(arena);
    i8x_alloc_free(i8x_alloc_heap(), asked, sizeof *asked);
    return status;
}

static i8x_status submit(i8x_http_request *request, i8x_api_once *once)
{
    i8x_daemon *daemon = i8x_api_daemon(request);
    char id[I8X_SWEEP_ID_SIZE];
    i8x_json *json = NULL;
    I8X_TRY(i8x_api_once_check_room(request, once));
    I8X_TRY(i8x_json_parse((const char *)request->body, request->body_size, &json));
    i8x_status status = check_blobs(daemon->store, json);
    if (status == I8X_OK)
        status = i8x_sweeps_submit(daemon->sweeps, json, request->principal,
                                   once->has_key ? &once->row : NULL, answer_created, request, id);
    i8x_json_free(json);
    if (status == I8X_OK)
        i8x_api_once_keep(request, once, id);
    return status;
}

void i8x_api_sweeps_post(i8x_http_request *request)
{
    i8x_api_once once;
    if (!i8x_api_once_read(request, 's', &once))
        return;
    if (once.id[0] != 0) {
        answer_again(request, once.id);
        return;
    }
    i8x_status status = submit(request, &once);
    if (status == I8X_EFORMAT) /* a body that is no JSON is a bad request */
        i8x_http_reply_problem(request, status, 400, i8x_last_error()->detail);
    else if (status != I8X_OK)
        i8x_http_reply_error(request);
}

/* ---- DELETE, forget ---- */

static void answer_canceled(void *user, const char *id)
{
    i8x_http_request *request = user;
    (void)id;
    i8x_api_sweeps_get(request);
}

/* One that does not run has ended, or never was. */
static void not_running_answer(void *state)
{
    sweep_page *page = state;
    char detail[160];
    snprintf(detail, sizeof detail, "sweep %.40s has ended (%s)", page->id,
             i8x_job_state_name(page->state));
    if (page->status == I8X_OK)
        i8x_http_reply_problem(page->request, I8X_EEXIST, 0, detail);
    else
        i8x_http_reply_problem(page->request, page->status, 0, page->error.detail);
    page_free(page);
}

void i8x_api_sweeps_delete(i8x_http_request *request)
{
    i8x_daemon *daemon = i8x_api_daemon(request);
    i8x_status status =
        i8x_sweeps_cancel(daemon->sweeps, request->params[0], answer_canceled, request);
    if (status == I8X_EEXIST)
        i8x_api_read(request, read_state, not_running_answer, page_free, page_new(request));
    else if (status != I8X_OK)
        i8x_http_reply_error(request);
}

void i8x_api_sweeps_forget(i8x_http_request *request)
{
    if (i8x_removals_sweep(i8x_api_daemon(request)->study, request->params[0], request->principal,
                           i8x_api_removed, request) != I8X_OK)
        i8x_http_reply_error(request);
}
