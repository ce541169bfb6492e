/* SPDX-License-Identifier: Apache-2.0
 *
 * Sensor: what changes on this machine: temperature, clock, throttling, load, power. Read below a
 * root folder as in device.h. What a machine does not tell is unknown, never an error. An object
 * belongs to one thread; it remembers the processor times of the last reading, since load is a
 * difference.
 *
 *     i8x_sensor sensor; i8x_sensor_init(&sensor, "");
 *     i8x_sensor_read(&sensor, pids, pid_count, &reading);     // now and then
 */
#ifndef I8X_WORKER_SENSOR_H
#define I8X_WORKER_SENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/wire.h"
#include "worker/sysfile.h"

typedef struct i8x_sensor {
    const char *root;
    uint64_t busy_ticks, all_ticks, own_ticks; /* of the last reading */
    bool read_before;
} i8x_sensor;

typedef struct i8x_sensor_reading {
    bool temperature_known;
    char hottest[I8X_SYSFILE_NAME_SIZE];     /* "cpu-thermal": the sensor that is hottest */
    int32_t temperature_mc;                  /* thousandths of a degree Celsius */
    uint64_t frequency_hz, frequency_max_hz; /* of the fastest cluster; 0 = unknown */
    uint32_t throttled;                      /* i8x_wire_throttle bits */
    bool load_known;                         /* false at the first reading */
    double load, load_others; /* share 0..1 of all processors in use, and in use by others than the
                                 processes named as our own */
    i8x_wire_power power;
    int battery_percent; /* -1 = there is none */
} i8x_sensor_reading;

/** root is borrowed. */
void i8x_sensor_init(i8x_sensor *sensor, const char *root);
/** own [own_count] processes of this worker: their time is not load by others. */
void i8x_sensor_read(i8x_sensor *sensor, const pid_t *own, size_t own_count,
                     i8x_sensor_reading *reading);

#endif
