/* SPDX-License-Identifier: Apache-2.0
 *
 * The handlers behind the route table (routes.c), a file per resource.
 */
#ifndef I8X_DAEMON_API_H
#define I8X_DAEMON_API_H

#include "daemon/daemon.h"
#include "daemon/study.h"
#include "proto/json.h"

/* api_blobs.c */
i8x_status i8x_api_blobs_begin(i8x_http_request *request);
i8x_status i8x_api_blobs_body(i8x_http_request *request, const void *bytes, size_t size);
void i8x_api_blobs_close(i8x_http_request *request);
void i8x_api_blobs_put(i8x_http_request *request);
void i8x_api_blobs_get(i8x_http_request *request);
/** Answers with a blob or the range that was asked for; file_name (may be NULL) goes into
 * Content-Disposition. */
void i8x_api_blobs_send(i8x_http_request *request, const i8x_digest *digest, const char *type,
                        const char *file_name);

/* api_jobs.c */
void i8x_api_jobs_post(i8x_http_request *request);
void i8x_api_jobs_list(i8x_http_request *request);
void i8x_api_jobs_get(i8x_http_request *request);
void i8x_api_jobs_delete(i8x_http_request *request);
void i8x_api_jobs_artifact(i8x_http_request *request);
void i8x_api_jobs_report(i8x_http_request *request);

/* api_system.c */
void i8x_api_workers(i8x_http_request *request);
void i8x_api_health(i8x_http_request *request);
void i8x_api_metrics(i8x_http_request *request);
void i8x_api_version(i8x_http_request *request);
/** Prints and frees the document, and answers with it. */
void i8x_api_reply_json(i8x_http_request *request, int http_status, i8x_json *json);

#endif
