/* SPDX-License-Identifier: Apache-2.0
 *
 * Ledger: what must survive: jobs, results of tasks (also the cache of all jobs), failures, events,
 * blobs. Writes are queued and committed by a thread of the ledger's own, all that arrived
 * meanwhile in one transaction; done is called on the owner's thread (from i8x_ledger_drain) after
 * the commit, and only then may anyone be told. A commit that fails ends the process: it recovers
 * from what is on disk. Writes that belong together (a change and the event that tells of it) go
 * into one group, which is never split over two transactions.
 *
 * Reads that may take longer than a look at one row run on a reader's thread with a connection and
 * a snapshot of its own: i8x_ledger_read, and the view functions in it.
 *
 * Calls belong to one thread (the loop), but for the view functions, which belong to the thread
 * that the view is handed to. wake comes on other threads and must only poke the loop.
 *
 *     i8x_ledger_group_begin(ledger);
 *     i8x_status status = i8x_ledger_put_job(ledger, &row, created, job);
 *     if (status == I8X_OK)
 *         status = i8x_ledger_put_event(ledger, &event, published, job);
 *     I8X_TRY(i8x_ledger_group_end(ledger, status));
 */
#ifndef I8X_DAEMON_LEDGER_H
#define I8X_DAEMON_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "int8x/digest.h"
#include "int8x/status.h"
#include "int8x/task.h"
#include "proto/buffer.h"

#define I8X_JOB_ID_SIZE 24 /* "j" and 16 hex digits, closing zero byte */

/* X(name, text); their numbers are kept in the ledger: add at the end */
#define I8X_JOB_STATE_LIST(X)                                                                      \
    X(OPEN, "running")                                                                             \
    X(DONE, "done")                                                                                \
    X(FAILED, "failed")                                                                            \
    X(CANCELED, "canceled")                                                                        \
    X(PAUSED, "paused")

typedef enum i8x_job_state {
#define X(name, text) I8X_JOB_##name,
    I8X_JOB_STATE_LIST(X)
#undef X
        I8X_JOB_STATE_COUNT
} i8x_job_state;

/* Which task stands at a place of a job: its kind and its key (zeros if it never became ready). */
#define I8X_TASK_MARK_SIZE (1 + I8X_DIGEST_SIZE)

/* How a job stands, as it is kept. Plain value; texts are borrowed. */
typedef struct i8x_job_row {
    const char *id;
    int64_t sequence;   /* order of arrival */
    int64_t created_ms; /* since 1970, for humans */
    int64_t finished_ms;
    i8x_job_state state;
    i8x_status status; /* FAILED */
    const char *detail;
    const char *tail;     /* FAILED: last words of the process that failed, or "" */
    const char *name;     /* of the model's file */
    const char *owner;    /* who submitted it, or "" */
    const char *suspect;  /* why the result should not be trusted, or "" */
    const char *sweep;    /* that it is a trial of, or ""; read only */
    int priority;         /* 0..9, 9 first */
    int64_t version;      /* sequence of the event that told of its last change of state */
    const uint8_t *bytes; /* i8x_job_encode; NULL in a page of jobs */
    size_t size;
    i8x_blob_ref artifact, report; /* DONE */
    const uint8_t *stages;         /* counts per stage, of an ended job */
    size_t stages_size;
    const uint8_t *marks; /* of an ended job: a mark for each task; not read back with the row */
    size_t marks_size;
} i8x_job_row;

typedef struct i8x_result_row {
    i8x_digest key;
    const char *kind;
    const char *job; /* that had it computed */
    const char *worker, *arch;
    const uint8_t *bytes; /* i8x_task_result_encode */
    size_t size;
    bool audit; /* it is being checked by another worker, and that has not ended */
} i8x_result_row;

/* One failed attempt at a task. */
typedef struct i8x_failure_row {
    i8x_digest key;
    int64_t time_ms; /* since 1970 */
    const char *worker, *cause;
    i8x_status status;
    const char *detail, *tail;
} i8x_failure_row;

