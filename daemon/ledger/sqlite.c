/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger in SQLite: WAL, synchronous FULL. One connection belongs to the writer's thread, one
 * to the owner, one to the reader's thread (sqlite_read.c). Writes are rows of a statement table; a
 * queued write is the statement's number and its values packed behind each other. Group commit:
 * whatever is queued when the writer comes round goes into one transaction, so the cost of an fsync
 * is shared by all who wait for it.
 */
#include "daemon/ledger/sqlite.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/ledger/ledger_schema.h"
#include "int8x/alloc.h"
#include "int8x/clock.h"
#include "int8x/log.h"
#include "proto/limits.h"

#define EXIT_LEDGER 70
/* Pages of 4 KiB that are copied from the log into the database at once: tasks' keys are random, so
 * a page is changed many times, and is copied once for all of them. The log has 16 MiB then. */
#define CHECKPOINT_PAGES "4000"
#define CACHE_KIB "16384" /* of the writer */

/* t text, i integer, b blob; in the order of the question marks */
typedef enum statement {
    PUT_JOB,
    END_JOB,
    SET_JOB_STATE,
    SET_SUSPECT,
    PUT_JOB_WORKER,
    DROP_JOB,
    DROP_JOB_WORKERS,
    PUT_RESULT,
    DROP_RESULT,
    DROP_WORKER,
    PUT_FAILURE,
    PUT_EVENT,
    TRIM_EVENTS,
    PUT_REQUEST,
    TRIM_REQUESTS,
    PUT_STANDING,
    DROP_STANDING,
    SET_AUDIT,
    PUT_BLOB,
    PUT_SWEEP,
    END_SWEEP,
    PUT_TRIAL,
    PUT_POINT,
    DROP_SWEEP,
    DROP_TRIALS,
    STATEMENT_COUNT
} statement;
static const struct {
    const char *values, *sql;
} statements[STATEMENT_COUNT] = {
    [PUT_JOB] = {"tiiitibti",
                 "INSERT INTO jobs(id, sequence, created_ms, state, name, priority, job, owner,"
                 " version) VALUES(?,?,?,?,?,?,?,?,?)"},
    [END_JOB] = {"iitttbibibbit",
                 "UPDATE jobs SET finished_ms=?, state=?, status=?, detail=?, tail=?, artifact=?,"
                 " artifact_bytes=?, report=?, report_bytes=?, stages=?, marks=?, version=?"
                 " WHERE id=?"},
    [SET_JOB_STATE] = {"iit", "UPDATE jobs SET state=?, version=?, finished_ms=0, status='OK',"
                              " detail='', tail='', stages=NULL, marks=NULL WHERE id=?"},
    [SET_SUSPECT] = {"tit", "UPDATE jobs SET suspect=?, version=? WHERE id=?"},
    [PUT_JOB_WORKER] = {"tt", "INSERT OR IGNORE INTO job_workers(job, worker) VALUES(?,?)"},
    [DROP_JOB] = {"t", "DELETE FROM jobs WHERE id=?"},
    [DROP_JOB_WORKERS] = {"t", "UPDATE OR REPLACE job_workers SET job='' WHERE job=?"},
    [PUT_RESULT] = {"btttbtt",
                    "INSERT OR IGNORE INTO tasks(key, kind, job, worker, result, arch, state)"
                    " VALUES(?,?,?,?,?,?,?)"},
    [SET_AUDIT] = {"tb", "UPDATE tasks SET state=? WHERE key=?"},
    [DROP_RESULT] = {"b", "DELETE FROM tasks WHERE key=?"},
    [DROP_WORKER] = {"t", "DELETE FROM tasks WHERE worker=?"},
    [PUT_FAILURE] = {"bittttt",
                     "INSERT INTO failures(key, time_ms, worker, cause, status, detail, tail)"
                     " VALUES(?,?,?,?,?,?,?)"},
    [PUT_EVENT] = {"ititt",
                   "INSERT INTO events(sequence, job, time_ms, type, body) VALUES(?,?,?,?,?)"},
    [TRIM_EVENTS] = {"i", "DELETE FROM events WHERE sequence<=?"},
    [PUT_REQUEST] = {"bbti", "INSERT OR REPLACE INTO requests(key, body, job, created_ms)"
                             " VALUES(?,?,?,?)"},
    [TRIM_REQUESTS] = {"i", "DELETE FROM requests WHERE created_ms<?"},
    [PUT_STANDING] = {"titti", "INSERT OR REPLACE INTO standings(worker, kind, reason, by_whom,"
                               " since_ms) VALUES(?,?,?,?,?)"},
    [DROP_STANDING] = {"t", "DELETE FROM standings WHERE worker=?"},
    [PUT_BLOB] = {"bi", "INSERT OR IGNORE INTO blobs VALUES(?,?)"},
    [PUT_SWEEP] = {"tiiittt", "INSERT INTO sweeps(id, sequence, created_ms, state, name, owner,"
                              " request) VALUES(?,?,?,?,?,?,?)"},
    [END_SWEEP] = {"iit", "UPDATE sweeps SET finished_ms=?, state=? WHERE id=?"},
    [PUT_TRIAL] = {"tit", "INSERT INTO trials(sweep, trial, job) VALUES(?,?,?)"},
    [PUT_POINT] = {"bti", "UPDATE trials SET point=? WHERE sweep=? AND trial=?"},
    [DROP_SWEEP] = {"t", "DELETE FROM sweeps WHERE id=?"},
    [DROP_TRIALS] = {"t", "DELETE FROM trials WHERE sweep=?"},
};

