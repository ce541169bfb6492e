/* SPDX-License-Identifier: Apache-2.0
 *
 * The tasks of a job: what became of each, who works on it, how its last attempt failed; a dead one
 * (the job's dead letter) with the last words of the process. For an open job the states come from
 * the plan and the scheduler; for an ended one from the marks that it left in the ledger. Results
 * and failures are read on the reader's thread.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/http/api.h"
#include "daemon/http/cursor.h"
#include "daemon/hub.h"
#include "int8x/alloc.h"
#include "proto/limits.h"

#define PAGE_ARENA_MAX ((size_t)64 << 20)

typedef enum task_state {
#define X(name, text) TASK_##name,
    I8X_API_TASK_STATE_LIST(X)
#undef X
        TASK_STATE_COUNT
} task_state;

static const char *const state_names[TASK_STATE_COUNT] = {
#define X(name, text) text,
    I8X_API_TASK_STATE_LIST(X)
#undef X
};

typedef struct task_row {
    int index;
    i8x_task_kind kind;
    task_state state;
    i8x_digest key;
    const char *worker; /* NULL = none */
    bool measured, cached;
    uint64_t wall_ns;
    int failures;
    const char *cause, *failed_on, *detail, *tail; /* of the last failure */
    i8x_status status;
} task_row;

typedef struct tasks_page {
    i8x_http_request *request;
    char id[I8X_JOB_ID_SIZE];
    bool open;
    int wanted; /* state, or -1 = any */
    int first, limit;
    int next; /* index of the next page; -1 = there is none */
    i8x_arena *arena;
    task_row *rows;
    int count;
    i8x_json *json;
    i8x_status status;
    i8x_error error;
} tasks_page;

static void free_page(void *state)
{
    tasks_page *page = state;
    i8x_json_free(page->json);
    i8x_arena_free(page->arena);
    i8x_alloc_free(i8x_alloc_heap(), page, sizeof *page);
}

static bool is_marked(const uint8_t *mark)
{
    static const i8x_digest none;
    return memcmp(mark + 1, none.bytes, I8X_DIGEST_SIZE) != 0;
}

/* ---- an open job, on the loop ---- */

static const char *worker_of(i8x_daemon *daemon, uint64_t session, i8x_arena *arena)
{
    for (const i8x_hub_worker *worker = i8x_hub_workers(daemon->hub); worker != NULL;
         worker = worker->next)
        if (worker->session == session)
            return i8x_arena_string(arena, worker->id);
    return NULL;
}

static void look_at_open(i8x_daemon *daemon, const i8x_study_job *job, i8x_arena *arena,
                         task_row *row)
{
    static const task_state by_sched[I8X_SCHED_STATE_COUNT] = {
        [I8X_SCHED_READY] = TASK_READY,
        [I8X_SCHED_LEASED] = TASK_LEASED,
        [I8X_SCHED_WAITING] = TASK_WAITING,
        [I8X_SCHED_COMMITTING] = TASK_COMMITTING,
        [I8X_SCHED_AUDIT_WAITING] = TASK_COMMITTING, /* on the way to the plan */
        [I8X_SCHED_AUDITING] = TASK_COMMITTING,
    };
    static const task_state by_plan[] = {
        [I8X_PLAN_WAITING] = TASK_BLOCKED,
        [I8X_PLAN_READY] = TASK_READY,
        [I8X_PLAN_DONE] = TASK_DONE,
    };
    row->state = by_plan[i8x_plan_task_state(job->plan, row->index)];
    if (row->state != TASK_READY)
        return;
    i8x_sched_task_view view;
    if (job->handed[row->index] == NULL) {
        row->state = job->holding ? TASK_HELD : TASK_READY;
    } else if (i8x_sched_task(daemon->sched, &row->key, &view)) {
        row->state = by_sched[view.state];
        row->worker = view.lease_count > 0 ? worker_of(daemon, view.leases[0].worker, arena) : NULL;
    }
}

static void take_open(tasks_page *page, const i8x_study_job *job)
{
    i8x_daemon *daemon = i8x_api_daemon(page->request);
    int index = page->first, end = page->first + I8X_TASKS_SCAN_MAX;
    for (; index < job->handed_count && index < end && page->count < page->limit; index++) {
        const uint8_t *mark = job->marks + (size_t)index * I8X_TASK_MARK_SIZE;
        task_row row = {.index = index, .kind = (i8x_task_kind)mark[0]};
        memcpy(row.key.bytes, mark + 1, I8X_DIGEST_SIZE);
        look_at_open(daemon, job, page->arena, &row);
        if (page->wanted < 0 || page->wanted == (int)row.state)
            page->rows[page->count++] = row;
    }
    page->next = index < job->handed_count ? index : -1;
}

