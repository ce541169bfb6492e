/* SPDX-License-Identifier: Apache-2.0
 *
 * What workers say about themselves and their leases. Results of pure tasks are as good as any
 * other, so the first one counts, late or not, whoever has the lease now.
 */
#include <string.h>

#include "daemon/sched/audits.h"
#include "daemon/sched/fleet.h"
#include "daemon/sched/handlers.h"
#include "daemon/sched/leases.h"
#include "daemon/sched/rates.h"
#include "daemon/sched/tasks.h"

#define ONE_WORKER_MAX 2 /* workers that must have failed before the number of workers decides */

/* The worker of an event, just heard; 0 if its session is not known. */
static uint32_t speaker(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t worker = i8x_fleet_session(s, event->worker);
    if (worker != 0)
        i8x_fleet_heard(s, worker);
    return worker;
}

static void act_on_key(i8x_sched *s, i8x_sched_action_type type, const i8x_sched_event *event)
{
    i8x_sched_act(s, type, event->worker, 0)->key = event->key;
}

void i8x_hear_cancel(i8x_sched *s, uint32_t task, uint32_t but)
{
    for (int i = 0; i < I8X_SCHED_LEASES_MAX; i++) {
        uint32_t lease = i8x_task_at(s, task)->leases[i];
        if (lease != 0 && i8x_lease_at(s, lease)->worker != but)
            i8x_sched_act(s, I8X_SCHED_DO_CANCEL, i8x_leases_session(s, lease), task);
    }
}

void i8x_hear_ask(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t worker = speaker(s, event);
    if (worker == 0 || event->want == 0 || !i8x_fleet_eligible(i8x_worker_at(s, worker))) {
        i8x_sched_act(s, I8X_SCHED_DO_ANSWER, event->worker, 0)->ticket = event->ticket;
        return;
    }
    uint32_t ask = i8x_fleet_ask(s, worker, event);
    if (event->until_ms <= s->now_ms)
        s->urgent = ask;
}

void i8x_hear_renew(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t worker = speaker(s, event);
    if (worker == 0 || event->key_absent)
        return;
    uint32_t task = i8x_tasks_find(s, &event->key);
    uint32_t lease = task != 0 ? i8x_leases_of(s, task, worker) : 0;
    if (lease != 0)
        i8x_leases_renew(s, lease, event);
    else
        act_on_key(s, I8X_SCHED_DO_CANCEL, event); /* it works for nobody */
}

static void hear_first(i8x_sched *s, uint32_t row, uint32_t worker, const i8x_sched_event *event)
{
    task_row *task = i8x_task_at(s, row);
    uint32_t lease = worker != 0 ? i8x_leases_of(s, row, worker) : 0;
    if (lease != 0)
        i8x_rates_note(s, i8x_lease_at(s, lease));
    i8x_hear_cancel(s, row, worker);
    task->result = event->result;
    i8x_tasks_set_state(s, row, I8X_SCHED_COMMITTING);
    task->producer = worker != 0 ? i8x_worker_at(s, worker)->identity : 0;
    if (worker != 0 && i8x_audits_chosen(s, task, i8x_worker_at(s, worker)))
        i8x_audits_open(s, row, worker);
    i8x_sched_act(s, I8X_SCHED_DO_COMMIT, event->worker, row)->audit = task->audit != 0;
}

/* Another one for a task whose result is known: an opinion, if somebody asked for opinions or if it
 * differs. */
static void hear_second(i8x_sched *s, uint32_t row, uint32_t worker, const i8x_sched_event *event)
{
    const task_row *task = i8x_task_at(s, row);
    bool same = i8x_digest_equal(&task->result, &event->result);
    uint32_t producer = task->producer != 0 ? i8x_fleet_identity(s, task->producer) : 0;
    if (task->audit == 0 && !same && producer != 0 && worker != 0)
        i8x_audits_open(s, row, producer);
    if (i8x_task_at(s, row)->audit != 0 && worker != 0)
        i8x_audits_result(s, row, worker, event);
    else
        i8x_sched_act(s, same ? I8X_SCHED_DO_DUPLICATE : I8X_SCHED_DO_CONFLICT, event->worker, row);
}

