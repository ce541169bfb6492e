/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads: one per slot, one for heartbeats, and the main thread, which waits for signals. Shared
 * state is what each slot works on (for HELLO and heartbeats) and the stop flag, under one mutex.
 * Everything else a slot thread needs is its own: link lane, HTTP connection, child process.
 */
#include "worker/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "int8x/alloc.h"
#include "int8x/clock.h"
#include "int8x/file.h"
#include "int8x/log.h"
#include "int8x/task.h"
#include "worker/cache.h"
#include "worker/frame.h"
#include "worker/guard.h"
#include "worker/session.h"
#include "worker/zygote.h"

#define ARENA_MAX (32u << 20)
#define LEASE_WAIT_MS 5000
#define ID_RANDOM_BYTES 6
#define UPLOAD_PATIENCE_TRIES                                                                      \
    60 /* times I8X_REJOIN_MS: a coordinator that restarts is worth waiting for */

typedef struct agent agent;

typedef struct agent_slot {
    agent *owner;
    int number;
    pthread_t thread;
    bool thread_runs;
    /* its own */
    pid_t pid; /* 0 = no child */
    int fd;
    i8x_bulk *bulk;
    char bulk_url[I8X_WIRE_URL_MAX + 1];
    i8x_arena *arena;
    i8x_buffer frame;
    uint8_t *task; /* the grant in hand, copied out of the link's message */
    size_t task_size;
    /* under the agent's mutex */
    bool busy, cancel;
    i8x_digest key;
    uint64_t epoch, done, total;
} agent_slot;

struct agent {
    i8x_agent_opts opts;
    char id[I8X_WIRE_NAME_MAX + 1], name[I8X_WIRE_NAME_MAX + 1];
    struct utsname system;
    i8x_zygote *zygote;
    i8x_cache *cache;
    i8x_session *session;
    agent_slot *slots;
    pthread_t heartbeat;
    bool heartbeat_runs;
    pthread_mutex_t mutex;
    pthread_cond_t wake; /* the heartbeat, before its time */
    bool stopping, ended;
};

/* How a task ended that has no result. */
typedef struct failure {
    i8x_wire_cause cause;
    i8x_status status;
    char detail[I8X_WIRE_DETAIL_MAX + 1];
    char tail[I8X_WIRE_TAIL_MAX + 1];
} failure;

static bool is_stopping(agent *a)
{
    pthread_mutex_lock(&a->mutex);
    bool stopping = a->stopping;
    pthread_mutex_unlock(&a->mutex);
    return stopping;
}

