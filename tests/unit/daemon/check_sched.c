/* SPDX-License-Identifier: Apache-2.0
 *
 * Scheduler with a made-up clock: each rule by itself, and then long seeded random histories whose
 * invariants are checked after every event.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/daemon/sched_fixture.h"

START_TEST(a_waiting_ask_gets_a_task_as_soon_as_there_is_one)
{
    fx_setup();
    fx_join(1, FX_ALL_KINDS);
    fx_ask(1, 5, 2, 1000);
    ck_assert_ptr_null(fx_find(I8X_SCHED_DO_ANSWER));
    ck_assert_uint_eq(i8x_sched_ask_count(fx_sched), 1);
    fx_add_task(3);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_GRANT));
    ck_assert_uint_eq(fx_find(I8X_SCHED_DO_ANSWER)->ticket, 5);
    ck_assert_uint_eq(i8x_sched_ask_count(fx_sched), 0);
    fx_teardown();
}
END_TEST

START_TEST(an_ask_is_answered_with_nothing_when_its_time_is_over)
{
    fx_setup();
    fx_join(1, FX_ALL_KINDS);
    fx_ask(1, 5, 1, 1000);
    ck_assert_int_eq(i8x_sched_next_ms(fx_sched), fx_now + 1000);
    fx_now += 999;
    ck_assert_uint_eq(fx_step((i8x_sched_event){.type = I8X_SCHED_TICK}), 0);
    fx_now += 1;
    ck_assert_uint_eq(fx_step((i8x_sched_event){.type = I8X_SCHED_TICK}), 1);
    ck_assert_int_eq(fx_action(0)->type, I8X_SCHED_DO_ANSWER);
    fx_teardown();
}
END_TEST

START_TEST(tasks_go_out_in_their_order)
{
    fx_setup();
    fx_join(1, FX_ALL_KINDS);
    int order[] = {5, 2, 9, 1, 7};
    for (int i = 0; i < 5; i++)
        fx_add_task(order[i]);
    int sorted[] = {1, 2, 5, 7, 9};
    for (int i = 0; i < 5; i++)
        fx_lease(1, sorted[i]);
    fx_teardown();
}
END_TEST

START_TEST(a_worker_gets_only_kinds_it_can_do)
{
    fx_setup();
    fx_add_task(1);
    fx_join(1, FX_ALL_KINDS & ~(1u << I8X_TASK_CALIBRATE));
    fx_ask(1, 1, 1, 0);
    ck_assert_ptr_null(fx_find(I8X_SCHED_DO_GRANT));
    fx_join(2, 1u << I8X_TASK_CALIBRATE);
    fx_lease(2, 1);
    fx_teardown();
}
END_TEST

START_TEST(a_lost_connection_gives_the_task_to_another_at_once_and_uses_no_attempt)
{
    fx_setup();
    fx_add_task(1);
    fx_join(1, FX_ALL_KINDS);
    fx_join(2, FX_ALL_KINDS);
    uint64_t epoch = fx_lease(1, 1);
    fx_ask(2, 9, 1, 5000);
    fx_step((i8x_sched_event){.type = I8X_SCHED_WORKER_LEAVE, .worker = 1});
    ck_assert_int_eq(fx_action(0)->type, I8X_SCHED_DO_LOST);
    ck_assert_uint_eq(fx_action(0)->epoch, epoch);
    const i8x_sched_action *grant = fx_find(I8X_SCHED_DO_GRANT);
    ck_assert_ptr_nonnull(grant);
    ck_assert(grant->again);
    ck_assert_uint_gt(grant->epoch, epoch);
    ck_assert_int_eq(grant->attempts, 0);
    fx_teardown();
}
END_TEST

START_TEST(heartbeats_keep_a_lease_and_silence_ends_it)
{
    fx_setup();
    fx_add_task(1);
    fx_join(1, FX_ALL_KINDS);
    uint64_t epoch = fx_lease(1, 1);
    for (int i = 0; i < 10; i++) {
        fx_now += FX_LIFE_MS - 1;
        fx_step((i8x_sched_event){
            .type = I8X_SCHED_RENEW, .worker = 1, .key = fx_key_of(1), .epoch = epoch});
        fx_step((i8x_sched_event){.type = I8X_SCHED_TICK});
        ck_assert_int_eq(fx_state_of(1), I8X_SCHED_LEASED);
    }
    /* alive, but this lease is not renewed: its grant was lost on the way */
    fx_now += FX_LIFE_MS - 1;
    fx_step((i8x_sched_event){.type = I8X_SCHED_RENEW, .worker = 1, .key_absent = true});
    fx_now += 1;
    fx_step((i8x_sched_event){.type = I8X_SCHED_TICK});
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_LOST));
    ck_assert_ptr_null(fx_find(I8X_SCHED_DO_GONE));
    fx_now += FX_LIFE_MS;
    fx_step((i8x_sched_event){.type = I8X_SCHED_TICK});
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_GONE));
    ck_assert_uint_eq(i8x_sched_worker_count(fx_sched), 0);
    fx_teardown();
}
END_TEST

