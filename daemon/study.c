/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs live in a list by arrival; open tasks in a map by key, each with the jobs that wait for it.
 * A job's visible state changes only in callbacks of the ledger. Nothing here reads a model or a
 * sample: the plan understands the small record that the inspect task made.
 */
#include "daemon/study.h"

#include <stdio.h>
#include <string.h>

#include "daemon/keymap.h"
#include "int8x/alloc.h"

#define ORDER_INDEX_BITS 20 /* I8X_PLAN_TASKS_MAX fits */
#define ID_RANDOM_BYTES 8
#define READ_ARENA_MAX (4u << 20)
#define REFS_FIRST 2

_Static_assert(I8X_PLAN_TASKS_MAX < 1 << ORDER_INDEX_BITS, "index of a task in its order");

typedef struct task_ref {
    i8x_study_job *job;
    int index;
} task_ref;

/* A task that is with the scheduler. */
typedef struct open_task {
    i8x_digest key;
    i8x_task_kind kind;
    uint8_t *bytes;
    size_t size;
    task_ref *refs;
    int ref_count, ref_capacity;
} open_task;

typedef struct waiter {
    struct waiter *next;
    i8x_study_job *job;
    uint64_t seen;
    int64_t deadline_ms;
    i8x_http_request *request;
    void (*answer)(i8x_http_request *request, i8x_study_job *job);
} waiter;

struct i8x_study {
    i8x_daemon *daemon;
    i8x_study_job *first, *last;
    i8x_keymap tasks; /* key -> open_task */
    waiter *waiters;
    int64_t last_sequence;
    int state_counts[I8X_JOB_STATE_COUNT];
    int job_count;
};

static void end_job(i8x_study *study, i8x_study_job *job, i8x_job_state state, i8x_status status,
                    const char *detail);

/* ---- waiting clients ---- */

static void answer_waiters(i8x_study *study, i8x_study_job *job, int64_t now_ms)
{
    for (waiter **link = &study->waiters; *link != NULL;) {
        waiter *w = *link;
        bool news = job != NULL && w->job == job && job->version > w->seen;
        if (!news && w->deadline_ms > now_ms) {
            link = &w->next;
            continue;
        }
        *link = w->next;
        w->answer(w->request, w->job);
        i8x_alloc_free(i8x_alloc_heap(), w, sizeof *w);
    }
}

static void changed(i8x_study *study, i8x_study_job *job)
{
    job->version++;
    answer_waiters(study, job, INT64_MIN);
}

void i8x_study_wait(i8x_study *study, i8x_study_job *job, uint64_t seen, int64_t deadline_ms,
                    i8x_http_request *request,
                    void (*answer)(i8x_http_request *request, i8x_study_job *job))
{
    waiter *w = job->version == seen ? i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *w) : NULL;
    if (w == NULL) {
        answer(request, job);
        return;
    }
    *w = (waiter){study->waiters, job, seen, deadline_ms, request, answer};
    study->waiters = w;
}

int64_t i8x_study_tick(i8x_study *study)
{
    answer_waiters(study, NULL, i8x_daemon_now_ms(study->daemon));
    int64_t next = INT64_MAX;
    for (const waiter *w = study->waiters; w != NULL; w = w->next)
        next = w->deadline_ms < next ? w->deadline_ms : next;
    return next;
}

/* ---- open tasks ---- */

static void free_task(i8x_study *study, open_task *task)
{
    i8x_keymap_remove(&study->tasks, &task->key);
    i8x_alloc_free(i8x_alloc_heap(), task->bytes, task->size);
    i8x_alloc_free(i8x_alloc_heap(), task->refs, (size_t)task->ref_capacity * sizeof *task->refs);
    i8x_alloc_free(i8x_alloc_heap(), task, sizeof *task);
}

