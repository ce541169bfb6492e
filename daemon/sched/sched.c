/* SPDX-License-Identifier: Apache-2.0
 *
 * The scheduler. Tasks lie in an array whose places are used again (a generation number tells old
 * ready entries from new ones) and are found by key through an open-addressing table; keys are
 * SHA-256, so their first bytes are the hash. Leases of a worker form a list through its tasks.
 * Asks wait in the order they came. Handlers are a table by event type; each ends in dispatch(),
 * which meets ready tasks with waiting asks.
 */
#include "daemon/sched/sched.h"

#include <string.h>

#include "daemon/sched/ready.h"
#include "int8x/alloc.h"

#define NONE UINT32_MAX
#define FAILED_MAX 8 /* workers remembered per task */
#define SET_ASIDE_MAX                                                                              \
    16 /* ready tasks passed over for one ask because they failed on that worker */

typedef struct sched_task {
    i8x_digest key;
    bool used;
    uint32_t generation;
    i8x_task_kind kind;
    i8x_sched_state state;
    uint64_t order;
    uint64_t epoch;          /* of the last lease; 0 = never leased */
    uint64_t worker;         /* LEASED */
    int64_t expires_ms;      /* LEASED: end of the lease; WAITING: ready again */
    uint32_t next, previous; /* LEASED: leases of the worker; free places: next */
    int attempts, lost;
    uint64_t failed[FAILED_MAX]; /* sessions that failed on it */
    int failed_count;
    i8x_digest result; /* COMMITTING */
} sched_task;

typedef struct sched_worker {
    uint64_t id;
    uint32_t kinds;
    bool draining;
    int64_t heard_ms;
    uint32_t leases; /* first of the list */
    uint32_t lease_count;
} sched_worker;

typedef struct sched_ask {
    uint64_t worker, ticket;
    uint32_t want;
    int64_t until_ms;
} sched_ask;

typedef struct vector {
    void *rows;
    size_t count, capacity, row_bytes;
} vector;

struct i8x_sched {
    i8x_sched_opts opts;
    uint64_t last_epoch;
    vector tasks, workers, asks, actions, waiting /* uint32_t task indices */;
    uint32_t free_task;
    uint32_t *table; /* index + 1 by key, 0 = empty */
    size_t table_size, table_used;
    size_t state_counts[I8X_SCHED_STATE_COUNT];
    i8x_ready ready;
    int64_t now_ms;
};

/* ---- growing arrays ---- */

static void *vector_push(vector *v)
{
    if (v->count == v->capacity) {
        size_t capacity = v->capacity == 0 ? 16 : v->capacity * 2;
        v->rows = i8x_alloc_resize(i8x_alloc_heap(), v->rows, v->capacity * v->row_bytes,
                                   capacity * v->row_bytes);
        I8X_ASSERT(v->rows != NULL);
        v->capacity = capacity;
    }
    void *row = (char *)v->rows + v->count++ * v->row_bytes;
    memset(row, 0, v->row_bytes);
    return row;
}

static void vector_remove(vector *v, size_t index) /* keeps the order */
{
    char *row = (char *)v->rows + index * v->row_bytes;
    memmove(row, row + v->row_bytes, (v->count - index - 1) * v->row_bytes);
    v->count--;
}

static void vector_deinit(vector *v)
{
    i8x_alloc_free(i8x_alloc_heap(), v->rows, v->capacity * v->row_bytes);
    v->rows = NULL;
}

static sched_task *task_at(const i8x_sched *s, uint32_t index)
{
    return (sched_task *)s->tasks.rows + index;
}

/* ---- key table ---- */

static size_t key_hash(const i8x_digest *key)
{
    uint64_t hash;
    memcpy(&hash, key->bytes, sizeof hash);
    return (size_t)hash;
}

static uint32_t find_task(const i8x_sched *s, const i8x_digest *key)
{
    if (s->table_size == 0)
        return NONE;
    for (size_t at = key_hash(key) & (s->table_size - 1);; at = (at + 1) & (s->table_size - 1)) {
        if (s->table[at] == 0)
            return NONE;
        if (i8x_digest_equal(&task_at(s, s->table[at] - 1)->key, key))
            return s->table[at] - 1;
    }
}

