/* SPDX-License-Identifier: Apache-2.0
 *
 * Views of the ledger, and the reader's thread. Queries are rows of a table, prepared when a view
 * first uses them. A read on the reader's thread is wrapped into a transaction, so that all it asks
 * comes from one snapshot; with WAL it neither waits for the writer nor holds it up.
 */
#include <pthread.h>
#include <string.h>

#include "daemon/ledger/ledger_schema.h"
#include "daemon/ledger/sqlite.h"
#include "int8x/alloc.h"
#include "int8x/clock.h"
#include "int8x/log.h"
#include "proto/limits.h"

#define JOB_COLUMNS                                                                                \
    "id, sequence, created_ms, finished_ms, state, status, detail, artifact, artifact_bytes,"      \
    " report, report_bytes, stages, name, owner, priority, version, tail, suspect,"                \
    " (SELECT sweep FROM trials WHERE trials.job=jobs.id)"
#define SWEEP_COLUMNS                                                                              \
    "id, sequence, created_ms, finished_ms, state, name, owner, request,"                          \
    " (SELECT count(*) FROM trials JOIN jobs ON jobs.id=trials.job"                                \
    " WHERE trials.sweep=sweeps.id AND jobs.state IN (1, 2, 3))"
#define EVENT_COLUMNS "sequence, job, time_ms, type, body"

enum { JOB_BYTES = 19 }; /* the column behind JOB_COLUMNS */

typedef enum query {
    BEGIN,
    END,
    OPEN_JOBS,
    ONE_JOB,
    JOBS,
    JOBS_BY_STATE,
    JOBS_BY_NAME,
    JOBS_BY_BOTH,
    COUNT_JOBS,
    MARKS,
    STANDINGS,
    KNOWS_WORKER,
    JOBS_OF_WORKER,
    EVENTS,
    EVENTS_OF_JOB,
    EVENT_SPAN,
    FAILURES,
    REQUESTS,
    RESULT,
    OPEN_SWEEPS,
    ONE_SWEEP,
    SWEEPS,
    TRIALS,
    LAST_SWEEP,
    QUERY_COUNT
} query;

static const char *const queries[QUERY_COUNT] = {
    [BEGIN] = "BEGIN",
    [END] = "COMMIT",
    [OPEN_JOBS] = "SELECT " JOB_COLUMNS ", job FROM jobs WHERE state IN (0, 4) ORDER BY sequence",
    [ONE_JOB] = "SELECT " JOB_COLUMNS ", job FROM jobs WHERE id=?",
    [JOBS] = "SELECT " JOB_COLUMNS ", NULL FROM jobs WHERE sequence<?1"
             " ORDER BY sequence DESC LIMIT ?2",
    [JOBS_BY_STATE] = "SELECT " JOB_COLUMNS ", NULL FROM jobs WHERE sequence<?1 AND state=?3"
                      " ORDER BY sequence DESC LIMIT ?2",
    [JOBS_BY_NAME] = "SELECT " JOB_COLUMNS ", NULL FROM jobs WHERE sequence<?1 AND name=?4"
                     " ORDER BY sequence DESC LIMIT ?2",
    [JOBS_BY_BOTH] = "SELECT " JOB_COLUMNS ", NULL FROM jobs WHERE sequence<?1 AND state=?3"
                     " AND name=?4 ORDER BY sequence DESC LIMIT ?2",
    [COUNT_JOBS] = "SELECT state, count(*), max(sequence) FROM jobs GROUP BY state",
    [MARKS] = "SELECT coalesce(length(marks),0), substr(marks, ?2, ?3) FROM jobs WHERE id=?1",
    [STANDINGS] = "SELECT worker, kind, reason, by_whom, since_ms FROM standings",
    [KNOWS_WORKER] = "SELECT EXISTS(SELECT 1 FROM job_workers WHERE worker=?)",
    [JOBS_OF_WORKER] = "SELECT jobs.id FROM job_workers JOIN jobs ON jobs.id=job_workers.job"
                       " WHERE job_workers.worker=? AND jobs.state=1",
    [EVENTS] = "SELECT " EVENT_COLUMNS " FROM events WHERE sequence>?1 ORDER BY sequence LIMIT ?2",
    [EVENTS_OF_JOB] = "SELECT " EVENT_COLUMNS " FROM events WHERE job=?3 AND sequence>?1"
                      " ORDER BY sequence LIMIT ?2",
    [EVENT_SPAN] = "SELECT coalesce(min(sequence),0), coalesce(max(sequence),0) FROM events",
    [FAILURES] = "SELECT time_ms, worker, cause, status, detail, tail FROM failures WHERE key=?"
                 " ORDER BY id",
    [REQUESTS] = "SELECT key, body, job, created_ms FROM requests ORDER BY created_ms",
    [RESULT] = "SELECT kind, job, worker, arch, result, state FROM tasks WHERE key=?",
    [OPEN_SWEEPS] = "SELECT " SWEEP_COLUMNS " FROM sweeps WHERE state=0 ORDER BY sequence",
    [ONE_SWEEP] = "SELECT " SWEEP_COLUMNS " FROM sweeps WHERE id=?",
    [SWEEPS] = "SELECT " SWEEP_COLUMNS " FROM sweeps WHERE sequence<?1"
               " ORDER BY sequence DESC LIMIT ?2",
    [TRIALS] =
        "SELECT trial, trials.job, state, detail, artifact, artifact_bytes, report, report_bytes,"
        " point FROM trials JOIN jobs ON jobs.id=trials.job WHERE sweep=? ORDER BY trial",
    [LAST_SWEEP] = "SELECT coalesce(max(sequence),0) FROM sweeps",
};