static void sleep_ms(int ms)
{
    struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

/* ---- who we are ---- */

static size_t held_leases(agent *a, i8x_arena *arena, const i8x_wire_held **held)
{
    i8x_wire_held *rows = i8x_arena_array(arena, (size_t)a->opts.slots, sizeof *rows);
    I8X_ASSERT(rows != NULL);
    size_t count = 0;
    pthread_mutex_lock(&a->mutex);
    for (int i = 0; i < a->opts.slots; i++) {
        const agent_slot *slot = &a->slots[i];
        if (slot->busy)
            rows[count++] = (i8x_wire_held){slot->key, slot->epoch, slot->done, slot->total};
    }
    pthread_mutex_unlock(&a->mutex);
    *held = rows;
    return count;
}

static void fill_hello(void *user, i8x_arena *arena, i8x_wire_hello *hello)
{
    agent *a = user;
    i8x_wire_kind *kinds = i8x_arena_array(arena, I8X_TASK_KIND_COUNT, sizeof *kinds);
    I8X_ASSERT(kinds != NULL);
    for (int i = 0; i < I8X_TASK_KIND_COUNT; i++)
        kinds[i] = (i8x_wire_kind){i8x_task_kind_name((i8x_task_kind)i),
                                   i8x_task_kind_revision((i8x_task_kind)i)};
    *hello = (i8x_wire_hello){.worker = a->id,
                              .name = a->name,
                              .arch = a->system.machine,
                              .level = i8x_cpu_level_name(a->opts.level),
                              .cores = (uint32_t)i8x_cpu_count(),
                              .slots = (uint32_t)a->opts.slots,
                              .memory_bytes = a->opts.memory_bytes,
                              .kinds = kinds,
                              .kind_count = I8X_TASK_KIND_COUNT};
    hello->held_count = held_leases(a, arena, &hello->held);
}

/* The id lies in the cache, so that it outlives this process. */
static i8x_status make_identity(agent *a)
{
    uname(&a->system);
    snprintf(a->name, sizeof a->name, "%s",
             a->opts.name != NULL ? a->opts.name : a->system.nodename);
    char path[I8X_CACHE_PATH_SIZE];
    snprintf(path, sizeof path, "%s/id", a->opts.cache);
    uint8_t *text = NULL;
    size_t size = 0;
    if (i8x_file_read_all(NULL, path, I8X_WIRE_NAME_MAX, &text, &size) == I8X_OK) {
        size_t good = strspn((char *)text, "abcdefghijklmnopqrstuvwxyz0123456789.-");
        if (good > 0 && good == size)
            snprintf(a->id, sizeof a->id, "%s", (char *)text);
        i8x_alloc_free(i8x_alloc_heap(), text, size);
    }
    if (a->id[0] != 0)
        return I8X_OK;
    uint8_t random[ID_RANDOM_BYTES];
    I8X_TRY(i8x_digest_random(random, sizeof random));
    a->id[0] = 'w';
    for (int i = 0; i < ID_RANDOM_BYTES; i++)
        snprintf(a->id + 1 + 2 * i, 3, "%02x", random[i]);
    return i8x_file_write_atomic(path, a->id, strlen(a->id));
}

/* ---- blobs ---- */

static i8x_status bulk_ready(agent_slot *slot)
{
    i8x_session_terms terms;
    I8X_ENSURE(i8x_session_terms_get(slot->owner->session, &terms), I8X_EUNREACHABLE,
               "no session yet");
    if (slot->bulk != NULL && strcmp(slot->bulk_url, terms.http_url) == 0)
        return I8X_OK;
    i8x_bulk_free(slot->bulk);
    slot->bulk = NULL;
    snprintf(slot->bulk_url, sizeof slot->bulk_url, "%s", terms.http_url);
    return i8x_bulk_new(terms.http_url, &slot->bulk);
}

/* True if a transfer that failed so is worth another try. */
static bool try_again(agent_slot *slot, i8x_status status, int tries)
{
    if (status == I8X_OK || status == I8X_ELIMIT)
        return false;
    bool away = status == I8X_EUNREACHABLE;
    if (tries >= (away ? UPLOAD_PATIENCE_TRIES : I8X_BULK_TRIES) ||
        (away && is_stopping(slot->owner)))
        return false;
    sleep_ms(away ? I8X_REJOIN_MS : I8X_FETCH_RETRY_MS);
    return true;
}

static i8x_status fetch(agent_slot *slot, const i8x_blob_ref *ref, int *pin)
{
    i8x_status status;
    int tries = 0;
    do {
        status = bulk_ready(slot);
        if (status == I8X_OK)
            status = i8x_cache_acquire(slot->owner->cache, slot->bulk, ref, pin);
    } while (try_again(slot, status, ++tries));
    return status;
}

static i8x_status upload(agent_slot *slot, const i8x_blob_ref *ref)
{
    char path[I8X_CACHE_PATH_SIZE];
    i8x_cache_path(slot->owner->opts.cache, ref, path);
    i8x_status status;
    int tries = 0;
    do {
        status = bulk_ready(slot);
        if (status == I8X_OK)
            status = i8x_bulk_put(slot->bulk, &ref->digest, path);
    } while (try_again(slot, status, ++tries));
    return status;
}

/* ---- the child ---- */

static i8x_status failed_now(failure *fail, i8x_wire_cause cause, i8x_status status)
{
    fail->cause = cause;
    fail->status = status;
    if (fail->detail[0] == 0)
        snprintf(fail->detail, sizeof fail->detail, "%s", i8x_last_error()->detail);
    return status;
}

/* Last bytes that the child wrote to its standard error, line breaks as spaces. */
static void read_tail(const agent_slot *slot, char tail[I8X_WIRE_TAIL_MAX + 1])
{
    char path[I8X_CACHE_PATH_SIZE];
    int fd = open(i8x_zygote_stderr(slot->owner->opts.cache, slot->number, path, sizeof path),
                  O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    off_t size = lseek(fd, 0, SEEK_END);
    off_t start = size > I8X_WIRE_TAIL_MAX ? size - I8X_WIRE_TAIL_MAX : 0;
    ssize_t got = pread(fd, tail, I8X_WIRE_TAIL_MAX, start);
    close(fd);
    tail[got > 0 ? got : 0] = 0;
    for (char *c = tail; *c != 0; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7F)
            *c = ' ';
}

static int end_child(agent_slot *slot)
{
    int status = 0;
    if (slot->pid > 0) {
        close(slot->fd);
        if (i8x_zygote_reap(slot->owner->zygote, slot->pid, &status) != I8X_OK)
            i8x_log(I8X_LOG_WARN, "slot_not_reaped", "slot=%d pid=%d", slot->number,
                    (int)slot->pid);
    }
    slot->pid = 0;
    slot->fd = -1;
    return status;
}

/* The child is gone or has to go: why? */
static i8x_status child_failed(agent_slot *slot, failure *fail, i8x_wire_cause cause,
                               uint64_t limit)
{
    int status = end_child(slot);
    read_tail(slot, fail->tail);
    static const i8x_status statuses[I8X_WIRE_CAUSE_COUNT] = {
        [I8X_WIRE_CAUSE_CRASH] = I8X_EINTERNAL,
        [I8X_WIRE_CAUSE_MEMORY] = I8X_ELIMIT,
        [I8X_WIRE_CAUSE_TIME] = I8X_ETIMEOUT,
        [I8X_WIRE_CAUSE_CANCELED] = I8X_ECANCELED};
    if (cause == I8X_WIRE_CAUSE_MEMORY)
        snprintf(fail->detail, sizeof fail->detail,
                 "the task took more than %llu MiB of memory, the limit of one task",
                 (unsigned long long)(limit >> 20));
    else if (cause == I8X_WIRE_CAUSE_TIME)
        snprintf(fail->detail, sizeof fail->detail,
                 "the task ran longer than %llu s, the limit of one task",
                 (unsigned long long)limit);
    else if (cause == I8X_WIRE_CAUSE_CANCELED)
        snprintf(fail->detail, sizeof fail->detail, "canceled");
    else if (WIFSIGNALED(status))
        snprintf(fail->detail, sizeof fail->detail, "the task's process died of signal %d",
                 WTERMSIG(status));
    else
        snprintf(fail->detail, sizeof fail->detail, "the task's process ended with exit code %d",
                 WEXITSTATUS(status));
    return failed_now(fail, cause, statuses[cause]);
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Looks after a running child until a frame comes; OK means that one can be read. */
static i8x_status watch_child(agent_slot *slot, uint64_t memory, uint64_t seconds, int64_t start_ns,
                              failure *fail)
{
    for (;;) {
        struct pollfd wait = {.fd = slot->fd, .events = POLLIN};
        int ready = poll(&wait, 1, I8X_SLOT_GRACE_MS);
        if (ready > 0)
            return I8X_OK;
        pthread_mutex_lock(&slot->owner->mutex);
        bool cancel = slot->cancel;
        pthread_mutex_unlock(&slot->owner->mutex);
        if (cancel)
            return child_failed(slot, fail, I8X_WIRE_CAUSE_CANCELED, 0);
        if (seconds != 0 && i8x_clock_now_ns(NULL) - start_ns > (int64_t)seconds * 1000000000)
            return child_failed(slot, fail, I8X_WIRE_CAUSE_TIME, seconds);
        if (memory != 0 && i8x_guard_watches_memory() &&
            i8x_guard_resident_bytes(slot->pid) > memory + I8X_SLOT_SLACK_BYTES)
            return child_failed(slot, fail, I8X_WIRE_CAUSE_MEMORY, memory);
    }
}

static void note_progress(agent_slot *slot)
{
    i8x_frame_progress progress;
    if (slot->frame.size != sizeof progress)
        return;
    memcpy(&progress, slot->frame.bytes, sizeof progress);
    pthread_mutex_lock(&slot->owner->mutex);
    slot->done = progress.done;
    slot->total = progress.total;
    pthread_mutex_unlock(&slot->owner->mutex);
}

/* The task itself said no. Without memory left it was over its limit. */
static i8x_status task_failed(agent_slot *slot, uint64_t memory, failure *fail)
{
    i8x_frame_failed said = {.status = I8X_EINTERNAL};
    if (slot->frame.size == sizeof said)
        memcpy(&said, slot->frame.bytes, sizeof said);
    said.detail[sizeof said.detail - 1] = 0;
    bool known = said.status > I8X_OK && said.status < I8X_STATUS_COUNT;
    i8x_status status = known ? (i8x_status)said.status : I8X_EINTERNAL;
    if (status == I8X_ENOMEM)
        return child_failed(slot, fail, I8X_WIRE_CAUSE_MEMORY, memory);
    snprintf(fail->detail, sizeof fail->detail, "%s", said.detail);
    return failed_now(fail, I8X_WIRE_CAUSE_TASK, status);
}

/* Runs the task in hand in the child; its encoded result is then in slot->frame. */
static i8x_status run_child(agent_slot *slot, failure *fail)
{
    agent *a = slot->owner;
    i8x_session_terms terms;
    i8x_session_terms_get(a->session, &terms);
    uint64_t memory = lesser(a->opts.memory_bytes, terms.task_memory_bytes);
    uint64_t seconds = lesser(a->opts.task_seconds, terms.task_seconds);
    if (slot->pid == 0 &&
        i8x_zygote_spawn(a->zygote, slot->number, &slot->pid, &slot->fd) != I8X_OK)
        return failed_now(fail, I8X_WIRE_CAUSE_CRASH, I8X_EIO);
    i8x_frame_run run = {memory, a->opts.threads, (int32_t)a->opts.level};
    int64_t start_ns = i8x_clock_now_ns(NULL);
    if (i8x_frame_write(slot->fd, I8X_FRAME_RUN, &run, sizeof run, slot->task, slot->task_size) !=
        I8X_OK)
        return child_failed(slot, fail, I8X_WIRE_CAUSE_CRASH, 0);
    for (;;) {
        I8X_TRY(watch_child(slot, memory, seconds, start_ns, fail));
        i8x_frame_type type;
        if (i8x_frame_read(slot->fd, &type, &slot->frame) != I8X_OK)
            return child_failed(slot, fail, I8X_WIRE_CAUSE_CRASH, 0);
        if (type == I8X_FRAME_DONE)
            return I8X_OK;
        if (type == I8X_FRAME_FAILED)
            return task_failed(slot, memory, fail);
        note_progress(slot);
    }
}

/* ---- one grant ---- */

static i8x_status upload_outputs(agent_slot *slot, failure *fail)
{
    i8x_task_result result = {0};
    if (i8x_task_result_decode(slot->frame.bytes, slot->frame.size, &result) != I8X_OK) {
        end_child(slot);
        return failed_now(fail, I8X_WIRE_CAUSE_CRASH, I8X_EINTERNAL);
    }
    i8x_status status = I8X_OK;
    for (int i = 0; i < result.output_count && status == I8X_OK; i++) {
        int pin;
        status = i8x_cache_adopt(slot->owner->cache, &result.outputs[i].ref, &pin);
        if (status != I8X_OK)
            break;
        status = upload(slot, &result.outputs[i].ref);
        i8x_cache_release(slot->owner->cache, pin);
    }
    i8x_task_result_deinit(&result);
    return status == I8X_OK ? I8X_OK : failed_now(fail, I8X_WIRE_CAUSE_FETCH, status);
}

static i8x_status run_task(agent_slot *slot, failure *fail)
{
    i8x_task task;
    if (i8x_task_decode(slot->task, slot->task_size, slot->arena, &task) != I8X_OK)
        return failed_now(fail, I8X_WIRE_CAUSE_TASK, i8x_last_error()->status);
    int *pins = i8x_arena_array(slot->arena, (size_t)task.input_count + 1, sizeof *pins);
    if (pins == NULL)
        return failed_now(fail, I8X_WIRE_CAUSE_MEMORY, I8X_ENOMEM);
    i8x_status status = I8X_OK;
    int held = 0;
    while (held < task.input_count && status == I8X_OK) {
        status = fetch(slot, &task.inputs[held].ref, &pins[held]);
        held += status == I8X_OK;
    }
    if (status != I8X_OK)
        failed_now(fail, I8X_WIRE_CAUSE_FETCH, status);
    else
        status = run_child(slot, fail);
    for (int i = 0; i < held; i++)
        i8x_cache_release(slot->owner->cache, pins[i]);
    return status == I8X_OK ? upload_outputs(slot, fail) : status;
}

/* Copies the first grant out of an answer; the slot is busy from then on. */
static bool take_grant(agent_slot *slot, const i8x_wire_grant *grants, size_t count)
{
    if (count == 0)
        return false;
    const i8x_wire_grant *grant = &grants[0];
    slot->task = i8x_alloc_array(i8x_alloc_heap(), grant->task_size, 1);
    I8X_ASSERT(slot->task != NULL);
    memcpy(slot->task, grant->task, grant->task_size);
    slot->task_size = grant->task_size;
    pthread_mutex_lock(&slot->owner->mutex);
    slot->busy = true;
    slot->cancel = false;
    slot->key = grant->key;
    slot->epoch = grant->epoch;
    slot->done = slot->total = 0;
    pthread_mutex_unlock(&slot->owner->mutex);
    return true;
}

static void drop_grant(agent_slot *slot)
{
    i8x_alloc_free(i8x_alloc_heap(), slot->task, slot->task_size);
    slot->task = NULL;
    pthread_mutex_lock(&slot->owner->mutex);
    slot->busy = false;
    pthread_mutex_unlock(&slot->owner->mutex);
}

/* Runs the grant in hand and reports it; true if the answer brought the next one. */
static bool work(agent_slot *slot)
{
    agent *a = slot->owner;
    failure fail = {0};
    i8x_status status;
    if (is_stopping(a)) {
        snprintf(fail.detail, sizeof fail.detail, "the worker is stopping");
        status = failed_now(&fail, I8X_WIRE_CAUSE_CANCELED, I8X_ECANCELED);
    } else {
        status = run_task(slot, &fail);
    }
    uint32_t want = is_stopping(a) ? 0 : 1;
    i8x_wire_message message = {.type = I8X_WIRE_RESULT}, answer;
    if (status == I8X_OK) {
        message.u.result =
            (i8x_wire_result){slot->key, slot->epoch, slot->frame.bytes, slot->frame.size, want};
    } else {
        message.type = I8X_WIRE_FAIL;
        message.u.fail = (i8x_wire_fail){slot->key,   slot->epoch, fail.cause, fail.status,
                                         fail.detail, fail.tail,   want};
        char quoted[2 * I8X_WIRE_DETAIL_MAX];
        i8x_log(I8X_LOG_WARN, "task_failed", "slot=%d cause=%s status=%s detail=%s", slot->number,
                i8x_wire_cause_name(fail.cause), i8x_status_name(fail.status),
                i8x_log_quote(fail.detail, quoted, sizeof quoted));
    }
    i8x_status told =
        i8x_session_call(a->session, slot->number, &message, -1, slot->arena, &answer);
    drop_grant(slot);
    if (told != I8X_OK || answer.type != I8X_WIRE_COMMITTED)
        return false;
    if (answer.u.committed.state == I8X_WIRE_STATE_REFUSED) {
        char quoted[2 * I8X_WIRE_DETAIL_MAX];
        i8x_log(I8X_LOG_WARN, "result_refused", "slot=%d detail=%s", slot->number,
                i8x_log_quote(answer.u.committed.detail, quoted, sizeof quoted));
    }
    return take_grant(slot, answer.u.committed.grants, answer.u.committed.grant_count);
}

static bool lease(agent_slot *slot)
{
    i8x_wire_message message = {.type = I8X_WIRE_LEASE, .u.lease = {1, LEASE_WAIT_MS}}, answer;
    i8x_status status =
        i8x_session_call(slot->owner->session, slot->number, &message, -1, slot->arena, &answer);
    if (status != I8X_OK) {
        char quoted[2 * I8X_ERROR_DETAIL_SIZE];
        i8x_log(I8X_LOG_WARN, "lease_failed", "slot=%d detail=%s", slot->number,
                i8x_log_quote(i8x_last_error()->detail, quoted, sizeof quoted));
        sleep_ms(I8X_REJOIN_MS);
        return false;
    }
    return answer.type == I8X_WIRE_GRANTS &&
           take_grant(slot, answer.u.grants.grants, answer.u.grants.grant_count);
}

static void *slot_main(void *user)
{
    agent_slot *slot = user;
    i8x_arena_mark start = i8x_arena_mark_get(slot->arena);
    bool granted = false;
    while (granted || !is_stopping(slot->owner)) {
        granted = granted ? work(slot) : lease(slot);
        i8x_arena_rewind(slot->arena, start);
    }
    end_child(slot);
    return NULL;
}

/* ---- heartbeat ---- */

static void cancel_task(agent *a, const i8x_digest *key)
{
    pthread_mutex_lock(&a->mutex);
    for (int i = 0; i < a->opts.slots; i++)
        if (a->slots[i].busy && i8x_digest_equal(&a->slots[i].key, key))
            a->slots[i].cancel = true;
    pthread_mutex_unlock(&a->mutex);
}

static void beat(agent *a, i8x_arena *arena)
{
    i8x_wire_message message = {.type = I8X_WIRE_RENEW}, answer;
    message.u.renew.held_count = held_leases(a, arena, &message.u.renew.held);
    message.u.renew.draining = is_stopping(a);
    if (i8x_session_call(a->session, a->opts.slots, &message, 0, arena, &answer) != I8X_OK ||
        answer.type != I8X_WIRE_CONTROL)
        return;
    for (size_t i = 0; i < answer.u.control.digest_count; i++)
        cancel_task(a, &answer.u.control.digests[i]);
}

static void *heartbeat_main(void *user)
{
    agent *a = user;
    i8x_arena *arena = NULL;
    if (i8x_arena_new(NULL, ARENA_MAX, &arena) != I8X_OK)
        return NULL;
    bool told = false;
    for (;;) {
        i8x_session_terms terms;
        int wait_ms =
            i8x_session_terms_get(a->session, &terms) ? (int)terms.heartbeat_ms : I8X_REJOIN_MS;
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = until.tv_nsec + (int64_t)wait_ms * 1000000;
        until.tv_sec += ns / 1000000000;
        until.tv_nsec = ns % 1000000000;
        pthread_mutex_lock(&a->mutex);
        int code = 0;
        while (!a->ended && (told || !a->stopping) && code == 0)
            code = pthread_cond_timedwait(&a->wake, &a->mutex, &until);
        told = a->stopping;
        bool ended = a->ended;
        pthread_mutex_unlock(&a->mutex);
        if (ended)
            break;
        i8x_arena_mark start = i8x_arena_mark_get(arena);
        beat(a, arena);
        i8x_arena_rewind(arena, start);
    }
    i8x_arena_free(arena);
    return NULL;
}

/* ---- life ---- */

static void say_bye(agent *a)
{
    i8x_arena *arena = NULL;
    if (i8x_arena_new(NULL, ARENA_MAX, &arena) != I8X_OK)
        return;
    i8x_wire_message message = {.type = I8X_WIRE_BYE, .u.bye = {"stopped"}}, answer;
    if (i8x_session_call(a->session, 0, &message, 0, arena, &answer) == I8X_OK)
        i8x_log(I8X_LOG_INFO, "left", "worker=%s", a->id);
    i8x_arena_free(arena);
}

static i8x_status start_slots(agent *a)
{
    a->slots = i8x_alloc_array(i8x_alloc_heap(), (size_t)a->opts.slots, sizeof *a->slots);
    I8X_TRY(i8x_alloc_check(a->slots));
    for (int i = 0; i < a->opts.slots; i++) {
        agent_slot *slot = &a->slots[i];
        *slot = (agent_slot){.owner = a, .number = i, .fd = -1};
        i8x_buffer_init(&slot->frame, I8X_SLOT_FRAME_MAX);
        I8X_TRY(i8x_arena_new(NULL, ARENA_MAX, &slot->arena));
    }
    /* lanes: one per slot, one for heartbeats */
    I8X_TRY(i8x_session_new(a->opts.join, a->opts.slots + 1, fill_hello, a, &a->session));
    for (int i = 0; i < a->opts.slots; i++) {
        agent_slot *slot = &a->slots[i];
        slot->thread_runs = pthread_create(&slot->thread, NULL, slot_main, slot) == 0;
        I8X_ENSURE(slot->thread_runs, I8X_ENOMEM, "no thread for slot %d", i);
    }
    a->heartbeat_runs = pthread_create(&a->heartbeat, NULL, heartbeat_main, a) == 0;
    I8X_ENSURE(a->heartbeat_runs, I8X_ENOMEM, "no thread for heartbeats");
    return I8X_OK;
}

static void stop_slots(agent *a)
{
    pthread_mutex_lock(&a->mutex);
    a->stopping = true;
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->mutex);
    if (a->session != NULL)
        i8x_session_hurry(a->session);
    for (int i = 0; a->slots != NULL && i < a->opts.slots; i++)
        if (a->slots[i].thread_runs)
            pthread_join(a->slots[i].thread, NULL);
    pthread_mutex_lock(&a->mutex);
    a->ended = true;
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->mutex);
    if (a->heartbeat_runs)
        pthread_join(a->heartbeat, NULL);
}

static void agent_deinit(agent *a)
{
    i8x_session_free(a->session);
    for (int i = 0; a->slots != NULL && i < a->opts.slots; i++) {
        i8x_bulk_free(a->slots[i].bulk);
        i8x_arena_free(a->slots[i].arena);
        i8x_buffer_deinit(&a->slots[i].frame);
    }
    if (a->slots != NULL)
        i8x_alloc_free(i8x_alloc_heap(), a->slots, (size_t)a->opts.slots * sizeof *a->slots);
    i8x_zygote_free(a->zygote);
    i8x_cache_close(a->cache);
    pthread_cond_destroy(&a->wake);
    pthread_mutex_destroy(&a->mutex);
}

static i8x_status agent_init(agent *a, const i8x_agent_opts *opts)
{
    *a = (agent){.opts = *opts};
    pthread_mutex_init(&a->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&a->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    I8X_TRY(
        i8x_zygote_new(opts->cache, &a->zygote)); /* first: it must not inherit threads or locks */
    I8X_TRY(i8x_cache_open(opts->cache, opts->cache_bytes, &a->cache));
    I8X_TRY(i8x_bulk_global_init());
    return make_identity(a);
}

/* Waits for a signal; a second one, while running tasks are finished, ends the process at once. */
static void *second_signal(void *user)
{
    int number;
    sigwait(user, &number);
    i8x_log(I8X_LOG_WARN, "killed", "signal=%d", number);
    _exit(i8x_status_exit_code(I8X_ECANCELED));
}

static void run_until_signal(agent *a, sigset_t *signals)
{
    int number;
    i8x_log(I8X_LOG_INFO, "started", "worker=%s join=%s slots=%d threads=%d level=%s", a->id,
            a->opts.join, a->opts.slots, a->opts.threads, i8x_cpu_level_name(a->opts.level));
    sigwait(signals, &number);
    i8x_log(I8X_LOG_INFO, "draining", "signal=%d", number);
    pthread_t impatient;
    if (pthread_create(&impatient, NULL, second_signal, signals) == 0)
        pthread_detach(impatient);
}

i8x_status i8x_agent_run(const i8x_agent_opts *opts)
{
    static sigset_t signals; /* outlives this call for the thread that waits for the second one */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    static agent a;
    i8x_status status = agent_init(&a, opts);
    if (status == I8X_OK)
        status = start_slots(&a);
    i8x_error error = *i8x_last_error();
    if (status == I8X_OK)
        run_until_signal(&a, &signals);
    stop_slots(&a);
    if (status == I8X_OK)
        say_bye(&a);
    agent_deinit(&a);
    return status == I8X_OK ? I8X_OK : i8x_fail(status, error.file, error.line, "%s", error.detail);
}
