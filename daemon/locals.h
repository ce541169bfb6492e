/* SPDX-License-Identifier: Apache-2.0
 *
 * Local workers: int8x-worker processes that the daemon starts, watches and ends. Ordinary workers
 * in every other way; they join over ipc://.
 */
#ifndef I8X_DAEMON_LOCALS_H
#define I8X_DAEMON_LOCALS_H

#include "daemon/daemon.h"

/** Starts daemon->opts.local_workers processes. Errors: I8X_ENOENT (no program), I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_locals_new(i8x_daemon *daemon, i8x_locals **locals);
/** SIGTERM to all; handles are closed as they end. */
void i8x_locals_stop(i8x_locals *locals);
/** Workers that still run. */
int i8x_locals_running(const i8x_locals *locals);
/** SIGKILL to those that still run. */
void i8x_locals_kill(i8x_locals *locals);
void i8x_locals_free(i8x_locals *locals);

#endif
