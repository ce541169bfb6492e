/* SPDX-License-Identifier: Apache-2.0
 *
 * Every change of what decides whether a worker is eligible goes through i8x_fleet_bars_set, join
 * or leave, so that the fleet's power is always that of the eligible ones.
 */
#include "daemon/sched/fleet.h"

#include "daemon/sched/crowds.h"
#include "daemon/sched/offer.h"
#include "daemon/sched/rates.h"
#include "int8x/alloc.h"
#include "proto/limits.h"

#define AWAY_LOOK_MAX 64 /* workers looked at for one that may be forgotten */

_Static_assert(I8X_TASK_KIND_COUNT <= 32, "kinds are bits of a uint32_t");

uint32_t i8x_fleet_session(const i8x_sched *s, uint64_t session)
{
    uint32_t hash = i8x_lookup_hash(session), row;
    size_t at = i8x_lookup_start(&s->by_session, hash);
    while ((row = i8x_lookup_next(&s->by_session, hash, &at)) != 0)
        if (i8x_worker_at(s, row)->session == session)
            return row;
    return 0;
}

uint32_t i8x_fleet_identity(const i8x_sched *s, uint64_t identity)
{
    uint32_t hash = i8x_lookup_hash(identity), row;
    size_t at = i8x_lookup_start(&s->by_identity, hash);
    while ((row = i8x_lookup_next(&s->by_identity, hash, &at)) != 0)
        if (i8x_worker_at(s, row)->identity == identity)
            return row;
    return 0;
}

/* ---- who may get tasks ---- */

bool i8x_fleet_eligible(const worker_row *worker)
{
    return worker->session != 0 && !worker->draining && !worker->drained && !worker->quarantined;
}

/* Before and after each change of what decides whether the worker is eligible. */
static void count_eligible(i8x_sched *s, const worker_row *worker, int sign)
{
    if (!i8x_fleet_eligible(worker))
        return;
    i8x_rates_count(s, worker, sign);
    i8x_crowds_count(s, worker, sign);
}

uint32_t i8x_fleet_others_for(const i8x_sched *s, const task_row *task)
{
    uint32_t others = s->power[task->kind].workers;
    for (int i = 0; i < task->failed_count; i++) {
        uint32_t row = i8x_fleet_identity(s, task->failed[i]);
        const worker_row *worker = row != 0 ? i8x_worker_at(s, row) : NULL;
        others -=
            worker != NULL && i8x_fleet_eligible(worker) && (worker->kinds >> task->kind & 1) != 0;
    }
    return others;
}

/* ---- coming and going ---- */

static uint32_t group_of(i8x_sched *s, uint32_t kinds)
{
    for (uint32_t row = 1; row < s->groups.count; row++)
        if (i8x_group_at(s, row)->kinds == kinds)
            return row;
    uint32_t row = i8x_rows_take(&s->groups);
    group_row *group = i8x_group_at(s, row);
    group->kinds = kinds;
    i8x_heap_init(&group->offers, &s->workers, offsetof(worker_row, offer_place));
    return row;
}

static void forget(i8x_sched *s, uint32_t row)
{
    worker_row *worker = i8x_worker_at(s, row);
    i8x_list_remove(&s->away, &s->workers, offsetof(worker_row, link), row);
    i8x_lookup_remove(&s->by_identity, i8x_lookup_hash(worker->identity), row);
    i8x_crowds_leave(s, &s->by_host, worker->host);
    i8x_crowds_leave(s, &s->by_machine, worker->machine);
    i8x_heap_deinit(&worker->audits);
    i8x_rows_give(&s->workers, row);
}

/* The longest away goes, unless it is in quarantine or its results are being audited. */
static void make_room(i8x_sched *s)
{
    uint32_t row = s->away.first;
    for (int i = 0; i < AWAY_LOOK_MAX && row != 0; i++) {
        const worker_row *worker = i8x_worker_at(s, row);
        if (!worker->quarantined && worker->pending.count == 0) {
            forget(s, row);
            return;
        }
        row = worker->link.next;
    }
}

uint32_t i8x_fleet_remember(i8x_sched *s, uint64_t identity)
{
    uint32_t row = i8x_fleet_identity(s, identity);
    if (row != 0)
        return row;
    if (s->away.count >= I8X_WORKERS_AWAY_MAX)
        make_room(s);
    row = i8x_rows_take(&s->workers);
    worker_row *worker = i8x_worker_at(s, row);
    worker->identity = identity;
    worker->slots = 1;
    worker->slowness = I8X_SCHED_SLOWNESS;
    worker->host = i8x_crowds_enter(s, &s->by_host, 0);
    worker->machine = i8x_crowds_enter(s, &s->by_machine, 0);
    i8x_heap_init(&worker->audits, &s->tasks, offsetof(task_row, ready_place));
    i8x_lookup_put(&s->by_identity, i8x_lookup_hash(identity), row);
    i8x_list_append(&s->away, &s->workers, offsetof(worker_row, link), row);
    return row;
}

