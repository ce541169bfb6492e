/* SPDX-License-Identifier: Apache-2.0
 *
 * Watch: looks at the machine now and then, asks the governor, and knows what to tell the
 * coordinator. An object belongs to one thread (the heartbeat's).
 */
#ifndef I8X_WORKER_WATCH_H
#define I8X_WORKER_WATCH_H

#include "int8x/alloc.h"
#include "worker/governor.h"

typedef struct i8x_watch {
    const char *root;
    i8x_sensor sensor;
    i8x_sensor_reading reading;
    i8x_governor governor;
} i8x_watch;

/** root as in device.h, borrowed. */
void i8x_watch_init(i8x_watch *watch, const char *root, const i8x_governor_opts *limits);
/** Reads the sensors; own [own_count] processes are this worker's. True if that changed whether
 * work may be taken, which is logged. */
bool i8x_watch_look(i8x_watch *watch, const pid_t *own, size_t own_count);
/** What RENEW says, but for cache_bytes; texts live in the watch until the next look. */
void i8x_watch_status(const i8x_watch *watch, bool draining, bool works, i8x_wire_status *status);

#endif
