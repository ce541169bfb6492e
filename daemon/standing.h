/* SPDX-License-Identifier: Apache-2.0
 *
 * Standing: what was decided about a worker and outlives its sessions and the daemon's: drained (it
 * gets no new tasks) or quarantined (nothing it says counts), with the reason and who said so. The
 * decision goes into the ledger with its event; after the commit the scheduler is told. All on the
 * loop's thread.
 */
#ifndef I8X_DAEMON_STANDING_H
#define I8X_DAEMON_STANDING_H

#include "daemon/daemon.h"

#define I8X_STANDING_REASON_SIZE 256

typedef struct i8x_standing_entry {
    i8x_standing_kind kind;
    char worker[I8X_WIRE_NAME_MAX + 1];
    char reason[I8X_STANDING_REASON_SIZE];
    char by[I8X_HTTP_PRINCIPAL_SIZE];
    int64_t since_ms; /* since 1970 */
} i8x_standing_entry;

/** Loads what the ledger has. Errors: I8X_EIO, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_standing_new(i8x_daemon *daemon, i8x_standing **standing);
void i8x_standing_free(i8x_standing *standing);
/** What is decided about a worker, or NULL: nothing. Borrowed until the next change. */
const i8x_standing_entry *i8x_standing_find(const i8x_standing *standing, const char *worker);
/** The decisions that stand, in no order: 0, 1, ... until NULL. Borrowed until the next change. */
const i8x_standing_entry *i8x_standing_at(const i8x_standing *standing, size_t index);
/** Decides; done (may be NULL) is called after the commit. reason is cut to its room. The same
 * standing again changes the reason only. Errors: I8X_EBUSY (I8X_STANDING_MAX workers have one, or
 * the ledger's queue is full). */
I8X_FALLIBLE i8x_status i8x_standing_set(i8x_standing *standing, const char *worker,
                                         i8x_standing_kind kind, const char *reason, const char *by,
                                         i8x_ledger_done_cb done, void *user);

#endif
