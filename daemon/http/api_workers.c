/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers: the connected ones and those that something is decided about, a page of them in the
 * order of their ids; one; and what an operator decides about one: drain, quarantine, resume, with
 * a reason. A worker that is away can be decided about as well, if it was ever seen to work.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/events.h"
#include "daemon/http/api.h"
#include "daemon/http/cursor.h"
#include "daemon/hub.h"
#include "daemon/standing.h"
#include "int8x/alloc.h"
#include "proto/limits.h"

static void put_standing(const i8x_daemon *daemon, const char *id, i8x_json *row)
{
    const i8x_standing_entry *entry = i8x_standing_find(daemon->standing, id);
    char text[I8X_TIME_TEXT_SIZE];
    if (entry == NULL)
        return;
    i8x_json *json = i8x_json_put_object(row, "standing");
    i8x_json_put_text(json, "state", i8x_standing_name(entry->kind));
    i8x_json_put_text(json, "reason", entry->reason);
    i8x_json_put_text(json, "by", entry->by);
    i8x_json_put_text(json, "since", i8x_time_text(entry->since_ms, text));
}

static void put_worker(i8x_daemon *daemon, const i8x_hub_worker *worker, i8x_json *row)
{
    i8x_json_put_text(row, "id", worker->id);
    i8x_json_put_bool(row, "connected", true);
    i8x_json_put_text(row, "name", worker->name);
    i8x_json_put_text(row, "arch", worker->arch);
    i8x_json_put_text(row, "level", worker->level);
    i8x_json_put_u64(row, "cores", worker->cores);
    i8x_json_put_u64(row, "slots", worker->slots);
    i8x_json_put_u64(row, "memory_bytes", worker->memory_bytes);
    i8x_json_put_u64(row, "leases", i8x_sched_lease_count(daemon->sched, worker->session));
    i8x_json_put_u64(row, "committed", worker->committed);
    i8x_json_put_u64(row, "failed", worker->failed);
    i8x_json_put_bool(row, "draining", worker->draining);
    i8x_worker_state_json(daemon, &worker->state, row);
    i8x_json_put_u64(row, "blobs", i8x_holdings_count(&worker->holdings));
    i8x_json *kinds = i8x_json_put_list(row, "kinds");
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
        if ((worker->kinds >> kind & 1) != 0)
            i8x_json_put_text(kinds, NULL, i8x_task_kind_name((i8x_task_kind)kind));
    put_standing(daemon, worker->id, row);
}

/* One that is away is listed as long as something is decided about it. */
static void put_away(i8x_daemon *daemon, const char *id, i8x_json *row)
{
    i8x_json_put_text(row, "id", id);
    i8x_json_put_bool(row, "connected", false);
    i8x_json_put_text(row, "state", I8X_API_WORKER_AWAY);
    put_standing(daemon, id, row);
}

typedef struct listed {
    const char *id;
    const i8x_hub_worker *worker; /* NULL: it is away */
} listed;

/* By id; of one that is listed twice the connected one first. */
static int by_id(const void *a, const void *b)
{
    const listed *one = a, *two = b;
    int order = strcmp(one->id, two->id);
    return order != 0 ? order : (two->worker != NULL) - (one->worker != NULL);
}

static int drop_doubles(listed *list, int count)
{
    int kept = 0;
    for (int i = 0; i < count; i++)
        if (kept == 0 || strcmp(list[kept - 1].id, list[i].id) != 0)
            list[kept++] = list[i];
    return kept;
}

/* Workers behind an id, sorted; the caller frees the list. */
static int list_behind(const i8x_daemon *daemon, const char *id, listed **list, size_t *capacity)
{
    int count = 0;
    const i8x_standing_entry *entry;
    *capacity = 1; /* never none */
    for (const i8x_hub_worker *worker = i8x_hub_workers(daemon->hub); worker != NULL;
         worker = worker->next)
        ++*capacity;
    for (size_t i = 0; i8x_standing_at(daemon->standing, i) != NULL; i++)
        ++*capacity;
    *list = i8x_alloc_array(i8x_alloc_heap(), *capacity, sizeof **list);
    I8X_ASSERT(*list != NULL);
    for (const i8x_hub_worker *worker = i8x_hub_workers(daemon->hub); worker != NULL;
         worker = worker->next)
        if (strcmp(worker->id, id) > 0)
            (*list)[count++] = (listed){worker->id, worker};
    for (size_t i = 0; (entry = i8x_standing_at(daemon->standing, i)) != NULL; i++)
        if (strcmp(entry->worker, id) > 0)
            (*list)[count++] = (listed){entry->worker, NULL};
    qsort(*list, (size_t)count, sizeof **list, by_id);
    return drop_doubles(*list, count);
}

