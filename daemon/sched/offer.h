/* SPDX-License-Identifier: Apache-2.0
 *
 * Offer: workers with an open ask, the best first: those with a free slot before those that would
 * only queue, fast ones before slow ones, then in the order they asked.
 *
 * A worker may hold more leases than it has slots, so that it need not wait for the next answer:
 * what it does in three seconds, one at least, 256 leases at most; but never more than half of its
 * fair share of what is ready, so that nothing is left for others to wait for.
 */
#ifndef I8X_DAEMON_OFFER_H
#define I8X_DAEMON_OFFER_H

#include "daemon/sched/state.h"

#define I8X_OFFER_AHEAD_US 3000000
#define I8X_OFFER_LEASES_MAX 256

/** Puts the worker where it belongs; after every change of its asks, leases or state. */
void i8x_offer_update(i8x_sched *s, uint32_t worker);
/** True if the worker has a slot with nothing to do. */
bool i8x_offer_is_idle(const worker_row *worker);
/** True if the worker may get one more ready task of this kind. */
bool i8x_offer_has_room(const i8x_sched *s, const worker_row *worker, int kind);
/** Kinds that a worker with an open ask can do. */
uint32_t i8x_offer_kinds(const i8x_sched *s);
/** The best offer for a ready task of this kind; 0 if nobody has room. */
uint32_t i8x_offer_for_kind(const i8x_sched *s, int kind);
/** The best offer for a task that failed somewhere: a worker on which it has not failed, or any if
 * there is no such worker in the fleet. */
uint32_t i8x_offer_for_failed(const i8x_sched *s, const task_row *task);

#endif
