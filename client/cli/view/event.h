/* SPDX-License-Identifier: Apache-2.0
 *
 * Event: what happened to a job, as a sentence on standard output.
 */
#ifndef CLIENT_CLI_VIEW_EVENT_H
#define CLIENT_CLI_VIEW_EVENT_H

#include "proto/json.h"

/** Time and sentence of an event of the service; the last words of a process that failed stand
 * below, a line each behind "    | ". */
void i8x_event_print(const i8x_json *event);

#endif
