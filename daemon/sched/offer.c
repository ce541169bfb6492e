/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding a worker for a task looks at the first entries of one heap per group: there are as many
 * groups as there are versions of the worker in the fleet, mostly one.
 */
#include "daemon/sched/offer.h"

#include "daemon/sched/fleet.h"
#include "daemon/sched/rates.h"
#include "daemon/sched/tasks.h"

#define LOOK_MAX 10 /* workers of a group looked at for one task */

_Static_assert(LOOK_MAX > I8X_SCHED_FAILED_MAX, "one of them is not a worker that failed");

/* The key of the heap, most significant first: has to queue, slowness or backlog, number of its
 * first ask. */
#define QUEUES ((uint64_t)1 << 63)
#define MIDDLE_BITS 23
#define NUMBER_BITS 40
#define NUMBER_MASK (((uint64_t)1 << NUMBER_BITS) - 1)

bool i8x_offer_is_idle(const worker_row *worker)
{
    return worker->running.count + worker->queued.count < worker->slots;
}

static uint64_t offer_key(const i8x_sched *s, const worker_row *worker)
{
    uint64_t number = i8x_ask_at(s, worker->asks.first)->number & NUMBER_MASK;
    uint64_t most = ((uint64_t)1 << MIDDLE_BITS) - 1;
    if (i8x_offer_is_idle(worker))
        return (worker->slowness < most ? worker->slowness : most) << NUMBER_BITS | number;
    uint64_t backlog_ms = worker->backlog_us / worker->slots / 1000;
    return QUEUES | (backlog_ms < most ? backlog_ms : most) << NUMBER_BITS | number;
}

void i8x_offer_update(i8x_sched *s, uint32_t row)
{
    const worker_row *worker = i8x_worker_at(s, row);
    if (worker->group == 0)
        return;
    i8x_heap *offers = &i8x_group_at(s, worker->group)->offers;
    if (i8x_fleet_eligible(worker) && worker->asks.first != 0)
        i8x_heap_set(offers, row, offer_key(s, worker));
    else
        i8x_heap_remove(offers, row);
}

bool i8x_offer_has_room(const i8x_sched *s, const worker_row *worker, int kind)
{
    if (i8x_offer_is_idle(worker))
        return true;
    uint32_t held = worker->running.count + worker->queued.count;
    uint64_t next_us = i8x_rates_expect(s, worker, kind), ahead_us = worker->backlog_us + next_us;
    bool soon = worker->queued.count == 0 ||
                (next_us != 0 && ahead_us <= (uint64_t)worker->slots * I8X_OFFER_AHEAD_US);
    uint64_t fair = i8x_rates_share(s, worker, kind, s->ready[kind].count) / 2;
    return held < I8X_OFFER_LEASES_MAX && soon && worker->queued.count < fair;
}

uint32_t i8x_offer_kinds(const i8x_sched *s)
{
    uint32_t kinds = 0;
    for (uint32_t row = 1; row < s->groups.count; row++)
        if (i8x_group_at(s, row)->offers.count != 0)
            kinds |= i8x_group_at(s, row)->kinds;
    return kinds;
}

uint32_t i8x_offer_for_kind(const i8x_sched *s, int kind)
{
    uint32_t best = 0;
    uint64_t best_key = UINT64_MAX;
    for (uint32_t row = 1; row < s->groups.count; row++) {
        const group_row *group = i8x_group_at(s, row);
        if ((group->kinds >> kind & 1) == 0)
            continue;
        for (size_t i = 0; i < group->offers.count && i < LOOK_MAX; i++) {
            const i8x_heap_entry *offer = &group->offers.entries[i];
            if (offer->key >= best_key ||
                !i8x_offer_has_room(s, i8x_worker_at(s, offer->row), kind))
                continue;
            best = offer->row;
            best_key = offer->key;
            if (i == 0)
                break; /* no other of the group is better */
        }
    }
    return best;
}

uint32_t i8x_offer_for_failed(const i8x_sched *s, const task_row *task)
{
    if (!i8x_fleet_others_for(s, task))
        return i8x_offer_for_kind(s, task->kind);
    for (uint32_t row = 1; row < s->groups.count; row++) {
        const group_row *group = i8x_group_at(s, row);
        if ((group->kinds >> task->kind & 1) == 0)
            continue;
        for (size_t i = 0; i < group->offers.count && i < LOOK_MAX; i++) {
            const worker_row *worker = i8x_worker_at(s, group->offers.entries[i].row);
            if (i8x_offer_is_idle(worker) && !i8x_tasks_failed_on(task, worker->identity))
                return group->offers.entries[i].row;
        }
    }
    return 0;
}
