/* SPDX-License-Identifier: Apache-2.0
 *
 * Leases: which worker works on what, since when and until when. Of a worker's leases the oldest,
 * as many as it has slots, are taken for started; one that a heartbeat calls started is so in any
 * case. Expected times come from rates.h and are corrected by the progress that heartbeats tell.
 * When the expected end of a lease has passed and somebody is idle, it is expected to take as long
 * again.
 */
#ifndef I8X_DAEMON_LEASES_H
#define I8X_DAEMON_LEASES_H

#include "daemon/sched/state.h"

/** The lease of this task that this worker has; 0 if it has none. */
uint32_t i8x_leases_of(const i8x_sched *s, uint32_t task, uint32_t worker);
/** A new one; the task has a place for it. */
uint32_t i8x_leases_begin(i8x_sched *s, uint32_t task, uint32_t worker, uint64_t epoch);
/** Ends it. The task's state is the caller's matter. */
void i8x_leases_end(i8x_sched *s, uint32_t lease);
/** It lives on, and the heartbeat may tell how far it is. */
void i8x_leases_renew(i8x_sched *s, uint32_t lease, const i8x_sched_event *event);
/** Thinks over the end of those that should have come to it: they take as long again. */
void i8x_leases_overdue(i8x_sched *s);
/** Session that has the lease. */
uint64_t i8x_leases_session(const i8x_sched *s, uint32_t lease);

#endif
