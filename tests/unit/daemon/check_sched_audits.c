/* SPDX-License-Identifier: Apache-2.0
 *
 * Audits: which results are run a second time and by whom, what equal and different opinions lead
 * to, and how an audit ends that nobody can run. Each rule by itself, with a made-up clock.
 */
#include "tests/unit/daemon/sched_fixture.h"

#define RIGHT 400 /* values of results */
#define WRONG 401
#define OTHER 402

/* Task n, done and committed by this worker with this value; leaves the actions of the commit. */
static void make(uint64_t worker, int n, int value)
{
    fx_add_task(n);
    uint64_t epoch = fx_lease(worker, n);
    fx_result(worker, n, epoch, value);
    ck_require(fx_find(I8X_SCHED_DO_COMMIT) != NULL, "task %d is not committed", n);
    fx_committed(n);
}

static i8x_sched_verdict verdict_now(void)
{
    const i8x_sched_action *audited = fx_find(I8X_SCHED_DO_AUDITED);
    return audited != NULL ? audited->verdict : I8X_SCHED_VERDICT_COUNT;
}

#define ck_assert_verdict(wanted)                                                                  \
    ck_assert_str_eq(i8x_sched_verdict_name(verdict_now()), i8x_sched_verdict_name(wanted))

/* This worker runs the audit of task n and says so. */
static void check(uint64_t worker, int n, int value)
{
    uint64_t epoch = fx_lease(worker, n);
    ck_assert(fx_find(I8X_SCHED_DO_GRANT)->audit);
    fx_result(worker, n, epoch, value);
}

static void pass(int64_t ms)
{
    fx_now += ms;
    for (uint64_t worker = 1; worker <= 9; worker++)
        if (i8x_sched_lease_count(fx_sched, worker) > 0 ||
            i8x_sched_worker(fx_sched, worker, 0, &(i8x_sched_worker_view){0}))
            fx_step(
                (i8x_sched_event){.type = I8X_SCHED_RENEW, .worker = worker, .key_absent = true});
    fx_step((i8x_sched_event){.type = I8X_SCHED_TICK});
}

START_TEST(an_audited_result_counts_at_once_and_the_second_run_comes_after)
{
    fx_setup_audits(1000);
    fx_join_machine(1, 1, 1);
    fx_join_machine(2, 2, 2);
    fx_add_task(0);
    uint64_t epoch = fx_lease(1, 0);
    fx_result(1, 0, epoch, RIGHT);
    ck_assert(fx_find(I8X_SCHED_DO_COMMIT)->audit);
    fx_committed(0);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_AUDIT));
    ck_assert_int_eq(fx_state_of(0), I8X_SCHED_AUDIT_WAITING);
    ck_assert_uint_eq(fx_worker(1).pending, 1);
    fx_ask(1, 1, 1, 0); /* not by who made it */
    ck_assert_ptr_null(fx_find(I8X_SCHED_DO_GRANT));
    epoch = fx_lease(2, 0);
    ck_assert_int_eq(fx_state_of(0), I8X_SCHED_AUDITING);
    fx_result(2, 0, epoch, RIGHT);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_DUPLICATE));
    ck_assert_verdict(I8X_SCHED_VERDICT_AGREED);
    ck_assert_int_eq(fx_state_of(0), I8X_SCHED_STATE_COUNT);
    ck_assert_uint_eq(fx_worker(1).agreed, 1);
    ck_assert_uint_eq(fx_worker(1).pending, 0);
    fx_teardown();
}
END_TEST

START_TEST(without_a_share_nothing_is_audited)
{
    fx_setup_audits(0);
    fx_join_machine(1, 1, 1);
    fx_join_machine(2, 2, 2);
    for (int n = 0; n < 30; n++) {
        make(1, n, RIGHT);
        ck_assert_ptr_null(fx_find(I8X_SCHED_DO_AUDIT));
    }
    fx_teardown();
}
END_TEST

START_TEST(a_new_worker_is_audited_each_time_and_a_proven_one_less_and_less)
{
    fx_setup_audits(10);
    fx_join_machine(1, 1, 1);
    fx_join_machine(2, 2, 2);
    int first = 0, later = 0;
    for (int n = 0; n < 300; n++) {
        make(1, n, RIGHT);
        if (fx_find(I8X_SCHED_DO_AUDIT) == NULL)
            continue;
        first += n < 10;
        later += n >= 10;
        check(2, n, RIGHT);
    }
    ck_assert_int_eq(first, 10);
    ck_assert_int_gt(later, 10); /* 1/10 + 1/11 + ...: some 34 */
    ck_assert_int_lt(later, 70);
    fx_teardown();
}
END_TEST