static void table_insert(i8x_sched *s, uint32_t index)
{
    size_t at = key_hash(&task_at(s, index)->key) & (s->table_size - 1);
    while (s->table[at] != 0)
        at = (at + 1) & (s->table_size - 1);
    s->table[at] = index + 1;
}

static void table_grow(i8x_sched *s)
{
    size_t old = s->table_size;
    i8x_alloc_free(i8x_alloc_heap(), s->table, old * sizeof *s->table);
    s->table_size = old == 0 ? 64 : old * 2;
    s->table = i8x_alloc_array(i8x_alloc_heap(), s->table_size, sizeof *s->table);
    I8X_ASSERT(s->table != NULL);
    for (uint32_t i = 0; i < s->tasks.count; i++)
        if (task_at(s, i)->used)
            table_insert(s, i);
}

/* Closes the gap, so that no grave markers are needed. */
static void table_remove(i8x_sched *s, uint32_t index)
{
    size_t mask = s->table_size - 1, hole = key_hash(&task_at(s, index)->key) & mask;
    while (s->table[hole] != index + 1)
        hole = (hole + 1) & mask;
    s->table[hole] = 0;
    for (size_t at = (hole + 1) & mask; s->table[at] != 0; at = (at + 1) & mask) {
        size_t home = key_hash(&task_at(s, s->table[at] - 1)->key) & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        s->table[hole] = s->table[at];
        s->table[at] = 0;
        hole = at;
    }
    s->table_used--;
}

/* ---- workers, leases, states ---- */

static sched_worker *find_worker(const i8x_sched *s, uint64_t id)
{
    sched_worker *workers = s->workers.rows;
    for (size_t i = 0; i < s->workers.count; i++)
        if (workers[i].id == id)
            return &workers[i];
    return NULL;
}

static i8x_sched_action *act(i8x_sched *s, i8x_sched_action_type type)
{
    i8x_sched_action *action = vector_push(&s->actions);
    action->type = type;
    return action;
}

static void act_on(i8x_sched *s, i8x_sched_action_type type, uint64_t worker,
                   const sched_task *task)
{
    i8x_sched_action *action = act(s, type);
    action->worker = worker;
    action->key = task->key;
    action->epoch = task->epoch;
    action->attempts = task->attempts;
    action->workers = task->failed_count;
}

static void unlink_lease(i8x_sched *s, uint32_t index)
{
    sched_task *task = task_at(s, index);
    sched_worker *worker = find_worker(s, task->worker);
    if (task->previous != NONE)
        task_at(s, task->previous)->next = task->next;
    else
        worker->leases = task->next;
    if (task->next != NONE)
        task_at(s, task->next)->previous = task->previous;
    worker->lease_count--;
    task->worker = 0;
}

/* The one place where a task changes state. */
static void set_state(i8x_sched *s, uint32_t index, i8x_sched_state state)
{
    sched_task *task = task_at(s, index);
    if (task->state == I8X_SCHED_LEASED)
        unlink_lease(s, index);
    s->state_counts[task->state]--;
    s->state_counts[state]++;
    task->state = state;
    if (state == I8X_SCHED_READY)
        i8x_ready_put(&s->ready, task->kind,
                      (i8x_ready_entry){task->order, index, task->generation});
    if (state == I8X_SCHED_WAITING)
        *(uint32_t *)vector_push(&s->waiting) = index;
}

static void lease_to(i8x_sched *s, uint32_t index, sched_worker *worker, uint64_t epoch)
{
    set_state(s, index, I8X_SCHED_LEASED);
    sched_task *task = task_at(s, index);
    task->worker = worker->id;
    task->epoch = epoch;
    task->expires_ms = s->now_ms + s->opts.lease_life_ms;
    task->previous = NONE;
    task->next = worker->leases;
    if (worker->leases != NONE)
        task_at(s, worker->leases)->previous = index;
    worker->leases = index;
    worker->lease_count++;
}

