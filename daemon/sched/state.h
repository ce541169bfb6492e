/* SPDX-License-Identifier: Apache-2.0
 *
 * State: what the scheduler knows. Private to this folder and to the simulator, which checks it.
 *
 * Tasks, leases, workers and asks are rows of tables that name each other by number (rows.h).
 * Whatever waits for something stands in exactly one heap or list that finds it without a walk:
 *
 *     task READY       ready[kind] by order; tasks that failed somewhere in failed instead
 *     task WAITING     due by the time it is ready again
 *     task AUDIT       audits of the worker whose result it is, by order; due by the time when
 *                      something has to be done if nobody takes it
 *     lease            expiry by the time it ends; its worker's list running or queued, oldest
 *                      first; running[kind] by the time it will be done, the last first, and
 *                      overdue by the same, the first first; or queued[kind] by the time it will
 *                      be started, the last first
 *     worker           silence by the time it was last heard; offers of its group if it could
 *                      take something now; producers if its results wait for an auditor; away if
 *                      it is not connected
 *     ask              deadlines by the time it is answered with nothing; its worker's list
 *
 * A group is all workers that can do the same kinds. Times that are estimated are microseconds.
 */
#ifndef I8X_DAEMON_STATE_H
#define I8X_DAEMON_STATE_H

#include "daemon/sched/heap.h"
#include "daemon/sched/lookup.h"
#include "daemon/sched/rows.h"
#include "daemon/sched/sched.h"

#define I8X_SCHED_FAILED_MAX 8 /* workers remembered per task */
#define I8X_SCHED_VOTES_MAX 5  /* opinions about one task */
#define I8X_SCHED_SLOWNESS 256 /* of a worker that is as fast as the fleet's mean */

typedef struct task_row {
    i8x_digest key;
    i8x_digest result; /* COMMITTING and later */
    uint64_t order;
    uint64_t epoch;                        /* of the last lease; 0 = never leased */
    uint64_t producer;                     /* COMMITTING: identity of whose result it is */
    uint32_t audit;                        /* COMMITTING and later: 0 = it is not audited */
    int64_t due_ms;                        /* WAITING: ready again */
    int64_t since_ms;                      /* in this state */
    uint32_t leases[I8X_SCHED_LEASES_MAX]; /* LEASED: the first, and a duplicate if there is one */
    uint32_t ready_place, due_place;
    uint16_t lost; /* leases that ended without a word */
    uint8_t kind;  /* i8x_task_kind */
    uint8_t state; /* i8x_sched_state */
    uint8_t attempts, failed_count;
    uint8_t crashed_mask;                  /* bit i: failed[i] crashed on it */
    uint64_t failed[I8X_SCHED_FAILED_MAX]; /* identities of workers that failed on it */
} task_row;

typedef struct lease_row {
    i8x_list_link link; /* worker's running or queued leases */
    uint32_t task, worker;
    uint64_t epoch;
    int64_t granted_ms, expires_ms;
    bool started;      /* it is said, or taken for so by its place in the worker's queue */
    bool duplicate;    /* another worker has the task already */
    int64_t begin_us;  /* started: when; else when that is expected */
    int64_t finish_us; /* expected end */
    uint64_t cost_us;  /* expected time of work; 0 = nothing is known */
    uint32_t expiry_place, tail_place, overdue_place;
} lease_row;

/* What a worker says the result is. */
typedef struct audit_vote {
    uint64_t identity;
    i8x_digest result;
} audit_vote;

typedef struct audit_row {
    i8x_list_link link; /* pending audits of the producer */
    uint32_t task;
    uint32_t producer; /* worker of the first vote, whose result is the committed one */
    int vote_count;
    audit_vote votes[I8X_SCHED_VOTES_MAX];
    int64_t since_ms; /* waits for the next opinion */
    bool anybody;     /* not only the best auditors may take it */
    bool hurried;     /* its job waits for nothing else */
    int tries;        /* runs that failed */
} audit_row;

/* Workers of one host, or of one machine class. */
typedef struct crowd_row {
    uint64_t number;
    uint32_t members;                      /* known workers */
    uint32_t workers[I8X_TASK_KIND_COUNT]; /* that may get tasks */
} crowd_row;

