/* SPDX-License-Identifier: Apache-2.0
 *
 * The scheduler and its fleet: how much a worker gets ahead, who is kept from work and how it gets
 * back to it, what idle workers do at the end of a job, when a task is given up, and the words that
 * explain all this. Each rule by itself, with a made-up clock.
 */
#include "tests/unit/daemon/sched_fixture.h"

#define WAITS 100000

/* A worker that is measured: it does task n, which takes so long. */
static void show_speed(uint64_t worker, int n, int64_t took_ms)
{
    fx_add_task(n);
    uint64_t epoch = fx_lease(worker, n);
    fx_now += took_ms;
    fx_result(worker, n, epoch, n);
    fx_committed(n);
}

static size_t grants_of(uint64_t worker, uint32_t want)
{
    fx_ask(worker, 5, want, 0);
    return fx_count(I8X_SCHED_DO_GRANT);
}

static void add_tasks(int first, int count)
{
    for (int n = first; n < first + count; n++)
        fx_add_task(n);
}

START_TEST(a_higher_priority_goes_first_then_the_older_job_then_the_lower_index)
{
    fx_setup();
    uint64_t orders[] = {I8X_SCHED_ORDER(0, 1, 0), I8X_SCHED_ORDER(0, 1, 7),
                         I8X_SCHED_ORDER(0, 2, 0), I8X_SCHED_ORDER(9, 3, 0)};
    static const int sorted[] = {3, 0, 1, 2};
    for (int n = 0; n < 4; n++)
        fx_step((i8x_sched_event){.type = I8X_SCHED_TASK_ADD,
                                  .key = fx_key_of(n),
                                  .kind = (i8x_task_kind)n,
                                  .order = orders[n]});
    fx_join(1, FX_ALL_KINDS);
    for (int i = 0; i < 4; i++)
        fx_lease(1, sorted[i]);
    fx_teardown();
}
END_TEST

START_TEST(a_worker_that_was_never_measured_gets_one_lease_beyond_its_slots)
{
    fx_setup();
    fx_join_slots(1, 2);
    add_tasks(0, 100);
    ck_require(grants_of(1, 50) == 3, "grants");
    ck_assert_uint_eq(fx_worker(1).running, 2);
    ck_assert_uint_eq(fx_worker(1).queued, 1);
    fx_teardown();
}
END_TEST

START_TEST(a_worker_gets_ahead_what_it_does_in_three_seconds)
{
    fx_setup();
    fx_join_slots(1, 1);
    show_speed(1, 0, 100); /* ten in a second */
    ck_assert_uint_eq(fx_worker(1).rates_milli[I8X_TASK_CALIBRATE], 10000);
    add_tasks(1, 300);
    ck_require(grants_of(1, 64) == 30, "grants");
    ck_assert_int_eq(fx_worker(1).backlog_ms, 3000);
    ck_require(grants_of(1, 64) == 0, "grants");
    fx_teardown();
}
END_TEST

START_TEST(a_fast_worker_gets_no_more_than_half_of_its_share_ahead)
{
    fx_setup();
    fx_join_slots(1, 1);
    fx_join_slots(2, 1);
    show_speed(1, 0, 100);
    show_speed(2, 1, 100);
    add_tasks(2, 20);
    /* one runs; of the 19 others 9.5 are its share, and half of that is for later */
    size_t granted = grants_of(1, 64);
    ck_assert_uint_le(granted, 6);
    ck_assert_uint_ge(fx_worker(1).queued, 3);
    fx_teardown();
}
END_TEST

START_TEST(a_worker_never_gets_more_than_256_leases)
{
    fx_setup();
    fx_join_slots(1, 1);
    show_speed(1, 0, 1);
    for (int round = 0; round < 3; round++)
        add_tasks(1 + 150 * round, 150);
    size_t granted = 0;
    for (int i = 0; i < 10; i++)
        granted += grants_of(1, 64);
    ck_assert_uint_gt(granted, 150);
    ck_assert_uint_le(granted, 256);
    fx_teardown();
}
END_TEST