static void forget_waiting(i8x_sched *s, uint32_t index)
{
    uint32_t *rows = s->waiting.rows;
    for (size_t i = 0; i < s->waiting.count; i++) {
        if (rows[i] == index) {
            vector_remove(&s->waiting, i);
            return;
        }
    }
}

static void remove_task(i8x_sched *s, uint32_t index)
{
    sched_task *task = task_at(s, index);
    if (task->state == I8X_SCHED_LEASED)
        unlink_lease(s, index);
    if (task->state == I8X_SCHED_WAITING)
        forget_waiting(s, index);
    s->state_counts[task->state]--;
    table_remove(s, index);
    task->used = false;
    task->generation++;
    task->next = s->free_task;
    s->free_task = index;
}

static bool failed_on(const sched_task *task, uint64_t worker)
{
    for (int i = 0; i < task->failed_count; i++)
        if (task->failed[i] == worker)
            return true;
    return false;
}

/* Another worker could try this task, which failed on the one that asks. */
static bool others_for(const i8x_sched *s, const sched_task *task)
{
    const sched_worker *workers = s->workers.rows;
    for (size_t i = 0; i < s->workers.count; i++)
        if ((workers[i].kinds >> task->kind & 1) != 0 && !workers[i].draining &&
            !failed_on(task, workers[i].id))
            return true;
    return false;
}

/* ---- meeting asks with tasks ---- */

static uint32_t next_for(i8x_sched *s, const sched_worker *worker)
{
    i8x_ready_entry aside[SET_ASIDE_MAX];
    i8x_task_kind aside_kind[SET_ASIDE_MAX];
    int aside_count = 0;
    uint32_t found = NONE;
    i8x_task_kind kind;
    i8x_ready_entry entry;
    while (aside_count < SET_ASIDE_MAX && i8x_ready_take(&s->ready, worker->kinds, &kind, &entry)) {
        const sched_task *task = task_at(s, entry.task);
        if (!task->used || task->generation != entry.generation || task->state != I8X_SCHED_READY)
            continue; /* the entry is older than what became of the task */
        if (failed_on(task, worker->id) && others_for(s, task)) {
            aside[aside_count] = entry;
            aside_kind[aside_count++] = kind;
            continue;
        }
        found = entry.task;
        break;
    }
    for (int i = 0; i < aside_count; i++)
        i8x_ready_put(&s->ready, aside_kind[i], aside[i]);
    return found;
}

/* Gives the ask what there is; true if it is answered. */
static bool serve(i8x_sched *s, const sched_ask *ask)
{
    sched_worker *worker = find_worker(s, ask->worker);
    uint32_t given = 0;
    while (worker != NULL && !worker->draining && given < ask->want) {
        uint32_t index = next_for(s, worker);
        if (index == NONE)
            break;
        bool again = task_at(s, index)->epoch != 0;
        lease_to(s, index, worker, ++s->last_epoch);
        act_on(s, I8X_SCHED_DO_GRANT, worker->id, task_at(s, index));
        i8x_sched_action *grant = (i8x_sched_action *)s->actions.rows + s->actions.count - 1;
        grant->ticket = ask->ticket;
        grant->again = again;
        given++;
    }
    if (given == 0 && worker != NULL && !worker->draining && ask->until_ms > s->now_ms)
        return false;
    act(s, I8X_SCHED_DO_ANSWER)->ticket = ask->ticket;
    return true;
}

static void dispatch(i8x_sched *s)
{
    size_t kept = 0;
    sched_ask *asks = s->asks.rows;
    for (size_t i = 0; i < s->asks.count; i++)
        if (!serve(s, &asks[i]))
            asks[kept++] = asks[i];
    s->asks.count = kept;
}

/* ---- events ---- */

