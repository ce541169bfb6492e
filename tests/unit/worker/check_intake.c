/* SPDX-License-Identifier: Apache-2.0
 *
 * Intake: leases and wants never pass the room, an answer's grants are taken in order, and what is
 * called back, paused or stopped is given back instead of started.
 */
#include "worker/intake.h"

#include <pthread.h>

#include "tests/support/suite.h"

static i8x_intake *intake;

static i8x_wire_grant grant(int n, uint64_t epoch)
{
    static const uint8_t task[] = {1, 2, 3};
    return (i8x_wire_grant){
        .key = i8x_digest_of(&n, sizeof n), .epoch = epoch, .task = task, .task_size = 3};
}

static void put(uint32_t want, int first, size_t count)
{
    i8x_wire_grant grants[8];
    for (size_t i = 0; i < count; i++)
        grants[i] = grant(first + (int)i, 1);
    i8x_intake_put(intake, want, grants, count);
}

static uint32_t hungry(void)
{
    uint32_t want;
    return i8x_intake_hungry(intake, &want) ? want : 0;
}

static void end(i8x_lease *lease, uint32_t wanted)
{
    uint64_t epoch;
    ck_assert_uint_eq(i8x_intake_report(intake, &lease, 1, &epoch), wanted);
    i8x_intake_finish(intake, lease);
    i8x_intake_put(intake, wanted, NULL, 0);
}

START_TEST(leases_and_wants_never_pass_the_room)
{
    ck_assert_ok(i8x_intake_new(2, 5, &intake));
    ck_assert_uint_eq(hungry(), 5);
    put(5, 1, 3);
    i8x_lease *first = i8x_intake_take(intake);
    uint64_t epoch;
    /* 3 leases of which one ends: 3 more fit */
    ck_assert_uint_eq(i8x_intake_report(intake, &first, 1, &epoch), 3);
    i8x_lease *second = i8x_intake_take(intake);
    ck_assert_uint_eq(i8x_intake_report(intake, &second, 1, &epoch), 0);
    i8x_intake_finish(intake, first);
    put(3, 10, 3);
    ck_assert_int_eq(i8x_intake_count(intake), 5);
    i8x_intake_finish(intake, second);
    put(0, 20, 0);
    ck_assert_int_eq(i8x_intake_count(intake), 4);
    i8x_intake_free(intake);
}
END_TEST

START_TEST(leases_are_taken_in_the_order_of_the_grants_and_told_in_held)
{
    ck_assert_ok(i8x_intake_new(1, 4, &intake));
    put(hungry(), 1, 3);
    i8x_lease *lease = i8x_intake_take(intake);
    i8x_wire_grant one = grant(1, 1);
    ck_assert(i8x_digest_equal(&lease->key, &one.key));
    ck_assert_uint_eq(lease->task_size, 3);
    ck_assert(i8x_intake_started(intake, lease));
    i8x_intake_progress(intake, lease, 5, 9);
    i8x_arena *arena;
    const i8x_wire_held *held;
    ck_assert_ok(i8x_arena_new(NULL, 1 << 16, &arena));
    ck_assert_uint_eq(i8x_intake_held(intake, arena, &held), 3);
    ck_assert(held[0].started && held[0].done == 5 && held[0].total == 9);
    ck_assert(!held[1].started);
    i8x_arena_free(arena);
    i8x_intake_free(intake);
}
END_TEST

START_TEST(a_grant_of_what_is_held_renews_the_lease)
{
    ck_assert_ok(i8x_intake_new(1, 4, &intake));
    put(hungry(), 1, 1);
    i8x_lease *lease = i8x_intake_take(intake);
    i8x_intake_call_back(intake, &lease->key);
    i8x_wire_grant again = grant(1, 77);
    i8x_intake_put(intake, 0, &again, 1);
    ck_assert_int_eq(i8x_intake_count(intake), 1);
    ck_assert(i8x_intake_started(intake, lease));
    uint64_t epoch;
    i8x_intake_report(intake, &lease, 1, &epoch);
    ck_assert_uint_eq(epoch, 77);
    i8x_intake_free(intake);
}
END_TEST

START_TEST(what_is_called_back_canceled_or_paused_is_not_started)
{
    ck_assert_ok(i8x_intake_new(4, 4, &intake));
    put(hungry(), 1, 4);
    i8x_lease *called = i8x_intake_take(intake), *canceled = i8x_intake_take(intake);
    i8x_lease *running = i8x_intake_take(intake), *paused = i8x_intake_take(intake);
    i8x_intake_call_back(intake, &called->key);
    i8x_intake_cancel(intake, &canceled->key);
    ck_assert(!i8x_intake_started(intake, called));
    ck_assert(!i8x_intake_started(intake, canceled));
    ck_assert(i8x_intake_canceled(intake, canceled) && !i8x_intake_canceled(intake, called));
    ck_assert(i8x_intake_started(intake, running));
    i8x_intake_allow(intake, false);
    ck_assert(!i8x_intake_started(intake, paused));
    ck_assert(!i8x_intake_canceled(intake, running)); /* what runs is finished */
    end(running, 0);                                  /* and nothing more is wanted */
    i8x_intake_allow(intake, true);
    end(paused, 2);
    i8x_intake_free(intake);
}
END_TEST

