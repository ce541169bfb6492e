/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweeps: many recipes for one model. Every trial is an ordinary job on the shared task cache;
 * I8X_SWEEP_RUNNING_MAX of a sweep run at once, the next begins when one ends. A trial and its job
 * are one transaction of the ledger, so that a restart goes on where the sweep was and repeats no
 * trial. What a trial came to (i8x_sweep_point) is read from its report off the loop and kept.
 *
 *     running --all trials ended--> done;  --cancel--> canceled
 *
 * Open sweeps live in memory, the ledger has all. One thread, but for the read functions.
 */
#ifndef I8X_DAEMON_SWEEPS_H
#define I8X_DAEMON_SWEEPS_H

#include "daemon/study.h"
#include "proto/json.h"

#define I8X_SWEEP_ID_SIZE I8X_JOB_ID_SIZE /* "s" and 16 hex digits, closing zero byte */

/* What a client asks for. */
typedef struct i8x_sweep_request {
    i8x_job job; /* of each trial, but for the recipe */
    int priority;
    i8x_sweep sweep;
    int count;
    i8x_sweep_metric metric;
} i8x_sweep_request;

/**
 * {"job": {as for POST /v1/jobs, without a recipe}, "sweep": {space, search, base ...}, "metric":
 * "sqnr"}. Texts live in the arena. Any thread. Errors: I8X_EARG, I8X_ERANGE, I8X_ELIMIT, naming
 * the member.
 */
I8X_FALLIBLE i8x_status i8x_sweep_request_read(const i8x_json *json, i8x_arena *arena,
                                               i8x_sweep_request *request);

/** Trials of a request in its JSON. Any thread. Errors: those of read; I8X_EFORMAT, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_sweep_request_count(const char *text, int *count);

/** Loads the open sweeps and lets them go on. Errors: I8X_EIO, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_sweeps_new(i8x_daemon *daemon, i8x_sweeps **sweeps);
void i8x_sweeps_free(i8x_sweeps *sweeps);

typedef void (*i8x_sweeps_cb)(void *user, const char *id);
/** Takes a sweep whose blobs are there; created is called after the commit; id gets its id at once.
 * request: key and body to be kept with it, or NULL. Errors: those of read; I8X_EBUSY (too many are
 * open). */
I8X_FALLIBLE i8x_status i8x_sweeps_submit(i8x_sweeps *sweeps, const i8x_json *json,
                                          const char *owner, const i8x_request_row *request,
                                          i8x_sweeps_cb created, void *user,
                                          char id[I8X_SWEEP_ID_SIZE]);
/** True from submit until the first commit: the ledger does not know it yet. */
bool i8x_sweeps_is_new(const i8x_sweeps *sweeps, const char *id);
/** Ends an open sweep and the jobs of its trials; canceled is called after the commit. Errors:
 * I8X_EEXIST (it is not open). */
I8X_FALLIBLE i8x_status i8x_sweeps_cancel(i8x_sweeps *sweeps, const char *id,
                                          i8x_sweeps_cb canceled, void *user);
/** A job has ended (called by study.c). */
void i8x_sweeps_job_ended(i8x_sweeps *sweeps, const i8x_study_job *job);
/** Begins trials that found no room before; returns when it wants to be called next. */
int64_t i8x_sweeps_tick(i8x_sweeps *sweeps);
/** Open ones. */
int i8x_sweeps_count(const i8x_sweeps *sweeps);

/** One sweep with its trials as a document (members of json). Any thread. Errors: I8X_ENOENT,
 * I8X_EIO, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_sweeps_describe(i8x_ledger_view *view, const char *id, i8x_json *json);

#endif
