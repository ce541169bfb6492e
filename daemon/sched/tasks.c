/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys are SHA-256, so their first bytes are the hash.
 */
#include "daemon/sched/tasks.h"

#include <string.h>

#include "daemon/sched/fleet.h"

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
    s->state_counts[state]++;
    if (state == I8X_SCHED_READY && task->failed_count > 0) {
        i8x_heap_set(&s->failed, row, task->order);
    } else if (state == I8X_SCHED_READY) {
        i8x_heap_set(&s->ready[task->kind], row, task->order);
        s->ready_kinds |= 1u << task->kind;
    } else if (state == I8X_SCHED_WAITING) {
        i8x_heap_set(&s->due, row, (uint64_t)task->due_ms);
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

static void end_lease(i8x_sched *s, uint32_t row)
{
    lease_row *lease = i8x_lease_at(s, row);
    worker_row *worker = i8x_worker_at(s, lease->worker);
    uint32_t worker_number = lease->worker;
    i8x_heap_remove(&s->expiry, row);
    i8x_list_remove(&worker->leases, &s->leases, offsetof(lease_row, link), row);
    i8x_task_at(s, lease->task)->lease = 0;
    i8x_rows_give(&s->leases, row);
    i8x_fleet_offer(s, worker_number);
}

static void leave_state(i8x_sched *s, uint32_t row)
{
    const task_row *task = i8x_task_at(s, row);
    s->state_counts[task->state]--;
    if (task->state == I8X_SCHED_READY)
        leave_ready(s, row, task);
    if (task->state == I8X_SCHED_WAITING)
        i8x_heap_remove(&s->due, row);
    if (task->lease != 0)
        end_lease(s, task->lease);
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
    i8x_lookup_remove(&s->by_key, key_hash(&i8x_task_at(s, row)->key), row);
    i8x_rows_give(&s->tasks, row);
}

void i8x_tasks_set_state(i8x_sched *s, uint32_t row, i8x_sched_state state)
{
    leave_state(s, row);
    enter_state(s, row, state);
}

void i8x_tasks_lease(i8x_sched *s, uint32_t row, uint32_t worker_number, uint64_t epoch)
{
    leave_state(s, row);
    task_row *task = i8x_task_at(s, row);
    worker_row *worker = i8x_worker_at(s, worker_number);
    uint32_t number = i8x_rows_take(&s->leases);
    lease_row *lease = i8x_lease_at(s, number);
    lease->task = row;
    lease->worker = worker_number;
    lease->epoch = task->epoch = epoch;
    lease->granted_ms = s->now_ms;
    task->lease = number;
    i8x_list_append(&worker->leases, &s->leases, offsetof(lease_row, link), number);
    i8x_tasks_renew(s, number);
    enter_state(s, row, I8X_SCHED_LEASED);
}

void i8x_tasks_renew(i8x_sched *s, uint32_t row)
{
    lease_row *lease = i8x_lease_at(s, row);
    lease->expires_ms = s->now_ms + s->opts.lease_life_ms;
    i8x_heap_set(&s->expiry, row, (uint64_t)lease->expires_ms);
}

bool i8x_tasks_failed_on(const task_row *task, uint64_t identity)
{
    for (int i = 0; i < task->failed_count; i++)
        if (task->failed[i] == identity)
            return true;
    return false;
}

void i8x_tasks_note_failed(task_row *task, uint64_t identity)
{
    if (!i8x_tasks_failed_on(task, identity) && task->failed_count < I8X_SCHED_FAILED_MAX)
        task->failed[task->failed_count++] = identity;
}
