/* SPDX-License-Identifier: Apache-2.0
 *
 * Store: blobs on disk by SHA-256: DIR/sha256/ab/cd/<64 hex digits>. A blob appears whole or not at
 * all: it is written to DIR/incoming, checked against its name, synced, renamed, and the folder
 * synced.
 *
 * An upload that was broken off leaves what came of it under its digest (DIR/incoming/<64 hex
 * digits>.part), over a restart too; the next one may go on behind that. Kept parts that nobody
 * goes on with are removed by i8x_store_collect.
 *
 * begin, end and the queries belong to the loop's thread; add and finish block on the disk and are
 * made for a helper thread (one upload is on one thread at a time).
 *
 *     I8X_TRY(i8x_store_begin(store, &digest, 0, &upload));     loop
 *     I8X_TRY(i8x_store_add(upload, bytes, size)); ...          helper
 *     I8X_TRY(i8x_store_finish(upload));                        helper
 *     i8x_store_end(upload, true);                              loop
 */
#ifndef I8X_DAEMON_STORE_H
#define I8X_DAEMON_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "int8x/digest.h"
#include "int8x/status.h"

typedef struct i8x_store i8x_store;
typedef struct i8x_store_upload i8x_store_upload;

/** Opens or makes the folder; of what an earlier life left in DIR/incoming the parts stay. Errors:
 * I8X_EIO, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_store_open(const char *path, i8x_store **store);
/** All uploads have been ended. NULL is allowed. */
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

/** True if the open file is known to hold what its name says: checked since the start, unchanged
 * since. */
bool i8x_store_sealed(i8x_store *store, const i8x_digest *digest, int fd);
/** It was checked. */
void i8x_store_seal(i8x_store *store, const i8x_digest *digest, int fd);
/** Reads the whole file; blocks, any thread. Errors: I8X_ECORRUPT, I8X_EIO, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_store_check(const i8x_digest *digest, int fd);
/** Takes a damaged blob out of the store, into DIR/damaged. Errors: I8X_ENOENT, I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_store_set_aside(i8x_store *store, const i8x_digest *digest);

/** Bytes that are kept of a blob that is not complete, or 0. */
uint64_t i8x_store_kept(const i8x_store *store, const i8x_digest *digest);
/** A blob that must turn out to have this digest, from offset on: the first offset bytes are those
 * that are kept. With offset 0 two uploads of one blob at once do no harm (the second leaves
 * nothing behind when it breaks off); one that goes on takes over from an upload whose client is
 * silent. Errors: I8X_ERANGE (less is kept), I8X_EBUSY (the upload to be taken over is writing),
 * I8X_EIO, I8X_ELIMIT (disk full), I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_store_begin(i8x_store *store, const i8x_digest *digest, uint64_t offset,
                                        i8x_store_upload **upload);
/** True once another upload has taken over: nothing may be added any more. */
bool i8x_store_taken(const i8x_store_upload *upload);
/** Says whether add or finish is on its way on a helper thread. */
void i8x_store_set_busy(i8x_store_upload *upload, bool busy);
/** The next bytes. Errors: I8X_EIO, I8X_ELIMIT (disk full). */
I8X_FALLIBLE i8x_status i8x_store_add(i8x_store_upload *upload, const void *bytes, size_t size);
/** Bytes so far, the kept ones too. */
uint64_t i8x_store_size(const i8x_store_upload *upload);
/** Checks and publishes. Errors: I8X_ECORRUPT (both digests named; nothing is kept), I8X_EIO,
 * I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_store_finish(i8x_store_upload *upload);
/** Frees the upload. If it was not finished, keep says what becomes of its bytes. NULL is allowed.
 */
void i8x_store_end(i8x_store_upload *upload, bool keep);
/** Removes parts that were not written to for so long; any thread. Returns how many. */
int i8x_store_collect(const i8x_store *store, int64_t idle_s);

#endif
