/* SPDX-License-Identifier: Apache-2.0
 *
 * Deal: tasks that could run meet workers that could run them.
 */
#ifndef I8X_DAEMON_DEAL_H
#define I8X_DAEMON_DEAL_H

#include "daemon/sched/state.h"

/** Hands out what can be handed out; afterwards no worker with an open ask could take a task that
 * is ready. */
void i8x_deal(i8x_sched *s);

#endif
