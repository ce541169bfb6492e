/* SPDX-License-Identifier: Apache-2.0
 *
 * The lives of jobs. A change of state is asked for here, goes into the ledger together with its
 * event, and becomes visible in the ledger's callback.
 */
#include "daemon/study.h"

#include <stdio.h>
#include <string.h>

#include "daemon/removals.h"
#include "daemon/study_room.h"
#include "daemon/sweeps.h"
#include "int8x/alloc.h"
#include "proto/limits.h"

#define ENCODE_ARENA_MAX (4u << 20)
#define SCRATCH_MAX (4u << 20)
#define SUBMIT_WRITES 8 /* at most, of one new job */

/* A client that waits for a job's news. */
typedef struct i8x_study_waiter {
    struct i8x_study_waiter *next;
    i8x_study_job *job;
    int64_t seen;
    int64_t deadline_ms;
    i8x_http_request *request;
    void (*answer)(i8x_http_request *request, i8x_study_job *job);
} i8x_study_waiter;

/* Somebody who waits for a new job's first commit. */
typedef struct i8x_study_waiting {
    struct i8x_study_waiting *next;
    i8x_study_job_cb created;
    void *user;
} i8x_study_waiting;

/* ---- waiting clients ---- */

static void answer_waiters(i8x_study *study, const i8x_study_job *job, int64_t now_ms)
{
    study->due_ms = INT64_MAX;
    for (i8x_study_waiter **link = &study->waiters; *link != NULL;) {
        i8x_study_waiter *w = *link;
        bool news = job != NULL && w->job == job && job->version > w->seen;
        if (!news && w->deadline_ms > now_ms) {
            study->due_ms = w->deadline_ms < study->due_ms ? w->deadline_ms : study->due_ms;
            link = &w->next;
            continue;
        }
        *link = w->next;
        w->job->waiting--;
        w->answer(w->request, w->job);
        i8x_alloc_free(i8x_alloc_heap(), w, sizeof *w);
    }
}

void i8x_study_wait(i8x_study *study, i8x_study_job *job, int64_t seen, int64_t deadline_ms,
                    i8x_http_request *request,
                    void (*answer)(i8x_http_request *request, i8x_study_job *job))
{
    i8x_study_waiter *w =
        job->version <= seen ? i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *w) : NULL;
    if (w == NULL) {
        answer(request, job);
        return;
    }
    *w = (i8x_study_waiter){study->waiters, job, seen, deadline_ms, request, answer};
    study->waiters = w;
    study->due_ms = deadline_ms < study->due_ms ? deadline_ms : study->due_ms;
    job->waiting++;
}

void i8x_study_told(i8x_study *study, const char *id, int64_t sequence)
{
    i8x_study_job *job = i8x_jobbook_find(&study->book, id);
    if (job == NULL || sequence <= job->version)
        return;
    job->version = sequence;
    if (job->waiting > 0)
        answer_waiters(study, job, INT64_MIN);
}

static void feed_hungry(i8x_study *study)
{
    for (i8x_study_job *job = study->book.open.first, *next; job != NULL; job = next) {
        next = job->next;
        if (job->hungry)
            i8x_study_feed(study, job, false);
    }
}

int64_t i8x_study_tick(i8x_study *study)
{
    int64_t now_ms = i8x_daemon_now_ms(study->daemon);
    if (study->due_ms <= now_ms)
        answer_waiters(study, NULL, now_ms);
    if (study->hungry_count > 0)
        feed_hungry(study);
    return study->hungry_count > 0 ? now_ms : study->due_ms;
}

/* ---- a new job ---- */

void i8x_study_when_created(i8x_study_job *job, i8x_study_job_cb created, void *user)
{
    i8x_study_waiting *waiting =
        job->published ? NULL : i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *waiting);
    if (waiting == NULL) {
        I8X_ASSERT(job->published); /* else out of memory */
        created(user, job);
        return;
    }
    *waiting = (i8x_study_waiting){job->creators, created, user};
    job->creators = waiting;
}