START_TEST(audits_that_have_not_ended_count_as_well)
{
    fx_setup_audits(10);
    fx_join_machine(1, 1, 1);
    fx_join_machine(2, 2, 2);
    int audits = 0;
    for (int n = 0; n < 300; n++) {
        make(1, n, RIGHT);
        audits += fx_find(I8X_SCHED_DO_AUDIT) != NULL;
    }
    ck_assert_int_gt(audits, 10);
    ck_assert_int_lt(audits, 80);
    fx_teardown();
}
END_TEST

START_TEST(on_one_host_alone_only_the_least_share_is_audited)
{
    fx_setup_audits(10);
    fx_join_machine(1, 1, 1);
    fx_join_machine(2, 1, 1);
    int audits = 0;
    for (int n = 0; n < 300; n++) {
        make(1, n, RIGHT);
        audits += fx_find(I8X_SCHED_DO_AUDIT) != NULL;
    }
    ck_assert_int_lt(audits, 12);
    fx_teardown();
}
END_TEST

START_TEST(the_choice_is_the_same_for_the_same_seed)
{
    bool chosen[2][100];
    for (int run = 0; run < 2; run++) {
        fx_setup_audits(300);
        fx_join_machine(1, 1, 1);
        for (int n = 0; n < 100; n++) {
            make(1, n, RIGHT);
            chosen[run][n] = fx_find(I8X_SCHED_DO_AUDIT) != NULL;
        }
        fx_teardown();
    }
    int count = 0;
    for (int n = 0; n < 100; n++) {
        ck_assert_int_eq(chosen[0][n], chosen[1][n]);
        count += chosen[0][n];
    }
    ck_assert_int_gt(count, 15);
    ck_assert_int_lt(count, 50);
}
END_TEST

START_TEST(another_machine_class_is_asked_first_and_any_other_worker_after_a_while)
{
    fx_setup_audits(1000);
    fx_join_machine(1, 1, 1);
    fx_join_machine(2, 1, 1); /* same host */
    fx_join_machine(3, 3, 1); /* same class */
    fx_join_machine(4, 4, 2);
    make(1, 0, RIGHT);
    fx_ask(2, 1, 1, 0);
    ck_assert_ptr_null(fx_find(I8X_SCHED_DO_GRANT));
    fx_ask(3, 1, 1, 0);
    ck_assert_ptr_null(fx_find(I8X_SCHED_DO_GRANT));
    fx_lease(4, 0);
    fx_tell(I8X_SCHED_WORKER_LEAVE, 4);
    fx_lease(3, 0); /* the best there is now */
    fx_tell(I8X_SCHED_WORKER_LEAVE, 3);
    fx_lease(2, 0);
    fx_tell(I8X_SCHED_WORKER_LEAVE, 2);
    fx_join_machine(3, 3, 1);
    fx_join_machine(4, 4, 2); /* connected, and does not ask */
    fx_ask(3, 9, 1, 60000);
    ck_assert_ptr_null(fx_find(I8X_SCHED_DO_GRANT));
    pass(FX_AUDIT_WAIT_MS);
    ck_assert_uint_eq(fx_find(I8X_SCHED_DO_GRANT)->worker, 3);
    fx_teardown();
}
END_TEST

