/* SPDX-License-Identifier: Apache-2.0
 *
 * The scheduler's door: one handler per event in a table; after each, deal.h hands out what can be
 * handed out. What is due stands in heaps by time, so that a TICK looks at nothing that is not due.
 */
#include "daemon/sched/sched.h"

#include "daemon/sched/audits.h"
#include "daemon/sched/deal.h"
#include "daemon/sched/fleet.h"
#include "daemon/sched/handlers.h"
#include "daemon/sched/tasks.h"
#include "int8x/alloc.h"

#define TICK_MAX 64 /* due things of one TICK; the rest is due at once */

i8x_sched_action *i8x_sched_act(i8x_sched *s, i8x_sched_action_type type, uint64_t session,
                                uint32_t task)
{
    if (s->action_count == s->action_capacity) {
        size_t capacity = s->action_capacity == 0 ? 16 : s->action_capacity * 2;
        s->actions =
            i8x_alloc_resize(i8x_alloc_heap(), s->actions, s->action_capacity * sizeof *s->actions,
                             capacity * sizeof *s->actions);
        I8X_ASSERT(s->actions != NULL);
        s->action_capacity = capacity;
    }
    i8x_sched_action *action = &s->actions[s->action_count++];
    *action = (i8x_sched_action){.type = type, .worker = session};
    if (task != 0) {
        const task_row *row = i8x_task_at(s, task);
        action->key = row->key;
        action->epoch = row->epoch;
        action->attempts = row->attempts;
        action->workers = row->failed_count;
    }
    return action;
}

/* ---- tasks come and go ---- */

static void on_task_add(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t task = i8x_tasks_find(s, &event->key);
    if (task != 0 && i8x_task_at(s, task)->state < I8X_SCHED_AUDIT_WAITING)
        return;
    if (task != 0) { /* its committed result is no longer there: from the beginning */
        i8x_hear_cancel(s, task, 0);
        i8x_tasks_remove(s, task);
    }
    i8x_tasks_add(s, &event->key, event->kind, event->order);
}

static void on_audit_add(i8x_sched *s, const i8x_sched_event *event)
{
    if (i8x_tasks_find(s, &event->key) != 0)
        return;
    uint32_t row = i8x_tasks_add(s, &event->key, event->kind, event->order);
    task_row *task = i8x_task_at(s, row);
    task->result = event->result;
    task->producer = event->identity;
    i8x_audits_open(s, row, i8x_fleet_remember(s, event->identity));
    i8x_audits_committed(s, row);
}

static void on_audit_hurry(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t task = i8x_tasks_find(s, &event->key);
    if (task != 0)
        i8x_audits_hurry(s, task);
}

static void on_task_drop(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t task = i8x_tasks_find(s, &event->key);
    if (task == 0)
        return;
    i8x_hear_cancel(s, task, 0);
    i8x_tasks_remove(s, task);
}

/* ---- time ---- */

static void end_wait(i8x_sched *s, uint32_t task)
{
    if (i8x_task_at(s, task)->audit != 0)
        i8x_audits_due(s, task);
    else
        i8x_tasks_set_state(s, task, I8X_SCHED_READY);
}

/* One thing that is due; false if there is none. */
static bool tick_once(i8x_sched *s)
{
    uint64_t now = (uint64_t)s->now_ms, life = (uint64_t)s->opts.lease_life_ms;
    if (i8x_heap_top_key(&s->due) <= now)
        end_wait(s, i8x_heap_top(&s->due));
    else if (s->silence.count != 0 && i8x_heap_top_key(&s->silence) + life <= now)
        i8x_staff_gone(s, i8x_heap_top(&s->silence));
    else if (i8x_heap_top_key(&s->expiry) <= now)
        i8x_staff_lose(s, i8x_heap_top(&s->expiry));
    else if (i8x_heap_top_key(&s->deadlines) <= now)
        i8x_fleet_answer(s, i8x_heap_top(&s->deadlines));
    else
        return false;
    return true;
}

static void on_tick(i8x_sched *s, const i8x_sched_event *event)
{
    (void)event;
    for (int i = 0; i < TICK_MAX && tick_once(s); i++)
        ;
}

typedef void (*event_fn)(i8x_sched *s, const i8x_sched_event *event);
static const event_fn handlers[I8X_SCHED_EVENT_COUNT] = {
    [I8X_SCHED_TASK_ADD] = on_task_add,
    [I8X_SCHED_TASK_DROP] = on_task_drop,
    [I8X_SCHED_AUDIT_ADD] = on_audit_add,
    [I8X_SCHED_AUDIT_HURRY] = on_audit_hurry,
    [I8X_SCHED_COMMITTED] = i8x_hear_committed,
    [I8X_SCHED_WORKER_JOIN] = i8x_staff_join,
    [I8X_SCHED_WORKER_ADOPT] = i8x_staff_adopt,
    [I8X_SCHED_WORKER_DRAIN] = i8x_staff_drain,
    [I8X_SCHED_WORKER_QUARANTINE] = i8x_staff_quarantine,
    [I8X_SCHED_WORKER_RESUME] = i8x_staff_resume,
    [I8X_SCHED_WORKER_LEAVE] = i8x_staff_leave,
    [I8X_SCHED_ASK] = i8x_hear_ask,
    [I8X_SCHED_RENEW] = i8x_hear_renew,
    [I8X_SCHED_RESULT] = i8x_hear_result,
    [I8X_SCHED_FAIL] = i8x_hear_fail,
    [I8X_SCHED_TICK] = on_tick,
};

