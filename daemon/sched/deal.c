/* SPDX-License-Identifier: Apache-2.0
 *
 * Before each event no ready task and no open ask fit together, so only what the event changed can
 * be dealt: a step costs what it hands out, not what is open. Tasks that failed on some worker are
 * kept apart: a worker that must not get them has not to look past them for others.
 */
#include "daemon/sched/deal.h"

#include "daemon/sched/fleet.h"
#include "daemon/sched/tasks.h"

#define FAILED_LOOK_MAX 16 /* tasks that failed somewhere, looked at in one step */
#define OFFER_LOOK_MAX 10  /* workers of a group looked at for one of them */

_Static_assert(OFFER_LOOK_MAX > I8X_SCHED_FAILED_MAX, "one of them is not a worker that failed");

/* Kinds that a worker with an open ask can do. */
static uint32_t offered_kinds(const i8x_sched *s)
{
    uint32_t kinds = 0;
    for (uint32_t row = 1; row < s->groups.count; row++)
        if (i8x_group_at(s, row)->offers.count != 0)
            kinds |= i8x_group_at(s, row)->kinds;
    return kinds;
}

static void grant(i8x_sched *s, uint32_t task, uint32_t worker)
{
    bool again = i8x_task_at(s, task)->epoch != 0;
    i8x_tasks_lease(s, task, worker, ++s->last_epoch);
    uint64_t ticket = i8x_fleet_serve(s, worker);
    i8x_sched_action *action =
        i8x_sched_act(s, I8X_SCHED_DO_GRANT, i8x_worker_at(s, worker)->session, task);
    action->ticket = ticket;
    action->again = again;
}

/* The best offer for a task that has not failed anywhere: the first of the first group's. */
static uint32_t offer_for(const i8x_sched *s, int kind)
{
    uint32_t best = 0;
    uint64_t best_key = UINT64_MAX;
    for (uint32_t row = 1; row < s->groups.count; row++) {
        const group_row *group = i8x_group_at(s, row);
        if ((group->kinds >> kind & 1) == 0 || i8x_heap_top_key(&group->offers) >= best_key)
            continue;
        best = i8x_heap_top(&group->offers);
        best_key = i8x_heap_top_key(&group->offers);
    }
    return best;
}

/* A worker that has not failed on this task, or any if there is no such worker in the fleet. */
static uint32_t other_offer_for(const i8x_sched *s, const task_row *task)
{
    if (!i8x_fleet_others_for(s, task))
        return offer_for(s, task->kind);
    for (uint32_t row = 1; row < s->groups.count; row++) {
        const group_row *group = i8x_group_at(s, row);
        if ((group->kinds >> task->kind & 1) == 0)
            continue;
        for (size_t i = 0; i < group->offers.count && i < OFFER_LOOK_MAX; i++) {
            uint32_t worker = group->offers.entries[i].row;
            if (!i8x_tasks_failed_on(task, i8x_worker_at(s, worker)->identity))
                return worker;
        }
    }
    return 0;
}

/* First those that failed somewhere: their jobs have waited longest for them. */
static void deal_failed(i8x_sched *s)
{
    for (size_t i = 0; i < s->failed.count && i < FAILED_LOOK_MAX;) {
        uint32_t task = s->failed.entries[i].row;
        uint32_t worker = other_offer_for(s, i8x_task_at(s, task));
        if (worker != 0) {
            grant(s, task, worker);
            i = 0; /* the heap has moved */
        } else {
            i++;
        }
    }
}

static int first_kind(const i8x_sched *s, uint32_t kinds)
{
    int best = -1;
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
        if ((kinds >> kind & 1) != 0 &&
            (best < 0 || i8x_heap_top_key(&s->ready[kind]) < i8x_heap_top_key(&s->ready[best])))
            best = kind;
    return best;
}

static void deal_ready(i8x_sched *s)
{
    uint32_t kinds;
    while ((kinds = s->ready_kinds & offered_kinds(s)) != 0) {
        int kind = first_kind(s, kinds);
        grant(s, i8x_heap_top(&s->ready[kind]), offer_for(s, kind));
    }
}

void i8x_deal(i8x_sched *s)
{
    if (s->failed.count != 0 && offered_kinds(s) != 0)
        deal_failed(s);
    deal_ready(s);
    i8x_fleet_answer_served(s);
}
