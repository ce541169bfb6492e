/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweeps. A trial waits, runs (its job is open), is judged (its report is read on a helper thread)
 * and has ended. Trials begin in the order of their numbers, so the ledger always has the first so
 * many of them.
 */
#include "daemon/sweeps.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/events.h"
#include "int8x/alloc.h"
#include "int8x/report.h"
#include "proto/limits.h"

#define ID_RANDOM_BYTES 8
#define RETRY_MS 500
#define REPORT_BYTES_MAX ((uint64_t)64 << 20)

typedef enum trial_state { TRIAL_WAITS, TRIAL_RUNS, TRIAL_JUDGED, TRIAL_ENDED } trial_state;

typedef struct trial {
    trial_state state;
    char job[I8X_JOB_ID_SIZE];
} trial;

typedef struct open_sweep {
    struct open_sweep *next;
    i8x_daemon *daemon;
    char id[I8X_SWEEP_ID_SIZE];
    char owner[I8X_HTTP_PRINCIPAL_SIZE];
    i8x_arena *arena; /* of the request */
    i8x_sweep_request request;
    trial *trials; /* [request.count] */
    int begun, busy, ended;
    bool committed; /* its own row is in the ledger */
    bool gone;      /* ended or canceled: freed when nothing points to it any more */
    i8x_sweeps_cb told;
    void *user;
} open_sweep;

struct i8x_sweeps {
    i8x_daemon *daemon;
    open_sweep *first;
    int count;
    int64_t last_sequence;
    int64_t due_ms; /* when to look for room again */
};

/* ---- the request ---- */

i8x_status i8x_sweep_request_read(const i8x_json *json, i8x_arena *arena,
                                  i8x_sweep_request *request)
{
    static const char *const names[] = {"job", "sweep", "metric"};
    I8X_TRY(i8x_json_check(json, "sweep request", names, 3));
    const i8x_json *job = i8x_json_member(json, "job"), *spec = i8x_json_member(json, "sweep");
    I8X_ENSURE(job != NULL && spec != NULL, I8X_EARG,
               "a sweep wants the members 'job' (blobs) and 'sweep' (space)");
    I8X_ENSURE(i8x_json_member(job, "recipe") == NULL, I8X_EARG,
               "job field 'recipe' has no place in a sweep: put it into sweep.base");
    I8X_TRY(i8x_json_to_job(job, &request->job));
    I8X_ENSURE(request->job.eval.size_bytes > 0, I8X_EARG,
               "a sweep wants evaluation samples: job field 'eval'");
    double priority = i8x_json_member_number(job, "priority", I8X_JOB_PRIORITY);
    I8X_ENSURE(priority >= 0 && priority <= I8X_JOB_PRIORITY_MAX && priority == floor(priority),
               I8X_EARG, "job field 'priority' is a whole number from 0 to %d",
               I8X_JOB_PRIORITY_MAX);
    request->priority = (int)priority;
    I8X_TRY(i8x_sweep_metric_parse(i8x_json_member_text(json, "metric", "sqnr"), &request->metric));
    return i8x_json_to_sweep(spec, arena, &request->sweep, &request->count);
}

i8x_status i8x_sweep_request_count(const char *text, int *count)
{
    i8x_json *json = NULL;
    i8x_arena *arena = NULL;
    i8x_sweep_request *request = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *request);
    i8x_status status = i8x_alloc_check(request);
    if (status == I8X_OK)
        status = i8x_arena_new(NULL, 0, &arena);
    if (status == I8X_OK)
        status = i8x_json_parse(text, strlen(text), &json);
    if (status == I8X_OK)
        status = i8x_sweep_request_read(json, arena, request);
    if (status == I8X_OK)
        *count = request->count;
    i8x_json_free(json);
    i8x_arena_free(arena);
    i8x_alloc_free(i8x_alloc_heap(), request, sizeof *request);
    return status;
}