START_TEST(the_fastest_idle_worker_gets_the_task)
{
    fx_setup();
    for (uint64_t worker = 1; worker <= 3; worker++)
        fx_join_slots(worker, 1);
    show_speed(1, 0, 400);
    show_speed(2, 1, 100);
    show_speed(3, 2, 200);
    for (uint64_t worker = 1; worker <= 3; worker++)
        fx_ask(worker, worker, 1, WAITS);
    static const uint64_t order[] = {2, 3, 1};
    for (int i = 0; i < 3; i++) {
        fx_add_task(10 + i);
        ck_assert_uint_eq(fx_find(I8X_SCHED_DO_GRANT)->worker, order[i]);
    }
    fx_teardown();
}
END_TEST

/* ---- bars ---- */

START_TEST(what_waits_in_the_queue_of_a_draining_worker_goes_to_others_at_once)
{
    fx_setup();
    fx_join_slots(1, 1);
    add_tasks(0, 10);
    ck_require(grants_of(1, 9) == 2, "grants");
    fx_join_slots(2, 1);
    fx_tell(I8X_SCHED_WORKER_DRAIN, 1);
    ck_assert_uint_eq(fx_count(I8X_SCHED_DO_CALL_BACK), 1);
    ck_assert_uint_eq(fx_worker(1).queued, 0);
    ck_assert_uint_eq(fx_worker(1).running, 1);
    ck_assert_int_eq(fx_state_of(1), I8X_SCHED_READY);
    fx_lease(2, 1);
    fx_teardown();
}
END_TEST

START_TEST(an_operators_drain_outlives_the_session_and_its_own_does_not)
{
    fx_setup();
    add_tasks(0, 9);
    fx_join(1, FX_ALL_KINDS);
    fx_tell(I8X_SCHED_WORKER_DRAIN, 1);
    fx_tell(I8X_SCHED_WORKER_LEAVE, 1);
    fx_join(1, FX_ALL_KINDS);
    fx_lease(1, 0);
    fx_step((i8x_sched_event){.type = I8X_SCHED_WORKER_DRAIN, .worker = 1, .lasting = true});
    fx_tell(I8X_SCHED_WORKER_LEAVE, 1);
    fx_join(1, FX_ALL_KINDS);
    ck_require(grants_of(1, 1) == 0, "grants");
    fx_tell(I8X_SCHED_WORKER_RESUME, 1);
    fx_lease(1, 0);
    fx_teardown();
}
END_TEST

START_TEST(a_quarantined_worker_loses_its_leases_and_its_word)
{
    fx_setup();
    fx_add_task(0);
    fx_join(1, FX_ALL_KINDS);
    uint64_t epoch = fx_lease(1, 0);
    fx_tell(I8X_SCHED_WORKER_QUARANTINE, 1);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_CANCEL));
    ck_assert_int_eq(fx_state_of(0), I8X_SCHED_READY);
    fx_result(1, 0, epoch, 3);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_REFUSE));
    ck_assert_int_eq(fx_state_of(0), I8X_SCHED_READY);
    ck_require(grants_of(1, 1) == 0, "grants");
    fx_tell(I8X_SCHED_WORKER_LEAVE, 1);
    fx_join(1, FX_ALL_KINDS);
    fx_step((i8x_sched_event){
        .type = I8X_SCHED_WORKER_ADOPT, .worker = 1, .key = fx_key_of(0), .epoch = epoch});
    ck_assert_int_eq(fx_state_of(0), I8X_SCHED_READY);
    ck_assert(fx_worker(1).quarantined);
    /* while it is away it is named by its identity */
    fx_tell(I8X_SCHED_WORKER_LEAVE, 1);
    fx_step((i8x_sched_event){.type = I8X_SCHED_WORKER_RESUME, .identity = 1});
    fx_join(1, FX_ALL_KINDS);
    fx_lease(1, 0);
    fx_teardown();
}
END_TEST

START_TEST(a_worker_may_come_with_its_bars)
{
    fx_setup();
    fx_add_task(0);
    fx_step((i8x_sched_event){.type = I8X_SCHED_WORKER_JOIN,
                              .worker = 1,
                              .identity = 1,
                              .kinds = FX_ALL_KINDS,
                              .quarantined = true});
    ck_require(grants_of(1, 1) == 0, "grants");
    ck_assert(fx_worker(1).quarantined);
    fx_teardown();
}
END_TEST

/* ---- the end of a job ---- */