/* ---- on the reader's thread ---- */

typedef struct failure_room {
    i8x_arena *arena;
    task_row *row;
    bool given_up;
} failure_room;

/* The last one stays; that the task was given up is no attempt of its own. */
static i8x_status take_failure(void *user, const i8x_failure_row *failure)
{
    failure_room *room = user;
    task_row *row = room->row;
    room->given_up = strcmp(failure->cause, I8X_STUDY_GIVEN_UP) == 0;
    if (room->given_up && row->failures > 0)
        return I8X_OK;
    row->failures += !room->given_up;
    row->status = failure->status;
    row->cause = i8x_arena_string(room->arena, failure->cause);
    row->failed_on = i8x_arena_string(room->arena, failure->worker);
    row->detail = i8x_arena_string(room->arena, failure->detail);
    row->tail = i8x_arena_string(room->arena, failure->tail);
    I8X_ENSURE(row->cause != NULL && row->failed_on != NULL && row->detail != NULL &&
                   row->tail != NULL,
               I8X_ENOMEM, "no memory for a page of tasks");
    return I8X_OK;
}

static i8x_status read_result(i8x_ledger_view *view, tasks_page *page, task_row *row)
{
    i8x_result_row got;
    i8x_task_result result = {0};
    char worker[I8X_WIRE_NAME_MAX + 1] = "";
    i8x_arena_mark mark = i8x_arena_mark_get(page->arena); /* the result's bytes go again */
    i8x_status status = i8x_ledger_get_result(view, &row->key, page->arena, &got);
    if (status == I8X_OK)
        status = i8x_task_result_decode(got.bytes, got.size, &result);
    if (status == I8X_OK) {
        snprintf(worker, sizeof worker, "%s", got.worker);
        row->state = TASK_DONE;
        row->cached = strcmp(got.job, page->id) != 0;
        row->wall_ns = result.measure.wall_ns;
        row->measured = true;
    }
    i8x_task_result_deinit(&result);
    i8x_arena_rewind(page->arena, mark);
    I8X_TRY(status);
    row->worker = i8x_arena_string(page->arena, worker);
    return i8x_alloc_check(row->worker);
}

/* What the ledger knows of a task. */
static i8x_status read_task(i8x_ledger_view *view, tasks_page *page, task_row *row)
{
    bool ended = !page->open;
    failure_room room = {page->arena, row, false};
    I8X_TRY(i8x_ledger_each_failure(view, &row->key, take_failure, &room));
    if (ended || row->state == TASK_DONE) {
        i8x_status status = read_result(view, page, row);
        if (status != I8X_ENOENT)
            return status;
        if (ended)
            row->state = room.given_up ? TASK_DEAD : TASK_DROPPED;
    }
    return I8X_OK;
}

static i8x_status take_ended(i8x_ledger_view *view, tasks_page *page)
{
    const uint8_t *marks;
    int got, total, i = 0;
    I8X_TRY(i8x_ledger_get_marks(view, page->id, page->first, I8X_TASKS_SCAN_MAX, page->arena,
                                 &marks, &got, &total));
    for (; i < got && page->count < page->limit; i++) {
        const uint8_t *mark = marks + (size_t)i * I8X_TASK_MARK_SIZE;
        task_row row = {
            .index = page->first + i, .kind = (i8x_task_kind)mark[0], .state = TASK_DROPPED};
        memcpy(row.key.bytes, mark + 1, I8X_DIGEST_SIZE);
        if (is_marked(mark))
            I8X_TRY(read_task(view, page, &row));
        if (page->wanted < 0 || page->wanted == (int)row.state)
            page->rows[page->count++] = row;
    }
    page->next = page->first + i < total ? page->first + i : -1;
    return I8X_OK;
}

static i8x_status fill_open(i8x_ledger_view *view, tasks_page *page)
{
    for (int i = 0; i < page->count; i++)
        if (page->rows[i].state != TASK_BLOCKED)
            I8X_TRY(read_task(view, page, &page->rows[i]));
    return I8X_OK;
}

static void put_failure(i8x_json *json, const task_row *row)
{
    char type[64];
    snprintf(type, sizeof type, "urn:int8x:status:%s", i8x_status_name(row->status));
    i8x_json *error = i8x_json_put_object(json, "error");
    i8x_json_put_text(error, "type", type);
    i8x_json_put_text(error, "title", i8x_status_sentence(row->status));
    i8x_json_put_u64(error, "status", (uint64_t)i8x_status_http(row->status));
    i8x_json_put_text(error, "detail", row->detail);
    i8x_json_put_text(error, "cause", row->cause);
    if (row->failed_on[0] != 0)
        i8x_json_put_text(error, "worker", row->failed_on);
    if (row->tail[0] != 0)
        i8x_json_put_text(error, "tail", row->tail);
}

