/* SPDX-License-Identifier: Apache-2.0
 *
 * Job view: a job as JSON shows it, out of memory or out of a row of the ledger.
 */
#ifndef I8X_DAEMON_JOB_VIEW_H
#define I8X_DAEMON_JOB_VIEW_H

#include "daemon/study.h"
#include "proto/json.h"

/* Borrowed texts. */
typedef struct i8x_job_view {
    const char *id, *name, *owner, *detail, *tail, *suspect, *sweep;
    int64_t sequence, created_ms, finished_ms, version;
    i8x_job_state state;
    i8x_status status;
    int priority;
    int audits; /* results that another worker is checking; the job is not done before */
    i8x_blob_ref artifact, report;
    i8x_study_stage stages[I8X_TASK_KIND_COUNT];
} i8x_job_view;

/** Borrows from the job. */
void i8x_job_view_of(const i8x_study_job *job, i8x_job_view *view);
/** Copies the row's texts into the arena. Errors: I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_job_view_copy(const i8x_job_row *row, i8x_arena *arena,
                                          i8x_job_view *view);
/** Members of the object json. */
void i8x_job_view_put(i8x_json *json, const i8x_job_view *view);

#endif