static i8x_status sweep_new(i8x_daemon *daemon, const i8x_json *json, open_sweep **sweep)
{
    open_sweep *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->daemon = daemon;
    i8x_status status = i8x_arena_new(NULL, 0, &made->arena);
    if (status == I8X_OK)
        status = i8x_sweep_request_read(json, made->arena, &made->request);
    if (status == I8X_OK) {
        made->trials =
            i8x_arena_array(made->arena, (size_t)made->request.count, sizeof *made->trials);
        status = i8x_alloc_check(made->trials);
    }
    if (status != I8X_OK) {
        i8x_arena_free(made->arena);
        i8x_alloc_free(i8x_alloc_heap(), made, sizeof *made);
        return status;
    }
    *sweep = made;
    return I8X_OK;
}

static void sweep_free(open_sweep *sweep)
{
    i8x_arena_free(sweep->arena);
    i8x_alloc_free(i8x_alloc_heap(), sweep, sizeof *sweep);
}

static void sweeps_add(i8x_sweeps *sweeps, open_sweep *sweep)
{
    sweep->next = sweeps->first;
    sweeps->first = sweep;
    sweeps->count++;
}

static void sweeps_remove(i8x_sweeps *sweeps, open_sweep *sweep)
{
    for (open_sweep **link = &sweeps->first; *link != NULL; link = &(*link)->next) {
        if (*link == sweep) {
            *link = sweep->next;
            sweeps->count--;
            return;
        }
    }
}

/* ---- the end ---- */

static void on_finished(void *user)
{
    open_sweep *sweep = user;
    sweep->daemon->pending--;
    i8x_log(I8X_LOG_INFO, "sweep_done", "sweep=%s trials=%d", sweep->id, sweep->request.count);
    sweep_free(sweep);
}

static void finish(open_sweep *sweep)
{
    i8x_daemon *daemon = sweep->daemon;
    i8x_sweep_record row = {
        .id = sweep->id, .state = I8X_JOB_DONE, .finished_ms = i8x_daemon_wall_ms()};
    sweeps_remove(daemon->sweeps, sweep);
    daemon->pending++;
    i8x_status status = i8x_ledger_end_sweep(daemon->ledger, &row, on_finished, sweep);
    I8X_ASSERT(status == I8X_OK); /* no room for one row: restart and replay */
}

/* ---- trials ---- */

static void on_trial_created(void *user, i8x_study_job *job)
{
    (void)user, (void)job; /* its end is what counts */
}

static i8x_status trial_begin(open_sweep *sweep)
{
    i8x_job *job = &sweep->request.job;
    trial *next = &sweep->trials[sweep->begun];
    I8X_TRY(i8x_sweep_trial(&sweep->request.sweep, sweep->begun, &job->recipe));
    i8x_submission submission = {.job = job,
                                 .priority = sweep->request.priority,
                                 .owner = sweep->owner,
                                 .sweep = sweep->id,
                                 .trial = sweep->begun};
    I8X_TRY(i8x_study_submit(sweep->daemon->study, &submission, on_trial_created, NULL, next->job));
    next->state = TRIAL_RUNS;
    sweep->begun++;
    sweep->busy++;
    return I8X_OK;
}

/* Begins what there is room for; ends the sweep when all trials have. */
static void go_on(open_sweep *sweep)
{
    i8x_sweeps *sweeps = sweep->daemon->sweeps;
    if (sweep->gone || !sweep->committed)
        return;
    while (sweep->begun < sweep->request.count && sweep->busy < I8X_SWEEP_RUNNING_MAX) {
        if (trial_begin(sweep) != I8X_OK) { /* no room now */
            sweeps->due_ms = i8x_daemon_now_ms(sweep->daemon) + RETRY_MS;
            return;
        }
    }
    if (sweep->ended == sweep->request.count)
        finish(sweep);
}

static void trial_end(open_sweep *sweep, int number)
{
    sweep->trials[number].state = TRIAL_ENDED;
    sweep->busy--;
    sweep->ended++;
    if (sweep->gone && sweep->busy == 0)
        sweep_free(sweep);
    else
        go_on(sweep);
}

/* ---- judging ---- */

typedef struct judging {
    uv_work_t work;
    open_sweep *sweep;
    int number;
    const i8x_store *store;
    i8x_blob_ref report;
    i8x_sweep_point point;
    i8x_status status;
} judging;

