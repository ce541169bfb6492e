/* SPDX-License-Identifier: Apache-2.0
 *
 * Audits that wait stand in a heap of the worker whose result they check, these workers in a heap
 * by their first one: a worker that looks for an audit skips its own results all at once.
 *
 * The best auditor is of another machine class, then on another host, then any other worker. While
 * a better one is connected the others leave the audit to it, for a limited time.
 */
#include "daemon/sched/audits.h"

#include <string.h>

#include "daemon/sched/fleet.h"
#include "daemon/sched/handlers.h"
#include "daemon/sched/leases.h"
#include "daemon/sched/rates.h"
#include "daemon/sched/tasks.h"

#define PROVEN_COUNT 10 /* results in a row that have to be confirmed before a worker is proven */
#define PER_MILLE 1000
#define TRIES_MAX 3 /* audit runs that fail before it is given up */
#define PRODUCERS_LOOK_MAX 8
#define AUDITS_LOOK_MAX 4 /* of one producer */

static audit_row *audit_of(const i8x_sched *s, uint32_t task)
{
    return i8x_audit_at(s, i8x_task_at(s, task)->audit);
}

static bool has_voted(const audit_row *audit, uint64_t identity)
{
    for (int i = 0; i < audit->vote_count; i++)
        if (audit->votes[i].identity == identity)
            return true;
    return false;
}

/* After all tasks of its own job, before those of the next one. */
static uint64_t order_of(const task_row *task)
{
    return task->order | ((1u << I8X_SCHED_ORDER_INDEX_BITS) - 1);
}

/* ---- choosing ---- */

/* A worker whose results were confirmed n times in a row is audited once in n results, a new one
 * each time; those that are not confirmed yet count, or a fast worker would be audited all day. */
static uint32_t share_of(const i8x_sched *s, const worker_row *producer, int kind)
{
    uint32_t least = (uint32_t)s->opts.audit_per_mille;
    uint32_t elsewhere = s->power[kind].workers - i8x_crowd_at(s, producer->host)->workers[kind];
    uint32_t count = producer->agreed + producer->pending.count;
    if (least == 0 || elsewhere == 0)
        return least; /* on one machine alone there is little to be learned */
    uint32_t share = count < PROVEN_COUNT ? PER_MILLE : PER_MILLE / count;
    return share > least ? share : least;
}

bool i8x_audits_chosen(const i8x_sched *s, const task_row *task, const worker_row *producer)
{
    uint64_t lot;
    memcpy(&lot, task->key.bytes + sizeof lot, sizeof lot);
    return i8x_lookup_hash(lot ^ s->opts.seed) % PER_MILLE < share_of(s, producer, task->kind);
}

void i8x_audits_open(i8x_sched *s, uint32_t row, uint32_t producer)
{
    task_row *task = i8x_task_at(s, row);
    task->audit = i8x_rows_take(&s->audits);
    worker_row *worker = i8x_worker_at(s, producer);
    *audit_of(s, row) = (audit_row){.task = row,
                                    .producer = producer,
                                    .vote_count = 1,
                                    .votes = {{worker->identity, task->result}}};
    i8x_list_append(&worker->pending, &s->audits, offsetof(audit_row, link), task->audit);
}

/* ---- who ---- */

static bool may_audit(const task_row *task, const audit_row *audit, const worker_row *worker)
{
    return (worker->kinds >> task->kind & 1) != 0 && !has_voted(audit, worker->identity) &&
           !i8x_tasks_failed_on(task, worker->identity);
}

uint32_t i8x_audits_seconds(const i8x_sched *s, uint32_t row)
{
    const task_row *task = i8x_task_at(s, row);
    const audit_row *audit = audit_of(s, row);
    uint32_t others = i8x_fleet_others_for(s, task);
    for (int i = 0; i < audit->vote_count; i++) {
        uint64_t identity = audit->votes[i].identity;
        uint32_t number = i8x_fleet_identity(s, identity);
        const worker_row *worker = number != 0 ? i8x_worker_at(s, number) : NULL;
        others -= worker != NULL && i8x_fleet_eligible(worker) &&
                  (worker->kinds >> task->kind & 1) != 0 && !i8x_tasks_failed_on(task, identity);
    }
    return others;
}

