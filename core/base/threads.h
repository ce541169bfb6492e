/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads: a fixed pool and a parallel loop over static contiguous ranges.
 *
 * The split depends only on (begin, end, grain, count of threads), never on speed; code whose
 * result reaches an artifact must in addition not depend on the split (sums per element, not per
 * range). Workers sleep on a condition variable and never spin. A pool serves one loop at a time: a
 * loop inside a loop of the same pool is a programmer error (asserted). pool NULL or of one thread
 * runs inline.
 *
 *     static void rows(void *user, int64_t begin, int64_t end, int thread_index) { ... }
 *     i8x_threads_for(pool, 0, row_count, 8, rows, &job);
 */
#ifndef I8X_BASE_THREADS_H
#define I8X_BASE_THREADS_H

#include <stdint.h>

#include "int8x/status.h"

#define I8X_THREADS_MAX 256

typedef struct i8x_threads i8x_threads;

/* [begin, end) is this call's part, never empty; thread_index 0 .. count-1 picks per-thread
 * scratch. */
typedef void (*i8x_threads_fn)(void *user, int64_t begin, int64_t end, int thread_index);
typedef i8x_status (*i8x_threads_try_fn)(void *user, int64_t begin, int64_t end, int thread_index);

/** count threads in all, the caller's among them: count - 1 are started. 0 = i8x_cpu_count().
 * Errors: I8X_EARG (count), I8X_ENOMEM, I8X_ELIMIT (the system gives no thread). */
I8X_FALLIBLE i8x_status i8x_threads_new(int count, i8x_threads **pool);
/** Joins the threads. NULL is allowed. */
void i8x_threads_free(i8x_threads *pool);
/** Threads of the pool; 1 for NULL. */
int i8x_threads_count(const i8x_threads *pool);
/** Calls fn on a partition of [begin, end) whose inner borders are begin + a multiple of grain (at
 * least 1); returns when all are done. */
void i8x_threads_for(i8x_threads *pool, int64_t begin, int64_t end, int64_t grain,
                     i8x_threads_fn fn, void *user);
/** As i8x_threads_for; all parts run, and the failure of the lowest range is returned, its sentence
 * in the caller's i8x_last_error(). */
I8X_FALLIBLE i8x_status i8x_threads_try_for(i8x_threads *pool, int64_t begin, int64_t end,
                                            int64_t grain, i8x_threads_try_fn fn, void *user);

#endif
