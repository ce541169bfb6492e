/* SPDX-License-Identifier: Apache-2.0
 *
 * Hub: between the link and the scheduler. Requests of workers become events, actions become
 * replies. It knows the workers' sessions; a session ends when its connection does, when the worker
 * says BYE or HELLO again, or after a lease life of silence.
 */
#ifndef I8X_DAEMON_HUB_H
#define I8X_DAEMON_HUB_H

#include "daemon/auth.h"
#include "daemon/control.h"
#include "daemon/daemon.h"
#include "daemon/holdings.h"
#include "daemon/worker_state.h"

typedef struct i8x_hub_worker {
    struct i8x_hub_worker *next, *previous;
    uint64_t session;
    uint32_t pipe;
    char id[I8X_WIRE_NAME_MAX + 1], name[I8X_WIRE_NAME_MAX + 1];
    char arch[I8X_WIRE_NAME_MAX + 1], level[I8X_WIRE_NAME_MAX + 1];
    uint32_t cores, slots, kinds;
    uint64_t memory_bytes;
    int64_t joined_ms; /* since 1970 */
    uint64_t committed, failed;
    bool draining;
    i8x_control control; /* what is to be said to it */
    i8x_worker_state state;
    i8x_auth_pass pass;    /* by which right it is here */
    i8x_holdings holdings; /* blobs on its disk */
} i8x_hub_worker;

I8X_FALLIBLE i8x_status i8x_hub_new(i8x_daemon *daemon, i8x_hub **hub);
void i8x_hub_free(i8x_hub *hub);
/** Drains the link's queue. */
void i8x_hub_receive(i8x_hub *hub);
/** Answers the heartbeats that are due; when the next one is, INT64_MAX if none. */
int64_t i8x_hub_tick(i8x_hub *hub);
/** Answers a request of the link. */
void i8x_hub_send(i8x_hub *hub, uint32_t context, const i8x_wire_message *message);
/** Carries out one action of the scheduler. */
void i8x_hub_act(i8x_hub *hub, const i8x_sched_action *action);
/** The scheduler may speak of this worker, connected or not. */
void i8x_hub_remember(i8x_hub *hub, const char *worker);
/** Cuts off the workers whose token has been revoked or has expired. */
void i8x_hub_check_rights(i8x_hub *hub);
/** Digest of a result without what was measured: two honest runs agree on it. Errors: I8X_ENOMEM,
 * I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_hub_result_digest(const i8x_task_result *result, i8x_digest *digest);
/** First worker; follow next. */
const i8x_hub_worker *i8x_hub_workers(const i8x_hub *hub);
/** Sessions of workers that have the blob on their disk, as far as known, at most room; how many.
 */
size_t i8x_hub_holders(const i8x_hub *hub, const i8x_digest *digest, uint64_t *sessions,
                       size_t room);
/** Bytes of the task's inputs that the worker need not fetch, as far as known. */
uint64_t i8x_hub_held_bytes(const i8x_hub *hub, uint64_t session, const i8x_task *task);

#endif