static void on_task_add(i8x_sched *s, const i8x_sched_event *event)
{
    if (find_task(s, &event->key) != NONE)
        return;
    if ((s->table_used + 1) * 2 > s->table_size)
        table_grow(s);
    uint32_t index = s->free_task;
    if (index == NONE) {
        vector_push(&s->tasks);
        index = (uint32_t)(s->tasks.count - 1);
    } else {
        s->free_task = task_at(s, index)->next;
    }
    sched_task *task = task_at(s, index);
    *task = (sched_task){.key = event->key,
                         .used = true,
                         .generation = task->generation,
                         .kind = event->kind,
                         .order = event->order};
    table_insert(s, index);
    s->table_used++;
    s->state_counts[I8X_SCHED_READY]++; /* set_state takes it out again */
    set_state(s, index, I8X_SCHED_READY);
}

static void on_task_drop(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t index = find_task(s, &event->key);
    if (index == NONE)
        return;
    sched_task *task = task_at(s, index);
    if (task->state == I8X_SCHED_LEASED)
        act_on(s, I8X_SCHED_DO_CANCEL, task->worker, task);
    remove_task(s, index);
}

static void on_worker_join(i8x_sched *s, const i8x_sched_event *event)
{
    I8X_ASSERT(find_worker(s, event->worker) == NULL);
    sched_worker *worker = vector_push(&s->workers);
    *worker = (sched_worker){
        .id = event->worker, .kinds = event->kinds, .heard_ms = s->now_ms, .leases = NONE};
}

static void on_worker_adopt(i8x_sched *s, const i8x_sched_event *event)
{
    sched_worker *worker = find_worker(s, event->worker);
    uint32_t index = find_task(s, &event->key);
    if (worker == NULL || index == NONE)
        return;
    sched_task *task = task_at(s, index);
    if (task->state == I8X_SCHED_WAITING)
        forget_waiting(s, index);
    if (task->state == I8X_SCHED_READY || task->state == I8X_SCHED_WAITING)
        lease_to(s, index, worker, event->epoch != 0 ? event->epoch : ++s->last_epoch);
}

static void on_worker_drain(i8x_sched *s, const i8x_sched_event *event)
{
    sched_worker *worker = find_worker(s, event->worker);
    if (worker != NULL) {
        worker->draining = true;
        worker->heard_ms = s->now_ms;
    }
}

/* A lease ended without a word: no attempt used, ready at once, unless workers die of this task. */
static void lose_lease(i8x_sched *s, uint32_t index)
{
    sched_task *task = task_at(s, index);
    act_on(s, I8X_SCHED_DO_LOST, task->worker, task);
    if (++task->lost < s->opts.lost_max) {
        set_state(s, index, I8X_SCHED_READY);
        return;
    }
    act_on(s, I8X_SCHED_DO_DEAD, task->worker, task);
    remove_task(s, index);
}

static void on_worker_leave(i8x_sched *s, const i8x_sched_event *event)
{
    sched_worker *worker = find_worker(s, event->worker);
    if (worker == NULL)
        return;
    while (worker->leases != NONE)
        lose_lease(s, worker->leases);
    vector_remove(&s->workers, (size_t)(worker - (sched_worker *)s->workers.rows));
    /* its asks are answered by dispatch, since the worker is not found */
}

static void on_ask(i8x_sched *s, const i8x_sched_event *event)
{
    sched_worker *worker = find_worker(s, event->worker);
    if (worker != NULL)
        worker->heard_ms = s->now_ms;
    sched_ask *ask = vector_push(&s->asks);
    *ask = (sched_ask){event->worker, event->ticket, event->want, event->until_ms};
}

static void on_renew(i8x_sched *s, const i8x_sched_event *event)
{
    sched_worker *worker = find_worker(s, event->worker);
    if (worker == NULL)
        return;
    worker->heard_ms = s->now_ms;
    if (event->key_absent)
        return;
    uint32_t index = find_task(s, &event->key);
    sched_task *task = index != NONE ? task_at(s, index) : NULL;
    if (task != NULL && task->state == I8X_SCHED_LEASED && task->worker == worker->id) {
        task->expires_ms = s->now_ms + s->opts.lease_life_ms;
        return;
    }
    i8x_sched_action *action = act(s, I8X_SCHED_DO_CANCEL); /* it works for nobody */
    action->worker = worker->id;
    action->key = event->key;
}

