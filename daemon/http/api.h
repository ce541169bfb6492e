/* SPDX-License-Identifier: Apache-2.0
 *
 * The handlers behind the route table (routes.c), a file per resource, and what they share.
 */
#ifndef I8X_DAEMON_API_H
#define I8X_DAEMON_API_H

#include "daemon/daemon.h"
#include "daemon/study.h"
#include "proto/json.h"

/* api.c: shared */

/** The daemon behind a request. */
i8x_daemon *i8x_api_daemon(const i8x_http_request *request);
/** Prints and frees the document, and answers with it. */
void i8x_api_reply_json(i8x_http_request *request, int http_status, i8x_json *json);
/** Answers with a document that i8x_json_print made; a line feed goes behind it, in the place of
 * the text's zero byte for the time of the call. */
void i8x_api_reply_printed(i8x_http_request *request, int http_status, char *text, size_t size);
/** ?limit= of a page, 1 to max, 100 if it is not given; false and answered if it is none. */
bool i8x_api_query_limit(i8x_http_request *request, uint64_t max, uint64_t *limit);
/** A whole number of the query; false and answered if it is none, or over max. */
bool i8x_api_query_number(i8x_http_request *request, const char *name, uint64_t max,
                          uint64_t otherwise, uint64_t *value);
/** ?cursor= of a list that is ordered by a number; false and answered if it is none. */
bool i8x_api_query_cursor(i8x_http_request *request, char list, int64_t otherwise, int64_t *value);
/** Calls then with the job that the path names, at once or when the ledger has been read; answers
 * 404 if there is none. */
void i8x_api_with_job(i8x_http_request *request,
                      void (*then)(i8x_http_request *request, i8x_study_job *job));
/** Runs work on the ledger's reader and then done on the loop, with state as their user; if that is
 * not possible now, answers and calls drop. */
void i8x_api_read(i8x_http_request *request, i8x_ledger_read_cb work, i8x_ledger_done_cb done,
                  void (*drop)(void *state), void *state);

/** A removal (removals.h) is through or is not: 204 or the problem; user is the request. */
void i8x_api_removed(void *user, i8x_status status);

/** Adds a header whose value is a number. */
void i8x_api_add_number(i8x_http_request *request, const char *name, uint64_t value);

/* api_uploads.c */
i8x_status i8x_api_uploads_begin(i8x_http_request *request);
i8x_status i8x_api_uploads_body(i8x_http_request *request, const void *bytes, size_t size);
void i8x_api_uploads_close(i8x_http_request *request);
void i8x_api_uploads_put(i8x_http_request *request);

/* api_blobs.c */
void i8x_api_blobs_get(i8x_http_request *request);
/** Answers with a blob or the range that was asked for; file_name (may be NULL) goes into
 * Content-Disposition. */
void i8x_api_blobs_send(i8x_http_request *request, const i8x_digest *digest, const char *type,
                        const char *file_name);

/* api_jobs.c */
void i8x_api_jobs_list(i8x_http_request *request);
void i8x_api_jobs_get(i8x_http_request *request);
void i8x_api_jobs_delete(i8x_http_request *request);
void i8x_api_jobs_pause(i8x_http_request *request);
void i8x_api_jobs_resume(i8x_http_request *request);
void i8x_api_jobs_retry(i8x_http_request *request);
void i8x_api_jobs_forget(i8x_http_request *request);

/* api_sweeps.c */
void i8x_api_sweeps_post(i8x_http_request *request);
void i8x_api_sweeps_list(i8x_http_request *request);
void i8x_api_sweeps_get(i8x_http_request *request);
void i8x_api_sweeps_best(i8x_http_request *request);
void i8x_api_sweeps_delete(i8x_http_request *request);
void i8x_api_sweeps_forget(i8x_http_request *request);

/* api_once.c: Idempotency-Key */
typedef struct i8x_api_once {
    bool has_key;
    i8x_request_row row;      /* key and body */
    char id[I8X_JOB_ID_SIZE]; /* what the same request made before; "" = it is new */
} i8x_api_once;
/** Reads the key; kind: first letter of the ids that such requests make. False and answered if it
 * is none, or came with another request. */
bool i8x_api_once_read(i8x_http_request *request, char kind, i8x_api_once *once);
/** Errors: I8X_EBUSY (too many keys are kept). */
I8X_FALLIBLE i8x_status i8x_api_once_check_room(i8x_http_request *request,
                                                const i8x_api_once *once);
/** The request made this; its row goes into the ledger with it. There must be room. */
void i8x_api_once_keep(i8x_http_request *request, i8x_api_once *once, const char *id);
/** Answers for a request whose job or sweep was forgotten: 410. */
void i8x_api_once_forgotten(i8x_http_request *request);

/* api_submit.c */
/** The blobs of a job are stored; fills in their sizes. Errors: I8X_EARG, I8X_ENOENT, I8X_EFORMAT
 * (empty). */
I8X_FALLIBLE i8x_status i8x_api_check_blobs(const i8x_store *store, i8x_job *job);
void i8x_api_jobs_post(i8x_http_request *request);

/* api_results.c */
void i8x_api_jobs_artifact(i8x_http_request *request);
void i8x_api_jobs_report(i8x_http_request *request);

/* api_explain.c */
void i8x_api_jobs_explain(i8x_http_request *request);
/** "warnings": why no worker that is connected can do such a job. */
void i8x_api_put_warnings(const i8x_daemon *daemon, const i8x_job *job, i8x_json *json);

/* api_tasks.c */

/* X(name, text) states of a task as they are shown */
#define I8X_API_TASK_STATE_LIST(X)                                                                 \
    X(BLOCKED, "blocked")                                                                          \
    X(READY, "ready")                                                                              \
    X(HELD, "held")                                                                                \
    X(LEASED, "leased")                                                                            \
    X(WAITING, "waiting")                                                                          \
    X(COMMITTING, "committing")                                                                    \
    X(DONE, "done")                                                                                \
    X(DEAD, "dead")                                                                                \
    X(DROPPED, "dropped")

void i8x_api_jobs_tasks(i8x_http_request *request);

/* api_events.c */
void i8x_api_events_job(i8x_http_request *request);
void i8x_api_events_all(i8x_http_request *request);

/* api_trust.c */
void i8x_api_tokens_post(i8x_http_request *request);
void i8x_api_tokens_list(i8x_http_request *request);
void i8x_api_tokens_delete(i8x_http_request *request);
void i8x_api_joins_post(i8x_http_request *request);
void i8x_api_join(i8x_http_request *request);
void i8x_api_join_renew(i8x_http_request *request);
void i8x_api_ca(i8x_http_request *request);
void i8x_api_workers_revoke(i8x_http_request *request);

/* api_workers.c */
#define I8X_API_WORKER_AWAY "away" /* state of one that is not connected */
void i8x_api_workers(i8x_http_request *request);
void i8x_api_workers_get(i8x_http_request *request);
void i8x_api_workers_drain(i8x_http_request *request);
void i8x_api_workers_quarantine(i8x_http_request *request);
void i8x_api_workers_resume(i8x_http_request *request);

/* api_system.c */
void i8x_api_health(i8x_http_request *request);
void i8x_api_ready(i8x_http_request *request);
void i8x_api_metrics(i8x_http_request *request);
void i8x_api_version(i8x_http_request *request);
void i8x_api_openapi(i8x_http_request *request);
void i8x_api_schema_recipe(i8x_http_request *request);
void i8x_api_schema_job(i8x_http_request *request);

#endif
