/* SPDX-License-Identifier: Apache-2.0
 *
 * Handlers: what each event does. sched.c has them in a table; afterwards deal.h hands out what can
 * be handed out.
 */
#ifndef I8X_DAEMON_HANDLERS_H
#define I8X_DAEMON_HANDLERS_H

#include "daemon/sched/state.h"

/* staff.c: workers come, change and go */
void i8x_staff_join(i8x_sched *s, const i8x_sched_event *event);
void i8x_staff_adopt(i8x_sched *s, const i8x_sched_event *event);
void i8x_staff_drain(i8x_sched *s, const i8x_sched_event *event);
void i8x_staff_quarantine(i8x_sched *s, const i8x_sched_event *event);
void i8x_staff_resume(i8x_sched *s, const i8x_sched_event *event);
/** Quarantines the worker of an identity, known or not; key: the task that showed it, or NULL. */
void i8x_staff_expel(i8x_sched *s, uint64_t identity, const i8x_digest *key);
void i8x_staff_leave(i8x_sched *s, const i8x_sched_event *event);
/** A lease ends without a word: no attempt used, ready at once, unless workers die of this task. */
void i8x_staff_lose(i8x_sched *s, uint32_t lease);
/** The worker has been silent for too long. */
void i8x_staff_gone(i8x_sched *s, uint32_t worker);

/* hear.c: what workers say */
void i8x_hear_ask(i8x_sched *s, const i8x_sched_event *event);
void i8x_hear_renew(i8x_sched *s, const i8x_sched_event *event);
void i8x_hear_result(i8x_sched *s, const i8x_sched_event *event);
void i8x_hear_fail(i8x_sched *s, const i8x_sched_event *event);
/** The ledger has the result. */
void i8x_hear_committed(i8x_sched *s, const i8x_sched_event *event);
/** Tells all workers that have the task, but this one (0 = none), to stop. */
void i8x_hear_cancel(i8x_sched *s, uint32_t task, uint32_t but);

#endif
