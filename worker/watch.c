/* SPDX-License-Identifier: Apache-2.0
 *
 * A ceiling on a machine without a thermometer cannot be kept: that is said once, loudly.
 */
#include "worker/watch.h"

#include "int8x/clock.h"
#include "int8x/log.h"
#include "worker/device.h"

void i8x_watch_init(i8x_watch *watch, const char *root, const i8x_governor_opts *limits)
{
    *watch = (i8x_watch){.root = root, .reading.battery_percent = -1};
    i8x_sensor_init(&watch->sensor, root);
    i8x_governor_init(&watch->governor, limits);
}

bool i8x_watch_look(i8x_watch *watch, const pid_t *own, size_t own_count)
{
    bool first = !watch->sensor.read_before, before = i8x_governor_allows(&watch->governor);
    i8x_sensor_read(&watch->sensor, own, own_count, &watch->reading);
    i8x_governor_see(&watch->governor, &watch->reading, i8x_clock_now_ns(NULL) / 1000000);
    if (first && watch->governor.opts.temperature_max_c != 0 && !watch->reading.temperature_known)
        i8x_log(I8X_LOG_WARN, "no_thermometer", "temperature_max=%d",
                watch->governor.opts.temperature_max_c);
    bool now = i8x_governor_allows(&watch->governor);
    char quoted[2 * I8X_WIRE_NAME_MAX];
    if (now != before)
        i8x_log(I8X_LOG_INFO, now ? "resumed" : "paused", "reason=%s",
                i8x_log_quote(watch->governor.reason, quoted, sizeof quoted));
    return now != before;
}

void i8x_watch_status(const i8x_watch *watch, bool draining, bool works, i8x_wire_status *status)
{
    const i8x_sensor_reading *reading = &watch->reading;
    bool battery = reading->battery_percent >= 0;
    *status =
        (i8x_wire_status){.activity = i8x_governor_activity(&watch->governor, draining, works),
                          .reason = watch->governor.reason,
                          .hottest = reading->hottest,
                          .temperature_mc = reading->temperature_mc,
                          .frequency_hz = reading->frequency_hz,
                          .frequency_max_hz = reading->frequency_max_hz,
                          .throttled = reading->throttled,
                          .load_known = reading->load_known,
                          .load_permille = (uint32_t)(reading->load * 1000),
                          .load_others_permille = (uint32_t)(reading->load_others * 1000),
                          .memory_available_bytes = i8x_device_memory_available(watch->root),
                          .power = reading->power,
                          .battery = battery,
                          .battery_percent = battery ? (uint32_t)reading->battery_percent : 0};
}