static void on_result(i8x_sched *s, const i8x_sched_event *event)
{
    sched_worker *worker = find_worker(s, event->worker);
    if (worker != NULL)
        worker->heard_ms = s->now_ms;
    uint32_t index = find_task(s, &event->key);
    if (index == NONE) {
        i8x_sched_action *action = act(s, I8X_SCHED_DO_STALE);
        action->worker = event->worker;
        action->key = event->key;
        return;
    }
    sched_task *task = task_at(s, index);
    if (task->state == I8X_SCHED_COMMITTING) {
        bool same = i8x_digest_equal(&task->result, &event->result);
        act_on(s, same ? I8X_SCHED_DO_DUPLICATE : I8X_SCHED_DO_CONFLICT, event->worker, task);
        return;
    }
    /* a late result is as good as any: the first one counts, whoever holds the lease now is told to
     * stop */
    if (task->state == I8X_SCHED_LEASED && task->worker != event->worker)
        act_on(s, I8X_SCHED_DO_CANCEL, task->worker, task);
    if (task->state == I8X_SCHED_WAITING)
        forget_waiting(s, index);
    task->result = event->result;
    set_state(s, index, I8X_SCHED_COMMITTING);
    act_on(s, I8X_SCHED_DO_COMMIT, event->worker, task_at(s, index));
}

static void on_committed(i8x_sched *s, const i8x_sched_event *event)
{
    uint32_t index = find_task(s, &event->key);
    if (index != NONE)
        remove_task(s, index);
}

static int64_t backoff_ms(const i8x_sched *s, int attempts)
{
    int64_t wait = s->opts.backoff_first_ms;
    for (int i = 1; i < attempts && wait < s->opts.backoff_max_ms; i++)
        wait *= 2;
    return wait < s->opts.backoff_max_ms ? wait : s->opts.backoff_max_ms;
}

static void on_fail(i8x_sched *s, const i8x_sched_event *event)
{
    sched_worker *worker = find_worker(s, event->worker);
    if (worker != NULL)
        worker->heard_ms = s->now_ms;
    uint32_t index = find_task(s, &event->key);
    sched_task *task = index != NONE ? task_at(s, index) : NULL;
    bool current = task != NULL && task->state == I8X_SCHED_LEASED &&
                   task->worker == event->worker && task->epoch == event->epoch;
    if (!current) {
        i8x_sched_action *action = act(s, I8X_SCHED_DO_STALE);
        action->worker = event->worker;
        action->key = event->key;
        return;
    }
    if (event->fault == I8X_SCHED_FAULT_FREE) {
        set_state(s, index, I8X_SCHED_READY);
        return;
    }
    task->attempts++;
    if (!failed_on(task, event->worker) && task->failed_count < FAILED_MAX)
        task->failed[task->failed_count++] = event->worker;
    if (event->fault == I8X_SCHED_FAULT_INPUT || task->attempts >= s->opts.attempts_max ||
        task->failed_count >= s->opts.workers_max) {
        act_on(s, I8X_SCHED_DO_DEAD, event->worker, task);
        remove_task(s, index);
        return;
    }
    set_state(s, index, I8X_SCHED_WAITING);
    task->expires_ms = s->now_ms + backoff_ms(s, task->attempts);
    act_on(s, I8X_SCHED_DO_RETRY, event->worker, task);
    ((i8x_sched_action *)s->actions.rows)[s->actions.count - 1].at_ms = task->expires_ms;
}

static void expire_leases(i8x_sched *s, const sched_worker *worker)
{
    for (uint32_t index = worker->leases, next; index != NONE; index = next) {
        next = task_at(s, index)->next;
        if (task_at(s, index)->expires_ms <= s->now_ms)
            lose_lease(s, index);
    }
}