_Static_assert(QUERY_COUNT <= I8X_SQLITE_QUERY_MAX, "room for the statements of a view");

/* ---- views ---- */

i8x_status i8x_sqlite_view_open(const char *path, i8x_ledger_view *view)
{
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX;
    if (sqlite3_open_v2(path, &view->db, flags, NULL) != SQLITE_OK)
        return i8x_sqlite_failed(view->db, path);
    sqlite3_busy_timeout(view->db, I8X_SQLITE_BUSY_MS);
    return I8X_OK;
}

void i8x_sqlite_view_close(i8x_ledger_view *view)
{
    for (int i = 0; i < QUERY_COUNT; i++)
        sqlite3_finalize(view->queries[i]);
    sqlite3_close(view->db);
}

static i8x_status prepare(i8x_ledger_view *view, query which, sqlite3_stmt **stmt)
{
    if (view->queries[which] == NULL &&
        sqlite3_prepare_v3(view->db, queries[which], -1, SQLITE_PREPARE_PERSISTENT,
                           &view->queries[which], NULL) != SQLITE_OK)
        return i8x_sqlite_failed(view->db, queries[which]);
    *stmt = view->queries[which];
    return I8X_OK;
}

static void step(i8x_ledger_view *view, query which)
{
    sqlite3_stmt *stmt = NULL;
    if (prepare(view, which, &stmt) != I8X_OK)
        return; /* the reads that follow say why */
    sqlite3_step(stmt);
    sqlite3_reset(stmt);
}

void i8x_ledger_hold(i8x_ledger_view *view)
{
    step(view, BEGIN);
}

void i8x_ledger_let(i8x_ledger_view *view)
{
    step(view, END);
}

/* Goes through the rows of a bound statement; visit reads one row. */
typedef i8x_status (*visit_fn)(sqlite3_stmt *stmt, void *user);
static i8x_status walk(i8x_ledger_view *view, sqlite3_stmt *stmt, visit_fn visit, void *user)
{
    i8x_status status = I8X_OK;
    int code = SQLITE_ROW;
    while (status == I8X_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW)
        status = visit(stmt, user);
    if (status == I8X_OK && code != SQLITE_DONE)
        status = i8x_sqlite_failed(view->db, "read");
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return status;
}

