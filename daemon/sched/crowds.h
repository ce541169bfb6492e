/* SPDX-License-Identifier: Apache-2.0
 *
 * Crowds: how many workers that may get tasks share a host, or a machine class. A second opinion is
 * worth more from another one.
 */
#ifndef I8X_DAEMON_CROWDS_H
#define I8X_DAEMON_CROWDS_H

#include "daemon/sched/state.h"

/** The row of the crowd with this number, made if it is new; belongs to the worker from now on. */
uint32_t i8x_crowds_enter(i8x_sched *s, i8x_lookup *lookup, uint64_t number);
/** The worker belongs to another crowd now, or is forgotten. */
void i8x_crowds_leave(i8x_sched *s, i8x_lookup *lookup, uint32_t crowd);
/** Adds a worker that may get tasks to both its crowds, or with sign -1 takes it away. */
void i8x_crowds_count(i8x_sched *s, const worker_row *worker, int sign);

#endif