static void on_created(void *user)
{
    i8x_study_job *job = user;
    i8x_study *study = job->daemon->study;
    job->published = true;
    job->daemon->metrics.jobs_submitted++;
    job->daemon->pending--;
    char quoted[sizeof job->job.name * 2], owner[sizeof job->owner * 2];
    i8x_log(I8X_LOG_INFO, "job_accepted", "job=%s model=%s priority=%d owner=%s", job->id,
            i8x_log_quote(job->job.name, quoted, sizeof quoted), job->priority,
            i8x_log_quote(job->owner, owner, sizeof owner));
    for (i8x_study_waiting *waiting; (waiting = job->creators) != NULL;) {
        job->creators = waiting->next;
        waiting->created(waiting->user, job);
        i8x_alloc_free(i8x_alloc_heap(), waiting, sizeof *waiting);
    }
    i8x_study_feed(study, job, false);
}

/* The rows of a new job, one transaction. */
static i8x_status put_rows(i8x_study *study, i8x_study_job *job, const i8x_job_row *row,
                           const i8x_request_row *request, const i8x_submission *submission)
{
    i8x_buffer body;
    i8x_buffer_init(&body, 0);
    i8x_buffer_text(&body, "{\"name\":");
    i8x_buffer_json(&body, job->job.name);
    i8x_buffer_format(&body, ",\"priority\":%d}", job->priority);
    i8x_ledger *ledger = study->daemon->ledger;
    i8x_ledger_group_begin(ledger);
    i8x_status status = i8x_ledger_put_job(ledger, row, on_created, job);
    if (status == I8X_OK && request != NULL)
        status = i8x_ledger_put_request(ledger, request);
    if (status == I8X_OK && submission->sweep != NULL)
        status = i8x_ledger_put_trial(ledger, submission->sweep, submission->trial, job->id);
    if (status == I8X_OK)
        status = i8x_events_put(study->daemon->events, job->id, I8X_EVENT_JOB_CREATED,
                                i8x_buffer_cstr(&body), &job->version);
    i8x_buffer_deinit(&body);
    return i8x_ledger_group_end(ledger, status);
}

static i8x_status write_job(i8x_study *study, i8x_study_job *job, const i8x_submission *submission)
{
    i8x_request_row request = {.job = job->id, .created_ms = job->created_ms};
    if (submission->request != NULL) {
        request.key = submission->request->key;
        request.body = submission->request->body;
    }
    i8x_arena *arena = NULL;
    I8X_TRY(i8x_ledger_check_room(study->daemon->ledger, SUBMIT_WRITES));
    I8X_TRY(i8x_arena_new(NULL, ENCODE_ARENA_MAX, &arena));
    i8x_job_row row = {.id = job->id,
                       .sequence = job->sequence,
                       .created_ms = job->created_ms,
                       .name = job->job.name,
                       .owner = job->owner,
                       .priority = job->priority};
    i8x_status status = i8x_job_encode(&job->job, arena, &row.bytes, &row.size);
    if (status == I8X_OK)
        status =
            put_rows(study, job, &row, submission->request != NULL ? &request : NULL, submission);
    i8x_arena_free(arena);
    return status;
}

static i8x_status check_open_count(const i8x_study *study)
{
    I8X_ENSURE(study->book.open.count < I8X_JOBS_OPEN_MAX, I8X_EBUSY,
               "%d jobs are running or paused, at most %d: try again later", study->book.open.count,
               I8X_JOBS_OPEN_MAX);
    return I8X_OK;
}

void i8x_study_free_job(i8x_study *study, i8x_study_job *job)
{
    i8x_study_free_plan(job);
    study->book.counts[job->state]--;
    i8x_jobbook_remove(&study->book, job);
    i8x_jobbook_free_job(job);
}

i8x_status i8x_study_submit(i8x_study *study, const i8x_submission *submission,
                            i8x_study_job_cb created, void *user, char id[I8X_JOB_ID_SIZE])
{
    I8X_TRY(check_open_count(study));
    I8X_TRY(i8x_jobbook_make_id(id));
    i8x_plan *plan = NULL;
    I8X_TRY(i8x_plan_new(submission->job, &plan));
    i8x_study_job *job = i8x_jobbook_new_job(study->daemon, id);
    if (job == NULL) {
        i8x_plan_free(plan);
        I8X_FAIL(I8X_ENOMEM, "no memory for a job");
    }
    job->job = *submission->job;
    job->plan = plan;
    job->priority = submission->priority;
    job->sequence = ++study->book.last_sequence;
    job->created_ms = i8x_daemon_wall_ms();
    snprintf(job->owner, sizeof job->owner, "%s", submission->owner);
    snprintf(job->sweep, sizeof job->sweep, "%s",
             submission->sweep != NULL ? submission->sweep : "");
    study->book.counts[I8X_JOB_OPEN]++;
    i8x_jobbook_add(&study->book, job);
    i8x_study_when_created(job, created, user);
    i8x_status status = write_job(study, job, submission);
    if (status == I8X_OK) {
        study->daemon->pending++;
        return I8X_OK;
    }
    i8x_alloc_free(i8x_alloc_heap(), job->creators, sizeof *job->creators);
    i8x_study_free_job(study, job);
    return status;
}

