/* SPDX-License-Identifier: Apache-2.0
 *
 * Study: jobs and their plans. A job comes in, its ready tasks go to the scheduler, committed
 * results come back and make more tasks ready, until the report is there. Tasks of equal key are
 * one task, however many jobs wait for it; a result that the ledger has is taken from there. After
 * a restart the open jobs' plans are made again and fed with the ledger's results: the same code as
 * the cache.
 *
 * Open (running, paused) jobs live in memory, of the ended ones the most recently used; the ledger
 * has all. A job's visible state changes only in callbacks of the ledger; every visible change is
 * an event, and the event's number is the job's version.
 *
 *     running --pause--> paused --resume--> running
 *     running, paused --all done--> done; --a task dead--> failed; --cancel--> canceled
 *     failed, canceled --retry--> running
 */
#ifndef I8X_DAEMON_STUDY_H
#define I8X_DAEMON_STUDY_H

#include "daemon/daemon.h"
#include "int8x/task.h"

#define I8X_SUSPECT_SIZE 256
#define I8X_STUDY_GIVEN_UP "given_up" /* cause of the last failure of a dead task */

typedef struct i8x_study_stage {
    uint32_t tasks, done, cached;
} i8x_study_stage;

struct i8x_study_waiting;
struct i8x_study_failing;
struct i8x_open_task;

/* A job as others see it. Only study.c and jobbook.c change it. */
typedef struct i8x_study_job {
    struct i8x_study_job *next, *previous; /* of the open ones or of the recent ones */
    char id[I8X_JOB_ID_SIZE];
    int64_t sequence, created_ms, finished_ms;
    i8x_job_state state;
    bool published; /* the ledger has it: it may be shown */
    bool ending;    /* its end is on the way to the ledger */
    bool changing;  /* another state, or that it is forgotten, is on the way to the ledger */
    bool holding;   /* paused: ready tasks are kept back */
    bool hungry;    /* has tasks that were not looked at yet */
    i8x_status status;
    char detail[I8X_WIRE_DETAIL_MAX + 1];
    char tail[I8X_WIRE_TAIL_MAX + 1];
    char suspect[I8X_SUSPECT_SIZE];
    char owner[I8X_HTTP_PRINCIPAL_SIZE];
    char sweep[I8X_JOB_ID_SIZE]; /* that it is a trial of, or "" */
    int priority;                /* 0..9 */
    i8x_job job;
    i8x_blob_ref artifact, report;
    i8x_study_stage stages[I8X_TASK_KIND_COUNT];
    int64_t version; /* number of the last event */
    int64_t awaited; /* number of the event that will tell of the change that was asked for last */
    i8x_plan *plan;  /* of an open job */
    struct i8x_open_task **handed; /* [handed_count] by task index: where it waits, or NULL */
    int handed_count;
    uint8_t *marks; /* [handed_count] kind and key of each task (daemon/ledger/ledger.h) */
    int *held;      /* ready tasks that were kept back */
    int held_count, held_capacity;
    int in_flight; /* task events that are on the way to the ledger */
    int audits;    /* tasks whose results are being checked elsewhere: it is not done before */
    bool hurried;  /* nothing else is left, and the scheduler knows */
    bool doubted;  /* a result it used is wrong: it begins again, and does not end before */
    struct i8x_study_failing *failing; /* a task died; audits may show that its input was wrong */
    char **workers;                    /* ids of those that had a part in it */
    int worker_count;
    int waiting; /* clients that wait for news */
    /* as it was last shown, and what of it may have changed since; api_jobs.c */
    char *shown;
    size_t shown_size;
    i8x_study_stage shown_sum;
    int64_t shown_version;
    struct i8x_study_waiting *creators;
    struct i8x_daemon *daemon;
} i8x_study_job;

/** Loads the open jobs; their tasks are handed out by the ticks that follow. Errors: I8X_EIO,
 * I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_study_new(i8x_daemon *daemon, i8x_study **study);
void i8x_study_free(i8x_study *study);

typedef void (*i8x_study_job_cb)(void *user, i8x_study_job *job);

typedef struct i8x_submission {
    const i8x_job *job;
    int priority;
    const char *owner;
    const i8x_request_row *request; /* key and body; NULL = not to be kept */
    const char *sweep;              /* that the job is a trial of; NULL = none */
    int trial;
} i8x_submission;
/** Takes a job whose blobs are there; created is called after the commit; id gets its id at once.
 * Errors: I8X_EARG (recipe
 * ...), I8X_EBUSY. */