static void add_ref(open_task *task, i8x_study_job *job, int index)
{
    if (task->ref_count == task->ref_capacity) {
        int capacity = task->ref_capacity == 0 ? REFS_FIRST : task->ref_capacity * 2;
        task->refs = i8x_alloc_resize(i8x_alloc_heap(), task->refs,
                                      (size_t)task->ref_capacity * sizeof *task->refs,
                                      (size_t)capacity * sizeof *task->refs);
        I8X_ASSERT(task->refs != NULL);
        task->ref_capacity = capacity;
    }
    task->refs[task->ref_count++] = (task_ref){job, index};
}

static i8x_status copy_task(const i8x_task *task, open_task *open)
{
    i8x_arena *arena = NULL;
    I8X_TRY(i8x_arena_new(NULL, 2 * I8X_WIRE_TASK_MAX, &arena));
    const uint8_t *bytes;
    i8x_status status = i8x_task_encode(task, arena, &bytes, &open->size);
    if (status == I8X_OK && open->size > I8X_WIRE_TASK_MAX)
        status = i8x_fail(I8X_ELIMIT, __FILE__, __LINE__, "a task of %zu bytes, at most %u",
                          open->size, I8X_WIRE_TASK_MAX);
    if (status == I8X_OK) {
        open->bytes = i8x_alloc_array(i8x_alloc_heap(), open->size, 1);
        status = i8x_alloc_check(open->bytes);
    }
    if (status == I8X_OK)
        memcpy(open->bytes, bytes, open->size);
    i8x_arena_free(arena);
    return status;
}

/* Gives a ready task to the scheduler, or joins those who wait for the same one. */
static i8x_status hand_out(i8x_study *study, i8x_study_job *job, int index, const i8x_digest *key)
{
    open_task *open = i8x_keymap_get(&study->tasks, key);
    if (open != NULL) {
        add_ref(open, job, index);
        return I8X_OK;
    }
    const i8x_task *task = i8x_plan_task(job->plan, index);
    open = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *open);
    I8X_TRY(i8x_alloc_check(open));
    open->key = *key;
    open->kind = task->kind;
    i8x_status status = copy_task(task, open);
    if (status != I8X_OK) {
        i8x_alloc_free(i8x_alloc_heap(), open, sizeof *open);
        return status;
    }
    add_ref(open, job, index);
    i8x_keymap_put(&study->tasks, key, open);
    i8x_sched_event event = {.type = I8X_SCHED_TASK_ADD,
                             .key = *key,
                             .kind = task->kind,
                             .order =
                                 (uint64_t)job->sequence << ORDER_INDEX_BITS | (uint64_t)index};
    i8x_daemon_step(study->daemon, &event);
    return I8X_OK;
}

bool i8x_study_task(i8x_study *study, const i8x_digest *key, const uint8_t **bytes, size_t *size,
                    const i8x_task **task, const i8x_study_job **job, int *index)
{
    const open_task *open = i8x_keymap_get(&study->tasks, key);
    if (open == NULL)
        return false;
    *bytes = open->bytes;
    *size = open->size;
    *job = open->refs[0].job;
    *index = open->refs[0].index;
    *task = i8x_plan_task((*job)->plan, *index);
    return true;
}