typedef struct worker_row {
    i8x_list_link link; /* away */
    uint64_t session;   /* 0 = not connected */
    uint64_t identity;  /* the same over all its sessions */
    uint32_t kinds;     /* mask it can do at our revisions */
    uint32_t slots;
    uint32_t group;
    bool draining;    /* its own wish; ends with the session */
    bool drained;     /* an operator's; outlives it */
    bool quarantined; /* nothing it says counts */
    int64_t heard_ms;
    i8x_list running, queued, asks;
    uint64_t backlog_us;                   /* expected work of all its leases */
    uint32_t kind_us[I8X_TASK_KIND_COUNT]; /* measured time of a task; 0 = none was seen */
    uint32_t slowness;                     /* 256 = as the fleet's mean, more = slower */
    uint32_t host, machine;                /* crowds */
    uint32_t agreed;                       /* results in a row that an audit confirmed */
    i8x_list pending;                      /* audits of its results that have not ended */
    i8x_heap audits;                       /* of these, tasks that wait for an auditor, by order */
    uint32_t silence_place, offer_place, producer_place;
} worker_row;

typedef struct ask_row {
    i8x_list_link link; /* worker's asks, until it is full */
    uint64_t number;    /* order of arrival */
    uint32_t worker;
    uint64_t ticket;
    uint32_t want, given;
    int64_t until_ms;
    uint32_t deadline_place;
} ask_row;

typedef struct group_row {
    uint32_t kinds;
    i8x_heap offers; /* of workers; offer.h tells the order */
} group_row;

/* What the eligible workers can do together. */
typedef struct i8x_sched_power {
    uint32_t workers, slots;
    uint32_t measured_slots; /* of workers whose rate is known */
    uint64_t rate;           /* of these, tasks in 1000 s */
    int64_t alone_ms;        /* if it is one worker at most: since when */
} i8x_sched_power;

typedef struct i8x_sched_numbers {
    uint32_t *numbers;
    size_t count, capacity;
} i8x_sched_numbers;

struct i8x_sched {
    i8x_sched_opts opts;
    int64_t now_ms;
    uint64_t last_epoch, last_ask;
    bool begun; /* a first event was seen */
    i8x_rows tasks, leases, workers, asks, groups, audits, crowds;
    i8x_lookup by_key, by_session, by_identity, by_host, by_machine;
    i8x_heap producers; /* workers whose results wait for an auditor, by the first one's order */
    i8x_heap ready[I8X_TASK_KIND_COUNT], failed, due, expiry, silence, deadlines;
    i8x_heap running[I8X_TASK_KIND_COUNT], queued[I8X_TASK_KIND_COUNT], overdue;
    uint32_t ready_kinds; /* mask of ready[] that are not empty */
    i8x_list away;        /* workers, longest away first */
    i8x_sched_power power[I8X_TASK_KIND_COUNT];
    uint32_t fleet_us[I8X_TASK_KIND_COUNT];     /* mean time of a task on any worker */
    size_t state_counts[I8X_SCHED_STATE_COUNT]; /* tasks */
    size_t connected, parked;                   /* workers, asks */
    size_t started, duplicates;                 /* leases */
    i8x_sched_numbers served;                   /* asks that got something in this step */
    bool idle;                                  /* a worker waits although it has a free slot */
    uint32_t urgent; /* the ask of this step, if it is answered now or never */
    i8x_sched_action *actions;
    size_t action_count, action_capacity;
};

static inline task_row *i8x_task_at(const i8x_sched *s, uint32_t row)
{
    return i8x_rows_at(&s->tasks, row);
}

static inline lease_row *i8x_lease_at(const i8x_sched *s, uint32_t row)
{
    return i8x_rows_at(&s->leases, row);
}

static inline worker_row *i8x_worker_at(const i8x_sched *s, uint32_t row)
{
    return i8x_rows_at(&s->workers, row);
}

static inline ask_row *i8x_ask_at(const i8x_sched *s, uint32_t row)
{
    return i8x_rows_at(&s->asks, row);
}

static inline audit_row *i8x_audit_at(const i8x_sched *s, uint32_t row)
{
    return i8x_rows_at(&s->audits, row);
}

static inline crowd_row *i8x_crowd_at(const i8x_sched *s, uint32_t row)
{
    return i8x_rows_at(&s->crowds, row);
}

static inline group_row *i8x_group_at(const i8x_sched *s, uint32_t row)
{
    return i8x_rows_at(&s->groups, row);
}

static inline int64_t i8x_sched_now_us(const i8x_sched *s)
{
    return s->now_ms * 1000;
}

/** A new action of this step, about a task (0 = none) and a session. Borrowed until the next. */
i8x_sched_action *i8x_sched_act(i8x_sched *s, i8x_sched_action_type type, uint64_t session,
                                uint32_t task);

#endif