/* How much the second opinion of a worker is worth: 2 = other class, 1 = other host. */
static int worth(const worker_row *producer, const worker_row *worker)
{
    if (worker->host == producer->host)
        return 0;
    return worker->machine != producer->machine ? 2 : 1;
}

static int best_worth(const i8x_sched *s, const worker_row *producer, int kind)
{
    uint32_t all = s->power[kind].workers;
    if (all > i8x_crowd_at(s, producer->machine)->workers[kind] &&
        all > i8x_crowd_at(s, producer->host)->workers[kind])
        return 2;
    return all > i8x_crowd_at(s, producer->host)->workers[kind] ? 1 : 0;
}

static bool should_take(const i8x_sched *s, uint32_t row, const worker_row *worker)
{
    const task_row *task = i8x_task_at(s, row);
    const audit_row *audit = audit_of(s, row);
    const worker_row *producer = i8x_worker_at(s, audit->producer);
    return may_audit(task, audit, worker) &&
           (audit->anybody || worth(producer, worker) >= best_worth(s, producer, task->kind));
}

uint32_t i8x_audits_for(const i8x_sched *s, uint32_t number, uint64_t below)
{
    const worker_row *worker = i8x_worker_at(s, number);
    uint32_t best = 0;
    for (size_t i = 0; i < s->producers.count && i < PRODUCERS_LOOK_MAX; i++) {
        const worker_row *producer = i8x_worker_at(s, s->producers.entries[i].row);
        for (size_t k = 0; k < producer->audits.count && k < AUDITS_LOOK_MAX; k++) {
            const i8x_heap_entry *entry = &producer->audits.entries[k];
            if (producer == worker || entry->key >= below || !should_take(s, entry->row, worker))
                continue;
            below = entry->key;
            best = entry->row;
        }
    }
    return best;
}

/* ---- where they wait ---- */

static void place_producer(i8x_sched *s, uint32_t number)
{
    const worker_row *producer = i8x_worker_at(s, number);
    if (producer->audits.count != 0)
        i8x_heap_set(&s->producers, number, i8x_heap_top_key(&producer->audits));
    else
        i8x_heap_remove(&s->producers, number);
}

void i8x_audits_place(i8x_sched *s, uint32_t row)
{
    const task_row *task = i8x_task_at(s, row);
    uint32_t producer = audit_of(s, row)->producer;
    i8x_heap_set(&i8x_worker_at(s, producer)->audits, row, order_of(task));
    place_producer(s, producer);
    if (task->due_ms != INT64_MAX)
        i8x_heap_set(&s->due, row, (uint64_t)task->due_ms);
}

void i8x_audits_unplace(i8x_sched *s, uint32_t row)
{
    uint32_t producer = audit_of(s, row)->producer;
    i8x_heap_remove(&i8x_worker_at(s, producer)->audits, row);
    place_producer(s, producer);
    i8x_heap_remove(&s->due, row);
}

/* ---- the end ---- */

void i8x_audits_forget(i8x_sched *s, uint32_t row)
{
    task_row *task = i8x_task_at(s, row);
    if (task->audit == 0)
        return;
    i8x_list_remove(&i8x_worker_at(s, audit_of(s, row)->producer)->pending, &s->audits,
                    offsetof(audit_row, link), task->audit);
    i8x_rows_give(&s->audits, task->audit);
    task->audit = 0;
}

void i8x_audits_end(i8x_sched *s, uint32_t row, i8x_sched_verdict verdict)
{
    worker_row *producer = i8x_worker_at(s, audit_of(s, row)->producer);
    if (verdict == I8X_SCHED_VERDICT_AGREED)
        producer->agreed++;
    bool again = verdict == I8X_SCHED_VERDICT_WRONG || verdict == I8X_SCHED_VERDICT_VOID;
    if (again)
        i8x_sched_act(s, I8X_SCHED_DO_REDO, producer->session, row);
    i8x_sched_action *action = i8x_sched_act(s, I8X_SCHED_DO_AUDITED, producer->session, row);
    action->verdict = verdict;
    action->identity = producer->identity;
    i8x_hear_cancel(s, row, 0);
    i8x_tasks_remove(s, row);
}

