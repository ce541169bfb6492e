/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobbook: the jobs in memory. Open ones stand in a list by arrival until they end; ended ones in a
 * list by last use that is cut at I8X_JOBS_RECENT_MAX. It also counts the jobs of the whole ledger
 * by state. One thread.
 */
#ifndef I8X_DAEMON_JOBBOOK_H
#define I8X_DAEMON_JOBBOOK_H

#include "daemon/keymap.h"
#include "daemon/study.h"

typedef struct i8x_jobbook_list {
    i8x_study_job *first, *last;
    int count;
} i8x_jobbook_list;

typedef struct i8x_jobbook {
    i8x_jobbook_list open, recent; /* recent: the last one was used longest ago */
    i8x_keymap by_id;
    int64_t counts[I8X_JOB_STATE_COUNT];
    int64_t last_sequence;
} i8x_jobbook;

/** A fresh random id. Errors: those of i8x_digest_random. */
I8X_FALLIBLE i8x_status i8x_jobbook_make_id(char id[I8X_JOB_ID_SIZE]);
/** True if the text has the form of an id. */
bool i8x_jobbook_is_id(const char *id);

/** A job from the heap, of no list. NULL without memory. */
i8x_study_job *i8x_jobbook_new_job(i8x_daemon *daemon, const char *id);
/** A job as the ledger has it. Any thread. Errors: I8X_EFORMAT (its record), I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_jobbook_load_job(i8x_daemon *daemon, const i8x_job_row *row,
                                             i8x_study_job **job);
/** Frees a job of no list; its plan and tasks are gone already. */
void i8x_jobbook_free_job(i8x_study_job *job);

/** Puts a job into the list of its state. Jobs that were used longest ago leave. */
void i8x_jobbook_add(i8x_jobbook *book, i8x_study_job *job);
/** Takes it out of its list. */
void i8x_jobbook_remove(i8x_jobbook *book, i8x_study_job *job);
/** Gives a job another state, and so perhaps another list. */
void i8x_jobbook_set_state(i8x_jobbook *book, i8x_study_job *job, i8x_job_state state);
/** A job in memory, or NULL; an ended one counts as used. */
i8x_study_job *i8x_jobbook_find(i8x_jobbook *book, const char *id);
/** Frees all jobs. */
void i8x_jobbook_deinit(i8x_jobbook *book);

#endif