/* What happened, in order. */
typedef struct i8x_event_row {
    int64_t sequence; /* given by the ledger: 1, 2, ...; a number may be left out */
    const char *job;  /* "" = of no job */
    int64_t time_ms;  /* since 1970 */
    const char *type; /* "job_created" ... (daemon/events.h) */
    const char *body; /* a JSON object */
} i8x_event_row;

/* A request that was answered and will be answered so again (Idempotency-Key). */
typedef struct i8x_request_row {
    i8x_digest key;  /* of who asked and the key he gave */
    i8x_digest body; /* of the request's body */
    const char *job; /* or sweep */
    int64_t created_ms;
} i8x_request_row;

#define I8X_SWEEP_POINT_SIZE 32 /* bytes of a trial's figures (daemon/sweeps.c) */

/* How a sweep stands. States: OPEN, DONE, CANCELED. */
typedef struct i8x_sweep_record {
    const char *id; /* "s" and 16 hex digits */
    int64_t sequence, created_ms, finished_ms;
    i8x_job_state state;
    const char *name, *owner;
    const char *request; /* JSON: what was asked for */
    int ended;           /* trials whose jobs have; read only */
} i8x_sweep_record;

/* One trial that was begun, with what its job came to. */
typedef struct i8x_trial_record {
    int trial;
    const char *job;
    i8x_job_state state;
    const char *detail;            /* of a failed one */
    i8x_blob_ref artifact, report; /* of one that is done */
    const uint8_t *point;          /* I8X_SWEEP_POINT_SIZE bytes, or NULL */
} i8x_trial_record;

/* X(name, text) what was decided about a worker; their numbers are kept: add at the end */
#define I8X_STANDING_LIST(X)                                                                       \
    X(NONE, "none")                                                                                \
    X(DRAINED, "drained")                                                                          \
    X(QUARANTINED, "quarantined")

typedef enum i8x_standing_kind {
#define X(name, text) I8X_STANDING_##name,
    I8X_STANDING_LIST(X)
#undef X
        I8X_STANDING_COUNT
} i8x_standing_kind;

typedef struct i8x_standing_row {
    const char *worker;
    i8x_standing_kind kind;
    const char *reason, *by;
    int64_t since_ms; /* since 1970 */
} i8x_standing_row;

typedef struct i8x_ledger i8x_ledger;
typedef struct i8x_ledger_view i8x_ledger_view;
typedef void (*i8x_ledger_done_cb)(void *user);

/** Opens or makes the database, brings an older one up to date and counts its starts. Errors:
 * I8X_EIO, I8X_EVERSION (made by a newer program), I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_ledger_open(const char *path, void (*wake)(void *user), void *user,
                                        i8x_ledger **ledger);
/** Before the first write: commits no longer wait for the disk. A power loss may then take what was
 * acknowledged, or the file; the death of the process may not. For measuring. Errors: I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_ledger_relax(i8x_ledger *ledger);
/** Commits what is queued, then closes; done callbacks are not called any more. NULL is allowed. */
void i8x_ledger_close(i8x_ledger *ledger);
/** How often this ledger has been opened, from 1: raises the epochs of leases. */
uint64_t i8x_ledger_start_count(const i8x_ledger *ledger);

/* ---- writes ---- */

/** I8X_OK if so many writes find room in the queue now, else I8X_EBUSY. */
I8X_FALLIBLE i8x_status i8x_ledger_check_room(i8x_ledger *ledger, size_t writes);
/** Puts up to the end of the group go into one transaction, or none of them does. Groups do not
 * nest. */
void i8x_ledger_group_begin(i8x_ledger *ledger);
/** status: what the puts of the group gave; not I8X_OK drops the group and is returned. Errors:
 * I8X_EBUSY (queue full). */
I8X_FALLIBLE i8x_status i8x_ledger_group_end(i8x_ledger *ledger, i8x_status status);

/* Queue a write; values are copied; done may be NULL. Errors: I8X_EBUSY (queue full), I8X_ENOMEM.
 */
I8X_FALLIBLE i8x_status i8x_ledger_put_job(i8x_ledger *ledger, const i8x_job_row *row,
                                           i8x_ledger_done_cb done, void *user);