/* The id that the page follows; "" from the beginning. False and answered if it is no cursor. */
static bool read_cursor(i8x_http_request *request, char id[I8X_WIRE_NAME_MAX + 1])
{
    const char *text = i8x_http_query(request, "cursor");
    uint8_t bytes[I8X_CURSOR_BYTES_MAX];
    size_t size = 0;
    if (text != NULL && i8x_cursor_read('w', text, bytes, &size) != I8X_OK) {
        i8x_http_reply_error(request);
        return false;
    }
    memcpy(id, bytes, size);
    id[size] = 0;
    return true;
}

static void put_page(i8x_daemon *daemon, const char *after, int limit, i8x_json *json)
{
    listed *list;
    size_t capacity;
    int count = list_behind(daemon, after, &list, &capacity);
    int shown = count < limit ? count : limit;
    char text[I8X_CURSOR_SIZE];
    i8x_json *rows = i8x_json_put_list(json, "workers");
    for (int i = 0; i < shown; i++)
        if (list[i].worker != NULL)
            put_worker(daemon, list[i].worker, i8x_json_put_object(rows, NULL));
        else
            put_away(daemon, list[i].id, i8x_json_put_object(rows, NULL));
    if (count > shown)
        i8x_json_put_text(
            json, "next",
            i8x_cursor_print('w', list[shown - 1].id, strlen(list[shown - 1].id), text));
    else
        i8x_json_put_null(json, "next");
    i8x_alloc_free(i8x_alloc_heap(), list, capacity * sizeof *list);
}

void i8x_api_workers(i8x_http_request *request)
{
    char after[I8X_WIRE_NAME_MAX + 1];
    uint64_t limit;
    i8x_json *json = NULL;
    if (!i8x_api_query_limit(request, I8X_WORKERS_LIST_MAX, &limit) || !read_cursor(request, after))
        return;
    if (i8x_json_object(&json) != I8X_OK) {
        i8x_http_reply_error(request);
        return;
    }
    put_page(i8x_api_daemon(request), after, (int)limit, json);
    i8x_api_reply_json(request, 200, json);
}

/* ---- one ---- */

static const i8x_hub_worker *find_connected(const i8x_daemon *daemon, const char *id)
{
    const i8x_hub_worker *worker = i8x_hub_workers(daemon->hub);
    while (worker != NULL && strcmp(worker->id, id) != 0)
        worker = worker->next;
    return worker;
}

static void reply_worker(i8x_http_request *request, const char *id)
{
    i8x_daemon *daemon = i8x_api_daemon(request);
    const i8x_hub_worker *worker = find_connected(daemon, id);
    i8x_json *json = NULL;
    if (i8x_json_object(&json) != I8X_OK) {
        i8x_http_reply_error(request);
        return;
    }
    if (worker != NULL)
        put_worker(daemon, worker, json);
    else
        put_away(daemon, id, json);
    i8x_api_reply_json(request, 200, json);
}

/* A worker of the path: connected, decided about, or seen to work at some time. */
typedef struct worker_wanted {
    i8x_http_request *request;
    char id[I8X_HTTP_PARAM_SIZE];
    bool known;
    i8x_status status;
    i8x_error error;
    void (*then)(i8x_http_request *request, const char *id);
} worker_wanted;

static void free_wanted(void *state)
{
    i8x_alloc_free(i8x_alloc_heap(), state, sizeof(worker_wanted));
}

static void read_worker(void *state, i8x_ledger_view *view)
{
    worker_wanted *wanted = state;
    wanted->status = i8x_ledger_knows_worker(view, wanted->id, &wanted->known);
    if (wanted->status != I8X_OK)
        wanted->error = *i8x_last_error();
}

