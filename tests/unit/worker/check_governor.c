/* SPDX-License-Identifier: Apache-2.0
 *
 * Governor: limits stop at once and let go only when it is cooler or has been calm for a while.
 */
#include "worker/governor.h"

#include <string.h>

#include "tests/support/suite.h"

static i8x_governor governor;
static i8x_sensor_reading reading;

static void begin(int temperature_max_c, int others_max_percent)
{
    i8x_governor_init(&governor, &(i8x_governor_opts){temperature_max_c, others_max_percent});
    memset(&reading, 0, sizeof reading);
}

static bool at_temperature(int mc)
{
    reading.temperature_known = true;
    reading.temperature_mc = mc;
    strcpy(reading.hottest, "cpu-thermal");
    i8x_governor_see(&governor, &reading, 0);
    return i8x_governor_allows(&governor);
}

static bool at_load(double others, int64_t now_ms)
{
    reading.load_known = true;
    reading.load_others = others;
    i8x_governor_see(&governor, &reading, now_ms);
    return i8x_governor_allows(&governor);
}

START_TEST(without_limits_everything_is_allowed)
{
    begin(0, 0);
    ck_assert(at_temperature(140000) && at_load(1, 0));
    ck_assert_int_eq(i8x_governor_activity(&governor, false, true), I8X_WIRE_ACTIVITY_WORKING);
    ck_assert_int_eq(i8x_governor_activity(&governor, false, false), I8X_WIRE_ACTIVITY_IDLE);
    ck_assert_int_eq(i8x_governor_activity(&governor, true, true), I8X_WIRE_ACTIVITY_DRAINING);
}
END_TEST

START_TEST(too_hot_stops_above_and_resumes_five_degrees_below)
{
    begin(80, 0);
    ck_assert(at_temperature(80000));
    ck_assert(!at_temperature(80001));
    ck_assert_int_eq(i8x_governor_activity(&governor, false, false), I8X_WIRE_ACTIVITY_HOT);
    ck_assert_str_eq(governor.reason,
                     "cpu-thermal is at 80.0 C, over --temperature-max 80; resumes at 75");
    ck_assert(!at_temperature(75001));
    ck_assert(at_temperature(75000));
    ck_assert_str_eq(governor.reason, "");
}
END_TEST

START_TEST(a_thermometer_that_goes_away_limits_nothing)
{
    begin(80, 0);
    ck_assert(!at_temperature(90000));
    reading.temperature_known = false;
    i8x_governor_see(&governor, &reading, 0);
    ck_assert(i8x_governor_allows(&governor));
}
END_TEST

START_TEST(idle_only_waits_until_others_have_been_calm)
{
    begin(0, 25);
    ck_assert(!i8x_governor_allows(&governor));
    ck_assert_ptr_nonnull(strstr(governor.reason, "not known yet"));
    ck_assert(!at_load(0.05, 1000));
    ck_assert(!at_load(0.05, 1000 + I8X_BUSY_CALM_MS - 1));
    ck_assert(at_load(0.05, 1000 + I8X_BUSY_CALM_MS));
    ck_assert(at_load(0.25, 9000)); /* between the two: as it was */
    ck_assert(!at_load(0.26, 10000));
    ck_assert_int_eq(i8x_governor_activity(&governor, false, true), I8X_WIRE_ACTIVITY_BUSY);
    ck_assert_ptr_nonnull(strstr(governor.reason, "others use 26 %"));
    ck_assert(!at_load(0.20, 30000));
    ck_assert(!at_load(0.15, 31000));
    ck_assert(!at_load(0.16, 35000)); /* not calm: the time begins again */
    ck_assert(!at_load(0.15, 37000));
    ck_assert(at_load(0.10, 37000 + I8X_BUSY_CALM_MS));
}
END_TEST

START_TEST(hot_comes_before_busy)
{
    begin(80, 25);
    ck_assert(!at_temperature(81000));
    ck_assert(!at_load(0.9, 0));
    ck_assert_int_eq(i8x_governor_activity(&governor, false, false), I8X_WIRE_ACTIVITY_HOT);
}
END_TEST

Suite *check_governor_suite(void)
{
    const TTest *tests[] = {without_limits_everything_is_allowed,
                            too_hot_stops_above_and_resumes_five_degrees_below,
                            a_thermometer_that_goes_away_limits_nothing,
                            idle_only_waits_until_others_have_been_calm, hot_comes_before_busy};
    return i8x_suite("governor", tests, sizeof tests / sizeof tests[0]);
}