/* What a walk hands on: the caller's function and how many rows there were. */
typedef struct visitor {
    void (*each)(void);
    void *user;
    int count;
} visitor;

static i8x_blob_ref column_ref(sqlite3_stmt *stmt, int column)
{
    i8x_blob_ref ref = {.whole = true};
    if (sqlite3_column_bytes(stmt, column) == I8X_DIGEST_SIZE)
        memcpy(ref.digest.bytes, sqlite3_column_blob(stmt, column), I8X_DIGEST_SIZE);
    ref.size_bytes = (uint64_t)sqlite3_column_int64(stmt, column + 1);
    return ref;
}

static i8x_digest column_digest(sqlite3_stmt *stmt, int column)
{
    i8x_digest digest = {{0}};
    if (sqlite3_column_bytes(stmt, column) == I8X_DIGEST_SIZE)
        memcpy(digest.bytes, sqlite3_column_blob(stmt, column), I8X_DIGEST_SIZE);
    return digest;
}

static const char *column_text(sqlite3_stmt *stmt, int column)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    return text != NULL ? (const char *)text : "";
}

/* ---- jobs ---- */

static i8x_status visit_job(sqlite3_stmt *stmt, void *user)
{
    visitor *to = user;
    i8x_job_row row = {.id = column_text(stmt, 0),
                       .sequence = sqlite3_column_int64(stmt, 1),
                       .created_ms = sqlite3_column_int64(stmt, 2),
                       .finished_ms = sqlite3_column_int64(stmt, 3),
                       .state = (i8x_job_state)sqlite3_column_int(stmt, 4),
                       .status = i8x_status_from_name(column_text(stmt, 5)),
                       .detail = column_text(stmt, 6),
                       .artifact = column_ref(stmt, 7),
                       .report = column_ref(stmt, 9),
                       .stages = sqlite3_column_blob(stmt, 11),
                       .name = column_text(stmt, 12),
                       .owner = column_text(stmt, 13),
                       .priority = sqlite3_column_int(stmt, 14),
                       .version = sqlite3_column_int64(stmt, 15),
                       .tail = column_text(stmt, 16),
                       .suspect = column_text(stmt, 17),
                       .sweep = column_text(stmt, 18),
                       .bytes = sqlite3_column_blob(stmt, JOB_BYTES)};
    row.stages_size = (size_t)sqlite3_column_bytes(stmt, 11);
    row.size = (size_t)sqlite3_column_bytes(stmt, JOB_BYTES);
    I8X_ENSURE((unsigned)row.state < I8X_JOB_STATE_COUNT, I8X_ECORRUPT,
               "job %s of the ledger has the state %d", row.id, (int)row.state);
    to->count++;
    return ((i8x_ledger_job_cb)to->each)(to->user, &row);
}

i8x_status i8x_ledger_each_open_job(i8x_ledger_view *view, i8x_ledger_job_cb each, void *user)
{
    sqlite3_stmt *stmt = NULL;
    I8X_TRY(prepare(view, OPEN_JOBS, &stmt));
    return walk(view, stmt, visit_job, &(visitor){(void (*)(void))each, user, 0});
}

i8x_status i8x_ledger_get_job(i8x_ledger_view *view, const char *id, i8x_ledger_job_cb each,
                              void *user)
{
    sqlite3_stmt *stmt = NULL;
    I8X_TRY(prepare(view, ONE_JOB, &stmt));
    sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
    visitor to = {(void (*)(void))each, user, 0};
    I8X_TRY(walk(view, stmt, visit_job, &to));
    I8X_ENSURE(to.count > 0, I8X_ENOENT, "no job of that id");
    return I8X_OK;
}

