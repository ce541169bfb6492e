/* SPDX-License-Identifier: Apache-2.0
 *
 * Scheduler alone: what one event costs with so many open tasks and workers.
 *
 *     bench_sched [--tasks N] [--workers N] [--rounds N] [--mix NAME]
 *
 * Mixes: work (RESULT, COMMITTED, ASK, and a new task for each that is done), heartbeat (RENEW),
 * fail (FAIL, the pause, the next grant), churn (a worker leaves and joins again), idle (most
 * workers wait; one task comes and is done), audit (work, and every result is audited). Each runs N
 * rounds of some events and prints events and nanoseconds per event. `--rounds 0` does the
 * preparation alone: under callgrind the difference of two runs is the cost of the events
 * (tests/perf/sched_cost.py).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sched/sched.h"
#include "int8x/clock.h"

#define SLOTS 4
#define LEASES_MAX (SLOTS * 2)
#define ALL_KINDS ((1u << I8X_TASK_KIND_COUNT) - 1)
#define WAIT_MS 5000

typedef struct held {
    i8x_digest key;
    uint64_t epoch;
} held;

typedef struct bench {
    i8x_sched *sched;
    int64_t now_ms;
    uint64_t seed, next_key, events;
    long workers, open;
    held (*leases)[LEASES_MAX]; /* [workers] */
    int *lease_count;           /* [workers] */
    uint64_t *sessions;         /* [workers] */
    uint64_t last_session;
    long last_granted; /* worker */
} bench;

