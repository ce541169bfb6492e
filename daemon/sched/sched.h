/* SPDX-License-Identifier: Apache-2.0
 *
 * Scheduler: who works on what. A pure state machine: step(state, event, now) appends actions; no
 * I/O, no clock, no chance. The daemon carries the actions out; tests drive it with a made-up
 * clock, the simulator (tests/sim) with a made-up world.
 *
 * A task is READY, LEASED to a worker (to two, if the second is likely to be done first), WAITING
 * after a failure, or COMMITTING (its result is on the way to the ledger). It leaves when it is
 * committed, dropped or dead. If its result is audited it stays: as AUDIT until another worker
 * takes it, as AUDITING while that runs it once more. A worker is named by its session and
 * remembered by its identity.
 *
 *     i8x_sched_step(s, &(i8x_sched_event){.type = I8X_SCHED_ASK, .worker = w, .ticket = t,
 *                                          .want = 1}, now_ms);
 *     for each of i8x_sched_actions(s, &count): carry it out
 *
 * Not thread-safe. Cost of a step: O(log open tasks) for each thing that it changes; nothing is
 * walked. A TICK does a limited number of things that are due and leaves the rest for the next one.
 * docs/decisions/0060-scheduler.md tells why it is as it is.
 */
#ifndef I8X_DAEMON_SCHED_H
#define I8X_DAEMON_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "int8x/digest.h"
#include "int8x/task.h"

#define I8X_SCHED_LEASES_MAX 2 /* workers that have a task at the same time */

typedef struct i8x_sched i8x_sched;

typedef struct i8x_sched_opts {
    int64_t lease_life_ms;
    int64_t backoff_first_ms, backoff_max_ms;
    int attempts_max, workers_max, lost_max;
    uint64_t first_epoch;  /* epochs of leases start above it */
    uint64_t seed;         /* of the jitter of pauses and the choice of audits */
    int audit_per_mille;   /* least share of results that are audited, 0..1000; 0 = none at all */
    int64_t audit_wait_ms; /* an audit waits so long for the best auditor, and for any */
} i8x_sched_opts;

/* A task's order: a higher priority (0..255) first, then the older job, then the lower index. */
#define I8X_SCHED_ORDER_SEQUENCE_BITS 36
#define I8X_SCHED_ORDER_INDEX_BITS 20
#define I8X_SCHED_ORDER(priority, sequence, index)                                                 \
    ((uint64_t)(255 - (priority)) << 56 | (uint64_t)(sequence) << I8X_SCHED_ORDER_INDEX_BITS |     \
     (uint64_t)(index))

/* X(name) what can happen; the fields that an event reads stand behind it */
#define I8X_SCHED_EVENT_LIST(X)                                                                    \
    X(TASK_ADD)          /* key kind order */                                                      \
    X(TASK_DROP)         /* key: nobody wants it any more */                                       \
    X(AUDIT_ADD)         /* key kind order identity result: found committed at the start, with */  \
                         /* an audit that has not ended */                                         \
    X(AUDIT_HURRY)       /* key: its job waits for nothing but audits */                           \
    X(WORKER_JOIN)       /* worker identity kinds slots host machine drained quarantined */        \
    X(WORKER_ADOPT)      /* worker key epoch: it says that it works on this since before */        \
    X(WORKER_DRAIN)      /* worker lasting: no more grants; what waits in its queue goes back */   \
    X(WORKER_QUARANTINE) /* worker: nothing it says counts */                                      \
    X(WORKER_RESUME)     /* worker: neither drained nor quarantined any more */                    \
    X(WORKER_LEAVE)      /* worker: its connection ended, or BYE */                                \
    X(ASK)               /* worker ticket want until_ms */                                         \
    X(RENEW)             /* worker key epoch started done total: one lease of a heartbeat; */      \
                         /* key_absent: just alive */                                              \
    X(RESULT)            /* worker key epoch result */                                             \
    X(COMMITTED)         /* key: the ledger has it */                                              \
    X(FAIL)              /* worker key epoch fault */                                              \
    X(TICK)

typedef enum i8x_sched_event_type {
#define X(name) I8X_SCHED_##name,
    I8X_SCHED_EVENT_LIST(X)
#undef X
        I8X_SCHED_EVENT_COUNT
} i8x_sched_event_type;

typedef enum i8x_sched_fault {
    I8X_SCHED_FAULT_INPUT,    /* would fail anywhere: dead at once */
    I8X_SCHED_FAULT_ATTEMPT,  /* crash, memory, time: uses an attempt, speaks against the task */
    I8X_SCHED_FAULT_TRANSFER, /* a blob could not be moved: uses an attempt */
    I8X_SCHED_FAULT_FREE      /* worker gave it back: no attempt used */
} i8x_sched_fault;