i8x_status i8x_ledger_page_jobs(i8x_ledger_view *view, const i8x_job_filter *filter,
                                i8x_ledger_job_cb each, void *user)
{
    bool by_state = filter->state >= 0, by_name = filter->name != NULL;
    sqlite3_stmt *stmt = NULL;
    I8X_TRY(prepare(view,
                    by_state && by_name ? JOBS_BY_BOTH
                    : by_state          ? JOBS_BY_STATE
                    : by_name           ? JOBS_BY_NAME
                                        : JOBS,
                    &stmt));
    sqlite3_bind_int64(stmt, 1, filter->before);
    sqlite3_bind_int(stmt, 2, filter->limit);
    if (by_state)
        sqlite3_bind_int(stmt, 3, filter->state);
    if (by_name)
        sqlite3_bind_text(stmt, 4, filter->name, -1, SQLITE_STATIC);
    return walk(view, stmt, visit_job, &(visitor){(void (*)(void))each, user, 0});
}

static i8x_status visit_count(sqlite3_stmt *stmt, void *user)
{
    i8x_job_totals *totals = user;
    int state = sqlite3_column_int(stmt, 0);
    int64_t last = sqlite3_column_int64(stmt, 2);
    if (state >= 0 && state < I8X_JOB_STATE_COUNT)
        totals->counts[state] = sqlite3_column_int64(stmt, 1);
    totals->last_sequence = last > totals->last_sequence ? last : totals->last_sequence;
    return I8X_OK;
}

i8x_status i8x_ledger_count_jobs(i8x_ledger_view *view, i8x_job_totals *totals)
{
    memset(totals, 0, sizeof *totals);
    sqlite3_stmt *stmt = NULL;
    I8X_TRY(prepare(view, COUNT_JOBS, &stmt));
    return walk(view, stmt, visit_count, totals);
}

typedef struct marks_room {
    i8x_arena *arena;
    const uint8_t *marks;
    int got, total;
    bool found;
} marks_room;

static i8x_status visit_marks(sqlite3_stmt *stmt, void *user)
{
    marks_room *room = user;
    size_t size = (size_t)sqlite3_column_bytes(stmt, 1);
    room->found = true;
    room->total = sqlite3_column_int(stmt, 0) / I8X_TASK_MARK_SIZE;
    room->got = (int)(size / I8X_TASK_MARK_SIZE);
    room->marks = i8x_arena_copy(room->arena, sqlite3_column_blob(stmt, 1), size);
    return i8x_alloc_check(room->marks);
}

i8x_status i8x_ledger_get_marks(i8x_ledger_view *view, const char *id, int first, int count,
                                i8x_arena *arena, const uint8_t **marks, int *got, int *total)
{
    sqlite3_stmt *stmt = NULL;
    I8X_TRY(prepare(view, MARKS, &stmt));
    sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, (int64_t)first * I8X_TASK_MARK_SIZE + 1);
    sqlite3_bind_int64(stmt, 3, (int64_t)count * I8X_TASK_MARK_SIZE);
    marks_room room = {.arena = arena};
    I8X_TRY(walk(view, stmt, visit_marks, &room));
    I8X_ENSURE(room.found, I8X_ENOENT, "no job of that id");
    *marks = room.marks;
    *got = room.got;
    *total = room.total;
    return I8X_OK;
}

static i8x_status visit_text(sqlite3_stmt *stmt, void *user)
{
    const visitor *to = user;
    return ((i8x_ledger_text_cb)to->each)(to->user, column_text(stmt, 0));
}

i8x_status i8x_ledger_each_job_of_worker(i8x_ledger_view *view, const char *worker,
                                         i8x_ledger_text_cb each, void *user)
{
    sqlite3_stmt *stmt = NULL;
    I8X_TRY(prepare(view, JOBS_OF_WORKER, &stmt));
    sqlite3_bind_text(stmt, 1, worker, -1, SQLITE_STATIC);
    return walk(view, stmt, visit_text, &(visitor){(void (*)(void))each, user, 0});
}

/* ---- sweeps ---- */