static void pack_point(const i8x_sweep_point *point, uint8_t bytes[I8X_SWEEP_POINT_SIZE])
{
    for (int i = 0; i < 4; i++) {
        uint64_t word = point->size_bytes;
        if (i < I8X_SWEEP_METRIC_COUNT)
            memcpy(&word, &point->figures[i], sizeof word);
        for (int k = 0; k < 8; k++)
            bytes[8 * i + k] = (uint8_t)(word >> (8 * k));
    }
}

static i8x_sweep_point unpack_point(const uint8_t bytes[I8X_SWEEP_POINT_SIZE])
{
    i8x_sweep_point point = {.size_bytes = 0};
    for (int i = 0; i < 4; i++) {
        uint64_t word = 0;
        for (int k = 8; k-- > 0;)
            word = word << 8 | bytes[8 * i + k];
        if (i < I8X_SWEEP_METRIC_COUNT)
            memcpy(&point.figures[i], &word, sizeof word);
        else
            point.size_bytes = word;
    }
    return point;
}

static i8x_status read_point(judging *j, i8x_arena *arena)
{
    uint8_t *bytes = NULL;
    I8X_ENSURE(j->report.size_bytes <= REPORT_BYTES_MAX, I8X_ELIMIT, "a report of %llu bytes",
               (unsigned long long)j->report.size_bytes);
    I8X_TRY(i8x_store_read_range(j->store, &j->report.digest, 0, j->report.size_bytes, &bytes));
    i8x_report report;
    i8x_status status = i8x_report_decode(bytes, (size_t)j->report.size_bytes, arena, &report);
    if (status == I8X_OK)
        j->point = i8x_sweep_point_of(&report);
    i8x_alloc_free(i8x_alloc_heap(), bytes, (size_t)j->report.size_bytes);
    return status;
}

static void judge(uv_work_t *work)
{
    judging *j = work->data;
    i8x_arena *arena = NULL;
    j->status = i8x_arena_new(NULL, 0, &arena);
    if (j->status == I8X_OK)
        j->status = read_point(j, arena);
    i8x_arena_free(arena);
}

static void on_judged(void *user)
{
    judging *j = user;
    j->sweep->daemon->pending--;
    trial_end(j->sweep, j->number);
    i8x_alloc_free(i8x_alloc_heap(), j, sizeof *j);
}

static void judge_done(uv_work_t *work, int canceled)
{
    (void)canceled;
    judging *j = work->data;
    uint8_t bytes[I8X_SWEEP_POINT_SIZE];
    i8x_status status = j->status;
    pack_point(&j->point, bytes);
    if (status == I8X_OK)
        status = i8x_ledger_put_point(j->sweep->daemon->ledger, j->sweep->id, j->number, bytes,
                                      on_judged, j);
    if (status != I8X_OK) { /* the row stays without figures */
        i8x_log(I8X_LOG_WARN, "trial_not_judged", "sweep=%s trial=%d status=%s", j->sweep->id,
                j->number, i8x_status_name(status));
        on_judged(j);
    }
}

static void judge_trial(open_sweep *sweep, int number, const i8x_blob_ref *report)
{
    judging *j = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *j);
    I8X_ASSERT(j != NULL);
    *j = (judging){.sweep = sweep,
                   .number = number,
                   .store = sweep->daemon->store,
                   .report = *report,
                   .work.data = j};
    sweep->trials[number].state = TRIAL_JUDGED;
    sweep->daemon->pending++;
    uv_queue_work(&sweep->daemon->loop, &j->work, judge, judge_done);
}

void i8x_sweeps_job_ended(i8x_sweeps *sweeps, const i8x_study_job *job)
{
    for (open_sweep *sweep = sweeps->first; sweep != NULL; sweep = sweep->next) {
        for (int i = 0; i < sweep->begun; i++) {
            trial *t = &sweep->trials[i];
            if (t->state != TRIAL_RUNS || strcmp(t->job, job->id) != 0)
                continue;
            if (job->state == I8X_JOB_DONE)
                judge_trial(sweep, i, &job->report);
            else
                trial_end(sweep, i);
            return;
        }
    }
}

/* ---- submit and cancel ---- */

static void on_created(void *user)
{
    open_sweep *sweep = user;
    sweep->daemon->pending--;
    sweep->committed = true;
    i8x_log(I8X_LOG_INFO, "sweep_accepted", "sweep=%s trials=%d", sweep->id, sweep->request.count);
    sweep->told(sweep->user, sweep->id);
    go_on(sweep);
}