static uint64_t random_u64(bench *b)
{
    uint64_t z = (b->seed += 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static i8x_digest new_key(bench *b)
{
    i8x_digest key;
    for (size_t i = 0; i < sizeof key.bytes; i += sizeof(uint64_t)) {
        uint64_t part = random_u64(b);
        memcpy(key.bytes + i, &part, sizeof part);
    }
    return key;
}

/* Tickets are the workers' numbers: grants are booked by them. */
static void step(bench *b, const i8x_sched_event *event)
{
    size_t count;
    i8x_sched_step(b->sched, event, b->now_ms);
    b->events++;
    const i8x_sched_action *actions = i8x_sched_actions(b->sched, &count);
    for (size_t i = 0; i < count; i++) {
        if (actions[i].type != I8X_SCHED_DO_GRANT)
            continue;
        long worker = b->last_granted = (long)actions[i].ticket;
        if (b->lease_count[worker] == LEASES_MAX)
            abort();
        b->leases[worker][b->lease_count[worker]++] = (held){actions[i].key, actions[i].epoch};
    }
}

static void add_task(bench *b)
{
    i8x_sched_event event = {.type = I8X_SCHED_TASK_ADD,
                             .key = new_key(b),
                             .kind = (i8x_task_kind)(random_u64(b) % I8X_TASK_KIND_COUNT),
                             .order = b->next_key++};
    b->open++;
    step(b, &event);
}

static void join(bench *b, long worker)
{
    b->sessions[worker] = ++b->last_session;
    i8x_sched_event event = {.type = I8X_SCHED_WORKER_JOIN,
                             .worker = b->sessions[worker],
                             .identity = (uint64_t)worker + 1,
                             .kinds = ALL_KINDS,
                             .slots = SLOTS,
                             .host = (uint64_t)worker + 1,
                             .machine = (uint64_t)worker % 3 + 1};
    step(b, &event);
}

static void ask(bench *b, long worker, uint32_t want, int64_t wait_ms)
{
    i8x_sched_event event = {.type = I8X_SCHED_ASK,
                             .worker = b->sessions[worker],
                             .ticket = (uint64_t)worker,
                             .want = want,
                             .until_ms = b->now_ms + wait_ms};
    step(b, &event);
}

static void result(bench *b, long worker)
{
    held done = b->leases[worker][0];
    memmove(&b->leases[worker][0], &b->leases[worker][1],
            (size_t)--b->lease_count[worker] * sizeof done);
    i8x_sched_event event = {.type = I8X_SCHED_RESULT,
                             .worker = b->sessions[worker],
                             .key = done.key,
                             .epoch = done.epoch,
                             .result = done.key};
    step(b, &event);
    event.type = I8X_SCHED_COMMITTED;
    step(b, &event);
    b->open--;
}

/* A worker that has something. */
static long busy_worker(bench *b)
{
    for (;;) {
        long worker = (long)(random_u64(b) % (uint64_t)b->workers);
        if (b->lease_count[worker] > 0)
            return worker;
    }
}

/* ---- mixes: one round each ---- */

static void work(bench *b)
{
    long worker = busy_worker(b);
    b->now_ms += 1;
    result(b, worker);
    ask(b, worker, 1, 0);
    add_task(b);
}

static void heartbeat(bench *b)
{
    long worker = busy_worker(b);
    b->now_ms += (int64_t)(random_u64(b) % 2);
    for (int i = 0; i < b->lease_count[worker]; i++) {
        i8x_sched_event event = {.type = I8X_SCHED_RENEW,
                                 .worker = b->sessions[worker],
                                 .key = b->leases[worker][i].key,
                                 .epoch = b->leases[worker][i].epoch};
        step(b, &event);
    }
}

static void fail(bench *b)
{
    long worker = busy_worker(b);
    int last = --b->lease_count[worker];
    i8x_sched_event event = {.type = I8X_SCHED_FAIL,
                             .worker = b->sessions[worker],
                             .key = b->leases[worker][last].key,
                             .epoch = b->leases[worker][last].epoch,
                             .fault = I8X_SCHED_FAULT_ATTEMPT};
    step(b, &event);
    event.type = I8X_SCHED_TASK_DROP; /* so that nobody runs out of attempts */
    step(b, &event);
    ask(b, worker, 1, 0);
    add_task(b);
}

static void churn(bench *b)
{
    long worker = busy_worker(b);
    i8x_sched_event event = {.type = I8X_SCHED_WORKER_LEAVE, .worker = b->sessions[worker]};
    b->lease_count[worker] = 0;
    step(b, &event);
    join(b, worker);
    ask(b, worker, SLOTS, 0);
}

static void idle(bench *b)
{
    add_task(b);
    long worker = b->last_granted;
    b->now_ms += 1;
    result(b, worker);
    ask(b, worker, 1, 1000 * WAIT_MS);
}

static const struct mix {
    const char *name;
    void (*round)(bench *b);
    bool waiting;        /* no task is ready: all workers wait */
    int audit_per_mille; /* of the results */
} mixes[] = {{"work", work, false, 0}, {"heartbeat", heartbeat, false, 0},
             {"fail", fail, false, 0}, {"churn", churn, false, 0},
             {"idle", idle, true, 0},  {"audit", work, false, 1000}};

static void prepare(bench *b, long tasks, const struct mix *mix)
{
    for (long worker = 0; worker < b->workers; worker++)
        join(b, worker);
    for (long i = 0; !mix->waiting && i < tasks; i++)
        add_task(b);
    for (long worker = 0; worker < b->workers; worker++)
        ask(b, worker, mix->waiting ? 1 : SLOTS, mix->waiting ? 1000 * WAIT_MS : 0);
}

static const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    return otherwise;
}

int main(int argc, char **argv)
{
    long tasks = atol(option(argc, argv, "--tasks", "100000"));
    long rounds = atol(option(argc, argv, "--rounds", "100000"));
    const char *name = option(argc, argv, "--mix", "work");
    bench b = {.workers = atol(option(argc, argv, "--workers", "100")), .seed = 1};
    const struct mix *mix = NULL;
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++)
        mix = strcmp(mixes[i].name, name) == 0 ? &mixes[i] : mix;
    if (mix == NULL || b.workers < 1) {
        fprintf(stderr, "usage: see the top of tests/perf/bench_sched.c\n");
        return 2;
    }
    i8x_sched_opts opts = {.lease_life_ms = 1000000000,
                           .backoff_first_ms = 500,
                           .backoff_max_ms = 60000,
                           .attempts_max = 5,
                           .workers_max = 3,
                           .lost_max = 60000,
                           .audit_per_mille = mix->audit_per_mille,
                           .audit_wait_ms = 10000};
    b.leases = calloc((size_t)b.workers, sizeof *b.leases);
    b.lease_count = calloc((size_t)b.workers, sizeof *b.lease_count);
    b.sessions = calloc((size_t)b.workers, sizeof *b.sessions);
    if (b.leases == NULL || b.lease_count == NULL || b.sessions == NULL ||
        i8x_sched_new(&opts, &b.sched) != I8X_OK)
        return 1;
    prepare(&b, tasks, mix);
    b.events = 0;
    int64_t start = i8x_clock_now_ns(NULL);
    for (long i = 0; i < rounds; i++)
        mix->round(&b);
    int64_t spent = i8x_clock_now_ns(NULL) - start;
    printf("mix=%s tasks=%ld workers=%ld events=%llu ns_per_event=%.0f\n", name, tasks, b.workers,
           (unsigned long long)b.events, b.events ? (double)spent / (double)b.events : 0.0);
    i8x_sched_free(b.sched);
    free(b.leases);
    free(b.lease_count);
    free(b.sessions);
    return 0;
}
