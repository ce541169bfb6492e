/* SPDX-License-Identifier: Apache-2.0
 *
 * The scheduler's door: one handler per event in a table; after each, deal.h hands out what can be
 * handed out. What is due stands in heaps by time, so that a TICK looks at nothing that is not due.
 */
#include "daemon/sched/sched.h"

#include "daemon/sched/deal.h"
#include "daemon/sched/fleet.h"
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

static void act_on_key(i8x_sched *s, i8x_sched_action_type type, uint64_t session,
                       const i8x_digest *key)
{
    i8x_sched_act(s, type, session, 0)->key = *key;
}

/* The worker of an event, just heard; 0 if its session is not known. */
static uint32_t speaker(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t worker = i8x_fleet_session(s, event->worker);
    if (worker != 0)
        i8x_fleet_heard(s, worker);
    return worker;
}

static uint64_t holder(const i8x_sched *s, uint32_t task)
{
    uint32_t lease = i8x_task_at(s, task)->lease;
    return lease != 0 ? i8x_worker_at(s, i8x_lease_at(s, lease)->worker)->session : 0;
}

/* ---- tasks come and go ---- */

static void on_task_add(i8x_sched *s, const i8x_sched_event *event)
{
    if (i8x_tasks_find(s, &event->key) == 0)
        i8x_tasks_add(s, &event->key, event->kind, event->order);
}

static void on_task_drop(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t task = i8x_tasks_find(s, &event->key);
    if (task == 0)
        return;
    if (holder(s, task) != 0)
        i8x_sched_act(s, I8X_SCHED_DO_CANCEL, holder(s, task), task);
    i8x_tasks_remove(s, task);
}

static void on_committed(i8x_sched *s, const i8x_sched_event *event)
{
    on_task_drop(s, event);
}

/* ---- workers come and go ---- */

/* A lease ended without a word: no attempt used, ready at once, unless workers die of this task. */
static void lose_lease(i8x_sched *s, uint32_t lease)
{
    uint32_t row = i8x_lease_at(s, lease)->task;
    task_row *task = i8x_task_at(s, row);
    uint64_t session = holder(s, row);
    i8x_sched_act(s, I8X_SCHED_DO_LOST, session, row);
    if (++task->lost < s->opts.lost_max) {
        i8x_tasks_set_state(s, row, I8X_SCHED_READY);
        return;
    }
    i8x_sched_act(s, I8X_SCHED_DO_DEAD, session, row);
    i8x_tasks_remove(s, row);
}

static void leave(i8x_sched *s, uint32_t worker)
{
    while (i8x_worker_at(s, worker)->leases.first != 0)
        lose_lease(s, i8x_worker_at(s, worker)->leases.first);
    i8x_fleet_leave(s, worker);
}

static void on_worker_join(i8x_sched *s, const i8x_sched_event *event)
{
    I8X_ASSERT(event->worker != 0 && i8x_fleet_session(s, event->worker) == 0);
    uint32_t worker = event->identity != 0 ? i8x_fleet_identity(s, event->identity) : 0;
    if (worker != 0 && i8x_worker_at(s, worker)->session != 0)
        leave(s, worker); /* its earlier session has not ended yet */
    i8x_fleet_join(s, event);
}

static void on_worker_adopt(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t worker = i8x_fleet_session(s, event->worker);
    uint32_t task = i8x_tasks_find(s, &event->key);
    if (worker == 0 || task == 0)
        return;
    i8x_sched_state state = (i8x_sched_state)i8x_task_at(s, task)->state;
    if (state == I8X_SCHED_READY || state == I8X_SCHED_WAITING)
        i8x_tasks_lease(s, task, worker, event->epoch != 0 ? event->epoch : ++s->last_epoch);
}

static void on_worker_drain(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t worker = speaker(s, event);
    if (worker != 0)
        i8x_fleet_drain(s, worker);
}

static void on_worker_leave(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t worker = i8x_fleet_session(s, event->worker);
    if (worker != 0)
        leave(s, worker);
}

/* ---- what workers say ---- */

