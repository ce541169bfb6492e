/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the hub share: hub.c (workers and their requests), hub_replies.c (answers that
 * are being made), hub_results.c (results and failures) and hub_actions.c (what the scheduler
 * decides). Nobody else includes this.
 */
#ifndef I8X_DAEMON_HUB_ROOM_H
#define I8X_DAEMON_HUB_ROOM_H

#include "daemon/doubts.h"
#include "daemon/hub.h"

/* An answer that is being made. */
typedef struct i8x_hub_reply {
    bool open;
    uint64_t session;
    i8x_wire_type type;    /* GRANTS or COMMITTED */
    size_t count, pending; /* results that it answers; of them not settled yet */
    i8x_wire_state states[I8X_WIRE_RESULTS_MAX];
    char detail[I8X_WIRE_DETAIL_MAX + 1];
    uint32_t want;
    struct {
        i8x_digest key;
        uint64_t epoch;
    } grants[I8X_WIRE_GRANTS_MAX];
    int grant_count;
} i8x_hub_reply;

struct i8x_hub {
    i8x_daemon *daemon;
    i8x_hub_worker *first;
    i8x_control_line waiting; /* heartbeats whose answers are held back */
    i8x_hub_reply *replies[I8X_LINK_CONTEXTS_MAX];
    i8x_buffer frame;
    i8x_arena *arena; /* of the message in hand */
    char sentence[I8X_WIRE_DETAIL_MAX + 1];
    /* the message in hand, for actions that need more than the scheduler knows */
    i8x_wire_message *message;
    uint32_t context;
    size_t item; /* of a RESULT: the one in hand */
    const i8x_task_result *result;
    i8x_doubts doubts;
};

/* hub.c */

/** The worker of that session; NULL if it has gone. */
i8x_hub_worker *i8x_hub_find(const i8x_hub *hub, uint64_t session);
/** Ends the worker's session and frees it. reason: a word for the log. */
void i8x_hub_part(i8x_hub *hub, i8x_hub_worker *worker, const char *reason);

/* hub_replies.c */

/** Opens the answer to the message in hand. count: things to settle before it can be sent; 0 for
 * GRANTS. */
void i8x_hub_open_reply(i8x_hub *hub, i8x_wire_type type, size_t count, uint32_t want);
/** Sends an open answer with the grants it has. */
void i8x_hub_close_reply(i8x_hub *hub, uint32_t context);
/** One of the things an answer waits for; with the last one it takes the next grants along. */
void i8x_hub_settle_item(i8x_hub *hub, uint32_t context, size_t item, i8x_wire_state state);
/** The same for what is in hand. detail: "" if there is nothing to say. */
void i8x_hub_settle(i8x_hub *hub, i8x_wire_state state, const char *detail);

/* hub_results.c */

void i8x_hub_on_result(i8x_hub *hub, i8x_hub_worker *worker);
void i8x_hub_on_fail(i8x_hub *hub, i8x_hub_worker *worker);

#endif
