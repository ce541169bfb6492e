/* SPDX-License-Identifier: Apache-2.0
 *
 * Sensor: what machines that we do not have show of temperature, clock, throttling, load and power.
 */
#include "worker/sensor.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/suite.h"
#include "tests/unit/worker/made_root.h"

static i8x_temp_dir root;
static i8x_sensor sensor;
static i8x_sensor_reading reading;

static void read_machine(void (*make)(i8x_temp_dir *root))
{
    i8x_temp_dir_init(&root);
    if (make != NULL)
        make(&root);
    i8x_sensor_init(&sensor, root.path);
    i8x_sensor_read(&sensor, NULL, 0, &reading);
}

static void read_again(void)
{
    i8x_sensor_read(&sensor, NULL, 0, &reading);
}

START_TEST(a_raspberry_pi_tells_what_its_firmware_does)
{
    read_machine(made_root_rpi4);
    ck_assert(reading.temperature_known);
    ck_assert_int_eq(reading.temperature_mc, 81305);
    ck_assert_str_eq(reading.hottest, "cpu-thermal");
    ck_assert_uint_eq(reading.frequency_hz, 1000000000);
    ck_assert_uint_eq(reading.frequency_max_hz, 1800000000);
    /* 0x50005: under voltage and throttled now; the upper half is history */
    ck_assert_uint_eq(reading.throttled,
                      I8X_WIRE_THROTTLE_UNDER_VOLTAGE | I8X_WIRE_THROTTLE_THERMAL);
    ck_assert_int_eq(reading.battery_percent, -1);
    ck_assert_int_eq(reading.power, I8X_WIRE_POWER_UNKNOWN);
    made_root_put(&root, "sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n");
    read_again();
    ck_assert_uint_eq(reading.throttled, 0);
    made_root_put(&root, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
    read_again();
    ck_assert_uint_eq(reading.throttled, I8X_WIRE_THROTTLE_UNDER_VOLTAGE);
    i8x_temp_dir_deinit(&root);
}
END_TEST

START_TEST(a_jetson_is_not_as_hot_as_its_constant_zone_and_its_fan_holds_nothing_back)
{
    read_machine(made_root_jetson);
    ck_assert_int_eq(reading.temperature_mc, 58500);
    ck_assert_str_eq(reading.hottest, "CPU-therm");
    ck_assert_uint_eq(reading.throttled,
                      I8X_WIRE_THROTTLE_FREQUENCY_CAP | I8X_WIRE_THROTTLE_THERMAL);
    ck_assert_int_eq(reading.power, I8X_WIRE_POWER_MAINS);
    made_root_put(&root, "sys/class/thermal/cooling_device1/cur_state", "0\n");
    made_root_put(&root, "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", "1479000\n");
    read_again();
    ck_assert_uint_eq(reading.throttled, 0);
    i8x_temp_dir_deinit(&root);
}
END_TEST

START_TEST(a_server_has_its_processor_chip_and_the_clock_of_cpuinfo)
{
    read_machine(made_root_server);
    ck_assert_int_eq(reading.temperature_mc, 47000); /* not the disk's */
    ck_assert_str_eq(reading.hottest, "coretemp");
    ck_assert_uint_eq(reading.frequency_hz, 2600500000);
    ck_assert_uint_eq(reading.frequency_max_hz, 0);
    ck_assert_uint_eq(reading.throttled, 0);
    i8x_temp_dir_deinit(&root);
}
END_TEST

START_TEST(an_empty_machine_tells_nothing)
{
    read_machine(NULL);
    read_again();
    ck_assert(!reading.temperature_known && !reading.load_known);
    ck_assert_uint_eq(reading.frequency_hz, 0);
    ck_assert_uint_eq(reading.throttled, 0);
    ck_assert_int_eq(reading.power, I8X_WIRE_POWER_UNKNOWN);
    i8x_temp_dir_deinit(&root);
}
END_TEST

static void put_stat(int busy, int idle)
{
    char text[128];
    snprintf(text, sizeof text, "cpu  %d 0 0 %d 0 0 0 0 0 0\n", busy, idle);
    made_root_put(&root, "proc/stat", text);
}

static void put_process(int pid, int user, int children)
{
    char path[32], text[256];
    snprintf(path, sizeof path, "proc/%d/stat", pid);
    snprintf(text, sizeof text, "%d (a) b) S 1 1 1 0 -1 4 0 0 0 0 %d 10 %d 0 20 0 1 0\n", pid, user,
             children);
    made_root_put(&root, path, text);
}

START_TEST(load_by_others_leaves_out_our_own_processes)
{
    const pid_t own[] = {7, 8};
    read_machine(NULL);
    put_stat(1000, 1000);
    put_process(7, 100, 50);
    put_process(8, 0, 0);
    i8x_sensor_read(&sensor, own, 2, &reading);
    ck_assert(!reading.load_known); /* a difference needs two */
    put_stat(1600, 1400);
    put_process(7, 200, 150);
    put_process(8, 100, 0);
    i8x_sensor_read(&sensor, own, 2, &reading);
    ck_assert(reading.load_known);
    ck_assert_double_eq_tol(reading.load, 0.6, 1e-9);
    ck_assert_double_eq_tol(reading.load_others, 0.3, 1e-9);
    put_process(8, 9000, 0); /* more than all: clocks of the kernel are not exact */
    put_stat(1700, 1500);
    i8x_sensor_read(&sensor, own, 2, &reading);
    ck_assert_double_eq(reading.load_others, 0);
    i8x_temp_dir_deinit(&root);
}
END_TEST

START_TEST(a_laptop_runs_on_its_battery_when_the_mains_are_off)
{
    read_machine(NULL);
    made_root_put(&root, "sys/class/power_supply/AC/type", "Mains\n");
    made_root_put(&root, "sys/class/power_supply/AC/online", "0\n");
    made_root_put(&root, "sys/class/power_supply/BAT0/type", "Battery\n");
    made_root_put(&root, "sys/class/power_supply/BAT0/capacity", "73\n");
    read_again();
    ck_assert_int_eq(reading.power, I8X_WIRE_POWER_BATTERY);
    ck_assert_int_eq(reading.battery_percent, 73);
    i8x_temp_dir_deinit(&root);
}
END_TEST

START_TEST(hostile_sensors_do_no_harm)
{
    static const char *const texts[] = {"-273150\n", "999999999\n", "99999999999999999999999\n",
                                        "x\n",       "\xff\x01",    ""};
    static char huge[200000];
    memset(huge, 'z', sizeof huge);
    read_machine(NULL);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        made_root_put(&root, "sys/class/thermal/thermal_zone0/temp", texts[i]);
        made_root_put_bytes(&root, "sys/class/thermal/thermal_zone0/type", huge, sizeof huge);
        made_root_put(&root, "sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", texts[i]);
        made_root_put(&root, "sys/devices/platform/soc/soc:firmware/get_throttled", texts[i]);
        made_root_put(&root, "sys/class/power_supply/BAT0/type", "Battery");
        made_root_put(&root, "sys/class/power_supply/BAT0/capacity", texts[i]);
        made_root_put(&root, "proc/stat", texts[i]);
        made_root_put(&root, "proc/cpuinfo", "x\ncpu MHz : -nan\n");
        read_again();
        ck_assert(!reading.temperature_known);
        ck_assert(!reading.load_known);
        ck_assert_int_eq(reading.battery_percent, -1);
        ck_assert_uint_le(reading.frequency_hz, 100000000000ull);
    }
    i8x_temp_dir_deinit(&root);
}
END_TEST

Suite *check_sensor_suite(void)
{
    const TTest *tests[] = {
        a_raspberry_pi_tells_what_its_firmware_does,
        a_jetson_is_not_as_hot_as_its_constant_zone_and_its_fan_holds_nothing_back,
        a_server_has_its_processor_chip_and_the_clock_of_cpuinfo,
        an_empty_machine_tells_nothing,
        load_by_others_leaves_out_our_own_processes,
        a_laptop_runs_on_its_battery_when_the_mains_are_off,
        hostile_sensors_do_no_harm};
    return i8x_suite("sensor", tests, sizeof tests / sizeof tests[0]);
}
