/* SPDX-License-Identifier: Apache-2.0
 *
 * Pool: the slots, child processes in which tasks run, one task in each at a time. A lane takes a
 * free one, runs its task there and puts it back; who waits longest comes first. A child that
 * crashed, took too long or too much is replaced when it is needed next. Thread-safe.
 */
#ifndef I8X_WORKER_POOL_H
#define I8X_WORKER_POOL_H

#include <stdbool.h>
#include <sys/types.h>

#include "int8x/cpu.h"
#include "proto/buffer.h"
#include "proto/wire.h"
#include "worker/zygote.h"

typedef struct i8x_pool i8x_pool;
typedef struct i8x_pool_child i8x_pool_child;

/* What a task may take, and who asks how it goes. */
typedef struct i8x_pool_run {
    const uint8_t *task; /* [task_size] encoded */
    size_t task_size;
    uint64_t memory_bytes, seconds; /* 0 = no limit */
    int threads;
    i8x_cpu_level level;
    bool probes;                  /* tasks of that kind may run */
    bool (*canceled)(void *user); /* looked at every I8X_SLOT_GRACE_MS */
    void (*progress)(void *user, uint64_t done, uint64_t total);
    i8x_status (*need)(void *user, uint32_t input); /* fetches a late input (int8x/task.h) */
    void *user;
} i8x_pool_run;

/* How a task ended that has no result. */
typedef struct i8x_pool_failure {
    i8x_wire_cause cause;
    i8x_status status;
    char detail[I8X_WIRE_DETAIL_MAX + 1];
    char tail[I8X_WIRE_TAIL_MAX + 1]; /* last words of the process */
} i8x_pool_failure;

/** zygote and cache_folder are borrowed. Errors: I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_pool_new(i8x_zygote *zygote, const char *cache_folder, int slots,
                                     i8x_pool **pool);
/** Ends the children; all must be back. NULL is allowed. */
void i8x_pool_free(i8x_pool *pool);
/** Waits for a free child as long as wanted(user) holds, which is asked now and at each
 * i8x_pool_stir; else NULL. It is called with the pool locked. */
i8x_pool_child *i8x_pool_acquire(i8x_pool *pool, bool (*wanted)(void *user), void *user);
/** Does anybody wait for a child? */
bool i8x_pool_awaited(i8x_pool *pool);
/** Those who wait look again whether they still want a child. */
void i8x_pool_stir(i8x_pool *pool);
void i8x_pool_release(i8x_pool *pool, i8x_pool_child *child);
/** Runs a task; its encoded result is then in result. Any error: failure says what happened. */
I8X_FALLIBLE i8x_status i8x_pool_child_run(i8x_pool_child *child, const i8x_pool_run *run,
                                           i8x_buffer *result, i8x_pool_failure *failure);
/** Process ids of the living children, at most room; how many. */
size_t i8x_pool_pids(i8x_pool *pool, pid_t *pids, size_t room);
/** Fills a failure whose sentence is, unless one stands there, the last error's; returns status. */
i8x_status i8x_pool_failed(i8x_pool_failure *failure, i8x_wire_cause cause, i8x_status status);

#endif