void i8x_audits_void(i8x_sched *s, uint32_t producer)
{
    worker_row *worker = i8x_worker_at(s, producer);
    worker->agreed = 0;
    for (uint32_t number = worker->pending.first, next; number != 0; number = next) {
        const audit_row *audit = i8x_audit_at(s, number);
        next = audit->link.next;
        if (i8x_task_at(s, audit->task)->state != I8X_SCHED_COMMITTING) /* else when it is there */
            i8x_audits_end(s, audit->task, I8X_SCHED_VERDICT_VOID);
    }
}

/* ---- votes ---- */

/* Votes of workers that are in quarantine by now do not count. */
static bool counts(const i8x_sched *s, const audit_vote *vote)
{
    uint32_t worker = i8x_fleet_identity(s, vote->identity);
    return worker == 0 || !i8x_worker_at(s, worker)->quarantined;
}

/* The vote that has a second equal one; NULL as long as there is none. */
static const audit_vote *winner_of(const i8x_sched *s, const audit_row *audit)
{
    for (int i = 0; i < audit->vote_count; i++)
        for (int k = i + 1; k < audit->vote_count; k++)
            if (i8x_digest_equal(&audit->votes[i].result, &audit->votes[k].result) &&
                counts(s, &audit->votes[i]) && counts(s, &audit->votes[k]))
                return &audit->votes[i];
    return NULL;
}

/* The audit is over before its losers are quarantined: that may end other audits, not this one. */
static void decide(i8x_sched *s, uint32_t row, const audit_vote *winner)
{
    audit_row audit = *audit_of(s, row);
    i8x_digest key = i8x_task_at(s, row)->key, right = winner->result;
    bool good = i8x_digest_equal(&audit.votes[0].result, &right);
    i8x_audits_end(s, row, good ? I8X_SCHED_VERDICT_AGREED : I8X_SCHED_VERDICT_WRONG);
    for (int i = 0; i < audit.vote_count; i++) {
        if (!i8x_digest_equal(&audit.votes[i].result, &right))
            i8x_staff_expel(s, audit.votes[i].identity, &key);
    }
}

/* Waits for the next opinion; a lease that others have of it goes on. */
static void wait_for_more(i8x_sched *s, uint32_t row)
{
    audit_row *audit = audit_of(s, row);
    task_row *task = i8x_task_at(s, row);
    audit->since_ms = s->now_ms;
    audit->anybody = false;
    task->due_ms = s->now_ms + s->opts.audit_wait_ms;
    if (task->state == I8X_SCHED_AUDIT_WAITING ||
        (task->state == I8X_SCHED_AUDITING && task->leases[0] == 0))
        i8x_tasks_set_state(s, row, I8X_SCHED_AUDIT_WAITING);
}

static void count_votes(i8x_sched *s, uint32_t row)
{
    const audit_row *audit = audit_of(s, row);
    const audit_vote *winner = winner_of(s, audit);
    if (winner != NULL)
        decide(s, row, winner);
    else if (audit->vote_count == I8X_SCHED_VOTES_MAX)
        i8x_audits_end(s, row, I8X_SCHED_VERDICT_UNDECIDED);
    else if (audit->vote_count > 1)
        wait_for_more(s, row);
}

void i8x_audits_committed(i8x_sched *s, uint32_t row)
{
    audit_row *audit = audit_of(s, row);
    audit->since_ms = s->now_ms;
    i8x_task_at(s, row)->due_ms = s->now_ms + s->opts.audit_wait_ms;
    i8x_sched_act(s, I8X_SCHED_DO_AUDIT, i8x_worker_at(s, audit->producer)->session, row);
    i8x_tasks_set_state(s, row, I8X_SCHED_AUDIT_WAITING);
    count_votes(s, row); /* others may have been faster than the disk */
}

static const audit_vote *vote_of(const audit_row *audit, uint64_t identity)
{
    for (int i = 0; i < audit->vote_count; i++)
        if (audit->votes[i].identity == identity)
            return &audit->votes[i];
    return NULL;
}

