/* SPDX-License-Identifier: Apache-2.0
 *
 * Events of one job or of all: a stream (text/event-stream), or, for who accepts application/json
 * and no stream, a page.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/events.h"
#include "daemon/http/api.h"
#include "daemon/http/cursor.h"
#include "int8x/alloc.h"
#include "proto/limits.h"

#define PAGE_BYTES_MAX (4u << 20)

/* ---- a page ---- */

typedef struct events_wish {
    i8x_http_request *request;
    char job[I8X_JOB_ID_SIZE];
    int64_t after, last;
    int limit, count;
    i8x_buffer text;
    i8x_status status;
    i8x_error error;
} events_wish;

static void free_wish(void *state)
{
    events_wish *wish = state;
    i8x_buffer_deinit(&wish->text);
    i8x_alloc_free(i8x_alloc_heap(), wish, sizeof *wish);
}

static i8x_status add_row(void *user, const i8x_event_row *row)
{
    events_wish *wish = user;
    if (wish->count == wish->limit || wish->text.size > PAGE_BYTES_MAX / 2) {
        wish->count = wish->limit + 1; /* there is more */
        return I8X_OK;
    }
    i8x_buffer_text(&wish->text, wish->count > 0 ? ",\n" : "");
    i8x_events_print(&wish->text, row);
    wish->count++;
    wish->last = row->sequence;
    return i8x_buffer_status(&wish->text);
}

static void read_page(void *state, i8x_ledger_view *view)
{
    events_wish *wish = state;
    i8x_buffer_text(&wish->text, "{\"events\":[");
    wish->status = i8x_ledger_page_events(view, wish->job[0] != 0 ? wish->job : NULL, wish->after,
                                          wish->limit + 1, add_row, wish);
    char cursor[I8X_CURSOR_SIZE];
    if (wish->count > wish->limit)
        i8x_buffer_format(&wish->text, "],\"next\":\"%s\"}\n",
                          i8x_cursor_print_number('e', wish->last, cursor));
    else
        i8x_buffer_text(&wish->text, "],\"next\":null}\n");
    if (wish->status == I8X_OK)
        wish->status = i8x_buffer_status(&wish->text);
    if (wish->status != I8X_OK)
        wish->error = *i8x_last_error();
}

static void page_read(void *state)
{
    events_wish *wish = state;
    if (wish->status == I8X_OK)
        i8x_http_reply(wish->request, 200, "application/json", i8x_buffer_cstr(&wish->text),
                       wish->text.size);
    else
        i8x_http_reply_problem(wish->request, wish->status, 0, wish->error.detail);
    free_wish(wish);
}

static void send_page(i8x_http_request *request, const char *job, int64_t after)
{
    uint64_t limit;
    int64_t from;
    if (!i8x_api_query_limit(request, I8X_EVENT_PAGE_MAX, &limit) ||
        !i8x_api_query_cursor(request, 'e', after, &from))
        return;
    events_wish *wish = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *wish);
    I8X_ASSERT(wish != NULL);
    wish->request = request;
    wish->after = wish->last = from;
    wish->limit = (int)limit;
    snprintf(wish->job, sizeof wish->job, "%s", job != NULL ? job : "");
    i8x_buffer_init(&wish->text, PAGE_BYTES_MAX);
    i8x_api_read(request, read_page, page_read, free_wish, wish);
}

/* ---- where to begin ---- */

/* NULL leaves *number as it is. False if the text is no number of an event. */
static bool read_number(const char *text, int64_t *number)
{
    char *end = NULL;
    if (text == NULL)
        return true;
    *number = strtoll(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == 0 && *number <= (int64_t)I8X_JSON_WHOLE_MAX;
}

/* Last-Event-ID, else ?after=, else -1. False and answered if one of them is no number. */
static bool read_after(i8x_http_request *request, int64_t *after)
{
    *after = -1;
    if (read_number(i8x_http_query(request, "after"), after) &&
        read_number(i8x_http_header(request, "Last-Event-ID"), after))
        return true;
    i8x_http_reply_problem(request, I8X_EARG, 0,
                           "Last-Event-ID or ?after= is the number of an event");
    return false;
}

static bool wants_page(const i8x_http_request *request)
{
    const char *accept = i8x_http_header(request, "Accept");
    return accept != NULL && strstr(accept, "application/json") != NULL &&
           strstr(accept, "text/event-stream") == NULL;
}

/* Answers and returns false if events behind this number have been forgotten. */
static bool check_kept(i8x_http_request *request, int64_t after)
{
    int64_t first = i8x_events_first(i8x_api_daemon(request)->events);
    if (after <= 0 || after + 1 >= first)
        return true;
    char detail[128];
    snprintf(detail, sizeof detail,
             "events before %lld are not kept any more: read the job, then follow without a number",
             (long long)first);
    i8x_http_reply_problem(request, I8X_ENOENT, 410, detail);
    return false;
}

static void follow(i8x_http_request *request, const char *job, int64_t after)
{
    if (i8x_events_follow(i8x_api_daemon(request)->events, request, job, after) != I8X_OK)
        i8x_http_reply_error(request);
}

static void send_job_events(i8x_http_request *request, i8x_study_job *job)
{
    int64_t after;
    if (!read_after(request, &after) || !check_kept(request, after))
        return;
    if (wants_page(request))
        send_page(request, job->id, after < 0 ? 0 : after);
    else if (after >= job->version && i8x_job_state_ended(job->state))
        i8x_http_reply(request, 204, NULL, "", 0); /* nothing will come: do not reconnect */
    else
        follow(request, job->id, after < 0 ? 0 : after);
}

void i8x_api_events_job(i8x_http_request *request)
{
    i8x_api_with_job(request, send_job_events);
}

void i8x_api_events_all(i8x_http_request *request)
{
    int64_t after;
    if (!read_after(request, &after) || !check_kept(request, after))
        return;
    if (wants_page(request))
        send_page(request, NULL, after < 0 ? 0 : after);
    else
        follow(request, NULL, after < 0 ? i8x_events_last(i8x_api_daemon(request)->events) : after);
}