static i8x_status print_page(tasks_page *page)
{
    I8X_TRY(i8x_json_object(&page->json));
    i8x_json *list = i8x_json_put_list(page->json, "tasks");
    for (int i = 0; i < page->count; i++) {
        const task_row *row = &page->rows[i];
        bool now = row->state == TASK_LEASED || row->state == TASK_COMMITTING || row->measured;
        i8x_json *json = i8x_json_put_object(list, NULL);
        i8x_json_put_u64(json, "task", (uint64_t)row->index);
        i8x_json_put_text(json, "kind", i8x_task_kind_name(row->kind));
        i8x_json_put_text(json, "state", state_names[row->state]);
        i8x_json_put_u64(json, "attempts", (uint64_t)row->failures + now);
        if (row->worker != NULL)
            i8x_json_put_text(json, "worker", row->worker);
        if (row->measured) {
            i8x_json_put_bool(json, "cached", row->cached);
            i8x_json_put_u64(json, "wall_ms", row->wall_ns / 1000000);
        }
        if (row->cause != NULL)
            put_failure(json, row);
    }
    char text[I8X_CURSOR_SIZE];
    if (page->next >= 0)
        i8x_json_put_text(page->json, "next", i8x_cursor_print_number('t', page->next, text));
    else
        i8x_json_put_null(page->json, "next");
    return I8X_OK;
}

static void read_page(void *state, i8x_ledger_view *view)
{
    tasks_page *page = state;
    page->status = page->open ? fill_open(view, page) : take_ended(view, page);
    if (page->status == I8X_OK)
        page->status = print_page(page);
    if (page->status != I8X_OK)
        page->error = *i8x_last_error();
}

static void page_read(void *state)
{
    tasks_page *page = state;
    if (page->status == I8X_OK)
        i8x_api_reply_json(page->request, 200, page->json);
    else
        i8x_http_reply_problem(page->request, page->status, 0, page->error.detail);
    if (page->status == I8X_OK)
        page->json = NULL; /* gone with the answer */
    free_page(page);
}

/* ---- the handler ---- */

/* False and answered if the query is wrong. */
static bool read_query(i8x_http_request *request, tasks_page *page)
{
    uint64_t limit;
    int64_t first;
    if (!i8x_api_query_limit(request, I8X_TASKS_LIST_MAX, &limit) ||
        !i8x_api_query_cursor(request, 't', 0, &first))
        return false;
    page->limit = (int)limit;
    page->first = first >= 0 && first <= I8X_PLAN_TASKS_MAX ? (int)first : I8X_PLAN_TASKS_MAX;
    const char *state = i8x_http_query(request, "state");
    page->wanted = -1;
    if (state == NULL)
        return true;
    page->wanted = 0;
    while (page->wanted < TASK_STATE_COUNT && strcmp(state_names[page->wanted], state) != 0)
        page->wanted++;
    if (page->wanted < TASK_STATE_COUNT)
        return true;
    i8x_http_reply_problem(request, I8X_EARG, 0,
                           "?state= is blocked, ready, held, leased, waiting, committing, done, "
                           "dead or dropped");
    return false;
}

static i8x_status begin_page(tasks_page *page, const i8x_study_job *job)
{
    snprintf(page->id, sizeof page->id, "%s", job->id);
    I8X_TRY(i8x_arena_new(NULL, PAGE_ARENA_MAX, &page->arena));
    page->rows = i8x_arena_array(page->arena, (size_t)page->limit, sizeof *page->rows);
    I8X_TRY(i8x_alloc_check(page->rows));
    page->open = job->plan != NULL && !job->ending;
    if (page->open)
        take_open(page, job);
    return I8X_OK;
}

static void send_tasks(i8x_http_request *request, i8x_study_job *job)
{
    tasks_page *page = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *page);
    I8X_ASSERT(page != NULL);
    page->request = request;
    if (!read_query(request, page)) {
        free_page(page);
        return;
    }
    if (begin_page(page, job) == I8X_OK) {
        i8x_api_read(request, read_page, page_read, free_page, page);
        return;
    }
    i8x_http_reply_error(request);
    free_page(page);
}

void i8x_api_jobs_tasks(i8x_http_request *request)
{
    i8x_api_with_job(request, send_tasks);
}
