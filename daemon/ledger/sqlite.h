/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two halves of the SQLite ledger share: sqlite.c (opening, the writer's thread) and
 * sqlite_read.c (views, the reader's thread). Nobody else includes this.
 */
#ifndef I8X_DAEMON_SQLITE_H
#define I8X_DAEMON_SQLITE_H

#include <sqlite3.h>

#include "daemon/ledger/ledger.h"

#define I8X_SQLITE_BUSY_MS 5000

/* A reading connection and its statements, prepared at their first use. */
#define I8X_SQLITE_QUERY_MAX 32
struct i8x_ledger_view {
    sqlite3 *db;
    sqlite3_stmt *queries[I8X_SQLITE_QUERY_MAX];
};

typedef struct i8x_ledger_reader i8x_ledger_reader;

/** "ledger: what: SQLite's sentence" as I8X_EIO. */
i8x_status i8x_sqlite_failed(sqlite3 *db, const char *what);
/** Errors: I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_sqlite_view_open(const char *path, i8x_ledger_view *view);
void i8x_sqlite_view_close(i8x_ledger_view *view);

/** Thread and connection for i8x_ledger_read. Errors: I8X_EIO, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_sqlite_reader_new(const char *path, void (*wake)(void *user),
                                              void *user, i8x_ledger_reader **reader);
/** Finishes the read in hand, drops the others. NULL is allowed. */
void i8x_sqlite_reader_free(i8x_ledger_reader *reader);
I8X_FALLIBLE i8x_status i8x_sqlite_reader_put(i8x_ledger_reader *reader, i8x_ledger_read_cb work,
                                              i8x_ledger_done_cb done, void *user);
/** Calls done of what has been read. */
void i8x_sqlite_reader_drain(i8x_ledger_reader *reader);
void i8x_sqlite_reader_count(i8x_ledger_reader *reader, uint64_t *reads, uint64_t *read_ns);

#endif
