/* SPDX-License-Identifier: Apache-2.0
 *
 * Ledger: what was told as done is there after a new start; nothing is told before.
 */
#include <semaphore.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "daemon/ledger/ledger.h"
#include "int8x/alloc.h"
#include "int8x/task.h"
#include "proto/limits.h"
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

static i8x_status check_job(void *user, const i8x_job_row *row)
{
    int *seen = user;
    bool first = strcmp(row->id, "j1") == 0;
    ck_assert_int_eq(row->state, first ? I8X_JOB_FAILED : I8X_JOB_OPEN);
    ck_assert_uint_eq(row->size, 3);
    ck_assert_mem_eq(row->bytes, "job", 3);
    ck_assert_str_eq(row->name, "m.onnx");
    ck_assert_str_eq(row->owner, "ann");
    ck_assert_int_eq(row->priority, 7);
    if (first) {
        ck_assert_int_eq(row->status, I8X_ESHAPE);
        ck_assert_str_eq(row->detail, "wrong");
        ck_assert_str_eq(row->tail, "last words");
        ck_assert_mem_eq(row->stages, "st", 2);
        ck_assert_int_eq(row->version, 12);
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
    i8x_job_row job = {.id = "j1",
                       .sequence = 1,
                       .created_ms = 5,
                       .name = "m.onnx",
                       .owner = "ann",
                       .priority = 7,
                       .bytes = (const uint8_t *)"job",
                       .size = 3};
    ck_assert_ok(i8x_ledger_put_job(ledger, &job, done, NULL));
    job.id = "j2";
    job.sequence = 2;
    ck_assert_ok(i8x_ledger_put_job(ledger, &job, done, NULL));
    i8x_job_row end = {.id = "j1",
                       .state = I8X_JOB_FAILED,
                       .status = I8X_ESHAPE,
                       .detail = "wrong",
                       .tail = "last words",
                       .version = 12,
                       .stages = (const uint8_t *)"st",
                       .stages_size = 2};
    ck_assert_ok(i8x_ledger_end_job(ledger, &end, done, NULL));
    i8x_digest key = i8x_digest_of("k", 1);
    i8x_result_row result = {.key = key,
                             .kind = "calibrate",
                             .job = "j1",
                             .worker = "w1",
                             .arch = "x86_64",
                             .bytes = (const uint8_t *)"bytes",
                             .size = 5};
    ck_assert_ok(i8x_ledger_put_result(ledger, &result, done, NULL));
    result.bytes = (const uint8_t *)"other"; /* the first result stays */
    ck_assert_ok(i8x_ledger_put_result(ledger, &result, done, NULL));
    ck_assert_ok(i8x_ledger_put_blob(ledger, &key, 1000, done, NULL));
    ck_assert_int_eq(done_count, 0); /* told by drain, on this thread */
    drain_until(ledger, 6);
    i8x_ledger_close(ledger);

    ck_assert_ok(i8x_ledger_open(path, wake, NULL, &ledger));
    i8x_ledger_view *view = i8x_ledger_here(ledger);
    ck_assert_uint_eq(i8x_ledger_start_count(ledger), 2);
    int seen = 0;
    ck_assert_ok(i8x_ledger_get_job(view, "j1", check_job, &seen));
    ck_assert_ok(i8x_ledger_get_job(view, "j2", check_job, &seen));
    ck_assert_status(i8x_ledger_get_job(view, "j3", check_job, &seen), I8X_ENOENT);
    ck_assert_int_eq(seen, 2);
    ck_assert_ok(i8x_ledger_each_open_job(view, check_job, &seen));
    ck_assert_int_eq(seen, 3); /* j2 alone is open */
    i8x_job_totals totals;
    ck_assert_ok(i8x_ledger_count_jobs(view, &totals));
    ck_assert_int_eq(totals.counts[I8X_JOB_FAILED], 1);
    ck_assert_int_eq(totals.counts[I8X_JOB_OPEN], 1);
    ck_assert_int_eq(totals.last_sequence, 2);
    i8x_arena *arena;
    i8x_result_row got;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    ck_assert_ok(i8x_ledger_get_result(view, &key, arena, &got));
    ck_assert_mem_eq(got.bytes, "bytes", 5);
    ck_assert_str_eq(got.worker, "w1");
    ck_assert_str_eq(got.arch, "x86_64");
    ck_assert_uint_eq(i8x_ledger_stats_get(ledger).blob_bytes, 1000);
    ck_assert_ok(i8x_ledger_drop_result(ledger, &key));
    ck_assert_ok(i8x_ledger_put_blob(ledger, &key, 1000, done, NULL));
    drain_until(ledger, 7);
    ck_assert_status(i8x_ledger_get_result(view, &key, arena, &got), I8X_ENOENT);
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

/* ---- groups ---- */

static int order[16], order_count;

static void note(void *user)
{
    order[order_count++] = *(int *)user;
    done_count++;
}

START_TEST(a_group_is_one_transaction_and_keeps_its_order)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_ledger *ledger;
    static int numbers[] = {0, 1, 2};
    sem_init(&woken, 0, 0);
    ck_assert_ok(i8x_ledger_open(i8x_temp_dir_path(&dir, "ledger.db"), wake, NULL, &ledger));
    i8x_digest key = i8x_digest_of("k", 1);
    i8x_event_row event = {.job = "j1", .time_ms = 7, .type = "job_created", .body = "{}"};
    int64_t sequence = 0;
    i8x_ledger_group_begin(ledger);
    i8x_status status = i8x_ledger_put_blob(ledger, &key, 1, note, &numbers[0]);
    if (status == I8X_OK)
        status = i8x_ledger_put_event(ledger, &event, &sequence, note, &numbers[1]);
    ck_assert_ok(i8x_ledger_group_end(ledger, status));
    ck_assert_ok(i8x_ledger_put_blob(ledger, &key, 1, note, &numbers[2]));
    drain_until(ledger, 3);
    ck_assert_int_eq(sequence, 1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(order[i], i);

    i8x_ledger_group_begin(ledger); /* a group that fails leaves nothing behind */
    status = i8x_ledger_put_event(ledger, &event, &sequence, note, &numbers[1]);
    ck_assert_ok(status);
    ck_assert_status(i8x_ledger_group_end(ledger, I8X_ENOMEM), I8X_ENOMEM);
    ck_assert_ok(i8x_ledger_put_event(ledger, &event, &sequence, note, &numbers[2]));
    drain_until(ledger, 4);
    int64_t first, last;
    ck_assert_ok(i8x_ledger_event_span(i8x_ledger_here(ledger), &first, &last));
    ck_assert_int_eq(first, 1);
    ck_assert_int_eq(last, 3);
    ck_assert_int_eq(sequence, 3);
    i8x_ledger_close(ledger);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(a_group_is_refused_whole_when_the_queue_is_full)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_ledger *ledger;
    sem_init(&woken, 0, 0);
    ck_assert_ok(i8x_ledger_open(i8x_temp_dir_path(&dir, "ledger.db"), wake, NULL, &ledger));
    ck_assert_ok(i8x_ledger_check_room(ledger, I8X_LEDGER_QUEUE_MAX));
    ck_assert_status(i8x_ledger_check_room(ledger, I8X_LEDGER_QUEUE_MAX + 1), I8X_EBUSY);
    i8x_digest key = i8x_digest_of("k", 1);
    i8x_ledger_group_begin(ledger);
    for (int i = 0; i <= I8X_LEDGER_QUEUE_MAX; i++)
        ck_require(i8x_ledger_put_blob(ledger, &key, 1, done, NULL) == I8X_OK, "put %d", i);
    ck_assert_status(i8x_ledger_group_end(ledger, I8X_OK), I8X_EBUSY);
    ck_assert_ok(i8x_ledger_drop_result(ledger, &key));
    i8x_ledger_close(ledger);
    ck_assert_int_eq(done_count, 0);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

/* ---- events, failures, requests ---- */

typedef struct seen_events {
    int count;
    int64_t last;
} seen_events;

static i8x_status see_event(void *user, const i8x_event_row *row)
{
    seen_events *seen = user;
    ck_assert_int_gt(row->sequence, seen->last);
    ck_assert_str_eq(row->type, "task_done");
    ck_assert_str_eq(row->body, "{}");
    seen->last = row->sequence;
    seen->count++;
    return I8X_OK;
}

static i8x_status see_failure(void *user, const i8x_failure_row *row)
{
    int *count = user;
    ck_assert_str_eq(row->worker, *count == 0 ? "w1" : "w2");
    ck_assert_str_eq(row->cause, "crash");
    ck_assert_int_eq(row->status, I8X_EINTERNAL);
    ck_assert_str_eq(row->tail, "segfault");
    ++*count;
    return I8X_OK;
}

static i8x_status see_request(void *user, const i8x_request_row *row)
{
    int *count = user;
    i8x_digest key = i8x_digest_of("new", 3);
    ck_assert(i8x_digest_equal(&row->key, &key));
    ck_assert_str_eq(row->job, "j1");
    ++*count;
    return I8X_OK;
}

START_TEST(events_are_paged_by_number_and_by_job)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_ledger *ledger;
    sem_init(&woken, 0, 0);
    ck_assert_ok(i8x_ledger_open(i8x_temp_dir_path(&dir, "ledger.db"), wake, NULL, &ledger));
    i8x_event_row event = {.time_ms = 7, .type = "task_done", .body = "{}"};
    int64_t sequence;
    for (int i = 0; i < 10; i++) {
        event.job = i % 2 == 0 ? "j1" : "j2";
        ck_assert_ok(i8x_ledger_put_event(ledger, &event, &sequence, done, NULL));
    }
    ck_assert_int_eq(i8x_ledger_next_event(ledger), 11);
    drain_until(ledger, 10);
    i8x_ledger_view *view = i8x_ledger_here(ledger);
    seen_events seen = {0};
    ck_assert_ok(i8x_ledger_page_events(view, NULL, 0, 4, see_event, &seen));
    ck_assert_int_eq(seen.last, 4);
    ck_assert_ok(i8x_ledger_page_events(view, NULL, seen.last, 100, see_event, &seen));
    ck_assert_int_eq(seen.count, 10);
    seen = (seen_events){0};
    ck_assert_ok(i8x_ledger_page_events(view, "j2", 2, 100, see_event, &seen));
    ck_assert_int_eq(seen.count, 4);
    ck_assert_int_eq(seen.last, 10);
    ck_assert_ok(i8x_ledger_trim_events(ledger, 6));
    ck_assert_ok(i8x_ledger_put_event(ledger, &event, &sequence, done, NULL));
    drain_until(ledger, 11);
    int64_t first, last;
    ck_assert_ok(i8x_ledger_event_span(view, &first, &last));
    ck_assert_int_eq(first, 7);
    ck_assert_int_eq(last, 11);
    i8x_ledger_close(ledger);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(failures_and_requests_are_kept)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_ledger *ledger;
    sem_init(&woken, 0, 0);
    ck_assert_ok(i8x_ledger_open(i8x_temp_dir_path(&dir, "ledger.db"), wake, NULL, &ledger));
    i8x_failure_row failure = {.key = i8x_digest_of("k", 1),
                               .worker = "w1",
                               .cause = "crash",
                               .status = I8X_EINTERNAL,
                               .detail = "it fell",
                               .tail = "segfault"};
    ck_assert_ok(i8x_ledger_put_failure(ledger, &failure, NULL, NULL));
    failure.worker = "w2";
    ck_assert_ok(i8x_ledger_put_failure(ledger, &failure, done, NULL));
    i8x_request_row request = {.key = i8x_digest_of("old", 3), .job = "j1", .created_ms = 5};
    ck_assert_ok(i8x_ledger_put_request(ledger, &request));
    request.key = i8x_digest_of("new", 3);
    request.created_ms = 10;
    ck_assert_ok(i8x_ledger_put_request(ledger, &request));
    ck_assert_ok(i8x_ledger_trim_requests(ledger, 6));
    ck_assert_ok(i8x_ledger_put_failure(ledger, &failure, done, NULL));
    drain_until(ledger, 2);
    int count = 0;
    ck_assert_ok(
        i8x_ledger_each_failure(i8x_ledger_here(ledger), &failure.key, see_failure, &count));
    ck_assert_int_eq(count, 3);
    count = 0;
    ck_assert_ok(i8x_ledger_each_request(i8x_ledger_here(ledger), see_request, &count));
    ck_assert_int_eq(count, 1);
    i8x_ledger_close(ledger);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

/* ---- pages of jobs ---- */

static i8x_status list_id(void *user, const i8x_job_row *row)
{
    char *text = user;
    ck_assert_uint_eq(row->size, 0); /* a page leaves the records out */
    strcat(text, row->id);
    return I8X_OK;
}

static const char *page(i8x_ledger *ledger, i8x_job_filter filter)
{
    static char text[64];
    text[0] = 0;
    ck_assert_ok(i8x_ledger_page_jobs(i8x_ledger_here(ledger), &filter, list_id, text));
    return text;
}

START_TEST(pages_of_jobs_are_newest_first_and_filtered)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_ledger *ledger;
    sem_init(&woken, 0, 0);
    ck_assert_ok(i8x_ledger_open(i8x_temp_dir_path(&dir, "ledger.db"), wake, NULL, &ledger));
    static const char *const ids[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++) {
        i8x_job_row job = {.id = ids[i],
                           .sequence = i + 1,
                           .state = i % 2 == 0 ? I8X_JOB_OPEN : I8X_JOB_DONE,
                           .name = i < 3 ? "x" : "y",
                           .bytes = (const uint8_t *)"job",
                           .size = 3};
        ck_assert_ok(i8x_ledger_put_job(ledger, &job, done, NULL));
    }
    drain_until(ledger, 5);
    ck_assert_str_eq(page(ledger, (i8x_job_filter){INT64_MAX, -1, NULL, 2}), "ed");
    ck_assert_str_eq(page(ledger, (i8x_job_filter){4, -1, NULL, 9}), "cba");
    ck_assert_str_eq(page(ledger, (i8x_job_filter){INT64_MAX, I8X_JOB_DONE, NULL, 9}), "db");
    ck_assert_str_eq(page(ledger, (i8x_job_filter){INT64_MAX, -1, "x", 9}), "cba");
    ck_assert_str_eq(page(ledger, (i8x_job_filter){INT64_MAX, I8X_JOB_OPEN, "x", 9}), "ca");
    i8x_ledger_close(ledger);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

/* ---- what is forgotten ---- */

static i8x_status see_sweep_of(void *user, const i8x_job_row *row)
{
    snprintf(user, I8X_JOB_ID_SIZE, "%s", row->sweep);
    return I8X_OK;
}

static i8x_status count_text(void *user, const char *text)
{
    (void)text;
    ++*(int *)user;
    return I8X_OK;
}

static i8x_status count_trial(void *user, const i8x_trial_record *row)
{
    (void)row;
    ++*(int *)user;
    return I8X_OK;
}

static i8x_status no_sweep(void *user, const i8x_sweep_record *row)
{
    (void)user, (void)row;
    return I8X_OK;
}

/* Two jobs of one worker that are done, the second a trial of a sweep; a result, a failure, a
 * request and an event of the first. */
static void put_two_jobs(i8x_ledger *ledger, const i8x_digest *key)
{
    i8x_job_row job = {.state = I8X_JOB_DONE, .bytes = (const uint8_t *)"job", .size = 3};
    i8x_result_row result = {.key = *key,
                             .kind = "solve",
                             .job = "j1",
                             .worker = "w1",
                             .arch = "x86_64",
                             .bytes = (const uint8_t *)"bytes",
                             .size = 5};
    i8x_failure_row failure = {.key = *key, .worker = "w1", .cause = "crash", .tail = "segfault"};
    failure.status = I8X_EINTERNAL;
    i8x_request_row request = {.key = i8x_digest_of("new", 3), .job = "j1", .created_ms = 10};
    i8x_sweep_record sweep = {.id = "s1", .sequence = 1, .state = I8X_JOB_DONE, .request = "{}"};
    for (int i = 1; i <= 2; i++) {
        job.id = i == 1 ? "j1" : "j2";
        job.sequence = i;
        ck_assert_ok(i8x_ledger_put_job(ledger, &job, NULL, NULL));
        ck_assert_ok(i8x_ledger_put_job_worker(ledger, job.id, "w1"));
    }
    i8x_event_row event = {.job = "j1", .time_ms = 7, .type = "task_done", .body = "{}"};
    int64_t sequence;
    ck_assert_ok(i8x_ledger_put_result(ledger, &result, NULL, NULL));
    ck_assert_ok(i8x_ledger_put_failure(ledger, &failure, NULL, NULL));
    ck_assert_ok(i8x_ledger_put_request(ledger, &request));
    ck_assert_ok(i8x_ledger_put_sweep(ledger, &sweep, NULL, NULL));
    ck_assert_ok(i8x_ledger_put_trial(ledger, "s1", 0, "j2"));
    ck_assert_ok(i8x_ledger_put_event(ledger, &event, &sequence, done, NULL));
    drain_until(ledger, 1);
}

START_TEST(a_job_is_forgotten_and_what_others_may_need_stays)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_ledger *ledger;
    i8x_arena *arena;
    sem_init(&woken, 0, 0);
    ck_assert_ok(i8x_ledger_open(i8x_temp_dir_path(&dir, "ledger.db"), wake, NULL, &ledger));
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_digest key = i8x_digest_of("k", 1);
    put_two_jobs(ledger, &key);
    i8x_ledger_view *view = i8x_ledger_here(ledger);
    char sweep[I8X_JOB_ID_SIZE];
    ck_assert_ok(i8x_ledger_get_job(view, "j1", see_sweep_of, sweep));
    ck_assert_str_eq(sweep, "");
    ck_assert_ok(i8x_ledger_get_job(view, "j2", see_sweep_of, sweep));
    ck_assert_str_eq(sweep, "s1");

    i8x_ledger_group_begin(ledger);
    ck_assert_ok(i8x_ledger_group_end(ledger, i8x_ledger_drop_job(ledger, "j1", done, NULL)));
    drain_until(ledger, 2);
    ck_assert_status(i8x_ledger_get_job(view, "j1", see_sweep_of, sweep), I8X_ENOENT);
    ck_assert_ok(i8x_ledger_get_job(view, "j2", see_sweep_of, sweep));
    int jobs = 0, failures = 0, requests = 0;
    ck_assert_ok(i8x_ledger_each_job_of_worker(view, "w1", count_text, &jobs));
    ck_assert_int_eq(jobs, 1);
    i8x_result_row got;
    ck_assert_ok(i8x_ledger_get_result(view, &key, arena, &got));
    ck_assert_ok(i8x_ledger_each_failure(view, &key, see_failure, &failures));
    ck_assert_int_eq(failures, 1);
    ck_assert_ok(i8x_ledger_each_request(view, see_request, &requests));
    ck_assert_int_eq(requests, 1);
    seen_events events = {0};
    ck_assert_ok(i8x_ledger_page_events(view, "j1", 0, 10, see_event, &events));
    ck_assert_int_eq(events.count, 1);

    i8x_ledger_group_begin(ledger);
    i8x_status status = i8x_ledger_drop_job(ledger, "j2", NULL, NULL);
    if (status == I8X_OK)
        status = i8x_ledger_drop_sweep(ledger, "s1", done, NULL);
    ck_assert_ok(i8x_ledger_group_end(ledger, status));
    drain_until(ledger, 3);
    int trials = 0;
    ck_assert_ok(i8x_ledger_each_trial(view, "s1", count_trial, &trials));
    ck_assert_int_eq(trials, 0);
    ck_assert_status(i8x_ledger_get_sweep(view, "s1", no_sweep, NULL), I8X_ENOENT);
    bool known;
    ck_assert_ok(i8x_ledger_knows_worker(view, "w1", &known));
    ck_assert(known); /* its results are still there: it may have to be quarantined */
    jobs = 0;
    ck_assert_ok(i8x_ledger_each_job_of_worker(view, "w1", count_text, &jobs));
    ck_assert_int_eq(jobs, 0);
    i8x_arena_free(arena);
    i8x_ledger_close(ledger);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

/* ---- the reader's thread ---- */

static sem_t entered, leave;
static int64_t first_look, second_look;

static void look_twice(void *user, i8x_ledger_view *view)
{
    (void)user;
    int64_t first;
    (void)!i8x_ledger_event_span(view, &first, &first_look);
    sem_post(&entered);
    sem_wait(&leave);
    (void)!i8x_ledger_event_span(view, &first, &second_look);
}

START_TEST(a_read_sees_one_snapshot_and_is_told_on_the_owners_thread)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_ledger *ledger;
    sem_init(&woken, 0, 0);
    sem_init(&entered, 0, 0);
    sem_init(&leave, 0, 0);
    ck_assert_ok(i8x_ledger_open(i8x_temp_dir_path(&dir, "ledger.db"), wake, NULL, &ledger));
    i8x_event_row event = {.job = "j1", .time_ms = 7, .type = "task_done", .body = "{}"};
    int64_t sequence;
    ck_assert_ok(i8x_ledger_put_event(ledger, &event, &sequence, done, NULL));
    drain_until(ledger, 1);
    ck_assert_ok(i8x_ledger_read(ledger, look_twice, done, NULL));
    sem_wait(&entered);
    ck_assert_ok(i8x_ledger_put_event(ledger, &event, &sequence, done, NULL));
    drain_until(ledger, 2); /* the writer is not held up by the reader */
    sem_post(&leave);
    drain_until(ledger, 3);
    ck_assert_int_eq(first_look, 1);
    ck_assert_int_eq(second_look, 1);
    ck_assert_uint_eq(i8x_ledger_stats_get(ledger).reads, 1);
    ck_assert_ok(i8x_ledger_read(ledger, look_twice, done, NULL));
    sem_wait(&entered);
    int queued = 0; /* while one read lasts the others wait, so many at most */
    while (i8x_ledger_read(ledger, look_twice, done, NULL) == I8X_OK)
        queued++;
    ck_assert_int_eq(queued, I8X_LEDGER_READS_MAX);
    ck_assert_int_eq(i8x_last_error()->status, I8X_EBUSY);
    for (int i = 0; i <= queued; i++)
        sem_post(&leave);
    i8x_ledger_close(ledger);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

/* ---- the first release's file ---- */

/* The schema of the first release, letter for letter. */
static const char old_schema[] =
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

static void make_old_file(const char *path)
{
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, old_schema, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(
            db,
            "PRAGMA user_version=1;"
            "INSERT INTO jobs(id, sequence, created_ms, finished_ms, state, job)"
            " VALUES('j1', 1, 5, 9, 1, x''), ('j2', 2, 6, 0, 0, x'00');"
            "INSERT INTO tasks VALUES(x'01', 'inspect', 'done', 'j1', 'w1', 'x86_64', x'');"
            "INSERT INTO tasks VALUES(x'02', 'inspect', 'done', 'j1', 'w1', 'x86_64', x'');"
            "INSERT INTO blobs VALUES(x'03', 77);",
            NULL, NULL, NULL),
        SQLITE_OK);
    i8x_job job = {.name = "old.onnx", .model.size_bytes = 3, .calib.size_bytes = 4};
    i8x_recipe_default(&job.recipe);
    i8x_arena *arena;
    const uint8_t *bytes;
    size_t size;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    ck_assert_ok(i8x_job_encode(&job, arena, &bytes, &size));
    sqlite3_stmt *stmt;
    ck_assert_int_eq(sqlite3_prepare_v2(db, "UPDATE jobs SET job=? WHERE id='j1'", -1, &stmt, NULL),
                     SQLITE_OK);
    sqlite3_bind_blob(stmt, 1, bytes, (int)size, SQLITE_STATIC);
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_DONE);
    sqlite3_finalize(stmt);
    i8x_arena_free(arena);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static i8x_status check_upgraded(void *user, const i8x_job_row *row)
{
    int *seen = user;
    bool first = strcmp(row->id, "j1") == 0;
    ck_assert_str_eq(row->name, first ? "old.onnx" : ""); /* the second record is broken */
    ck_assert_int_eq(row->state, first ? I8X_JOB_DONE : I8X_JOB_OPEN);
    ck_assert_int_eq(row->priority, 5);
    ck_assert_int_eq(row->finished_ms, first ? 9 : 0);
    ++*seen;
    return I8X_OK;
}

static i8x_status see_text(void *user, const char *text)
{
    ck_assert_str_eq(text, "j1");
    ++*(int *)user;
    return I8X_OK;
}

START_TEST(a_file_of_the_first_release_is_brought_up_to_date)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_ledger *ledger;
    const char *path = i8x_temp_dir_path(&dir, "ledger.db");
    make_old_file(path);
    sem_init(&woken, 0, 0);
    for (int start = 2; start <= 3; start++) { /* the second time there is nothing to do */
        ck_assert_ok(i8x_ledger_open(path, wake, NULL, &ledger));
        ck_assert_uint_eq(i8x_ledger_start_count(ledger), (unsigned)start);
        i8x_ledger_view *view = i8x_ledger_here(ledger);
        int seen = 0;
        ck_assert_ok(i8x_ledger_get_job(view, "j1", check_upgraded, &seen));
        ck_assert_ok(i8x_ledger_get_job(view, "j2", check_upgraded, &seen));
        ck_assert_int_eq(seen, 2);
        ck_assert_ok(i8x_ledger_each_job_of_worker(view, "w1", see_text, &seen));
        ck_assert_int_eq(seen, 3); /* told once though it computed two tasks */
        ck_assert_uint_eq(i8x_ledger_stats_get(ledger).blob_bytes, 77);
        i8x_event_row event = {.job = "j1", .time_ms = 7, .type = "task_done", .body = "{}"};
        int64_t sequence;
        ck_assert_ok(i8x_ledger_put_event(ledger, &event, &sequence, done, NULL));
        drain_until(ledger, start - 1);
        ck_assert_int_eq(sequence, start - 1);
        i8x_ledger_close(ledger);
    }
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(a_file_of_a_later_release_is_refused)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    const char *path = i8x_temp_dir_path(&dir, "ledger.db");
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    i8x_ledger *ledger;
    ck_assert_status(i8x_ledger_open(path, wake, NULL, &ledger), I8X_EVERSION);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

Suite *check_ledger_suite(void)
{
    const TTest *tests[] = {rows_survive_a_new_start,
                            writes_that_wait_share_a_commit,
                            a_file_that_is_no_database_is_refused,
                            a_group_is_one_transaction_and_keeps_its_order,
                            a_group_is_refused_whole_when_the_queue_is_full,
                            events_are_paged_by_number_and_by_job,
                            failures_and_requests_are_kept,
                            pages_of_jobs_are_newest_first_and_filtered,
                            a_job_is_forgotten_and_what_others_may_need_stays,
                            a_read_sees_one_snapshot_and_is_told_on_the_owners_thread,
                            a_file_of_the_first_release_is_brought_up_to_date,
                            a_file_of_a_later_release_is_refused};
    return i8x_suite("ledger", tests, sizeof tests / sizeof tests[0]);
}
