/* SPDX-License-Identifier: Apache-2.0
 *
 * The scheduler's own tables, looked at from outside of it: every row stands exactly where its
 * state says, every list and heap holds exactly what it should, every count equals what is counted.
 */
#include "daemon/sched/state.h"
#include "tests/sim/world.h"

#define MUST(condition, sentence)                                                                  \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return (sentence);                                                                     \
    } while (0)

typedef struct counts {
    size_t tasks, ready, failed, waiting, leases, workers, away, asks, linked_leases;
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
    const i8x_heap *heaps[] = {&s->failed, &s->due, &s->expiry, &s->silence, &s->deadlines};
    const char *fault = NULL;
    for (size_t i = 0; fault == NULL && i < sizeof heaps / sizeof *heaps; i++)
        fault = check_heap(heaps[i]);
    for (int kind = 0; fault == NULL && kind < I8X_TASK_KIND_COUNT; kind++) {
        fault = check_heap(&s->ready[kind]);
        MUST((s->ready_kinds >> kind & 1) == (s->ready[kind].count != 0),
             "the mask of ready kinds");
    }
    for (uint32_t row = 1; fault == NULL && row < s->groups.count; row++)
        fault = check_heap(&i8x_group_at(s, row)->offers);
    return fault;
}

/* Rows that are given back are found by nobody: the lookup tells which are in use. */
static const char *check_task(const i8x_sched *s, uint32_t row, counts *n)
{
    const task_row *task = i8x_task_at(s, row);
    bool ready = task->state == I8X_SCHED_READY, waiting = task->state == I8X_SCHED_WAITING;
    bool failed = ready && task->failed_count > 0;
    MUST((task->ready_place != 0) == ready, "a task's place among the ready ones");
    MUST((task->due_place != 0) == waiting, "a task's place among the waiting ones");
    MUST((task->lease != 0) == (task->state == I8X_SCHED_LEASED), "a task's lease and its state");
    if (failed)
        MUST(s->failed.entries[task->ready_place - 1].row == row, "a failed task is elsewhere");
    if (ready && !failed)
        MUST(s->ready[task->kind].entries[task->ready_place - 1].row == row,
             "a ready task is elsewhere");
    if (task->lease != 0) {
        const lease_row *lease = i8x_lease_at(s, task->lease);
        MUST(lease->task == row && lease->epoch == task->epoch, "a lease and its task disagree");
        MUST(lease->expiry_place != 0, "a lease without an end");
        MUST(i8x_worker_at(s, lease->worker)->session != 0, "a lease of a worker that is away");
    }
    n->tasks++;
    n->ready += ready && !failed;
    n->failed += failed;
    n->waiting += waiting;
    n->leases += task->lease != 0;
    return NULL;
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

static const char *check_worker(const i8x_sched *s, uint32_t row, counts *n)
{
    const worker_row *worker = i8x_worker_at(s, row);
    bool here = worker->session != 0;
    MUST((worker->silence_place != 0) == here, "a worker's place among those that speak");
    MUST(here || (worker->leases.count == 0 && worker->asks.count == 0), "an absent worker works");
    bool offers = here && !worker->draining && worker->asks.count > 0;
    MUST((worker->offer_place != 0) == offers, "a worker's place among the offers");
    uint32_t count = 0, previous = 0;
    for (uint32_t at = worker->leases.first; at != 0; at = i8x_lease_at(s, at)->link.next) {
        MUST(i8x_lease_at(s, at)->worker == row && i8x_lease_at(s, at)->link.previous == previous,
             "a link of a lease");
        previous = at;
        count++;
    }
    MUST(count == worker->leases.count && worker->leases.last == previous, "the list of leases");
    n->linked_leases += count;
    n->workers += here;
    n->away += !here;
    return check_asks(s, row, n);
}

static const char *check_eligible(const i8x_sched *s)
{
    uint32_t eligible[I8X_TASK_KIND_COUNT] = {0};
    for (size_t i = 0; i < s->by_session.size; i++) {
        if (s->by_session.cells[i].row == 0)
            continue;
        const worker_row *worker = i8x_worker_at(s, s->by_session.cells[i].row);
        for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
            eligible[kind] += !worker->draining && (worker->kinds >> kind & 1) != 0;
    }
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
        MUST(eligible[kind] == s->eligible[kind], "the count of workers that can do a kind");
    return NULL;
}

/* Nothing that could be done is left undone. */
static const char *check_dealt(const i8x_sched *s)
{
    for (uint32_t row = 1; row < s->groups.count; row++)
        MUST(i8x_group_at(s, row)->offers.count == 0 ||
                 (i8x_group_at(s, row)->kinds & s->ready_kinds) == 0,
             "a task is ready and a worker that could do it waits");
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
    MUST(n->leases == s->expiry.count && n->leases == n->linked_leases, "the count of leases");
    MUST(n->workers == s->connected && n->workers == s->by_session.count, "the count of workers");
    MUST(n->workers == s->silence.count && n->away == s->away.count, "the count of absent workers");
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
        fault = check_eligible(s);
    return fault != NULL ? fault : check_dealt(s);
}
