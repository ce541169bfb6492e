/* SPDX-License-Identifier: Apache-2.0
 *
 * Measure: what a finished job cost, out of the results in the ledger. For the reader's
 * thread.
 */
#ifndef I8X_DAEMON_MEASURE_H
#define I8X_DAEMON_MEASURE_H

#include "daemon/ledger/ledger.h"
#include "int8x/report.h"

/** id: results that another job had computed count as cached. What has left the ledger (the results
 * of a worker that is not believed any more) and all that depends on it is not counted. Names live
 * in the arena. Errors: I8X_ENOMEM, I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_measure_job(i8x_ledger_view *view, const char *id, const i8x_job *job,
                                        i8x_arena *arena, i8x_measured *measured);

#endif
