/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers, health, metrics, versions.
 */
#include "daemon/http/api.h"
#include "daemon/hub.h"
#include "int8x/alloc.h"
#include "proto/json.h"

void i8x_api_workers(i8x_http_request *request)
{
    i8x_daemon *daemon = i8x_api_daemon(request);
    i8x_json *json = NULL;
    if (i8x_json_object(&json) != I8X_OK) {
        i8x_http_reply_error(request);
        return;
    }
    i8x_json *list = i8x_json_put_list(json, "workers");
    for (const i8x_hub_worker *worker = i8x_hub_workers(daemon->hub); worker != NULL;
         worker = worker->next) {
        i8x_json *row = i8x_json_put_object(list, NULL);
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
        i8x_json_put_u64(row, "blobs", worker->holdings.count);
        i8x_json *kinds = i8x_json_put_list(row, "kinds");
        for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
            if ((worker->kinds >> kind & 1) != 0)
                i8x_json_put_text(kinds, NULL, i8x_task_kind_name((i8x_task_kind)kind));
    }
    i8x_api_reply_json(request, 200, json);
}

void i8x_api_health(i8x_http_request *request)
{
    static const char text[] = "ok\n";
    i8x_http_reply(request, 200, "text/plain; charset=utf-8", text, sizeof text - 1);
}

void i8x_api_metrics(i8x_http_request *request)
{
    i8x_buffer text;
    i8x_buffer_init(&text, 0);
    i8x_metrics_print(i8x_api_daemon(request), &text);
    i8x_http_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", i8x_buffer_cstr(&text),
                   text.size);
    i8x_buffer_deinit(&text);
}

void i8x_api_version(i8x_http_request *request)
{
    i8x_json *json = NULL;
    if (i8x_json_object(&json) != I8X_OK) {
        i8x_http_reply_error(request);
        return;
    }
    i8x_json_put_text(json, "version", I8X_VERSION);
    i8x_json_put_u64(json, "protocol", I8X_WIRE_VERSION);
    i8x_json *kinds = i8x_json_put_list(json, "kinds");
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++) {
        i8x_json *row = i8x_json_put_object(kinds, NULL);
        i8x_json_put_text(row, "name", i8x_task_kind_name((i8x_task_kind)kind));
        i8x_json_put_u64(row, "revision", (uint64_t)i8x_task_kind_revision((i8x_task_kind)kind));
    }
    i8x_api_reply_json(request, 200, json);
}
