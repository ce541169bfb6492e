/* SPDX-License-Identifier: Apache-2.0
 *
 * Fleet: the workers, connected and away, whether they may get tasks, and what they ask for. A
 * worker is known by its identity over all its sessions; a limited number of those that are away is
 * remembered.
 */
#ifndef I8X_DAEMON_FLEET_H
#define I8X_DAEMON_FLEET_H

#include "daemon/sched/state.h"

/** The worker of a session or an identity; 0 if there is none. */
uint32_t i8x_fleet_session(const i8x_sched *s, uint64_t session);
uint32_t i8x_fleet_identity(const i8x_sched *s, uint64_t identity);
/** The worker of an identity; made, and away, if it was not known. */
uint32_t i8x_fleet_remember(i8x_sched *s, uint64_t identity);
/** Connects it; a session that its identity had must have been ended. */
void i8x_fleet_join(i8x_sched *s, const i8x_sched_event *event);
/** Disconnects it: its asks are answered; it has no leases any more. */
void i8x_fleet_leave(i8x_sched *s, uint32_t worker);
/** It has just been heard. */
void i8x_fleet_heard(i8x_sched *s, uint32_t worker);

/* What keeps a worker from getting tasks. */
typedef struct i8x_fleet_bars {
    bool draining, drained, quarantined;
} i8x_fleet_bars;

i8x_fleet_bars i8x_fleet_bars_get(const i8x_sched *s, uint32_t worker);
/** With a bar its asks are answered; what becomes of its leases is the caller's matter. */
void i8x_fleet_bars_set(i8x_sched *s, uint32_t worker, i8x_fleet_bars bars);
/** True if the worker is connected and may get tasks. */
bool i8x_fleet_eligible(const worker_row *worker);
/** Workers that may get this task and have not failed on it. */
uint32_t i8x_fleet_others_for(const i8x_sched *s, const task_row *task);

/** Takes an ask of an eligible worker in; its row. */
uint32_t i8x_fleet_ask(i8x_sched *s, uint32_t worker, const i8x_sched_event *event);
/** One more task went to this worker: its oldest ask that wants more gets it; the ask's ticket. */
uint64_t i8x_fleet_serve(i8x_sched *s, uint32_t worker);
/** Answers an ask and forgets it. */
void i8x_fleet_answer(i8x_sched *s, uint32_t ask);
/** Answers all asks that got something in this step. */
void i8x_fleet_answer_served(i8x_sched *s);

#endif
