/* SPDX-License-Identifier: Apache-2.0
 *
 * Pool: who waits longest gets the next child, and who does not want one any more leaves the line
 * at once.
 */
#include "worker/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "tests/support/suite.h"

typedef struct waiter {
    pthread_t thread;
    atomic_bool wants;
    atomic_bool asked; /* it has looked, so it stands in the line */
    i8x_pool_child *child;
} waiter;

static i8x_pool *pool;

static bool wanted(void *user)
{
    waiter *w = user;
    atomic_store(&w->asked, true);
    return atomic_load(&w->wants);
}

static void *wait_for_child(void *user)
{
    waiter *w = user;
    w->child = i8x_pool_acquire(pool, wanted, w);
    return NULL;
}

static void stand_in_line(waiter *w)
{
    atomic_store(&w->wants, true);
    atomic_store(&w->asked, false);
    w->child = NULL;
    ck_assert_int_eq(pthread_create(&w->thread, NULL, wait_for_child, w), 0);
    struct timespec pause = {0, 100000};
    while (!atomic_load(&w->asked))
        nanosleep(&pause, NULL);
}

static waiter plain = {.wants = true};

START_TEST(who_waits_longest_comes_first)
{
    waiter first, second;
    ck_assert_ok(i8x_pool_new(NULL, ".", 1, &pool));
    i8x_pool_child *child = i8x_pool_acquire(pool, wanted, &plain);
    ck_assert_ptr_nonnull(child);
    stand_in_line(&first);
    stand_in_line(&second);
    i8x_pool_release(pool, child);
    pthread_join(first.thread, NULL);
    ck_assert_ptr_eq(first.child, child);
    i8x_pool_release(pool, child);
    pthread_join(second.thread, NULL);
    ck_assert_ptr_eq(second.child, child);
    i8x_pool_release(pool, child);
    i8x_pool_free(pool);
}
END_TEST

START_TEST(who_does_not_want_one_any_more_leaves_the_line)
{
    waiter waiters[3];
    ck_assert_ok(i8x_pool_new(NULL, ".", 1, &pool));
    i8x_pool_child *child = i8x_pool_acquire(pool, wanted, &plain);
    for (int i = 0; i < 3; i++)
        stand_in_line(&waiters[i]);
    static const int order[] = {1, 2}; /* from the middle, then the end */
    for (int i = 0; i < 2; i++) {
        waiter *w = &waiters[order[i]];
        atomic_store(&w->wants, false);
        i8x_pool_stir(pool);
        pthread_join(w->thread, NULL);
        ck_assert_ptr_null(w->child);
    }
    waiter late;
    stand_in_line(&late);
    i8x_pool_release(pool, child);
    pthread_join(waiters[0].thread, NULL);
    ck_assert_ptr_eq(waiters[0].child, child);
    i8x_pool_release(pool, child);
    pthread_join(late.thread, NULL);
    ck_assert_ptr_eq(late.child, child);
    i8x_pool_release(pool, child);
    i8x_pool_free(pool);
}
END_TEST

Suite *check_pool_suite(void)
{
    const TTest *tests[] = {who_waits_longest_comes_first,
                            who_does_not_want_one_any_more_leaves_the_line};
    return i8x_suite("pool", tests, sizeof tests / sizeof tests[0]);
}