static void on_ask(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t worker = speaker(s, event);
    if (worker == 0 || event->want == 0 || !i8x_fleet_eligible(i8x_worker_at(s, worker))) {
        i8x_sched_act(s, I8X_SCHED_DO_ANSWER, event->worker, 0)->ticket = event->ticket;
        return;
    }
    uint32_t ask = i8x_fleet_ask(s, worker, event);
    if (event->until_ms <= s->now_ms)
        s->urgent = ask;
}

static void on_renew(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t worker = speaker(s, event);
    if (worker == 0 || event->key_absent)
        return;
    uint32_t task = i8x_tasks_find(s, &event->key);
    if (task != 0 && holder(s, task) == event->worker)
        i8x_tasks_renew(s, i8x_task_at(s, task)->lease);
    else
        act_on_key(s, I8X_SCHED_DO_CANCEL, event->worker, &event->key); /* it works for nobody */
}

static void on_result(i8x_sched *s, const i8x_sched_event *event)
{
    speaker(s, event);
    uint32_t row = i8x_tasks_find(s, &event->key);
    if (row == 0) {
        act_on_key(s, I8X_SCHED_DO_STALE, event->worker, &event->key);
        return;
    }
    task_row *task = i8x_task_at(s, row);
    if (task->state == I8X_SCHED_COMMITTING) {
        bool same = i8x_digest_equal(&task->result, &event->result);
        i8x_sched_act(s, same ? I8X_SCHED_DO_DUPLICATE : I8X_SCHED_DO_CONFLICT, event->worker, row);
        return;
    }
    /* a late result is as good as any: the first one counts, whoever holds the lease is told to
     * stop */
    uint64_t other = holder(s, row);
    if (other != 0 && other != event->worker)
        i8x_sched_act(s, I8X_SCHED_DO_CANCEL, other, row);
    task->result = event->result;
    i8x_tasks_set_state(s, row, I8X_SCHED_COMMITTING);
    i8x_sched_act(s, I8X_SCHED_DO_COMMIT, event->worker, row);
}

static int64_t backoff_ms(const i8x_sched *s, int attempts)
{
    int64_t wait = s->opts.backoff_first_ms;
    for (int i = 1; i < attempts && wait < s->opts.backoff_max_ms; i++)
        wait *= 2;
    return wait < s->opts.backoff_max_ms ? wait : s->opts.backoff_max_ms;
}

static void fail_attempt(i8x_sched *s, uint32_t row, const i8x_sched_event *event)
{
    task_row *task = i8x_task_at(s, row);
    uint32_t worker = i8x_fleet_session(s, event->worker);
    task->attempts++;
    i8x_tasks_note_failed(task, i8x_worker_at(s, worker)->identity);
    if (event->fault == I8X_SCHED_FAULT_INPUT || task->attempts >= s->opts.attempts_max ||
        task->failed_count >= s->opts.workers_max) {
        i8x_sched_act(s, I8X_SCHED_DO_DEAD, event->worker, row);
        i8x_tasks_remove(s, row);
        return;
    }
    task->due_ms = s->now_ms + backoff_ms(s, task->attempts);
    i8x_tasks_set_state(s, row, I8X_SCHED_WAITING);
    i8x_sched_act(s, I8X_SCHED_DO_RETRY, event->worker, row)->at_ms = task->due_ms;
}

static void on_fail(i8x_sched *s, const i8x_sched_event *event)
{
    speaker(s, event);
    uint32_t task = i8x_tasks_find(s, &event->key);
    if (task == 0 || holder(s, task) != event->worker ||
        i8x_task_at(s, task)->epoch != event->epoch)
        act_on_key(s, I8X_SCHED_DO_STALE, event->worker, &event->key);
    else if (event->fault == I8X_SCHED_FAULT_FREE)
        i8x_tasks_set_state(s, task, I8X_SCHED_READY);
    else
        fail_attempt(s, task, event);
}

/* ---- time ---- */

static void worker_is_gone(i8x_sched *s, uint32_t worker)
{
    uint64_t session = i8x_worker_at(s, worker)->session;
    leave(s, worker);
    i8x_sched_act(s, I8X_SCHED_DO_GONE, session, 0);
}

