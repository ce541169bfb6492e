/* SPDX-License-Identifier: Apache-2.0
 *
 * The tasks that jobs wait for, in a map by key, each with the references of the jobs. Nothing here
 * reads a model or a sample: the plan understands the small record that the inspect task made.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/doubts.h"
#include "daemon/hub.h"
#include "daemon/study_room.h"
#include "int8x/alloc.h"
#include "int8x/clock.h"
#include "proto/limits.h"

#define ORDER_INDEX_BITS 20 /* I8X_PLAN_TASKS_MAX fits */
#define ORDER_SEQUENCE_BITS 40
#define REFS_FIRST 2
#define HELD_FIRST 64
#define FEED_LOOKS 16 /* tasks between two looks at the clock */

_Static_assert(I8X_PLAN_TASKS_MAX < 1 << ORDER_INDEX_BITS, "index of a task in its order");
_Static_assert(ORDER_INDEX_BITS + ORDER_SEQUENCE_BITS + 4 <= 64, "priority on top");

/* ---- open tasks ---- */

static void free_task(i8x_study *study, i8x_open_task *task)
{
    i8x_keymap_remove(&study->tasks, &task->key);
    i8x_alloc_free(i8x_alloc_heap(), task->bytes, task->size);
    i8x_alloc_free(i8x_alloc_heap(), task->refs, (size_t)task->ref_capacity * sizeof *task->refs);
    i8x_alloc_free(i8x_alloc_heap(), task, sizeof *task);
}

void i8x_study_free_tasks(i8x_study *study)
{
    for (size_t i = 0; i < study->tasks.size;) {
        if (study->tasks.rows[i].value != NULL)
            free_task(study, study->tasks.rows[i].value); /* may move another one here */
        else
            i++;
    }
    i8x_keymap_deinit(&study->tasks);
}

static void add_ref(i8x_open_task *task, i8x_study_job *job, int index)
{
    if (task->ref_count == task->ref_capacity) {
        int capacity = task->ref_capacity == 0 ? REFS_FIRST : task->ref_capacity * 2;
        task->refs = i8x_alloc_resize(i8x_alloc_heap(), task->refs,
                                      (size_t)task->ref_capacity * sizeof *task->refs,
                                      (size_t)capacity * sizeof *task->refs);
        I8X_ASSERT(task->refs != NULL);
        task->ref_capacity = capacity;
    }
    task->refs[task->ref_count++] = (i8x_study_ref){job, index, false};
    job->handed[index] = task;
}

static i8x_status copy_task(const i8x_study *study, const i8x_task *task, i8x_open_task *open)
{
    i8x_arena_mark start = i8x_arena_mark_get(study->scratch);
    const uint8_t *bytes;
    i8x_status status = i8x_task_encode(task, study->scratch, &bytes, &open->size);
    if (status == I8X_OK && open->size > I8X_WIRE_TASK_MAX)
        status = i8x_fail(I8X_ELIMIT, __FILE__, __LINE__, "a task of %zu bytes, at most %u",
                          open->size, I8X_WIRE_TASK_MAX);
    if (status == I8X_OK) {
        open->bytes = i8x_alloc_array(i8x_alloc_heap(), open->size, 1);
        status = i8x_alloc_check(open->bytes);
    }
    if (status == I8X_OK)
        memcpy(open->bytes, bytes, open->size);
    i8x_arena_rewind(study->scratch, start);
    return status;
}

/* High priority first, then the older job, then the task's place in it. */
static uint64_t order_of(const i8x_study_job *job, int index)
{
    return (uint64_t)(I8X_JOB_PRIORITY_MAX - job->priority)
               << (ORDER_INDEX_BITS + ORDER_SEQUENCE_BITS) |
           (uint64_t)job->sequence << ORDER_INDEX_BITS | (uint64_t)index;
}

static void keep_back(i8x_study_job *job, int index)
{
    if (job->held_count == job->held_capacity) {
        int capacity = job->held_capacity == 0 ? HELD_FIRST : job->held_capacity * 2;
        job->held = i8x_alloc_resize(i8x_alloc_heap(), job->held,
                                     (size_t)job->held_capacity * sizeof *job->held,
                                     (size_t)capacity * sizeof *job->held);
        I8X_ASSERT(job->held != NULL);
        job->held_capacity = capacity;
    }
    job->held[job->held_count++] = index;
}

