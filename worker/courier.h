/* SPDX-License-Identifier: Apache-2.0
 *
 * Courier: takes results to the coordinator. A lane hands its result over and goes on with the next
 * lease; results that become ready while others are on their way travel together, so that a busy
 * worker sends fewer messages, and one that has a single result does not wait for another.
 */
#ifndef I8X_WORKER_COURIER_H
#define I8X_WORKER_COURIER_H

#include "proto/buffer.h"
#include "worker/intake.h"
#include "worker/session.h"

/* Messages on their way at once: while one waits for its commit the next can be written. */
#define I8X_COURIERS 2

typedef struct i8x_courier i8x_courier;

/* What a lane knows of a task that it has done. */
typedef struct i8x_parcel {
    i8x_lease *lease;
    i8x_buffer result; /* encoded; the courier becomes its owner */
    int lane;
    int64_t fetch_us, slot_us, upload_us; /* what took how long, for the log */
    int64_t ready_ns;
} i8x_parcel;

/** Starts I8X_COURIERS threads. lane: of the session, the first of as many. All is borrowed.
 * Errors: I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_courier_new(i8x_session *session, i8x_intake *intake, int lane,
                                        i8x_courier **courier);
/** Takes the lease and the bytes over; the lease ends when the coordinator has answered. */
void i8x_courier_put(i8x_courier *courier, const i8x_parcel *parcel);
/** Waits until all is delivered or given up. NULL is allowed. */
void i8x_courier_free(i8x_courier *courier);

#endif
