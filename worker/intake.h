/* SPDX-License-Identifier: Apache-2.0
 *
 * Intake: the leases of this worker, from the grant to the last word about it, and how many more it
 * may ask for. Lanes take leases out and finish them; the asker waits here until the worker is
 * hungry. Thread-safe.
 *
 * Hungry: fewer leases than slots. A worker that has enough to run asks for more only on the back
 * of a RESULT, so that a task costs one request.
 *
 *     lease = i8x_intake_take(intake);                     // a lane
 *     ... work, i8x_intake_started, i8x_intake_progress ...
 *     want = i8x_intake_report(intake, &lease, 1, &epoch); // what to ask for
 *     ... RESULT with want, answered with grants ...
 *     i8x_intake_finish(intake, lease);                    // no lease any more
 *     i8x_intake_put(intake, want, grants, grant_count);
 *
 * New leases wake one lane, not one each: it wakes the next (i8x_intake_pass) when it is about to
 * be busy for a while, so that short tasks are done by few threads.
 */
#ifndef I8X_WORKER_INTAKE_H
#define I8X_WORKER_INTAKE_H

#include <stdbool.h>

#include "int8x/alloc.h"
#include "proto/wire.h"

typedef struct i8x_intake i8x_intake;

/* A grant in hand. Only what stands here is read by its lane; the rest is the intake's. */
typedef struct i8x_lease {
    i8x_digest key;
    const uint8_t *task; /* [task_size] encoded */
    size_t task_size;
} i8x_lease;

/** slots: tasks at once; room >= slots: leases at once. Errors: I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_intake_new(int slots, int room, i8x_intake **intake);
/** No lease may be out. NULL is allowed. */
void i8x_intake_free(i8x_intake *intake);

/** Waits until the worker is hungry and allowed to work; *want of a LEASE. False: it stops. */
bool i8x_intake_hungry(i8x_intake *intake, uint32_t *want);
/** Takes the grants of an answer to a request that wanted `want`. A grant of a task that is held
 * already renews that lease. */
void i8x_intake_put(i8x_intake *intake, uint32_t want, const i8x_wire_grant *grants, size_t count);
/** Waits for a lease to work on; NULL: the worker stops and has none left. */
i8x_lease *i8x_intake_take(i8x_intake *intake);
/** False: give it back instead of starting it, since the worker stops, is paused, or the lease was
 * canceled or called back. */
bool i8x_intake_wanted(i8x_intake *intake, const i8x_lease *lease);
/** It is being started, if it is wanted; the same answer. */
bool i8x_intake_started(i8x_intake *intake, i8x_lease *lease);
void i8x_intake_progress(i8x_intake *intake, i8x_lease *lease, uint64_t done, uint64_t total);
bool i8x_intake_canceled(i8x_intake *intake, const i8x_lease *lease);
/** Others may take what waits while this lane is busy: wakes one of them. */
void i8x_intake_pass(i8x_intake *intake);
/** The request that ends the leases [count] is about to be sent, with epochs [count]; it may want
 * so many grants. */
uint32_t i8x_intake_report(i8x_intake *intake, i8x_lease *const *leases, size_t count,
                           uint64_t *epochs);
/** The lease has ended; frees it. */
void i8x_intake_finish(i8x_intake *intake, i8x_lease *lease);

/** A CONTROL: stop working on it. */
void i8x_intake_cancel(i8x_intake *intake, const i8x_digest *key);
/** A CONTROL: give it back if it has not been started. */
void i8x_intake_call_back(i8x_intake *intake, const i8x_digest *key);
/** All leases, for HELLO and RENEW; rows live in the arena. */
size_t i8x_intake_held(i8x_intake *intake, i8x_arena *arena, const i8x_wire_held **held);
/** Leases at the moment. */
int i8x_intake_count(i8x_intake *intake);
/** Whether new work may be taken (the governor's word). */
void i8x_intake_allow(i8x_intake *intake, bool allowed);
/** No more work: wakes the asker, and the lanes when nothing is left. */
void i8x_intake_stop(i8x_intake *intake);
bool i8x_intake_stopping(i8x_intake *intake);

#endif
