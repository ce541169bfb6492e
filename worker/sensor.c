/* SPDX-License-Identifier: Apache-2.0
 *
 * Temperature: thermal zones; where there are none, the processor's chips of hwmon. A zone that
 * shows a constant is left out (Jetson's PMIC-Die is always at 100 degrees), as is a value that no
 * running processor has.
 *
 * Throttling has four signs, each of another maker: the cpufreq limit below what the processor can
 * do; a Raspberry Pi's firmware flags (get_throttled) or its under-voltage alarm in hwmon; and
 * cooling devices that hold a processor back (Jetson, most device-tree boards). Fans and displays
 * are cooling devices too and mean nothing here.
 *
 * Load: /proc/stat between two readings. What our own processes took in between is taken off to
 * tell the load by others; a process that ended in between counts for its parent, which reaped it.
 */
#include "worker/sensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PATH_SIZE 256
#define THERMAL "sys/class/thermal"
#define HWMON "sys/class/hwmon"
#define CPUFREQ "sys/devices/system/cpu/cpufreq"
#define SUPPLY "sys/class/power_supply"
#define ZONE_MIN_MC (-40000)
#define ZONE_MAX_MC 150000
#define KHZ_MAX ((int64_t)100000000) /* 100 GHz */
#define STAT_SIZE 1024
#define FIRMWARE_UNDER_VOLTAGE 1u /* bits of get_throttled: what is true now */
#define FIRMWARE_CAPPED 2u
#define FIRMWARE_THROTTLED 4u
#define FIRMWARE_SOFT_LIMIT 8u

typedef char entry_name[I8X_SYSFILE_NAME_SIZE];

/* FOLDER/NAME/FILE; "" if that is too long to be a file of ours. */
static const char *entry_path(char path[PATH_SIZE], const char *folder, const char *name,
                              const char *file)
{
    if (snprintf(path, PATH_SIZE, "%s/%s/%s", folder, name, file) >= PATH_SIZE)
        *path = 0;
    return path;
}

void i8x_sensor_init(i8x_sensor *sensor, const char *root)
{
    *sensor = (i8x_sensor){.root = root};
}

/* ---- temperature ---- */

static void take_temperature(i8x_sensor_reading *reading, const char *name, int64_t mc)
{
    if (reading->temperature_known && mc <= reading->temperature_mc)
        return;
    reading->temperature_known = true;
    reading->temperature_mc = (int32_t)mc;
    snprintf(reading->hottest, sizeof reading->hottest, "%s", name);
}

static void read_zones(const char *root, i8x_sensor_reading *reading)
{
    entry_name names[I8X_DEVICE_SENSORS_MAX];
    int count = i8x_sysfile_list(root, THERMAL, "thermal_zone", names, I8X_DEVICE_SENSORS_MAX);
    for (int i = 0; i < count; i++) {
        char path[PATH_SIZE];
        entry_name type;
        int64_t mc;
        if (!i8x_sysfile_text(root, entry_path(path, THERMAL, names[i], "type"), type, sizeof type))
            memcpy(type, names[i], sizeof type);
        entry_path(path, THERMAL, names[i], "temp");
        if (strcasecmp(type, "PMIC-Die") != 0 &&
            i8x_sysfile_number(root, path, ZONE_MIN_MC, ZONE_MAX_MC, &mc))
            take_temperature(reading, type, mc);
    }
}

static bool is_processor_chip(const char *name)
{
    static const char *const chips[] = {"coretemp", "k10temp", "zenpower", "cpu_thermal",
                                        "scpi_sensors"};
    for (size_t i = 0; i < sizeof chips / sizeof *chips; i++)
        if (strcmp(name, chips[i]) == 0)
            return true;
    return false;
}

static void read_chip(const char *root, const char *folder, const char *chip,
                      i8x_sensor_reading *reading)
{
    entry_name names[I8X_DEVICE_SENSORS_MAX];
    int count = i8x_sysfile_list(root, folder, "temp", names, I8X_DEVICE_SENSORS_MAX);
    for (int i = 0; i < count; i++) {
        char path[PATH_SIZE];
        size_t length = strlen(names[i]);
        int64_t mc;
        if (length < 6 || strcmp(names[i] + length - 6, "_input") != 0)
            continue;
        entry_path(path, folder, ".", names[i]);
        if (i8x_sysfile_number(root, path, ZONE_MIN_MC, ZONE_MAX_MC, &mc))
            take_temperature(reading, chip, mc);
    }
}

