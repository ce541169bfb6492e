/* SPDX-License-Identifier: Apache-2.0
 *
 * Scrub: what happens when a blob on the disk is not what its name says. It is set aside (DATA/
 * blobs/damaged), said in the log and counted; from then on it is not there: who has it uploads it
 * again, and results that made it are computed again when a job needs them. On the loop's thread.
 */
#ifndef I8X_DAEMON_SCRUB_H
#define I8X_DAEMON_SCRUB_H

#include "daemon/daemon.h"

/** A reader found it damaged. */
void i8x_scrub_found(i8x_daemon *daemon, const i8x_digest *digest);
/** A worker could not get the inputs of this task whole: checks their files on a helper thread. */
void i8x_scrub_task(i8x_daemon *daemon, const i8x_task *task);
/** False if an input of the task is not in the store, and then a sentence that says so. */
bool i8x_scrub_inputs_there(i8x_daemon *daemon, const i8x_job *job, const i8x_task *task,
                            char *sentence, size_t size);

#endif
