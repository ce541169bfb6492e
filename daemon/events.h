/* SPDX-License-Identifier: Apache-2.0
 *
 * Events: what happened to jobs, numbered by the ledger and kept there. An event is put into the
 * same group of writes as the change it tells of; when the commit is through it is published: the
 * job's version becomes the event's number and every client that follows gets it. A client that
 * comes with a number first gets what it missed, out of the ledger, without a gap and without one
 * twice.
 *
 *     i8x_ledger_group_begin(ledger);
 *     i8x_status status = i8x_ledger_put_result(ledger, &row, committed, commit);
 *     if (status == I8X_OK)
 *         status = i8x_events_put(events, job->id, I8X_EVENT_TASK_DONE, body, &sequence);
 *     I8X_TRY(i8x_ledger_group_end(ledger, status));
 *
 * All on the loop's thread.
 */
#ifndef I8X_DAEMON_EVENTS_H
#define I8X_DAEMON_EVENTS_H

#include "daemon/daemon.h"
#include "proto/buffer.h"

/* X(name, text, sentence) */
#define I8X_EVENT_LIST(X)                                                                          \
    X(JOB_CREATED, "job_created", "the job was taken: name, priority")                             \
    X(JOB_PAUSED, "job_paused", "no new task of it is handed out")                                 \
    X(JOB_RESUMED, "job_resumed", "it goes on")                                                    \
    X(JOB_RETRIED, "job_retried", "a failed or canceled job runs again")                           \
    X(JOB_DONE, "job_done", "the artifact is there: artifact_sha256, result_sha256")               \
    X(JOB_FAILED, "job_failed", "given up: error, a problem, with tail")                           \
    X(JOB_CANCELED, "job_canceled", "ended by request")                                            \
    X(JOB_SUSPECT, "job_suspect", "a worker that had a part in it gave wrong results: why")        \
    X(JOB_FORGOTTEN, "job_forgotten", "an ended job was forgotten by request: by")                 \
    X(SWEEP_FORGOTTEN, "sweep_forgotten", "with its trials' jobs: sweep, by; of no job")           \
    X(WORKER_DRAINED, "worker_drained", "it gets no new tasks: worker, reason, by; of no job")     \
    X(WORKER_QUARANTINED, "worker_quarantined", "nothing it says counts: worker, reason, by")      \
    X(WORKER_RESUMED, "worker_resumed", "neither any more: worker, reason, by")                    \
    X(TASK_DONE, "task_done", "a task's result is committed: task, kind, worker, done, tasks")     \
    X(TASK_FAILED, "task_failed", "an attempt failed: task, kind, worker, cause, status, detail")

typedef enum i8x_event_type {
#define X(name, text, sentence) I8X_EVENT_##name,
    I8X_EVENT_LIST(X)
#undef X
        I8X_EVENT_COUNT
} i8x_event_type;

typedef struct i8x_events i8x_events;

/** Errors: I8X_EIO, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_events_new(i8x_daemon *daemon, i8x_events **events);
void i8x_events_free(i8x_events *events);
/** Queues an event of a job; body is a JSON object. *sequence gets its number. Errors: those of the
 * ledger's puts. */
I8X_FALLIBLE i8x_status i8x_events_put(i8x_events *events, const char *job, i8x_event_type type,
                                       const char *body, int64_t *sequence);
/** Number of the last published event. */
int64_t i8x_events_last(const i8x_events *events);
/** Number of the oldest event that is kept; 0 if there is none. */
int64_t i8x_events_first(const i8x_events *events);
/** How many clients follow. */
int i8x_events_followers(const i8x_events *events);
/** Answers with a stream (text/event-stream) of the events above `after`, of one job or of all
 * (NULL). The stream of one job ends when the job has. Errors: I8X_EBUSY (too many follow),
 * I8X_ENOMEM; then nothing has been answered. */
I8X_FALLIBLE i8x_status i8x_events_follow(i8x_events *events, i8x_http_request *request,
                                          const char *job, int64_t after);
/** Keeps quiet streams alive; returns when it wants to be called next, or INT64_MAX. */
int64_t i8x_events_tick(i8x_events *events);
/** An event as one line of JSON: {"sequence", "job", "time", "type", "body"}. */
void i8x_events_print(i8x_buffer *text, const i8x_event_row *row);
/** "2026-01-31T12:00:00.000Z" of milliseconds since 1970. Returns text. */
#define I8X_TIME_TEXT_SIZE 32
char *i8x_time_text(int64_t ms, char text[I8X_TIME_TEXT_SIZE]);

#endif
