/* SPDX-License-Identifier: Apache-2.0
 *
 * Governor: may this worker take work now? Two limits that its owner set, each with hysteresis so
 * that it does not flutter: a temperature ceiling (stops above it, resumes
 * I8X_TEMPERATURE_RESUME_C below) and a share of the processors that others may use (stops above
 * it, resumes after I8X_BUSY_CALM_MS at I8X_BUSY_RESUME_PERCENT less). What is running is never
 * stopped by it. Pure: no clock, no files.
 *
 *     i8x_governor g; i8x_governor_init(&g, &opts);
 *     i8x_governor_see(&g, &reading, now_ms);   // after each reading of the sensors
 *     if (i8x_governor_allows(&g)) ...
 */
#ifndef I8X_WORKER_GOVERNOR_H
#define I8X_WORKER_GOVERNOR_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/wire.h"
#include "worker/sensor.h"

typedef struct i8x_governor_opts {
    int temperature_max_c;  /* 0 = no ceiling */
    int others_max_percent; /* of all processors; 0 = whatever others do */
} i8x_governor_opts;

typedef struct i8x_governor {
    i8x_governor_opts opts;
    bool hot, busy, calm;
    int64_t calm_since_ms; /* while calm */
    char reason[I8X_WIRE_NAME_MAX + 1];
} i8x_governor;

void i8x_governor_init(i8x_governor *governor, const i8x_governor_opts *opts);
/** Takes a reading into account. A temperature that is not known limits nothing; with a limit for
 * others, work begins when their load is known. */
void i8x_governor_see(i8x_governor *governor, const i8x_sensor_reading *reading, int64_t now_ms);
/** False while a limit is exceeded; then reason says which, in words. */
bool i8x_governor_allows(const i8x_governor *governor);
/** What the worker does: draining before hot before busy; else working or idle. */
i8x_wire_activity i8x_governor_activity(const i8x_governor *governor, bool draining, bool works);

#endif
