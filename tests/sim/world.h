/* SPDX-License-Identifier: Apache-2.0
 *
 * World: everything that one run consists of.
 *
 *     world    clock, what happens when, messages on their way (late, lost, twice, out of order)
 *     agent    workers that ask, work, renew, crash, stall, come back
 *     office   the daemon in small: sessions and answers (hub), jobs (study), ledger and disk;
 *              carries out what the scheduler asks for
 *     model    what must hold: follows every event and action, compares after each event, counts
 *              everything anew now and then
 *
 * A check that fails calls sim_wrong(), which keeps the first sentence; the run ends there.
 */
#ifndef I8X_TESTS_WORLD_H
#define I8X_TESTS_WORLD_H

#include "daemon/sched/sched.h"
#include "int8x/status.h"
#include "tests/sim/sim.h"

#define SIM_WORKERS_MAX 64
#define SIM_TASKS_MAX 1024
#define SIM_HELD_MAX                                                                               \
    16 /* leases that one worker knows of; also grants and cancels of an answer                    \
        */
#define SIM_REPLIES_MAX 1024 /* answers being made */
#define SIM_COMMITS_MAX 1024 /* results on their way to disk */

#define SIM_HEARTBEAT_MS 3000
#define SIM_LIFE_MS 15000
#define SIM_CALL_MS 8000 /* a worker waits so long for an answer that should come at once */
#define SIM_AUDIT_WAIT_MS 10000
#define SIM_ATTEMPTS_MAX 5
#define SIM_FAILED_MAX 3
#define SIM_LOST_MAX 64
#define SIM_BACKOFF_FIRST_MS 500
#define SIM_BACKOFF_MAX_MS 60000

typedef struct sim_world sim_world;

/* ---- messages ---- */

typedef enum sim_message_type {
    SIM_HELLO,
    SIM_LEASE,
    SIM_RENEW,
    SIM_RESULT,
    SIM_FAIL,
    SIM_BYE,
    SIM_WELCOME,
    SIM_GRANTS,  /* answers LEASE, RESULT and FAIL */
    SIM_CONTROL, /* answers RENEW */
    SIM_UNKNOWN  /* the session is not known: say HELLO */
} sim_message_type;

/* A task as messages name it: a place in the table and which task it was that had the place. */
typedef struct sim_name {
    uint32_t place, serial;
} sim_name;

typedef struct sim_lease {
    sim_name task;
    uint64_t epoch;
    bool started; /* in what a worker says that it holds */
    uint32_t done, total;
} sim_lease;

typedef struct sim_message {
    sim_message_type type;
    uint32_t want;
    uint64_t call; /* number of the question; an answer has the same */
    uint64_t session;
    int64_t wait_ms;
    sim_lease about; /* RESULT, FAIL */
    uint64_t value;  /* RESULT: what was computed */
    i8x_sched_fault fault;
    bool draining;  /* RENEW */
    bool committed; /* GRANTS: the result in question is on disk */
    int count;
    sim_lease leases[SIM_HELD_MAX]; /* held, granted, or to be stopped (started: even if it runs) */
} sim_message;

typedef enum sim_happening_type {
    SIM_TO_OFFICE,   /* message */
    SIM_TO_AGENT,    /* message */
    SIM_PIPE_CLOSED, /* the daemon sees that a worker's connection has ended */
    SIM_CALL_FAILED, /* the worker sees that its connection has ended */
    SIM_AGENT_TIMER,
    SIM_LEDGER, /* a commit has come to its end */
    SIM_TICK,
    SIM_OFFICE_STARTS,
    SIM_CHAOS,
    SIM_HAPPENING_COUNT
} sim_happening_type;

typedef struct sim_happening {
    sim_happening_type type;
    int worker;
    uint32_t life; /* of the worker, or of the daemon; void when that life is over */
    sim_message message;
} sim_happening;

typedef struct sim_queue_entry {
    int64_t at_ms;
    uint64_t number; /* equal times: in the order they were planned */
    uint32_t place;
} sim_queue_entry;

typedef struct sim_queue {
    sim_queue_entry *entries;
    size_t count, capacity;
    sim_happening *places;
    uint32_t *free_places;
    size_t place_count, free_count;
    uint64_t last_number;
} sim_queue;

/* ---- tasks ---- */

typedef enum sim_nature {
    SIM_NORMAL,
    SIM_FLAKY,    /* fails now and then */
    SIM_POISON,   /* always crashes */
    SIM_BAD_INPUT /* says so */
} sim_nature;