/* A task that nobody has waited for yet. */
static i8x_status open_task(i8x_study *study, i8x_study_job *job, int index, const i8x_digest *key,
                            i8x_open_task **opened)
{
    const i8x_task *task = i8x_plan_task(job->plan, index);
    i8x_open_task *open = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *open);
    I8X_TRY(i8x_alloc_check(open));
    open->key = *key;
    open->kind = task->kind;
    i8x_status status = copy_task(study, task, open);
    if (status != I8X_OK) {
        i8x_alloc_free(i8x_alloc_heap(), open, sizeof *open);
        return status;
    }
    add_ref(open, job, index);
    i8x_keymap_put(&study->tasks, key, open);
    *opened = open;
    return I8X_OK;
}

static void forget_audit(i8x_open_task *open);

/* Gives a ready task to the scheduler, or joins those who wait for the same one. */
static i8x_status hand_out(i8x_study *study, i8x_study_job *job, int index, const i8x_digest *key)
{
    i8x_open_task *open = i8x_keymap_get(&study->tasks, key);
    const i8x_task *task = i8x_plan_task(job->plan, index);
    if (open != NULL && open->audit)
        forget_audit(open);
    if (open != NULL)
        add_ref(open, job, index);
    else
        I8X_TRY(open_task(study, job, index, key, &open));
    if (open->ref_count > 1)
        return I8X_OK;
    i8x_sched_event event = {
        .type = I8X_SCHED_TASK_ADD, .key = *key, .kind = task->kind, .order = order_of(job, index)};
    i8x_daemon_step(study->daemon, &event);
    return I8X_OK;
}

bool i8x_study_task(i8x_study *study, const i8x_digest *key, const uint8_t **bytes, size_t *size,
                    const i8x_task **task, const i8x_study_job **job, int *index)
{
    const i8x_open_task *open = i8x_keymap_get(&study->tasks, key);
    if (open == NULL)
        return false;
    *bytes = open->bytes;
    *size = open->size;
    *job = open->refs[0].job;
    *index = open->refs[0].index;
    *task = i8x_plan_task((*job)->plan, *index);
    return true;
}

static bool has_begun(const i8x_study *study, const i8x_digest *key)
{
    i8x_sched_task_view view;
    return i8x_sched_task(study->daemon->sched, key, &view) && view.state != I8X_SCHED_READY &&
           view.state != I8X_SCHED_WAITING;
}

void i8x_study_let_go(i8x_study *study, i8x_study_job *job, bool keep)
{
    for (int index = 0; index < job->handed_count; index++) {
        i8x_open_task *open = job->handed[index];
        if (open == NULL || (keep && has_begun(study, &open->key)))
            continue;
        job->handed[index] = NULL;
        job->audits -= open->audit;
        if (keep)
            keep_back(job, index);
        int kept = 0;
        for (int i = 0; i < open->ref_count; i++)
            if (open->refs[i].job != job)
                open->refs[kept++] = open->refs[i];
        open->ref_count = kept;
        if (kept > 0)
            continue;
        i8x_sched_event event = {.type = I8X_SCHED_TASK_DROP, .key = open->key};
        free_task(study, open);
        i8x_daemon_step(study->daemon, &event);
    }
}

void i8x_study_forgive(i8x_study_job *job)
{
    i8x_alloc_free(i8x_alloc_heap(), job->failing, sizeof *job->failing);
    job->failing = NULL;
}

void i8x_study_free_plan(i8x_study_job *job)
{
    i8x_study_forgive(job);
    i8x_plan_free(job->plan);
    job->plan = NULL;
    i8x_alloc_free(i8x_alloc_heap(), job->handed,
                   (size_t)job->handed_count * sizeof(i8x_open_task *));
    job->handed = NULL;
    i8x_alloc_free(i8x_alloc_heap(), job->marks, (size_t)job->handed_count * I8X_TASK_MARK_SIZE);
    job->marks = NULL;
    job->handed_count = 0;
    i8x_alloc_free(i8x_alloc_heap(), job->held, (size_t)job->held_capacity * sizeof *job->held);
    job->held = NULL;
    job->held_count = job->held_capacity = 0;
}