START_TEST(what_is_to_be_given_back_is_taken_first)
{
    ck_assert_ok(i8x_intake_new(1, 4, &intake));
    put(hungry(), 1, 4);
    i8x_wire_grant second = grant(2, 1), fourth = grant(4, 1), first = grant(1, 1);
    i8x_intake_call_back(intake, &second.key);
    i8x_intake_cancel(intake, &fourth.key);
    i8x_lease *called = i8x_intake_take(intake), *canceled = i8x_intake_take(intake);
    i8x_lease *oldest = i8x_intake_take(intake);
    ck_assert(i8x_digest_equal(&called->key, &second.key));
    ck_assert(i8x_digest_equal(&canceled->key, &fourth.key));
    ck_assert(i8x_digest_equal(&oldest->key, &first.key));
    i8x_intake_free(intake);
}
END_TEST

START_TEST(leases_that_end_together_leave_room_for_as_many)
{
    ck_assert_ok(i8x_intake_new(1, 4, &intake));
    put(hungry(), 1, 4);
    i8x_lease *leases[] = {i8x_intake_take(intake), i8x_intake_take(intake),
                           i8x_intake_take(intake)};
    uint64_t epochs[3] = {0};
    ck_assert_uint_eq(i8x_intake_report(intake, leases, 3, epochs), 3);
    ck_assert(epochs[0] == 1 && epochs[1] == 1 && epochs[2] == 1);
    for (int i = 0; i < 3; i++)
        i8x_intake_finish(intake, leases[i]);
    put(3, 10, 3);
    ck_assert_int_eq(i8x_intake_count(intake), 4);
    i8x_intake_free(intake);
}
END_TEST

static void *wait_hungry(void *user)
{
    uint32_t want;
    *(bool *)user = i8x_intake_hungry(intake, &want);
    return NULL;
}

static void *wait_take(void *user)
{
    *(i8x_lease **)user = i8x_intake_take(intake);
    return NULL;
}

START_TEST(a_lane_that_is_busy_wakes_the_next)
{
    ck_assert_ok(i8x_intake_new(1, 2, &intake));
    pthread_t lanes[2];
    i8x_lease *leases[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&lanes[i], NULL, wait_take, &leases[i]), 0);
    put(hungry(), 1, 2);
    i8x_intake_pass(intake);
    for (int i = 0; i < 2; i++)
        pthread_join(lanes[i], NULL);
    ck_assert(leases[0] != NULL && leases[1] != NULL && leases[0] != leases[1]);
    i8x_intake_free(intake);
}
END_TEST

START_TEST(stopping_wakes_everybody_and_leaves_no_grant_behind)
{
    ck_assert_ok(i8x_intake_new(1, 2, &intake));
    ck_assert_uint_eq(hungry(), 2); /* a LEASE is on its way */
    pthread_t asker, lane;
    bool asked = true;
    i8x_lease *lease = NULL;
    ck_assert_int_eq(pthread_create(&asker, NULL, wait_hungry, &asked), 0);
    ck_assert_int_eq(pthread_create(&lane, NULL, wait_take, &lease), 0);
    i8x_intake_stop(intake);
    pthread_join(asker, NULL);
    ck_assert(!asked);
    put(2, 1, 1); /* its answer comes after all */
    pthread_join(lane, NULL);
    ck_assert_ptr_nonnull(lease);
    ck_assert(!i8x_intake_started(intake, lease)); /* given back */
    end(lease, 0);
    ck_assert_ptr_null(i8x_intake_take(intake));
    i8x_intake_free(intake);
}
END_TEST

Suite *check_intake_suite(void)
{
    const TTest *tests[] = {leases_and_wants_never_pass_the_room,
                            leases_are_taken_in_the_order_of_the_grants_and_told_in_held,
                            a_grant_of_what_is_held_renews_the_lease,
                            what_is_called_back_canceled_or_paused_is_not_started,
                            what_is_to_be_given_back_is_taken_first,
                            leases_that_end_together_leave_room_for_as_many,
                            a_lane_that_is_busy_wakes_the_next,
                            stopping_wakes_everybody_and_leaves_no_grant_behind};
    return i8x_suite("intake", tests, sizeof tests / sizeof tests[0]);
}