/* ---- the end of a job ---- */

typedef struct job_ending {
    i8x_study_job *job;
    i8x_job_state state;
} job_ending;

static void on_ended(void *user)
{
    job_ending *end = user;
    i8x_study_job *job = end->job;
    char quoted[I8X_WIRE_DETAIL_MAX * 2];
    i8x_log(I8X_LOG_INFO, "job_done", "job=%s state=%s status=%s wall_ms=%lld detail=%s", job->id,
            i8x_job_state_name(end->state), i8x_status_name(job->status),
            (long long)(job->finished_ms - job->created_ms),
            i8x_log_quote(job->detail, quoted, sizeof quoted));
    job->daemon->pending--;
    i8x_study_free_plan(job);
    i8x_jobbook_set_state(&job->daemon->study->book, job, end->state);
    i8x_alloc_free(i8x_alloc_heap(), end, sizeof *end);
    i8x_sweeps_job_ended(job->daemon->sweeps, job);
}

static void print_end(const i8x_study_job *job, i8x_job_state state, i8x_buffer *body)
{
    char hex[I8X_DIGEST_HEX_SIZE];
    i8x_buffer_format(body, "{\"state\":\"%s\"", i8x_job_state_name(state));
    if (state == I8X_JOB_DONE) {
        i8x_buffer_format(body, ",\"artifact_sha256\":\"%s\"",
                          i8x_digest_to_hex(&job->artifact.digest, hex));
        i8x_buffer_format(body, ",\"result_sha256\":\"%s\"}",
                          i8x_digest_to_hex(&job->report.digest, hex));
        return;
    }
    i8x_buffer_format(body, ",\"status\":\"%s\",\"detail\":", i8x_status_name(job->status));
    i8x_buffer_json(body, job->detail);
    i8x_buffer_text(body, ",\"tail\":");
    i8x_buffer_json(body, job->tail);
    i8x_buffer_text(body, "}");
}

static i8x_status put_end(i8x_study *study, i8x_study_job *job, i8x_job_state state,
                          i8x_job_row *row, job_ending *end)
{
    static const i8x_event_type types[I8X_JOB_STATE_COUNT] = {
        [I8X_JOB_DONE] = I8X_EVENT_JOB_DONE,
        [I8X_JOB_FAILED] = I8X_EVENT_JOB_FAILED,
        [I8X_JOB_CANCELED] = I8X_EVENT_JOB_CANCELED,
    };
    i8x_buffer body;
    i8x_buffer_init(&body, 0);
    print_end(job, state, &body);
    /* the row wants the event's number, the callbacks want the row's first */
    row->version = job->awaited = i8x_ledger_next_event(study->daemon->ledger);
    i8x_ledger_group_begin(study->daemon->ledger);
    i8x_status status = i8x_ledger_end_job(study->daemon->ledger, row, on_ended, end);
    int64_t sequence;
    if (status == I8X_OK)
        status = i8x_events_put(study->daemon->events, job->id, types[state],
                                i8x_buffer_cstr(&body), &sequence);
    i8x_buffer_deinit(&body);
    return i8x_ledger_group_end(study->daemon->ledger, status);
}

void i8x_study_end_job(i8x_study *study, i8x_study_job *job, i8x_job_state state, i8x_status status,
                       const char *detail, const char *tail)
{
    if (job->ending)
        return;
    job->ending = true;
    job->status = status;
    snprintf(job->detail, sizeof job->detail, "%s", detail);
    snprintf(job->tail, sizeof job->tail, "%s", tail);
    job->finished_ms = i8x_daemon_wall_ms();
    study->hungry_count -= job->hungry;
    job->hungry = false;
    i8x_study_let_go(study, job, false);
    job_ending *end = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *end);
    I8X_ASSERT(end != NULL);
    *end = (job_ending){job, state};
    i8x_job_row row = {.id = job->id,
                       .finished_ms = job->finished_ms,
                       .state = state,
                       .status = status,
                       .detail = job->detail,
                       .tail = job->tail,
                       .artifact = job->artifact,
                       .report = job->report,
                       .stages = (const uint8_t *)job->stages,
                       .stages_size = sizeof job->stages,
                       .marks = job->marks,
                       .marks_size = (size_t)job->handed_count * I8X_TASK_MARK_SIZE};
    study->daemon->pending++;
    i8x_status queued = put_end(study, job, state, &row, end);
    I8X_ASSERT(queued == I8X_OK); /* no room for one row: restart and replay */
}

