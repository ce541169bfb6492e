/* SPDX-License-Identifier: Apache-2.0
 *
 * Control: what the coordinator wants to say to a worker. A worker can only be answered, so the
 * answer to its heartbeat is held back until there is something to say, or until the next heartbeat
 * is due: a cancel arrives at once, and a heartbeat still costs one request. On the loop's thread.
 */
#ifndef I8X_DAEMON_CONTROL_H
#define I8X_DAEMON_CONTROL_H

#include "daemon/daemon.h"
#include "proto/limits.h"

typedef struct i8x_control i8x_control;

/* The controls that hold an answer back: all for equally long, so in the order in which they came.
 */
typedef struct i8x_control_line {
    i8x_control *first, *last;
} i8x_control_line;

/* Of one worker's session. */
struct i8x_control {
    i8x_hub *hub;
    i8x_control_line *line;
    i8x_control *next, *previous;
    uint64_t session;
    i8x_digest cancels[I8X_LEASES_MAX];    /* to be said: stop it */
    i8x_digest call_backs[I8X_LEASES_MAX]; /* to be said: do not start it */
    int cancel_count, call_back_count;
    bool waits; /* a heartbeat, for its answer */
    uint32_t context;
    int64_t until_ms;
};

/** All borrowed; the control must not move. */
void i8x_control_init(i8x_control *control, i8x_hub *hub, i8x_control_line *line, uint64_t session);
/** Answers a heartbeat: at once if there is something to say or until_ms is 0, else at until_ms at
 * the latest, which must not go back from call to call. One that still waits is answered first. */
void i8x_control_answer(i8x_control *control, uint32_t context, int64_t until_ms);
/** Says it, at once if a heartbeat waits. Beyond I8X_LEASES_MAX it is left out: the lease's end
 * says the same later. */
void i8x_control_cancel(i8x_control *control, const i8x_digest *key);
void i8x_control_call_back(i8x_control *control, const i8x_digest *key);
/** The session ends: a heartbeat that waits is answered. */
void i8x_control_end(i8x_control *control);
/** Answers what is due; when the next one is, INT64_MAX if none waits. */
int64_t i8x_control_tick(i8x_control_line *line, int64_t now_ms);

#endif
