/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulator: the daemon's scheduler (the very objects that int8xd links) in a made-up world. Clock,
 * network, workers, ledger and disk are all decided by one seed, so a run that breaks a rule is
 * repeated exactly by its seed. This is the door; the parts are in world.h.
 */
#ifndef I8X_TESTS_SIM_H
#define I8X_TESTS_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/sched/sched.h"

/* X(name, text, what) faults that can be built in; each must be found */
#define SIM_PLANT_LIST(X)                                                                          \
    X(NONE, "none", "nothing is wrong")                                                            \
    X(LEAVE, "leave", "a worker that leaves keeps its leases")                                     \
    X(TWICE, "twice", "a result is put into the ledger twice")                                     \
    X(COMMIT, "commit", "the scheduler is not told of a commit")                                   \
    X(ACK, "ack", "a result is acknowledged before it is on disk")                                 \
    X(GRANT, "grant", "a task is granted to two workers")                                          \
    X(DROP, "drop", "a dropped task stays with the scheduler")                                     \
    X(WANT, "want", "a worker gets more than it wants")                                            \
    X(POISON, "poison", "failures use no attempt")                                                 \
    X(ANSWER, "answer", "an ask is never answered")                                                \
    X(EPOCH, "epoch", "epochs start again after a restart")                                        \
    X(EXPIRY, "expiry", "time ends no lease")                                                      \
    X(RECOVERY, "recovery", "a task is forgotten at a restart")                                    \
    X(QUARANTINE, "quarantine", "a worker leaves its quarantine by joining again")                 \
    X(REDO, "redo", "a wrong result is not computed again")                                        \
    X(VERDICT, "verdict", "the end of an audit is not heard")

typedef enum sim_plant {
#define X(name, text, what) SIM_PLANT_##name,
    SIM_PLANT_LIST(X)
#undef X
        SIM_PLANT_COUNT
} sim_plant;

typedef struct sim_opts {
    uint64_t seed;
    long events;        /* steps of the scheduler before the calm end */
    int workers, tasks; /* at most 64 and 1024 */
    sim_plant plant;
    bool tell; /* print every event and action */
} sim_opts;

#define SIM_WRONG_SIZE 256

typedef struct sim_outcome {
    bool right;
    char wrong[SIM_WRONG_SIZE]; /* the first rule that was broken, and when */
    long steps, checks, grants, commits, lost, dead, retries, duplicates, jobs, crashes, restarts;
    long audits, redone, quarantines, verdicts[I8X_SCHED_VERDICT_COUNT];
    long called_back, seconds; /* leases taken out of queues; second runs begun */
    int64_t end_ms;
} sim_outcome;

/** Runs one seed to its end, or to the first rule that is broken. Thread-safe. */
void sim_run(const sim_opts *opts, sim_outcome *outcome);
const char *sim_plant_name(sim_plant plant);
const char *sim_plant_what(sim_plant plant);

typedef struct sim_makespan_opts {
    uint64_t seed;
    int workers, tasks_each;
} sim_makespan_opts;

/** One large job on a fleet whose speeds are 1 to 20: prints how long it takes, in made-up time;
 * returns that over the ideal time. */
double sim_makespan(const sim_makespan_opts *opts);

#endif