I8X_FALLIBLE i8x_status i8x_ledger_end_job(i8x_ledger *ledger, const i8x_job_row *row,
                                           i8x_ledger_done_cb done, void *user);
/** A job that runs (again) or is paused: id, state, version; what its end had left is cleared. */
I8X_FALLIBLE i8x_status i8x_ledger_set_job_state(i8x_ledger *ledger, const i8x_job_row *row,
                                                 i8x_ledger_done_cb done, void *user);
/** Forgets a job; of who had a part in it only that they had one in some job. Results of its tasks,
 * their failures, its events and the request that made it stay. Belongs into a group. */
I8X_FALLIBLE i8x_status i8x_ledger_drop_job(i8x_ledger *ledger, const char *id,
                                            i8x_ledger_done_cb done, void *user);
/** Forgets a sweep and its trials, not their jobs. Belongs into a group. */
I8X_FALLIBLE i8x_status i8x_ledger_drop_sweep(i8x_ledger *ledger, const char *id,
                                              i8x_ledger_done_cb done, void *user);
/** id, suspect, version. */
I8X_FALLIBLE i8x_status i8x_ledger_set_suspect(i8x_ledger *ledger, const i8x_job_row *row,
                                               i8x_ledger_done_cb done, void *user);
/** A worker had a part in the job. */
I8X_FALLIBLE i8x_status i8x_ledger_put_job_worker(i8x_ledger *ledger, const char *job,
                                                  const char *worker);
I8X_FALLIBLE i8x_status i8x_ledger_put_result(i8x_ledger *ledger, const i8x_result_row *row,
                                              i8x_ledger_done_cb done, void *user);
I8X_FALLIBLE i8x_status i8x_ledger_drop_result(i8x_ledger *ledger, const i8x_digest *key);
/** Whether the audit of a result has not ended. */
I8X_FALLIBLE i8x_status i8x_ledger_set_audit(i8x_ledger *ledger, const i8x_digest *key, bool audit);
/** Forgets every result of a worker. */
I8X_FALLIBLE i8x_status i8x_ledger_drop_worker(i8x_ledger *ledger, const char *worker,
                                               i8x_ledger_done_cb done, void *user);
I8X_FALLIBLE i8x_status i8x_ledger_put_failure(i8x_ledger *ledger, const i8x_failure_row *row,
                                               i8x_ledger_done_cb done, void *user);
/** Gives the event its sequence (written to *sequence, also if the group is dropped later). */
I8X_FALLIBLE i8x_status i8x_ledger_put_event(i8x_ledger *ledger, const i8x_event_row *row,
                                             int64_t *sequence, i8x_ledger_done_cb done,
                                             void *user);
/** The sequence that the next event will get. */
int64_t i8x_ledger_next_event(const i8x_ledger *ledger);
/** Forgets events up to a sequence. */
I8X_FALLIBLE i8x_status i8x_ledger_trim_events(i8x_ledger *ledger, int64_t sequence);
I8X_FALLIBLE i8x_status i8x_ledger_put_request(i8x_ledger *ledger, const i8x_request_row *row);
/** Kind NONE removes what there was. */
I8X_FALLIBLE i8x_status i8x_ledger_put_standing(i8x_ledger *ledger, const i8x_standing_row *row,
                                                i8x_ledger_done_cb done, void *user);
/** Forgets requests made before a time. */
I8X_FALLIBLE i8x_status i8x_ledger_trim_requests(i8x_ledger *ledger, int64_t before_ms);
I8X_FALLIBLE i8x_status i8x_ledger_put_sweep(i8x_ledger *ledger, const i8x_sweep_record *row,
                                             i8x_ledger_done_cb done, void *user);
/** id, state, finished_ms. */
I8X_FALLIBLE i8x_status i8x_ledger_end_sweep(i8x_ledger *ledger, const i8x_sweep_record *row,
                                             i8x_ledger_done_cb done, void *user);
