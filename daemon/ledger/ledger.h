/* SPDX-License-Identifier: Apache-2.0
 *
 * Ledger: what must survive: jobs, results of tasks (also the cache of all jobs), blobs. Writes are
 * queued and committed by a thread of the ledger's own, all that arrived meanwhile in one
 * transaction; done is called on the owner's thread (from i8x_ledger_drain) after the commit, and
 * only then may anyone be told. A commit that fails ends the process: it recovers from what is on
 * disk.
 *
 * Calls belong to one thread (the loop). wake comes on the writer's thread and must only poke the
 * loop.
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

/* X(name, text) */
#define I8X_JOB_STATE_LIST(X)                                                                      \
    X(OPEN, "running")                                                                             \
    X(DONE, "done")                                                                                \
    X(FAILED, "failed")                                                                            \
    X(CANCELED, "canceled")

typedef enum i8x_job_state {
#define X(name, text) I8X_JOB_##name,
    I8X_JOB_STATE_LIST(X)
#undef X
        I8X_JOB_STATE_COUNT
} i8x_job_state;

/* How a job stands, as it is kept. Plain value; texts are borrowed. */
typedef struct i8x_job_row {
    const char *id;
    int64_t sequence;   /* order of arrival */
    int64_t created_ms; /* since 1970, for humans */
    int64_t finished_ms;
    i8x_job_state state;
    i8x_status status; /* FAILED */
    const char *detail;
    const uint8_t *bytes; /* i8x_job_encode */
    size_t size;
    i8x_blob_ref artifact, report; /* DONE */
    const uint8_t *stages;         /* counts per stage, of an ended job */
    size_t stages_size;
} i8x_job_row;

typedef struct i8x_result_row {
    i8x_digest key;
    const char *kind;
    const char *job; /* that had it computed */
    const char *worker, *arch;
    const uint8_t *bytes; /* i8x_task_result_encode */
    size_t size;
} i8x_result_row;

typedef struct i8x_ledger i8x_ledger;
typedef void (*i8x_ledger_done_cb)(void *user);

/** Opens or makes the database and counts its starts. Errors: I8X_EIO, I8X_EVERSION (made by a
 * newer program), I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_ledger_open(const char *path, void (*wake)(void *user), void *user,
                                        i8x_ledger **ledger);
/** Commits what is queued, then closes; done callbacks are not called any more. NULL is allowed. */
void i8x_ledger_close(i8x_ledger *ledger);
/** How often this ledger has been opened, from 1: raises the epochs of leases. */
uint64_t i8x_ledger_start_count(const i8x_ledger *ledger);

/* Queue a write; values are copied; done may be NULL. Errors: I8X_EBUSY (queue full), I8X_ENOMEM.
 */
I8X_FALLIBLE i8x_status i8x_ledger_put_job(i8x_ledger *ledger, const i8x_job_row *row,
                                           i8x_ledger_done_cb done, void *user);
I8X_FALLIBLE i8x_status i8x_ledger_end_job(i8x_ledger *ledger, const i8x_job_row *row,
                                           i8x_ledger_done_cb done, void *user);
I8X_FALLIBLE i8x_status i8x_ledger_put_result(i8x_ledger *ledger, const i8x_result_row *row,
                                              i8x_ledger_done_cb done, void *user);
I8X_FALLIBLE i8x_status i8x_ledger_drop_result(i8x_ledger *ledger, const i8x_digest *key);
I8X_FALLIBLE i8x_status i8x_ledger_put_blob(i8x_ledger *ledger, const i8x_digest *digest,
                                            uint64_t size_bytes, i8x_ledger_done_cb done,
                                            void *user);
/** Calls done for every write committed since the last call. */
void i8x_ledger_drain(i8x_ledger *ledger);

/** All jobs in order of arrival; row is borrowed during the call. Stops at the first failure and
 * returns it. */
typedef i8x_status (*i8x_ledger_job_cb)(void *user, const i8x_job_row *row);
I8X_FALLIBLE i8x_status i8x_ledger_each_job(i8x_ledger *ledger, i8x_ledger_job_cb each, void *user);
/** A committed result; its texts and bytes are copied into the arena. Errors: I8X_ENOENT, I8X_EIO,
 * I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_ledger_get_result(i8x_ledger *ledger, const i8x_digest *key,
                                              i8x_arena *arena, i8x_result_row *row);
/** Figures for the metrics. */
typedef struct i8x_ledger_stats {
    uint64_t commits, writes, commit_ns, queued;
    uint64_t blobs, blob_bytes;
} i8x_ledger_stats;
i8x_ledger_stats i8x_ledger_stats_get(i8x_ledger *ledger);

const char *i8x_job_state_name(i8x_job_state state);

#endif