START_TEST(bad_input_is_dead_at_once)
{
    fx_setup();
    fx_add_task(1);
    fx_join(1, FX_ALL_KINDS);
    fx_fail_task(1, 1, fx_lease(1, 1), I8X_SCHED_FAULT_INPUT);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_DEAD));
    ck_assert_int_eq(fx_state_of(1), I8X_SCHED_STATE_COUNT);
    fx_teardown();
}
END_TEST

START_TEST(five_attempts_with_growing_pauses_are_the_end)
{
    fx_setup();
    fx_add_task(1);
    fx_join(1, FX_ALL_KINDS);
    int64_t pause = 500;
    for (int attempt = 1; attempt < 5; attempt++, pause *= 2) {
        fx_fail_task(1, 1, fx_lease(1, 1), I8X_SCHED_FAULT_ATTEMPT);
        const i8x_sched_action *retry = fx_find(I8X_SCHED_DO_RETRY);
        ck_assert_ptr_nonnull(retry);
        ck_assert_int_eq(retry->attempts, attempt);
        ck_assert_int_ge(retry->at_ms, fx_now + pause / 2);
        ck_assert_int_le(retry->at_ms, fx_now + pause);
        ck_assert_int_le(i8x_sched_next_ms(fx_sched), retry->at_ms);
        fx_now = retry->at_ms;
        fx_step((i8x_sched_event){.type = I8X_SCHED_TICK});
    }
    fx_fail_task(1, 1, fx_lease(1, 1), I8X_SCHED_FAULT_ATTEMPT);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_DEAD));
    fx_teardown();
}
END_TEST

START_TEST(three_workers_are_the_end_and_each_gets_another_one_first)
{
    fx_setup();
    fx_add_task(1);
    for (uint64_t worker = 1; worker <= 3; worker++)
        fx_join(worker, FX_ALL_KINDS);
    for (uint64_t worker = 1; worker <= 3; worker++) {
        if (worker > 1) { /* who failed already does not get it while others can */
            fx_ask(worker - 1, 1, 1, 0);
            ck_assert_ptr_null(fx_find(I8X_SCHED_DO_GRANT));
        }
        fx_fail_task(worker, 1, fx_lease(worker, 1), I8X_SCHED_FAULT_ATTEMPT);
        fx_now += 5000;
        if (worker < 3)
            fx_step((i8x_sched_event){.type = I8X_SCHED_TICK});
    }
    ck_assert_int_eq(fx_state_of(1), I8X_SCHED_STATE_COUNT);
    fx_teardown();
}
END_TEST

START_TEST(a_task_that_takes_workers_with_it_is_given_up)
{
    fx_setup();
    fx_add_task(1);
    for (uint64_t worker = 1; worker <= 4; worker++) {
        fx_join(worker, FX_ALL_KINDS);
        fx_lease(worker, 1);
        fx_step((i8x_sched_event){.type = I8X_SCHED_WORKER_LEAVE, .worker = worker});
    }
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_DEAD));
    fx_teardown();
}
END_TEST

