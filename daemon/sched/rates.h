/* SPDX-License-Identifier: Apache-2.0
 *
 * Rates: how long tasks of a kind take on a worker, a moving mean of what was seen from start to
 * result, transfers included. Where a worker has not been seen with a kind, the fleet's mean times
 * the worker's slowness stands in.
 */
#ifndef I8X_DAEMON_RATES_H
#define I8X_DAEMON_RATES_H

#include "daemon/sched/state.h"

/** A result of this lease has come, now. */
void i8x_rates_note(i8x_sched *s, const lease_row *lease);
/** Microseconds that a task of this kind will take; 0 = nothing is known. */
uint64_t i8x_rates_expect(const i8x_sched *s, const worker_row *worker, int kind);
/** Tasks of a kind in 1000 s on all its slots; 0 = not measured. */
uint64_t i8x_rates_of(const worker_row *worker, int kind);
/** The worker's part, of `count` tasks of a kind, if each eligible worker got them by its rate. */
uint64_t i8x_rates_share(const i8x_sched *s, const worker_row *worker, int kind, uint64_t count);
/** Adds what the worker can do to the fleet's power, or with sign -1 takes it away. */
void i8x_rates_count(i8x_sched *s, const worker_row *worker, int sign);

#endif
