/* SPDX-License-Identifier: Apache-2.0
 *
 * Store: blobs on disk by SHA-256: DIR/sha256/ab/cd/<64 hex digits>. A blob appears whole or not at
 * all: it is written to DIR/incoming, checked against its name, synced, renamed, and the folder
 * synced. begin, add and the queries belong to the loop's thread; finish blocks on the disk and is
 * made for a helper thread (one upload is on one thread at a time).
 */
#ifndef I8X_DAEMON_STORE_H
#define I8X_DAEMON_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "int8x/digest.h"
#include "int8x/status.h"

typedef struct i8x_store i8x_store;
typedef struct i8x_store_upload i8x_store_upload;

/** Opens or makes the folder; what an earlier life left in DIR/incoming is removed. Errors:
 * I8X_EIO, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_store_open(const char *path, i8x_store **store);
/** NULL is allowed. */
void i8x_store_close(i8x_store *store);
/** True if the blob is there; size_bytes may be NULL. */
bool i8x_store_has(const i8x_store *store, const i8x_digest *digest, uint64_t *size_bytes);
/** Descriptor for reading, owned by the caller. Errors: I8X_ENOENT, I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_store_read(const i8x_store *store, const i8x_digest *digest, int *fd,
                                       uint64_t *size_bytes);
/** A range in memory from the heap (freed with i8x_alloc_free(.., size)). Errors: I8X_ERANGE
 * (beyond the end), those of read. */
I8X_FALLIBLE i8x_status i8x_store_read_range(const i8x_store *store, const i8x_digest *digest,
                                             uint64_t offset, uint64_t size, uint8_t **bytes);

/** A new blob that must turn out to have this digest. Errors: I8X_EIO, I8X_ELIMIT (disk full),
 * I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_store_begin(i8x_store *store, const i8x_digest *digest,
                                        i8x_store_upload **upload);
I8X_FALLIBLE i8x_status i8x_store_add(i8x_store_upload *upload, const void *bytes, size_t size);
/** Checks and publishes; frees the upload. Errors: I8X_ECORRUPT (both digests named), I8X_EIO,
 * I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_store_finish(i8x_store_upload *upload, uint64_t *size_bytes);
/** Drops it. NULL is allowed. */
void i8x_store_abort(i8x_store_upload *upload);

#endif
