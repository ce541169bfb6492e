/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys are SHA-256, so their first bytes are the hash.
 */
#include "daemon/sched/tasks.h"

#include <string.h>

#include "daemon/sched/audits.h"
#include "daemon/sched/leases.h"
#include "daemon/sched/offer.h"

static uint32_t key_hash(const i8x_digest *key)
{
    uint32_t hash;
    memcpy(&hash, key->bytes, sizeof hash);
    return hash;
}

uint32_t i8x_tasks_find(const i8x_sched *s, const i8x_digest *key)
{
    uint32_t hash = key_hash(key), row;
    size_t at = i8x_lookup_start(&s->by_key, hash);
    while ((row = i8x_lookup_next(&s->by_key, hash, &at)) != 0)
        if (memcmp(i8x_task_at(s, row)->key.bytes, key->bytes, I8X_DIGEST_SIZE) == 0)
            return row;
    return 0;
}

static void enter_state(i8x_sched *s, uint32_t row, i8x_sched_state state)
{
    task_row *task = i8x_task_at(s, row);
    task->state = (uint8_t)state;
    task->since_ms = s->now_ms;
    s->state_counts[state]++;
    if (state == I8X_SCHED_READY && task->failed_count > 0) {
        i8x_heap_set(&s->failed, row, task->order);
    } else if (state == I8X_SCHED_READY) {
        i8x_heap_set(&s->ready[task->kind], row, task->order);
        s->ready_kinds |= 1u << task->kind;
    } else if (state == I8X_SCHED_WAITING) {
        i8x_heap_set(&s->due, row, (uint64_t)task->due_ms);
    } else if (state == I8X_SCHED_AUDIT_WAITING) {
        i8x_audits_place(s, row);
    }
}

static void leave_ready(i8x_sched *s, uint32_t row, const task_row *task)
{
    if (task->failed_count > 0) {
        i8x_heap_remove(&s->failed, row);
        return;
    }
    i8x_heap_remove(&s->ready[task->kind], row);
    if (s->ready[task->kind].count == 0)
        s->ready_kinds &= ~(1u << task->kind);
}

static void leave_state(i8x_sched *s, uint32_t row)
{
    const task_row *task = i8x_task_at(s, row);
    s->state_counts[task->state]--;
    if (task->state == I8X_SCHED_READY)
        leave_ready(s, row, task);
    if (task->state == I8X_SCHED_WAITING)
        i8x_heap_remove(&s->due, row);
    if (task->state == I8X_SCHED_AUDIT_WAITING)
        i8x_audits_unplace(s, row);
    while (task->leases[0] != 0)
        i8x_leases_end(s, task->leases[0]);
}

uint32_t i8x_tasks_add(i8x_sched *s, const i8x_digest *key, i8x_task_kind kind, uint64_t order)
{
    uint32_t row = i8x_rows_take(&s->tasks);
    task_row *task = i8x_task_at(s, row);
    task->key = *key;
    task->kind = (uint8_t)kind;
    task->order = order;
    i8x_lookup_put(&s->by_key, key_hash(key), row);
    enter_state(s, row, I8X_SCHED_READY);
    return row;
}

void i8x_tasks_remove(i8x_sched *s, uint32_t row)
{
    leave_state(s, row);
    i8x_audits_forget(s, row);
    i8x_lookup_remove(&s->by_key, key_hash(&i8x_task_at(s, row)->key), row);
    i8x_rows_give(&s->tasks, row);
}

void i8x_tasks_set_state(i8x_sched *s, uint32_t row, i8x_sched_state state)
{
    leave_state(s, row);
    enter_state(s, row, state);
}

void i8x_tasks_lease(i8x_sched *s, uint32_t row, uint32_t worker, uint64_t epoch)
{
    bool first = i8x_task_at(s, row)->leases[0] == 0;
    if (first)
        leave_state(s, row);
    i8x_leases_begin(s, row, worker, epoch);
    if (first)
        enter_state(s, row,
                    i8x_task_at(s, row)->audit != 0 ? I8X_SCHED_AUDITING : I8X_SCHED_LEASED);
    i8x_offer_update(s, worker);
}

void i8x_tasks_unlease(i8x_sched *s, uint32_t lease)
{
    uint32_t row = i8x_lease_at(s, lease)->task;
    const task_row *task = i8x_task_at(s, row);
    if (task->leases[1] != 0)
        i8x_leases_end(s, lease);
    else
        i8x_tasks_set_state(s, row, task->audit != 0 ? I8X_SCHED_AUDIT_WAITING : I8X_SCHED_READY);
}

bool i8x_tasks_failed_on(const task_row *task, uint64_t identity)
{
    for (int i = 0; i < task->failed_count; i++)
        if (task->failed[i] == identity)
            return true;
    return false;
}

void i8x_tasks_note_failed(task_row *task, uint64_t identity, bool crashed)
{
    int at = 0;
    while (at < task->failed_count && task->failed[at] != identity)
        at++;
    if (at == I8X_SCHED_FAILED_MAX)
        return;
    task->failed[at] = identity;
    task->failed_count += at == task->failed_count;
    task->crashed_mask |= (uint8_t)(crashed << at);
}

int i8x_tasks_crashed_count(const task_row *task)
{
    int count = 0;
    for (int i = 0; i < task->failed_count; i++)
        count += task->crashed_mask >> i & 1;
    return count;
}