void i8x_hear_result(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t worker = speaker(s, event);
    uint32_t row = i8x_tasks_find(s, &event->key);
    if (worker != 0 && i8x_worker_at(s, worker)->quarantined) {
        act_on_key(s, I8X_SCHED_DO_REFUSE, event);
        return;
    }
    if (row == 0) {
        act_on_key(s, I8X_SCHED_DO_STALE, event);
        return;
    }
    if (i8x_task_at(s, row)->state >= I8X_SCHED_COMMITTING)
        hear_second(s, row, worker, event);
    else
        hear_first(s, row, worker, event);
}

void i8x_hear_committed(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t row = i8x_tasks_find(s, &event->key);
    if (row == 0)
        return;
    const task_row *task = i8x_task_at(s, row);
    uint32_t producer = task->producer != 0 ? i8x_fleet_identity(s, task->producer) : 0;
    if (task->state != I8X_SCHED_COMMITTING) {
        i8x_hear_cancel(s, row, 0); /* it was dropped and came back meanwhile */
        i8x_tasks_remove(s, row);
    } else if (producer != 0 && i8x_worker_at(s, producer)->quarantined) {
        i8x_sched_act(s, I8X_SCHED_DO_REDO, i8x_worker_at(s, producer)->session, row);
        i8x_tasks_remove(s, row);
    } else if (task->audit != 0) {
        i8x_audits_committed(s, row);
    } else {
        i8x_tasks_remove(s, row);
    }
}

/* ---- failures ---- */

/* Half of the pause is fixed, half is drawn by lot, the same lot for the same key and attempt:
 * tasks that failed together do not come back together. */
static int64_t backoff_ms(const i8x_sched *s, const task_row *task)
{
    int64_t wait = s->opts.backoff_first_ms;
    for (int i = 1; i < task->attempts && wait < s->opts.backoff_max_ms; i++)
        wait *= 2;
    wait = wait < s->opts.backoff_max_ms ? wait : s->opts.backoff_max_ms;
    uint64_t lot;
    memcpy(&lot, task->key.bytes, sizeof lot);
    lot = i8x_lookup_hash(lot + s->opts.seed + task->attempts);
    return wait - wait / 2 + (int64_t)(lot % (uint64_t)(wait / 2 + 1));
}

/* Enough different workers died of it: as many as matter, or all there are. One worker alone says
 * nothing about the task: it may be the worker. */
static bool is_poison(const i8x_sched *s, const task_row *task)
{
    int workers = (int)s->power[task->kind].workers;
    int enough = workers < s->opts.workers_max ? workers : s->opts.workers_max;
    return i8x_tasks_crashed_count(task) >= (enough > ONE_WORKER_MAX ? enough : ONE_WORKER_MAX);
}

static void fail_attempt(i8x_sched *s, uint32_t row, uint32_t lease, const i8x_sched_event *event)
{
    task_row *task = i8x_task_at(s, row);
    uint32_t worker = i8x_lease_at(s, lease)->worker;
    task->attempts++;
    i8x_tasks_note_failed(task, i8x_worker_at(s, worker)->identity,
                          event->fault == I8X_SCHED_FAULT_ATTEMPT);
    if (event->fault == I8X_SCHED_FAULT_INPUT || task->attempts >= s->opts.attempts_max ||
        is_poison(s, task)) {
        i8x_sched_act(s, I8X_SCHED_DO_DEAD, event->worker, row);
        i8x_hear_cancel(s, row, worker);
        i8x_tasks_remove(s, row);
    } else if (task->leases[1] != 0) {
        i8x_leases_end(s, lease); /* the other one may still make it */
    } else {
        task->due_ms = s->now_ms + backoff_ms(s, task);
        i8x_tasks_set_state(s, row, I8X_SCHED_WAITING);
        i8x_sched_act(s, I8X_SCHED_DO_RETRY, event->worker, row)->at_ms = task->due_ms;
    }
}

void i8x_hear_fail(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t worker = speaker(s, event);
    uint32_t task = i8x_tasks_find(s, &event->key);
    uint32_t lease = task != 0 && worker != 0 ? i8x_leases_of(s, task, worker) : 0;
    if (lease == 0 || i8x_lease_at(s, lease)->epoch != event->epoch)
        act_on_key(s, I8X_SCHED_DO_STALE, event);
    else if (i8x_task_at(s, task)->state == I8X_SCHED_AUDITING)
        i8x_audits_failed(s, lease, event);
    else if (event->fault == I8X_SCHED_FAULT_FREE)
        i8x_tasks_unlease(s, lease);
    else
        fail_attempt(s, task, lease, event);
}
