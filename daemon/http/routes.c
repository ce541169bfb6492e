/* SPDX-License-Identifier: Apache-2.0
 *
 * Every route: method, path, handlers, what it does. docs/http-api.md follows this table; a new
 * route is a row here and a handler in the file of its resource.
 */
#include "daemon/http/api.h"

static const i8x_http_route routes[] = {
    {"PUT", "/v1/blobs/{sha256}", i8x_api_blobs_put, i8x_api_blobs_begin, i8x_api_blobs_body,
     i8x_api_blobs_close,
     "stores a blob under its SHA-256: 201 new, 200 was there, 422 other bytes"},
    {"GET", "/v1/blobs/{sha256}", i8x_api_blobs_get, NULL, NULL, NULL,
     "a blob, or a range of it with a Content-Digest; HEAD tells whether it is there"},
    {"POST", "/v1/jobs", i8x_api_jobs_post, NULL, NULL, NULL,
     "takes a job whose blobs are stored: 202 and its id"},
    {"GET", "/v1/jobs", i8x_api_jobs_list, NULL, NULL, NULL, "the newest jobs; ?limit="},
    {"GET", "/v1/jobs/{id}", i8x_api_jobs_get, NULL, NULL, NULL,
     "one job; ?wait=SECONDS&version=N answers when its version is no longer N"},
    {"DELETE", "/v1/jobs/{id}", i8x_api_jobs_delete, NULL, NULL, NULL, "cancels a running job"},
    {"GET", "/v1/jobs/{id}/artifact", i8x_api_jobs_artifact, NULL, NULL, NULL,
     "the quantized model of a job that is done"},
    {"GET", "/v1/jobs/{id}/report", i8x_api_jobs_report, NULL, NULL, NULL,
     "the report of a job that is done"},
    {"GET", "/v1/workers", i8x_api_workers, NULL, NULL, NULL, "the workers that are connected"},
    {"GET", "/v1/version", i8x_api_version, NULL, NULL, NULL,
     "versions of program, protocol and task kinds"},
    {"GET", "/healthz", i8x_api_health, NULL, NULL, NULL, "200 while the loop turns"},
    {"GET", "/metrics", i8x_api_metrics, NULL, NULL, NULL, "counters in Prometheus' text format"},
};

const i8x_http_route *i8x_routes(int *count)
{
    *count = (int)(sizeof routes / sizeof *routes);
    return routes;
}
