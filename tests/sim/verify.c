/* SPDX-License-Identifier: Apache-2.0
 *
 * The scheduler's own tables, looked at from outside of it: every row stands exactly where its
 * state says, every list and heap holds exactly what it should, every count equals what is counted.
 */
#include "daemon/sched/fleet.h"
#include "daemon/sched/offer.h"
#include "daemon/sched/rates.h"
#include "tests/sim/world.h"

#define MUST(condition, sentence)                                                                  \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return (sentence);                                                                     \
    } while (0)

typedef struct counts {
    size_t tasks, ready, failed, waiting, leases, workers, away, asks, linked, started, duplicates,
        audits, pending;
} counts;

static const char *check_heap(const i8x_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++) {
        const char *row = i8x_rows_at(heap->rows, heap->entries[i].row);
        uint32_t place = *(const uint32_t *)(row + heap->place_offset);
        MUST(place == i + 1, "a row does not know its place in a heap");
        MUST(i == 0 || heap->entries[(i - 1) / 2].key <= heap->entries[i].key, "a heap's order");
    }
    return NULL;
}

static const char *check_heaps(const i8x_sched *s)
{
    const i8x_heap *heaps[] = {&s->failed,    &s->due,     &s->expiry,   &s->silence,
                               &s->deadlines, &s->overdue, &s->producers};
    const char *fault = NULL;
    for (size_t i = 0; fault == NULL && i < sizeof heaps / sizeof *heaps; i++)
        fault = check_heap(heaps[i]);
    for (int kind = 0; fault == NULL && kind < I8X_TASK_KIND_COUNT; kind++) {
        fault = check_heap(&s->ready[kind]);
        fault = fault != NULL ? fault : check_heap(&s->running[kind]);
        fault = fault != NULL ? fault : check_heap(&s->queued[kind]);
        MUST((s->ready_kinds >> kind & 1) == (s->ready[kind].count != 0),
             "the mask of ready kinds");
    }
    for (uint32_t row = 1; fault == NULL && row < s->groups.count; row++)
        fault = check_heap(&i8x_group_at(s, row)->offers);
    return fault;
}

static const char *check_lease(const i8x_sched *s, uint32_t row, const task_row *task, counts *n)
{
    const lease_row *lease = i8x_lease_at(s, row);
    bool two = task->leases[1] != 0, second = task->leases[1] == row;
    MUST(i8x_task_at(s, lease->task) == task, "a lease and its task disagree");
    MUST(lease->expiry_place != 0, "a lease without an end");
    MUST(i8x_worker_at(s, lease->worker)->session != 0, "a lease of a worker that is away");
    MUST(lease->duplicate == second, "the mark of a second lease");
    bool listed = !two && task->audit == 0;
    MUST((lease->tail_place != 0) == listed, "a lease's place in the tail");
    MUST((lease->overdue_place != 0) == (listed && lease->started), "a lease's place by its end");
    const i8x_heap *heap = lease->started ? &s->running[task->kind] : &s->queued[task->kind];
    MUST(!listed || heap->entries[lease->tail_place - 1].row == row, "a lease is elsewhere");
    n->leases++;
    n->started += lease->started;
    n->duplicates += second;
    return NULL;
}

