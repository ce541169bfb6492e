/* SPDX-License-Identifier: Apache-2.0
 *
 * Looks at the few last ones of each kind: what ends or begins last is what the job waits for.
 */
#include "daemon/sched/tail.h"

#include "daemon/sched/rates.h"
#include "daemon/sched/tasks.h"

#define LOOK_MAX 4         /* leases of a kind looked at */
#define DUPLICATES_PART 20 /* duplicates are at most one in so many running leases, and one */
#define WORTH_US 100000    /* less time than that is not worth the messages */

static bool may_help(const i8x_sched *s, uint32_t worker, const lease_row *lease)
{
    const task_row *task = i8x_task_at(s, lease->task);
    return lease->worker != worker && task->leases[1] == 0 &&
           !i8x_tasks_failed_on(task, i8x_worker_at(s, worker)->identity);
}

/* When nothing is known about a kind, to begin at once is better than to wait. */
static bool is_sooner(const i8x_sched *s, const worker_row *worker, const lease_row *lease,
                      int kind)
{
    int64_t now = i8x_sched_now_us(s);
    if (lease->cost_us == 0)
        return true;
    return lease->begin_us > now + WORTH_US &&
           now + (int64_t)i8x_rates_expect(s, worker, kind) < lease->finish_us;
}

uint32_t i8x_tail_waiting(const i8x_sched *s, uint32_t number)
{
    const worker_row *worker = i8x_worker_at(s, number);
    uint32_t best = 0;
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++) {
        const i8x_heap *heap = &s->queued[kind];
        if ((worker->kinds >> kind & 1) == 0)
            continue;
        for (size_t i = 0; i < heap->count && i < LOOK_MAX; i++) {
            uint32_t row = heap->entries[i].row;
            const lease_row *lease = i8x_lease_at(s, row);
            if ((best == 0 || lease->begin_us > i8x_lease_at(s, best)->begin_us) &&
                may_help(s, number, lease) && is_sooner(s, worker, lease, kind))
                best = row;
        }
    }
    return best;
}

uint32_t i8x_tail_slow(const i8x_sched *s, uint32_t number)
{
    const worker_row *worker = i8x_worker_at(s, number);
    uint32_t best = 0;
    int64_t now = i8x_sched_now_us(s);
    size_t most = s->started / DUPLICATES_PART;
    if (s->duplicates >= (most > 1 ? most : 1))
        return 0;
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++) {
        const i8x_heap *heap = &s->running[kind];
        int64_t own = (int64_t)i8x_rates_expect(s, worker, kind);
        if ((worker->kinds >> kind & 1) == 0 || own == 0)
            continue;
        for (size_t i = 0; i < heap->count && i < LOOK_MAX; i++) {
            uint32_t row = heap->entries[i].row;
            const lease_row *lease = i8x_lease_at(s, row);
            if ((best == 0 || lease->finish_us > i8x_lease_at(s, best)->finish_us) &&
                2 * own + WORTH_US < lease->finish_us - now && may_help(s, number, lease))
                best = row;
        }
    }
    return best != 0 ? i8x_lease_at(s, best)->task : 0;
}
