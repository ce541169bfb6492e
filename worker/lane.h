/* SPDX-License-Identifier: Apache-2.0
 *
 * Lane: a thread that carries one lease at a time through its life: fetch the inputs, run in a
 * slot, upload the outputs, hand the result to the courier or report the failure. There may be more
 * lanes than slots, so that while one task runs the inputs of the next are fetched and the outputs
 * of the last are on their way.
 */
#ifndef I8X_WORKER_LANE_H
#define I8X_WORKER_LANE_H

#include "worker/agent.h"
#include "worker/cache.h"
#include "worker/courier.h"
#include "worker/credential.h"
#include "worker/intake.h"
#include "worker/pool.h"
#include "worker/session.h"

typedef struct i8x_lane i8x_lane;

/* What the lanes of a worker share; all borrowed. */
typedef struct i8x_lane_env {
    const i8x_agent_opts *opts;
    i8x_cache *cache;
    i8x_session *session;
    i8x_intake *intake;
    i8x_pool *pool;
    i8x_courier *courier;
    const i8x_credential *credential;
} i8x_lane_env;

/** Starts a lane; number is also its lane of the session. Errors: I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_lane_new(const i8x_lane_env *env, int number, i8x_lane **lane);
/** Waits for its end: the intake must be stopping. NULL is allowed. */
void i8x_lane_free(i8x_lane *lane);

#endif