/* ---- workers of a job ---- */

bool i8x_study_has_worker(const i8x_study_job *job, const char *worker)
{
    for (int i = 0; i < job->worker_count; i++)
        if (strcmp(job->workers[i], worker) == 0)
            return true;
    return false;
}

bool i8x_study_add_worker(i8x_study_job *job, const char *worker)
{
    if (i8x_study_has_worker(job, worker))
        return false;
    size_t count = (size_t)job->worker_count, size = strlen(worker) + 1;
    char *copy = i8x_alloc_array(i8x_alloc_heap(), size, 1);
    char **grown = i8x_alloc_resize(i8x_alloc_heap(), job->workers, count * sizeof *grown,
                                    (count + 1) * sizeof *grown);
    I8X_ASSERT(copy != NULL && grown != NULL);
    memcpy(copy, worker, size);
    job->workers = grown;
    job->workers[job->worker_count++] = copy;
    return true;
}

/* ---- audits ---- */

/* Of a result that the ledger has: an audit that has not ended. */
typedef struct cached_audit {
    bool pending;
    uint64_t identity; /* of the worker whose result it is */
    i8x_digest result;
} cached_audit;

void i8x_study_audit(i8x_study *study, const i8x_digest *key)
{
    i8x_open_task *open = i8x_keymap_get(&study->tasks, key);
    if (open == NULL || open->audit)
        return;
    open->audit = true;
    for (int i = 0; i < open->ref_count; i++)
        open->refs[i].job->audits++;
}

/* One more job uses a result that is being checked. */
static void join_audit(i8x_open_task *open, i8x_study_job *job, int index)
{
    add_ref(open, job, index);
    job->audits++;
}

/* A result was taken from the ledger: is it being checked, or to be checked since before a restart?
 */
static i8x_status follow_audit(i8x_study *study, i8x_study_job *job, int index,
                               const i8x_digest *key, const cached_audit *audit)
{
    i8x_open_task *open = i8x_keymap_get(&study->tasks, key);
    if (open != NULL && open->audit)
        join_audit(open, job, index);
    if (open != NULL || !audit->pending)
        return I8X_OK;
    I8X_TRY(open_task(study, job, index, key, &open));
    open->audit = open->completed = true;
    job->audits++;
    i8x_sched_event event = {.type = I8X_SCHED_AUDIT_ADD,
                             .key = *key,
                             .kind = open->kind,
                             .order = order_of(job, index),
                             .identity = audit->identity,
                             .result = audit->result};
    i8x_daemon_step(study->daemon, &event);
    return I8X_OK;
}

/* The result that is being checked has gone: the task begins anew, for whoever wants it now. */
static void forget_audit(i8x_open_task *open)
{
    for (int i = 0; i < open->ref_count; i++) {
        open->refs[i].job->audits--;
        open->refs[i].job->handed[open->refs[i].index] = NULL;
    }
    open->ref_count = 0;
    open->audit = open->completed = false;
}

/* Nothing is left of the job but audits: no more waiting for a better worker. */
static void hurry_audits(i8x_study *study, i8x_study_job *job)
{
    if (job->hurried)
        return;
    job->hurried = true;
    for (int index = 0; index < job->handed_count; index++) {
        const i8x_open_task *open = job->handed[index];
        if (open == NULL || !open->audit)
            continue;
        i8x_sched_event event = {.type = I8X_SCHED_AUDIT_HURRY, .key = open->key};
        i8x_daemon_step(study->daemon, &event);
    }
}

/* ---- results ---- */

/* True if every output of the result is in the store. */
static bool outputs_stored(const i8x_store *store, const i8x_task_result *result)
{
    for (int i = 0; i < result->output_count; i++) {
        uint64_t size;
        const i8x_blob_ref *ref = &result->outputs[i].ref;
        if (!i8x_store_has(store, &ref->digest, &size) || size != ref->size_bytes)
            return false;
    }
    return true;
}

/* A committed result whose blobs are still there, for a job that did not compute it itself, and
 * what an audit of it that has not ended needs. The result is freed by the caller if found. */