/* Rows that are given back are found by nobody: the lookup tells which are in use. */
static const char *check_task(const i8x_sched *s, uint32_t row, counts *n)
{
    const task_row *task = i8x_task_at(s, row);
    bool ready = task->state == I8X_SCHED_READY, waiting = task->state == I8X_SCHED_WAITING;
    bool failed = ready && task->failed_count > 0;
    bool audited = task->state == I8X_SCHED_AUDIT_WAITING;
    bool leased = task->state == I8X_SCHED_LEASED || task->state == I8X_SCHED_AUDITING;
    MUST((task->ready_place != 0) == (ready || audited), "a task's place among the ready ones");
    MUST((task->due_place != 0) == (waiting || (audited && task->due_ms != INT64_MAX)),
         "a task's place among the waiting ones");
    MUST((task->leases[0] != 0) == leased, "a task's lease and state");
    MUST(task->audit == 0 || task->state >= I8X_SCHED_COMMITTING, "an audit before the commit");
    MUST(task->audit != 0 || task->state <= I8X_SCHED_COMMITTING, "an audit is lost");
    if (audited)
        MUST(i8x_worker_at(s, i8x_audit_at(s, task->audit)->producer)
                     ->audits.entries[task->ready_place - 1]
                     .row == row,
             "an audit waits elsewhere");
    MUST(task->leases[0] != 0 || task->leases[1] == 0, "a second lease without a first");
    if (failed)
        MUST(s->failed.entries[task->ready_place - 1].row == row, "a failed task is elsewhere");
    if (ready && !failed)
        MUST(s->ready[task->kind].entries[task->ready_place - 1].row == row,
             "a ready task is elsewhere");
    n->tasks++;
    n->ready += ready && !failed;
    n->failed += failed;
    n->waiting += task->due_place != 0;
    n->audits += task->audit != 0;
    const char *fault = NULL;
    for (int i = 0; fault == NULL && i < I8X_SCHED_LEASES_MAX; i++)
        if (task->leases[i] != 0)
            fault = check_lease(s, task->leases[i], task, n);
    return fault;
}

static const char *check_asks(const i8x_sched *s, uint32_t row, counts *n)
{
    const worker_row *worker = i8x_worker_at(s, row);
    uint32_t count = 0, previous = 0;
    for (uint32_t at = worker->asks.first; at != 0; at = i8x_ask_at(s, at)->link.next) {
        const ask_row *ask = i8x_ask_at(s, at);
        MUST(ask->worker == row && ask->given == 0 && ask->want > 0, "an open ask");
        MUST(ask->link.previous == previous && ask->deadline_place != 0, "a link of an ask");
        previous = at;
        count++;
    }
    MUST(count == worker->asks.count && worker->asks.last == previous, "the list of asks");
    n->asks += count;
    return NULL;
}

static const char *check_list(const i8x_sched *s, uint32_t worker, const i8x_list *list,
                              bool started, uint64_t *cost_us)
{
    uint32_t count = 0, previous = 0;
    for (uint32_t at = list->first; at != 0; at = i8x_lease_at(s, at)->link.next) {
        const lease_row *lease = i8x_lease_at(s, at);
        MUST(lease->worker == worker && lease->link.previous == previous, "a link of a lease");
        MUST(lease->started == started, "a lease is in the wrong list");
        *cost_us += lease->cost_us;
        previous = at;
        count++;
    }
    MUST(count == list->count && list->last == previous, "a list of leases");
    return NULL;
}

static const char *check_worker(const i8x_sched *s, uint32_t row, counts *n)
{
    const worker_row *worker = i8x_worker_at(s, row);
    bool here = worker->session != 0;
    uint32_t leases = worker->running.count + worker->queued.count;
    MUST((worker->silence_place != 0) == here, "a worker's place among those that speak");
    MUST(here || (leases == 0 && worker->asks.count == 0), "an absent worker works");
    MUST(!worker->quarantined || leases == 0, "a worker in quarantine works");
    bool barred = worker->draining || worker->drained || worker->quarantined;
    MUST(!barred || worker->asks.count == 0, "a worker that gets nothing asks");
    MUST((worker->offer_place != 0) == (here && !barred && worker->asks.count > 0),
         "a worker's place among the offers");
    MUST(worker->queued.count == 0 || worker->running.count >= worker->slots,
         "a lease waits beside a free slot");
    uint64_t cost_us = 0;
    const char *fault = check_list(s, row, &worker->running, true, &cost_us);
    fault = fault != NULL ? fault : check_list(s, row, &worker->queued, false, &cost_us);
    if (fault != NULL)
        return fault;
    MUST(cost_us == worker->backlog_us, "the expected work of a worker");
    MUST((worker->producer_place != 0) == (worker->audits.count != 0), "a worker's audits");
    fault = check_heap(&worker->audits);
    if (fault != NULL)
        return fault;
    n->pending += worker->pending.count;
    n->linked += leases;
    n->workers += here;
    n->away += !here;
    return check_asks(s, row, n);
}

