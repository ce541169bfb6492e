/* SPDX-License-Identifier: Apache-2.0
 *
 * Seal: which blob files are known to hold what their names say. A file is sealed when it was
 * checked, at its upload or later in this life of the process; the seal is broken when the file
 * changes (inode, size, times), and after I8X_SEAL_LIFE_S: disks change bytes and tell nobody.
 *
 * seal, holds and deinit belong to one thread; check blocks and is made for a helper thread.
 */
#ifndef I8X_DAEMON_STORE_SEAL_H
#define I8X_DAEMON_STORE_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "int8x/digest.h"
#include "int8x/status.h"

/* All zero is empty. */
typedef struct i8x_seals {
    uint64_t *words;  /* [I8X_SEALS_MAX] 0 = free; NULL before the first */
    int64_t since_ns; /* of the first of them */
} i8x_seals;

void i8x_seals_deinit(i8x_seals *seals);
bool i8x_seal_holds(i8x_seals *seals, const i8x_digest *digest, int fd);
void i8x_seal_set(i8x_seals *seals, const i8x_digest *digest, int fd);
/** Reads the whole file. Errors: I8X_ECORRUPT (with both digests), I8X_EIO, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_seal_check(const i8x_digest *digest, int fd);

#endif