static bool cached_result(i8x_study_job *job, const i8x_digest *key, i8x_task_result *result,
                          cached_audit *audit)
{
    i8x_daemon *daemon = job->daemon;
    i8x_arena *arena = daemon->study->scratch;
    i8x_arena_mark start = i8x_arena_mark_get(arena);
    i8x_result_row row;
    i8x_ledger_view *view = i8x_ledger_here(daemon->ledger);
    bool found = i8x_ledger_get_result(view, key, arena, &row) == I8X_OK &&
                 i8x_task_result_decode(row.bytes, row.size, result) == I8X_OK;
    i8x_status noted = I8X_OK;
    if (found && !outputs_stored(daemon->store, result)) {
        i8x_task_result_deinit(result);
        found = false;
        noted = i8x_ledger_drop_result(daemon->ledger, key); /* a new one would be ignored */
    } else if (found) {
        if (i8x_study_add_worker(job, row.worker))
            noted = i8x_ledger_put_job_worker(daemon->ledger, job->id, row.worker);
        audit->pending = row.audit && i8x_hub_result_digest(result, &audit->result) == I8X_OK;
        audit->identity = i8x_doubts_identity(row.worker);
        i8x_hub_remember(daemon->hub, row.worker); /* it may not have come back yet */
    }
    i8x_arena_rewind(arena, start);
    I8X_ASSERT(noted == I8X_OK); /* no room for one row: restart and replay */
    return found;
}

static void count_stages(i8x_study_job *job)
{
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
        job->stages[kind].tasks = 0;
    for (int index = 0; index < i8x_plan_task_count(job->plan); index++)
        job->stages[i8x_plan_task_kind(job->plan, index)].tasks++;
}

/* The plan grows when inspect is done. */
static i8x_status follow_plan(i8x_study_job *job)
{
    int count = i8x_plan_task_count(job->plan);
    if (count <= job->handed_count)
        return I8X_OK;
    size_t old = (size_t)job->handed_count * sizeof(i8x_open_task *),
           size = (size_t)count * sizeof(i8x_open_task *);
    struct i8x_open_task **handed = i8x_alloc_resize(i8x_alloc_heap(), job->handed, old, size);
    I8X_TRY(i8x_alloc_check(handed));
    memset((char *)handed + old, 0, size - old);
    job->handed = handed;
    uint8_t *marks = i8x_alloc_resize(i8x_alloc_heap(), job->marks,
                                      (size_t)job->handed_count * I8X_TASK_MARK_SIZE,
                                      (size_t)count * I8X_TASK_MARK_SIZE);
    I8X_ASSERT(marks != NULL); /* its twin is larger already */
    job->marks = marks;
    for (int index = job->handed_count; index < count; index++) {
        uint8_t *mark = marks + (size_t)index * I8X_TASK_MARK_SIZE;
        memset(mark, 0, I8X_TASK_MARK_SIZE);
        mark[0] = (uint8_t)i8x_plan_task_kind(job->plan, index);
    }
    job->handed_count = count;
    count_stages(job);
    return I8X_OK;
}

static i8x_status complete(i8x_study_job *job, int index, const i8x_task_result *result,
                           bool cached)
{
    I8X_TRY(i8x_plan_complete(job->plan, index, result));
    i8x_study_stage *stage = &job->stages[i8x_plan_task_kind(job->plan, index)];
    stage->done++;
    stage->cached += cached;
    return follow_plan(job);
}

/* ---- feeding ---- */

/* The next task that was not looked at, -1 if there is none. */
static int next_task(i8x_study_job *job)
{
    if (!job->holding && job->held_count > 0)
        return job->held[--job->held_count];
    return i8x_plan_take_ready(job->plan);
}

