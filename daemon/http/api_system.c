/* SPDX-License-Identifier: Apache-2.0
 *
 * Health, metrics, versions, and what describes the API.
 */
#include <stdio.h>

#include "daemon/http/api.h"
#include "daemon/http/openapi.h"
#include "int8x/alloc.h"
#include "proto/json.h"
#include "proto/limits.h"

void i8x_api_health(i8x_http_request *request)
{
    static const char text[] = "ok\n";
    i8x_http_reply(request, 200, "text/plain; charset=utf-8", text, sizeof text - 1);
}

void i8x_api_ready(i8x_http_request *request)
{
    static const char text[] = "ready\n";
    i8x_ledger_stats stats = i8x_ledger_stats_get(i8x_api_daemon(request)->ledger);
    if (stats.commit_for_ms > I8X_READY_COMMIT_MS) {
        char detail[128];
        snprintf(detail, sizeof detail, "the disk: a commit of the ledger lasts since %lld ms",
                 (long long)stats.commit_for_ms);
        i8x_http_reply_problem(request, I8X_EBUSY, 0, detail);
        return;
    }
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

/* ---- what describes the API ---- */

static void reply_document(i8x_http_request *request, i8x_status status, i8x_buffer *text)
{
    if (status == I8X_OK)
        i8x_http_reply(request, 200, "application/json", i8x_buffer_cstr(text), text->size);
    else
        i8x_http_reply_error(request);
    i8x_buffer_deinit(text);
}

void i8x_api_openapi(i8x_http_request *request)
{
    int count;
    const i8x_http_route *routes = i8x_routes(&count);
    i8x_buffer text;
    i8x_buffer_init(&text, 0);
    reply_document(request, i8x_openapi_print(routes, count, I8X_VERSION, &text), &text);
}

void i8x_api_schema_recipe(i8x_http_request *request)
{
    i8x_buffer text;
    i8x_buffer_init(&text, 0);
    reply_document(request, i8x_openapi_print_recipe(&text), &text);
}

void i8x_api_schema_job(i8x_http_request *request)
{
    i8x_buffer text;
    i8x_buffer_init(&text, 0);
    reply_document(request, i8x_openapi_print_job(&text), &text);
}