static i8x_status visit_sweep(sqlite3_stmt *stmt, void *user)
{
    visitor *to = user;
    i8x_sweep_record row = {.id = column_text(stmt, 0),
                            .sequence = sqlite3_column_int64(stmt, 1),
                            .created_ms = sqlite3_column_int64(stmt, 2),
                            .finished_ms = sqlite3_column_int64(stmt, 3),
                            .state = (i8x_job_state)sqlite3_column_int(stmt, 4),
                            .name = column_text(stmt, 5),
                            .owner = column_text(stmt, 6),
                            .request = column_text(stmt, 7),
                            .ended = sqlite3_column_int(stmt, 8)};
    to->count++;
    return ((i8x_ledger_sweep_cb)to->each)(to->user, &row);
}

i8x_status i8x_ledger_each_open_sweep(i8x_ledger_view *view, i8x_ledger_sweep_cb each, void *user)
{
    sqlite3_stmt *stmt = NULL;
    I8X_TRY(prepare(view, OPEN_SWEEPS, &stmt));
    return walk(view, stmt, visit_sweep, &(visitor){(void (*)(void))each, user, 0});
}

i8x_status i8x_ledger_get_sweep(i8x_ledger_view *view, const char *id, i8x_ledger_sweep_cb each,
                                void *user)
{
    sqlite3_stmt *stmt = NULL;
    visitor to = {(void (*)(void))each, user, 0};
    I8X_TRY(prepare(view, ONE_SWEEP, &stmt));
    sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
    I8X_TRY(walk(view, stmt, visit_sweep, &to));
    I8X_ENSURE(to.count > 0, I8X_ENOENT, "no sweep of that id");
    return I8X_OK;
}

i8x_status i8x_ledger_page_sweeps(i8x_ledger_view *view, int64_t before, int limit,
                                  i8x_ledger_sweep_cb each, void *user)
{
    sqlite3_stmt *stmt = NULL;
    I8X_TRY(prepare(view, SWEEPS, &stmt));
    sqlite3_bind_int64(stmt, 1, before);
    sqlite3_bind_int(stmt, 2, limit);
    return walk(view, stmt, visit_sweep, &(visitor){(void (*)(void))each, user, 0});
}

static i8x_status visit_trial(sqlite3_stmt *stmt, void *user)
{
    const visitor *to = user;
    i8x_trial_record row = {.trial = sqlite3_column_int(stmt, 0),
                            .job = column_text(stmt, 1),
                            .state = (i8x_job_state)sqlite3_column_int(stmt, 2),
                            .detail = column_text(stmt, 3),
                            .artifact = column_ref(stmt, 4),
                            .report = column_ref(stmt, 6)};
    if (sqlite3_column_bytes(stmt, 8) == I8X_SWEEP_POINT_SIZE)
        row.point = sqlite3_column_blob(stmt, 8);
    return ((i8x_ledger_trial_cb)to->each)(to->user, &row);
}

i8x_status i8x_ledger_each_trial(i8x_ledger_view *view, const char *sweep, i8x_ledger_trial_cb each,
                                 void *user)
{
    sqlite3_stmt *stmt = NULL;
    I8X_TRY(prepare(view, TRIALS, &stmt));
    sqlite3_bind_text(stmt, 1, sweep, -1, SQLITE_STATIC);
    return walk(view, stmt, visit_trial, &(visitor){(void (*)(void))each, user, 0});
}

static i8x_status visit_number(sqlite3_stmt *stmt, void *user)
{
    *(int64_t *)user = sqlite3_column_int64(stmt, 0);
    return I8X_OK;
}

i8x_status i8x_ledger_last_sweep(i8x_ledger_view *view, int64_t *sequence)
{
    sqlite3_stmt *stmt = NULL;
    I8X_TRY(prepare(view, LAST_SWEEP, &stmt));
    return walk(view, stmt, visit_number, sequence);
}