static i8x_status feed_task(i8x_study *study, i8x_study_job *job, int index)
{
    if (i8x_plan_task_state(job->plan, index) != I8X_PLAN_READY)
        return I8X_OK;
    i8x_digest key = i8x_task_key(i8x_plan_task(job->plan, index));
    memcpy(job->marks + (size_t)index * I8X_TASK_MARK_SIZE + 1, key.bytes, I8X_DIGEST_SIZE);
    i8x_task_result result = {0};
    cached_audit audit = {0};
    const i8x_open_task *open = i8x_keymap_get(&study->tasks, &key);
    if ((open == NULL || open->audit) && cached_result(job, &key, &result, &audit)) {
        study->daemon->metrics.tasks[i8x_plan_task_kind(job->plan, index)][I8X_METRIC_CACHED]++;
        i8x_status status = follow_audit(study, job, index, &key, &audit);
        if (status == I8X_OK)
            status = complete(job, index, &result, true);
        i8x_task_result_deinit(&result);
        return status;
    }
    if (job->holding) {
        keep_back(job, index);
        return I8X_OK;
    }
    return hand_out(study, job, index, &key);
}

/* *more: time is up, and there is more. */
static i8x_status feed_slice(i8x_study *study, i8x_study_job *job, bool all, bool *more)
{
    *more = false;
    I8X_TRY(follow_plan(job));
    i8x_ledger_view *view = i8x_ledger_here(study->daemon->ledger);
    i8x_status status = I8X_OK;
    int64_t end_ns = i8x_clock_now_ns(NULL) + I8X_FEED_SLICE_MS * 1000000;
    int looks = 0;
    for (int index; status == I8X_OK && !*more && !job->ending && (index = next_task(job)) >= 0;) {
        if (looks == 1)
            i8x_ledger_hold(view); /* there may be many */
        status = feed_task(study, job, index);
        looks++;
        *more = !all && looks % FEED_LOOKS == 0 && i8x_clock_now_ns(NULL) > end_ns;
    }
    if (looks > 1)
        i8x_ledger_let(view);
    return status;
}

/* A task died. If results are still being checked, its input may be what is wrong. */
static void fail_job(i8x_study *study, i8x_study_job *job)
{
    if (job->audits > 0) {
        hurry_audits(study, job);
        return;
    }
    i8x_study_failing *failing = job->failing;
    job->failing = NULL;
    i8x_study_end_job(study, job, I8X_JOB_FAILED, failing->status, failing->detail, failing->tail);
    i8x_alloc_free(i8x_alloc_heap(), failing, sizeof *failing);
}

static void note_failing(i8x_study_job *job, i8x_status status, const char *detail,
                         const char *tail)
{
    if (job->ending || job->failing != NULL)
        return;
    job->failing = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *job->failing);
    I8X_ASSERT(job->failing != NULL);
    job->failing->status = status;
    snprintf(job->failing->detail, sizeof job->failing->detail, "%s", detail);
    snprintf(job->failing->tail, sizeof job->failing->tail, "%s", tail);
}

void i8x_study_feed(i8x_study *study, i8x_study_job *job, bool all)
{
    bool more = false;
    i8x_status status = feed_slice(study, job, all, &more);
    study->hungry_count += more - job->hungry;
    job->hungry = more;
    if (job->ending || job->doubted)
        return;
    if (status != I8X_OK)
        i8x_study_end_job(study, job, I8X_JOB_FAILED, status, i8x_last_error()->detail, "");
    else if (job->failing != NULL)
        fail_job(study, job);
    else if (!i8x_plan_finished(job->plan) || !i8x_plan_artifact(job->plan, &job->artifact) ||
             !i8x_plan_report(job->plan, &job->report))
        return;
    else if (job->audits > 0)
        hurry_audits(study, job);
    else
        i8x_study_end_job(study, job, I8X_JOB_DONE, I8X_OK, "", "");
}

/* ---- what becomes of tasks ---- */

/* "done" counts what will be done when this is committed; commits keep their order. */
static i8x_status put_task_done(i8x_study *study, const i8x_study_ref *ref,
                                const i8x_result_row *row, uint64_t wall_ns)
{
    i8x_study_job *job = ref->job;
    uint32_t tasks = 0, done = (uint32_t)++job->in_flight;
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++) {
        tasks += job->stages[kind].tasks;
        done += job->stages[kind].done;
    }
    int64_t sequence;
    i8x_buffer body;
    i8x_buffer_init(&body, 0);
    i8x_buffer_format(&body, "{\"task\":%d,\"kind\":\"%s\",\"worker\":", ref->index, row->kind);
    i8x_buffer_json(&body, row->worker);
    i8x_buffer_format(&body, ",\"wall_ms\":%llu,\"done\":%u,\"tasks\":%u}",
                      (unsigned long long)(wall_ns / 1000000), done, tasks);
    i8x_status status = i8x_events_put(study->daemon->events, job->id, I8X_EVENT_TASK_DONE,
                                       i8x_buffer_cstr(&body), &sequence);
    i8x_buffer_deinit(&body);
    if (status == I8X_OK && i8x_study_add_worker(job, row->worker))
        status = i8x_ledger_put_job_worker(study->daemon->ledger, job->id, row->worker);
    return status;
}

