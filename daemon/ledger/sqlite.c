/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger in SQLite: WAL, synchronous FULL. One connection belongs to the writer thread, one to
 * the owner for reads. Writes are rows of a statement table; a queued write is the statement's
 * number and its values packed behind each other. Group commit: whatever is queued when the writer
 * comes round goes into one transaction, so the cost of an fsync is shared by all who wait for it.
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "daemon/ledger/ledger.h"
#include "int8x/alloc.h"
#include "int8x/clock.h"
#include "int8x/log.h"
#include "proto/limits.h"

#define SCHEMA_VERSION 1
#define BUSY_MS 5000
#define EXIT_LEDGER 70

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS jobs(id TEXT PRIMARY KEY, sequence INTEGER UNIQUE NOT NULL,"
    " created_ms INTEGER NOT NULL, finished_ms INTEGER NOT NULL DEFAULT 0, state INTEGER NOT NULL,"
    " status TEXT NOT NULL DEFAULT 'OK', detail TEXT NOT NULL DEFAULT '', job BLOB NOT NULL,"
    " artifact BLOB, artifact_bytes INTEGER, report BLOB, report_bytes INTEGER, stages BLOB) "
    "WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS tasks(key BLOB PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT "
    "NULL,"
    " job TEXT NOT NULL, worker TEXT NOT NULL, arch TEXT NOT NULL, result BLOB NOT NULL) WITHOUT "
    "ROWID;"
    "CREATE TABLE IF NOT EXISTS blobs(digest BLOB PRIMARY KEY, size_bytes INTEGER NOT NULL) "
    "WITHOUT ROWID;"
    "INSERT OR IGNORE INTO meta VALUES('starts', 0);"
    "UPDATE meta SET value = value + 1 WHERE name = 'starts';";

/* t text, i integer, b blob; in the order of the question marks */
typedef enum statement {
    PUT_JOB,
    END_JOB,
    PUT_RESULT,
    DROP_RESULT,
    PUT_BLOB,
    STATEMENT_COUNT
} statement;
static const struct {
    const char *values, *sql;
} statements[STATEMENT_COUNT] = {
    [PUT_JOB] = {"tiiib",
                 "INSERT INTO jobs(id, sequence, created_ms, state, job) VALUES(?,?,?,?,?)"},
    [END_JOB] = {"iittbibibt",
                 "UPDATE jobs SET finished_ms=?, state=?, status=?, detail=?, artifact=?,"
                 " artifact_bytes=?, report=?, report_bytes=?, stages=? WHERE id=?"},
    [PUT_RESULT] = {"btttbt",
                    "INSERT OR IGNORE INTO tasks(key, kind, job, worker, result, arch, state)"
                    " VALUES(?,?,?,?,?,?,'done')"},
    [DROP_RESULT] = {"b", "DELETE FROM tasks WHERE key=?"},
    [PUT_BLOB] = {"bi", "INSERT OR IGNORE INTO blobs VALUES(?,?)"},
};

typedef struct ledger_write {
    struct ledger_write *next;
    statement which;
    size_t size_bytes; /* of this block */
    i8x_ledger_done_cb done;
    void *user;
    uint8_t values[]; /* u64 size or integer, then the bytes of texts and blobs */
} ledger_write;

typedef struct write_list {
    ledger_write *first, *last;
    size_t count;
} write_list;

struct i8x_ledger {
    sqlite3 *writer, *reader;
    sqlite3_stmt *prepared[STATEMENT_COUNT];
    sqlite3_stmt *get_result;
    void (*wake)(void *user);
    void *user;
    uint64_t starts;
    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    write_list queue, committed; /* under the mutex */
    bool closing;
    i8x_ledger_stats stats; /* under the mutex */
};

const char *i8x_job_state_name(i8x_job_state state)
{
    static const char *const names[] = {
#define X(name, text) text,
        I8X_JOB_STATE_LIST(X)
#undef X
    };
    return (unsigned)state < I8X_JOB_STATE_COUNT ? names[state] : "?";
}

static i8x_status sql_failed(sqlite3 *db, const char *what)
{
    I8X_FAIL(I8X_EIO, "ledger: %s: %s", what, sqlite3_errmsg(db));
}

/* ---- the list ---- */

static void list_put(write_list *list, ledger_write *write)
{
    write->next = NULL;
    if (list->last != NULL)
        list->last->next = write;
    else
        list->first = write;
    list->last = write;
    list->count++;
}

static ledger_write *list_take(write_list *list)
{
    ledger_write *write = list->first;
    if (write == NULL)
        return NULL;
    list->first = write->next;
    if (list->first == NULL)
        list->last = NULL;
    list->count--;
    return write;
}

static void list_free(write_list *list)
{
    for (ledger_write *write; (write = list_take(list)) != NULL;)
        i8x_alloc_free(i8x_alloc_heap(), write, write->size_bytes);
}

/* ---- the writer thread ---- */

static int bind_and_step(i8x_ledger *ledger, const ledger_write *write)
{
    sqlite3_stmt *stmt = ledger->prepared[write->which];
    const uint8_t *at = write->values;
    int code = SQLITE_OK;
    for (int i = 0; statements[write->which].values[i] != 0 && code == SQLITE_OK; i++) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        at += sizeof word;
        char type = statements[write->which].values[i];
        if (type == 'i') {
            code = sqlite3_bind_int64(stmt, i + 1, (sqlite3_int64)word);
            continue;
        }
        code = type == 't' ? sqlite3_bind_text64(stmt, i + 1, (const char *)at, word, SQLITE_STATIC,
                                                 SQLITE_UTF8)
                           : sqlite3_bind_blob64(stmt, i + 1, at, word, SQLITE_STATIC);
        at += word;
    }
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return code;
}

