/* SPDX-License-Identifier: Apache-2.0
 *
 * The connected workers, a page of them in the order of their ids.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/http/api.h"
#include "daemon/http/cursor.h"
#include "daemon/hub.h"
#include "int8x/alloc.h"
#include "proto/limits.h"

static void put_worker(i8x_daemon *daemon, const i8x_hub_worker *worker, i8x_json *row)
{
    i8x_json_put_text(row, "id", worker->id);
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
}

static int by_id(const void *a, const void *b)
{
    const i8x_hub_worker *const *one = a, *const *two = b;
    return strcmp((*one)->id, (*two)->id);
}

/* Workers behind an id, sorted; the caller frees the list. */
static int list_behind(const i8x_hub *hub, const char *id, const i8x_hub_worker ***list,
                       int *capacity)
{
    int count = 0;
    *capacity = 0;
    for (const i8x_hub_worker *worker = i8x_hub_workers(hub); worker != NULL; worker = worker->next)
        ++*capacity;
    *list = i8x_alloc_array(i8x_alloc_heap(), (size_t)*capacity, sizeof **list);
    I8X_ASSERT(*list != NULL);
    for (const i8x_hub_worker *worker = i8x_hub_workers(hub); worker != NULL; worker = worker->next)
        if (strcmp(worker->id, id) > 0)
            (*list)[count++] = worker;
    qsort(*list, (size_t)count, sizeof **list, by_id);
    return count;
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
    const i8x_hub_worker **list;
    int capacity, count = list_behind(daemon->hub, after, &list, &capacity);
    int shown = count < limit ? count : limit;
    char text[I8X_CURSOR_SIZE];
    i8x_json *rows = i8x_json_put_list(json, "workers");
    for (int i = 0; i < shown; i++)
        put_worker(daemon, list[i], i8x_json_put_object(rows, NULL));
    if (count > shown)
        i8x_json_put_text(
            json, "next",
            i8x_cursor_print('w', list[shown - 1]->id, strlen(list[shown - 1]->id), text));
    else
        i8x_json_put_null(json, "next");
    i8x_alloc_free(i8x_alloc_heap(), list, (size_t)capacity * sizeof *list);
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
