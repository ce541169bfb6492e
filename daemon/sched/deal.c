/* SPDX-License-Identifier: Apache-2.0
 *
 * Before each event no ready task and no idle worker with an open ask fit together, so only what
 * the event changed can be dealt: a step costs what it hands out, not what is open. Tasks that
 * failed on some worker are kept apart: a worker that must not get them has not to look past them.
 */
#include "daemon/sched/deal.h"

#include "daemon/sched/audits.h"
#include "daemon/sched/fleet.h"
#include "daemon/sched/leases.h"
#include "daemon/sched/offer.h"
#include "daemon/sched/tail.h"
#include "daemon/sched/tasks.h"

#define AUDITORS_LOOK_MAX 8 /* workers of a group looked at for an audit */
#define FAILED_LOOK_MAX 16  /* tasks that failed somewhere, looked at in one step */

static void grant(i8x_sched *s, uint32_t task, uint32_t worker)
{
    bool again = i8x_task_at(s, task)->epoch != 0;
    bool duplicate = i8x_task_at(s, task)->state == I8X_SCHED_LEASED;
    bool audit = i8x_task_at(s, task)->state == I8X_SCHED_AUDIT_WAITING;
    i8x_tasks_lease(s, task, worker, ++s->last_epoch);
    uint64_t ticket = i8x_fleet_serve(s, worker);
    i8x_sched_action *action =
        i8x_sched_act(s, I8X_SCHED_DO_GRANT, i8x_worker_at(s, worker)->session, task);
    action->ticket = ticket;
    action->again = again;
    action->duplicate = duplicate;
    action->audit = audit;
}

/* First those that failed somewhere: their jobs have waited longest for them. */
static void deal_failed(i8x_sched *s)
{
    for (size_t i = 0; i < s->failed.count && i < FAILED_LOOK_MAX;) {
        uint32_t task = s->failed.entries[i].row;
        uint32_t worker = i8x_offer_for_failed(s, i8x_task_at(s, task));
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

/* Audits of older jobs go before tasks of younger ones, or the older job would never end. */
static uint32_t audit_before(const i8x_sched *s, uint32_t worker, uint64_t order)
{
    if (s->producers.count == 0 || !i8x_offer_is_idle(i8x_worker_at(s, worker)))
        return 0;
    return i8x_audits_for(s, worker, order);
}

static void deal_ready(i8x_sched *s)
{
    uint32_t full = 0; /* kinds of which nobody who asks may have more */
    for (uint32_t kinds; (kinds = s->ready_kinds & i8x_offer_kinds(s) & ~full) != 0;) {
        int kind = first_kind(s, kinds);
        uint32_t worker = i8x_offer_for_kind(s, kind);
        if (worker == 0) {
            full |= 1u << kind;
            continue;
        }
        uint32_t audit = audit_before(s, worker, i8x_heap_top_key(&s->ready[kind]));
        grant(s, audit != 0 ? audit : i8x_heap_top(&s->ready[kind]), worker);
    }
}

/* Audits for idle workers for which nothing else is ready. */
static void deal_audits(i8x_sched *s)
{
    for (uint32_t row = 1; row < s->groups.count && s->producers.count != 0; row++) {
        const i8x_heap *offers = &i8x_group_at(s, row)->offers;
        for (size_t i = 0; i < offers->count && i < AUDITORS_LOOK_MAX;) {
            uint32_t worker = offers->entries[i].row;
            uint32_t audit = audit_before(s, worker, UINT64_MAX);
            if (audit != 0) {
                grant(s, audit, worker);
                i = 0; /* the heap has moved */
            } else {
                i++;
            }
        }
    }
}

/* Nothing is ready for this idle worker: it helps others. */
static bool help(i8x_sched *s, uint32_t worker)
{
    uint32_t lease = i8x_tail_waiting(s, worker);
    if (lease != 0) {
        uint32_t task = i8x_lease_at(s, lease)->task;
        i8x_sched_act(s, I8X_SCHED_DO_CALL_BACK, i8x_leases_session(s, lease), task)->epoch =
            i8x_lease_at(s, lease)->epoch;
        i8x_tasks_unlease(s, lease);
        grant(s, task, worker);
        return true;
    }
    uint32_t task = i8x_tail_slow(s, worker);
    if (task != 0)
        grant(s, task, worker);
    return task != 0;
}

/* The best idle worker of each group; if it cannot help, the slower ones cannot either. */
static void deal_tail(i8x_sched *s)
{
    for (uint32_t row = 1; row < s->groups.count; row++) {
        const group_row *group = i8x_group_at(s, row);
        uint32_t worker = i8x_heap_top(&group->offers);
        if (worker == 0 || !i8x_offer_is_idle(i8x_worker_at(s, worker)))
            continue;
        if (!s->idle)
            i8x_leases_overdue(s);
        s->idle = true;
        while (worker != 0 && i8x_offer_is_idle(i8x_worker_at(s, worker)) && help(s, worker))
            worker = i8x_heap_top(&group->offers);
    }
}

void i8x_deal(i8x_sched *s)
{
    s->idle = false;
    if (i8x_offer_kinds(s) != 0) {
        deal_failed(s);
        deal_ready(s);
        deal_audits(s);
        deal_tail(s);
    }
    i8x_fleet_answer_served(s);
}
