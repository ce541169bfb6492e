/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking at the scheduler from outside. Explaining walks over all workers: it is asked by people.
 */
#include "daemon/sched/fleet.h"
#include "daemon/sched/leases.h"
#include "daemon/sched/offer.h"
#include "daemon/sched/rates.h"
#include "daemon/sched/tasks.h"

size_t i8x_sched_task_count(const i8x_sched *sched, i8x_sched_state state)
{
    return sched->state_counts[state];
}

size_t i8x_sched_worker_count(const i8x_sched *sched)
{
    return sched->connected;
}

size_t i8x_sched_ask_count(const i8x_sched *sched)
{
    return sched->parked;
}

size_t i8x_sched_lease_count(const i8x_sched *sched, uint64_t worker)
{
    uint32_t row = i8x_fleet_session(sched, worker);
    const worker_row *found = row != 0 ? i8x_worker_at(sched, row) : NULL;
    return found != NULL ? found->running.count + found->queued.count : 0;
}

static int64_t finish_ms(const lease_row *lease)
{
    return lease->cost_us != 0 ? lease->finish_us / 1000 : 0;
}

bool i8x_sched_task(const i8x_sched *sched, const i8x_digest *key, i8x_sched_task_view *view)
{
    uint32_t row = i8x_tasks_find(sched, key);
    if (row == 0)
        return false;
    const task_row *task = i8x_task_at(sched, row);
    *view = (i8x_sched_task_view){.state = (i8x_sched_state)task->state,
                                  .kind = (i8x_task_kind)task->kind,
                                  .since_ms = task->since_ms,
                                  .due_ms = task->due_ms,
                                  .attempts = task->attempts,
                                  .workers = task->failed_count,
                                  .lost = task->lost};
    for (int i = 0; i < I8X_SCHED_LEASES_MAX && task->leases[i] != 0; i++) {
        const lease_row *lease = i8x_lease_at(sched, task->leases[i]);
        const worker_row *worker = i8x_worker_at(sched, lease->worker);
        view->leases[i].worker = worker->session;
        view->leases[i].identity = worker->identity;
        view->leases[i].epoch = lease->epoch;
        view->leases[i].started = lease->started;
        view->leases[i].begin_ms = lease->begin_us / 1000;
        view->leases[i].finish_ms = finish_ms(lease);
        view->lease_count++;
    }
    return true;
}

bool i8x_sched_worker(const i8x_sched *sched, uint64_t session, uint64_t identity,
                      i8x_sched_worker_view *view)
{
    uint32_t row =
        session != 0 ? i8x_fleet_session(sched, session) : i8x_fleet_identity(sched, identity);
    if (row == 0)
        return false;
    const worker_row *worker = i8x_worker_at(sched, row);
    *view = (i8x_sched_worker_view){
        .session = worker->session,
        .identity = worker->identity,
        .draining = worker->draining,
        .drained = worker->drained,
        .quarantined = worker->quarantined,
        .slots = worker->slots,
        .running = worker->running.count,
        .queued = worker->queued.count,
        .asks = worker->asks.count,
        .agreed = worker->agreed,
        .pending = worker->pending.count,
        .heard_ms = worker->heard_ms,
        .backlog_ms = (int64_t)(worker->backlog_us / 1000 / (worker->slots ? worker->slots : 1))};
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
        view->rates_milli[kind] = i8x_rates_of(worker, kind);
    return true;
}

/* ---- why ---- */

const char *i8x_sched_state_name(i8x_sched_state state)
{
    static const char *const names[] = {
#define X(name, text) text,
        I8X_SCHED_STATE_LIST(X)
#undef X
    };
    return (unsigned)state < I8X_SCHED_STATE_COUNT ? names[state] : "?";
}

const char *i8x_sched_verdict_name(i8x_sched_verdict verdict)
{
    static const char *const names[] = {
#define X(name, text) text,
        I8X_SCHED_VERDICT_LIST(X)
#undef X
    };
    return (unsigned)verdict < I8X_SCHED_VERDICT_COUNT ? names[verdict] : "?";
}