typedef struct ledger_write {
    struct ledger_write *next;
    statement which;
    bool joined;       /* the next one belongs to the same group */
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
    sqlite3 *writer;
    sqlite3_stmt *prepared[STATEMENT_COUNT];
    i8x_ledger_view here;
    i8x_ledger_reader *reader;
    void (*wake)(void *user);
    void *user;
    uint64_t starts;
    int64_t last_event;
    write_list group; /* of the owner's thread */
    bool grouping;
    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    write_list queue, committed; /* under the mutex */
    bool closing;
    i8x_ledger_stats stats;  /* under the mutex */
    int64_t commit_begin_ns; /* under the mutex; 0 = no commit in hand */
};

static const char *const state_names[] = {
#define X(name, text) text,
    I8X_JOB_STATE_LIST(X)
#undef X
};

const char *i8x_job_state_name(i8x_job_state state)
{
    return (unsigned)state < I8X_JOB_STATE_COUNT ? state_names[state] : "?";
}

i8x_job_state i8x_job_state_from_name(const char *name)
{
    int state = 0;
    while (state < I8X_JOB_STATE_COUNT && strcmp(state_names[state], name) != 0)
        state++;
    return (i8x_job_state)state;
}

bool i8x_job_state_ended(i8x_job_state state)
{
    return state == I8X_JOB_DONE || state == I8X_JOB_FAILED || state == I8X_JOB_CANCELED;
}

i8x_status i8x_sqlite_failed(sqlite3 *db, const char *what)
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

/* Puts all of from behind to; from is empty then. */
static void list_move(write_list *to, write_list *from)
{
    for (ledger_write *write; (write = list_take(from)) != NULL;)
        list_put(to, write);
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
    while (ledger->queue.count > 0 &&
           (batch.count < I8X_LEDGER_BATCH_MAX || (batch.last != NULL && batch.last->joined)))
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
        pthread_mutex_lock(&ledger->mutex);
        ledger->commit_begin_ns = start_ns;
        pthread_mutex_unlock(&ledger->mutex);
        commit_batch(ledger, &batch);
        pthread_mutex_lock(&ledger->mutex);
        ledger->commit_begin_ns = 0;
        ledger->stats.commits++;
        ledger->stats.writes += batch.count;
        ledger->stats.commit_ns += (uint64_t)(i8x_clock_now_ns(NULL) - start_ns);
        list_move(&ledger->committed, &batch);
        pthread_mutex_unlock(&ledger->mutex);
        ledger->wake(ledger->user);
    }
}

