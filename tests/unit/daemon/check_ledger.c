/* SPDX-License-Identifier: Apache-2.0
 *
 * Ledger: what was told as done is there after a new start; nothing is told before.
 */
#include <semaphore.h>
#include <string.h>

#include "daemon/ledger/ledger.h"
#include "int8x/alloc.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"

static sem_t woken;
static int done_count;

static void wake(void *user)
{
    (void)user;
    sem_post(&woken);
}

static void done(void *user)
{
    (void)user;
    done_count++;
}

static void drain_until(i8x_ledger *ledger, int count)
{
    while (done_count < count) {
        sem_wait(&woken);
        i8x_ledger_drain(ledger);
    }
}

static i8x_status count_job(void *user, const i8x_job_row *row)
{
    int *seen = user;
    ck_assert_str_eq(row->id, *seen == 0 ? "j1" : "j2");
    ck_assert_int_eq(row->state, *seen == 0 ? I8X_JOB_FAILED : I8X_JOB_OPEN);
    ck_assert_uint_eq(row->size, 3);
    ck_assert_mem_eq(row->bytes, "job", 3);
    if (*seen == 0) {
        ck_assert_int_eq(row->status, I8X_ESHAPE);
        ck_assert_str_eq(row->detail, "wrong");
        ck_assert_mem_eq(row->stages, "st", 2);
    }
    ++*seen;
    return I8X_OK;
}

START_TEST(rows_survive_a_new_start)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    const char *path = i8x_temp_dir_path(&dir, "ledger.db");
    i8x_ledger *ledger;
    sem_init(&woken, 0, 0);
    ck_assert_ok(i8x_ledger_open(path, wake, NULL, &ledger));
    ck_assert_uint_eq(i8x_ledger_start_count(ledger), 1);
    i8x_job_row job = {
        .id = "j1", .sequence = 1, .created_ms = 5, .bytes = (const uint8_t *)"job", .size = 3};
    ck_assert_ok(i8x_ledger_put_job(ledger, &job, done, NULL));
    job.id = "j2";
    job.sequence = 2;
    ck_assert_ok(i8x_ledger_put_job(ledger, &job, done, NULL));
    i8x_job_row end = {.id = "j1",
                       .state = I8X_JOB_FAILED,
                       .status = I8X_ESHAPE,
                       .detail = "wrong",
                       .stages = (const uint8_t *)"st",
                       .stages_size = 2};
    ck_assert_ok(i8x_ledger_end_job(ledger, &end, done, NULL));
    i8x_digest key = i8x_digest_of("k", 1);
    i8x_result_row result = {key, "calibrate", "j1", "w1", "x86_64", (const uint8_t *)"bytes", 5};
    ck_assert_ok(i8x_ledger_put_result(ledger, &result, done, NULL));
    result.bytes = (const uint8_t *)"other"; /* the first result stays */
    ck_assert_ok(i8x_ledger_put_result(ledger, &result, done, NULL));
    ck_assert_ok(i8x_ledger_put_blob(ledger, &key, 1000, done, NULL));
    ck_assert_int_eq(done_count, 0); /* told by drain, on this thread */
    drain_until(ledger, 6);
    i8x_ledger_close(ledger);

    ck_assert_ok(i8x_ledger_open(path, wake, NULL, &ledger));
    ck_assert_uint_eq(i8x_ledger_start_count(ledger), 2);
    int seen = 0;
    ck_assert_ok(i8x_ledger_each_job(ledger, count_job, &seen));
    ck_assert_int_eq(seen, 2);
    i8x_arena *arena;
    i8x_result_row got;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    ck_assert_ok(i8x_ledger_get_result(ledger, &key, arena, &got));
    ck_assert_mem_eq(got.bytes, "bytes", 5);
    ck_assert_str_eq(got.worker, "w1");
    ck_assert_str_eq(got.arch, "x86_64");
    ck_assert_uint_eq(i8x_ledger_stats_get(ledger).blob_bytes, 1000);
    ck_assert_ok(i8x_ledger_drop_result(ledger, &key));
    ck_assert_ok(i8x_ledger_put_blob(ledger, &key, 1000, done, NULL));
    drain_until(ledger, 7);
    ck_assert_status(i8x_ledger_get_result(ledger, &key, arena, &got), I8X_ENOENT);
    i8x_arena_free(arena);
    i8x_ledger_close(ledger);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(writes_that_wait_share_a_commit)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_ledger *ledger;
    sem_init(&woken, 0, 0);
    ck_assert_ok(i8x_ledger_open(i8x_temp_dir_path(&dir, "ledger.db"), wake, NULL, &ledger));
    for (int i = 0; i < 2000; i++) {
        i8x_digest key = i8x_digest_of(&i, sizeof i);
        ck_require(i8x_ledger_put_blob(ledger, &key, 1, done, NULL) == I8X_OK, "write %d", i);
    }
    drain_until(ledger, 2000);
    i8x_ledger_stats stats = i8x_ledger_stats_get(ledger);
    ck_assert_uint_eq(stats.writes, 2000);
    ck_assert_uint_lt(stats.commits, 1000);
    i8x_ledger_close(ledger);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(a_file_that_is_no_database_is_refused)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_ledger *ledger;
    const char *path = i8x_temp_dir_put(
        &dir, "ledger.db", "this is no database, but it is long enough to be one, or so", 60);
    ck_assert_status(i8x_ledger_open(path, wake, NULL, &ledger), I8X_EIO);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

Suite *check_ledger_suite(void)
{
    const TTest *tests[] = {rows_survive_a_new_start, writes_that_wait_share_a_commit,
                            a_file_that_is_no_database_is_refused};
    return i8x_suite("ledger", tests, sizeof tests / sizeof tests[0]);
}
