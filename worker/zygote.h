/* SPDX-License-Identifier: Apache-2.0
 *
 * Zygote: a process that is forked before the agent has threads and does nothing but fork slots. So
 * a slot can be replaced at any time without exec (which user-mode emulation could not do) and
 * without forking a process that has threads.
 */
#ifndef I8X_WORKER_ZYGOTE_H
#define I8X_WORKER_ZYGOTE_H

#include <sys/types.h>

#include "int8x/status.h"

typedef struct i8x_zygote i8x_zygote;

/** Forks it; the caller must have one thread only. nice_value 0..19: of it and its slots. Errors:
 * I8X_EIO, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_zygote_new(const char *cache_folder, int nice_value,
                                       i8x_zygote **zygote);
pid_t i8x_zygote_pid(const i8x_zygote *zygote);
/** A new slot with its socket. Thread-safe. Errors: I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_zygote_spawn(i8x_zygote *zygote, int number, pid_t *pid, int *fd);
/** Kills a slot that still lives; status as from waitpid. Thread-safe. Errors: I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_zygote_reap(i8x_zygote *zygote, pid_t pid, int *status);
/** Path of the file that takes slot number's standard error; returns path. */
char *i8x_zygote_stderr(const char *cache_folder, int number, char *path, size_t size);
/** Ends it and its slots. NULL is allowed. */
void i8x_zygote_free(i8x_zygote *zygote);

#endif