/* One thing that is due; false if there is none. */
static bool tick_once(i8x_sched *s)
{
    uint64_t now = (uint64_t)s->now_ms, life = (uint64_t)s->opts.lease_life_ms;
    if (i8x_heap_top_key(&s->due) <= now)
        i8x_tasks_set_state(s, i8x_heap_top(&s->due), I8X_SCHED_READY);
    else if (s->silence.count != 0 && i8x_heap_top_key(&s->silence) + life <= now)
        worker_is_gone(s, i8x_heap_top(&s->silence));
    else if (i8x_heap_top_key(&s->expiry) <= now)
        lose_lease(s, i8x_heap_top(&s->expiry));
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
    [I8X_SCHED_WORKER_JOIN] = on_worker_join,
    [I8X_SCHED_WORKER_ADOPT] = on_worker_adopt,
    [I8X_SCHED_WORKER_DRAIN] = on_worker_drain,
    [I8X_SCHED_WORKER_LEAVE] = on_worker_leave,
    [I8X_SCHED_ASK] = on_ask,
    [I8X_SCHED_RENEW] = on_renew,
    [I8X_SCHED_RESULT] = on_result,
    [I8X_SCHED_COMMITTED] = on_committed,
    [I8X_SCHED_FAIL] = on_fail,
    [I8X_SCHED_TICK] = on_tick,
};

/* ---- outside ---- */

static void init_tables(i8x_sched *s)
{
    i8x_rows_init(&s->tasks, sizeof(task_row));
    i8x_rows_init(&s->leases, sizeof(lease_row));
    i8x_rows_init(&s->workers, sizeof(worker_row));
    i8x_rows_init(&s->asks, sizeof(ask_row));
    i8x_rows_init(&s->groups, sizeof(group_row));
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
        i8x_heap_init(&s->ready[kind], &s->tasks, offsetof(task_row, ready_place));
    i8x_heap_init(&s->failed, &s->tasks, offsetof(task_row, ready_place));
    i8x_heap_init(&s->due, &s->tasks, offsetof(task_row, due_place));
    i8x_heap_init(&s->expiry, &s->leases, offsetof(lease_row, expiry_place));
    i8x_heap_init(&s->silence, &s->workers, offsetof(worker_row, silence_place));
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
    i8x_heap *heaps[] = {&s->failed, &s->due, &s->expiry, &s->silence, &s->deadlines};
    for (size_t i = 0; i < sizeof heaps / sizeof *heaps; i++)
        i8x_heap_deinit(heaps[i]);
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
        i8x_heap_deinit(&s->ready[kind]);
    i8x_rows *tables[] = {&s->tasks, &s->leases, &s->workers, &s->asks, &s->groups};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        i8x_rows_deinit(tables[i]);
    i8x_lookup_deinit(&s->by_key);
    i8x_lookup_deinit(&s->by_session);
    i8x_lookup_deinit(&s->by_identity);
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
    uint64_t others[] = {i8x_heap_top_key(&s->expiry), i8x_heap_top_key(&s->deadlines),
                         s->silence.count != 0
                             ? i8x_heap_top_key(&s->silence) + (uint64_t)s->opts.lease_life_ms
                             : UINT64_MAX};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        next = others[i] < next ? others[i] : next;
    return next < INT64_MAX ? (int64_t)next : INT64_MAX;
}

size_t i8x_sched_task_count(const i8x_sched *sched, i8x_sched_state state)
{
    return sched->state_counts[state];
}

size_t i8x_sched_worker_count(const i8x_sched *sched)
{
    return sched->connected;
}

size_t i8x_sched_lease_count(const i8x_sched *sched, uint64_t worker)
{
    uint32_t row = i8x_fleet_session(sched, worker);
    return row != 0 ? i8x_worker_at(sched, row)->leases.count : 0;
}

size_t i8x_sched_ask_count(const i8x_sched *sched)
{
    return sched->parked;
}

bool i8x_sched_task(const i8x_sched *sched, const i8x_digest *key, i8x_sched_state *state,
                    uint64_t *worker, uint64_t *epoch)
{
    uint32_t row = i8x_tasks_find(sched, key);
    if (row == 0)
        return false;
    *state = (i8x_sched_state)i8x_task_at(sched, row)->state;
    *worker = holder(sched, row);
    *epoch = i8x_task_at(sched, row)->epoch;
    return true;
}
