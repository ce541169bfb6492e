/* SPDX-License-Identifier: Apache-2.0
 *
 * Expected times are written when a lease begins, is started or is renewed, never in between: they
 * are times of the clock, so that they need no update while time goes by.
 */
#include "daemon/sched/leases.h"

#include "daemon/sched/offer.h"
#include "daemon/sched/rates.h"

#define OVERDUE_MAX 16          /* leases whose end is thought over in one step */
#define OVERDUE_LEAST_US 50000  /* and then put off by this, or by the time that went by so far */
#define PROGRESS_MAX (1u << 16) /* steps of work that are told apart */

uint32_t i8x_leases_of(const i8x_sched *s, uint32_t task, uint32_t worker)
{
    for (int i = 0; i < I8X_SCHED_LEASES_MAX; i++) {
        uint32_t lease = i8x_task_at(s, task)->leases[i];
        if (lease != 0 && i8x_lease_at(s, lease)->worker == worker)
            return lease;
    }
    return 0;
}

uint64_t i8x_leases_session(const i8x_sched *s, uint32_t lease)
{
    return i8x_worker_at(s, i8x_lease_at(s, lease)->worker)->session;
}

static void remove_from_tail(i8x_sched *s, uint32_t row)
{
    const lease_row *lease = i8x_lease_at(s, row);
    uint8_t kind = i8x_task_at(s, lease->task)->kind;
    i8x_heap_remove(lease->started ? &s->running[kind] : &s->queued[kind], row);
    i8x_heap_remove(&s->overdue, row);
}

/* Where idle workers look for what they could help with: by what ends or begins last. A task that
 * two have needs no third, and an audit has a deadline of its own. */
static void place_in_tail(i8x_sched *s, uint32_t row)
{
    const lease_row *lease = i8x_lease_at(s, row);
    const task_row *task = i8x_task_at(s, lease->task);
    if (task->leases[1] != 0 || task->audit != 0) {
        remove_from_tail(s, row);
    } else if (lease->started) {
        i8x_heap_set(&s->running[task->kind], row, UINT64_MAX - (uint64_t)lease->finish_us);
        i8x_heap_set(&s->overdue, row, (uint64_t)lease->finish_us);
    } else {
        i8x_heap_set(&s->queued[task->kind], row, UINT64_MAX - (uint64_t)lease->begin_us);
    }
}

/* Looks again at what the worker is expected to need; before a result of the kind nothing is
 * known, and the lease counts as overdue from its beginning. */
static void expect_end(i8x_sched *s, lease_row *lease)
{
    worker_row *worker = i8x_worker_at(s, lease->worker);
    uint64_t cost_us = i8x_rates_expect(s, worker, i8x_task_at(s, lease->task)->kind);
    worker->backlog_us += cost_us - lease->cost_us;
    lease->cost_us = cost_us;
    lease->finish_us = lease->begin_us + (int64_t)cost_us;
}

/* From the worker's queue, if it stood there, to those that run. */
static void start(i8x_sched *s, uint32_t row)
{
    lease_row *lease = i8x_lease_at(s, row);
    worker_row *worker = i8x_worker_at(s, lease->worker);
    i8x_list_remove(&worker->queued, &s->leases, offsetof(lease_row, link), row);
    remove_from_tail(s, row);
    i8x_list_append(&worker->running, &s->leases, offsetof(lease_row, link), row);
    lease->started = true;
    lease->begin_us = i8x_sched_now_us(s);
    expect_end(s, lease);
    s->started++;
    place_in_tail(s, row);
}

/* The oldest ones that wait take the free slots. */
static void promote(i8x_sched *s, const worker_row *worker)
{
    while (worker->running.count < worker->slots && worker->queued.first != 0)
        start(s, worker->queued.first);
}

static void extend(i8x_sched *s, uint32_t row)
{
    lease_row *lease = i8x_lease_at(s, row);
    lease->expires_ms = s->now_ms + s->opts.lease_life_ms;
    i8x_heap_set(&s->expiry, row, (uint64_t)lease->expires_ms);
}