i8x_status i8x_study_put_result(i8x_study *study, const i8x_result_row *row, uint64_t wall_ns,
                                i8x_ledger_done_cb done, void *user)
{
    i8x_ledger *ledger = study->daemon->ledger;
    i8x_open_task *open = i8x_keymap_get(&study->tasks, &row->key);
    i8x_ledger_group_begin(ledger);
    i8x_status status = i8x_ledger_put_result(ledger, row, done, user);
    for (int i = 0; status == I8X_OK && open != NULL && i < open->ref_count; i++) {
        open->refs[i].told = true;
        status = put_task_done(study, &open->refs[i], row, wall_ns);
    }
    return i8x_ledger_group_end(ledger, status);
}

/* Takes the task out of the map and out of its jobs; the caller frees the refs. */
static i8x_open_task take_task(i8x_study *study, i8x_open_task *open)
{
    i8x_open_task taken = *open;
    open->refs = NULL;
    open->ref_capacity = 0;
    free_task(study, open);
    for (int i = 0; i < taken.ref_count; i++)
        taken.refs[i].job->handed[taken.refs[i].index] = NULL;
    return taken;
}

/* The same with the refs copied and everything left where it is. */
static i8x_open_task copy_refs(const i8x_open_task *open)
{
    i8x_open_task copy = *open;
    copy.ref_capacity = copy.ref_count;
    copy.refs = i8x_alloc_array(i8x_alloc_heap(), (size_t)copy.ref_count, sizeof *copy.refs);
    I8X_ASSERT(copy.refs != NULL);
    memcpy(copy.refs, open->refs, (size_t)copy.ref_count * sizeof *copy.refs);
    return copy;
}

static void complete_ref(i8x_study *study, const i8x_study_ref *ref, i8x_task_kind kind,
                         const i8x_task_result *result, const char *worker, bool cached)
{
    i8x_study_job *job = ref->job;
    i8x_status status = I8X_OK;
    if (!job->ending && !ref->told) { /* it joined when the result was on its way already */
        i8x_result_row row = {.kind = i8x_task_kind_name(kind), .worker = worker};
        status = put_task_done(study, ref, &row, result->measure.wall_ns);
        I8X_ASSERT(status == I8X_OK); /* no room for one row: restart and replay */
    }
    job->in_flight--;
    if (job->ending)
        return;
    i8x_log(I8X_LOG_INFO, "task_committed", "job=%s task=%d kind=%s worker=%s wall_ms=%llu",
            job->id, ref->index, i8x_task_kind_name(kind), worker,
            (unsigned long long)(result->measure.wall_ns / 1000000));
    status = complete(job, ref->index, result, cached);
    if (status != I8X_OK)
        i8x_study_end_job(study, job, I8X_JOB_FAILED, status, i8x_last_error()->detail, "");
    else
        i8x_study_feed(study, job, false);
}

bool i8x_study_completed(const i8x_study *study, const i8x_digest *key)
{
    const i8x_open_task *open = i8x_keymap_get(&study->tasks, key);
    return open != NULL && open->completed;
}

void i8x_study_committed(i8x_study *study, const i8x_digest *key, const i8x_task_result *result,
                         const char *worker)
{
    i8x_open_task *open = i8x_keymap_get(&study->tasks, key);
    if (open == NULL)
        return;
    /* feeding may change the map */
    open->completed = true;
    i8x_open_task done = open->audit ? copy_refs(open) : take_task(study, open);
    for (int i = 0; i < done.ref_count; i++)
        complete_ref(study, &done.refs[i], done.kind, result, worker, i > 0);
    i8x_alloc_free(i8x_alloc_heap(), done.refs, (size_t)done.ref_capacity * sizeof *done.refs);
}