static void worker_read(void *state)
{
    worker_wanted *wanted = state;
    if (wanted->status != I8X_OK)
        i8x_http_reply_problem(wanted->request, wanted->status, 0, wanted->error.detail);
    else if (!wanted->known)
        i8x_http_reply_problem(wanted->request, I8X_ENOENT, 0, "no worker of that id");
    else
        wanted->then(wanted->request, wanted->id);
    free_wanted(wanted);
}

static void with_worker(i8x_http_request *request,
                        void (*then)(i8x_http_request *request, const char *id))
{
    const i8x_daemon *daemon = i8x_api_daemon(request);
    const char *id = request->params[0];
    if (find_connected(daemon, id) != NULL || i8x_standing_find(daemon->standing, id) != NULL) {
        then(request, id);
        return;
    }
    worker_wanted *wanted = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *wanted);
    I8X_ASSERT(wanted != NULL);
    wanted->request = request;
    wanted->then = then;
    snprintf(wanted->id, sizeof wanted->id, "%s", id);
    i8x_api_read(request, read_worker, worker_read, free_wanted, wanted);
}

void i8x_api_workers_get(i8x_http_request *request)
{
    with_worker(request, reply_worker);
}

/* ---- what an operator decides ---- */

/* {"reason": "..."}; needed where something is taken away. An empty body is none. */
static i8x_status read_reason(const i8x_http_request *request, bool needed,
                              char reason[I8X_STANDING_REASON_SIZE])
{
    static const char *const names[] = {"reason"};
    i8x_json *json = NULL;
    reason[0] = 0;
    if (request->body_size > 0) {
        I8X_TRY(i8x_json_parse((const char *)request->body, request->body_size, &json));
        i8x_status status = i8x_json_check(json, "the body", names, 1);
        const i8x_json *member = status == I8X_OK ? i8x_json_member(json, "reason") : NULL;
        const char *text = i8x_json_text(member);
        if (status == I8X_OK && member != NULL &&
            (text == NULL || strlen(text) >= I8X_STANDING_REASON_SIZE))
            status =
                i8x_fail(I8X_EARG, __FILE__, __LINE__, "'reason' is a text of at most %d bytes",
                         I8X_STANDING_REASON_SIZE - 1);
        if (status == I8X_OK && text != NULL)
            snprintf(reason, I8X_STANDING_REASON_SIZE, "%s", text);
        i8x_json_free(json);
        I8X_TRY(status);
    }
    I8X_ENSURE(!needed || reason[0] != 0, I8X_EARG,
               "say why: {\"reason\": \"...\"}; it is shown to whoever asks why nothing runs");
    return I8X_OK;
}

static void decided(void *user)
{
    i8x_http_request *request = user;
    reply_worker(request, request->params[0]);
}

static void decide(i8x_http_request *request, const char *id, i8x_standing_kind kind)
{
    char reason[I8X_STANDING_REASON_SIZE];
    i8x_status status = read_reason(request, kind != I8X_STANDING_NONE, reason);
    if (status == I8X_OK)
        status = i8x_standing_set(i8x_api_daemon(request)->standing, id, kind, reason,
                                  request->principal, decided, request);
    if (status == I8X_EFORMAT) /* a body that is no JSON is a bad request */
        i8x_http_reply_problem(request, status, 400, i8x_last_error()->detail);
    else if (status != I8X_OK)
        i8x_http_reply_error(request);
}

static void drain(i8x_http_request *request, const char *id)
{
    decide(request, id, I8X_STANDING_DRAINED);
}

static void quarantine(i8x_http_request *request, const char *id)
{
    decide(request, id, I8X_STANDING_QUARANTINED);
}

static void resume(i8x_http_request *request, const char *id)
{
    decide(request, id, I8X_STANDING_NONE);
}

void i8x_api_workers_drain(i8x_http_request *request)
{
    with_worker(request, drain);
}

void i8x_api_workers_quarantine(i8x_http_request *request)
{
    with_worker(request, quarantine);
}

void i8x_api_workers_resume(i8x_http_request *request)
{
    with_worker(request, resume);
}