static i8x_status make_id(char id[I8X_SWEEP_ID_SIZE])
{
    uint8_t random[ID_RANDOM_BYTES];
    I8X_TRY(i8x_digest_random(random, sizeof random));
    id[0] = 's';
    for (int i = 0; i < ID_RANDOM_BYTES; i++)
        snprintf(id + 1 + 2 * i, 3, "%02x", random[i]);
    return I8X_OK;
}

static i8x_status put_rows(i8x_ledger *ledger, const i8x_sweep_record *row, open_sweep *sweep,
                           const i8x_request_row *request)
{
    i8x_ledger_group_begin(ledger);
    i8x_status status = i8x_ledger_put_sweep(ledger, row, on_created, sweep);
    if (status == I8X_OK && request != NULL) {
        i8x_request_row kept = *request;
        kept.job = row->id;
        kept.created_ms = row->created_ms;
        status = i8x_ledger_put_request(ledger, &kept);
    }
    return i8x_ledger_group_end(ledger, status);
}

static i8x_status put_sweep(i8x_sweeps *sweeps, open_sweep *sweep, const i8x_json *json,
                            const i8x_request_row *request)
{
    char *text = NULL;
    size_t size = 0;
    I8X_TRY(make_id(sweep->id));
    I8X_TRY(i8x_json_print(json, false, &text, &size));
    i8x_sweep_record row = {.id = sweep->id,
                            .sequence = sweeps->last_sequence + 1,
                            .created_ms = i8x_daemon_wall_ms(),
                            .state = I8X_JOB_OPEN,
                            .name = sweep->request.job.name,
                            .owner = sweep->owner,
                            .request = text};
    i8x_status status = put_rows(sweeps->daemon->ledger, &row, sweep, request);
    i8x_alloc_free(i8x_alloc_heap(), text, size + 1);
    return status;
}

i8x_status i8x_sweeps_submit(i8x_sweeps *sweeps, const i8x_json *json, const char *owner,
                             const i8x_request_row *request, i8x_sweeps_cb created, void *user,
                             char id[I8X_SWEEP_ID_SIZE])
{
    open_sweep *sweep = NULL;
    I8X_ENSURE(sweeps->count < I8X_SWEEPS_OPEN_MAX, I8X_EBUSY,
               "%d sweeps are running, at most %d: try again later", sweeps->count,
               I8X_SWEEPS_OPEN_MAX);
    I8X_TRY(sweep_new(sweeps->daemon, json, &sweep));
    snprintf(sweep->owner, sizeof sweep->owner, "%s", owner);
    sweep->told = created;
    sweep->user = user;
    i8x_status status = put_sweep(sweeps, sweep, json, request);
    if (status != I8X_OK) {
        sweep_free(sweep);
        return status;
    }
    snprintf(id, I8X_SWEEP_ID_SIZE, "%s", sweep->id);
    sweeps->last_sequence++;
    sweeps->daemon->pending++;
    sweeps_add(sweeps, sweep);
    return I8X_OK;
}

bool i8x_sweeps_is_new(const i8x_sweeps *sweeps, const char *id)
{
    for (const open_sweep *sweep = sweeps->first; sweep != NULL; sweep = sweep->next)
        if (strcmp(sweep->id, id) == 0)
            return !sweep->committed;
    return false;
}

typedef struct canceling {
    i8x_daemon *daemon;
    char id[I8X_SWEEP_ID_SIZE];
    i8x_sweeps_cb canceled;
    void *user;
} canceling;

static void on_canceled(void *user)
{
    canceling c = *(canceling *)user;
    i8x_alloc_free(i8x_alloc_heap(), user, sizeof c);
    c.daemon->pending--;
    i8x_log(I8X_LOG_INFO, "sweep_canceled", "sweep=%s", c.id);
    c.canceled(c.user, c.id);
}

static open_sweep *find(const i8x_sweeps *sweeps, const char *id)
{
    for (open_sweep *sweep = sweeps->first; sweep != NULL; sweep = sweep->next)
        if (sweep->committed && strcmp(sweep->id, id) == 0)
            return sweep;
    return NULL;
}