START_TEST(a_result_counts_once_whoever_brings_it)
{
    fx_setup();
    fx_add_task(1);
    fx_join(1, FX_ALL_KINDS);
    fx_join(2, FX_ALL_KINDS);
    uint64_t old = fx_lease(1, 1);
    fx_now += FX_LIFE_MS / 2;
    fx_step((i8x_sched_event){.type = I8X_SCHED_RENEW, .worker = 1, .key_absent = true});
    fx_now += FX_LIFE_MS / 2;
    fx_step((i8x_sched_event){.type = I8X_SCHED_RENEW, .worker = 2, .key_absent = true});
    fx_step((i8x_sched_event){.type = I8X_SCHED_TICK});
    uint64_t epoch = fx_lease(2, 1);
    ck_assert_uint_gt(epoch, old);
    fx_result(1, 1, old, 42); /* late, but first */
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_COMMIT));
    ck_assert_uint_eq(fx_find(I8X_SCHED_DO_CANCEL)->worker, 2);
    fx_result(2, 1, epoch, 42);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_DUPLICATE));
    fx_step((i8x_sched_event){.type = I8X_SCHED_COMMITTED, .key = fx_key_of(1)});
    fx_result(2, 1, epoch, 42);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_STALE));
    fx_teardown();
}
END_TEST

START_TEST(a_dropped_task_is_canceled_where_it_runs)
{
    fx_setup();
    fx_add_task(1);
    fx_join(1, FX_ALL_KINDS);
    uint64_t epoch = fx_lease(1, 1);
    fx_step((i8x_sched_event){.type = I8X_SCHED_TASK_DROP, .key = fx_key_of(1)});
    ck_assert_uint_eq(fx_find(I8X_SCHED_DO_CANCEL)->worker, 1);
    fx_step((i8x_sched_event){
        .type = I8X_SCHED_RENEW, .worker = 1, .key = fx_key_of(1), .epoch = epoch});
    ck_assert_ptr_nonnull(
        fx_find(I8X_SCHED_DO_CANCEL)); /* and again, should the first not have arrived */
    fx_fail_task(1, 1, epoch, I8X_SCHED_FAULT_FREE);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_STALE));
    fx_teardown();
}
END_TEST

START_TEST(a_worker_that_comes_back_keeps_what_it_works_on)
{
    fx_setup();
    fx_add_task(1);
    fx_add_task(2);
    fx_join(7, FX_ALL_KINDS);
    fx_step((i8x_sched_event){
        .type = I8X_SCHED_WORKER_ADOPT, .worker = 7, .key = fx_key_of(2), .epoch = 55});
    ck_assert_int_eq(fx_state_of(2), I8X_SCHED_LEASED);
    fx_lease(7, 1);
    fx_ask(7, 1, 1, 0);
    ck_assert_ptr_null(fx_find(I8X_SCHED_DO_GRANT));
    fx_result(7, 2, 55, 1);
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_COMMIT));
    fx_teardown();
}
END_TEST

START_TEST(a_draining_worker_gets_nothing_and_its_ask_is_answered)
{
    fx_setup();
    fx_join(1, FX_ALL_KINDS);
    fx_ask(1, 3, 1, 100000);
    fx_step((i8x_sched_event){.type = I8X_SCHED_WORKER_DRAIN, .worker = 1});
    ck_assert_uint_eq(fx_find(I8X_SCHED_DO_ANSWER)->ticket, 3);
    fx_add_task(1);
    fx_ask(1, 4, 1, 100000);
    ck_assert_ptr_null(fx_find(I8X_SCHED_DO_GRANT));
    ck_assert_ptr_nonnull(fx_find(I8X_SCHED_DO_ANSWER));
    fx_teardown();
}
END_TEST

/* ---- random histories ---- */

#define TASKS 40
#define WORKERS 5

typedef struct model {
    bool open[TASKS], committing[TASKS], joined[WORKERS], asked[WORKERS];
    uint64_t holder[TASKS], epoch[TASKS], last_epoch;
    int granted, committed;
} model;

