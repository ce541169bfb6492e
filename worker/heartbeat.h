/* SPDX-License-Identifier: Apache-2.0
 *
 * Heartbeat: keeps the leases alive, tells how the machine is, and hears what the coordinator wants
 * to say. Two threads: one whose RENEW is answered when there is something to say or the time
 * between two heartbeats is over; one that looks at the sensors and speaks up at once when they
 * change what the worker may do, or when it begins to drain.
 */
#ifndef I8X_WORKER_HEARTBEAT_H
#define I8X_WORKER_HEARTBEAT_H

#include "worker/cache.h"
#include "worker/intake.h"
#include "worker/pool.h"
#include "worker/session.h"
#include "worker/watch.h"

typedef struct i8x_heartbeat i8x_heartbeat;

#define I8X_HEARTBEAT_LANES 2 /* of the session */

/* All borrowed. */
typedef struct i8x_heartbeat_env {
    i8x_session *session;
    i8x_intake *intake;
    i8x_pool *pool;
    i8x_cache *cache;
    const i8x_zygote *zygote;
    const char *device_root; /* device.h */
    const i8x_governor_opts *limits;
    int lane; /* of the session, the first of I8X_HEARTBEAT_LANES */
} i8x_heartbeat_env;

/** Looks around once, so that the intake knows whether work may be taken, and starts. Errors:
 * I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_heartbeat_new(const i8x_heartbeat_env *env, i8x_heartbeat **heartbeat);
/** The intake has been stopped: the coordinator is told at once. */
void i8x_heartbeat_drain(i8x_heartbeat *heartbeat);
/** No more heartbeats; one that waits for its answer is answered when BYE is. */
void i8x_heartbeat_end(i8x_heartbeat *heartbeat);
/** Ends and waits for the threads. NULL is allowed. */
void i8x_heartbeat_free(i8x_heartbeat *heartbeat);

#endif
