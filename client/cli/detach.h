/* SPDX-License-Identifier: Apache-2.0
 *
 * Detach: Ctrl-C while a job is waited for ends the command and not the job; what is said then
 * tells how to come back. The exit code is I8X_EXIT_DETACHED.
 *
 *     i8x_detach_arm(options, "job", id, NULL);
 *     status = i8x_service_watch(...);
 *     i8x_detach_disarm();
 *
 * One wait at a time: the words for the signal's handler are made before and kept in one place.
 */
#ifndef CLIENT_CLI_DETACH_H
#define CLIENT_CLI_DETACH_H

#include "client/cli/options.h"

#define I8X_EXIT_DETACHED 130 /* as a shell tells of Ctrl-C */

/** From now on Ctrl-C says on standard error how to come back to the `what` ("job", "sweep") of
 * that id, writes `result` (may be NULL) to standard output and ends the program. Where Ctrl-C is
 * ignored, it stays so. */
void i8x_detach_arm(const i8x_options *options, const char *what, const char *id,
                    const char *result);
/** Ctrl-C ends the program as it did before. */
void i8x_detach_disarm(void);

#endif