const char *i8x_sched_why_name(i8x_sched_why_reason reason)
{
    static const char *const names[] = {
#define X(name, text) text,
        I8X_SCHED_WHY_LIST(X)
#undef X
    };
    return (unsigned)reason < I8X_SCHED_WHY_COUNT ? names[reason] : "?";
}

static void count_worker(const worker_row *worker, const task_row *task, i8x_sched_why *why)
{
    if ((worker->kinds >> why->kind & 1) == 0)
        return;
    why->able++;
    if (worker->quarantined)
        why->quarantined++;
    else if (!i8x_fleet_eligible(worker))
        why->drained++;
    else if (task != NULL && i8x_tasks_failed_on(task, worker->identity))
        why->failed++;
    else if (i8x_offer_is_idle(worker))
        why->idle++;
    else
        why->busy++;
}

static void count_workers(const i8x_sched *s, const task_row *task, i8x_sched_why *why)
{
    for (size_t i = 0; i < s->by_session.size; i++)
        if (s->by_session.cells[i].row != 0)
            count_worker(i8x_worker_at(s, s->by_session.cells[i].row), task, why);
}

static void explain_lease(const i8x_sched *s, const task_row *task, i8x_sched_why *why)
{
    const lease_row *lease = i8x_lease_at(s, task->leases[0]);
    const worker_row *worker = i8x_worker_at(s, lease->worker);
    why->reason = lease->started ? I8X_SCHED_WHY_RUNS : I8X_SCHED_WHY_QUEUED;
    if (task->state == I8X_SCHED_AUDITING)
        why->reason = I8X_SCHED_WHY_AUDIT_RUNS;
    why->worker = worker->session;
    why->identity = worker->identity;
    why->since_ms = lease->started ? lease->begin_us / 1000 : lease->granted_ms;
    why->finish_ms = finish_ms(lease);
}

static void explain_ready(const i8x_sched *s, const task_row *task, i8x_sched_why *why)
{
    const i8x_heap *ready = &s->ready[task->kind];
    uint32_t may = why->busy + why->idle + why->failed;
    for (size_t i = 0; i < ready->count; i++)
        why->ahead += ready->entries[i].key < task->order;
    if (why->able == 0)
        why->reason = I8X_SCHED_WHY_NO_WORKER;
    else if (may == 0)
        why->reason = why->quarantined > 0 ? I8X_SCHED_WHY_QUARANTINED : I8X_SCHED_WHY_DRAINED;
    else if (why->idle > 0)
        why->reason = I8X_SCHED_WHY_NOT_ASKED;
    else if (why->busy > 0 && why->failed > 0 && task->failed_count > 0)
        why->reason = I8X_SCHED_WHY_FAILED_HERE;
    else
        why->reason = I8X_SCHED_WHY_BUSY;
}

void i8x_sched_explain(const i8x_sched *sched, const i8x_digest *key, i8x_sched_why *why)
{
    *why = (i8x_sched_why){.reason = I8X_SCHED_WHY_ABSENT};
    uint32_t row = i8x_tasks_find(sched, key);
    if (row == 0)
        return;
    const task_row *task = i8x_task_at(sched, row);
    why->kind = (i8x_task_kind)task->kind;
    why->attempts = task->attempts;
    why->since_ms = task->since_ms;
    count_workers(sched, task, why);
    if (task->state == I8X_SCHED_LEASED || task->state == I8X_SCHED_AUDITING)
        explain_lease(sched, task, why);
    else if (task->state == I8X_SCHED_AUDIT_WAITING)
        why->reason = I8X_SCHED_WHY_AUDIT_WAITS;
    else if (task->state == I8X_SCHED_COMMITTING)
        why->reason = I8X_SCHED_WHY_COMMITS;
    else if (task->state == I8X_SCHED_WAITING)
        why->reason = I8X_SCHED_WHY_BACKOFF;
    else
        explain_ready(sched, task, why);
    why->until_ms = task->state == I8X_SCHED_WAITING ? task->due_ms : 0;
}

uint32_t i8x_sched_able_count(const i8x_sched *sched, i8x_task_kind kind)
{
    i8x_sched_why why = {.kind = kind};
    count_workers(sched, NULL, &why);
    return why.able;
}
