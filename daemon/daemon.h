/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon's state: one struct, all of it on the loop's thread. Rooms: http (porch), study (jobs
 * and plans), sched and hub (hall), ledger and store (cellar).
 */
#ifndef I8X_DAEMON_DAEMON_H
#define I8X_DAEMON_DAEMON_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/addresses.h"
#include "daemon/http/server.h"
#include "daemon/ledger/ledger.h"
#include "daemon/metrics.h"
#include "daemon/sched/sched.h"
#include "daemon/store/store.h"
#include "int8x/cpu.h"
#include "int8x/log.h"
#include "proto/link.h"

typedef struct i8x_study i8x_study;
typedef struct i8x_hub i8x_hub;
typedef struct i8x_locals i8x_locals;
typedef struct i8x_events i8x_events;
typedef struct i8x_once i8x_once;
typedef struct i8x_standing i8x_standing;
typedef struct i8x_sweeps i8x_sweeps;
typedef struct i8x_auth i8x_auth;
typedef struct i8x_gate i8x_gate;

typedef struct i8x_daemon_opts {
    const char *http, *link, *data;
    const char *admin;          /* HOST:PORT of the second listener; NULL = none */
    int local_workers, threads; /* threads of a local worker's slot; 0 = cores / local workers */
    i8x_log_level log_level;
    uint64_t blob_limit_bytes, task_memory_bytes;
    uint32_t task_seconds;
    int audit_per_mille; /* least share of results that another worker checks */
    int64_t lease_life_ms, heartbeat_ms;
    const char *worker_program; /* NULL = int8x-worker beside this program */
    bool ledger_relaxed;        /* commits do not wait for the disk */
    const char *advertise; /* HOST[:PORT] or URL by which workers reach the HTTP API; may be NULL */
    int64_t worker_life_s; /* of a worker's certificate and token */
    bool http_plain;       /* no TLS on HTTP although trust is on */
} i8x_daemon_opts;

typedef struct i8x_daemon {
    i8x_daemon_opts opts;
    uv_loop_t loop;
    uv_async_t link_wake, ledger_wake;
    uv_timer_t tick, chores, collect, pause;
    uv_work_t collect_work;
    bool collecting;
    uv_prepare_t prepare;
    uv_signal_t stop_signals[2];
    i8x_http *http, *admin;
    i8x_link_server *link;
    i8x_ledger *ledger;
    i8x_store *store;
    i8x_sched *sched;
    i8x_events *events;
    i8x_once *once;
    i8x_standing *standing;
    i8x_sweeps *sweeps;
    i8x_auth *auth;
    i8x_gate *gate; /* NULL while workers come in without TLS */
    i8x_study *study;
    i8x_hub *hub;
    i8x_locals *locals;
    i8x_metrics metrics;
    int http_port, link_port, admin_port; /* admin: 0 = not open */
    int lock_fd;
    char link_path[PATH_MAX]; /* ipc address of the local workers and of the gate; "" = none */
    i8x_addresses addresses;
    int64_t started_ms;
    int uploads; /* blobs that are being written */
    int pending; /* helper work and commits whose callbacks will come */
    bool stopping;
    bool scrubbing; /* a check of blobs is on its way */
    void *steps;    /* events that wait for the scheduler; loop.c */
} i8x_daemon;

/** Milliseconds of the loop's clock; never goes back. */
int64_t i8x_daemon_now_ms(i8x_daemon *daemon);
/** Milliseconds since 1970, for humans. */
int64_t i8x_daemon_wall_ms(void);
/** Opens everything. Errors: I8X_EARG, I8X_EIO, I8X_EBUSY (another daemon uses the folder) ... */
I8X_FALLIBLE i8x_status i8x_daemon_start(const i8x_daemon_opts *opts, i8x_daemon *daemon);
/** Runs until a signal, then stops. */
void i8x_daemon_run(i8x_daemon *daemon);
/** Also after a start that failed half-way. */
void i8x_daemon_close(i8x_daemon *daemon);
/** One event into the scheduler; its actions are carried out. */
void i8x_daemon_step(i8x_daemon *daemon, const i8x_sched_event *event);

/** Route table. */
const i8x_http_route *i8x_routes(int *count);
/** Those of the second listener. */
const i8x_http_route *i8x_admin_routes(int *count);

#endif