static i8x_status visit_standing(sqlite3_stmt *stmt, void *user)
{
    const visitor *to = user;
    i8x_standing_row row = {.worker = column_text(stmt, 0),
                            .kind = (i8x_standing_kind)sqlite3_column_int(stmt, 1),
                            .reason = column_text(stmt, 2),
                            .by = column_text(stmt, 3),
                            .since_ms = sqlite3_column_int64(stmt, 4)};
    I8X_ENSURE((unsigned)row.kind < I8X_STANDING_COUNT, I8X_ECORRUPT,
               "worker %s of the ledger has the standing %d", row.worker, (int)row.kind);
    return ((i8x_ledger_standing_cb)to->each)(to->user, &row);
}

i8x_status i8x_ledger_each_standing(i8x_ledger_view *view, i8x_ledger_standing_cb each, void *user)
{
    sqlite3_stmt *stmt = NULL;
    I8X_TRY(prepare(view, STANDINGS, &stmt));
    return walk(view, stmt, visit_standing, &(visitor){(void (*)(void))each, user, 0});
}

static i8x_status visit_truth(sqlite3_stmt *stmt, void *user)
{
    *(bool *)user = sqlite3_column_int(stmt, 0) != 0;
    return I8X_OK;
}

i8x_status i8x_ledger_knows_worker(i8x_ledger_view *view, const char *worker, bool *known)
{
    sqlite3_stmt *stmt = NULL;
    *known = false;
    I8X_TRY(prepare(view, KNOWS_WORKER, &stmt));
    sqlite3_bind_text(stmt, 1, worker, -1, SQLITE_STATIC);
    return walk(view, stmt, visit_truth, known);
}

/* ---- events, failures, requests, results ---- */

static i8x_status visit_event(sqlite3_stmt *stmt, void *user)
{
    const visitor *to = user;
    i8x_event_row row = {.sequence = sqlite3_column_int64(stmt, 0),
                         .job = column_text(stmt, 1),
                         .time_ms = sqlite3_column_int64(stmt, 2),
                         .type = column_text(stmt, 3),
                         .body = column_text(stmt, 4)};
    return ((i8x_ledger_event_cb)to->each)(to->user, &row);
}

i8x_status i8x_ledger_page_events(i8x_ledger_view *view, const char *job, int64_t after, int limit,
                                  i8x_ledger_event_cb each, void *user)
{
    sqlite3_stmt *stmt = NULL;
    I8X_TRY(prepare(view, job != NULL ? EVENTS_OF_JOB : EVENTS, &stmt));
    sqlite3_bind_int64(stmt, 1, after);
    sqlite3_bind_int(stmt, 2, limit);
    if (job != NULL)
        sqlite3_bind_text(stmt, 3, job, -1, SQLITE_STATIC);
    return walk(view, stmt, visit_event, &(visitor){(void (*)(void))each, user, 0});
}

static i8x_status visit_span(sqlite3_stmt *stmt, void *user)
{
    int64_t *span = user;
    span[0] = sqlite3_column_int64(stmt, 0);
    span[1] = sqlite3_column_int64(stmt, 1);
    return I8X_OK;
}

i8x_status i8x_ledger_event_span(i8x_ledger_view *view, int64_t *first, int64_t *last)
{
    int64_t span[2] = {0, 0};
    sqlite3_stmt *stmt = NULL;
    I8X_TRY(prepare(view, EVENT_SPAN, &stmt));
    I8X_TRY(walk(view, stmt, visit_span, span));
    *first = span[0];
    *last = span[1];
    return I8X_OK;
}

static i8x_status visit_failure(sqlite3_stmt *stmt, void *user)
{
    const visitor *to = user;
    i8x_failure_row row = {.time_ms = sqlite3_column_int64(stmt, 0),
                           .worker = column_text(stmt, 1),
                           .cause = column_text(stmt, 2),
                           .status = i8x_status_from_name(column_text(stmt, 3)),
                           .detail = column_text(stmt, 4),
                           .tail = column_text(stmt, 5)};
    return ((i8x_ledger_failure_cb)to->each)(to->user, &row);
}

