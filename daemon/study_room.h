/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the study share: study.c (the lives of jobs), study_tasks.c (the tasks they
 * wait for) and removals.c (jobs that are forgotten). Nobody else includes this.
 */
#ifndef I8X_DAEMON_STUDY_ROOM_H
#define I8X_DAEMON_STUDY_ROOM_H

#include "daemon/events.h"
#include "daemon/jobbook.h"
#include "daemon/study.h"

struct i8x_study {
    i8x_daemon *daemon;
    i8x_jobbook book;
    i8x_keymap tasks;   /* key -> i8x_open_task */
    i8x_arena *scratch; /* of the function in hand, which rewinds it */
    struct i8x_study_waiter *waiters;
    int64_t due_ms;               /* no waiter's deadline is before */
    int hungry_count;             /* open jobs with tasks that were not looked at yet */
    struct i8x_removal *removals; /* that are on the way to the ledger */
    uint64_t removed;             /* that are through */
};

/* A reference of a job to a task that is with the scheduler. */
typedef struct i8x_study_ref {
    i8x_study_job *job;
    int index;
    bool told; /* its event is on the way to the ledger, or there */
} i8x_study_ref;

/* A task that is with the scheduler, and who waits for it. */
typedef struct i8x_open_task {
    i8x_digest key;
    i8x_task_kind kind;
    uint8_t *bytes;
    size_t size;
    i8x_study_ref *refs;
    int ref_count, ref_capacity;
    bool audit;     /* another worker checks the result */
    bool completed; /* in all its jobs; only the audit keeps it */
} i8x_open_task;

/* How a job will fail unless it begins again. */
typedef struct i8x_study_failing {
    i8x_status status;
    char detail[I8X_WIRE_DETAIL_MAX + 1];
    char tail[I8X_WIRE_TAIL_MAX + 1];
} i8x_study_failing;

/* study.c */

/** Ends an open job: queued here, visible after the commit. */
void i8x_study_end_job(i8x_study *study, i8x_study_job *job, i8x_job_state state, i8x_status status,
                       const char *detail, const char *tail);

/** Takes a job out of the book and the count of its state, and frees it. */
void i8x_study_free_job(i8x_study *study, i8x_study_job *job);

/* study_tasks.c */

/** Looks at ready tasks: results that are known are taken, others handed out (or kept back while
 * the job is paused). all = false: for a while only; a tick goes on. May end the job. */
void i8x_study_feed(i8x_study *study, i8x_study_job *job, bool all);
/** The job waits for none of its tasks any more; tasks that nobody waits for leave the scheduler.
 * keep: those that have not begun are kept back for later, those that have stay. */
void i8x_study_let_go(i8x_study *study, i8x_study_job *job, bool keep);
/** Marks a job as suspect, open or ended. */
void i8x_study_mark(i8x_study *study, const char *id, const char *reason);
/** Forgets that a task died. */
void i8x_study_forgive(i8x_study_job *job);
/** Frees the plan and what hangs on it. */
void i8x_study_free_plan(i8x_study_job *job);
/** A worker had a part in the job; true if that is new. */
bool i8x_study_add_worker(i8x_study_job *job, const char *worker);
bool i8x_study_has_worker(const i8x_study_job *job, const char *worker);
void i8x_study_free_tasks(i8x_study *study);

#endif