void i8x_study_audited(i8x_study *study, const i8x_digest *key, bool trusted, const char *suspect)
{
    i8x_open_task *open = i8x_keymap_get(&study->tasks, key);
    if (open == NULL || !open->audit)
        return;
    if (trusted) {
        i8x_status status = i8x_ledger_set_audit(study->daemon->ledger, key, false);
        I8X_ASSERT(status == I8X_OK); /* no room for one row: restart and replay */
    }
    for (int i = 0; i < open->ref_count; i++)
        open->refs[i].job->audits--;
    open->audit = false;
    if (!open->completed)
        return; /* it was faster than the disk: i8x_study_committed follows */
    i8x_open_task done = take_task(study, open);
    for (int i = 0; i < done.ref_count; i++) {
        i8x_study_job *job = done.refs[i].job;
        if (suspect != NULL && !job->ending)
            i8x_study_mark(study, job->id, suspect);
        if (trusted)
            i8x_study_feed(study, job, false);
        else
            job->doubted = true;
    }
    i8x_alloc_free(i8x_alloc_heap(), done.refs, (size_t)done.ref_capacity * sizeof *done.refs);
}

static i8x_status put_task_failed(i8x_study *study, const i8x_study_ref *ref, i8x_task_kind kind,
                                  const i8x_failure_row *failure)
{
    int64_t sequence;
    i8x_buffer body;
    i8x_buffer_init(&body, 0);
    i8x_buffer_format(&body, "{\"task\":%d,\"kind\":\"%s\",\"worker\":", ref->index,
                      i8x_task_kind_name(kind));
    i8x_buffer_json(&body, failure->worker);
    i8x_buffer_format(&body, ",\"cause\":\"%s\",\"status\":\"%s\",\"detail\":", failure->cause,
                      i8x_status_name(failure->status));
    i8x_buffer_json(&body, failure->detail);
    i8x_buffer_text(&body, ",\"tail\":");
    i8x_buffer_json(&body, failure->tail);
    i8x_buffer_text(&body, "}");
    i8x_status status = i8x_events_put(study->daemon->events, ref->job->id, I8X_EVENT_TASK_FAILED,
                                       i8x_buffer_cstr(&body), &sequence);
    i8x_buffer_deinit(&body);
    return status;
}

void i8x_study_failed(i8x_study *study, const i8x_failure_row *failure)
{
    const i8x_open_task *open = i8x_keymap_get(&study->tasks, &failure->key);
    if (open == NULL)
        return;
    i8x_ledger *ledger = study->daemon->ledger;
    i8x_ledger_group_begin(ledger);
    i8x_status status = i8x_ledger_put_failure(ledger, failure, NULL, NULL);
    for (int i = 0; status == I8X_OK && i < open->ref_count; i++)
        status = put_task_failed(study, &open->refs[i], open->kind, failure);
    status = i8x_ledger_group_end(ledger, status);
    I8X_ASSERT(status == I8X_OK); /* no room for one row: restart and replay */
}

void i8x_study_dead(i8x_study *study, const i8x_digest *key, i8x_status status, const char *detail,
                    const char *tail)
{
    i8x_open_task *open = i8x_keymap_get(&study->tasks, key);
    if (open == NULL)
        return;
    i8x_failure_row given_up = {.key = *key,
                                .time_ms = i8x_daemon_wall_ms(),
                                .worker = "",
                                .cause = I8X_STUDY_GIVEN_UP,
                                .status = status,
                                .detail = detail,
                                .tail = tail};
    i8x_status noted = i8x_ledger_put_failure(study->daemon->ledger, &given_up, NULL, NULL);
    I8X_ASSERT(noted == I8X_OK); /* no room for one row: restart and replay */
    i8x_open_task dead = take_task(study, open);
    for (int i = 0; i < dead.ref_count; i++) {
        i8x_study_job *job = dead.refs[i].job;
        note_failing(job, status, detail, tail);
        if (!job->ending && !job->doubted)
            fail_job(study, job);
    }
    i8x_alloc_free(i8x_alloc_heap(), dead.refs, (size_t)dead.ref_capacity * sizeof *dead.refs);
}