/* Jobs of running trials end too; those that are judged already keep the sweep until then. */
static void let_go(i8x_sweeps *sweeps, open_sweep *sweep)
{
    sweeps_remove(sweeps, sweep);
    sweep->gone = true;
    for (int i = 0; i < sweep->begun; i++) {
        if (sweep->trials[i].state != TRIAL_RUNS)
            continue;
        i8x_study_job *job = i8x_study_find_any(sweeps->daemon->study, sweep->trials[i].job);
        if (job != NULL && i8x_study_cancel(sweeps->daemon->study, job) != I8X_OK)
            i8x_log(I8X_LOG_INFO, "trial_ends_by_itself", "job=%s", job->id);
        sweep->busy--;
    }
    if (sweep->busy == 0)
        sweep_free(sweep);
}

i8x_status i8x_sweeps_cancel(i8x_sweeps *sweeps, const char *id, i8x_sweeps_cb canceled, void *user)
{
    open_sweep *sweep = find(sweeps, id);
    I8X_ENSURE(sweep != NULL, I8X_EEXIST, "sweep %s is not running", id);
    canceling *c = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *c);
    I8X_TRY(i8x_alloc_check(c));
    *c = (canceling){sweeps->daemon, "", canceled, user};
    snprintf(c->id, sizeof c->id, "%s", id);
    i8x_sweep_record row = {
        .id = id, .state = I8X_JOB_CANCELED, .finished_ms = i8x_daemon_wall_ms()};
    i8x_status status = i8x_ledger_end_sweep(sweeps->daemon->ledger, &row, on_canceled, c);
    if (status != I8X_OK) {
        i8x_alloc_free(i8x_alloc_heap(), c, sizeof *c);
        return status;
    }
    sweeps->daemon->pending++;
    let_go(sweeps, sweep);
    return I8X_OK;
}

/* ---- start ---- */

static i8x_status load_sweep(void *user, const i8x_sweep_record *row)
{
    i8x_sweeps *sweeps = user;
    i8x_json *json = NULL;
    open_sweep *sweep = NULL;
    I8X_TRY(i8x_json_parse(row->request, strlen(row->request), &json));
    i8x_status status = sweep_new(sweeps->daemon, json, &sweep);
    i8x_json_free(json);
    I8X_TRY(status);
    snprintf(sweep->id, sizeof sweep->id, "%s", row->id);
    snprintf(sweep->owner, sizeof sweep->owner, "%s", row->owner);
    sweep->committed = true;
    sweeps_add(sweeps, sweep);
    return I8X_OK;
}

static i8x_status load_trial(void *user, const i8x_trial_record *row)
{
    open_sweep *sweep = user;
    I8X_ENSURE(row->trial == sweep->begun && row->trial < sweep->request.count, I8X_EIO,
               "ledger: sweep %s: trial %d stands where %d should", sweep->id, row->trial,
               sweep->begun);
    trial *t = &sweep->trials[sweep->begun++];
    snprintf(t->job, sizeof t->job, "%s", row->job);
    bool open = !i8x_job_state_ended(row->state);
    bool judged = row->state != I8X_JOB_DONE || row->point != NULL;
    if (!open && judged) {
        t->state = TRIAL_ENDED;
        sweep->ended++;
        return I8X_OK;
    }
    sweep->busy++;
    t->state = TRIAL_RUNS;
    if (!open)
        judge_trial(sweep, row->trial, &row->report);
    return I8X_OK;
}

i8x_status i8x_sweeps_new(i8x_daemon *daemon, i8x_sweeps **sweeps)
{
    i8x_ledger_view *view = i8x_ledger_here(daemon->ledger);
    i8x_sweeps *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->daemon = daemon;
    *sweeps = made; /* the daemon frees it, also after a failure */
    I8X_TRY(i8x_ledger_last_sweep(view, &made->last_sequence));
    I8X_TRY(i8x_ledger_each_open_sweep(view, load_sweep, made));
    for (open_sweep *sweep = made->first; sweep != NULL; sweep = sweep->next) {
        I8X_TRY(i8x_ledger_each_trial(view, sweep->id, load_trial, sweep));
        i8x_log(I8X_LOG_INFO, "sweep_recovered", "sweep=%s trials=%d begun=%d ended=%d", sweep->id,
                sweep->request.count, sweep->begun, sweep->ended);
    }
    return I8X_OK; /* the first tick begins what waits */
}

