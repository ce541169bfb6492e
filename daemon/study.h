/* SPDX-License-Identifier: Apache-2.0
 *
 * Study: jobs and their plans. A job comes in, its ready tasks go to the scheduler, committed
 * results come back and make more tasks ready, until the report is there. Tasks of equal key are
 * one task, however many jobs wait for it; a result that the ledger has is taken from there. After
 * a restart the open jobs' plans are made again and fed with the ledger's results: the same code as
 * the cache.
 */
#ifndef I8X_DAEMON_STUDY_H
#define I8X_DAEMON_STUDY_H

#include "daemon/daemon.h"
#include "int8x/report.h"
#include "int8x/task.h"

typedef struct i8x_study_stage {
    uint32_t tasks, done, cached;
} i8x_study_stage;

/* A job as others see it. Only study.c changes it. */
typedef struct i8x_study_job {
    struct i8x_study_job *next, *previous; /* order of arrival */
    char id[I8X_JOB_ID_SIZE];
    int64_t sequence, created_ms, finished_ms;
    i8x_job_state state;
    bool published; /* the ledger has it: it may be shown */
    bool ending;    /* its end is on the way to the ledger */
    i8x_status status;
    char detail[I8X_WIRE_DETAIL_MAX + 1];
    i8x_job job;
    i8x_blob_ref artifact, report;
    i8x_study_stage stages[I8X_TASK_KIND_COUNT];
    uint64_t version; /* grows with every visible change, never 0 */
    i8x_plan *plan;   /* of an open job */
    uint8_t *handed;  /* [handed_count] task index is with the scheduler, or done */
    int handed_count;
    struct i8x_daemon *daemon;
    i8x_http_request *creator; /* the POST that waits for the commit */
} i8x_study_job;

/** Loads all jobs and hands out the tasks of the open ones. Errors: I8X_EIO, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_study_new(i8x_daemon *daemon, i8x_study **study);
void i8x_study_free(i8x_study *study);

/** Takes a job whose blobs are there; answers creator after the commit. Errors: I8X_EARG (recipe
 * ...), I8X_EBUSY. */
I8X_FALLIBLE i8x_status i8x_study_submit(i8x_study *study, const i8x_job *job,
                                         i8x_http_request *creator);
/** A published job, or NULL. */
i8x_study_job *i8x_study_find(i8x_study *study, const char *id);
/** The newest or next older published job; NULL at the end. */
i8x_study_job *i8x_study_before(i8x_study *study, i8x_study_job *job);
/** Ends an open job as canceled. Errors: I8X_EEXIST (it has ended). */
I8X_FALLIBLE i8x_status i8x_study_cancel(i8x_study *study, i8x_study_job *job);
/** Jobs in a state. */
int i8x_study_count(const i8x_study *study, i8x_job_state state);

/** Encoded bytes of an open task, and for the log: a job that waits for it, its index there. False
 * if it is not open. */
bool i8x_study_task(i8x_study *study, const i8x_digest *key, const uint8_t **bytes, size_t *size,
                    const i8x_task **task, const i8x_study_job **job, int *index);
/** The ledger has the result. */
void i8x_study_committed(i8x_study *study, const i8x_digest *key, const i8x_task_result *result,
                         const char *worker);
/** Given up: all jobs that wait for it fail. */
void i8x_study_dead(i8x_study *study, const i8x_digest *key, i8x_status status, const char *detail);

/** Answers request when the job's version is above seen or deadline_ms has come. */
void i8x_study_wait(i8x_study *study, i8x_study_job *job, uint64_t seen, int64_t deadline_ms,
                    i8x_http_request *request,
                    void (*answer)(i8x_http_request *request, i8x_study_job *job));
/** Looks at the deadlines; returns the next one or INT64_MAX. */
int64_t i8x_study_tick(i8x_study *study);
/** What the job cost, from the results in the ledger; names live in the arena. Errors: I8X_ENOMEM,
 * I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_study_measure(i8x_study *study, const i8x_study_job *job,
                                          i8x_arena *arena, i8x_measured *measured);

#endif
