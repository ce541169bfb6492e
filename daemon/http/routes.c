/* SPDX-License-Identifier: Apache-2.0
 *
 * Every route: method, path, who may call it, handlers, what it does. docs/http-api.md follows this
 * table; a new route is a row here and a handler in the file of its resource.
 */
#include "daemon/http/api.h"

#define ADMINS I8X_ROLE_BIT(I8X_ROLE_ADMIN)
#define SUBMITTERS (I8X_ROLE_BIT(I8X_ROLE_SUBMIT) | ADMINS)
#define READERS (I8X_ROLE_BIT(I8X_ROLE_READ) | SUBMITTERS)
#define BLOB_WRITERS (I8X_ROLE_BIT(I8X_ROLE_WORKER) | SUBMITTERS)
#define BLOB_READERS (I8X_ROLE_BIT(I8X_ROLE_WORKER) | READERS)
#define EVERYBODY 0u

static const i8x_http_route routes[] = {
    {.method = "PUT",
     .path = "/v1/blobs/{sha256}",
     .roles = BLOB_WRITERS,
     .handle = i8x_api_blobs_put,
     .begin = i8x_api_blobs_begin,
     .body = i8x_api_blobs_body,
     .close = i8x_api_blobs_close,
     .sentence = "stores a blob under its SHA-256: 201 new, 200 was there, 422 other bytes"},
    {.method = "GET",
     .path = "/v1/blobs/{sha256}",
     .roles = BLOB_READERS,
     .handle = i8x_api_blobs_get,
     .sentence = "a blob, or a range of it with a Content-Digest; HEAD tells whether it is there"},
    {.method = "POST",
     .path = "/v1/jobs",
     .roles = SUBMITTERS,
     .handle = i8x_api_jobs_post,
     .sentence = "takes a job whose blobs are stored: 202 and its id"},
    {.method = "GET",
     .path = "/v1/jobs",
     .roles = READERS,
     .handle = i8x_api_jobs_list,
     .sentence = "the newest jobs; ?limit="},
    {.method = "GET",
     .path = "/v1/jobs/{id}",
     .roles = READERS,
     .handle = i8x_api_jobs_get,
     .sentence = "one job; ?wait=SECONDS&version=N answers when its version is no longer N"},
    {.method = "DELETE",
     .path = "/v1/jobs/{id}",
     .roles = SUBMITTERS,
     .handle = i8x_api_jobs_delete,
     .sentence = "cancels a running job"},
    {.method = "POST",
     .path = "/v1/jobs/{id}/pause",
     .roles = SUBMITTERS,
     .handle = i8x_api_jobs_pause,
     .sentence = "hands out no new task of a running job; what runs is finished"},
    {.method = "POST",
     .path = "/v1/jobs/{id}/resume",
     .roles = SUBMITTERS,
     .handle = i8x_api_jobs_resume,
     .sentence = "lets a paused job go on"},
    {.method = "POST",
     .path = "/v1/jobs/{id}/retry",
     .roles = SUBMITTERS,
     .handle = i8x_api_jobs_retry,
     .sentence = "runs a failed or canceled job again; what was computed is not computed again"},
    {.method = "GET",
     .path = "/v1/jobs/{id}/events",
     .roles = READERS,
     .handle = i8x_api_events_job,
     .sentence = "what happens to a job, as it happens (text/event-stream) or a page of it (JSON)"},
    {.method = "GET",
     .path = "/v1/events",
     .roles = READERS,
     .handle = i8x_api_events_all,
     .sentence = "the same of all jobs"},
    {.method = "GET",
     .path = "/v1/jobs/{id}/artifact",
     .roles = READERS,
     .handle = i8x_api_jobs_artifact,
     .sentence = "the quantized model of a job that is done"},
    {.method = "GET",
     .path = "/v1/jobs/{id}/report",
     .roles = READERS,
     .handle = i8x_api_jobs_report,
     .sentence = "the report of a job that is done"},
    {.method = "GET",
     .path = "/v1/workers",
     .roles = READERS,
     .handle = i8x_api_workers,
     .sentence = "the workers that are connected"},
    {.method = "GET",
     .path = "/v1/version",
     .roles = EVERYBODY,
     .handle = i8x_api_version,
     .sentence = "versions of program, protocol and task kinds"},
    {.method = "GET",
     .path = "/healthz",
     .roles = EVERYBODY,
     .handle = i8x_api_health,
     .sentence = "200 while the loop turns"},
    {.method = "GET",
     .path = "/metrics",
     .roles = READERS,
     .handle = i8x_api_metrics,
     .sentence = "counters in Prometheus' text format"},
};

const i8x_http_route *i8x_routes(int *count)
{
    *count = (int)(sizeof routes / sizeof *routes);
    return routes;
}
