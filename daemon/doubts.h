/* SPDX-License-Identifier: Apache-2.0
 *
 * Doubts: what the scheduler's audits lead to. Results that are being checked keep their jobs from
 * ending; a worker that was caught is distrusted: its results leave the ledger, whoever used them
 * begins again. Knows workers by their number also when they are away.
 */
#ifndef I8X_DAEMON_DOUBTS_H
#define I8X_DAEMON_DOUBTS_H

#include "daemon/daemon.h"
#include "daemon/keymap.h"

typedef struct i8x_doubts {
    i8x_daemon *daemon;
    i8x_keymap names;             /* identity -> id of a worker */
    const i8x_digest *committing; /* task whose commit is being told; NULL: it does not count */
} i8x_doubts;

void i8x_doubts_deinit(i8x_doubts *doubts);
/** The number by which the scheduler remembers a worker over all its sessions; never 0. */
uint64_t i8x_doubts_identity(const char *worker);
/** A worker has joined. */
void i8x_doubts_remember(i8x_doubts *doubts, const char *worker);
/** Id of a worker; NULL if it never joined since the start. */
const char *i8x_doubts_name(const i8x_doubts *doubts, uint64_t identity);

/** Carries out an AUDIT, AUDITED, REDO or QUARANTINE. */
void i8x_doubts_act(i8x_doubts *doubts, const i8x_sched_action *action);

#endif
