/* SPDX-License-Identifier: Apache-2.0
 *
 * sim_sched: many seeds, or one.
 *
 *     sim_sched --seeds 1..1000 --events 10000 --workers 16 --tasks 256   all of them, on all cores
 *     sim_sched --seed 77 [--tell]                                        that one again
 *     sim_sched --plants                                                  every fault must be found
 *     sim_sched --makespan --seeds 1..5    10,000 workers: at most 1.15 times the ideal time
 *
 * The last line counts what passed and failed. Exit status 1 if a seed fails.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "int8x/clock.h"
#include "tests/sim/sim.h"

#define THREADS_MAX 64
#define TOLD_MAX 5 /* failing seeds that are printed */
#define MAKESPAN_MAX 1.15
#define PLANT_SEEDS_MAX 50 /* a fault has to show within so many seeds */

typedef struct batch {
    sim_opts opts;
    bool makespan;
    uint64_t next, last; /* seeds */
    pthread_mutex_t mutex;
    long passed, failed;
    sim_outcome sum;
} batch;

static void add(sim_outcome *sum, const sim_outcome *one)
{
    sum->steps += one->steps;
    sum->checks += one->checks;
    sum->grants += one->grants;
    sum->commits += one->commits;
    sum->lost += one->lost;
    sum->dead += one->dead;
    sum->retries += one->retries;
    sum->duplicates += one->duplicates;
    sum->jobs += one->jobs;
    sum->crashes += one->crashes;
    sum->restarts += one->restarts;
    sum->called_back += one->called_back;
    sum->seconds += one->seconds;
    sum->audits += one->audits;
    sum->redone += one->redone;
    sum->quarantines += one->quarantines;
    for (int i = 0; i < I8X_SCHED_VERDICT_COUNT; i++)
        sum->verdicts[i] += one->verdicts[i];
    sum->end_ms += one->end_ms;
}

static void print_again(const sim_opts *opts, const char *wrong)
{
    printf("seed %llu: %s\n    again: sim_sched --seed %llu --events %ld --workers %d --tasks "
           "%d%s%s\n",
           (unsigned long long)opts->seed, wrong, (unsigned long long)opts->seed, opts->events,
           opts->workers, opts->tasks, opts->plant != SIM_PLANT_NONE ? " --plant " : "",
           opts->plant != SIM_PLANT_NONE ? sim_plant_name(opts->plant) : "");
}

static void *work(void *user)
{
    batch *b = user;
    for (;;) {
        pthread_mutex_lock(&b->mutex);
        sim_opts opts = b->opts;
        opts.seed = b->next;
        bool more = b->next <= b->last;
        b->next += more;
        pthread_mutex_unlock(&b->mutex);
        if (!more)
            return NULL;
        sim_outcome outcome = {.right = true};
        if (b->makespan)
            outcome.right = sim_makespan(&(sim_makespan_opts){opts.seed, opts.workers,
                                                              opts.tasks}) <= MAKESPAN_MAX;
        else
            sim_run(&opts, &outcome);
        pthread_mutex_lock(&b->mutex);
        add(&b->sum, &outcome);
        b->passed += outcome.right;
        b->failed += !outcome.right;
        if (!outcome.right && b->failed <= TOLD_MAX && !b->makespan)
            print_again(&opts, outcome.wrong);
        pthread_mutex_unlock(&b->mutex);
    }
}

static void print_sum(const sim_outcome *n, double seconds)
{
    printf(
        "%ld steps in %.1f s (%.2f us each, all included), %.0f hours of made-up time: %ld grants, "
        "%ld called back, %ld second runs, %ld commits, %ld lost leases, %ld retries, %ld "
        "duplicates, %ld dead, %ld jobs, "
        "%ld workers ended, %ld daemons ended\n",
        n->steps, seconds, seconds * 1e6 / (double)n->steps, (double)n->end_ms / 3.6e6, n->grants,
        n->called_back, n->seconds, n->commits, n->lost, n->retries, n->duplicates, n->dead,
        n->jobs, n->crashes, n->restarts);
    printf("%ld audits, %ld tasks done again, %ld quarantines, verdicts:", n->audits, n->redone,
           n->quarantines);
    for (int i = 0; i < I8X_SCHED_VERDICT_COUNT; i++)
        printf(" %s %ld", i8x_sched_verdict_name((i8x_sched_verdict)i), n->verdicts[i]);
    putchar('\n');
}

