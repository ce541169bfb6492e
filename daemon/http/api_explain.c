/* SPDX-License-Identifier: Apache-2.0
 *
 * Why a job does not run, or what it waits for, in words. The scheduler says for each open task why
 * it stands where it does; tasks of one kind with the same reason are told together. Looking at a
 * task costs a look at every worker, so of a large job a part is looked at, and the answer says so.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/http/api.h"
#include "daemon/hub.h"
#include "daemon/standing.h"
#include "int8x/alloc.h"
#include "proto/limits.h"

#define GROUPS_MAX (I8X_SCHED_WHY_COUNT * I8X_TASK_KIND_COUNT)
#define SHOWN_MAX 8 /* tasks of a group that are named */
#define NAME_SIZE (I8X_WIRE_NAME_MAX + 1)

/* Tasks of one kind with one reason. */
typedef struct why_group {
    i8x_sched_why why; /* of the one that is worst off */
    uint32_t count;
    int shown[SHOWN_MAX];
} why_group;

typedef struct explanation {
    i8x_daemon *daemon;
    const i8x_study_job *job;
    int64_t now_ms;
    why_group groups[GROUPS_MAX];
    int group_count;
    uint32_t done, blocked, held, unseen, open, looked_at;
    uint32_t runs, waits;
} explanation;

/* ---- looking ---- */

/* Which of two tasks of one group tells more: the one that runs or waits longest. */
static bool is_worse(const i8x_sched_why *a, const i8x_sched_why *b)
{
    if (a->reason == I8X_SCHED_WHY_BACKOFF)
        return a->until_ms > b->until_ms;
    if (a->reason == I8X_SCHED_WHY_BUSY)
        return a->ahead > b->ahead;
    return a->since_ms < b->since_ms;
}

static void take_why(explanation *e, const i8x_sched_why *why, int index)
{
    int at = 0;
    while (at < e->group_count &&
           (e->groups[at].why.reason != why->reason || e->groups[at].why.kind != why->kind))
        at++;
    why_group *group = &e->groups[at];
    if (at == e->group_count) {
        e->group_count++;
        group->why = *why;
    } else if (is_worse(why, &group->why)) {
        group->why = *why;
    }
    if (group->count < SHOWN_MAX)
        group->shown[group->count] = index;
    group->count++;
}

static bool is_at_work(i8x_sched_why_reason reason)
{
    return reason == I8X_SCHED_WHY_RUNS || reason == I8X_SCHED_WHY_COMMITS ||
           reason == I8X_SCHED_WHY_AUDIT_RUNS;
}

static void look_at(explanation *e, int index)
{
    const i8x_study_job *job = e->job;
    i8x_plan_state state = i8x_plan_task_state(job->plan, index);
    e->done += state == I8X_PLAN_DONE;
    e->blocked += state == I8X_PLAN_WAITING;
    if (state == I8X_PLAN_DONE || state == I8X_PLAN_WAITING)
        return;
    if (job->handed[index] == NULL) {
        e->held += job->holding;
        e->unseen += !job->holding;
        return;
    }
    e->open++;
    uint32_t most =
        (uint32_t)(I8X_EXPLAIN_LOOKS_MAX / (1 + i8x_sched_worker_count(e->daemon->sched)));
    if (e->looked_at >= (most > I8X_EXPLAIN_TASKS_MIN ? most : I8X_EXPLAIN_TASKS_MIN))
        return;
    i8x_digest key;
    i8x_sched_why why;
    memcpy(key.bytes, job->marks + (size_t)index * I8X_TASK_MARK_SIZE + 1, I8X_DIGEST_SIZE);
    i8x_sched_explain(e->daemon->sched, &key, &why);
    if (why.reason == I8X_SCHED_WHY_ABSENT)
        why.kind = i8x_plan_task_kind(job->plan, index);
    e->looked_at++;
    e->runs += is_at_work(why.reason);
    e->waits += !is_at_work(why.reason);
    take_why(e, &why, index);
}

/* ---- words ---- */

static const char *worker_of(const explanation *e, uint64_t session, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "one that has left");
    for (const i8x_hub_worker *worker = i8x_hub_workers(e->daemon->hub); worker != NULL;
         worker = worker->next)
        if (worker->session == session)
            snprintf(name, NAME_SIZE, "%s", worker->id);
    return name;
}

static double seconds(int64_t ms)
{
    return (double)(ms > 0 ? ms : 0) / 1000;
}

static void say_runs(const explanation *e, const why_group *group, i8x_buffer *text)
{
    char name[NAME_SIZE];
    const i8x_sched_why *why = &group->why;
    i8x_buffer_format(text, "at work; the longest since %.1f s on worker %s",
                      seconds(e->now_ms - why->since_ms), worker_of(e, why->worker, name));
    if (why->finish_ms > e->now_ms)
        i8x_buffer_format(text, ", expected to end in %.1f s", seconds(why->finish_ms - e->now_ms));
    else if (why->finish_ms > 0)
        i8x_buffer_format(text, ", %.1f s longer than expected",
                          seconds(e->now_ms - why->finish_ms));
}