/* The job waits for none of its tasks any more; tasks that nobody waits for leave the scheduler. */
static void let_go(i8x_study *study, i8x_study_job *job)
{
    for (int index = 0; job->plan != NULL && index < job->handed_count; index++) {
        if (!job->handed[index] || i8x_plan_task_state(job->plan, index) != I8X_PLAN_READY)
            continue;
        i8x_digest key = i8x_task_key(i8x_plan_task(job->plan, index));
        open_task *open = i8x_keymap_get(&study->tasks, &key);
        if (open == NULL)
            continue;
        int kept = 0;
        for (int i = 0; i < open->ref_count; i++)
            if (open->refs[i].job != job)
                open->refs[kept++] = open->refs[i];
        open->ref_count = kept;
        if (kept > 0)
            continue;
        free_task(study, open);
        i8x_sched_event event = {.type = I8X_SCHED_TASK_DROP, .key = key};
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

/* A committed result whose blobs are still there. Freed by the caller if found. */
static bool cached_result(i8x_daemon *daemon, const i8x_digest *key, i8x_task_result *result)
{
    i8x_arena *arena = NULL;
    if (i8x_arena_new(NULL, READ_ARENA_MAX, &arena) != I8X_OK)
        return false;
    i8x_result_row row;
    bool found = i8x_ledger_get_result(daemon->ledger, key, arena, &row) == I8X_OK &&
                 i8x_task_result_decode(row.bytes, row.size, result) == I8X_OK;
    i8x_arena_free(arena);
    if (found && !outputs_stored(daemon->store, result)) {
        i8x_task_result_deinit(result);
        found = false;
        if (i8x_ledger_drop_result(daemon->ledger, key) !=
            I8X_OK) /* the new result would be ignored */
            i8x_log(I8X_LOG_WARN, "result_kept", "detail=%s", "queue_full");
    }
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
    uint8_t *handed =
        i8x_alloc_resize(i8x_alloc_heap(), job->handed, (size_t)job->handed_count, (size_t)count);
    I8X_TRY(i8x_alloc_check(handed));
    memset(handed + job->handed_count, 0, (size_t)(count - job->handed_count));
    job->handed = handed;
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

/* Hands out what is ready; what the ledger has is completed at once and may make more ready. */
static i8x_status feed_tasks(i8x_study *study, i8x_study_job *job)
{
    I8X_TRY(follow_plan(job));
    for (int index = i8x_plan_next_ready(job->plan, 0); index >= 0;) {
        bool restart = false;
        if (!job->handed[index]) {
            job->handed[index] = 1;
            i8x_digest key = i8x_task_key(i8x_plan_task(job->plan, index));
            i8x_task_result result = {0};
            if (i8x_keymap_get(&study->tasks, &key) == NULL &&
                cached_result(study->daemon, &key, &result)) {
                study->daemon->metrics
                    .tasks[i8x_plan_task_kind(job->plan, index)][I8X_METRIC_CACHED]++;
                i8x_status status = complete(job, index, &result, true);
                i8x_task_result_deinit(&result);
                I8X_TRY(status);
                restart = true;
            } else {
                I8X_TRY(hand_out(study, job, index, &key));
            }
        }
        index = i8x_plan_next_ready(job->plan, restart ? 0 : index + 1);
    }
    return I8X_OK;
}

static void feed(i8x_study *study, i8x_study_job *job)
{
    i8x_status status = feed_tasks(study, job);
    if (status != I8X_OK) {
        end_job(study, job, I8X_JOB_FAILED, status, i8x_last_error()->detail);
        return;
    }
    if (i8x_plan_finished(job->plan) && i8x_plan_artifact(job->plan, &job->artifact) &&
        i8x_plan_report(job->plan, &job->report))
        end_job(study, job, I8X_JOB_DONE, I8X_OK, "");
}

void i8x_study_committed(i8x_study *study, const i8x_digest *key, const i8x_task_result *result,
                         const char *worker)
{
    open_task *open = i8x_keymap_get(&study->tasks, key);
    if (open == NULL)
        return;
    open_task done = *open; /* feeding may change the map */
    open->refs = NULL;
    open->ref_capacity = 0;
    free_task(study, open);
    for (int i = 0; i < done.ref_count; i++) {
        i8x_study_job *job = done.refs[i].job;
        if (job->ending)
            continue;
        i8x_log(I8X_LOG_INFO, "task_committed", "job=%s task=%d kind=%s worker=%s wall_ms=%llu",
                job->id, done.refs[i].index, i8x_task_kind_name(done.kind), worker,
                (unsigned long long)(result->measure.wall_ns / 1000000));
        i8x_status status = complete(job, done.refs[i].index, result, i > 0);
        if (status != I8X_OK)
            end_job(study, job, I8X_JOB_FAILED, status, i8x_last_error()->detail);
        else
            feed(study, job);
        changed(study, job);
    }
    i8x_alloc_free(i8x_alloc_heap(), done.refs, (size_t)done.ref_capacity * sizeof *done.refs);
}

void i8x_study_dead(i8x_study *study, const i8x_digest *key, i8x_status status, const char *detail)
{
    open_task *open = i8x_keymap_get(&study->tasks, key);
    if (open == NULL)
        return;
    open_task dead = *open;
    open->refs = NULL;
    open->ref_capacity = 0;
    free_task(study, open);
    for (int i = 0; i < dead.ref_count; i++)
        if (!dead.refs[i].job->ending)
            end_job(study, dead.refs[i].job, I8X_JOB_FAILED, status, detail);
    i8x_alloc_free(i8x_alloc_heap(), dead.refs, (size_t)dead.ref_capacity * sizeof *dead.refs);
}

/* ---- life of a job ---- */

static i8x_study_job *new_job(i8x_study *study, const char *id, const i8x_job *described)
{
    i8x_study_job *job = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *job);
    if (job == NULL)
        return NULL;
    snprintf(job->id, sizeof job->id, "%s", id);
    job->daemon = study->daemon;
    job->job = *described;
    job->version = (i8x_ledger_start_count(study->daemon->ledger) << 32) + 1;
    job->previous = study->last;
    if (study->last != NULL)
        study->last->next = job;
    else
        study->first = job;
    study->last = job;
    study->job_count++;
    study->state_counts[I8X_JOB_OPEN]++;
    return job;
}

static void set_state(i8x_study *study, i8x_study_job *job, i8x_job_state state)
{
    study->state_counts[job->state]--;
    study->state_counts[state]++;
    job->state = state;
}

static void free_plan(i8x_study_job *job)
{
    i8x_plan_free(job->plan);
    job->plan = NULL;
    i8x_alloc_free(i8x_alloc_heap(), job->handed, (size_t)job->handed_count);
    job->handed = NULL;
    job->handed_count = 0;
}

static void free_job(i8x_study *study, i8x_study_job *job)
{
    free_plan(job);
    if (job->previous != NULL)
        job->previous->next = job->next;
    else
        study->first = job->next;
    if (job->next != NULL)
        job->next->previous = job->previous;
    else
        study->last = job->previous;
    study->state_counts[job->state]--;
    study->job_count--;
    i8x_alloc_free(i8x_alloc_heap(), job, sizeof *job);
}

typedef struct ending {
    i8x_study_job *job;
    i8x_job_state state;
} ending;

static void on_ended(void *user)
{
    ending *end = user;
    i8x_study_job *job = end->job;
    i8x_study *study = job->daemon->study;
    char quoted[I8X_WIRE_DETAIL_MAX * 2];
    set_state(study, job, end->state);
    free_plan(job);
    i8x_log(I8X_LOG_INFO, "job_done", "job=%s state=%s status=%s wall_ms=%lld detail=%s", job->id,
            i8x_job_state_name(job->state), i8x_status_name(job->status),
            (long long)(job->finished_ms - job->created_ms),
            i8x_log_quote(job->detail, quoted, sizeof quoted));
    job->daemon->pending--;
    i8x_alloc_free(i8x_alloc_heap(), end, sizeof *end);
    changed(study, job);
}

static void end_job(i8x_study *study, i8x_study_job *job, i8x_job_state state, i8x_status status,
                    const char *detail)
{
    if (job->ending)
        return;
    job->ending = true;
    job->status = status;
    snprintf(job->detail, sizeof job->detail, "%s", detail);
    job->finished_ms = i8x_daemon_wall_ms();
    let_go(study, job);
    ending *end = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *end);
    I8X_ASSERT(end != NULL);
    *end = (ending){job, state};
    i8x_job_row row = {.id = job->id,
                       .finished_ms = job->finished_ms,
                       .state = state,
                       .status = status,
                       .detail = job->detail,
                       .artifact = job->artifact,
                       .report = job->report,
                       .stages = (const uint8_t *)job->stages,
                       .stages_size = sizeof job->stages};
    study->daemon->pending++;
    i8x_status queued = i8x_ledger_end_job(study->daemon->ledger, &row, on_ended, end);
    I8X_ASSERT(queued == I8X_OK); /* no room for one row: restart and replay */
}

static void on_created(void *user)
{
    i8x_study_job *job = user;
    job->published = true;
    job->daemon->metrics.jobs_submitted++;
    job->daemon->pending--;
    char quoted[sizeof job->job.name * 2];
    i8x_log(I8X_LOG_INFO, "job_accepted", "job=%s model=%s", job->id,
            i8x_log_quote(job->job.name, quoted, sizeof quoted));
    char text[128];
    int size =
        snprintf(text, sizeof text, "{\"id\":\"%s\",\"state\":\"running\",\"version\":%llu}\n",
                 job->id, (unsigned long long)job->version);
    snprintf(quoted, sizeof quoted, "/v1/jobs/%s", job->id);
    i8x_http_add_header(job->creator, "Location", quoted);
    i8x_http_reply(job->creator, 202, "application/json", text, (size_t)size);
    job->creator = NULL;
    feed(job->daemon->study, job);
}

static i8x_status make_id(char id[I8X_JOB_ID_SIZE])
{
    uint8_t random[ID_RANDOM_BYTES];
    I8X_TRY(i8x_digest_random(random, sizeof random));
    id[0] = 'j';
    for (int i = 0; i < ID_RANDOM_BYTES; i++)
        snprintf(id + 1 + 2 * i, 3, "%02x", random[i]);
    return I8X_OK;
}

static i8x_status write_job(i8x_study *study, i8x_study_job *job)
{
    i8x_arena *arena = NULL;
    I8X_TRY(i8x_arena_new(NULL, READ_ARENA_MAX, &arena));
    i8x_job_row row = {.id = job->id, .sequence = job->sequence, .created_ms = job->created_ms};
    i8x_status status = i8x_job_encode(&job->job, arena, &row.bytes, &row.size);
    if (status == I8X_OK)
        status = i8x_ledger_put_job(study->daemon->ledger, &row, on_created, job);
    i8x_arena_free(arena);
    return status;
}

i8x_status i8x_study_submit(i8x_study *study, const i8x_job *described, i8x_http_request *creator)
{
    I8X_ENSURE(study->state_counts[I8X_JOB_OPEN] < I8X_JOBS_OPEN_MAX &&
                   study->job_count < I8X_JOBS_MAX,
               I8X_EBUSY, "%d jobs are running and %d are kept: try again later",
               study->state_counts[I8X_JOB_OPEN], study->job_count);
    char id[I8X_JOB_ID_SIZE];
    I8X_TRY(make_id(id));
    i8x_plan *plan = NULL;
    I8X_TRY(i8x_plan_new(described, &plan));
    i8x_study_job *job = new_job(study, id, described);
    if (job == NULL) {
        i8x_plan_free(plan);
        I8X_FAIL(I8X_ENOMEM, "no memory for a job");
    }
    job->plan = plan;
    job->sequence = ++study->last_sequence;
    job->created_ms = i8x_daemon_wall_ms();
    job->creator = creator;
    i8x_status status = write_job(study, job);
    if (status != I8X_OK)
        free_job(study, job);
    else
        study->daemon->pending++;
    return status;
}

i8x_status i8x_study_cancel(i8x_study *study, i8x_study_job *job)
{
    I8X_ENSURE(job->state == I8X_JOB_OPEN && !job->ending, I8X_EEXIST, "job %s has ended", job->id);
    end_job(study, job, I8X_JOB_CANCELED, I8X_ECANCELED, "canceled by request");
    return I8X_OK;
}

/* ---- start and recovery ---- */

static i8x_status load_job(void *user, const i8x_job_row *row)
{
    i8x_study *study = user;
    i8x_job *described = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *described);
    I8X_TRY(i8x_alloc_check(described));
    i8x_status status = i8x_job_decode(row->bytes, row->size, described);
    i8x_study_job *job = status == I8X_OK ? new_job(study, row->id, described) : NULL;
    i8x_alloc_free(i8x_alloc_heap(), described, sizeof *described);
    if (status != I8X_OK)
        return i8x_fail_prefix("job %s of the ledger: ", row->id);
    I8X_ENSURE(job != NULL, I8X_ENOMEM, "no memory for job %s", row->id);
    I8X_ENSURE((unsigned)row->state < I8X_JOB_STATE_COUNT, I8X_ECORRUPT,
               "job %s of the ledger has the state %d", row->id, (int)row->state);
    set_state(study, job, row->state);
    job->sequence = row->sequence;
    job->created_ms = row->created_ms;
    job->finished_ms = row->finished_ms;
    job->status = row->status;
    job->artifact = row->artifact;
    job->report = row->report;
    job->published = true;
    job->ending = row->state != I8X_JOB_OPEN;
    snprintf(job->detail, sizeof job->detail, "%s", row->detail);
    if (row->stages_size <= sizeof job->stages) /* fewer kinds: an older version wrote it */
        memcpy(job->stages, row->stages, row->stages_size);
    if (row->sequence > study->last_sequence)
        study->last_sequence = row->sequence;
    return I8X_OK;
}