i8x_status i8x_study_cancel(i8x_study *study, i8x_study_job *job)
{
    I8X_ENSURE(!i8x_job_state_ended(job->state) && !job->ending, I8X_EEXIST,
               "job %s has ended (%s)", job->id, i8x_job_state_name(job->state));
    i8x_study_end_job(study, job, I8X_JOB_CANCELED, I8X_ECANCELED, "canceled by request", "");
    return I8X_OK;
}

/* ---- other changes of state ---- */

typedef struct job_change {
    i8x_study_job *job;
    i8x_job_state state;
    void (*then)(i8x_study *study, i8x_study_job *job);
} job_change;

static void on_changed(void *user)
{
    job_change *change = user;
    i8x_study_job *job = change->job;
    i8x_study *study = job->daemon->study;
    job->daemon->pending--;
    job->changing = false;
    if (!job->ending || i8x_job_state_ended(job->state)) { /* else its end came after */
        i8x_jobbook_set_state(&study->book, job, change->state);
        i8x_log(I8X_LOG_INFO, "job_changed", "job=%s state=%s", job->id,
                i8x_job_state_name(change->state));
        if (change->then != NULL)
            change->then(study, job);
    }
    i8x_alloc_free(i8x_alloc_heap(), change, sizeof *change);
}

static i8x_status change_state(i8x_study *study, i8x_study_job *job, i8x_job_state state,
                               i8x_event_type type,
                               void (*then)(i8x_study *study, i8x_study_job *job))
{
    i8x_ledger *ledger = study->daemon->ledger;
    I8X_ENSURE(!job->changing, I8X_EBUSY, "another change of job %s is on its way: try again",
               job->id);
    I8X_TRY(i8x_ledger_check_room(ledger, SUBMIT_WRITES));
    job_change *change = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *change);
    I8X_TRY(i8x_alloc_check(change));
    *change = (job_change){job, state, then};
    i8x_job_row row = {.id = job->id, .state = state, .version = i8x_ledger_next_event(ledger)};
    job->awaited = row.version;
    i8x_ledger_group_begin(ledger);
    i8x_status status = i8x_ledger_set_job_state(ledger, &row, on_changed, change);
    int64_t sequence;
    if (status == I8X_OK)
        status = i8x_events_put(study->daemon->events, job->id, type, "{}", &sequence);
    status = i8x_ledger_group_end(ledger, status);
    I8X_ASSERT(status == I8X_OK); /* there was room */
    job->changing = true;
    study->daemon->pending++;
    return I8X_OK;
}

i8x_status i8x_study_pause(i8x_study *study, i8x_study_job *job)
{
    I8X_ENSURE(job->state == I8X_JOB_OPEN && !job->ending, I8X_EEXIST,
               "only a running job can be paused; job %s is %s", job->id,
               i8x_job_state_name(job->state));
    I8X_TRY(change_state(study, job, I8X_JOB_PAUSED, I8X_EVENT_JOB_PAUSED, NULL));
    job->holding = true;
    i8x_study_let_go(study, job, true);
    return I8X_OK;
}

static void go_on(i8x_study *study, i8x_study_job *job)
{
    job->holding = false;
    i8x_study_feed(study, job, false);
}

i8x_status i8x_study_resume(i8x_study *study, i8x_study_job *job)
{
    I8X_ENSURE(job->state == I8X_JOB_PAUSED && !job->ending, I8X_EEXIST,
               "only a paused job can be resumed; job %s is %s", job->id,
               i8x_job_state_name(job->state));
    return change_state(study, job, I8X_JOB_OPEN, I8X_EVENT_JOB_RESUMED, go_on);
}