static void say_queued(const explanation *e, const why_group *group, i8x_buffer *text)
{
    char name[NAME_SIZE];
    i8x_buffer_format(text, "handed to worker %s, waiting there for a free slot since %.1f s",
                      worker_of(e, group->why.worker, name),
                      seconds(e->now_ms - group->why.since_ms));
}

static void say_commits(const explanation *e, const why_group *group, i8x_buffer *text)
{
    (void)e;
    (void)group;
    i8x_buffer_text(text, "computed; the result is being written to the ledger");
}

static void say_audit_waits(const explanation *e, const why_group *group, i8x_buffer *text)
{
    (void)e;
    i8x_buffer_format(text,
                      "computed; another worker is to check the result: %u may, %u of them busy",
                      group->why.idle + group->why.busy, group->why.busy);
}

static void say_audit_runs(const explanation *e, const why_group *group, i8x_buffer *text)
{
    char name[NAME_SIZE];
    i8x_buffer_format(text, "computed; worker %s checks the result since %.1f s",
                      worker_of(e, group->why.worker, name),
                      seconds(e->now_ms - group->why.since_ms));
}

static void say_backoff(const explanation *e, const why_group *group, i8x_buffer *text)
{
    i8x_buffer_format(
        text,
        "failed (%d attempts); tried again in %.1f s; /v1/jobs/%s/tasks?state=waiting "
        "has the errors",
        group->why.attempts, seconds(group->why.until_ms - e->now_ms), e->job->id);
}

/* "the 3 workers that may are" */
static void say_workers(uint32_t count, const char *before, const char *which, i8x_buffer *text)
{
    i8x_buffer_format(text, "%s%u worker%s%s%s %s", before, count, count == 1 ? "" : "s",
                      which[0] != 0 ? " " : "", which, count == 1 ? "is" : "are");
}

static void say_no_worker(const explanation *e, const why_group *group, i8x_buffer *text)
{
    size_t count = i8x_sched_worker_count(e->daemon->sched);
    if (count == 0)
        i8x_buffer_text(text, "no worker is connected: start one");
    else
        i8x_buffer_format(text,
                          "%zu worker%s connected, but none can do '%s' at this daemon's "
                          "revision %d: start or update one (/v1/workers shows what each can do)",
                          count, count == 1 ? " is" : "s are", i8x_task_kind_name(group->why.kind),
                          i8x_task_kind_revision(group->why.kind));
}

/* Who was drained or quarantined and why, of the connected ones that can do it. */
static void say_standings(const explanation *e, i8x_task_kind kind, i8x_buffer *text)
{
    int told = 0;
    for (const i8x_hub_worker *worker = i8x_hub_workers(e->daemon->hub);
         worker != NULL && told < SHOWN_MAX; worker = worker->next) {
        const i8x_standing_entry *entry = i8x_standing_find(e->daemon->standing, worker->id);
        if (entry == NULL || (worker->kinds >> kind & 1) == 0)
            continue;
        i8x_buffer_format(text, "%s %s is %s: %s", told == 0 ? ";" : ",", worker->id,
                          i8x_standing_name(entry->kind), entry->reason);
        told++;
    }
}

static void say_drained(const explanation *e, const why_group *group, i8x_buffer *text)
{
    const char *kind = i8x_task_kind_name(group->why.kind);
    if (group->why.able == 1)
        i8x_buffer_format(text, "the one worker that can do '%s' is drained or draining", kind);
    else
        i8x_buffer_format(text, "all %u workers that can do '%s' are drained or draining",
                          group->why.able, kind);
    i8x_buffer_text(text, ": resume one (POST /v1/workers/ID/resume), or start another");
    say_standings(e, group->why.kind, text);
}

static void say_quarantined(const explanation *e, const why_group *group, i8x_buffer *text)
{
    const i8x_sched_why *why = &group->why;
    const char *kind = i8x_task_kind_name(why->kind);
    if (why->able == 1)
        i8x_buffer_format(text, "the one worker that can do '%s' is quarantined", kind);
    else
        i8x_buffer_format(text,
                          "of the %u workers that can do '%s' %u %s quarantined and the others "
                          "drained",
                          why->able, kind, why->quarantined, why->quarantined == 1 ? "is" : "are");
    i8x_buffer_text(text, ": look into it, then resume one (POST /v1/workers/ID/resume)");
    say_standings(e, why->kind, text);
}