/* What the study and the ledger know. */
typedef struct sim_task {
    uint32_t serial; /* 0 = this place was never used */
    bool open;       /* wanted, and neither done nor dead */
    i8x_digest key;
    int kind, job;
    uint64_t order;
    sim_nature nature;
    int64_t work_ms;   /* on a worker of speed 1 */
    bool durable;      /* the ledger has a result */
    bool acknowledged; /* and a worker was told so */
    bool audit;        /* the ledger says that an audit has not ended */
    bool redone;       /* its result was taken back while it was being told */
    int producer;      /* worker of the result in the ledger */
    uint64_t on_disk;  /* the result in the ledger */
} sim_task;

typedef struct sim_job {
    bool open, hurried;
    bool suspect;     /* an audit ended without an answer */
    int left, audits; /* tasks that are open; of these, only audited */
} sim_job;

/* ---- workers ---- */

typedef enum sim_held_state { SIM_QUEUED, SIM_RUNNING, SIM_REPORTING } sim_held_state;

typedef struct sim_held {
    sim_lease lease;
    sim_held_state state;
    int64_t begin_ms, until_ms; /* RUNNING: begun and done then */
    sim_message report;         /* REPORTING */
    int64_t asked_ms;           /* REPORTING: when it was sent last; -1 = not yet */
} sim_held;

typedef struct sim_agent {
    uint32_t life; /* raised by each crash */
    bool up, joined, leaving;
    int64_t up_ms;      /* comes up then */
    int64_t stalled_ms; /* does nothing until then */
    int64_t speed;      /* percent */
    int wrong;          /* results in a thousand that are wrong */
    int slots, depth;   /* leases it would like to hold */
    uint32_t kinds;
    uint64_t session, last_call;
    uint64_t hello_call, lease_call, renew_call; /* 0 = none is open */
    uint32_t lease_want;
    int64_t hello_ms, lease_ms, renew_ms, timer_ms;
    int held_count;
    sim_held held[SIM_HELD_MAX];
    bool deaf_out, deaf_in; /* partition: what it says, what it hears is lost */
} sim_agent;

/* ---- the daemon ---- */

typedef struct sim_reply {
    bool open, asking; /* asking: the scheduler has the ask */
    int worker;
    uint64_t session, call;
    uint32_t want;
    int64_t until_ms;
    bool committed;
    int count;
    sim_lease grants[SIM_HELD_MAX];
} sim_reply;

typedef struct sim_commit {
    sim_name task;
    uint64_t value;
    uint32_t reply;
    int worker;
    bool audit;
} sim_commit;

typedef struct sim_office {
    bool up;
    uint32_t life, starts;
    i8x_sched *sched;
    uint64_t sessions[SIM_WORKERS_MAX]; /* 0 = none */
    uint32_t closed_life[SIM_WORKERS_MAX];
    sim_lease cancels[SIM_WORKERS_MAX][SIM_HELD_MAX];
    int cancel_count[SIM_WORKERS_MAX];
    uint64_t last_session;
    bool drained[SIM_WORKERS_MAX], quarantined[SIM_WORKERS_MAX]; /* kept in the ledger */
    sim_reply replies[SIM_REPLIES_MAX];
    sim_commit commits[SIM_COMMITS_MAX];
    int commit_count, writing; /* the first `writing` ones are being written */
    i8x_sched_event *steps;    /* events that wait for the step in hand */
    size_t step_head, step_count, step_capacity;
    bool stepping;
    int64_t tick_ms;
    /* of the message in hand */
    uint32_t reply;
    uint64_t value;
} sim_office;

/* ---- what must hold ---- */

typedef struct sim_vote {
    int worker;
    uint64_t value;
} sim_vote;

/* A lease that ended and whose worker has to be told. */
typedef struct sim_debt {
    uint64_t session;
    uint32_t place;
    bool paid;
} sim_debt;

#define SIM_DEBTS_MAX 64

typedef struct sim_belief_lease {
    uint64_t session, epoch;
} sim_belief_lease;

typedef struct sim_belief { /* about a task */
    bool here;              /* added and not gone */
    bool waiting, committing, failing, audit;
    int voter_count;
    sim_vote votes[SIM_WORKERS_MAX]; /* of those whose result is known; the first is committed */
    int64_t due_ms;
    int attempts, lost;
    uint64_t crashed, failed; /* masks of workers: crashed on it; any failure */
    int lease_count;
    sim_belief_lease leases[I8X_SCHED_LEASES_MAX];
} sim_belief;