/* A fresh plan; what the ledger has of it is taken from there. */
static void begin_again(i8x_study *study, i8x_study_job *job)
{
    memset(job->stages, 0, sizeof job->stages);
    job->in_flight = job->audits = 0;
    job->hurried = job->doubted = false;
    i8x_study_forgive(job);
    i8x_status status = i8x_plan_new(&job->job, &job->plan);
    if (status != I8X_OK)
        i8x_study_end_job(study, job, I8X_JOB_FAILED, status, i8x_last_error()->detail, "");
    else
        i8x_study_feed(study, job, false);
}

static void on_retried(i8x_study *study, i8x_study_job *job)
{
    job->ending = job->holding = false;
    job->status = I8X_OK;
    job->detail[0] = job->tail[0] = 0;
    job->finished_ms = 0;
    begin_again(study, job);
}

i8x_status i8x_study_retry(i8x_study *study, i8x_study_job *job)
{
    I8X_ENSURE(job->state == I8X_JOB_FAILED || job->state == I8X_JOB_CANCELED, I8X_EEXIST,
               "only a failed or canceled job can be retried; job %s is %s", job->id,
               i8x_job_state_name(job->state));
    I8X_TRY(check_open_count(study));
    return change_state(study, job, I8X_JOB_OPEN, I8X_EVENT_JOB_RETRIED, on_retried);
}

/* ---- doubt ---- */

typedef struct distrust {
    i8x_study *study;
    char worker[I8X_WIRE_NAME_MAX + 1], reason[I8X_SUSPECT_SIZE];
    char (*jobs)[I8X_JOB_ID_SIZE];
    size_t count, capacity;
    i8x_status status;
} distrust;

static i8x_status note_job(void *user, const char *id)
{
    distrust *doubt = user;
    if (doubt->count == doubt->capacity) {
        size_t capacity = doubt->capacity == 0 ? 64 : doubt->capacity * 2;
        void *jobs =
            i8x_alloc_resize(i8x_alloc_heap(), doubt->jobs, doubt->capacity * sizeof *doubt->jobs,
                             capacity * sizeof *doubt->jobs);
        I8X_TRY(i8x_alloc_check(jobs));
        doubt->jobs = jobs;
        doubt->capacity = capacity;
    }
    snprintf(doubt->jobs[doubt->count++], sizeof *doubt->jobs, "%s", id);
    return I8X_OK;
}

static void find_finished(void *user, i8x_ledger_view *view)
{
    distrust *doubt = user;
    doubt->status = i8x_ledger_each_job_of_worker(view, doubt->worker, note_job, doubt);
}

void i8x_study_mark(i8x_study *study, const char *id, const char *reason)
{
    i8x_ledger *ledger = study->daemon->ledger;
    i8x_buffer body;
    i8x_buffer_init(&body, 0);
    i8x_buffer_text(&body, "{\"suspect\":");
    i8x_buffer_json(&body, reason);
    i8x_buffer_text(&body, "}");
    i8x_job_row row = {.id = id, .suspect = reason, .version = i8x_ledger_next_event(ledger)};
    i8x_ledger_group_begin(ledger);
    i8x_status status = i8x_ledger_set_suspect(ledger, &row, NULL, NULL);
    int64_t sequence;
    if (status == I8X_OK)
        status = i8x_events_put(study->daemon->events, id, I8X_EVENT_JOB_SUSPECT,
                                i8x_buffer_cstr(&body), &sequence);
    i8x_buffer_deinit(&body);
    status = i8x_ledger_group_end(ledger, status);
    I8X_ASSERT(status == I8X_OK); /* no room for one row: restart and replay */
    i8x_study_job *job = i8x_jobbook_find(&study->book, id);
    if (job != NULL)
        snprintf(job->suspect, sizeof job->suspect, "%s", reason);
    i8x_log(I8X_LOG_WARN, "job_suspect", "job=%s", id);
}

static void finished_found(void *user)
{
    distrust *doubt = user;
    i8x_study *study = doubt->study;
    study->daemon->pending--;
    for (size_t i = 0; i < doubt->count; i++) {
        const i8x_study_job *job = i8x_jobbook_find(&study->book, doubt->jobs[i]);
        if (job == NULL || job->suspect[0] == 0)
            i8x_study_mark(study, doubt->jobs[i], doubt->reason);
    }
    i8x_alloc_free(i8x_alloc_heap(), doubt->jobs, doubt->capacity * sizeof *doubt->jobs);
    i8x_alloc_free(i8x_alloc_heap(), doubt, sizeof *doubt);
}