/** A job is a sweep's trial; belongs into the group of the job itself. */
I8X_FALLIBLE i8x_status i8x_ledger_put_trial(i8x_ledger *ledger, const char *sweep, int trial,
                                             const char *job);
/** What a trial came to. */
I8X_FALLIBLE i8x_status i8x_ledger_put_point(i8x_ledger *ledger, const char *sweep, int trial,
                                             const uint8_t point[I8X_SWEEP_POINT_SIZE],
                                             i8x_ledger_done_cb done, void *user);
I8X_FALLIBLE i8x_status i8x_ledger_put_blob(i8x_ledger *ledger, const i8x_digest *digest,
                                            uint64_t size_bytes, i8x_ledger_done_cb done,
                                            void *user);
/** Calls done for every write committed and every read made since the last call, writes first. */
void i8x_ledger_drain(i8x_ledger *ledger);

/* ---- reads ---- */

/** Runs work on the reader's thread within one snapshot of the ledger, then done from
 * i8x_ledger_drain. Errors: I8X_EBUSY (I8X_LEDGER_READS_MAX wait already), I8X_ENOMEM. */
typedef void (*i8x_ledger_read_cb)(void *user, i8x_ledger_view *view);
I8X_FALLIBLE i8x_status i8x_ledger_read(i8x_ledger *ledger, i8x_ledger_read_cb work,
                                        i8x_ledger_done_cb done, void *user);
/** The owner's own view: for the start and for looks at one row. */
i8x_ledger_view *i8x_ledger_here(i8x_ledger *ledger);
/** Reads between these two come from one snapshot, which costs less than one for each. */
void i8x_ledger_hold(i8x_ledger_view *view);
void i8x_ledger_let(i8x_ledger_view *view);

/* Rows are borrowed during the call. A callback that fails stops the walk with its status. */
typedef i8x_status (*i8x_ledger_job_cb)(void *user, const i8x_job_row *row);
typedef i8x_status (*i8x_ledger_event_cb)(void *user, const i8x_event_row *row);
typedef i8x_status (*i8x_ledger_failure_cb)(void *user, const i8x_failure_row *row);
typedef i8x_status (*i8x_ledger_request_cb)(void *user, const i8x_request_row *row);
typedef i8x_status (*i8x_ledger_text_cb)(void *user, const char *text);
typedef i8x_status (*i8x_ledger_sweep_cb)(void *user, const i8x_sweep_record *row);
typedef i8x_status (*i8x_ledger_trial_cb)(void *user, const i8x_trial_record *row);

/** Jobs that have not ended, in order of arrival. Errors: I8X_EIO, the callback's. */
I8X_FALLIBLE i8x_status i8x_ledger_each_open_job(i8x_ledger_view *view, i8x_ledger_job_cb each,
                                                 void *user);
/** One job. Errors: I8X_ENOENT, I8X_EIO, the callback's. */
I8X_FALLIBLE i8x_status i8x_ledger_get_job(i8x_ledger_view *view, const char *id,
                                           i8x_ledger_job_cb each, void *user);
/* Which jobs of a page: newest first. */
typedef struct i8x_job_filter {
    int64_t before;   /* sequence; INT64_MAX = from the newest */
    int state;        /* i8x_job_state, or -1 = any */
    const char *name; /* NULL = any */
    int limit;
} i8x_job_filter;
I8X_FALLIBLE i8x_status i8x_ledger_page_jobs(i8x_ledger_view *view, const i8x_job_filter *filter,
                                             i8x_ledger_job_cb each, void *user);
/** Sweeps that have not ended, oldest first. */
I8X_FALLIBLE i8x_status i8x_ledger_each_open_sweep(i8x_ledger_view *view, i8x_ledger_sweep_cb each,
                                                   void *user);
/** One sweep. Errors: I8X_ENOENT, I8X_EIO, the callback's. */
I8X_FALLIBLE i8x_status i8x_ledger_get_sweep(i8x_ledger_view *view, const char *id,
                                             i8x_ledger_sweep_cb each, void *user);
