/* SPDX-License-Identifier: Apache-2.0
 *
 * Worker state: what a worker says of its machine (HELLO) and of itself (RENEW), copied out of the
 * messages, and how others see it: a row of /v1/workers and gauges. A worker of an older version
 * says nothing; then everything is unknown.
 */
#ifndef I8X_DAEMON_WORKER_STATE_H
#define I8X_DAEMON_WORKER_STATE_H

#include "daemon/daemon.h"
#include "proto/json.h"
#include "proto/wire.h"

typedef struct i8x_worker_state {
    char model[I8X_WIRE_NAME_MAX + 1], version[I8X_WIRE_NAME_MAX + 1];
    char features[I8X_WIRE_FEATURES_MAX + 1];
    uint64_t machine_bytes; /* memory of the machine */
    uint32_t threads;       /* of one slot */
    int64_t seen_ms;        /* of the last RENEW or HELLO, loop time */
    bool has_status;
    i8x_wire_status status; /* texts point to reason and hottest */
    char reason[I8X_WIRE_NAME_MAX + 1], hottest[I8X_WIRE_NAME_MAX + 1];
    i8x_wire_held *held; /* [held_count] of the last RENEW */
    size_t held_count, held_capacity;
} i8x_worker_state;

void i8x_worker_state_deinit(i8x_worker_state *state);
void i8x_worker_state_hello(i8x_worker_state *state, const i8x_wire_hello *hello, int64_t now_ms);
void i8x_worker_state_renew(i8x_worker_state *state, const i8x_wire_renew *renew, int64_t now_ms);
/** Members of a row of /v1/workers. */
void i8x_worker_state_json(i8x_daemon *daemon, const i8x_worker_state *state, i8x_json *row);
/** Gauges of the workers: one series for each of the first I8X_METRIC_WORKERS_MAX, the rest as
 * worker="other": sums of slots and leases, the greatest of the others. */
void i8x_worker_state_metrics(i8x_daemon *daemon, i8x_buffer *text);

#endif
