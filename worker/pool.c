/* SPDX-License-Identifier: Apache-2.0
 *
 * Lanes that find no free child stand in a line, each with a condition of its own: a child that is
 * put back wakes the one that gets it and nobody else.
 */
#include "worker/pool.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "int8x/alloc.h"
#include "int8x/clock.h"
#include "int8x/log.h"
#include "worker/cache.h"
#include "worker/frame.h"
#include "worker/guard.h"

struct i8x_pool_child {
    i8x_pool *pool;
    int number;
    pid_t pid; /* 0 = no process; changed under the pool's mutex */
    int fd;
    i8x_pool_child *next_free;
};

typedef struct pool_waiter {
    struct pool_waiter *next;
    pthread_cond_t given;
    i8x_pool_child *child;
} pool_waiter;

struct i8x_pool {
    i8x_zygote *zygote;
    const char *cache_folder;
    pthread_mutex_t mutex;
    i8x_pool_child *children;
    int slots;
    i8x_pool_child *free;
    pool_waiter *line, *line_end;
};

i8x_status i8x_pool_new(i8x_zygote *zygote, const char *cache_folder, int slots, i8x_pool **pool)
{
    i8x_pool *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->zygote = zygote;
    made->cache_folder = cache_folder;
    made->slots = slots;
    pthread_mutex_init(&made->mutex, NULL);
    made->children = i8x_alloc_array(i8x_alloc_heap(), (size_t)slots, sizeof *made->children);
    if (made->children == NULL) {
        i8x_pool_free(made);
        I8X_FAIL(I8X_ENOMEM, "no memory for %d slots", slots);
    }
    for (int i = slots - 1; i >= 0; i--) {
        made->children[i] =
            (i8x_pool_child){.pool = made, .number = i, .fd = -1, .next_free = made->free};
        made->free = &made->children[i];
    }
    *pool = made;
    return I8X_OK;
}

/* ---- life of a child ---- */

static void set_pid(i8x_pool_child *child, pid_t pid, int fd)
{
    pthread_mutex_lock(&child->pool->mutex);
    child->pid = pid;
    child->fd = fd;
    pthread_mutex_unlock(&child->pool->mutex);
}

static int end_child(i8x_pool_child *child)
{
    int status = 0;
    if (child->pid > 0) {
        close(child->fd);
        if (i8x_zygote_reap(child->pool->zygote, child->pid, &status) != I8X_OK)
            i8x_log(I8X_LOG_WARN, "slot_not_reaped", "slot=%d pid=%d", child->number,
                    (int)child->pid);
    }
    set_pid(child, 0, -1);
    return status;
}

static i8x_status start_child(i8x_pool_child *child)
{
    pid_t pid;
    int fd;
    I8X_TRY(i8x_zygote_spawn(child->pool->zygote, child->number, &pid, &fd));
    set_pid(child, pid, fd);
    return I8X_OK;
}

void i8x_pool_free(i8x_pool *pool)
{
    if (pool == NULL)
        return;
    for (int i = 0; pool->children != NULL && i < pool->slots; i++)
        end_child(&pool->children[i]);
    i8x_alloc_free(i8x_alloc_heap(), pool->children, (size_t)pool->slots * sizeof *pool->children);
    pthread_mutex_destroy(&pool->mutex);
    i8x_alloc_free(i8x_alloc_heap(), pool, sizeof *pool);
}

static void leave_line(i8x_pool *pool, const pool_waiter *me)
{
    pool_waiter **at = &pool->line, *before = NULL;
    while (*at != me) {
        before = *at;
        at = &before->next;
    }
    *at = me->next;
    if (pool->line_end == me)
        pool->line_end = before;
}

/* Under the mutex. */
static i8x_pool_child *wait_in_line(i8x_pool *pool, bool (*wanted)(void *user), void *user)
{
    pool_waiter me = {.next = NULL};
    pthread_cond_init(&me.given, NULL);
    if (pool->line_end != NULL)
        pool->line_end->next = &me;
    else
        pool->line = &me; /* cppcheck-suppress autoVariables ; it leaves the line below */
    pool->line_end = &me; /* cppcheck-suppress autoVariables */
    while (me.child == NULL && wanted(user))
        pthread_cond_wait(&me.given, &pool->mutex);
    if (me.child == NULL)
        leave_line(pool, &me);
    pthread_cond_destroy(&me.given);
    return me.child;
}

i8x_pool_child *i8x_pool_acquire(i8x_pool *pool, bool (*wanted)(void *user), void *user)
{
    pthread_mutex_lock(&pool->mutex);
    i8x_pool_child *child = pool->free;
    if (child != NULL)
        pool->free = child->next_free;
    else
        child = wait_in_line(pool, wanted, user);
    pthread_mutex_unlock(&pool->mutex);
    return child;
}