START_TEST(an_idle_worker_takes_over_what_waits_in_a_slow_queue)
{
    fx_setup();
    fx_join_slots(1, 1);
    show_speed(1, 0, 1000);
    add_tasks(2, 4);
    size_t granted = grants_of(1, 9);
    ck_assert_uint_eq(granted, 2); /* the second one waits for a second */
    fx_join_slots(2, 4);
    fx_ask(2, 8, 4, WAITS);
    ck_assert_uint_eq(fx_count(I8X_SCHED_DO_GRANT), 3);
    const i8x_sched_action *back = fx_find(I8X_SCHED_DO_CALL_BACK);
    ck_assert_ptr_nonnull(back);
    ck_assert_uint_eq(back->worker, 1);
    i8x_digest key = fx_key_of(3);
    ck_assert(i8x_digest_equal(&back->key, &key));
    ck_assert_uint_eq(fx_task(3).leases[0].worker, 2);
    ck_assert_uint_eq(fx_worker(1).queued, 0);
    fx_teardown();
}
END_TEST

/* Worker 1 needs ten seconds for a task, worker 2 one; worker 1 has task 5. */
static uint64_t slow_and_fast(void)
{
    fx_setup();
    fx_join_slots(1, 1);
    fx_join_slots(2, 1);
    show_speed(1, 0, 10000);
    show_speed(2, 1, 1000);
    fx_add_task(5);
    return fx_lease(1, 5);
}

START_TEST(the_slowest_task_is_run_twice_and_the_first_result_counts)
{
    uint64_t slow = slow_and_fast();
    fx_ask(2, 8, 1, WAITS);
    const i8x_sched_action *grant = fx_find(I8X_SCHED_DO_GRANT);
    ck_assert_ptr_nonnull(grant);
    ck_assert(grant->duplicate && grant->again);
    uint64_t fast = grant->epoch;
    ck_assert_int_eq(fx_task(5).lease_count, 2);
    fx_result(2, 5, fast, 42);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_COMMIT));
    ck_assert_uint_eq(fx_find(I8X_SCHED_DO_CANCEL)->worker, 1);
    fx_result(1, 5, slow, 42);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_DUPLICATE));
    fx_teardown();
}
END_TEST

START_TEST(a_task_that_is_nearly_done_is_not_run_twice)
{
    slow_and_fast();
    fx_now += 8500; /* 1.5 s left, the other needs 1 s */
    fx_ask(2, 8, 1, WAITS);
    ck_assert_ptr_null(fx_find(I8X_SCHED_DO_GRANT));
    fx_teardown();
}
END_TEST

START_TEST(a_task_that_is_overdue_is_run_twice_when_it_took_twice_its_time)
{
    slow_and_fast();
    fx_now += 8500;
    fx_ask(2, 8, 1, WAITS);
    ck_assert_ptr_null(fx_find(I8X_SCHED_DO_GRANT));
    fx_now += 1502;
    ck_assert_int_le(i8x_sched_next_ms(fx_sched), fx_now); /* it asks to look again */
    fx_step((i8x_sched_event){.type = I8X_SCHED_TICK});
    ck_assert(fx_find(I8X_SCHED_DO_GRANT)->duplicate);
    fx_teardown();
}
END_TEST

START_TEST(progress_that_a_heartbeat_tells_counts_more_than_the_mean)
{
    uint64_t epoch = slow_and_fast();
    fx_now += 1000; /* after one second it is half through */
    fx_step((i8x_sched_event){.type = I8X_SCHED_RENEW,
                              .worker = 1,
                              .key = fx_key_of(5),
                              .epoch = epoch,
                              .started = true,
                              .done = 50,
                              .total = 100});
    ck_assert_int_eq(fx_task(5).leases[0].finish_ms, fx_now + 1000);
    fx_ask(2, 8, 1, WAITS);
    ck_assert_ptr_null(fx_find(I8X_SCHED_DO_GRANT));
    fx_teardown();
}
END_TEST

START_TEST(second_runs_are_one_in_twenty_and_one_at_least)
{
    slow_and_fast();
    fx_join_slots(3, 1);
    show_speed(3, 2, 10000);
    fx_add_task(6);
    fx_lease(3, 6);
    fx_join_slots(4, 1);
    show_speed(4, 3, 1000);
    fx_ask(2, 8, 1, WAITS);
    fx_ask(4, 9, 1, WAITS);
    ck_assert_int_eq(fx_task(5).lease_count + fx_task(6).lease_count, 3);
    fx_teardown();
}
END_TEST

