/* SPDX-License-Identifier: Apache-2.0
 *
 * Once: requests that carried an Idempotency-Key and what they made, so that the same request sent
 * again is answered with the same job and makes no second one. Keys are kept for I8X_ONCE_KEPT_MS,
 * in the ledger and in memory. One thread.
 */
#ifndef I8X_DAEMON_ONCE_H
#define I8X_DAEMON_ONCE_H

#include "daemon/ledger/ledger.h"

typedef struct i8x_once i8x_once;

/** Loads what the ledger has. Errors: I8X_EIO, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_once_new(i8x_ledger *ledger, int64_t now_ms, i8x_once **once);
void i8x_once_free(i8x_once *once);
/** Key of a request: who asks and the header's text. */
i8x_digest i8x_once_key(const char *principal, const char *text);
/** The request that came with this key, or NULL. Borrowed until the next call. */
const i8x_request_row *i8x_once_find(i8x_once *once, const i8x_digest *key, int64_t now_ms);
/** Errors: I8X_EBUSY (I8X_ONCE_KEYS_MAX are kept), I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_once_check_room(i8x_once *once, int64_t now_ms);
/** Keeps it in memory; the ledger's row is the caller's. There must be room. */
void i8x_once_put(i8x_once *once, const i8x_request_row *row);

#endif
