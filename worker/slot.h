/* SPDX-License-Identifier: Apache-2.0
 *
 * Slot: the child process in which foreign bytes are parsed and tasks run, one after the other. It
 * may crash, eat its memory or be killed; the agent notices and gets a new one.
 */
#ifndef I8X_WORKER_SLOT_H
#define I8X_WORKER_SLOT_H

/** Serves tasks from fd until it is closed; blobs are files of the cache folder. Never returns. */
void i8x_slot_main(int fd, int number, const char *cache_folder) __attribute__((noreturn));

#endif