START_TEST(a_wrong_result_is_outvoted_done_again_and_its_worker_quarantined)
{
    fx_setup_audits(1000);
    for (uint64_t worker = 1; worker <= 3; worker++)
        fx_join_machine(worker, worker, worker);
    make(1, 0, WRONG);
    make(1, 1, RIGHT); /* its other result that is not confirmed yet is void */
    check(2, 0, RIGHT);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_CONFLICT));
    ck_assert_int_eq(verdict_now(), I8X_SCHED_VERDICT_COUNT);
    ck_assert_int_eq(fx_state_of(0), I8X_SCHED_AUDIT_WAITING);
    check(3, 0, RIGHT);
    const i8x_sched_action *redo = fx_find(I8X_SCHED_DO_REDO);
    i8x_digest key = fx_key_of(0);
    ck_assert(i8x_digest_equal(&redo->key, &key));
    ck_assert_verdict(I8X_SCHED_VERDICT_WRONG);
    ck_assert_uint_eq(fx_count(I8X_SCHED_DO_REDO), 2);
    ck_assert_uint_eq(fx_count(I8X_SCHED_DO_QUARANTINE), 1);
    ck_assert_uint_eq(fx_find(I8X_SCHED_DO_QUARANTINE)->identity, 1);
    ck_assert(fx_worker(1).quarantined && !fx_worker(2).quarantined);
    ck_assert_int_eq(fx_state_of(0), I8X_SCHED_STATE_COUNT);
    ck_assert_int_eq(fx_state_of(1), I8X_SCHED_STATE_COUNT);
    fx_add_task(0); /* what the daemon does with REDO */
    fx_lease(2, 0);
    fx_teardown();
}
END_TEST

START_TEST(an_auditor_that_is_outvoted_is_quarantined_and_the_result_stays)
{
    fx_setup_audits(1000);
    for (uint64_t worker = 1; worker <= 3; worker++)
        fx_join_machine(worker, worker, worker);
    make(1, 0, RIGHT);
    check(2, 0, WRONG);
    check(3, 0, RIGHT);
    ck_assert_verdict(I8X_SCHED_VERDICT_AGREED);
    ck_assert_ptr_null(fx_find(I8X_SCHED_DO_REDO));
    ck_assert_uint_eq(fx_find(I8X_SCHED_DO_QUARANTINE)->identity, 2);
    fx_teardown();
}
END_TEST

START_TEST(a_worker_that_contradicts_itself_is_quarantined_at_once)
{
    fx_setup_audits(1000);
    fx_join_machine(1, 1, 1);
    fx_join_machine(2, 2, 2);
    make(1, 0, RIGHT);
    fx_result(1, 0, 1, WRONG);
    ck_assert_uint_eq(fx_find(I8X_SCHED_DO_QUARANTINE)->identity, 1);
    ck_assert_verdict(I8X_SCHED_VERDICT_VOID);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_REDO));
    fx_teardown();
}
END_TEST

START_TEST(two_different_results_ask_a_third_worker_even_without_a_share)
{
    fx_setup_audits(0);
    for (uint64_t worker = 1; worker <= 3; worker++)
        fx_join_machine(worker, worker, worker);
    fx_add_task(0);
    uint64_t epoch = fx_lease(1, 0);
    fx_tell(I8X_SCHED_WORKER_LEAVE, 1);
    fx_join_machine(1, 1, 1);
    uint64_t second = fx_lease(2, 0);
    fx_result(1, 0, epoch, WRONG);
    ck_assert(!fx_find(I8X_SCHED_DO_COMMIT)->audit);
    fx_result(2, 0, second, RIGHT); /* it had begun already */
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_CONFLICT));
    fx_committed(0);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_AUDIT));
    check(3, 0, RIGHT);
    ck_assert_verdict(I8X_SCHED_VERDICT_WRONG);
    fx_teardown();
}
END_TEST

START_TEST(an_equal_result_that_comes_before_the_commit_is_the_audit)
{
    fx_setup_audits(1000);
    fx_join_machine(1, 1, 1);
    fx_join_machine(2, 2, 2);
    fx_add_task(0);
    uint64_t epoch = fx_lease(1, 0);
    fx_tell(I8X_SCHED_WORKER_LEAVE, 1);
    fx_join_machine(1, 1, 1);
    uint64_t second = fx_lease(2, 0);
    fx_result(1, 0, epoch, RIGHT);
    fx_result(2, 0, second, RIGHT);
    fx_committed(0);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_AUDIT));
    ck_assert_verdict(I8X_SCHED_VERDICT_AGREED);
    fx_teardown();
}
END_TEST

START_TEST(a_result_whose_worker_is_quarantined_while_it_is_written_is_done_again)
{
    fx_setup();
    fx_join_machine(1, 1, 1);
    fx_add_task(0);
    fx_result(1, 0, fx_lease(1, 0), RIGHT);
    fx_tell(I8X_SCHED_WORKER_QUARANTINE, 1);
    ck_assert_uint_eq(fx_find(I8X_SCHED_DO_QUARANTINE)->identity, 1);
    fx_committed(0);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_REDO));
    ck_assert_int_eq(fx_state_of(0), I8X_SCHED_STATE_COUNT);
    fx_teardown();
}
END_TEST