START_TEST(if_one_of_two_fails_the_other_goes_on)
{
    slow_and_fast();
    fx_ask(2, 8, 1, WAITS);
    uint64_t fast = fx_find(I8X_SCHED_DO_GRANT)->epoch;
    fx_fail_task(2, 5, fast, I8X_SCHED_FAULT_TRANSFER);
    ck_assert_ptr_null(fx_find(I8X_SCHED_DO_RETRY));
    ck_assert_int_eq(fx_state_of(5), I8X_SCHED_LEASED);
    ck_assert_int_eq(fx_task(5).lease_count, 1);
    ck_assert_int_eq(fx_task(5).attempts, 1);
    fx_tell(I8X_SCHED_WORKER_LEAVE, 1);
    ck_assert_int_ne(fx_state_of(5), I8X_SCHED_WAITING);
    fx_teardown();
}
END_TEST

/* ---- giving up ---- */

START_TEST(two_workers_are_enough_if_there_are_only_two)
{
    fx_setup();
    fx_add_task(0);
    fx_join(1, FX_ALL_KINDS);
    fx_join(2, FX_ALL_KINDS);
    fx_fail_task(1, 0, fx_lease(1, 0), I8X_SCHED_FAULT_ATTEMPT);
    fx_now += 1000;
    fx_step((i8x_sched_event){.type = I8X_SCHED_TICK});
    fx_fail_task(2, 0, fx_lease(2, 0), I8X_SCHED_FAULT_ATTEMPT);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_DEAD));
    fx_teardown();
}
END_TEST

START_TEST(transfers_that_fail_use_attempts_and_say_nothing_about_the_task)
{
    fx_setup();
    fx_add_task(0);
    for (uint64_t worker = 1; worker <= 4; worker++)
        fx_join(worker, FX_ALL_KINDS);
    for (uint64_t worker = 1; worker <= 4; worker++) {
        fx_fail_task(worker, 0, fx_lease(worker, 0), I8X_SCHED_FAULT_TRANSFER);
        ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_RETRY));
        fx_now = fx_find(I8X_SCHED_DO_RETRY)->at_ms;
        fx_step((i8x_sched_event){.type = I8X_SCHED_TICK});
    }
    fx_fail_task(1, 0, fx_lease(1, 0), I8X_SCHED_FAULT_TRANSFER);
    ck_assert_int_eq(fx_find(I8X_SCHED_DO_DEAD)->attempts, 5);
    fx_teardown();
}
END_TEST

START_TEST(pauses_differ_between_tasks_and_are_the_same_again)
{
    int64_t pauses[2][8];
    for (int run = 0; run < 2; run++) {
        fx_setup();
        fx_join(1, FX_ALL_KINDS);
        for (int n = 0; n < 8; n++) {
            fx_add_task(n);
            fx_fail_task(1, n, fx_lease(1, n), I8X_SCHED_FAULT_ATTEMPT);
            pauses[run][n] = fx_find(I8X_SCHED_DO_RETRY)->at_ms - fx_now;
        }
        fx_teardown();
    }
    int different = 0;
    for (int n = 0; n < 8; n++) {
        ck_assert_int_eq(pauses[0][n], pauses[1][n]);
        different += pauses[0][n] != pauses[0][0];
    }
    ck_assert_int_gt(different, 3);
}
END_TEST

/* ---- why ---- */

static i8x_sched_why why(int n)
{
    i8x_sched_why found;
    i8x_digest key = fx_key_of(n);
    i8x_sched_explain(fx_sched, &key, &found);
    return found;
}

#define ck_assert_why(n, wanted)                                                                   \
    ck_assert_str_eq(i8x_sched_why_name(why(n).reason), i8x_sched_why_name(wanted))