/* Makes the plans of open jobs again; the cache replays what was done. */
static void recover(i8x_study *study)
{
    for (i8x_study_job *job = study->first; job != NULL; job = job->next) {
        if (job->state != I8X_JOB_OPEN)
            continue;
        i8x_status status = i8x_plan_new(&job->job, &job->plan);
        if (status != I8X_OK) {
            end_job(study, job, I8X_JOB_FAILED, status, i8x_last_error()->detail);
            continue;
        }
        feed(study, job);
        i8x_log(I8X_LOG_INFO, "job_recovered", "job=%s done=%d tasks=%d", job->id,
                i8x_plan_done_count(job->plan), i8x_plan_task_count(job->plan));
    }
}

i8x_status i8x_study_new(i8x_daemon *daemon, i8x_study **study)
{
    i8x_study *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->daemon = daemon;
    *study = made; /* callbacks find it through the daemon */
    I8X_TRY(i8x_ledger_each_job(daemon->ledger, load_job, made));
    recover(made);
    return I8X_OK;
}

void i8x_study_free(i8x_study *study)
{
    if (study == NULL)
        return;
    while (study->waiters != NULL) {
        waiter *w = study->waiters;
        study->waiters = w->next;
        i8x_alloc_free(i8x_alloc_heap(), w, sizeof *w);
    }
    for (size_t i = 0; i < study->tasks.size;) {
        if (study->tasks.rows[i].value != NULL)
            free_task(study, study->tasks.rows[i].value); /* may move another one here */
        else
            i++;
    }
    while (study->first != NULL)
        free_job(study, study->first);
    i8x_keymap_deinit(&study->tasks);
    i8x_alloc_free(i8x_alloc_heap(), study, sizeof *study);
}