/* The worker's results have left the ledger: whoever used one begins again, finished jobs are
 * looked up. */
static void on_dropped(void *user)
{
    distrust *doubt = user;
    i8x_study *study = doubt->study;
    for (i8x_study_job *job = study->book.open.first, *next; job != NULL; job = next) {
        next = job->next;
        if (!job->published || !i8x_study_has_worker(job, doubt->worker))
            continue;
        if (job->ending) { /* the reader may not see it as finished yet */
            i8x_study_mark(study, job->id, doubt->reason);
            continue;
        }
        i8x_study_let_go(study, job, false);
        i8x_study_free_plan(job);
        begin_again(study, job);
    }
    i8x_status status =
        i8x_ledger_read(study->daemon->ledger, find_finished, finished_found, doubt);
    if (status == I8X_OK)
        return;
    find_finished(doubt, i8x_ledger_here(study->daemon->ledger)); /* the reader's queue is full */
    finished_found(doubt);
}

void i8x_study_distrust(i8x_study *study, const char *worker, const char *reason)
{
    distrust *doubt = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *doubt);
    I8X_ASSERT(doubt != NULL);
    doubt->study = study;
    snprintf(doubt->worker, sizeof doubt->worker, "%s", worker);
    snprintf(doubt->reason, sizeof doubt->reason, "%s", reason);
    for (i8x_study_job *job = study->book.open.first; job != NULL; job = job->next)
        job->doubted = job->doubted || i8x_study_has_worker(job, worker);
    i8x_status status = i8x_ledger_drop_worker(study->daemon->ledger, worker, on_dropped, doubt);
    I8X_ASSERT(status == I8X_OK); /* no room for one row: restart and replay */
    study->daemon->pending++;
}

/* ---- looking ---- */

i8x_study_job *i8x_study_find_any(i8x_study *study, const char *id)
{
    return i8x_jobbook_find(&study->book, id);
}

i8x_study_job *i8x_study_find(i8x_study *study, const char *id)
{
    i8x_study_job *job = i8x_jobbook_find(&study->book, id);
    return job != NULL && job->published ? job : NULL;
}

bool i8x_study_is_open(i8x_study *study, const char *id)
{
    const i8x_study_job *job = i8x_jobbook_find(&study->book, id);
    return job != NULL && !i8x_job_state_ended(job->state);
}

i8x_study_job *i8x_study_first_open(i8x_study *study)
{
    return study->book.open.first;
}

int64_t i8x_study_count(const i8x_study *study, i8x_job_state state)
{
    return study->book.counts[state];
}

/* A job on its way from the ledger. */
typedef struct job_fetch {
    i8x_study *study;
    uint64_t removed; /* removals when it began */
    char id[I8X_JOB_ID_SIZE];
    i8x_study_job *job;
    i8x_error error;
    i8x_study_job_cb found;
    void *user;
} job_fetch;

static i8x_status fetch_row(void *user, const i8x_job_row *row)
{
    job_fetch *fetch = user;
    return i8x_jobbook_load_job(fetch->study->daemon, row, &fetch->job);
}

static void fetch_job(void *user, i8x_ledger_view *view)
{
    job_fetch *fetch = user;
    if (i8x_ledger_get_job(view, fetch->id, fetch_row, fetch) != I8X_OK)
        fetch->error = *i8x_last_error();
}

static i8x_status see_row(void *user, const i8x_job_row *row)
{
    (void)user, (void)row;
    return I8X_OK;
}

/* A job that was forgotten while it was being read does not come back. */
static void check_kept(i8x_study *study, job_fetch *fetch)
{
    i8x_ledger_view *view = i8x_ledger_here(study->daemon->ledger);
    if (fetch->removed == study->removed || fetch->job == NULL ||
        i8x_ledger_get_job(view, fetch->id, see_row, NULL) == I8X_OK)
        return;
    fetch->error = *i8x_last_error();
    i8x_jobbook_free_job(fetch->job);
    fetch->job = NULL;
}