uint32_t i8x_leases_begin(i8x_sched *s, uint32_t task_number, uint32_t worker_number,
                          uint64_t epoch)
{
    uint32_t row = i8x_rows_take(&s->leases);
    lease_row *lease = i8x_lease_at(s, row);
    task_row *task = i8x_task_at(s, task_number);
    worker_row *worker = i8x_worker_at(s, worker_number);
    *lease = (lease_row){.task = task_number,
                         .worker = worker_number,
                         .epoch = epoch,
                         .granted_ms = s->now_ms,
                         .duplicate = task->leases[0] != 0};
    lease->begin_us = i8x_sched_now_us(s) + (int64_t)(worker->backlog_us / worker->slots);
    expect_end(s, lease);
    task->epoch = epoch;
    task->leases[lease->duplicate ? 1 : 0] = row;
    s->duplicates += lease->duplicate;
    i8x_list_append(&worker->queued, &s->leases, offsetof(lease_row, link), row);
    place_in_tail(s, row);
    if (lease->duplicate)
        remove_from_tail(s, task->leases[0]);
    promote(s, worker);
    extend(s, row);
    return row;
}

static void unlink_from_task(i8x_sched *s, uint32_t row)
{
    const lease_row *lease = i8x_lease_at(s, row);
    task_row *task = i8x_task_at(s, lease->task);
    bool was_two = task->leases[1] != 0;
    if (task->leases[0] == row)
        task->leases[0] = task->leases[1];
    task->leases[1] = 0;
    s->duplicates -= was_two;
    if (!was_two)
        return;
    i8x_lease_at(s, task->leases[0])->duplicate = false;
    place_in_tail(s, task->leases[0]);
}

void i8x_leases_end(i8x_sched *s, uint32_t row)
{
    lease_row *lease = i8x_lease_at(s, row);
    uint32_t worker_number = lease->worker;
    worker_row *worker = i8x_worker_at(s, worker_number);
    remove_from_tail(s, row);
    i8x_heap_remove(&s->expiry, row);
    i8x_list_remove(lease->started ? &worker->running : &worker->queued, &s->leases,
                    offsetof(lease_row, link), row);
    s->started -= lease->started;
    worker->backlog_us -= lease->cost_us;
    unlink_from_task(s, row);
    i8x_rows_give(&s->leases, row);
    promote(s, worker);
    i8x_offer_update(s, worker_number);
}

/* Time that the rest takes if the work goes on as it did; figures are shortened, so that nothing
 * overflows whatever a worker says. */
static int64_t rest_us(int64_t elapsed_us, uint64_t done, uint64_t total)
{
    for (; total > PROGRESS_MAX; total >>= 1)
        done >>= 1;
    done = done != 0 ? done : 1;
    return elapsed_us / (int64_t)done * (int64_t)(total > done ? total - done : 0);
}

/* What the heartbeat says about the end, and how long a queue that has not moved will take. */
static void expect_again(i8x_sched *s, lease_row *lease, const i8x_sched_event *event)
{
    int64_t now = i8x_sched_now_us(s), elapsed = now - lease->begin_us;
    if (!lease->started) {
        if (lease->begin_us < now)
            lease->begin_us = now + (int64_t)lease->cost_us;
        expect_end(s, lease);
    } else if (event->done != 0 && event->done <= event->total && elapsed > 0) {
        lease->finish_us = now + rest_us(elapsed, event->done, event->total);
    }
}

void i8x_leases_overdue(i8x_sched *s)
{
    int64_t now = i8x_sched_now_us(s);
    for (int i = 0; i < OVERDUE_MAX && i8x_heap_top_key(&s->overdue) <= (uint64_t)now; i++) {
        uint32_t row = i8x_heap_top(&s->overdue);
        lease_row *lease = i8x_lease_at(s, row);
        int64_t elapsed = now - lease->begin_us;
        if (lease->cost_us == 0)
            expect_end(s, lease);
        if (lease->finish_us <= now)
            lease->finish_us = now + (elapsed > OVERDUE_LEAST_US ? elapsed : OVERDUE_LEAST_US);
        place_in_tail(s, row);
    }
}

void i8x_leases_renew(i8x_sched *s, uint32_t row, const i8x_sched_event *event)
{
    lease_row *lease = i8x_lease_at(s, row);
    extend(s, row);
    if (event->started && !lease->started)
        start(s, row);
    expect_again(s, lease, event);
    place_in_tail(s, row);
}