void i8x_sweeps_free(i8x_sweeps *sweeps)
{
    if (sweeps == NULL)
        return;
    for (open_sweep *sweep; (sweep = sweeps->first) != NULL;) {
        sweeps->first = sweep->next;
        sweep_free(sweep);
    }
    i8x_alloc_free(i8x_alloc_heap(), sweeps, sizeof *sweeps);
}

int64_t i8x_sweeps_tick(i8x_sweeps *sweeps)
{
    if (sweeps->due_ms > i8x_daemon_now_ms(sweeps->daemon))
        return sweeps->due_ms;
    sweeps->due_ms = INT64_MAX;
    for (open_sweep *sweep = sweeps->first, *next; sweep != NULL; sweep = next) {
        next = sweep->next;
        go_on(sweep);
    }
    return sweeps->due_ms;
}

int i8x_sweeps_count(const i8x_sweeps *sweeps)
{
    return sweeps->count;
}

/* ---- as a document ---- */

typedef struct description {
    i8x_json *json;
    i8x_arena *arena;
    i8x_sweep_request request;
    i8x_job_state state;
    i8x_sweep_row *rows;
} description;

static i8x_status describe_sweep(void *user, const i8x_sweep_record *row)
{
    description *d = user;
    i8x_json *json = NULL;
    char text[I8X_TIME_TEXT_SIZE];
    I8X_TRY(i8x_json_parse(row->request, strlen(row->request), &json));
    i8x_status status = i8x_sweep_request_read(json, d->arena, &d->request);
    i8x_json_free(json);
    I8X_TRY(status);
    d->state = row->state;
    i8x_json_put_text(d->json, "id", row->id);
    i8x_json_put_text(d->json, "name", row->name);
    i8x_json_put_text(d->json, "state", i8x_job_state_name(row->state));
    i8x_json_put_text(d->json, "owner", row->owner);
    i8x_json_put_text(d->json, "created", i8x_time_text(row->created_ms, text));
    if (row->state != I8X_JOB_OPEN)
        i8x_json_put_text(d->json, "finished", i8x_time_text(row->finished_ms, text));
    d->rows = i8x_arena_array(d->arena, (size_t)d->request.count, sizeof *d->rows);
    I8X_TRY(i8x_alloc_check(d->rows));
    for (int i = 0; i < d->request.count; i++)
        d->rows[i].state = row->state == I8X_JOB_OPEN ? "waiting" : "canceled";
    return I8X_OK;
}

static i8x_status describe_trial(void *user, const i8x_trial_record *row)
{
    static const i8x_sweep_point none = {{NAN, NAN, NAN}, 0};
    description *d = user;
    if (row->trial < 0 || row->trial >= d->request.count)
        return I8X_OK;
    i8x_sweep_row *to = &d->rows[row->trial];
    to->state = i8x_job_state_name(row->state);
    to->job = i8x_arena_string(d->arena, row->job);
    to->detail = row->detail[0] != 0 ? i8x_arena_string(d->arena, row->detail) : NULL;
    I8X_TRY(i8x_alloc_check(to->job));
    to->point = row->point != NULL ? unpack_point(row->point) : none;
    if (row->point == NULL)
        to->point.size_bytes = row->artifact.size_bytes;
    to->artifact_sha256 = row->artifact.digest;
    to->result_sha256 = row->report.digest;
    return I8X_OK;
}

i8x_status i8x_sweeps_describe(i8x_ledger_view *view, const char *id, i8x_json *json)
{
    description *d = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *d);
    I8X_TRY(i8x_alloc_check(d));
    d->json = json;
    i8x_status status = i8x_arena_new(NULL, 0, &d->arena);
    if (status == I8X_OK)
        status = i8x_ledger_get_sweep(view, id, describe_sweep, d);
    if (status == I8X_OK)
        status = i8x_ledger_each_trial(view, id, describe_trial, d);
    if (status == I8X_OK)
        status = i8x_json_put_sweep(json, &d->request.sweep, d->rows, d->request.count,
                                    d->request.metric);
    i8x_arena_free(d->arena);
    i8x_alloc_free(i8x_alloc_heap(), d, sizeof *d);
    return status;
}
