/* SPDX-License-Identifier: Apache-2.0
 *
 * Fleet: the workers, connected and away, what they ask for and which of them could take a task
 * now. A worker is known by its identity over all its sessions; a limited number of those that are
 * away is remembered.
 */
#ifndef I8X_DAEMON_FLEET_H
#define I8X_DAEMON_FLEET_H

#include "daemon/sched/state.h"

/** The worker of a session or an identity; 0 if there is none. */
uint32_t i8x_fleet_session(const i8x_sched *s, uint64_t session);
uint32_t i8x_fleet_identity(const i8x_sched *s, uint64_t identity);
/** Connects it; a session that its identity had must have been ended. */
void i8x_fleet_join(i8x_sched *s, const i8x_sched_event *event);
/** Disconnects it: its asks are answered; it has no leases any more. */
void i8x_fleet_leave(i8x_sched *s, uint32_t worker);
/** It has just been heard. */
void i8x_fleet_heard(i8x_sched *s, uint32_t worker);
/** Gets no more tasks; its asks are answered. */
void i8x_fleet_drain(i8x_sched *s, uint32_t worker);

/** Takes an ask of a connected worker in; its row. */
uint32_t i8x_fleet_ask(i8x_sched *s, uint32_t worker, const i8x_sched_event *event);
/** One more task went to this worker: its oldest ask that wants more gets it; the ask's ticket. */
uint64_t i8x_fleet_serve(i8x_sched *s, uint32_t worker);
/** Answers an ask and forgets it. */
void i8x_fleet_answer(i8x_sched *s, uint32_t ask);
/** Answers all asks that got something in this step. */
void i8x_fleet_answer_served(i8x_sched *s);
/** Puts the worker where it belongs among the offers; after every change of its asks, leases or
 * state. */
void i8x_fleet_offer(i8x_sched *s, uint32_t worker);

/** True if the worker is connected and may get tasks. */
bool i8x_fleet_eligible(const worker_row *worker);
/** True if a worker on which this task has not failed may get it. */
bool i8x_fleet_others_for(const i8x_sched *s, const task_row *task);

#endif