/* Chips of hwmon: temperatures if no zone gave one, and a Raspberry Pi's voltage alarm. */
static void read_hwmon(const char *root, i8x_sensor_reading *reading)
{
    entry_name names[I8X_DEVICE_SENSORS_MAX];
    int count = i8x_sysfile_list(root, HWMON, "hwmon", names, I8X_DEVICE_SENSORS_MAX);
    bool zones = reading->temperature_known;
    for (int i = 0; i < count; i++) {
        char folder[PATH_SIZE], path[PATH_SIZE];
        entry_name chip;
        int64_t alarm;
        if (!i8x_sysfile_text(root, entry_path(path, HWMON, names[i], "name"), chip, sizeof chip))
            continue;
        if (!zones && is_processor_chip(chip))
            read_chip(root, entry_path(folder, HWMON, names[i], "."), chip, reading);
        entry_path(path, HWMON, names[i], "in0_lcrit_alarm");
        if (strcmp(chip, "rpi_volt") == 0 && i8x_sysfile_number(root, path, 1, 1, &alarm))
            reading->throttled |= I8X_WIRE_THROTTLE_UNDER_VOLTAGE;
    }
}

/* ---- frequency and throttling ---- */

static uint64_t policy_hz(const char *root, const char *policy, const char *file)
{
    char path[PATH_SIZE];
    int64_t khz;
    entry_path(path, CPUFREQ, policy, file);
    return i8x_sysfile_number(root, path, 1, KHZ_MAX, &khz) ? (uint64_t)khz * 1000 : 0;
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* One policy for each cluster on ARM, one for each processor on x86, where a few speak for all: the
 * kernel measures when the file is read. */
static void read_policies(const char *root, i8x_sensor_reading *reading)
{
    entry_name names[I8X_DEVICE_POLICIES_MAX];
    int count = i8x_sysfile_list(root, CPUFREQ, "policy", names, I8X_DEVICE_POLICIES_MAX);
    for (int i = 0; i < count; i++) {
        uint64_t most = policy_hz(root, names[i], "cpuinfo_max_freq");
        uint64_t allowed = policy_hz(root, names[i], "scaling_max_freq");
        reading->frequency_hz =
            greater(reading->frequency_hz, policy_hz(root, names[i], "scaling_cur_freq"));
        reading->frequency_max_hz = greater(reading->frequency_max_hz, most);
        if (allowed != 0 && allowed < most)
            reading->throttled |= I8X_WIRE_THROTTLE_FREQUENCY_CAP;
    }
}

/* x86 without cpufreq (virtual machines): "cpu MHz : 2599.998" */
static void read_cpuinfo(const char *root, i8x_sensor_reading *reading)
{
    char text[4096];
    if (reading->frequency_hz != 0)
        return;
    i8x_sysfile_read(root, "proc/cpuinfo", text, sizeof text);
    const char *at = strstr(text, "\ncpu MHz");
    const char *colon = at != NULL ? strchr(at, ':') : NULL;
    double mhz = colon != NULL ? strtod(colon + 1, NULL) : 0;
    if (mhz >= 1 && mhz <= (double)KHZ_MAX / 1e3)
        reading->frequency_hz = (uint64_t)(mhz * 1e6);
}

static void read_firmware(const char *root, i8x_sensor_reading *reading)
{
    static const char *const paths[] = {"sys/devices/platform/soc/soc:firmware/get_throttled",
                                        "sys/devices/platform/soc@107c000000/soc:firmware/"
                                        "get_throttled",
                                        "sys/devices/platform/soc:firmware/get_throttled"};
    char text[32], *end = text;
    unsigned long flags = 0;
    for (size_t i = 0; i < sizeof paths / sizeof *paths && end == text; i++)
        if (i8x_sysfile_text(root, paths[i], text, sizeof text))
            flags = strtoul(text, &end, 16);
    if ((flags & FIRMWARE_UNDER_VOLTAGE) != 0)
        reading->throttled |= I8X_WIRE_THROTTLE_UNDER_VOLTAGE;
    if ((flags & FIRMWARE_CAPPED) != 0)
        reading->throttled |= I8X_WIRE_THROTTLE_FREQUENCY_CAP;
    if ((flags & (FIRMWARE_THROTTLED | FIRMWARE_SOFT_LIMIT)) != 0)
        reading->throttled |= I8X_WIRE_THROTTLE_THERMAL;
}

static bool holds_back(const char *type)
{
    return strncasecmp(type, "cpu", 3) == 0 || strncasecmp(type, "gpu", 3) == 0 ||
           strstr(type, "cpufreq") != NULL || strcmp(type, "Processor") == 0;
}

static void read_cooling(const char *root, i8x_sensor_reading *reading)
{
    entry_name names[I8X_DEVICE_SENSORS_MAX], type;
    int count = i8x_sysfile_list(root, THERMAL, "cooling_device", names, I8X_DEVICE_SENSORS_MAX);
    for (int i = 0; i < count; i++) {
        char path[PATH_SIZE];
        int64_t state;
        entry_path(path, THERMAL, names[i], "type");
        if (!i8x_sysfile_text(root, path, type, sizeof type) || !holds_back(type))
            continue;
        entry_path(path, THERMAL, names[i], "cur_state");
        if (i8x_sysfile_number(root, path, 1, INT32_MAX, &state))
            reading->throttled |= I8X_WIRE_THROTTLE_THERMAL;
    }
}

/* ---- load ---- */

/* Ticks of all processors since the start: in use, and all. */
static bool machine_ticks(const char *root, uint64_t *busy, uint64_t *all)
{
    char text[STAT_SIZE];
    unsigned long long user, nice, system, idle, wait, irq, soft, steal;
    i8x_sysfile_read(root, "proc/stat", text, sizeof text);
    if (sscanf(text, "cpu %18llu %18llu %18llu %18llu %18llu %18llu %18llu %18llu", &user, &nice,
               &system, &idle, &wait, &irq, &soft, &steal) != 8)
        return false;
    *busy = user + nice + system + irq + soft + steal;
    *all = *busy + idle + wait;
    return true;
}

/* Ticks of a process and of its children that have ended. */
static uint64_t process_ticks(const char *root, pid_t pid)
{
    char path[PATH_SIZE], text[STAT_SIZE];
    unsigned long long user, system;
    long long child_user, child_system;
    snprintf(path, sizeof path, "proc/%d/stat", (int)pid);
    i8x_sysfile_read(root, path, text, sizeof text);
    const char *at = strrchr(text, ')'); /* the name before it may hold anything */
    if (at == NULL || sscanf(at + 1,
                             " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %18llu %18llu "
                             "%18lld %18lld",
                             &user, &system, &child_user, &child_system) != 4)
        return 0;
    uint64_t children = child_user > 0 ? (uint64_t)child_user : 0;
    return user + system + children + (child_system > 0 ? (uint64_t)child_system : 0);
}

static double share(uint64_t part, uint64_t all)
{
    return part >= all ? 1 : (double)part / (double)all;
}

static uint64_t grown(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

static void read_load(i8x_sensor *sensor, const pid_t *own, size_t own_count,
                      i8x_sensor_reading *reading)
{
    uint64_t busy, all, mine = 0;
    if (!machine_ticks(sensor->root, &busy, &all))
        return;
    for (size_t i = 0; i < own_count; i++)
        mine += process_ticks(sensor->root, own[i]);
    uint64_t passed = grown(all, sensor->all_ticks), used = grown(busy, sensor->busy_ticks);
    uint64_t used_own = grown(mine, sensor->own_ticks);
    if (sensor->read_before && passed > 0) {
        reading->load_known = true;
        reading->load = share(used, passed);
        reading->load_others = share(grown(used, used_own), passed);
    }
    sensor->busy_ticks = busy;
    sensor->all_ticks = all;
    sensor->own_ticks = mine;
    sensor->read_before = true;
}

/* ---- power ---- */

static void read_power(const char *root, i8x_sensor_reading *reading)
{
    entry_name names[I8X_DEVICE_SENSORS_MAX], type;
    int count = i8x_sysfile_list(root, SUPPLY, "", names, I8X_DEVICE_SENSORS_MAX);
    reading->battery_percent = -1;
    for (int i = 0; i < count; i++) {
        char path[PATH_SIZE];
        int64_t number;
        if (!i8x_sysfile_text(root, entry_path(path, SUPPLY, names[i], "type"), type, sizeof type))
            continue;
        bool battery = strcmp(type, "Battery") == 0;
        entry_path(path, SUPPLY, names[i], battery ? "capacity" : "online");
        if (!i8x_sysfile_number(root, path, 0, 100, &number))
            continue;
        if (battery)
            reading->battery_percent = (int)number;
        else if (number == 1)
            reading->power = I8X_WIRE_POWER_MAINS;
    }
    if (reading->battery_percent >= 0 && reading->power != I8X_WIRE_POWER_MAINS)
        reading->power = I8X_WIRE_POWER_BATTERY;
}

void i8x_sensor_read(i8x_sensor *sensor, const pid_t *own, size_t own_count,
                     i8x_sensor_reading *reading)
{
    memset(reading, 0, sizeof *reading);
    read_zones(sensor->root, reading);
    read_hwmon(sensor->root, reading);
    read_policies(sensor->root, reading);
    read_cpuinfo(sensor->root, reading);
    read_firmware(sensor->root, reading);
    read_cooling(sensor->root, reading);
    read_load(sensor, own, own_count, reading);
    read_power(sensor->root, reading);
}