void i8x_pool_stir(i8x_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    for (pool_waiter *waiter = pool->line; waiter != NULL; waiter = waiter->next)
        pthread_cond_signal(&waiter->given);
    pthread_mutex_unlock(&pool->mutex);
}

void i8x_pool_release(i8x_pool *pool, i8x_pool_child *child)
{
    pthread_mutex_lock(&pool->mutex);
    pool_waiter *first = pool->line;
    if (first != NULL) {
        pool->line = first->next;
        if (pool->line == NULL)
            pool->line_end = NULL;
        first->child = child;
        pthread_cond_signal(&first->given); /* before the mutex goes, and the waiter with it */
    } else {
        child->next_free = pool->free;
        pool->free = child;
    }
    pthread_mutex_unlock(&pool->mutex);
}

bool i8x_pool_awaited(i8x_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    bool awaited = pool->line != NULL;
    pthread_mutex_unlock(&pool->mutex);
    return awaited;
}

size_t i8x_pool_pids(i8x_pool *pool, pid_t *pids, size_t room)
{
    size_t count = 0;
    pthread_mutex_lock(&pool->mutex);
    for (int i = 0; i < pool->slots && count < room; i++)
        if (pool->children[i].pid > 0)
            pids[count++] = pool->children[i].pid;
    pthread_mutex_unlock(&pool->mutex);
    return count;
}

/* ---- failures ---- */

i8x_status i8x_pool_failed(i8x_pool_failure *failure, i8x_wire_cause cause, i8x_status status)
{
    failure->cause = cause;
    failure->status = status;
    if (failure->detail[0] == 0)
        snprintf(failure->detail, sizeof failure->detail, "%s", i8x_last_error()->detail);
    return status;
}