typedef struct i8x_sched_event {
    i8x_sched_event_type type;
    uint64_t worker;   /* the session; 0 only where identity names a worker that is away */
    uint64_t identity; /* the same over all sessions of one worker; 0 = that of the session */
    i8x_digest key;
    bool key_absent;
    uint64_t epoch;
    i8x_task_kind kind;
    uint64_t order;   /* lower runs first; I8X_SCHED_ORDER */
    uint32_t kinds;   /* mask of kinds the worker can do at our revision */
    uint32_t slots;   /* tasks it works on at once; 0 = 1 */
    uint64_t host;    /* the same for workers on one machine */
    uint64_t machine; /* the same for machines of one class, as architecture and level */
    bool drained, quarantined;
    bool lasting; /* DRAIN: an operator's word, which outlives the session */
    uint64_t ticket;
    uint32_t want;
    int64_t until_ms;     /* answer with nothing at this time */
    bool started;         /* RENEW: certainly; false says nothing */
    uint64_t done, total; /* RENEW: progress; total 0 = not known */
    i8x_digest result;
    i8x_sched_fault fault;
} i8x_sched_event;

/* X(name, text) what the daemon has to do */
#define I8X_SCHED_ACTION_LIST(X)                                                                   \
    X(GRANT, "grant")         /* ticket worker key epoch again duplicate */                        \
    X(ANSWER, "answer")       /* ticket: complete, with the grants so far */                       \
    X(COMMIT, "commit")       /* worker key audit: put the result into the ledger */               \
    X(DUPLICATE, "duplicate") /* worker key: the same result is on its way already */              \
    X(CONFLICT, "conflict")   /* worker key: another result for the same key: alarm */             \
    X(STALE, "stale")         /* worker key: not a task here (any more) */                         \
    X(REFUSE, "refuse")       /* worker key: it is quarantined, its result does not count */       \
    X(LOST, "lost")           /* worker key epoch: lease ended without a word */                   \
    X(RETRY, "retry")         /* key attempts at_ms */                                             \
    X(DEAD, "dead")           /* key attempts workers: given up */                                 \
    X(CANCEL, "cancel")       /* worker key: tell it to stop */                                    \
    X(CALL_BACK, "call_back") /* worker key: tell it not to start it */                            \
    X(AUDIT, "audit")         /* key: committed, and stays for a second run elsewhere: its job */  \
                              /* is not done before AUDITED */                                     \
    X(AUDITED, "audited")     /* worker identity key verdict: that audit has ended */              \
    X(REDO, "redo")           /* key: its committed result is wrong or doubted: forget it and */   \
                              /* whatever was made of it, and add the task again */                \
    X(QUARANTINE,                                                                                  \
      "quarantine") /* worker identity key: caught with a wrong result (or the order */            \
                    /* of an operator, no key): REDO all that it committed */                      \
    X(GONE, "gone") /* worker: has not been heard of for a lease life */

typedef enum i8x_sched_action_type {
#define X(name, text) I8X_SCHED_DO_##name,
    I8X_SCHED_ACTION_LIST(X)
#undef X
        I8X_SCHED_ACTION_COUNT
} i8x_sched_action_type;

/* X(name, text) how an audit ended */
#define I8X_SCHED_VERDICT_LIST(X)                                                                  \
    X(AGREED, "agreed")       /* another worker has the same result */                             \
    X(WRONG, "wrong")         /* two others have another one; REDO was said */                     \
    X(VOID, "void")           /* its worker was caught elsewhere; REDO was said */                 \
    X(DROPPED, "dropped")     /* there is no second worker */                                      \
    X(FAILED, "failed")       /* the other runs failed */                                          \
    X(UNDECIDED, "undecided") /* opinions differ and there is nobody left to ask: suspect */

typedef enum i8x_sched_verdict {
#define X(name, text) I8X_SCHED_VERDICT_##name,
    I8X_SCHED_VERDICT_LIST(X)
#undef X
        I8X_SCHED_VERDICT_COUNT
} i8x_sched_verdict;

typedef struct i8x_sched_action {
    i8x_sched_action_type type;
    uint64_t worker; /* session */
    uint64_t ticket;
    i8x_digest key;
    uint64_t epoch;
    int attempts, workers;
    bool again;        /* GRANT: the task had a lease before */
    bool duplicate;    /* GRANT: another worker has it, too */
    bool audit;        /* GRANT: it is committed, this run checks it; COMMIT: AUDIT will follow */
    uint64_t identity; /* AUDITED, QUARANTINE: of the worker, which may be away */
    i8x_sched_verdict verdict; /* AUDITED */
    int64_t at_ms;
} i8x_sched_action;

/* X(name, text) */
#define I8X_SCHED_STATE_LIST(X)                                                                    \
    X(READY, "ready")                                                                              \
    X(LEASED, "leased")                                                                            \
    X(WAITING, "waiting")                                                                          \
    X(COMMITTING, "committing")                                                                    \
    X(AUDIT_WAITING, "audit_waiting") /* committed; waits for another worker to check it */        \
    X(AUDITING, "auditing")           /* which is doing so */

