/* SPDX-License-Identifier: Apache-2.0
 *
 * Tail: what an idle worker does when nothing is ready. First it takes over a lease that waits in
 * another worker's queue, if it would be done sooner with it; then it begins a second run of the
 * task with the longest expected rest, if it would end in under half of that. The first result
 * counts.
 */
#ifndef I8X_DAEMON_TAIL_H
#define I8X_DAEMON_TAIL_H

#include "daemon/sched/state.h"

/** The lease, in a queue, whose task this idle worker should take over; 0 if there is none. */
uint32_t i8x_tail_waiting(const i8x_sched *s, uint32_t worker);
/** The task that this idle worker should run beside another one; 0 if there is none. */
uint32_t i8x_tail_slow(const i8x_sched *s, uint32_t worker);

#endif