/* Last bytes that the child wrote to its standard error, line breaks as spaces. */
static void read_tail(const i8x_pool_child *child, char tail[I8X_WIRE_TAIL_MAX + 1])
{
    char path[I8X_CACHE_PATH_SIZE];
    int fd = open(i8x_zygote_stderr(child->pool->cache_folder, child->number, path, sizeof path),
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

/* The child is gone or has to go: why? */
static i8x_status child_failed(i8x_pool_child *child, i8x_pool_failure *failure,
                               i8x_wire_cause cause, uint64_t limit)
{
    int status = end_child(child);
    read_tail(child, failure->tail);
    static const i8x_status statuses[I8X_WIRE_CAUSE_COUNT] = {
        [I8X_WIRE_CAUSE_CRASH] = I8X_EINTERNAL,
        [I8X_WIRE_CAUSE_MEMORY] = I8X_ELIMIT,
        [I8X_WIRE_CAUSE_TIME] = I8X_ETIMEOUT,
        [I8X_WIRE_CAUSE_CANCELED] = I8X_ECANCELED};
    char *detail = failure->detail;
    size_t size = sizeof failure->detail;
    if (cause == I8X_WIRE_CAUSE_MEMORY)
        snprintf(detail, size, "the task took more than %llu MiB of memory, the limit of one task",
                 (unsigned long long)(limit >> 20));
    else if (cause == I8X_WIRE_CAUSE_TIME)
        snprintf(detail, size, "the task ran longer than %llu s, the limit of one task",
                 (unsigned long long)limit);
    else if (cause == I8X_WIRE_CAUSE_CANCELED)
        snprintf(detail, size, "canceled");
    else if (WIFSIGNALED(status))
        snprintf(detail, size, "the task's process died of signal %d", WTERMSIG(status));
    else
        snprintf(detail, size, "the task's process ended with exit code %d", WEXITSTATUS(status));
    return i8x_pool_failed(failure, cause, statuses[cause]);
}

/* The task itself said no. Without memory left it was over its limit. */
static i8x_status task_failed(i8x_pool_child *child, const i8x_buffer *frame, uint64_t memory,
                              i8x_pool_failure *failure)
{
    i8x_frame_failed said = {.status = I8X_EINTERNAL};
    if (frame->size == sizeof said)
        memcpy(&said, frame->bytes, sizeof said);
    said.detail[sizeof said.detail - 1] = 0;
    bool known = said.status > I8X_OK && said.status < I8X_STATUS_COUNT;
    i8x_status status = known ? (i8x_status)said.status : I8X_EINTERNAL;
    if (status == I8X_ENOMEM)
        return child_failed(child, failure, I8X_WIRE_CAUSE_MEMORY, memory);
    snprintf(failure->detail, sizeof failure->detail, "%s", said.detail);
    return i8x_pool_failed(failure, I8X_WIRE_CAUSE_TASK, status);
}

static i8x_status fetch_failed(const i8x_buffer *frame, i8x_status fetched,
                               i8x_pool_failure *failure)
{
    i8x_frame_failed said = {.status = I8X_EINTERNAL};
    if (frame->size == sizeof said)
        memcpy(&said, frame->bytes, sizeof said);
    said.detail[sizeof said.detail - 1] = 0;
    snprintf(failure->detail, sizeof failure->detail, "%s", said.detail);
    return i8x_pool_failed(failure, I8X_WIRE_CAUSE_FETCH, fetched);
}

/* ---- running ---- */

/* Is it over a limit, or not wanted any more? */
static i8x_status look_after(i8x_pool_child *child, const i8x_pool_run *run, int64_t start_ns,
                             i8x_pool_failure *failure)
{
    if (run->canceled(run->user))
        return child_failed(child, failure, I8X_WIRE_CAUSE_CANCELED, 0);
    int64_t ran_ns = i8x_clock_now_ns(NULL) - start_ns;
    if (run->seconds != 0 && ran_ns > (int64_t)run->seconds * 1000000000)
        return child_failed(child, failure, I8X_WIRE_CAUSE_TIME, run->seconds);
    if (run->memory_bytes != 0 && i8x_guard_watches_memory() &&
        i8x_guard_resident_bytes(child->pid) > run->memory_bytes + I8X_SLOT_SLACK_BYTES)
        return child_failed(child, failure, I8X_WIRE_CAUSE_MEMORY, run->memory_bytes);
    return I8X_OK;
}

/* Looks after a running child until a frame comes; OK means that one can be read. A child that
 * talks all the time is looked after, too. */
static i8x_status watch_child(i8x_pool_child *child, const i8x_pool_run *run, int64_t start_ns,
                              int64_t *looked_ns, i8x_pool_failure *failure)
{
    for (;;) {
        struct pollfd wait = {.fd = child->fd, .events = POLLIN};
        bool ready = poll(&wait, 1, I8X_SLOT_GRACE_MS) > 0;
        int64_t now_ns = i8x_clock_now_ns(NULL);
        if (!ready || now_ns - *looked_ns > (int64_t)I8X_SLOT_GRACE_MS * 1000000) {
            *looked_ns = now_ns;
            I8X_TRY(look_after(child, run, start_ns, failure));
        }
        if (ready)
            return I8X_OK;
    }
}

static void note_progress(const i8x_pool_run *run, const i8x_buffer *frame)
{
    i8x_frame_progress progress;
    if (frame->size != sizeof progress)
        return;
    memcpy(&progress, frame->bytes, sizeof progress);
    run->progress(run->user, progress.done, progress.total);
}

/* Fetches what the task turns out to need. A failure is told to the task, and kept: it is not the
 * task's own. */
static i8x_status serve_need(i8x_pool_child *child, const i8x_pool_run *run,
                             const i8x_buffer *frame, i8x_status *fetched)
{
    i8x_frame_need need = {UINT32_MAX};
    if (frame->size == sizeof need)
        memcpy(&need, frame->bytes, sizeof need);
    *fetched = run->need(run->user, need.input);
    i8x_frame_failed there = {.status = (int32_t)*fetched};
    if (*fetched != I8X_OK)
        snprintf(there.detail, sizeof there.detail, "%s", i8x_last_error()->detail);
    return i8x_frame_write(child->fd, I8X_FRAME_THERE, &there, sizeof there, NULL, 0);
}

i8x_status i8x_pool_child_run(i8x_pool_child *child, const i8x_pool_run *run, i8x_buffer *result,
                              i8x_pool_failure *failure)
{
    if (child->pid == 0 && start_child(child) != I8X_OK)
        return i8x_pool_failed(failure, I8X_WIRE_CAUSE_CRASH, I8X_EIO);
    i8x_frame_run head = {.memory_bytes = run->memory_bytes,
                          .threads = run->threads,
                          .level = (int32_t)run->level,
                          .probes = run->probes};
    int64_t start_ns = i8x_clock_now_ns(NULL), looked_ns = start_ns;
    if (i8x_frame_write(child->fd, I8X_FRAME_RUN, &head, sizeof head, run->task, run->task_size) !=
        I8X_OK)
        return child_failed(child, failure, I8X_WIRE_CAUSE_CRASH, 0);
    for (i8x_status fetched = I8X_OK;;) {
        I8X_TRY(watch_child(child, run, start_ns, &looked_ns, failure));
        i8x_frame_type type;
        if (i8x_frame_read(child->fd, &type, result) != I8X_OK)
            return child_failed(child, failure, I8X_WIRE_CAUSE_CRASH, 0);
        if (type == I8X_FRAME_DONE)
            return I8X_OK;
        if (type == I8X_FRAME_FAILED && fetched != I8X_OK)
            return fetch_failed(result, fetched, failure);
        if (type == I8X_FRAME_FAILED)
            return task_failed(child, result, run->memory_bytes, failure);
        if (type == I8X_FRAME_PROGRESS)
            note_progress(run, result);
        else if (type != I8X_FRAME_NEED || serve_need(child, run, result, &fetched) != I8X_OK)
            return child_failed(child, failure, I8X_WIRE_CAUSE_CRASH, 0);
    }
}