/* ---- outside ---- */

static void init_kind(i8x_sched *s, int kind)
{
    i8x_heap_init(&s->ready[kind], &s->tasks, offsetof(task_row, ready_place));
    i8x_heap_init(&s->running[kind], &s->leases, offsetof(lease_row, tail_place));
    i8x_heap_init(&s->queued[kind], &s->leases, offsetof(lease_row, tail_place));
}

static void init_tables(i8x_sched *s)
{
    i8x_rows_init(&s->tasks, sizeof(task_row));
    i8x_rows_init(&s->leases, sizeof(lease_row));
    i8x_rows_init(&s->workers, sizeof(worker_row));
    i8x_rows_init(&s->asks, sizeof(ask_row));
    i8x_rows_init(&s->groups, sizeof(group_row));
    i8x_rows_init(&s->audits, sizeof(audit_row));
    i8x_rows_init(&s->crowds, sizeof(crowd_row));
    i8x_heap_init(&s->producers, &s->workers, offsetof(worker_row, producer_place));
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
        init_kind(s, kind);
    i8x_heap_init(&s->failed, &s->tasks, offsetof(task_row, ready_place));
    i8x_heap_init(&s->due, &s->tasks, offsetof(task_row, due_place));
    i8x_heap_init(&s->expiry, &s->leases, offsetof(lease_row, expiry_place));
    i8x_heap_init(&s->silence, &s->workers, offsetof(worker_row, silence_place));
    i8x_heap_init(&s->overdue, &s->leases, offsetof(lease_row, overdue_place));
    i8x_heap_init(&s->deadlines, &s->asks, offsetof(ask_row, deadline_place));
}

i8x_status i8x_sched_new(const i8x_sched_opts *opts, i8x_sched **sched)
{
    i8x_sched *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->opts = *opts;
    made->last_epoch = opts->first_epoch;
    init_tables(made);
    *sched = made;
    return I8X_OK;
}

void i8x_sched_free(i8x_sched *s)
{
    if (s == NULL)
        return;
    for (uint32_t row = 1; row < s->groups.count; row++)
        i8x_heap_deinit(&i8x_group_at(s, row)->offers);
    for (size_t i = 0; i < s->by_identity.size; i++)
        if (s->by_identity.cells[i].row != 0)
            i8x_heap_deinit(&i8x_worker_at(s, s->by_identity.cells[i].row)->audits);
    i8x_heap *heaps[] = {&s->failed,    &s->due,     &s->expiry,   &s->silence,
                         &s->deadlines, &s->overdue, &s->producers};
    for (size_t i = 0; i < sizeof heaps / sizeof(i8x_heap *); i++)
        i8x_heap_deinit(heaps[i]);
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++) {
        i8x_heap_deinit(&s->ready[kind]);
        i8x_heap_deinit(&s->running[kind]);
        i8x_heap_deinit(&s->queued[kind]);
    }
    i8x_rows *tables[] = {&s->tasks,  &s->leases, &s->workers, &s->asks,
                          &s->groups, &s->audits, &s->crowds};
    for (size_t i = 0; i < sizeof tables / sizeof(i8x_rows *); i++)
        i8x_rows_deinit(tables[i]);
    i8x_lookup_deinit(&s->by_key);
    i8x_lookup_deinit(&s->by_session);
    i8x_lookup_deinit(&s->by_identity);
    i8x_lookup_deinit(&s->by_host);
    i8x_lookup_deinit(&s->by_machine);
    i8x_alloc_free(i8x_alloc_heap(), s->served.numbers,
                   s->served.capacity * sizeof *s->served.numbers);
    i8x_alloc_free(i8x_alloc_heap(), s->actions, s->action_capacity * sizeof *s->actions);
    i8x_alloc_free(i8x_alloc_heap(), s, sizeof *s);
}

void i8x_sched_step(i8x_sched *sched, const i8x_sched_event *event, int64_t now_ms)
{
    I8X_ASSERT((unsigned)event->type < I8X_SCHED_EVENT_COUNT && now_ms >= sched->now_ms);
    sched->now_ms = now_ms;
    sched->action_count = 0;
    for (int kind = 0; !sched->begun && kind < I8X_TASK_KIND_COUNT; kind++)
        sched->power[kind].alone_ms = now_ms;
    sched->begun = true;
    handlers[event->type](sched, event);
    i8x_deal(sched);
    if (sched->urgent != 0)
        i8x_fleet_answer(sched, sched->urgent);
}

const i8x_sched_action *i8x_sched_actions(const i8x_sched *sched, size_t *count)
{
    *count = sched->action_count;
    return sched->actions;
}

int64_t i8x_sched_next_ms(const i8x_sched *s)
{
    uint64_t next = i8x_heap_top_key(&s->due);
    uint64_t others[] = {
        i8x_heap_top_key(&s->expiry), i8x_heap_top_key(&s->deadlines),
        s->silence.count != 0 ? i8x_heap_top_key(&s->silence) + (uint64_t)s->opts.lease_life_ms
                              : UINT64_MAX,
        s->idle && s->overdue.count != 0 ? i8x_heap_top_key(&s->overdue) / 1000 + 1 : UINT64_MAX};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        next = others[i] < next ? others[i] : next;
    return next < INT64_MAX ? (int64_t)next : INT64_MAX;
}
