/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger's tables as a list of steps: step n makes version n out of version n - 1. A new
 * version is a new step at the end; a step that was released is never changed. docs/formats.md
 * describes the tables.
 */
#ifndef I8X_DAEMON_LEDGER_SCHEMA_H
#define I8X_DAEMON_LEDGER_SCHEMA_H

#define I8X_LEDGER_VERSION 6

#define I8X_LEDGER_AUDIT                                                                           \
    "audit" /* tasks.state of a result whose audit has not ended, else "done" */

/** SQL of the step that makes this version, 1 to I8X_LEDGER_VERSION. Static. */
const char *i8x_ledger_schema(int version);

#endif
