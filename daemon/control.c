/* SPDX-License-Identifier: Apache-2.0
 *
 * A list in the order of the due times, which is the order of arrival; leaving it is O(1).
 */
#include "daemon/control.h"

#include <string.h>

#include "daemon/hub.h"

void i8x_control_init(i8x_control *control, i8x_hub *hub, i8x_control_line *line, uint64_t session)
{
    memset(control, 0, sizeof *control);
    control->hub = hub;
    control->line = line;
    control->session = session;
}

static void join_line(i8x_control *control)
{
    i8x_control_line *line = control->line;
    control->next = NULL;
    control->previous = line->last;
    if (line->last != NULL)
        line->last->next = control;
    else
        line->first = control;
    line->last = control;
    control->waits = true;
}

static void leave_line(i8x_control *control)
{
    i8x_control_line *line = control->line;
    if (control->previous != NULL)
        control->previous->next = control->next;
    else
        line->first = control->next;
    if (control->next != NULL)
        control->next->previous = control->previous;
    else
        line->last = control->previous;
    control->waits = false;
}

static void say(i8x_control *control, uint32_t context)
{
    i8x_wire_message message = {
        .type = I8X_WIRE_CONTROL,
        .session = control->session,
        .u.control = {.cancel = {control->cancels, (size_t)control->cancel_count},
                      .call_back = {control->call_backs, (size_t)control->call_back_count}}};
    i8x_hub_send(control->hub, context, &message);
    control->cancel_count = control->call_back_count = 0;
}

/* The heartbeat that waits gets its answer. */
static void answer_waiting(i8x_control *control)
{
    if (!control->waits)
        return;
    leave_line(control);
    say(control, control->context);
}

void i8x_control_answer(i8x_control *control, uint32_t context, int64_t until_ms)
{
    answer_waiting(control);
    if (until_ms == 0 || control->cancel_count + control->call_back_count > 0) {
        say(control, context);
        return;
    }
    control->context = context;
    control->until_ms = until_ms;
    join_line(control);
}

void i8x_control_cancel(i8x_control *control, const i8x_digest *key)
{
    if (control->cancel_count < I8X_LEASES_MAX)
        control->cancels[control->cancel_count++] = *key;
    answer_waiting(control);
}

void i8x_control_call_back(i8x_control *control, const i8x_digest *key)
{
    if (control->call_back_count < I8X_LEASES_MAX)
        control->call_backs[control->call_back_count++] = *key;
    answer_waiting(control);
}

void i8x_control_end(i8x_control *control)
{
    answer_waiting(control);
}

int64_t i8x_control_tick(i8x_control_line *line, int64_t now_ms)
{
    while (line->first != NULL && line->first->until_ms <= now_ms)
        answer_waiting(line->first);
    return line->first != NULL ? line->first->until_ms : INT64_MAX;
}