static void end_lease_of(i8x_sched *s, uint32_t row, uint32_t worker)
{
    uint32_t lease = i8x_leases_of(s, row, worker);
    if (lease == 0)
        return;
    i8x_rates_note(s, i8x_lease_at(s, lease));
    i8x_tasks_unlease(s, lease);
}

void i8x_audits_result(i8x_sched *s, uint32_t row, uint32_t worker, const i8x_sched_event *event)
{
    task_row *task = i8x_task_at(s, row);
    audit_row *audit = audit_of(s, row);
    uint64_t identity = i8x_worker_at(s, worker)->identity;
    bool same = i8x_digest_equal(&audit->votes[0].result, &event->result);
    i8x_sched_act(s, same ? I8X_SCHED_DO_DUPLICATE : I8X_SCHED_DO_CONFLICT, event->worker, row);
    end_lease_of(s, row, worker);
    const audit_vote *before = vote_of(audit, identity);
    if (before != NULL) {
        if (!i8x_digest_equal(&before->result, &event->result)) {
            i8x_digest key = task->key;
            i8x_staff_expel(s, identity, &key); /* it contradicts itself */
        }
        return;
    }
    audit->votes[audit->vote_count++] = (audit_vote){identity, event->result};
    if (!same) /* one of them is wrong */
        i8x_worker_at(s, audit->producer)->agreed = i8x_worker_at(s, worker)->agreed = 0;
    if (task->state == I8X_SCHED_COMMITTING)
        return; /* decided when it is committed */
    count_votes(s, row);
}

void i8x_audits_failed(i8x_sched *s, uint32_t lease, const i8x_sched_event *event)
{
    uint32_t row = i8x_lease_at(s, lease)->task;
    task_row *task = i8x_task_at(s, row);
    if (event->fault != I8X_SCHED_FAULT_FREE) {
        i8x_tasks_note_failed(task, i8x_worker_at(s, i8x_lease_at(s, lease)->worker)->identity,
                              false);
        audit_of(s, row)->tries++;
    }
    if (audit_of(s, row)->tries >= TRIES_MAX)
        i8x_audits_end(s, row, I8X_SCHED_VERDICT_FAILED);
    else
        i8x_tasks_unlease(s, lease);
}

/* ---- time ---- */

static void drop(i8x_sched *s, uint32_t row)
{
    i8x_audits_end(s, row,
                   audit_of(s, row)->vote_count > 1 ? I8X_SCHED_VERDICT_UNDECIDED
                                                    : I8X_SCHED_VERDICT_DROPPED);
}

/* Since when nobody could take it. */
static int64_t alone_since(const i8x_sched *s, uint32_t row)
{
    const audit_row *audit = audit_of(s, row);
    return audit->vote_count > 1 ? audit->since_ms : s->power[i8x_task_at(s, row)->kind].alone_ms;
}

void i8x_audits_due(i8x_sched *s, uint32_t row)
{
    audit_row *audit = audit_of(s, row);
    task_row *task = i8x_task_at(s, row);
    audit->anybody = audit->anybody || s->now_ms >= audit->since_ms + s->opts.audit_wait_ms;
    task->due_ms = INT64_MAX;
    if (audit->hurried && i8x_audits_seconds(s, row) == 0) {
        int64_t end_ms = alone_since(s, row) + s->opts.audit_wait_ms;
        if (s->now_ms >= end_ms) {
            drop(s, row);
            return;
        }
        task->due_ms = end_ms;
    } else if (audit->hurried || !audit->anybody) {
        task->due_ms = s->now_ms + s->opts.audit_wait_ms;
    }
    i8x_tasks_set_state(s, row, I8X_SCHED_AUDIT_WAITING);
}

void i8x_audits_hurry(i8x_sched *s, uint32_t row)
{
    task_row *task = i8x_task_at(s, row);
    if (task->audit == 0 || audit_of(s, row)->hurried)
        return;
    audit_of(s, row)->hurried = true;
    if (task->state == I8X_SCHED_AUDIT_WAITING)
        i8x_audits_due(s, row);
}
