/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranges must cover everything exactly once, whatever the numbers; and no report from TSan (this
 * file is the pool's stress under it).
 */
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "core/base/threads.h"
#include "tests/support/suite.h"

typedef struct cover {
    uint8_t *seen; /* plain bytes: a range given twice is a race as well as a wrong count */
    int64_t begin;
    int64_t grain;
    atomic_int parts;
    atomic_int wrong;
} cover;

static void mark(void *user, int64_t begin, int64_t end, int thread_index)
{
    cover *job = user;
    atomic_fetch_add(&job->parts, 1);
    if (begin >= end || (begin - job->begin) % job->grain != 0 || thread_index < 0)
        atomic_fetch_add(&job->wrong, 1);
    for (int64_t i = begin; i < end; i++)
        job->seen[i - job->begin]++;
}

START_TEST(ranges_cover_everything_once_for_all_counts_and_grains)
{
    static uint8_t seen[300];
    for (int count = 1; count <= 5; count++) {
        i8x_threads *pool;
        ck_assert_ok(i8x_threads_new(count, &pool));
        ck_assert_int_eq(i8x_threads_count(pool), count);
        for (int64_t length = 0; length <= 40; length++)
            for (int64_t grain = 1; grain <= 9; grain += 2) {
                cover job = {seen, -7, grain, 0, 0};
                memset(seen, 0, sizeof seen);
                i8x_threads_for(pool, -7, -7 + length, grain, mark, &job);
                ck_assert_int_eq(atomic_load(&job.wrong), 0);
                const int64_t grains = (length + grain - 1) / grain;
                ck_assert_int_eq(atomic_load(&job.parts), grains < count ? grains : count);
                for (int64_t i = 0; i < (int64_t)sizeof seen; i++)
                    ck_require(seen[i] == (i < length), "index %lld", (long long)i);
            }
        i8x_threads_free(pool);
    }
}
END_TEST

START_TEST(no_pool_runs_inline_and_empty_loops_call_nothing)
{
    static uint8_t seen[10];
    cover job = {seen, 0, 1, 0, 0};
    i8x_threads_for(NULL, 0, 10, 0, mark, &job);
    ck_assert_int_eq(atomic_load(&job.parts), 1);
    ck_assert_int_eq(seen[9], 1);
    i8x_threads_for(NULL, 3, 3, 1, mark, &job);
    i8x_threads_for(NULL, 3, 2, 1, mark, &job);
    ck_assert_int_eq(atomic_load(&job.parts), 1);
    ck_assert_int_eq(i8x_threads_count(NULL), 1);
    i8x_threads_free(NULL);
}
END_TEST

static void add_range(void *user, int64_t begin, int64_t end, int thread_index)
{
    int64_t *sums = user;
    for (int64_t i = begin; i < end; i++)
        sums[thread_index] += i;
}

START_TEST(ten_thousand_loops_lose_nothing)
{
    i8x_threads *pool;
    int64_t sums[4] = {0}, total = 0;
    ck_assert_ok(i8x_threads_new(4, &pool));
    for (int round = 0; round < 10000; round++)
        i8x_threads_for(pool, 0, 100, 1, add_range, sums);
    i8x_threads_free(pool);
    for (int i = 0; i < 4; i++)
        total += sums[i];
    ck_assert_int_eq(total, 10000LL * 4950);
}
END_TEST

static i8x_status fail_from_30(void *user, int64_t begin, int64_t end, int thread_index)
{
    (void)thread_index;
    if (begin < *(int64_t *)user)
        return I8X_OK;
    I8X_FAIL(I8X_ERANGE, "range %lld to %lld", (long long)begin, (long long)end);
}

START_TEST(the_lowest_failing_range_is_told_with_its_sentence)
{
    i8x_threads *pool;
    int64_t limit = 30;
    ck_assert_ok(i8x_threads_new(4, &pool));
    ck_assert_status(i8x_threads_try_for(pool, 0, 80, 1, fail_from_30, &limit), I8X_ERANGE);
    ck_assert_str_eq(i8x_last_error()->detail, "range 40 to 60");
    limit = 100;
    ck_assert_ok(i8x_threads_try_for(pool, 0, 80, 1, fail_from_30, &limit));
    limit = 0;
    ck_assert_status(i8x_threads_try_for(NULL, 0, 80, 1, fail_from_30, &limit), I8X_ERANGE);
    ck_assert_ok(i8x_threads_try_for(NULL, 8, 8, 1, fail_from_30, &limit));
    i8x_threads_free(pool);
}
END_TEST

START_TEST(counts_out_of_range_are_refused)
{
    i8x_threads *pool = NULL;
    ck_assert_status(i8x_threads_new(-1, &pool), I8X_EARG);
    ck_assert_status(i8x_threads_new(I8X_THREADS_MAX + 1, &pool), I8X_EARG);
    ck_assert_ptr_null(pool);
    ck_assert_ok(i8x_threads_new(0, &pool));
    ck_assert_int_ge(i8x_threads_count(pool), 1);
    i8x_threads_free(pool);
}
END_TEST

static void nest(void *user, int64_t begin, int64_t end, int thread_index)
{
    static uint8_t seen[10];
    cover job = {seen, 0, 1, 0, 0};
    (void)begin;
    (void)end;
    (void)thread_index;
    i8x_threads_for(user, 0, 10, 1, mark, &job);
}

START_TEST(a_loop_inside_a_loop_aborts)
{
    i8x_threads *pool;
    ck_assert_ok(i8x_threads_new(2, &pool));
    i8x_threads_for(pool, 0, 2, 1, nest, pool);
}
END_TEST

Suite *check_threads_suite(void)
{
    const TTest *tests[] = {
        ranges_cover_everything_once_for_all_counts_and_grains,
        no_pool_runs_inline_and_empty_loops_call_nothing,
        ten_thousand_loops_lose_nothing,
        the_lowest_failing_range_is_told_with_its_sentence,
        counts_out_of_range_are_refused,
    };
    Suite *suite = i8x_suite("threads", tests, sizeof tests / sizeof tests[0]);
    TCase *aborts = tcase_create("aborts");
    tcase_add_test_raise_signal(aborts, a_loop_inside_a_loop_aborts, SIGABRT);
    suite_add_tcase(suite, aborts);
    return suite;
}