/** Sweeps below a sequence, newest first. */
I8X_FALLIBLE i8x_status i8x_ledger_page_sweeps(i8x_ledger_view *view, int64_t before, int limit,
                                               i8x_ledger_sweep_cb each, void *user);
/** The trials of a sweep that were begun, in order. */
I8X_FALLIBLE i8x_status i8x_ledger_each_trial(i8x_ledger_view *view, const char *sweep,
                                              i8x_ledger_trial_cb each, void *user);
/** The highest sequence of a sweep; 0 without any. */
I8X_FALLIBLE i8x_status i8x_ledger_last_sweep(i8x_ledger_view *view, int64_t *sequence);
/** How many jobs there are in each state, and the highest sequence. */
typedef struct i8x_job_totals {
    int64_t counts[I8X_JOB_STATE_COUNT];
    int64_t last_sequence;
} i8x_job_totals;
I8X_FALLIBLE i8x_status i8x_ledger_count_jobs(i8x_ledger_view *view, i8x_job_totals *totals);
/** Marks of count tasks of an ended job from the first on, fewer at the end, into the arena; total
 * gets the number of all (0: a job of version 1 has none). Errors: I8X_ENOENT (no such job),
 * I8X_EIO, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_ledger_get_marks(i8x_ledger_view *view, const char *id, int first,
                                             int count, i8x_arena *arena, const uint8_t **marks,
                                             int *got, int *total);
typedef i8x_status (*i8x_ledger_standing_cb)(void *user, const i8x_standing_row *row);
I8X_FALLIBLE i8x_status i8x_ledger_each_standing(i8x_ledger_view *view, i8x_ledger_standing_cb each,
                                                 void *user);
/** True if the worker ever had a part in a job. Errors: I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_ledger_knows_worker(i8x_ledger_view *view, const char *worker,
                                                bool *known);
/** Finished jobs (done) in which a worker had a part. */
I8X_FALLIBLE i8x_status i8x_ledger_each_job_of_worker(i8x_ledger_view *view, const char *worker,
                                                      i8x_ledger_text_cb each, void *user);
/** Events above a sequence, at most limit, of one job or (NULL) of all. */
I8X_FALLIBLE i8x_status i8x_ledger_page_events(i8x_ledger_view *view, const char *job,
                                               int64_t after, int limit, i8x_ledger_event_cb each,
                                               void *user);
/** Lowest and highest sequence that is kept; 0 and 0 if there is none. */
I8X_FALLIBLE i8x_status i8x_ledger_event_span(i8x_ledger_view *view, int64_t *first, int64_t *last);
/** Attempts at a task that failed, in order. */
I8X_FALLIBLE i8x_status i8x_ledger_each_failure(i8x_ledger_view *view, const i8x_digest *key,
                                                i8x_ledger_failure_cb each, void *user);
I8X_FALLIBLE i8x_status i8x_ledger_each_request(i8x_ledger_view *view, i8x_ledger_request_cb each,
                                                void *user);
/** A committed result; its texts and bytes are copied into the arena. Errors: I8X_ENOENT, I8X_EIO,
 * I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_ledger_get_result(i8x_ledger_view *view, const i8x_digest *key,
                                              i8x_arena *arena, i8x_result_row *row);

/** Figures for the metrics. */
typedef struct i8x_ledger_stats {
    uint64_t commits, writes, commit_ns, queued;
    int64_t commit_for_ms; /* so long the commit in hand has lasted; 0 = there is none */
    uint64_t reads, read_ns;
    uint64_t blobs, blob_bytes;
} i8x_ledger_stats;
i8x_ledger_stats i8x_ledger_stats_get(i8x_ledger *ledger);

/** "drained" ...; "?" for a number that is none. */
const char *i8x_standing_name(i8x_standing_kind kind);
/** "running" ...; "?" for a number that is none. */
const char *i8x_job_state_name(i8x_job_state state);
/** State of that name, or I8X_JOB_STATE_COUNT. */
i8x_job_state i8x_job_state_from_name(const char *name);
/** True for done, failed and canceled. */
bool i8x_job_state_ended(i8x_job_state state);

#endif
