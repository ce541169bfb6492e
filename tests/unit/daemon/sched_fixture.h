/* SPDX-License-Identifier: Apache-2.0
 *
 * Fixture of the scheduler's tests: one scheduler, a made-up clock, tasks and workers by small
 * numbers. Tasks are of kind calibrate, a worker's session and identity are its number.
 */
#ifndef I8X_TESTS_SCHED_FIXTURE_H
#define I8X_TESTS_SCHED_FIXTURE_H

#include "daemon/sched/sched.h"
#include "tests/support/suite.h"

#define FX_LIFE_MS 15000
#define FX_ALL_KINDS 0xFFFFFFFFu
#define FX_SLOTS 8
#define FX_AUDIT_WAIT_MS 10000
#define FX_KEYS_MAX 512

extern i8x_sched *fx_sched;
extern int64_t fx_now;

void fx_setup(void);
/** With audits: the least share of results in a thousand. */
void fx_setup_audits(int per_mille);
void fx_teardown(void);
/** The key of task n. */
i8x_digest fx_key_of(int n);
/** One event, now; the number of actions. */
size_t fx_step(i8x_sched_event event);
/** An action of the last step; the first of a type, NULL if there is none; how many. */
const i8x_sched_action *fx_action(size_t index);
const i8x_sched_action *fx_find(i8x_sched_action_type type);
size_t fx_count(i8x_sched_action_type type);
void fx_add_task(int n);
/** Workers of FX_SLOTS slots, or of some. */
void fx_join(uint64_t worker, uint32_t kinds);
void fx_join_slots(uint64_t worker, uint32_t slots);
/** On a host, of a machine class. */
void fx_join_machine(uint64_t worker, uint64_t host, uint64_t machine);
void fx_ask(uint64_t worker, uint64_t ticket, uint32_t want, int64_t wait_ms);
/** Asks and gets task n; its epoch. */
uint64_t fx_lease(uint64_t worker, int n);
void fx_fail_task(uint64_t worker, int n, uint64_t epoch, i8x_sched_fault fault);
/** A result that has this value. */
void fx_result(uint64_t worker, int n, uint64_t epoch, int value);
void fx_committed(int n);
/** I8X_SCHED_STATE_COUNT if the task is not here. */
i8x_sched_state fx_state_of(int n);
i8x_sched_task_view fx_task(int n);
i8x_sched_worker_view fx_worker(uint64_t worker);
/** An event about a worker alone: LEAVE, DRAIN ... */
void fx_tell(i8x_sched_event_type type, uint64_t worker);

#endif