START_TEST(with_one_worker_alone_an_audit_is_dropped_when_the_job_waits_for_it)
{
    fx_setup_audits(1000);
    fx_join_machine(1, 1, 1);
    make(1, 0, RIGHT);
    pass(FX_AUDIT_WAIT_MS / 2);
    ck_assert_int_eq(fx_state_of(0), I8X_SCHED_AUDIT_WAITING); /* somebody may come */
    fx_step((i8x_sched_event){.type = I8X_SCHED_AUDIT_HURRY, .key = fx_key_of(0)});
    ck_assert_int_eq(fx_state_of(0), I8X_SCHED_AUDIT_WAITING);
    pass(FX_AUDIT_WAIT_MS / 2);
    ck_assert_verdict(I8X_SCHED_VERDICT_DROPPED);
    ck_assert_int_eq(fx_state_of(0), I8X_SCHED_STATE_COUNT);
    make(1, 1, RIGHT); /* it has been alone for long: no more waiting */
    fx_step((i8x_sched_event){.type = I8X_SCHED_AUDIT_HURRY, .key = fx_key_of(1)});
    ck_assert_verdict(I8X_SCHED_VERDICT_DROPPED);
    fx_teardown();
}
END_TEST

START_TEST(a_hurried_audit_waits_for_a_busy_second_worker_and_not_for_one_that_left)
{
    fx_setup_audits(1000);
    fx_join_machine(1, 1, 1);
    fx_join_machine(2, 2, 2);
    make(1, 0, RIGHT);
    fx_step((i8x_sched_event){.type = I8X_SCHED_AUDIT_HURRY, .key = fx_key_of(0)});
    for (int i = 0; i < 5; i++)
        pass(FX_AUDIT_WAIT_MS);
    ck_assert_int_eq(fx_state_of(0), I8X_SCHED_AUDIT_WAITING);
    fx_tell(I8X_SCHED_WORKER_LEAVE, 2);
    pass(FX_AUDIT_WAIT_MS);
    if (verdict_now() == I8X_SCHED_VERDICT_COUNT)
        pass(FX_AUDIT_WAIT_MS);
    ck_assert_verdict(I8X_SCHED_VERDICT_DROPPED);
    fx_teardown();
}
END_TEST

START_TEST(a_dispute_that_nobody_can_decide_ends_undecided)
{
    fx_setup_audits(1000);
    fx_join_machine(1, 1, 1);
    fx_join_machine(2, 2, 2);
    make(1, 0, RIGHT);
    fx_step((i8x_sched_event){.type = I8X_SCHED_AUDIT_HURRY, .key = fx_key_of(0)});
    check(2, 0, WRONG);
    ck_assert_int_eq(fx_state_of(0), I8X_SCHED_AUDIT_WAITING);
    pass(FX_AUDIT_WAIT_MS);
    ck_assert_verdict(I8X_SCHED_VERDICT_UNDECIDED);
    ck_assert_ptr_null(fx_find(I8X_SCHED_DO_QUARANTINE));
    fx_teardown();
}
END_TEST

START_TEST(an_audit_that_fails_three_times_is_given_up_and_the_task_lives)
{
    fx_setup_audits(1000);
    for (uint64_t worker = 1; worker <= 4; worker++)
        fx_join_machine(worker, worker, worker);
    make(1, 0, RIGHT);
    for (uint64_t worker = 2; worker <= 4; worker++) {
        uint64_t epoch = fx_lease(worker, 0);
        fx_fail_task(worker, 0, epoch, I8X_SCHED_FAULT_ATTEMPT);
        ck_assert_ptr_null(fx_find(I8X_SCHED_DO_DEAD));
    }
    ck_assert_verdict(I8X_SCHED_VERDICT_FAILED);
    fx_teardown();
}
END_TEST

