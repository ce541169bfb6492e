/* SPDX-License-Identifier: Apache-2.0
 *
 * Agent: joins a coordinator, leases tasks, feeds its slots, sends results back and keeps its
 * leases alive by heartbeats, which also tell how the machine is. On SIGTERM it drains: running
 * tasks are finished and reported, others given back, then it says BYE.
 */
#ifndef I8X_WORKER_AGENT_H
#define I8X_WORKER_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "int8x/cpu.h"
#include "int8x/status.h"
#include "worker/governor.h"

typedef struct i8x_agent_opts {
    const char *join; /* link URL of the coordinator; NULL = where the invitation says */
    const char *invitation, *token_path, *ca_path; /* see worker/enroll.h; may be NULL */
    const char *cache;
    const char *name;      /* NULL = host name */
    int slots, threads;    /* threads of one slot; 0 = share of the cores */
    uint64_t memory_bytes; /* of one task; 0 = the coordinator's limit */
    uint32_t task_seconds; /* 0 = the coordinator's limit */
    uint64_t cache_bytes;
    i8x_cpu_level level;
    const char *version;     /* of this program */
    const char *device_root; /* folder that holds proc/ and sys/; "" = this machine */
    i8x_governor_opts limits;
    int nice_value; /* of the tasks' processes, 0..19 */
    bool probes;    /* tasks that try the service are taken, too */
    int prefetch;   /* leases beyond the slots; slots + prefetch <= I8X_LEASES_MAX */
} i8x_agent_opts;

/** Runs until SIGTERM or SIGINT. The caller has one thread. Errors: I8X_EARG, I8X_EIO, I8X_EBUSY
 * (cache in use), I8X_ENOMEM, I8X_EAUTH and I8X_EDENIED (the coordinator does not take this
 * worker).
 */
I8X_FALLIBLE i8x_status i8x_agent_run(const i8x_agent_opts *opts);

#endif
