/* SPDX-License-Identifier: Apache-2.0
 *
 * The pool: count - 1 threads that sleep on one condition variable, and the caller, who takes part
 * 0. A loop publishes its job under the mutex with a new generation number and wakes all; each
 * thread does its one part (its index) and counts itself done. Work stealing was left out: ranges
 * are equal by construction, and a fixed split keeps per-thread scratch and timings repeatable.
 */
#include "core/base/threads.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "int8x/alloc.h"
#include "int8x/cpu.h"

typedef struct loop_job {
    int64_t begin;
    int64_t end;
    int64_t grain;
    int part_count;
    i8x_threads_fn fn;
    void *user;
} loop_job;

typedef struct pool_thread {
    i8x_threads *pool;
    pthread_t handle;
    int index;
} pool_thread;

struct i8x_threads {
    int count;
    pthread_mutex_t mutex;
    pthread_cond_t work; /* generation has changed, or stopping */
    pthread_cond_t done; /* pending has reached 0 */
    /* under the mutex: */
    loop_job job;
    uint64_t generation;
    int pending; /* threads that have not finished the current generation */
    bool busy;
    bool stopping;
    pool_thread threads[I8X_THREADS_MAX]; /* 1 .. count-1 are used */
};

/* Part index of the job: whole grains, dealt out evenly, the first parts one grain longer. */
static void run_part(const loop_job *job, int index)
{
    if (index >= job->part_count)
        return;
    const int64_t length = job->end - job->begin;
    const int64_t grains = (length - 1) / job->grain + 1;
    const int64_t each = grains / job->part_count, longer = grains % job->part_count;
    const int64_t first = each * index + (index < longer ? index : longer);
    const int64_t last = first + each + (index < longer ? 1 : 0);
    const int64_t begin = job->begin + first * job->grain;
    const int64_t end = last == grains ? job->end : job->begin + last * job->grain;
    job->fn(job->user, begin, end, index);
}

static void *thread_main(void *argument)
{
    pool_thread *self = argument;
    i8x_threads *pool = self->pool;
    uint64_t seen = 0;
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        while (pool->generation == seen && !pool->stopping)
            pthread_cond_wait(&pool->work, &pool->mutex);
        if (pool->stopping)
            break;
        seen = pool->generation;
        const loop_job job = pool->job;
        pthread_mutex_unlock(&pool->mutex);
        run_part(&job, self->index);
        pthread_mutex_lock(&pool->mutex);
        if (--pool->pending == 0)
            pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

i8x_status i8x_threads_new(int count, i8x_threads **pool)
{
    if (count == 0) {
        count = i8x_cpu_count();
        if (count > I8X_THREADS_MAX)
            count = I8X_THREADS_MAX;
    }
    I8X_ENSURE(count >= 1 && count <= I8X_THREADS_MAX, I8X_EARG,
               "%d threads: the pool takes 1 to %d, or 0 for one per processor", count,
               I8X_THREADS_MAX);
    i8x_threads *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->work, NULL);
    pthread_cond_init(&made->done, NULL);
    for (made->count = 1; made->count < count; made->count++) {
        pool_thread *thread = &made->threads[made->count];
        thread->pool = made;
        thread->index = made->count;
        if (pthread_create(&thread->handle, NULL, thread_main, thread) != 0) {
            const int started = made->count;
            i8x_threads_free(made);
            I8X_FAIL(I8X_ELIMIT, "the system gives %d of %d threads", started, count);
        }
    }
    *pool = made;
    return I8X_OK;
}

void i8x_threads_free(i8x_threads *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->mutex);
    I8X_ASSERT(!pool->busy);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 1; i < pool->count; i++)
        pthread_join(pool->threads[i].handle, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
    i8x_alloc_free(i8x_alloc_heap(), pool, sizeof *pool);
}

int i8x_threads_count(const i8x_threads *pool)
{
    return pool != NULL ? pool->count : 1;
}

static void run_on_pool(i8x_threads *pool, const loop_job *job)
{
    pthread_mutex_lock(&pool->mutex);
    I8X_ASSERT(!pool->busy); /* a loop inside a loop, or two callers at once */
    pool->busy = true;
    pool->job = *job;
    pool->pending = pool->count - 1;
    pool->generation++;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    run_part(job, 0);
    pthread_mutex_lock(&pool->mutex);
    while (pool->pending > 0)
        pthread_cond_wait(&pool->done, &pool->mutex);
    pool->busy = false;
    pthread_mutex_unlock(&pool->mutex);
}

void i8x_threads_for(i8x_threads *pool, int64_t begin, int64_t end, int64_t grain,
                     i8x_threads_fn fn, void *user)
{
    if (begin >= end)
        return;
    /* the length must not overflow: loops run over counts, not over addresses */
    I8X_ASSERT(begin >= 0 || end <= INT64_MAX + begin);
    if (grain < 1)
        grain = 1;
    const int64_t grains = (end - begin - 1) / grain + 1;
    const int count = i8x_threads_count(pool);
    const loop_job job = {begin, end, grain, grains < count ? (int)grains : count, fn, user};
    if (job.part_count == 1)
        fn(user, begin, end, 0);
    else
        run_on_pool(pool, &job);
}

typedef struct try_part {
    i8x_status status;
    i8x_error error;
} try_part;

typedef struct try_job {
    i8x_threads_try_fn fn;
    void *user;
    try_part *parts;
} try_job;

/* The detail is thread-local, so a failing part keeps its own copy. */
static void run_try_part(void *user, int64_t begin, int64_t end, int thread_index)
{
    const try_job *job = user;
    try_part *part = &job->parts[thread_index];
    part->status = job->fn(job->user, begin, end, thread_index);
    if (part->status != I8X_OK)
        part->error = *i8x_last_error();
}

i8x_status i8x_threads_try_for(i8x_threads *pool, int64_t begin, int64_t end, int64_t grain,
                               i8x_threads_try_fn fn, void *user)
{
    const int count = i8x_threads_count(pool);
    if (count == 1)
        return begin < end ? fn(user, begin, end, 0) : I8X_OK;
    try_part *parts = i8x_alloc_array(i8x_alloc_heap(), (size_t)count, sizeof *parts);
    I8X_TRY(i8x_alloc_check(parts));
    try_job job = {fn, user, parts};
    i8x_threads_for(pool, begin, end, grain, run_try_part, &job);
    i8x_status status = I8X_OK;
    for (int i = 0; i < count && status == I8X_OK; i++) /* ranges ascend with the index */
        if (parts[i].status != I8X_OK)
            status = i8x_fail(parts[i].status, parts[i].error.file, parts[i].error.line, "%s",
                              parts[i].error.detail);
    i8x_alloc_free(i8x_alloc_heap(), parts, (size_t)count * sizeof *parts);
    return status;
}