/* ---- looking ---- */

i8x_study_job *i8x_study_find(i8x_study *study, const char *id)
{
    for (i8x_study_job *job = study->last; job != NULL; job = job->previous)
        if (job->published && strcmp(job->id, id) == 0)
            return job;
    return NULL;
}

i8x_study_job *i8x_study_before(i8x_study *study, i8x_study_job *job)
{
    job = job == NULL ? study->last : job->previous;
    while (job != NULL && !job->published)
        job = job->previous;
    return job;
}

int i8x_study_count(const i8x_study *study, i8x_job_state state)
{
    return study->state_counts[state];
}

/* ---- what it cost ---- */

static i8x_status count_worker(i8x_measured *measured, i8x_arena *arena, const i8x_result_row *row,
                               i8x_cpu_level level)
{
    const char *level_name = i8x_cpu_level_name(level);
    for (int i = 0; i < measured->worker_count; i++) {
        i8x_measured_worker *worker = &measured->workers[i];
        if (strcmp(worker->name, row->worker) == 0 && strcmp(worker->level, level_name) == 0) {
            worker->tasks++;
            return I8X_OK;
        }
    }
    if ((measured->worker_count & (measured->worker_count - 1)) ==
        0) { /* room doubles at powers of two */
        size_t room = measured->worker_count == 0 ? 1 : (size_t)measured->worker_count * 2;
        i8x_measured_worker *workers = i8x_arena_array(arena, room, sizeof *workers);
        I8X_TRY(i8x_alloc_check(workers));
        if (measured->worker_count > 0)
            memcpy(workers, measured->workers, (size_t)measured->worker_count * sizeof *workers);
        measured->workers = workers;
    }
    measured->workers[measured->worker_count++] =
        (i8x_measured_worker){row->worker, level_name, row->arch, 1};
    return I8X_OK;
}

