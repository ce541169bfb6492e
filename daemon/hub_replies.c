/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers that are being made. Each request holds a context of the link until it is answered; an
 * open answer is found by that context's number, which is also its ticket at the scheduler. A
 * RESULT is answered after the ledger's commit of all it carries and then takes the next grants
 * along.
 */
#include "daemon/hub_room.h"

#include <stdio.h>

#include "daemon/study.h"
#include "int8x/alloc.h"

void i8x_hub_send(i8x_hub *hub, uint32_t context, const i8x_wire_message *message)
{
    i8x_status status = i8x_wire_encode(message, &hub->frame);
    I8X_ASSERT(status == I8X_OK); /* our own messages keep our own limits */
    i8x_link_server_reply(hub->daemon->link, context, hub->frame.bytes, hub->frame.size);
}

void i8x_hub_open_reply(i8x_hub *hub, i8x_wire_type type, size_t count, uint32_t want)
{
    uint32_t context = hub->context;
    if (hub->replies[context] == NULL) {
        hub->replies[context] = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof(i8x_hub_reply));
        I8X_ASSERT(hub->replies[context] != NULL);
    }
    i8x_hub_reply *reply = hub->replies[context];
    I8X_ASSERT(!reply->open);
    *reply = (i8x_hub_reply){.open = true,
                             .session = hub->message->session,
                             .type = type,
                             .count = count,
                             .pending = count,
                             .want = want};
}

void i8x_hub_close_reply(i8x_hub *hub, uint32_t context)
{
    i8x_hub_reply *reply = hub->replies[context];
    i8x_wire_grant grants[I8X_WIRE_GRANTS_MAX];
    size_t count = 0;
    for (int i = 0; i < reply->grant_count; i++) {
        i8x_wire_grant *grant = &grants[count];
        const i8x_task *task;
        const i8x_study_job *job;
        int index;
        grant->key = reply->grants[i].key;
        grant->epoch = reply->grants[i].epoch;
        if (i8x_study_task(hub->daemon->study, &grant->key, &grant->task, &grant->task_size, &task,
                           &job, &index)) {
            grant->job = job->id;
            count++;
        }
    }
    i8x_wire_message message = {.type = reply->type, .session = reply->session};
    if (reply->type == I8X_WIRE_GRANTS)
        message.u.grants = (i8x_wire_grants){grants, count};
    else
        message.u.committed =
            (i8x_wire_committed){reply->states, reply->count, reply->detail, grants, count};
    hub->daemon->metrics.empty_polls += reply->type == I8X_WIRE_GRANTS && count == 0;
    reply->open = false;
    i8x_hub_send(hub, context, &message);
}

/* Lets the answer take what is ready now along, then sends it. */
static void finish_reply(i8x_hub *hub, uint32_t context)
{
    const i8x_hub_reply *reply = hub->replies[context];
    if (reply->want == 0) {
        i8x_hub_close_reply(hub, context);
        return;
    }
    i8x_sched_event ask = {.type = I8X_SCHED_ASK,
                           .worker = reply->session,
                           .ticket = context,
                           .want = reply->want,
                           .until_ms = i8x_daemon_now_ms(hub->daemon)};
    i8x_daemon_step(hub->daemon, &ask);
}

void i8x_hub_settle_item(i8x_hub *hub, uint32_t context, size_t item, i8x_wire_state state)
{
    i8x_hub_reply *reply = hub->replies[context];
    reply->states[item] = state;
    if (--reply->pending == 0)
        finish_reply(hub, context);
}

/* What is in hand. */
void i8x_hub_settle(i8x_hub *hub, i8x_wire_state state, const char *detail)
{
    i8x_hub_reply *reply = hub->replies[hub->context];
    if (detail[0] != 0)
        snprintf(reply->detail, sizeof reply->detail, "%s", detail);
    i8x_hub_settle_item(hub, hub->context, hub->item, state);
}
