/* SPDX-License-Identifier: Apache-2.0
 *
 * Scheduler: who works on what. A pure state machine: step(state, event, now) appends actions; no
 * I/O, no clock, no chance. The daemon carries the actions out; tests drive it with a made-up
 * clock.
 *
 * A task is READY, LEASED to one worker, WAITING after a failure, or COMMITTING (its result is on
 * the way to the ledger). It leaves when it is committed, dropped or dead. A worker is named by its
 * session and remembered by its identity.
 *
 *     i8x_sched_step(s, &(i8x_sched_event){.type = I8X_SCHED_ASK, .worker = w, .ticket = t, .want =
 * 1}, now_ms); for each of i8x_sched_actions(s, &count): carry it out
 *
 * Not thread-safe. Cost of a step: O(log open tasks) for each thing that it changes; nothing is
 * walked. A TICK does a limited number of things that are due and leaves the rest for the next one.
 */
#ifndef I8X_DAEMON_SCHED_H
#define I8X_DAEMON_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "int8x/digest.h"
#include "int8x/task.h"

typedef struct i8x_sched i8x_sched;

typedef struct i8x_sched_opts {
    int64_t lease_life_ms;
    int64_t backoff_first_ms, backoff_max_ms;
    int attempts_max, workers_max, lost_max;
    uint64_t first_epoch; /* epochs of leases start above it */
} i8x_sched_opts;

/* X(name) what can happen; the fields that an event reads stand behind it */
#define I8X_SCHED_EVENT_LIST(X)                                                                    \
    X(TASK_ADD)     /* key kind order */                                                           \
    X(TASK_DROP)    /* key: nobody wants it any more */                                            \
    X(WORKER_JOIN)  /* worker identity kinds slots */                                              \
    X(WORKER_ADOPT) /* worker key epoch: it says that it works on this since before */             \
    X(WORKER_DRAIN) /* worker: no more grants */                                                   \
    X(WORKER_LEAVE) /* worker: its connection ended, or BYE */                                     \
    X(ASK)          /* worker ticket want until_ms */                                              \
    X(RENEW)        /* worker key epoch: one lease of a heartbeat; key_absent: just alive */       \
    X(RESULT)       /* worker key epoch result */                                                  \
    X(COMMITTED)    /* key: the ledger has it */                                                   \
    X(FAIL)         /* worker key epoch fault */                                                   \
    X(TICK)

typedef enum i8x_sched_event_type {
#define X(name) I8X_SCHED_##name,
    I8X_SCHED_EVENT_LIST(X)
#undef X
        I8X_SCHED_EVENT_COUNT
} i8x_sched_event_type;

typedef enum i8x_sched_fault {
    I8X_SCHED_FAULT_INPUT,   /* would fail anywhere: dead at once */
    I8X_SCHED_FAULT_ATTEMPT, /* crash, memory, time, transfer: uses an attempt */
    I8X_SCHED_FAULT_FREE     /* worker gave it back: no attempt used */
} i8x_sched_fault;

typedef struct i8x_sched_event {
    i8x_sched_event_type type;
    uint64_t worker;   /* the session; never 0 */
    uint64_t identity; /* the same over all sessions of one worker; 0 = that of the session */
    i8x_digest key;
    bool key_absent;
    uint64_t epoch;
    i8x_task_kind kind;
    uint64_t order;
    uint32_t kinds; /* mask of kinds the worker can do at our revision */
    uint32_t slots; /* tasks it works on at once; 0 = 1 */
    uint64_t ticket;
    uint32_t want;
    int64_t until_ms; /* answer with nothing at this time */
    i8x_digest result;
    i8x_sched_fault fault;
} i8x_sched_event;

/* X(name, text) what the daemon has to do */
#define I8X_SCHED_ACTION_LIST(X)                                                                   \
    X(GRANT, "grant")         /* ticket worker key epoch lost_before */                            \
    X(ANSWER, "answer")       /* ticket: complete, with the grants so far */                       \
    X(COMMIT, "commit")       /* worker key: put the result into the ledger */                     \
    X(DUPLICATE, "duplicate") /* worker key: the same result is on its way already */              \
    X(CONFLICT, "conflict")   /* worker key: another result for the same key: alarm */             \
    X(STALE, "stale")         /* worker key: not a task here (any more) */                         \
    X(LOST, "lost")           /* worker key epoch: lease ended without a word */                   \
    X(RETRY, "retry")         /* key attempts at_ms */                                             \
    X(DEAD, "dead")           /* key attempts workers: given up */                                 \
    X(CANCEL, "cancel")       /* worker key: tell it to stop */                                    \
    X(GONE, "gone")           /* worker: has not been heard of for a lease life */

typedef enum i8x_sched_action_type {
#define X(name, text) I8X_SCHED_DO_##name,
    I8X_SCHED_ACTION_LIST(X)
#undef X
        I8X_SCHED_ACTION_COUNT
} i8x_sched_action_type;

typedef struct i8x_sched_action {
    i8x_sched_action_type type;
    uint64_t worker;
    uint64_t ticket;
    i8x_digest key;
    uint64_t epoch;
    int attempts, workers;
    bool again; /* GRANT: the task had a lease before */
    int64_t at_ms;
} i8x_sched_action;

typedef enum i8x_sched_state {
    I8X_SCHED_READY,
    I8X_SCHED_LEASED,
    I8X_SCHED_WAITING,
    I8X_SCHED_COMMITTING,
    I8X_SCHED_STATE_COUNT
} i8x_sched_state;

/** Errors: I8X_ENOMEM. Later lack of memory ends the process: the ledger has everything. */
I8X_FALLIBLE i8x_status i8x_sched_new(const i8x_sched_opts *opts, i8x_sched **sched);
void i8x_sched_free(i8x_sched *sched);
/** One event. Actions of earlier steps are gone. now_ms never goes back. */
void i8x_sched_step(i8x_sched *sched, const i8x_sched_event *event, int64_t now_ms);
/** What the last step asks for, in order. Borrowed until the next step. */
const i8x_sched_action *i8x_sched_actions(const i8x_sched *sched, size_t *count);
/** When the next TICK is due; INT64_MAX if nothing waits for time. */
int64_t i8x_sched_next_ms(const i8x_sched *sched);
/** Tasks in a state, workers, leases of one worker, parked asks: for metrics and tests. */
size_t i8x_sched_task_count(const i8x_sched *sched, i8x_sched_state state);
size_t i8x_sched_worker_count(const i8x_sched *sched);
size_t i8x_sched_lease_count(const i8x_sched *sched, uint64_t worker);
size_t i8x_sched_ask_count(const i8x_sched *sched);
/** False if the task is not here. worker and epoch are of the current lease, else 0. */
bool i8x_sched_task(const i8x_sched *sched, const i8x_digest *key, i8x_sched_state *state,
                    uint64_t *worker, uint64_t *epoch);

#endif
