/* SPDX-License-Identifier: Apache-2.0
 *
 * Tasks: the open ones, their states and their leases. The one place where a task changes state, so
 * that counts, heaps and lists cannot disagree with it.
 */
#ifndef I8X_DAEMON_TASKS_H
#define I8X_DAEMON_TASKS_H

#include "daemon/sched/state.h"

/** 0 if the key is not here. */
uint32_t i8x_tasks_find(const i8x_sched *s, const i8x_digest *key);
/** A READY task; the key must not be here. */
uint32_t i8x_tasks_add(i8x_sched *s, const i8x_digest *key, i8x_task_kind kind, uint64_t order);
/** Ends its leases and forgets it. */
void i8x_tasks_remove(i8x_sched *s, uint32_t task);
/** READY, WAITING (due_ms says until when), COMMITTING or AUDIT_WAITING: leases that it had end. */
void i8x_tasks_set_state(i8x_sched *s, uint32_t task, i8x_sched_state state);
/** LEASED to a worker from now on, or AUDITING; if it was leased already, to this one as well. */
void i8x_tasks_lease(i8x_sched *s, uint32_t task, uint32_t worker, uint64_t epoch);
/** Ends one of its leases. If it was the only one, the task is READY, or AUDIT_WAITING. */
void i8x_tasks_unlease(i8x_sched *s, uint32_t lease);
/** True if a worker of this identity failed on the task. */
bool i8x_tasks_failed_on(const task_row *task, uint64_t identity);
/** One that failed on a LEASED task (where a READY one stands depends on it); remembered up to a
 * limit. */
void i8x_tasks_note_failed(task_row *task, uint64_t identity, bool crashed);
/** Different workers that crashed on it. */
int i8x_tasks_crashed_count(const task_row *task);

#endif