/* Law 8: a state that could not be committed must not be acted on. */
static void commit_failed(i8x_ledger *ledger)
{
    char quoted[512];
    i8x_log(I8X_LOG_ERROR, "ledger_failed", "detail=%s",
            i8x_log_quote(sqlite3_errmsg(ledger->writer), quoted, sizeof quoted));
    _exit(EXIT_LEDGER);
}

static void commit_batch(i8x_ledger *ledger, const write_list *batch)
{
    bool good = sqlite3_exec(ledger->writer, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;
    for (const ledger_write *write = batch->first; good && write != NULL; write = write->next)
        good = bind_and_step(ledger, write) == SQLITE_DONE;
    if (!good || sqlite3_exec(ledger->writer, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        commit_failed(ledger);
}

static write_list wait_batch(i8x_ledger *ledger)
{
    write_list batch = {0};
    pthread_mutex_lock(&ledger->mutex);
    while (ledger->queue.count == 0 && !ledger->closing)
        pthread_cond_wait(&ledger->filled, &ledger->mutex);
    while (batch.count < I8X_LEDGER_BATCH_MAX && ledger->queue.count > 0)
        list_put(&batch, list_take(&ledger->queue));
    pthread_mutex_unlock(&ledger->mutex);
    return batch;
}

static void *writer_main(void *user)
{
    i8x_ledger *ledger = user;
    for (;;) {
        write_list batch = wait_batch(ledger);
        if (batch.count == 0)
            return NULL; /* closing, and nothing is left */
        int64_t start_ns = i8x_clock_now_ns(NULL);
        commit_batch(ledger, &batch);
        pthread_mutex_lock(&ledger->mutex);
        ledger->stats.commits++;
        ledger->stats.writes += batch.count;
        ledger->stats.commit_ns += (uint64_t)(i8x_clock_now_ns(NULL) - start_ns);
        for (ledger_write *write; (write = list_take(&batch)) != NULL;)
            list_put(&ledger->committed, write);
        pthread_mutex_unlock(&ledger->mutex);
        ledger->wake(ledger->user);
    }
}

/* ---- open and close ---- */

static i8x_status exec(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? I8X_OK : sql_failed(db, "start");
}

static i8x_status ask_number(sqlite3 *db, const char *sql, uint64_t *value)
{
    sqlite3_stmt *stmt = NULL;
    bool good = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
                sqlite3_step(stmt) == SQLITE_ROW;
    *value = good ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    return good ? I8X_OK : sql_failed(db, sql);
}

static i8x_status open_databases(i8x_ledger *ledger, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
    if (sqlite3_open_v2(path, &ledger->writer, flags, NULL) != SQLITE_OK)
        return sql_failed(ledger->writer, path);
    sqlite3_busy_timeout(ledger->writer, BUSY_MS);
    I8X_TRY(exec(ledger->writer, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"));
    uint64_t version;
    I8X_TRY(ask_number(ledger->writer, "PRAGMA user_version", &version));
    I8X_ENSURE(version <= SCHEMA_VERSION, I8X_EVERSION,
               "%s: made by a newer int8xd (schema %d, known %d)", path, (int)version,
               SCHEMA_VERSION);
    I8X_TRY(exec(ledger->writer, "BEGIN IMMEDIATE"));
    I8X_TRY(exec(ledger->writer, schema));
    I8X_TRY(exec(ledger->writer, "PRAGMA user_version=1; COMMIT"));
    I8X_TRY(
        ask_number(ledger->writer, "SELECT value FROM meta WHERE name='starts'", &ledger->starts));
    I8X_TRY(ask_number(ledger->writer, "SELECT count(*) FROM blobs", &ledger->stats.blobs));
    I8X_TRY(ask_number(ledger->writer, "SELECT coalesce(sum(size_bytes),0) FROM blobs",
                       &ledger->stats.blob_bytes));
    for (int i = 0; i < STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v2(ledger->writer, statements[i].sql, -1, &ledger->prepared[i], NULL) !=
            SQLITE_OK)
            return sql_failed(ledger->writer, statements[i].sql);
    if (sqlite3_open_v2(path, &ledger->reader, SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX,
                        NULL) != SQLITE_OK)
        return sql_failed(ledger->reader, path);
    sqlite3_busy_timeout(ledger->reader, BUSY_MS);
    if (sqlite3_prepare_v2(ledger->reader,
                           "SELECT kind, job, worker, arch, result FROM tasks WHERE key=?", -1,
                           &ledger->get_result, NULL) != SQLITE_OK)
        return sql_failed(ledger->reader, "read");
    return I8X_OK;
}

i8x_status i8x_ledger_open(const char *path, void (*wake)(void *user), void *user,
                           i8x_ledger **ledger)
{
    i8x_ledger *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->wake = wake;
    made->user = user;
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->filled, NULL);
    i8x_status status = open_databases(made, path);
    if (status == I8X_OK && pthread_create(&made->thread, NULL, writer_main, made) != 0)
        status = i8x_fail(I8X_ENOMEM, __FILE__, __LINE__, "ledger: no thread");
    made->thread_runs = status == I8X_OK;
    if (status != I8X_OK) {
        i8x_ledger_close(made);
        return status;
    }
    *ledger = made;
    return I8X_OK;
}

void i8x_ledger_close(i8x_ledger *ledger)
{
    if (ledger == NULL)
        return;
    if (ledger->thread_runs) {
        pthread_mutex_lock(&ledger->mutex);
        ledger->closing = true;
        pthread_cond_signal(&ledger->filled);
        pthread_mutex_unlock(&ledger->mutex);
        pthread_join(ledger->thread, NULL);
    }
    list_free(&ledger->queue);
    list_free(&ledger->committed);
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(ledger->prepared[i]);
    sqlite3_finalize(ledger->get_result);
    sqlite3_close(ledger->reader);
    sqlite3_close(ledger->writer);
    pthread_cond_destroy(&ledger->filled);
    pthread_mutex_destroy(&ledger->mutex);
    i8x_alloc_free(i8x_alloc_heap(), ledger, sizeof *ledger);
}

uint64_t i8x_ledger_start_count(const i8x_ledger *ledger)
{
    return ledger->starts;
}

/* ---- writes ---- */

/* Size of the values, or their bytes: out NULL measures. */
static size_t pack_values(statement which, va_list args, uint8_t *out)
{
    size_t size = 0;
    for (const char *type = statements[which].values; *type != 0; type++) {
        const void *bytes = NULL;
        uint64_t word;
        if (*type == 'i') {
            word = (uint64_t)va_arg(args, int64_t);
        } else {
            bytes = va_arg(args, const void *);
            if (bytes == NULL)
                bytes = "";
            word = *type == 't' ? strlen(bytes) : va_arg(args, size_t);
        }
        size_t body = *type == 'i' ? 0 : (size_t)word;
        if (out != NULL) {
            memcpy(out + size, &word, sizeof word);
            if (body > 0)
                memcpy(out + size + sizeof word, bytes, body);
        }
        size += sizeof word + body;
    }
    return size;
}

static i8x_status put(i8x_ledger *ledger, i8x_ledger_done_cb done, void *user, statement which, ...)
{
    va_list args;
    va_start(args, which);
    size_t size = sizeof(ledger_write) + pack_values(which, args, NULL);
    va_end(args);
    ledger_write *write = i8x_alloc_array(i8x_alloc_heap(), 1, size);
    I8X_TRY(i8x_alloc_check(write));
    write->which = which;
    write->size_bytes = size;
    write->done = done;
    write->user = user;
    va_start(args, which);
    pack_values(which, args, write->values);
    va_end(args);
    pthread_mutex_lock(&ledger->mutex);
    bool full = ledger->queue.count >= I8X_LEDGER_QUEUE_MAX;
    if (!full)
        list_put(&ledger->queue, write);
    pthread_cond_signal(&ledger->filled);
    pthread_mutex_unlock(&ledger->mutex);
    if (!full)
        return I8X_OK;
    i8x_alloc_free(i8x_alloc_heap(), write, size);
    I8X_FAIL(I8X_EBUSY, "%d writes wait for the disk: try again later", I8X_LEDGER_QUEUE_MAX);
}

i8x_status i8x_ledger_put_job(i8x_ledger *ledger, const i8x_job_row *row, i8x_ledger_done_cb done,
                              void *user)
{
    return put(ledger, done, user, PUT_JOB, row->id, row->sequence, row->created_ms,
               (int64_t)row->state, row->bytes, row->size);
}

i8x_status i8x_ledger_end_job(i8x_ledger *ledger, const i8x_job_row *row, i8x_ledger_done_cb done,
                              void *user)
{
    return put(ledger, done, user, END_JOB, row->finished_ms, (int64_t)row->state,
               i8x_status_name(row->status), row->detail, row->artifact.digest.bytes,
               (size_t)I8X_DIGEST_SIZE, (int64_t)row->artifact.size_bytes, row->report.digest.bytes,
               (size_t)I8X_DIGEST_SIZE, (int64_t)row->report.size_bytes, row->stages,
               row->stages_size, row->id);
}

i8x_status i8x_ledger_put_result(i8x_ledger *ledger, const i8x_result_row *row,
                                 i8x_ledger_done_cb done, void *user)
{
    return put(ledger, done, user, PUT_RESULT, row->key.bytes, (size_t)I8X_DIGEST_SIZE, row->kind,
               row->job, row->worker, row->bytes, row->size, row->arch);
}

i8x_status i8x_ledger_drop_result(i8x_ledger *ledger, const i8x_digest *key)
{
    return put(ledger, NULL, NULL, DROP_RESULT, key->bytes, (size_t)I8X_DIGEST_SIZE);
}

i8x_status i8x_ledger_put_blob(i8x_ledger *ledger, const i8x_digest *digest, uint64_t size_bytes,
                               i8x_ledger_done_cb done, void *user)
{
    I8X_TRY(put(ledger, done, user, PUT_BLOB, digest->bytes, (size_t)I8X_DIGEST_SIZE,
                (int64_t)size_bytes));
    pthread_mutex_lock(&ledger->mutex);
    ledger->stats.blobs++;
    ledger->stats.blob_bytes += size_bytes;
    pthread_mutex_unlock(&ledger->mutex);
    return I8X_OK;
}

void i8x_ledger_drain(i8x_ledger *ledger)
{
    pthread_mutex_lock(&ledger->mutex);
    write_list committed = ledger->committed;
    ledger->committed = (write_list){0};
    pthread_mutex_unlock(&ledger->mutex);
    for (ledger_write *write; (write = list_take(&committed)) != NULL;) {
        if (write->done != NULL)
            write->done(write->user);
        i8x_alloc_free(i8x_alloc_heap(), write, write->size_bytes);
    }
}

/* ---- reads ---- */

static i8x_blob_ref column_ref(sqlite3_stmt *stmt, int column)
{
    i8x_blob_ref ref = {.whole = true};
    if (sqlite3_column_bytes(stmt, column) == I8X_DIGEST_SIZE)
        memcpy(ref.digest.bytes, sqlite3_column_blob(stmt, column), I8X_DIGEST_SIZE);
    ref.size_bytes = (uint64_t)sqlite3_column_int64(stmt, column + 1);
    return ref;
}

static const char *column_text(sqlite3_stmt *stmt, int column)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    return text != NULL ? (const char *)text : "";
}

static i8x_job_row column_job(sqlite3_stmt *stmt)
{
    i8x_job_row row = {.id = column_text(stmt, 0),
                       .sequence = sqlite3_column_int64(stmt, 1),
                       .created_ms = sqlite3_column_int64(stmt, 2),
                       .finished_ms = sqlite3_column_int64(stmt, 3),
                       .state = (i8x_job_state)sqlite3_column_int(stmt, 4),
                       .status = i8x_status_from_name(column_text(stmt, 5)),
                       .detail = column_text(stmt, 6),
                       .artifact = column_ref(stmt, 8),
                       .report = column_ref(stmt, 10)};
    row.bytes = sqlite3_column_blob(stmt, 7);
    row.size = (size_t)sqlite3_column_bytes(stmt, 7);
    row.stages = sqlite3_column_blob(stmt, 12);
    row.stages_size = (size_t)sqlite3_column_bytes(stmt, 12);
    return row;
}

i8x_status i8x_ledger_each_job(i8x_ledger *ledger, i8x_ledger_job_cb each, void *user)
{
    static const char sql[] =
        "SELECT id, sequence, created_ms, finished_ms, state, status, detail, job, artifact,"
        " artifact_bytes, report, report_bytes, stages FROM jobs ORDER BY sequence";
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(ledger->reader, sql, -1, &stmt, NULL) != SQLITE_OK)
        return sql_failed(ledger->reader, "jobs");
    i8x_status status = I8X_OK;
    int code = SQLITE_ROW;
    while (status == I8X_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        i8x_job_row row = column_job(stmt);
        status = each(user, &row);
    }
    if (status == I8X_OK && code != SQLITE_DONE)
        status = sql_failed(ledger->reader, "jobs");
    sqlite3_finalize(stmt);
    return status;
}

i8x_status i8x_ledger_get_result(i8x_ledger *ledger, const i8x_digest *key, i8x_arena *arena,
                                 i8x_result_row *row)
{
    sqlite3_stmt *stmt = ledger->get_result;
    sqlite3_bind_blob(stmt, 1, key->bytes, I8X_DIGEST_SIZE, SQLITE_STATIC);
    int code = sqlite3_step(stmt);
    i8x_status status = I8X_OK;
    if (code == SQLITE_ROW) {
        size_t size = (size_t)sqlite3_column_bytes(stmt, 4);
        *row = (i8x_result_row){.key = *key,
                                .kind = i8x_arena_string(arena, column_text(stmt, 0)),
                                .job = i8x_arena_string(arena, column_text(stmt, 1)),
                                .worker = i8x_arena_string(arena, column_text(stmt, 2)),
                                .arch = i8x_arena_string(arena, column_text(stmt, 3)),
                                .bytes = i8x_arena_copy(arena, sqlite3_column_blob(stmt, 4), size),
                                .size = size};
        if (row->kind == NULL || row->job == NULL || row->worker == NULL || row->arch == NULL)
            row->bytes = NULL;
        status = i8x_alloc_check(row->bytes);
    } else {
        status = code == SQLITE_DONE ? i8x_fail(I8X_ENOENT, __FILE__, __LINE__, "no such result")
                                     : sql_failed(ledger->reader, "result");
    }
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return status;
}

i8x_ledger_stats i8x_ledger_stats_get(i8x_ledger *ledger)
{
    pthread_mutex_lock(&ledger->mutex);
    i8x_ledger_stats stats = ledger->stats;
    stats.queued = ledger->queue.count;
    pthread_mutex_unlock(&ledger->mutex);
    return stats;
}