/* ---- open and close ---- */

static i8x_status exec(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? I8X_OK
                                                                : i8x_sqlite_failed(db, "start");
}

static i8x_status ask_number(sqlite3 *db, const char *sql, uint64_t *value)
{
    sqlite3_stmt *stmt = NULL;
    bool good = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
                sqlite3_step(stmt) == SQLITE_ROW;
    *value = good ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    return good ? I8X_OK : i8x_sqlite_failed(db, sql);
}

/* Version 2 shows the names of jobs in a column of their own; they stand in the jobs' records. */
static i8x_status fill_names(sqlite3 *db)
{
    sqlite3_stmt *read = NULL, *write = NULL;
    i8x_job *job = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *job);
    I8X_TRY(i8x_alloc_check(job));
    bool good =
        sqlite3_prepare_v2(db, "SELECT id, job FROM jobs", -1, &read, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "UPDATE jobs SET name=? WHERE id=?", -1, &write, NULL) == SQLITE_OK;
    int code = SQLITE_ROW;
    while (good && (code = sqlite3_step(read)) == SQLITE_ROW) {
        if (i8x_job_decode(sqlite3_column_blob(read, 1), (size_t)sqlite3_column_bytes(read, 1),
                           job) != I8X_OK)
            continue; /* an open one is refused when it is read for its plan */
        sqlite3_bind_text(write, 1, job->name, -1, SQLITE_STATIC);
        sqlite3_bind_value(write, 2, sqlite3_column_value(read, 0));
        good = sqlite3_step(write) == SQLITE_DONE && sqlite3_reset(write) == SQLITE_OK;
    }
    i8x_status status =
        good && code == SQLITE_DONE ? I8X_OK : i8x_sqlite_failed(db, "names of jobs");
    sqlite3_finalize(read);
    sqlite3_finalize(write);
    i8x_alloc_free(i8x_alloc_heap(), job, sizeof *job);
    return status;
}

/* All steps of an upgrade are one transaction: a crash leaves the old version. */
static i8x_status upgrade(sqlite3 *db, const char *path)
{
    uint64_t version;
    I8X_TRY(ask_number(db, "PRAGMA user_version", &version));
    I8X_ENSURE(version <= I8X_LEDGER_VERSION, I8X_EVERSION,
               "%s: made by a newer int8xd (schema %d, known %d): start that one", path,
               (int)version, I8X_LEDGER_VERSION);
    I8X_TRY(exec(db, "BEGIN IMMEDIATE"));
    for (int next = (int)version + 1; next <= I8X_LEDGER_VERSION; next++) {
        I8X_TRY(exec(db, i8x_ledger_schema(next)));
        if (next == 2 && version > 0)
            I8X_TRY(fill_names(db));
    }
    char text[96];
    snprintf(text, sizeof text,
             "UPDATE meta SET value = value + 1 WHERE name = 'starts';"
             "PRAGMA user_version=%d; COMMIT",
             I8X_LEDGER_VERSION);
    I8X_TRY(exec(db, text));
    if (version > 0 && version < I8X_LEDGER_VERSION)
        i8x_log(I8X_LOG_INFO, "ledger_upgraded", "from=%d to=%d", (int)version, I8X_LEDGER_VERSION);
    return I8X_OK;
}

static i8x_status open_writer(i8x_ledger *ledger, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
    if (sqlite3_open_v2(path, &ledger->writer, flags, NULL) != SQLITE_OK)
        return i8x_sqlite_failed(ledger->writer, path);
    sqlite3_busy_timeout(ledger->writer, I8X_SQLITE_BUSY_MS);
    I8X_TRY(exec(ledger->writer, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                 "PRAGMA wal_autocheckpoint=" CHECKPOINT_PAGES ";"
                                 "PRAGMA cache_size=-" CACHE_KIB ";"));
    I8X_TRY(upgrade(ledger->writer, path));
    for (int i = 0; i < STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v2(ledger->writer, statements[i].sql, -1, &ledger->prepared[i], NULL) !=
            SQLITE_OK)
            return i8x_sqlite_failed(ledger->writer, statements[i].sql);
    return I8X_OK;
}