static int run_batch(batch *b)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[THREADS_MAX];
    int count = 0;
    int64_t start = i8x_clock_now_ns(NULL);
    pthread_mutex_init(&b->mutex, NULL);
    while (count < cores && count < THREADS_MAX &&
           pthread_create(&threads[count], NULL, work, b) == 0)
        count++;
    if (count == 0)
        work(b);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&b->mutex);
    if (!b->makespan)
        print_sum(&b->sum, (double)(i8x_clock_now_ns(NULL) - start) / 1e9);
    printf("%ld passed, %ld failed\n", b->passed, b->failed);
    return b->failed != 0 || b->passed == 0;
}

/* Each planted fault must break a rule, soon, and at the same step when it is run again. */
static int find_plants(sim_opts opts)
{
    int found = 0, missed = 0;
    for (opts.plant = (sim_plant)(SIM_PLANT_NONE + 1); opts.plant < SIM_PLANT_COUNT; opts.plant++) {
        sim_outcome first = {.right = true}, again;
        for (opts.seed = 1; first.right && opts.seed <= PLANT_SEEDS_MAX; opts.seed++)
            sim_run(&opts, &first);
        opts.seed--;
        sim_run(&opts, &again);
        bool good = !first.right && strcmp(first.wrong, again.wrong) == 0;
        printf("%-10s %s: %s\n", sim_plant_name(opts.plant), sim_plant_what(opts.plant),
               first.right ? "NOT FOUND" : first.wrong);
        if (!first.right && !good)
            printf("    another run of seed %llu says: %s\n", (unsigned long long)opts.seed,
                   again.wrong);
        found += good;
        missed += !good;
    }
    printf("%d passed, %d failed\n", found, missed);
    return missed != 0 || found == 0;
}

static const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return i + 1 < argc ? argv[i + 1] : "";
    return otherwise;
}

static sim_plant plant_of(const char *name)
{
    for (int i = 0; i < SIM_PLANT_COUNT; i++)
        if (strcmp(sim_plant_name((sim_plant)i), name) == 0)
            return (sim_plant)i;
    fprintf(stderr, "no such fault: %s\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    static batch b = {.next = 1, .last = 1000};
    bool makespan = b.makespan = option(argc, argv, "--makespan", NULL) != NULL;
    b.opts = (sim_opts){.events = atol(option(argc, argv, "--events", "10000")),
                        .workers = atoi(option(argc, argv, "--workers", makespan ? "10000" : "16")),
                        .tasks = atoi(option(argc, argv, "--tasks", makespan ? "100" : "256")),
                        .plant = plant_of(option(argc, argv, "--plant", "none")),
                        .tell = option(argc, argv, "--tell", NULL) != NULL};
    const char *seeds = option(argc, argv, "--seeds", NULL);
    const char *seed = option(argc, argv, "--seed", NULL);
    if (!makespan &&
        (b.opts.workers < 1 || b.opts.workers > 64 || b.opts.tasks < 1 || b.opts.tasks > 1024)) {
        fprintf(stderr, "1 to 64 workers, 1 to 1024 tasks\n");
        return 2;
    }
    if (option(argc, argv, "--plants", NULL) != NULL)
        return find_plants(b.opts);
    char *dots = NULL;
    if (seeds != NULL) {
        b.next = strtoull(seeds, &dots, 10);
        b.last = strncmp(dots, "..", 2) == 0 ? strtoull(dots + 2, NULL, 10) : b.next;
    }
    if (seed != NULL)
        b.next = b.last = strtoull(seed, NULL, 10);
    return run_batch(&b);
}