static int task_number(const i8x_digest *key)
{
    for (int n = 0; n < TASKS; n++) {
        i8x_digest mine = fx_key_of(n);
        if (i8x_digest_equal(key, &mine))
            return n;
    }
    ck_abort_msg("an action names a task that never was");
    return -1;
}

/* What an action must and must not be, given what happened before. */
static void follow(model *m, const i8x_sched_action *a)
{
    int n =
        a->type == I8X_SCHED_DO_ANSWER || a->type == I8X_SCHED_DO_GONE ? 0 : task_number(&a->key);
    switch (a->type) {
    case I8X_SCHED_DO_GRANT:
        ck_require(m->open[n] && !m->committing[n] && m->holder[n] == 0, "task %d is granted twice",
                   n);
        ck_require(a->epoch > m->last_epoch, "an epoch does not grow");
        ck_require(m->joined[a->worker - 1] && m->asked[a->worker - 1],
                   "granted to who did not ask");
        m->holder[n] = a->worker;
        m->epoch[n] = m->last_epoch = a->epoch;
        m->granted++;
        break;
    case I8X_SCHED_DO_ANSWER:
        ck_require(m->asked[a->ticket - 1], "ticket %d is answered twice", (int)a->ticket);
        m->asked[a->ticket - 1] = false;
        break;
    case I8X_SCHED_DO_LOST:
        ck_require(m->holder[n] == a->worker, "a lease is lost that was not held");
        m->holder[n] = 0;
        break;
    case I8X_SCHED_DO_COMMIT:
        ck_require(m->open[n] && !m->committing[n], "task %d is committed twice", n);
        m->committing[n] = true;
        m->holder[n] = 0;
        break;
    case I8X_SCHED_DO_DEAD:
        m->open[n] = m->committing[n] = false;
        m->holder[n] = 0;
        break;
    case I8X_SCHED_DO_RETRY:
        m->holder[n] = 0;
        break;
    case I8X_SCHED_DO_GONE:
        m->joined[a->worker - 1] = false;
        break;
    default:
        break;
    }
}

static i8x_sched_event draw(model *m, unsigned *seed)
{
    int n = rand_r(seed) % TASKS, w = rand_r(seed) % WORKERS;
    i8x_sched_event e = {.key = fx_key_of(n),
                         .worker = (uint64_t)w + 1,
                         .kind = (i8x_task_kind)(n % 3),
                         .order = (uint64_t)n,
                         .kinds = w == 0 ? 5 : 7,
                         .epoch = m->epoch[n]};
    static const i8x_sched_event_type types[] = {
        I8X_SCHED_TASK_ADD,  I8X_SCHED_TASK_ADD,    I8X_SCHED_ASK,       I8X_SCHED_ASK,
        I8X_SCHED_ASK,       I8X_SCHED_RESULT,      I8X_SCHED_RESULT,    I8X_SCHED_FAIL,
        I8X_SCHED_TICK,      I8X_SCHED_RENEW,       I8X_SCHED_COMMITTED, I8X_SCHED_WORKER_JOIN,
        I8X_SCHED_TASK_DROP, I8X_SCHED_WORKER_LEAVE};
    e.type = types[rand_r(seed) % (sizeof types / sizeof *types)];
    bool use = true;
    if (e.type == I8X_SCHED_WORKER_JOIN)
        use = !m->joined[w];
    if (e.type == I8X_SCHED_ASK)
        use = m->joined[w] && !m->asked[w];
    if (e.type == I8X_SCHED_RESULT || e.type == I8X_SCHED_FAIL)
        use = m->holder[n] != 0;
    if (e.type == I8X_SCHED_COMMITTED)
        use = m->committing[n];
    if (!use)
        e.type = I8X_SCHED_TICK;
    if (e.type == I8X_SCHED_RESULT || e.type == I8X_SCHED_FAIL)
        e.worker = rand_r(seed) % 8 != 0 ? m->holder[n] : e.worker;
    e.fault = (i8x_sched_fault)(rand_r(seed) % 3);
    e.ticket = (uint64_t)w + 1;
    e.want = 1 + (uint32_t)(rand_r(seed) % 3);
    e.until_ms = fx_now + rand_r(seed) % 3000;
    return e;
}