static void on_tick(i8x_sched *s, const i8x_sched_event *event)
{
    (void)event;
    for (size_t i = s->waiting.count; i-- > 0;) {
        uint32_t index = ((uint32_t *)s->waiting.rows)[i];
        if (task_at(s, index)->expires_ms <= s->now_ms) {
            vector_remove(&s->waiting, i);
            set_state(s, index, I8X_SCHED_READY);
        }
    }
    for (size_t i = s->workers.count; i-- > 0;) {
        sched_worker *worker = (sched_worker *)s->workers.rows + i;
        if (worker->heard_ms + s->opts.lease_life_ms <= s->now_ms) {
            uint64_t id = worker->id;
            on_worker_leave(s, &(i8x_sched_event){.worker = id});
            act(s, I8X_SCHED_DO_GONE)->worker = id;
        } else {
            expire_leases(s, worker);
        }
    }
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

i8x_status i8x_sched_new(const i8x_sched_opts *opts, i8x_sched **sched)
{
    i8x_sched *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->opts = *opts;
    made->last_epoch = opts->first_epoch;
    made->free_task = NONE;
    made->tasks.row_bytes = sizeof(sched_task);
    made->workers.row_bytes = sizeof(sched_worker);
    made->asks.row_bytes = sizeof(sched_ask);
    made->actions.row_bytes = sizeof(i8x_sched_action);
    made->waiting.row_bytes = sizeof(uint32_t);
    *sched = made;
    return I8X_OK;
}

void i8x_sched_free(i8x_sched *s)
{
    if (s == NULL)
        return;
    vector_deinit(&s->tasks);
    vector_deinit(&s->workers);
    vector_deinit(&s->asks);
    vector_deinit(&s->actions);
    vector_deinit(&s->waiting);
    i8x_ready_deinit(&s->ready);
    i8x_alloc_free(i8x_alloc_heap(), s->table, s->table_size * sizeof *s->table);
    i8x_alloc_free(i8x_alloc_heap(), s, sizeof *s);
}

void i8x_sched_step(i8x_sched *sched, const i8x_sched_event *event, int64_t now_ms)
{
    I8X_ASSERT((unsigned)event->type < I8X_SCHED_EVENT_COUNT && now_ms >= sched->now_ms);
    sched->now_ms = now_ms;
    sched->actions.count = 0;
    handlers[event->type](sched, event);
    dispatch(sched);
}

const i8x_sched_action *i8x_sched_actions(const i8x_sched *sched, size_t *count)
{
    *count = sched->actions.count;
    return sched->actions.rows;
}

int64_t i8x_sched_next_ms(const i8x_sched *s)
{
    int64_t next = INT64_MAX;
    const sched_ask *asks = s->asks.rows;
    for (size_t i = 0; i < s->asks.count; i++)
        next = asks[i].until_ms < next ? asks[i].until_ms : next;
    const uint32_t *waiting = s->waiting.rows;
    for (size_t i = 0; i < s->waiting.count; i++)
        next =
            task_at(s, waiting[i])->expires_ms < next ? task_at(s, waiting[i])->expires_ms : next;
    const sched_worker *workers = s->workers.rows;
    for (size_t i = 0; i < s->workers.count; i++) {
        int64_t gone = workers[i].heard_ms + s->opts.lease_life_ms;
        next = gone < next ? gone : next;
        for (uint32_t k = workers[i].leases; k != NONE; k = task_at(s, k)->next)
            next = task_at(s, k)->expires_ms < next ? task_at(s, k)->expires_ms : next;
    }
    return next;
}

size_t i8x_sched_task_count(const i8x_sched *sched, i8x_sched_state state)
{
    return sched->state_counts[state];
}

size_t i8x_sched_worker_count(const i8x_sched *sched)
{
    return sched->workers.count;
}

size_t i8x_sched_lease_count(const i8x_sched *sched, uint64_t worker)
{
    const sched_worker *found = find_worker(sched, worker);
    return found != NULL ? found->lease_count : 0;
}

size_t i8x_sched_ask_count(const i8x_sched *sched)
{
    return sched->asks.count;
}

bool i8x_sched_task(const i8x_sched *sched, const i8x_digest *key, i8x_sched_state *state,
                    uint64_t *worker, uint64_t *epoch)
{
    uint32_t index = find_task(sched, key);
    if (index == NONE)
        return false;
    const sched_task *task = task_at(sched, index);
    *state = task->state;
    *worker = task->state == I8X_SCHED_LEASED ? task->worker : 0;
    *epoch = task->epoch;
    return true;
}