static const char *check_power(const i8x_sched *s)
{
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++) {
        i8x_sched_power power = {0};
        for (size_t i = 0; i < s->by_session.size; i++) {
            uint32_t row = s->by_session.cells[i].row;
            const worker_row *worker = row != 0 ? i8x_worker_at(s, row) : NULL;
            if (worker == NULL || (worker->kinds >> kind & 1) == 0 || worker->draining ||
                worker->drained || worker->quarantined)
                continue;
            uint64_t rate = i8x_rates_of(worker, kind);
            power.workers++;
            power.slots += worker->slots;
            power.measured_slots += rate != 0 ? worker->slots : 0;
            power.rate += rate;
        }
        const i8x_sched_power *kept = &s->power[kind];
        MUST(power.workers == kept->workers && power.slots == kept->slots &&
                 power.measured_slots == kept->measured_slots && power.rate == kept->rate,
             "what the fleet can do");
    }
    return NULL;
}

/* Nothing that could be done is left undone. */
static const char *check_crowds(const i8x_sched *s)
{
    for (size_t i = 0; i < s->by_host.size; i++) {
        uint32_t host = s->by_host.cells[i].row, members = 0, able[I8X_TASK_KIND_COUNT] = {0};
        for (size_t k = 0; host != 0 && k < s->by_identity.size; k++) {
            uint32_t row = s->by_identity.cells[k].row;
            const worker_row *worker = row != 0 ? i8x_worker_at(s, row) : NULL;
            if (worker == NULL || worker->host != host)
                continue;
            members++;
            for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
                able[kind] += i8x_fleet_eligible(worker) && (worker->kinds >> kind & 1) != 0;
        }
        for (int kind = 0; host != 0 && kind < I8X_TASK_KIND_COUNT; kind++)
            MUST(members == i8x_crowd_at(s, host)->members &&
                     able[kind] == i8x_crowd_at(s, host)->workers[kind],
                 "the count of a host's workers");
    }
    return NULL;
}

static const char *check_dealt(const i8x_sched *s)
{
    for (uint32_t row = 1; row < s->groups.count; row++) {
        const group_row *group = i8x_group_at(s, row);
        uint32_t worker = i8x_heap_top(&group->offers);
        MUST(worker == 0 || !i8x_offer_is_idle(i8x_worker_at(s, worker)) ||
                 (group->kinds & s->ready_kinds) == 0,
             "a task is ready and a worker that could do it waits");
    }
    return NULL;
}

static const char *check_counts(const i8x_sched *s, const counts *n)
{
    size_t ready = 0;
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
        ready += s->ready[kind].count;
    MUST(n->tasks == s->by_key.count, "the count of tasks");
    MUST(n->ready == ready && n->failed == s->failed.count, "the count of ready tasks");
    MUST(n->ready + n->failed == s->state_counts[I8X_SCHED_READY], "the count of ready tasks");
    MUST(n->waiting == s->due.count, "the count of waiting tasks");
    MUST(n->leases == s->expiry.count && n->leases == n->linked, "the count of leases");
    MUST(n->started == s->started && n->duplicates == s->duplicates,
         "the count of kinds of leases");
    MUST(n->workers == s->connected && n->workers == s->by_session.count, "the count of workers");
    MUST(n->workers == s->silence.count && n->away == s->away.count, "the count of absent workers");
    MUST(n->audits == n->pending, "the count of audits");
    MUST(n->asks == s->parked && n->asks == s->deadlines.count, "the count of asks");
    MUST(s->served.count == 0 && s->urgent == 0, "an ask of this step is left");
    return NULL;
}

const char *sim_verify(const i8x_sched *s)
{
    counts n = {0};
    const char *fault = check_heaps(s);
    for (size_t i = 0; fault == NULL && i < s->by_key.size; i++)
        if (s->by_key.cells[i].row != 0)
            fault = check_task(s, s->by_key.cells[i].row, &n);
    for (size_t i = 0; fault == NULL && i < s->by_identity.size; i++)
        if (s->by_identity.cells[i].row != 0)
            fault = check_worker(s, s->by_identity.cells[i].row, &n);
    if (fault == NULL)
        fault = check_counts(s, &n);
    if (fault == NULL)
        fault = check_power(s);
    if (fault == NULL)
        fault = check_crowds(s);
    return fault != NULL ? fault : check_dealt(s);
}
