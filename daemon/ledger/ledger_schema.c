/* SPDX-License-Identifier: Apache-2.0
 *
 * The texts of the steps.
 */
#include "daemon/ledger/ledger_schema.h"

#include "int8x/status.h"

static const char *const steps[I8X_LEDGER_VERSION] = {
    /* 1: jobs, results of tasks, blobs */
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE jobs(id TEXT PRIMARY KEY, sequence INTEGER UNIQUE NOT NULL,"
    " created_ms INTEGER NOT NULL, finished_ms INTEGER NOT NULL DEFAULT 0, state INTEGER NOT NULL,"
    " status TEXT NOT NULL DEFAULT 'OK', detail TEXT NOT NULL DEFAULT '', job BLOB NOT NULL,"
    " artifact BLOB, artifact_bytes INTEGER, report BLOB, report_bytes INTEGER, stages BLOB)"
    " WITHOUT ROWID;"
    "CREATE TABLE tasks(key BLOB PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL,"
    " job TEXT NOT NULL, worker TEXT NOT NULL, arch TEXT NOT NULL, result BLOB NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE blobs(digest BLOB PRIMARY KEY, size_bytes INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO meta VALUES('starts', 0);",

    /* 2: events, failures, answered requests; names, priorities and doubts of jobs */
    "ALTER TABLE jobs ADD COLUMN name TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 5;"
    "ALTER TABLE jobs ADD COLUMN version INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE jobs ADD COLUMN tail TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE jobs ADD COLUMN suspect TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE jobs ADD COLUMN marks BLOB;"
    "CREATE INDEX jobs_by_state ON jobs(state, sequence);"
    "CREATE INDEX jobs_by_name ON jobs(name, sequence);"
    "CREATE INDEX tasks_by_worker ON tasks(worker);"
    "CREATE TABLE job_workers(job TEXT NOT NULL, worker TEXT NOT NULL, PRIMARY KEY(worker, job))"
    " WITHOUT ROWID;"
    "INSERT OR IGNORE INTO job_workers(job, worker) SELECT job, worker FROM tasks;"
    "CREATE TABLE events(sequence INTEGER PRIMARY KEY, job TEXT NOT NULL, time_ms INTEGER NOT NULL,"
    " type TEXT NOT NULL, body TEXT NOT NULL);"
    "CREATE INDEX events_by_job ON events(job, sequence);"
    "CREATE TABLE failures(id INTEGER PRIMARY KEY, key BLOB NOT NULL, time_ms INTEGER NOT NULL,"
    " worker TEXT NOT NULL, cause TEXT NOT NULL, status TEXT NOT NULL, detail TEXT NOT NULL,"
    " tail TEXT NOT NULL);"
    "CREATE INDEX failures_by_key ON failures(key, id);"
    "CREATE TABLE requests(key BLOB PRIMARY KEY, body BLOB NOT NULL, job TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL) WITHOUT ROWID;",

    /* 3: sweeps and their trials */
    "CREATE TABLE sweeps(id TEXT PRIMARY KEY, sequence INTEGER UNIQUE NOT NULL,"
    " created_ms INTEGER NOT NULL, finished_ms INTEGER NOT NULL DEFAULT 0, state INTEGER NOT NULL,"
    " name TEXT NOT NULL, owner TEXT NOT NULL, request TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE trials(sweep TEXT NOT NULL, trial INTEGER NOT NULL, job TEXT NOT NULL,"
    " point BLOB, PRIMARY KEY(sweep, trial)) WITHOUT ROWID;",

    /* 4: workers that were drained or quarantined */
    "CREATE TABLE standings(worker TEXT PRIMARY KEY, kind INTEGER NOT NULL, reason TEXT NOT NULL,"
    " by_whom TEXT NOT NULL, since_ms INTEGER NOT NULL) WITHOUT ROWID;",

    /* 5: what hangs on a job is found when the job is forgotten */
    "CREATE INDEX job_workers_by_job ON job_workers(job);"
    "CREATE INDEX trials_by_job ON trials(job);",

    /* 6: keys of tasks are random, so an index costs each result a page to write; it was there for
     * DELETE by worker, which a quarantine needs once and which may go through the table */
    "DROP INDEX tasks_by_worker;",
};

const char *i8x_ledger_schema(int version)
{
    I8X_ASSERT(version >= 1 && version <= I8X_LEDGER_VERSION);
    return steps[version - 1];
}