static void say_busy(const explanation *e, const why_group *group, i8x_buffer *text)
{
    (void)e;
    uint64_t ahead = group->why.ahead;
    say_workers(group->why.busy, "the ", "that may have them", text);
    i8x_buffer_format(text, " busy; %llu task%s first", (unsigned long long)ahead,
                      ahead == 1 ? " goes" : "s go");
}

static void say_failed_here(const explanation *e, const why_group *group, i8x_buffer *text)
{
    (void)e;
    say_workers(group->why.failed, "", "", text);
    i8x_buffer_text(text, " free, but failed on it before; of the others ");
    i8x_buffer_format(text, "%u %s busy", group->why.busy, group->why.busy == 1 ? "is" : "are");
}

/* Workers that are free and do not ask say themselves why. */
static void say_not_asked(const explanation *e, const why_group *group, i8x_buffer *text)
{
    say_workers(group->why.idle, "", "that may have them", text);
    i8x_buffer_text(text, " free, but did not ask");
    int told = 0;
    for (const i8x_hub_worker *worker = i8x_hub_workers(e->daemon->hub);
         worker != NULL && told < SHOWN_MAX; worker = worker->next) {
        const i8x_worker_state *state = &worker->state;
        if (!state->has_status || state->reason[0] == 0)
            continue;
        i8x_buffer_format(text, "%s %s is %s: %s", told == 0 ? ";" : ",", worker->id,
                          i8x_wire_activity_name(state->status.activity), state->reason);
        told++;
    }
}

static void say_absent(const explanation *e, const why_group *group, i8x_buffer *text)
{
    (void)e;
    (void)group;
    i8x_buffer_text(text, "on their way to the scheduler");
}

typedef void (*say_fn)(const explanation *e, const why_group *group, i8x_buffer *text);
static const say_fn sayers[I8X_SCHED_WHY_COUNT] = {
    [I8X_SCHED_WHY_ABSENT] = say_absent,
    [I8X_SCHED_WHY_RUNS] = say_runs,
    [I8X_SCHED_WHY_QUEUED] = say_queued,
    [I8X_SCHED_WHY_COMMITS] = say_commits,
    [I8X_SCHED_WHY_AUDIT_WAITS] = say_audit_waits,
    [I8X_SCHED_WHY_AUDIT_RUNS] = say_audit_runs,
    [I8X_SCHED_WHY_BACKOFF] = say_backoff,
    [I8X_SCHED_WHY_NO_WORKER] = say_no_worker,
    [I8X_SCHED_WHY_DRAINED] = say_drained,
    [I8X_SCHED_WHY_QUARANTINED] = say_quarantined,
    [I8X_SCHED_WHY_BUSY] = say_busy,
    [I8X_SCHED_WHY_FAILED_HERE] = say_failed_here,
    [I8X_SCHED_WHY_NOT_ASKED] = say_not_asked,
};

static void say_group(const explanation *e, const why_group *group, i8x_buffer *text)
{
    i8x_buffer_format(text, "%u '%s' task%s: ", group->count, i8x_task_kind_name(group->why.kind),
                      group->count == 1 ? "" : "s");
    sayers[group->why.reason](e, group, text);
}

/* ---- the whole ---- */

static const why_group *largest_waiting(const explanation *e)
{
    const why_group *found = NULL;
    for (int i = 0; i < e->group_count; i++)
        if (!is_at_work(e->groups[i].why.reason) &&
            (found == NULL || e->groups[i].count > found->count))
            found = &e->groups[i];
    return found;
}

static void say_running(const explanation *e, i8x_buffer *text)
{
    const why_group *waiting = largest_waiting(e);
    if (e->open == 0 && e->unseen == 0) {
        i8x_buffer_text(text, "all tasks are done; the end is being written");
        return;
    }
    if (e->runs > 0)
        i8x_buffer_format(text, "%u %s at work, %u waiting for a worker, %u for other tasks",
                          e->runs, e->runs == 1 ? "task is" : "tasks are", e->open - e->runs,
                          e->blocked);
    else
        i8x_buffer_format(text, "nothing runs: %u %s for a worker, %u for other tasks", e->open,
                          e->open == 1 ? "task waits" : "tasks wait", e->blocked);
    if (waiting != NULL) {
        i8x_buffer_text(text, ". ");
        say_group(e, waiting, text);
    }
}

static void say_all(const explanation *e, i8x_buffer *text)
{
    const i8x_study_job *job = e->job;
    const char *state = i8x_job_state_name(job->state);
    if (i8x_job_state_ended(job->state)) {
        i8x_buffer_format(text, "the job is %s%s%s", state, job->detail[0] != 0 ? ": " : "",
                          job->detail);
        if (job->state != I8X_JOB_DONE)
            i8x_buffer_format(text, ". POST /v1/jobs/%s/retry runs it again", job->id);
    } else if (job->holding) {
        i8x_buffer_format(text,
                          "the job is paused by request: POST /v1/jobs/%s/resume lets it go on. %u "
                          "tasks that had begun are being finished",
                          job->id, e->open);
    } else {
        say_running(e, text);
    }
}