typedef enum i8x_sched_state {
#define X(name, text) I8X_SCHED_##name,
    I8X_SCHED_STATE_LIST(X)
#undef X
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

/* ---- looking: nothing here changes anything ---- */

/** Tasks in a state; connected workers; parked asks; leases of a session. */
size_t i8x_sched_task_count(const i8x_sched *sched, i8x_sched_state state);
size_t i8x_sched_worker_count(const i8x_sched *sched);
size_t i8x_sched_ask_count(const i8x_sched *sched);
size_t i8x_sched_lease_count(const i8x_sched *sched, uint64_t worker);

/* A task as others see it. */
typedef struct i8x_sched_task_view {
    i8x_sched_state state;
    i8x_task_kind kind;
    int64_t since_ms; /* in this state */
    int64_t due_ms;   /* WAITING */
    int attempts, workers, lost;
    int lease_count;
    struct {
        uint64_t worker, identity, epoch;
        bool started;
        int64_t begin_ms;  /* since when it runs, or when that is expected */
        int64_t finish_ms; /* when its end is expected; 0 = not known */
    } leases[I8X_SCHED_LEASES_MAX];
} i8x_sched_task_view;

/** False if the task is not here. */
bool i8x_sched_task(const i8x_sched *sched, const i8x_digest *key, i8x_sched_task_view *view);

/* A worker as others see it. */
typedef struct i8x_sched_worker_view {
    uint64_t session; /* 0 = not connected */
    uint64_t identity;
    bool draining, drained, quarantined;
    uint32_t slots, running, queued; /* leases: started, and waiting for a slot */
    uint32_t asks;
    uint32_t agreed;  /* results in a row that audits confirmed */
    uint32_t pending; /* audits of its results that have not ended */
    int64_t heard_ms;
    int64_t backlog_ms; /* expected work of its leases, over its slots */
    uint64_t
        rates_milli[I8X_TASK_KIND_COUNT]; /* thousandths of a task per second; 0 = not measured */
} i8x_sched_worker_view;

/** By session, or if that is 0 by identity. False if the worker is not known. */
bool i8x_sched_worker(const i8x_sched *sched, uint64_t session, uint64_t identity,
                      i8x_sched_worker_view *view);

/* X(name, text) why a task does not run, or that it does */
#define I8X_SCHED_WHY_LIST(X)                                                                      \
    X(ABSENT, "absent")           /* not with the scheduler: not ready yet, or ended */            \
    X(RUNS, "runs")               /* worker since_ms */                                            \
    X(QUEUED, "queued")           /* worker since_ms: granted, waits for a slot of that worker */  \
    X(COMMITS, "commits")         /* its result is being written */                                \
    X(AUDIT_WAITS, "audit_waits") /* committed, and waits for another worker to check it; */       \
                                  /* idle, busy: workers that may */                               \
    X(AUDIT_RUNS, "audit_runs")   /* worker since_ms: is being checked */                          \
    X(BACKOFF, "backoff")         /* until_ms attempts: it failed and is tried again */            \
    X(NO_WORKER, "no_worker")     /* no worker that is connected can do its kind */                \
    X(DRAINED, "drained")         /* all that can are drained or draining */                       \
    X(QUARANTINED, "quarantined") /* all that can are quarantined, or the rest is drained */       \
    X(BUSY, "busy")               /* all that may are at work; ahead: tasks that go first */       \
    X(FAILED_HERE, "failed_here") /* the workers that are free failed on it; others get it */      \
    X(NOT_ASKED, "not_asked")     /* workers that may do it are free and do not ask: too hot, */   \
                                  /* used by others, or their next request is under way */

typedef enum i8x_sched_why_reason {
#define X(name, text) I8X_SCHED_WHY_##name,
    I8X_SCHED_WHY_LIST(X)
#undef X
        I8X_SCHED_WHY_COUNT
} i8x_sched_why_reason;

typedef struct i8x_sched_why {
    i8x_sched_why_reason reason;
    i8x_task_kind kind;
    uint32_t able;                         /* connected workers that can do its kind; of these: */
    uint32_t drained, quarantined;         /* get nothing (drained: or draining) */
    uint32_t busy, idle;                   /* may get it; all slots taken, or not */
    uint32_t failed;                       /* may get tasks, but failed on this one */
    uint64_t worker, identity;             /* RUNS, QUEUED */
    int64_t since_ms, until_ms, finish_ms; /* finish_ms: expected end; 0 = not known */
    int attempts;
    uint64_t ahead; /* at least so many tasks of its kind go first */
} i8x_sched_why;

/** Why this task does not run, or where it does. Looks at every worker. */
void i8x_sched_explain(const i8x_sched *sched, const i8x_digest *key, i8x_sched_why *why);
const char *i8x_sched_state_name(i8x_sched_state state);
const char *i8x_sched_verdict_name(i8x_sched_verdict verdict);
const char *i8x_sched_why_name(i8x_sched_why_reason reason);
/** Connected workers that can do a kind, whatever state they are in. Looks at every worker. */
uint32_t i8x_sched_able_count(const i8x_sched *sched, i8x_task_kind kind);

#endif
