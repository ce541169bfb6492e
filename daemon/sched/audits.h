/* SPDX-License-Identifier: Apache-2.0
 *
 * Audits: second runs of committed tasks on other workers. A task that is audited stays with the
 * scheduler as AUDIT (waits for a worker) or AUDITING (leased). Each worker that gives a result
 * has one vote; two equal votes decide. Who voted otherwise is quarantined.
 */
#ifndef I8X_DAEMON_AUDITS_H
#define I8X_DAEMON_AUDITS_H

#include "daemon/sched/state.h"

/** Whether this worker's result of this task is to be audited, by its record and by lot. */
bool i8x_audits_chosen(const i8x_sched *s, const task_row *task, const worker_row *producer);
/** The task has an audit from now on, its first vote is this worker's; its state is the caller's
 * matter. */
void i8x_audits_open(i8x_sched *s, uint32_t task, uint32_t producer);
/** A task with an audit is committed: it becomes AUDIT. */
void i8x_audits_committed(i8x_sched *s, uint32_t task);
/** A result for a task that has an audit (COMMITTING, AUDIT, AUDITING). */
void i8x_audits_result(i8x_sched *s, uint32_t task, uint32_t worker, const i8x_sched_event *event);
/** The audit's lease failed; it was no input's fault: somebody did it. */
void i8x_audits_failed(i8x_sched *s, uint32_t lease, const i8x_sched_event *event);
/** The audit ends; the task is gone. */
void i8x_audits_end(i8x_sched *s, uint32_t task, i8x_sched_verdict verdict);
/** Forgets the audit of a task that goes for another reason. */
void i8x_audits_forget(i8x_sched *s, uint32_t task);
/** What the worker made and is not confirmed yet is to be computed again. */
void i8x_audits_void(i8x_sched *s, uint32_t producer);
/** Its job waits for nothing else. */
void i8x_audits_hurry(i8x_sched *s, uint32_t task);
/** The time of an AUDIT has come: others than the best may take it, or it is dropped. */
void i8x_audits_due(i8x_sched *s, uint32_t task);
/** The AUDIT that this idle worker should take, of an order below this one; 0 if there is none. */
uint32_t i8x_audits_for(const i8x_sched *s, uint32_t worker, uint64_t below);
/** Places a task that becomes AUDIT where workers find it; the opposite. */
void i8x_audits_place(i8x_sched *s, uint32_t task);
void i8x_audits_unplace(i8x_sched *s, uint32_t task);
/** Workers that may take this audit. */
uint32_t i8x_audits_seconds(const i8x_sched *s, uint32_t task);

#endif