static void put_group(const explanation *e, const why_group *group, i8x_json *json)
{
    i8x_buffer text;
    i8x_buffer_init(&text, 0);
    say_group(e, group, &text);
    i8x_json_put_text(json, "reason", i8x_sched_why_name(group->why.reason));
    i8x_json_put_text(json, "kind", i8x_task_kind_name(group->why.kind));
    i8x_json_put_u64(json, "count", group->count);
    i8x_json_put_text(json, "text", i8x_buffer_cstr(&text));
    i8x_json *list = i8x_json_put_list(json, "tasks");
    for (uint32_t i = 0; i < group->count && i < SHOWN_MAX; i++)
        i8x_json_put_u64(list, NULL, (uint64_t)group->shown[i]);
    i8x_buffer_deinit(&text);
}

static void put_explanation(const explanation *e, i8x_json *json)
{
    i8x_buffer text;
    i8x_buffer_init(&text, 0);
    say_all(e, &text);
    i8x_json_put_text(json, "job", e->job->id);
    i8x_json_put_text(json, "state", i8x_job_state_name(e->job->state));
    i8x_json_put_text(json, "summary", i8x_buffer_cstr(&text));
    i8x_buffer_deinit(&text);
    i8x_json *tasks = i8x_json_put_object(json, "tasks");
    i8x_json_put_u64(tasks, "done", e->done);
    i8x_json_put_u64(tasks, "open", e->open + e->unseen);
    i8x_json_put_u64(tasks, "blocked", e->blocked);
    i8x_json_put_u64(tasks, "held", e->held);
    i8x_json_put_u64(tasks, "looked_at", e->looked_at);
    i8x_json_put_u64(json, "workers", i8x_sched_worker_count(e->daemon->sched));
    i8x_json *reasons = i8x_json_put_list(json, "reasons");
    for (int i = 0; i < e->group_count; i++)
        put_group(e, &e->groups[i], i8x_json_put_object(reasons, NULL));
}

static void explain_job(i8x_http_request *request, i8x_study_job *job)
{
    i8x_json *json = NULL;
    explanation *e = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *e);
    if (e == NULL || i8x_json_object(&json) != I8X_OK) {
        i8x_http_reply_error(request);
    } else {
        e->daemon = i8x_api_daemon(request);
        e->job = job;
        e->now_ms = i8x_daemon_now_ms(e->daemon);
        for (int index = 0; job->plan != NULL && index < job->handed_count; index++)
            look_at(e, index);
        for (int kind = 0; job->plan == NULL && kind < I8X_TASK_KIND_COUNT; kind++)
            e->done += job->stages[kind].done; /* it has ended */
        put_explanation(e, json);
        i8x_api_reply_json(request, 200, json);
    }
    i8x_alloc_free(i8x_alloc_heap(), e, e != NULL ? sizeof *e : 0);
}

void i8x_api_jobs_explain(i8x_http_request *request)
{
    i8x_api_with_job(request, explain_job);
}

/* ---- at submit ---- */

/* Kinds that every job of this recipe has; what inspect finds out may ask for more. */
static uint32_t kinds_of(const i8x_job *job)
{
    uint32_t kinds = 1u << I8X_TASK_INSPECT | 1u << I8X_TASK_PREPARE | 1u << I8X_TASK_CALIBRATE |
                     1u << I8X_TASK_SOLVE | 1u << I8X_TASK_QUANTIZE | 1u << I8X_TASK_ASSEMBLE |
                     1u << I8X_TASK_REPORT;
    if (job->eval.size_bytes > 0)
        kinds |= 1u << I8X_TASK_EVALUATE;
    return kinds;
}

void i8x_api_put_warnings(const i8x_daemon *daemon, const i8x_job *job, i8x_json *json)
{
    i8x_json *list = i8x_json_put_list(json, "warnings");
    size_t count = i8x_sched_worker_count(daemon->sched);
    char text[200];
    if (count == 0) {
        i8x_json_put_text(list, NULL, "no worker is connected: the job waits until one joins");
        return;
    }
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++) {
        if ((kinds_of(job) >> kind & 1) == 0 ||
            i8x_sched_able_count(daemon->sched, (i8x_task_kind)kind) > 0)
            continue;
        snprintf(text, sizeof text,
                 "none of the %zu connected workers can do tasks of kind '%s' (revision %d): the "
                 "job waits there until one joins that can",
                 count, i8x_task_kind_name((i8x_task_kind)kind),
                 i8x_task_kind_revision((i8x_task_kind)kind));
        i8x_json_put_text(list, NULL, text);
    }
}