typedef struct sim_model {
    sim_belief tasks[SIM_TASKS_MAX];
    size_t counts[I8X_SCHED_STATE_COUNT];
    uint64_t last_epoch;
    size_t leases[SIM_WORKERS_MAX]; /* of the worker's session */
    size_t all_leases, duplicates;
    bool draining[SIM_WORKERS_MAX];
    uint32_t touched[64];
    int touched_count;
    sim_debt debts[SIM_DEBTS_MAX], told[SIM_DEBTS_MAX]; /* of this step */
    int debt_count, told_count;
    uint64_t losers;       /* mask of workers that an audit of this step outvoted */
    i8x_sched_event event; /* the one in hand */
} sim_model;

struct sim_world {
    sim_opts opts;
    uint64_t random;
    int64_t now_ms;
    int audit_per_mille;
    bool calm;            /* nothing bad happens any more: everything has to end */
    int loss, twice, far; /* per mille of messages; far: late by seconds */
    sim_queue queue;
    sim_task tasks[SIM_TASKS_MAX];
    sim_job jobs[SIM_TASKS_MAX];
    int open_tasks, job_count;
    uint64_t last_job;
    sim_agent agents[SIM_WORKERS_MAX];
    sim_office office;
    sim_model model;
    sim_outcome *outcome;
};

/* world.c */
uint64_t sim_random(sim_world *w);
/** 0 .. count-1 */
uint64_t sim_below(sim_world *w, uint64_t count);
/** True this many times of 1000; never when it is calm. */
bool sim_chance(sim_world *w, int per_mille);
/** Something will happen; message is copied, NULL = none. */
void sim_plan(sim_world *w, int64_t at_ms, sim_happening_type type, int worker, uint32_t life,
              const sim_message *message);
/** Sends a message: it arrives some time, or never, or twice. */
void sim_send(sim_world *w, sim_happening_type to, int worker, const sim_message *message);
/** A rule is broken. */
void sim_wrong(sim_world *w, const char *format, ...) I8X_PRINTF(2, 3);
/** Printed if the run tells everything. */
void sim_tell(const sim_world *w, const char *format, ...) I8X_PRINTF(2, 3);
/** The right result. */
uint64_t sim_value_of(sim_name name);
/** The task if it is still the one of that name, else NULL. */
sim_task *sim_task_of(sim_world *w, sim_name name);
/** The name that a key stands for. */
sim_name sim_name_of(const i8x_digest *key);

/* agent.c */
void sim_agent_init(sim_world *w, int worker);
void sim_agent_hear(sim_world *w, int worker, const sim_message *message);
/** Does what is due. */
void sim_agent_wake(sim_world *w, int worker);
/** The connection ended under its open calls. */
void sim_agent_disconnected(sim_world *w, int worker);
void sim_agent_crash(sim_world *w, int worker);

/* office.c */
void sim_office_start(sim_world *w);
void sim_office_crash(sim_world *w);
void sim_office_hear(sim_world *w, int worker, uint32_t life, const sim_message *message);
void sim_office_pipe_closed(sim_world *w, int worker, uint32_t life);
void sim_office_written(sim_world *w);
void sim_office_tick(sim_world *w);
/** A new job of so many tasks. */
void sim_office_submit(sim_world *w, int tasks);
void sim_office_cancel(sim_world *w, int job);
/** An operator's word about a worker: drain, quarantine or resume. */
void sim_office_operate(sim_world *w, int worker, i8x_sched_event_type word);
void sim_office_end(sim_world *w);
/** Gives an event to the scheduler, after those that wait. */
void sim_office_step(sim_world *w, const i8x_sched_event *event);

/* model.c */
void sim_model_restart(sim_world *w);
/** Before the scheduler sees the event. */
void sim_model_event(sim_world *w, const i8x_sched_event *event);
void sim_model_action(sim_world *w, const i8x_sched_action *action);
/** After all actions of the event. */
void sim_model_check(sim_world *w);
/** Everything, counted anew. */
void sim_model_check_all(sim_world *w);

/* verify.c */
/** The scheduler's own tables agree with each other; the first contradiction, or NULL. */
const char *sim_verify(const i8x_sched *sched);

#endif