static void before(model *m, const i8x_sched_event *e)
{
    int n = task_number(&e->key);
    if (e->type == I8X_SCHED_TASK_ADD)
        m->open[n] = true;
    if (e->type == I8X_SCHED_WORKER_JOIN)
        m->joined[e->worker - 1] = true;
    if (e->type == I8X_SCHED_ASK)
        m->asked[e->ticket - 1] = true;
    if (e->type == I8X_SCHED_FAIL && m->holder[n] == e->worker)
        m->holder[n] = 0;
    if (e->type == I8X_SCHED_TASK_DROP || e->type == I8X_SCHED_COMMITTED) {
        m->committed += m->committing[n];
        m->open[n] = m->committing[n] = false;
        m->holder[n] = 0;
    }
}

static void check_counts(const model *m)
{
    size_t open = 0, committing = 0, leased = 0, held = 0;
    for (int n = 0; n < TASKS; n++) {
        open += m->open[n];
        committing += m->committing[n];
        leased += m->holder[n] != 0;
    }
    size_t all = 0;
    for (int state = 0; state < I8X_SCHED_STATE_COUNT; state++)
        all += i8x_sched_task_count(fx_sched, (i8x_sched_state)state);
    for (uint64_t worker = 1; worker <= WORKERS; worker++)
        held += i8x_sched_lease_count(fx_sched, worker);
    ck_require(all == open, "%zu tasks, should be %zu", all, open);
    ck_require(i8x_sched_task_count(fx_sched, I8X_SCHED_COMMITTING) == committing, "committing");
    ck_require(i8x_sched_task_count(fx_sched, I8X_SCHED_LEASED) == leased && held == leased,
               "leases %zu %zu", held, leased);
}

START_TEST(invariants_hold_in_random_histories)
{
    int granted = 0, committed = 0;
    for (unsigned seed = 1; seed <= 30; seed++) {
        fx_setup();
        model m = {.last_epoch = 100};
        unsigned state = seed;
        for (int i = 0; i < 2000; i++) {
            fx_now += rand_r(&state) % 400;
            i8x_sched_event event = draw(&m, &state);
            before(&m, &event);
            size_t count;
            i8x_sched_step(fx_sched, &event, fx_now);
            const i8x_sched_action *actions = i8x_sched_actions(fx_sched, &count);
            for (size_t k = 0; k < count; k++)
                follow(&m, &actions[k]);
            if (event.type == I8X_SCHED_WORKER_LEAVE)
                m.joined[event.worker - 1] = false;
            check_counts(&m);
        }
        granted += m.granted;
        committed += m.committed;
        fx_teardown();
    }
    ck_assert_int_gt(granted, 3000);
    ck_assert_int_gt(committed, 300);
}
END_TEST

Suite *check_sched_suite(void)
{
    const TTest *tests[] = {a_waiting_ask_gets_a_task_as_soon_as_there_is_one,
                            an_ask_is_answered_with_nothing_when_its_time_is_over,
                            tasks_go_out_in_their_order,
                            a_worker_gets_only_kinds_it_can_do,
                            a_lost_connection_gives_the_task_to_another_at_once_and_uses_no_attempt,
                            heartbeats_keep_a_lease_and_silence_ends_it,
                            bad_input_is_dead_at_once,
                            five_attempts_with_growing_pauses_are_the_end,
                            three_workers_are_the_end_and_each_gets_another_one_first,
                            a_task_that_takes_workers_with_it_is_given_up,
                            a_result_counts_once_whoever_brings_it,
                            a_dropped_task_is_canceled_where_it_runs,
                            a_worker_that_comes_back_keeps_what_it_works_on,
                            a_draining_worker_gets_nothing_and_its_ask_is_answered,
                            invariants_hold_in_random_histories};
    return i8x_suite("sched", tests, sizeof tests / sizeof tests[0]);
}