static i8x_status open_databases(i8x_ledger *ledger, const char *path)
{
    I8X_TRY(open_writer(ledger, path));
    uint64_t last_event;
    I8X_TRY(
        ask_number(ledger->writer, "SELECT value FROM meta WHERE name='starts'", &ledger->starts));
    I8X_TRY(
        ask_number(ledger->writer, "SELECT coalesce(max(sequence),0) FROM events", &last_event));
    ledger->last_event = (int64_t)last_event;
    I8X_TRY(ask_number(ledger->writer, "SELECT count(*) FROM blobs", &ledger->stats.blobs));
    I8X_TRY(ask_number(ledger->writer, "SELECT coalesce(sum(size_bytes),0) FROM blobs",
                       &ledger->stats.blob_bytes));
    I8X_TRY(i8x_sqlite_view_open(path, &ledger->here));
    return i8x_sqlite_reader_new(path, ledger->wake, ledger->user, &ledger->reader);
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

i8x_status i8x_ledger_relax(i8x_ledger *ledger)
{
    return exec(ledger->writer, "PRAGMA synchronous=OFF;");
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
    i8x_sqlite_reader_free(ledger->reader);
    list_free(&ledger->group);
    list_free(&ledger->queue);
    list_free(&ledger->committed);
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(ledger->prepared[i]);
    i8x_sqlite_view_close(&ledger->here);
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

static i8x_status queue_full(void)
{
    I8X_FAIL(I8X_EBUSY, "%d writes wait for the disk: try again later", I8X_LEDGER_QUEUE_MAX);
}

i8x_status i8x_ledger_check_room(i8x_ledger *ledger, size_t writes)
{
    pthread_mutex_lock(&ledger->mutex);
    bool full = ledger->queue.count + writes > I8X_LEDGER_QUEUE_MAX;
    pthread_mutex_unlock(&ledger->mutex);
    return full ? queue_full() : I8X_OK;
}

/* Hands a list to the writer, whole or not at all. */
static i8x_status enqueue(i8x_ledger *ledger, write_list *list)
{
    pthread_mutex_lock(&ledger->mutex);
    bool full = ledger->queue.count + list->count > I8X_LEDGER_QUEUE_MAX;
    if (!full)
        list_move(&ledger->queue, list);
    pthread_cond_signal(&ledger->filled);
    pthread_mutex_unlock(&ledger->mutex);
    if (!full)
        return I8X_OK;
    list_free(list);
    return queue_full();
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
    write_list alone = {0};
    list_put(ledger->grouping ? &ledger->group : &alone, write);
    return ledger->grouping ? I8X_OK : enqueue(ledger, &alone);
}

void i8x_ledger_group_begin(i8x_ledger *ledger)
{
    I8X_ASSERT(!ledger->grouping);
    ledger->grouping = true;
}

i8x_status i8x_ledger_group_end(i8x_ledger *ledger, i8x_status status)
{
    I8X_ASSERT(ledger->grouping);
    ledger->grouping = false;
    if (status != I8X_OK) {
        list_free(&ledger->group);
        return status;
    }
    for (ledger_write *write = ledger->group.first; write != NULL; write = write->next)
        write->joined = write->next != NULL;
    return enqueue(ledger, &ledger->group);
}

i8x_status i8x_ledger_put_job(i8x_ledger *ledger, const i8x_job_row *row, i8x_ledger_done_cb done,
                              void *user)
{
    return put(ledger, done, user, PUT_JOB, row->id, row->sequence, row->created_ms,
               (int64_t)row->state, row->name, (int64_t)row->priority, row->bytes, row->size,
               row->owner, row->version);
}

i8x_status i8x_ledger_end_job(i8x_ledger *ledger, const i8x_job_row *row, i8x_ledger_done_cb done,
                              void *user)
{
    return put(ledger, done, user, END_JOB, row->finished_ms, (int64_t)row->state,
               i8x_status_name(row->status), row->detail, row->tail, row->artifact.digest.bytes,
               (size_t)I8X_DIGEST_SIZE, (int64_t)row->artifact.size_bytes, row->report.digest.bytes,
               (size_t)I8X_DIGEST_SIZE, (int64_t)row->report.size_bytes, row->stages,
               row->stages_size, row->marks, row->marks_size, row->version, row->id);
}

i8x_status i8x_ledger_set_job_state(i8x_ledger *ledger, const i8x_job_row *row,
                                    i8x_ledger_done_cb done, void *user)
{
    return put(ledger, done, user, SET_JOB_STATE, (int64_t)row->state, row->version, row->id);
}

i8x_status i8x_ledger_set_suspect(i8x_ledger *ledger, const i8x_job_row *row,
                                  i8x_ledger_done_cb done, void *user)
{
    return put(ledger, done, user, SET_SUSPECT, row->suspect, row->version, row->id);
}

i8x_status i8x_ledger_put_job_worker(i8x_ledger *ledger, const char *job, const char *worker)
{
    return put(ledger, NULL, NULL, PUT_JOB_WORKER, job, worker);
}

i8x_status i8x_ledger_drop_job(i8x_ledger *ledger, const char *id, i8x_ledger_done_cb done,
                               void *user)
{
    I8X_ASSERT(ledger->grouping);
    I8X_TRY(put(ledger, NULL, NULL, DROP_JOB_WORKERS, id));
    return put(ledger, done, user, DROP_JOB, id);
}

i8x_status i8x_ledger_drop_sweep(i8x_ledger *ledger, const char *id, i8x_ledger_done_cb done,
                                 void *user)
{
    I8X_ASSERT(ledger->grouping);
    I8X_TRY(put(ledger, NULL, NULL, DROP_TRIALS, id));
    return put(ledger, done, user, DROP_SWEEP, id);
}

/* Column state of a task that has a result. */
static const char *state_of(bool audit)
{
    return audit ? I8X_LEDGER_AUDIT : "done";
}

i8x_status i8x_ledger_put_result(i8x_ledger *ledger, const i8x_result_row *row,
                                 i8x_ledger_done_cb done, void *user)
{
    return put(ledger, done, user, PUT_RESULT, row->key.bytes, (size_t)I8X_DIGEST_SIZE, row->kind,
               row->job, row->worker, row->bytes, row->size, row->arch, state_of(row->audit));
}

i8x_status i8x_ledger_set_audit(i8x_ledger *ledger, const i8x_digest *key, bool audit)
{
    return put(ledger, NULL, NULL, SET_AUDIT, state_of(audit), key->bytes, (size_t)I8X_DIGEST_SIZE);
}

i8x_status i8x_ledger_drop_result(i8x_ledger *ledger, const i8x_digest *key)
{
    return put(ledger, NULL, NULL, DROP_RESULT, key->bytes, (size_t)I8X_DIGEST_SIZE);
}

i8x_status i8x_ledger_drop_worker(i8x_ledger *ledger, const char *worker, i8x_ledger_done_cb done,
                                  void *user)
{
    return put(ledger, done, user, DROP_WORKER, worker);
}

i8x_status i8x_ledger_put_failure(i8x_ledger *ledger, const i8x_failure_row *row,
                                  i8x_ledger_done_cb done, void *user)
{
    return put(ledger, done, user, PUT_FAILURE, row->key.bytes, (size_t)I8X_DIGEST_SIZE,
               row->time_ms, row->worker, row->cause, i8x_status_name(row->status), row->detail,
               row->tail);
}

i8x_status i8x_ledger_put_sweep(i8x_ledger *ledger, const i8x_sweep_record *row,
                                i8x_ledger_done_cb done, void *user)
{
    return put(ledger, done, user, PUT_SWEEP, row->id, row->sequence, row->created_ms,
               (int64_t)row->state, row->name, row->owner, row->request);
}

i8x_status i8x_ledger_end_sweep(i8x_ledger *ledger, const i8x_sweep_record *row,
                                i8x_ledger_done_cb done, void *user)
{
    return put(ledger, done, user, END_SWEEP, row->finished_ms, (int64_t)row->state, row->id);
}

i8x_status i8x_ledger_put_trial(i8x_ledger *ledger, const char *sweep, int trial, const char *job)
{
    return put(ledger, NULL, NULL, PUT_TRIAL, sweep, (int64_t)trial, job);
}

i8x_status i8x_ledger_put_point(i8x_ledger *ledger, const char *sweep, int trial,
                                const uint8_t point[I8X_SWEEP_POINT_SIZE], i8x_ledger_done_cb done,
                                void *user)
{
    return put(ledger, done, user, PUT_POINT, point, (size_t)I8X_SWEEP_POINT_SIZE, sweep,
               (int64_t)trial);
}

int64_t i8x_ledger_next_event(const i8x_ledger *ledger)
{
    return ledger->last_event + 1;
}

i8x_status i8x_ledger_put_event(i8x_ledger *ledger, const i8x_event_row *row, int64_t *sequence,
                                i8x_ledger_done_cb done, void *user)
{
    *sequence = ++ledger->last_event;
    return put(ledger, done, user, PUT_EVENT, *sequence, row->job, row->time_ms, row->type,
               row->body);
}

i8x_status i8x_ledger_trim_events(i8x_ledger *ledger, int64_t sequence)
{
    return put(ledger, NULL, NULL, TRIM_EVENTS, sequence);
}

i8x_status i8x_ledger_put_request(i8x_ledger *ledger, const i8x_request_row *row)
{
    return put(ledger, NULL, NULL, PUT_REQUEST, row->key.bytes, (size_t)I8X_DIGEST_SIZE,
               row->body.bytes, (size_t)I8X_DIGEST_SIZE, row->job, row->created_ms);
}

i8x_status i8x_ledger_trim_requests(i8x_ledger *ledger, int64_t before_ms)
{
    return put(ledger, NULL, NULL, TRIM_REQUESTS, before_ms);
}

i8x_status i8x_ledger_put_standing(i8x_ledger *ledger, const i8x_standing_row *row,
                                   i8x_ledger_done_cb done, void *user)
{
    if (row->kind == I8X_STANDING_NONE)
        return put(ledger, done, user, DROP_STANDING, row->worker);
    return put(ledger, done, user, PUT_STANDING, row->worker, (int64_t)row->kind, row->reason,
               row->by, row->since_ms);
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
    i8x_sqlite_reader_drain(ledger->reader);
}

/* ---- reads ---- */

i8x_ledger_view *i8x_ledger_here(i8x_ledger *ledger)
{
    return &ledger->here;
}

i8x_status i8x_ledger_read(i8x_ledger *ledger, i8x_ledger_read_cb work, i8x_ledger_done_cb done,
                           void *user)
{
    return i8x_sqlite_reader_put(ledger->reader, work, done, user);
}

i8x_ledger_stats i8x_ledger_stats_get(i8x_ledger *ledger)
{
    pthread_mutex_lock(&ledger->mutex);
    i8x_ledger_stats stats = ledger->stats;
    stats.queued = ledger->queue.count;
    if (ledger->commit_begin_ns != 0)
        stats.commit_for_ms = (i8x_clock_now_ns(NULL) - ledger->commit_begin_ns) / 1000000;
    pthread_mutex_unlock(&ledger->mutex);
    i8x_sqlite_reader_count(ledger->reader, &stats.reads, &stats.read_ns);
    return stats;
}