void i8x_fleet_join(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t row = i8x_fleet_remember(s, event->identity != 0 ? event->identity : event->worker);
    worker_row *worker = i8x_worker_at(s, row);
    i8x_list_remove(&s->away, &s->workers, offsetof(worker_row, link), row);
    i8x_crowds_leave(s, &s->by_host, worker->host);
    i8x_crowds_leave(s, &s->by_machine, worker->machine);
    worker->host = i8x_crowds_enter(s, &s->by_host, event->host);
    worker->machine = i8x_crowds_enter(s, &s->by_machine, event->machine);
    worker->session = event->worker;
    worker->kinds = event->kinds;
    worker->slots = event->slots != 0 ? event->slots : 1;
    worker->group = group_of(s, event->kinds);
    worker->draining = false;
    worker->drained = worker->drained || event->drained;
    worker->quarantined = worker->quarantined || event->quarantined;
    i8x_lookup_put(&s->by_session, i8x_lookup_hash(worker->session), row);
    count_eligible(s, worker, 1);
    s->connected++;
    i8x_fleet_heard(s, row);
}

void i8x_fleet_heard(i8x_sched *s, uint32_t row)
{
    worker_row *worker = i8x_worker_at(s, row);
    worker->heard_ms = s->now_ms;
    i8x_heap_set(&s->silence, row, (uint64_t)s->now_ms);
}

static void answer_all(i8x_sched *s, const worker_row *worker)
{
    while (worker->asks.first != 0)
        i8x_fleet_answer(s, worker->asks.first);
}

void i8x_fleet_leave(i8x_sched *s, uint32_t row)
{
    worker_row *worker = i8x_worker_at(s, row);
    count_eligible(s, worker, -1);
    i8x_lookup_remove(&s->by_session, i8x_lookup_hash(worker->session), row);
    worker->session = 0;
    i8x_heap_remove(&s->silence, row);
    answer_all(s, worker);
    i8x_list_append(&s->away, &s->workers, offsetof(worker_row, link), row);
    s->connected--;
}

i8x_fleet_bars i8x_fleet_bars_get(const i8x_sched *s, uint32_t row)
{
    const worker_row *worker = i8x_worker_at(s, row);
    return (i8x_fleet_bars){worker->draining, worker->drained, worker->quarantined};
}

void i8x_fleet_bars_set(i8x_sched *s, uint32_t row, i8x_fleet_bars bars)
{
    worker_row *worker = i8x_worker_at(s, row);
    count_eligible(s, worker, -1);
    worker->draining = bars.draining;
    worker->drained = bars.drained;
    worker->quarantined = bars.quarantined;
    count_eligible(s, worker, 1);
    if (!i8x_fleet_eligible(worker))
        answer_all(s, worker);
}

/* ---- asks ---- */

uint32_t i8x_fleet_ask(i8x_sched *s, uint32_t worker, const i8x_sched_event *event)
{
    uint32_t row = i8x_rows_take(&s->asks);
    ask_row *ask = i8x_ask_at(s, row);
    ask->number = ++s->last_ask;
    ask->worker = worker;
    ask->ticket = event->ticket;
    ask->want = event->want;
    ask->until_ms = event->until_ms;
    i8x_list_append(&i8x_worker_at(s, worker)->asks, &s->asks, offsetof(ask_row, link), row);
    i8x_heap_set(&s->deadlines, row, (uint64_t)ask->until_ms);
    s->parked++;
    i8x_offer_update(s, worker);
    return row;
}

static void unlink_ask(i8x_sched *s, uint32_t row)
{
    const ask_row *ask = i8x_ask_at(s, row);
    worker_row *worker = i8x_worker_at(s, ask->worker);
    i8x_list_remove(&worker->asks, &s->asks, offsetof(ask_row, link), row);
    i8x_offer_update(s, ask->worker);
}

static void note_served(i8x_sched_numbers *list, uint32_t number)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        list->numbers = i8x_alloc_resize(i8x_alloc_heap(), list->numbers,
                                         list->capacity * sizeof *list->numbers,
                                         capacity * sizeof *list->numbers);
        I8X_ASSERT(list->numbers != NULL);
        list->capacity = capacity;
    }
    list->numbers[list->count++] = number;
}

uint64_t i8x_fleet_serve(i8x_sched *s, uint32_t worker)
{
    uint32_t row = i8x_worker_at(s, worker)->asks.first;
    ask_row *ask = i8x_ask_at(s, row);
    if (ask->given++ == 0)
        note_served(&s->served, row);
    if (ask->given >= ask->want)
        unlink_ask(s, row);
    return ask->ticket;
}

void i8x_fleet_answer(i8x_sched *s, uint32_t row)
{
    const ask_row *ask = i8x_ask_at(s, row);
    i8x_sched_act(s, I8X_SCHED_DO_ANSWER, i8x_worker_at(s, ask->worker)->session, 0)->ticket =
        ask->ticket;
    i8x_heap_remove(&s->deadlines, row);
    if (ask->given < ask->want)
        unlink_ask(s, row);
    i8x_rows_give(&s->asks, row);
    s->urgent = s->urgent == row ? 0 : s->urgent;
    s->parked--;
}

void i8x_fleet_answer_served(i8x_sched *s)
{
    for (size_t i = 0; i < s->served.count; i++)
        i8x_fleet_answer(s, s->served.numbers[i]);
    s->served.count = 0;
}
