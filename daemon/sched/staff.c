/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers come, change and go. Whatever ends a worker's leases does so here, so that no lease is
 * left with a worker that cannot answer for it.
 */
#include "daemon/sched/audits.h"
#include "daemon/sched/fleet.h"
#include "daemon/sched/handlers.h"
#include "daemon/sched/leases.h"
#include "daemon/sched/tasks.h"

void i8x_staff_lose(i8x_sched *s, uint32_t number)
{
    const lease_row *lease = i8x_lease_at(s, number);
    uint32_t row = lease->task;
    task_row *task = i8x_task_at(s, row);
    uint64_t session = i8x_leases_session(s, number);
    i8x_sched_act(s, I8X_SCHED_DO_LOST, session, row)->epoch = lease->epoch;
    task->lost += lease->started; /* what was not begun killed nobody */
    if (task->lost < s->opts.lost_max) {
        i8x_tasks_unlease(s, number);
        return;
    }
    if (task->audit != 0) {
        i8x_audits_end(s, row, I8X_SCHED_VERDICT_FAILED);
        return;
    }
    i8x_sched_act(s, I8X_SCHED_DO_DEAD, session, row);
    i8x_hear_cancel(s, row, lease->worker);
    i8x_tasks_remove(s, row);
}

static uint32_t any_lease(const worker_row *worker)
{
    return worker->running.first != 0 ? worker->running.first : worker->queued.first;
}

static void leave(i8x_sched *s, uint32_t worker)
{
    i8x_fleet_bars bars = i8x_fleet_bars_get(s, worker);
    bars.draining = true; /* it must not get back what it loses */
    i8x_fleet_bars_set(s, worker, bars);
    for (uint32_t lease; (lease = any_lease(i8x_worker_at(s, worker))) != 0;)
        i8x_staff_lose(s, lease);
    i8x_fleet_leave(s, worker);
}

void i8x_staff_join(i8x_sched *s, const i8x_sched_event *event)
{
    I8X_ASSERT(event->worker != 0 && i8x_fleet_session(s, event->worker) == 0);
    uint32_t worker = event->identity != 0 ? i8x_fleet_identity(s, event->identity) : 0;
    if (worker != 0 && i8x_worker_at(s, worker)->session != 0)
        leave(s, worker); /* its earlier session has not ended yet */
    i8x_fleet_join(s, event);
    worker = i8x_fleet_session(s, event->worker);
    if (i8x_worker_at(s, worker)->quarantined)
        i8x_audits_void(s, worker);
}

void i8x_staff_adopt(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t worker = i8x_fleet_session(s, event->worker);
    uint32_t task = i8x_tasks_find(s, &event->key);
    if (worker == 0 || task == 0 || i8x_worker_at(s, worker)->quarantined)
        return;
    i8x_sched_state state = (i8x_sched_state)i8x_task_at(s, task)->state;
    if (state == I8X_SCHED_READY || state == I8X_SCHED_WAITING)
        i8x_tasks_lease(s, task, worker, event->epoch != 0 ? event->epoch : ++s->last_epoch);
}

/* The worker that is meant, connected or not. */
static uint32_t meant(i8x_sched *s, const i8x_sched_event *event)
{
    return event->worker != 0 ? i8x_fleet_session(s, event->worker)
                              : i8x_fleet_identity(s, event->identity);
}

void i8x_staff_drain(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t worker = meant(s, event);
    if (worker == 0)
        return;
    i8x_fleet_bars bars = i8x_fleet_bars_get(s, worker);
    bars.draining = bars.draining || !event->lasting;
    bars.drained = bars.drained || event->lasting;
    i8x_fleet_bars_set(s, worker, bars);
    const worker_row *row = i8x_worker_at(s, worker);
    while (row->queued.first != 0) {
        i8x_sched_act(s, I8X_SCHED_DO_CALL_BACK, row->session,
                      i8x_lease_at(s, row->queued.first)->task);
        i8x_tasks_unlease(s, row->queued.first);
    }
}

static void quarantine(i8x_sched *s, uint32_t worker)
{
    i8x_fleet_bars bars = i8x_fleet_bars_get(s, worker);
    bars.quarantined = true;
    i8x_fleet_bars_set(s, worker, bars);
    for (uint32_t lease; (lease = any_lease(i8x_worker_at(s, worker))) != 0;) {
        i8x_sched_act(s, I8X_SCHED_DO_CANCEL, i8x_worker_at(s, worker)->session,
                      i8x_lease_at(s, lease)->task);
        i8x_tasks_unlease(s, lease);
    }
    i8x_audits_void(s, worker);
}

void i8x_staff_expel(i8x_sched *s, uint64_t identity, const i8x_digest *key)
{
    uint32_t worker = i8x_fleet_identity(s, identity);
    if (worker != 0)
        quarantine(s, worker);
    i8x_sched_action *action = i8x_sched_act(
        s, I8X_SCHED_DO_QUARANTINE, worker != 0 ? i8x_worker_at(s, worker)->session : 0, 0);
    action->identity = identity;
    if (key != NULL)
        action->key = *key;
}

void i8x_staff_quarantine(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t worker = meant(s, event);
    if (worker != 0)
        i8x_staff_expel(s, i8x_worker_at(s, worker)->identity, NULL);
    else if (event->worker == 0)
        i8x_staff_expel(s, event->identity, NULL);
}

void i8x_staff_resume(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t worker = meant(s, event);
    if (worker != 0)
        i8x_fleet_bars_set(s, worker,
                           (i8x_fleet_bars){.draining = i8x_fleet_bars_get(s, worker).draining});
}

void i8x_staff_leave(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t worker = i8x_fleet_session(s, event->worker);
    if (worker != 0)
        leave(s, worker);
}

void i8x_staff_gone(i8x_sched *s, uint32_t worker)
{
    uint64_t session = i8x_worker_at(s, worker)->session;
    leave(s, worker);
    i8x_sched_act(s, I8X_SCHED_DO_GONE, session, 0);
}