START_TEST(an_audit_survives_a_restart_and_a_drop_ends_it)
{
    fx_setup_audits(1000);
    i8x_sched_event add = {.type = I8X_SCHED_AUDIT_ADD,
                           .key = fx_key_of(0),
                           .kind = I8X_TASK_CALIBRATE,
                           .identity = 1,
                           .result = fx_key_of(RIGHT)};
    fx_step(add); /* its worker is not connected yet */
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_AUDIT));
    fx_join_machine(1, 1, 1);
    fx_ask(1, 1, 1, 0);
    ck_assert_ptr_null(fx_find(I8X_SCHED_DO_GRANT));
    fx_join_machine(2, 2, 2);
    check(2, 0, RIGHT);
    ck_assert_verdict(I8X_SCHED_VERDICT_AGREED);
    add.key = fx_key_of(1);
    fx_step(add);
    fx_lease(2, 1);
    fx_step((i8x_sched_event){.type = I8X_SCHED_TASK_DROP, .key = fx_key_of(1)});
    ck_assert_uint_eq(fx_find(I8X_SCHED_DO_CANCEL)->worker, 2);
    ck_assert_uint_eq(fx_worker(1).pending, 0);
    fx_teardown();
}
END_TEST

START_TEST(audits_of_an_older_job_go_before_tasks_of_a_younger_one)
{
    fx_setup_audits(1000);
    fx_join_machine(1, 1, 1);
    fx_join_machine(2, 2, 2);
    fx_add_task(5); /* of job 0, as all by fx_add_task */
    fx_result(1, 5, fx_lease(1, 5), RIGHT);
    fx_committed(5);
    fx_add_task(6);
    fx_step((i8x_sched_event){.type = I8X_SCHED_TASK_ADD,
                              .key = fx_key_of(7),
                              .kind = I8X_TASK_CALIBRATE,
                              .order = (uint64_t)1 << I8X_SCHED_ORDER_INDEX_BITS});
    fx_lease(2, 6);
    fx_lease(2, 5);
    ck_assert(fx_find(I8X_SCHED_DO_GRANT)->audit);
    fx_lease(2, 7);
    fx_teardown();
}
END_TEST

START_TEST(it_says_that_a_task_waits_for_its_audit)
{
    fx_setup_audits(1000);
    fx_join_machine(1, 1, 1);
    fx_join_machine(2, 2, 2);
    make(1, 0, RIGHT);
    i8x_sched_why why;
    i8x_digest key = fx_key_of(0);
    i8x_sched_explain(fx_sched, &key, &why);
    ck_assert_int_eq(why.reason, I8X_SCHED_WHY_AUDIT_WAITS);
    fx_lease(2, 0);
    i8x_sched_explain(fx_sched, &key, &why);
    ck_assert_int_eq(why.reason, I8X_SCHED_WHY_AUDIT_RUNS);
    ck_assert_uint_eq(why.worker, 2);
    fx_teardown();
}
END_TEST

Suite *check_sched_audits_suite(void)
{
    const TTest *tests[] = {
        an_audited_result_counts_at_once_and_the_second_run_comes_after,
        without_a_share_nothing_is_audited,
        a_new_worker_is_audited_each_time_and_a_proven_one_less_and_less,
        audits_that_have_not_ended_count_as_well,
        on_one_host_alone_only_the_least_share_is_audited,
        the_choice_is_the_same_for_the_same_seed,
        another_machine_class_is_asked_first_and_any_other_worker_after_a_while,
        a_wrong_result_is_outvoted_done_again_and_its_worker_quarantined,
        an_auditor_that_is_outvoted_is_quarantined_and_the_result_stays,
        a_worker_that_contradicts_itself_is_quarantined_at_once,
        two_different_results_ask_a_third_worker_even_without_a_share,
        an_equal_result_that_comes_before_the_commit_is_the_audit,
        a_result_whose_worker_is_quarantined_while_it_is_written_is_done_again,
        with_one_worker_alone_an_audit_is_dropped_when_the_job_waits_for_it,
        a_hurried_audit_waits_for_a_busy_second_worker_and_not_for_one_that_left,
        a_dispute_that_nobody_can_decide_ends_undecided,
        an_audit_that_fails_three_times_is_given_up_and_the_task_lives,
        an_audit_survives_a_restart_and_a_drop_ends_it,
        audits_of_an_older_job_go_before_tasks_of_a_younger_one,
        it_says_that_a_task_waits_for_its_audit};
    return i8x_suite("sched_audits", tests, sizeof tests / sizeof tests[0]);
}