i8x_status i8x_ledger_each_failure(i8x_ledger_view *view, const i8x_digest *key,
                                   i8x_ledger_failure_cb each, void *user)
{
    sqlite3_stmt *stmt = NULL;
    I8X_TRY(prepare(view, FAILURES, &stmt));
    sqlite3_bind_blob(stmt, 1, key->bytes, I8X_DIGEST_SIZE, SQLITE_STATIC);
    return walk(view, stmt, visit_failure, &(visitor){(void (*)(void))each, user, 0});
}

static i8x_status visit_request(sqlite3_stmt *stmt, void *user)
{
    const visitor *to = user;
    i8x_request_row row = {.key = column_digest(stmt, 0),
                           .body = column_digest(stmt, 1),
                           .job = column_text(stmt, 2),
                           .created_ms = sqlite3_column_int64(stmt, 3)};
    return ((i8x_ledger_request_cb)to->each)(to->user, &row);
}

i8x_status i8x_ledger_each_request(i8x_ledger_view *view, i8x_ledger_request_cb each, void *user)
{
    sqlite3_stmt *stmt = NULL;
    I8X_TRY(prepare(view, REQUESTS, &stmt));
    return walk(view, stmt, visit_request, &(visitor){(void (*)(void))each, user, 0});
}

typedef struct result_room {
    i8x_arena *arena;
    i8x_result_row *row;
    bool found;
} result_room;

static i8x_status visit_result(sqlite3_stmt *stmt, void *user)
{
    result_room *room = user;
    i8x_arena *arena = room->arena;
    i8x_result_row *row = room->row;
    room->found = true;
    row->size = (size_t)sqlite3_column_bytes(stmt, 4);
    row->kind = i8x_arena_string(arena, column_text(stmt, 0));
    row->job = i8x_arena_string(arena, column_text(stmt, 1));
    row->worker = i8x_arena_string(arena, column_text(stmt, 2));
    row->arch = i8x_arena_string(arena, column_text(stmt, 3));
    row->audit = strcmp(column_text(stmt, 5), I8X_LEDGER_AUDIT) == 0;
    row->bytes = i8x_arena_copy(arena, sqlite3_column_blob(stmt, 4), row->size);
    if (row->kind == NULL || row->job == NULL || row->worker == NULL || row->arch == NULL)
        row->bytes = NULL;
    return i8x_alloc_check(row->bytes);
}

i8x_status i8x_ledger_get_result(i8x_ledger_view *view, const i8x_digest *key, i8x_arena *arena,
                                 i8x_result_row *row)
{
    sqlite3_stmt *stmt = NULL;
    I8X_TRY(prepare(view, RESULT, &stmt));
    sqlite3_bind_blob(stmt, 1, key->bytes, I8X_DIGEST_SIZE, SQLITE_STATIC);
    result_room room = {arena, row, false};
    row->key = *key;
    I8X_TRY(walk(view, stmt, visit_result, &room));
    I8X_ENSURE(room.found, I8X_ENOENT, "no such result");
    return I8X_OK;
}

/* ---- the reader's thread ---- */

typedef struct read_job {
    struct read_job *next;
    i8x_ledger_read_cb work;
    i8x_ledger_done_cb done;
    void *user;
} read_job;

typedef struct read_list {
    read_job *first, *last;
    int count;
} read_list;

struct i8x_ledger_reader {
    i8x_ledger_view view;
    void (*wake)(void *user);
    void *user;
    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    read_list queue, made; /* from here on under the mutex */
    bool closing;
    uint64_t reads, read_ns;
};

static void list_put(read_list *list, read_job *job)
{
    job->next = NULL;
    if (list->last != NULL)
        list->last->next = job;
    else
        list->first = job;
    list->last = job;
    list->count++;
}

static read_job *list_take(read_list *list)
{
    read_job *job = list->first;
    if (job == NULL)
        return NULL;
    list->first = job->next;
    if (list->first == NULL)
        list->last = NULL;
    list->count--;
    return job;
}

static void list_free(read_list *list)
{
    for (read_job *job; (job = list_take(list)) != NULL;)
        i8x_alloc_free(i8x_alloc_heap(), job, sizeof *job);
}