static i8x_status add_task(const i8x_study_job *job, i8x_arena *arena, const i8x_result_row *row,
                           i8x_task_kind kind, const i8x_task_measure *cost, i8x_measured *measured)
{
    i8x_measured_stage *stage = &measured->stages[kind];
    stage->kind = kind;
    stage->tasks++;
    if (strcmp(row->job, job->id) != 0) {
        stage->cached++;
        return I8X_OK;
    }
    stage->wall_ns += cost->wall_ns;
    stage->cpu_ns += cost->cpu_ns;
    stage->peak_bytes = cost->peak_bytes > stage->peak_bytes ? cost->peak_bytes : stage->peak_bytes;
    measured->cpu_ns += cost->cpu_ns;
    measured->peak_bytes =
        cost->peak_bytes > measured->peak_bytes ? cost->peak_bytes : measured->peak_bytes;
    return count_worker(measured, arena, row, cost->level);
}

static i8x_status replay(i8x_study *study, const i8x_study_job *job, i8x_plan *plan,
                         i8x_arena *arena, i8x_measured *measured)
{
    for (int index; (index = i8x_plan_next_ready(plan, 0)) >= 0;) {
        i8x_digest key = i8x_task_key(i8x_plan_task(plan, index));
        i8x_result_row row;
        I8X_TRY(i8x_ledger_get_result(study->daemon->ledger, &key, arena, &row));
        i8x_task_result result = {0};
        I8X_TRY(i8x_task_result_decode(row.bytes, row.size, &result));
        i8x_status status = i8x_plan_complete(plan, index, &result);
        if (status == I8X_OK)
            status = add_task(job, arena, &row, i8x_plan_task_kind(plan, index), &result.measure,
                              measured);
        i8x_task_result_deinit(&result);
        I8X_TRY(status);
    }
    return I8X_OK;
}

i8x_status i8x_study_measure(i8x_study *study, const i8x_study_job *job, i8x_arena *arena,
                             i8x_measured *measured)
{
    *measured = (i8x_measured){.wall_ns = (uint64_t)(job->finished_ms - job->created_ms) * 1000000};
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
        measured->stages[kind].kind = (i8x_task_kind)kind;
    i8x_plan *plan = NULL;
    I8X_TRY(i8x_plan_new(&job->job, &plan));
    i8x_status status = replay(study, job, plan, arena, measured);
    i8x_plan_free(plan);
    return status;
}