I8X_FALLIBLE i8x_status i8x_study_submit(i8x_study *study, const i8x_submission *submission,
                                         i8x_study_job_cb created, void *user,
                                         char id[I8X_JOB_ID_SIZE]);
/** Calls created when the job's first commit is through, at once if it is. */
void i8x_study_when_created(i8x_study_job *job, i8x_study_job_cb created, void *user);

/** A published job that is in memory (open, or used recently), or NULL. */
i8x_study_job *i8x_study_find(i8x_study *study, const char *id);
/** The same for a job that is not published yet. */
i8x_study_job *i8x_study_find_any(i8x_study *study, const char *id);
/** Any published job: found is called at once or when the ledger has been read, with NULL if there
 * is none (or if it cannot be read; i8x_last_error tells). Errors: I8X_EBUSY, I8X_ENOMEM; then it
 * is not called. */
I8X_FALLIBLE i8x_status i8x_study_get(i8x_study *study, const char *id, i8x_study_job_cb found,
                                      void *user);
/** True for a job that is running or paused. */
bool i8x_study_is_open(i8x_study *study, const char *id);
/** The open jobs, oldest first; follow next. */
i8x_study_job *i8x_study_first_open(i8x_study *study);
/** Jobs in a state, in the whole ledger. */
int64_t i8x_study_count(const i8x_study *study, i8x_job_state state);

/* Changes of state: queued here, visible after the commit (i8x_study_wait). Errors: I8X_EEXIST (not
 * in this state), I8X_EBUSY (another change is on its way), and for retry those of a new job. */
I8X_FALLIBLE i8x_status i8x_study_cancel(i8x_study *study, i8x_study_job *job);
I8X_FALLIBLE i8x_status i8x_study_pause(i8x_study *study, i8x_study_job *job);
I8X_FALLIBLE i8x_status i8x_study_resume(i8x_study *study, i8x_study_job *job);
I8X_FALLIBLE i8x_status i8x_study_retry(i8x_study *study, i8x_study_job *job);

/* What is forgotten is a matter of removals.h. */

/** The results of a worker are not believed any more: they leave the cache, open jobs compute them
 * again, finished jobs in which it had a part are marked as suspect with the reason. */
void i8x_study_distrust(i8x_study *study, const char *worker, const char *reason);

/** Encoded bytes of an open task, and for the log: a job that waits for it, its index there. False
 * if it is not open. */
bool i8x_study_task(i8x_study *study, const i8x_digest *key, const uint8_t **bytes, size_t *size,
                    const i8x_task **task, const i8x_study_job **job, int *index);
/** Puts a result and the events that tell of it into the ledger. Errors: those of the ledger. */
I8X_FALLIBLE i8x_status i8x_study_put_result(i8x_study *study, const i8x_result_row *row,
                                             uint64_t wall_ns, i8x_ledger_done_cb done, void *user);
/** The result of a task is checked by another worker from now on: its jobs are not done before
 * i8x_study_audited. Called before i8x_study_committed, which completes the task in its jobs. */
void i8x_study_audit(i8x_study *study, const i8x_digest *key);
/** The check has ended. Not trusted: i8x_study_distrust follows. suspect: why the jobs should be
 * marked, or NULL. */
void i8x_study_audited(i8x_study *study, const i8x_digest *key, bool trusted, const char *suspect);
/** True if an open task has its result already, taken from the ledger when its job began again:
 * then the commit, which is heard of later, is no news. */
bool i8x_study_completed(const i8x_study *study, const i8x_digest *key);
/** The ledger has the result. */
void i8x_study_committed(i8x_study *study, const i8x_digest *key, const i8x_task_result *result,
                         const char *worker);
/** An attempt at an open task failed: goes into the ledger. */
void i8x_study_failed(i8x_study *study, const i8x_failure_row *failure);
/** Given up: all jobs that wait for it fail. tail: last words of the process, or "". */
void i8x_study_dead(i8x_study *study, const i8x_digest *key, i8x_status status, const char *detail,
                    const char *tail);
/** An event of the job is committed (called by events.c). */
void i8x_study_told(i8x_study *study, const char *id, int64_t sequence);

/** Answers request when the job's version is above seen or deadline_ms has come. */
void i8x_study_wait(i8x_study *study, i8x_study_job *job, int64_t seen, int64_t deadline_ms,
                    i8x_http_request *request,
                    void (*answer)(i8x_http_request *request, i8x_study_job *job));
/** Hands out tasks that wait for their turn and looks at the deadlines; returns when it wants to be
 * called next, or INT64_MAX. */
int64_t i8x_study_tick(i8x_study *study);

#endif