START_TEST(it_says_why_a_task_does_not_run)
{
    fx_setup();
    ck_assert_why(0, I8X_SCHED_WHY_ABSENT);
    fx_add_task(0);
    ck_assert_why(0, I8X_SCHED_WHY_NO_WORKER);
    fx_join(1, ~(1u << I8X_TASK_CALIBRATE));
    ck_assert_why(0, I8X_SCHED_WHY_NO_WORKER);
    ck_assert_uint_eq(i8x_sched_able_count(fx_sched, I8X_TASK_CALIBRATE), 0);
    fx_join_slots(2, 1);
    ck_assert_uint_eq(i8x_sched_able_count(fx_sched, I8X_TASK_CALIBRATE), 1);
    ck_assert_why(0, I8X_SCHED_WHY_NOT_ASKED);
    uint64_t epoch = fx_lease(2, 0);
    ck_assert_why(0, I8X_SCHED_WHY_RUNS);
    ck_assert_uint_eq(why(0).worker, 2);
    ck_assert_int_eq(why(0).since_ms, fx_now);
    fx_add_task(1);
    fx_add_task(2);
    ck_assert_why(2, I8X_SCHED_WHY_BUSY);
    ck_assert_uint_eq(why(2).busy, 1);
    ck_assert_uint_eq(why(2).ahead, 1);
    fx_tell(I8X_SCHED_WORKER_DRAIN, 2);
    ck_assert_why(2, I8X_SCHED_WHY_DRAINED);
    ck_assert_uint_eq(why(2).drained, 1);
    fx_result(2, 0, epoch, 0);
    ck_assert_why(0, I8X_SCHED_WHY_COMMITS);
    fx_join_slots(3, 1);
    fx_fail_task(3, 1, fx_lease(3, 1), I8X_SCHED_FAULT_ATTEMPT);
    ck_assert_why(1, I8X_SCHED_WHY_BACKOFF);
    ck_assert_int_gt(why(1).until_ms, fx_now);
    ck_assert_int_eq(why(1).attempts, 1);
    fx_tell(I8X_SCHED_WORKER_QUARANTINE, 3);
    ck_assert_why(2, I8X_SCHED_WHY_QUARANTINED);
    fx_teardown();
}
END_TEST

START_TEST(it_says_that_free_workers_failed_on_a_task_and_others_will_get_it)
{
    fx_setup();
    fx_add_task(0);
    fx_add_task(1);
    fx_join_slots(1, 1);
    fx_join_slots(2, 1);
    fx_fail_task(1, 0, fx_lease(1, 0), I8X_SCHED_FAULT_ATTEMPT);
    fx_lease(2, 1);
    fx_now += 1000;
    fx_step((i8x_sched_event){.type = I8X_SCHED_TICK});
    fx_ask(1, 1, 1, WAITS);
    ck_assert_why(0, I8X_SCHED_WHY_FAILED_HERE);
    ck_assert_uint_eq(why(0).failed, 1);
    ck_assert_uint_eq(why(0).busy, 1);
    fx_teardown();
}
END_TEST

Suite *check_sched_fleet_suite(void)
{
    const TTest *tests[] = {a_higher_priority_goes_first_then_the_older_job_then_the_lower_index,
                            a_worker_that_was_never_measured_gets_one_lease_beyond_its_slots,
                            a_worker_gets_ahead_what_it_does_in_three_seconds,
                            a_fast_worker_gets_no_more_than_half_of_its_share_ahead,
                            a_worker_never_gets_more_than_256_leases,
                            the_fastest_idle_worker_gets_the_task,
                            what_waits_in_the_queue_of_a_draining_worker_goes_to_others_at_once,
                            an_operators_drain_outlives_the_session_and_its_own_does_not,
                            a_quarantined_worker_loses_its_leases_and_its_word,
                            a_worker_may_come_with_its_bars,
                            an_idle_worker_takes_over_what_waits_in_a_slow_queue,
                            the_slowest_task_is_run_twice_and_the_first_result_counts,
                            a_task_that_is_nearly_done_is_not_run_twice,
                            a_task_that_is_overdue_is_run_twice_when_it_took_twice_its_time,
                            progress_that_a_heartbeat_tells_counts_more_than_the_mean,
                            second_runs_are_one_in_twenty_and_one_at_least,
                            if_one_of_two_fails_the_other_goes_on,
                            two_workers_are_enough_if_there_are_only_two,
                            transfers_that_fail_use_attempts_and_say_nothing_about_the_task,
                            pauses_differ_between_tasks_and_are_the_same_again,
                            it_says_why_a_task_does_not_run,
                            it_says_that_free_workers_failed_on_a_task_and_others_will_get_it};
    return i8x_suite("sched_fleet", tests, sizeof tests / sizeof tests[0]);
}