static void job_fetched(void *user)
{
    job_fetch *fetch = user;
    i8x_study *study = fetch->study;
    study->daemon->pending--;
    check_kept(study, fetch);
    i8x_study_job *job = i8x_jobbook_find(&study->book, fetch->id); /* fetched twice? */
    if (job == NULL && fetch->job != NULL) {
        job = fetch->job;
        fetch->job = NULL;
        job->changing = i8x_removals_has(study, job->id);
        i8x_jobbook_add(&study->book, job);
    }
    if (fetch->job != NULL)
        i8x_jobbook_free_job(fetch->job);
    if (job == NULL)
        (void)i8x_fail(fetch->error.status, fetch->error.file, fetch->error.line, "%s",
                       fetch->error.detail);
    fetch->found(fetch->user, job);
    i8x_alloc_free(i8x_alloc_heap(), fetch, sizeof *fetch);
}

i8x_status i8x_study_get(i8x_study *study, const char *id, i8x_study_job_cb found, void *user)
{
    i8x_study_job *job = i8x_jobbook_find(&study->book, id);
    if (job != NULL && job->published) {
        found(user, job);
        return I8X_OK;
    }
    if (job != NULL || !i8x_jobbook_is_id(id)) {
        (void)i8x_fail(I8X_ENOENT, __FILE__, __LINE__, "no job of that id");
        found(user, NULL);
        return I8X_OK;
    }
    job_fetch *fetch = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *fetch);
    I8X_TRY(i8x_alloc_check(fetch));
    *fetch = (job_fetch){.study = study, .removed = study->removed, .found = found, .user = user};
    snprintf(fetch->id, sizeof fetch->id, "%s", id);
    i8x_status status = i8x_ledger_read(study->daemon->ledger, fetch_job, job_fetched, fetch);
    if (status != I8X_OK)
        i8x_alloc_free(i8x_alloc_heap(), fetch, sizeof *fetch);
    else
        study->daemon->pending++;
    return status;
}

/* ---- start and recovery ---- */

static i8x_status load_job(void *user, const i8x_job_row *row)
{
    i8x_study *study = user;
    i8x_study_job *job = NULL;
    I8X_TRY(i8x_jobbook_load_job(study->daemon, row, &job));
    job->version = i8x_events_last(study->daemon->events); /* not below any it ever had */
    memset(job->stages, 0, sizeof job->stages);
    i8x_jobbook_add(&study->book, job);
    return I8X_OK;
}

/* Makes the plans of open jobs again; the cache replays what was done, before a worker comes back
 * with what it holds. */
static void recover(i8x_study *study)
{
    for (i8x_study_job *job = study->book.open.first, *next; job != NULL; job = next) {
        next = job->next;
        i8x_status status = i8x_plan_new(&job->job, &job->plan);
        if (status != I8X_OK) {
            i8x_study_end_job(study, job, I8X_JOB_FAILED, status, i8x_last_error()->detail, "");
            continue;
        }
        i8x_study_feed(study, job, true);
        i8x_log(I8X_LOG_INFO, "job_recovered", "job=%s done=%d tasks=%d", job->id,
                i8x_plan_done_count(job->plan), i8x_plan_task_count(job->plan));
    }
}

i8x_status i8x_study_new(i8x_daemon *daemon, i8x_study **study)
{
    i8x_study *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->daemon = daemon;
    made->due_ms = INT64_MAX;
    *study = made; /* callbacks find it through the daemon */
    I8X_TRY(i8x_arena_new(NULL, SCRATCH_MAX, &made->scratch));
    i8x_ledger_view *view = i8x_ledger_here(daemon->ledger);
    i8x_job_totals totals;
    I8X_TRY(i8x_ledger_count_jobs(view, &totals));
    memcpy(made->book.counts, totals.counts, sizeof totals.counts);
    made->book.last_sequence = totals.last_sequence;
    I8X_TRY(i8x_ledger_each_open_job(view, load_job, made));
    recover(made);
    return I8X_OK;
}

void i8x_study_free(i8x_study *study)
{
    if (study == NULL)
        return;
    while (study->waiters != NULL) {
        i8x_study_waiter *w = study->waiters;
        study->waiters = w->next;
        i8x_alloc_free(i8x_alloc_heap(), w, sizeof *w);
    }
    i8x_study_free_tasks(study);
    for (i8x_study_job *job = study->book.open.first; job != NULL; job = job->next)
        i8x_study_free_plan(job);
    i8x_jobbook_deinit(&study->book);
    i8x_arena_free(study->scratch);
    i8x_alloc_free(i8x_alloc_heap(), study, sizeof *study);
}
