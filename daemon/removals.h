/* SPDX-License-Identifier: Apache-2.0
 *
 * Removals: ended jobs that are to be forgotten, and ended sweeps with the jobs of their trials.
 * One transaction takes the rows out of the ledger and puts the events that tell of it in; after it
 * the job is found nowhere. Results of tasks stay, for they are the cache of all jobs; blobs stay;
 * so do the events (they are what has happened) and the Idempotency-Key of the request, so that it
 * never makes a second job. All on the loop's thread.
 *
 *     i8x_status status = i8x_removals_job(study, job, "alice", forgotten, request);
 */
#ifndef I8X_DAEMON_REMOVALS_H
#define I8X_DAEMON_REMOVALS_H

#include "daemon/study.h"

/** Called once; with another status than I8X_OK nothing was forgotten, and i8x_last_error says why.
 */
typedef void (*i8x_removals_cb)(void *user, i8x_status status);

/** Forgets an ended job; by: who asks. done is called after the commit. Errors: I8X_EEXIST (it has
 * not ended, or is a trial of a sweep), I8X_EBUSY (another change of it is on its way), I8X_ENOMEM;
 * then done is not called. */
I8X_FALLIBLE i8x_status i8x_removals_job(i8x_study *study, i8x_study_job *job, const char *by,
                                         i8x_removals_cb done, void *user);
/** Forgets an ended sweep and the jobs of its trials. done also gets I8X_ENOENT, I8X_EEXIST (it, or
 * one of the jobs, has not ended), I8X_EBUSY. Errors: I8X_EBUSY, I8X_ENOMEM; then done is not
 * called. */
I8X_FALLIBLE i8x_status i8x_removals_sweep(i8x_study *study, const char *id, const char *by,
                                           i8x_removals_cb done, void *user);
/** True for a job whose removal is on the way to the ledger. */
bool i8x_removals_has(const i8x_study *study, const char *job);

#endif