static void *reader_main(void *user)
{
    i8x_ledger_reader *reader = user;
    pthread_mutex_lock(&reader->mutex);
    for (;;) {
        while (reader->queue.count == 0 && !reader->closing)
            pthread_cond_wait(&reader->filled, &reader->mutex);
        if (reader->closing)
            break;
        read_job *job = list_take(&reader->queue);
        pthread_mutex_unlock(&reader->mutex);
        int64_t start_ns = i8x_clock_now_ns(NULL);
        step(&reader->view, BEGIN);
        job->work(job->user, &reader->view);
        step(&reader->view, END);
        pthread_mutex_lock(&reader->mutex);
        reader->reads++;
        reader->read_ns += (uint64_t)(i8x_clock_now_ns(NULL) - start_ns);
        list_put(&reader->made, job);
        reader->wake(reader->user);
    }
    pthread_mutex_unlock(&reader->mutex);
    return NULL;
}

i8x_status i8x_sqlite_reader_new(const char *path, void (*wake)(void *user), void *user,
                                 i8x_ledger_reader **reader)
{
    i8x_ledger_reader *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->wake = wake;
    made->user = user;
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->filled, NULL);
    i8x_status status = i8x_sqlite_view_open(path, &made->view);
    if (status == I8X_OK && pthread_create(&made->thread, NULL, reader_main, made) != 0)
        status = i8x_fail(I8X_ENOMEM, __FILE__, __LINE__, "ledger: no thread");
    made->thread_runs = status == I8X_OK;
    if (status != I8X_OK)
        i8x_sqlite_reader_free(made);
    else
        *reader = made;
    return status;
}

void i8x_sqlite_reader_free(i8x_ledger_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->thread_runs) {
        pthread_mutex_lock(&reader->mutex);
        reader->closing = true;
        pthread_cond_signal(&reader->filled);
        pthread_mutex_unlock(&reader->mutex);
        pthread_join(reader->thread, NULL);
    }
    list_free(&reader->queue);
    list_free(&reader->made);
    i8x_sqlite_view_close(&reader->view);
    pthread_cond_destroy(&reader->filled);
    pthread_mutex_destroy(&reader->mutex);
    i8x_alloc_free(i8x_alloc_heap(), reader, sizeof *reader);
}

i8x_status i8x_sqlite_reader_put(i8x_ledger_reader *reader, i8x_ledger_read_cb work,
                                 i8x_ledger_done_cb done, void *user)
{
    read_job *job = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *job);
    I8X_TRY(i8x_alloc_check(job));
    *job = (read_job){.work = work, .done = done, .user = user};
    pthread_mutex_lock(&reader->mutex);
    bool full = reader->queue.count >= I8X_LEDGER_READS_MAX;
    if (!full)
        list_put(&reader->queue, job);
    pthread_cond_signal(&reader->filled);
    pthread_mutex_unlock(&reader->mutex);
    if (!full)
        return I8X_OK;
    i8x_alloc_free(i8x_alloc_heap(), job, sizeof *job);
    I8X_FAIL(I8X_EBUSY, "%d reads wait for the ledger: try again later", I8X_LEDGER_READS_MAX);
}

void i8x_sqlite_reader_drain(i8x_ledger_reader *reader)
{
    pthread_mutex_lock(&reader->mutex);
    read_list made = reader->made;
    reader->made = (read_list){0};
    pthread_mutex_unlock(&reader->mutex);
    for (read_job *job; (job = list_take(&made)) != NULL;) {
        job->done(job->user);
        i8x_alloc_free(i8x_alloc_heap(), job, sizeof *job);
    }
}

void i8x_sqlite_reader_count(i8x_ledger_reader *reader, uint64_t *reads, uint64_t *read_ns)
{
    pthread_mutex_lock(&reader->mutex);
    *reads = reader->reads;
    *read_ns = reader->read_ns;
    pthread_mutex_unlock(&reader->mutex);
}
