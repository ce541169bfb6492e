/* SPDX-License-Identifier: Apache-2.0
 *
 * Benches: per case, blocks in which scalar and the level alternate, so that both see the same
 * neighbours on a shared machine; an empty call is subtracted; median, spread (half the
 * interquartile range / median), the best round and the ratio of the medians are printed.
 * Yardsticks come first: the clock seen by a dependent chain of additions, and memcpy at the sizes
 * of the byte kernels.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <time.h>

#include "tests/kernels/harness.h"

enum { ROUNDS = 15 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void nothing(const i8x_kernels *k, void *state)
{
    (void)k, (void)state;
    __asm__ volatile("" ::: "memory");
}

static double time_calls(const bench *b, const i8x_kernels *k, size_t calls)
{
    double start = now_s();
    for (size_t i = 0; i < calls; ++i)
        b->run(k, NULL);
    return (now_s() - start) / (double)calls;
}

/* Calls that take about 2 ms. */
static size_t calibrate(const bench *b, const i8x_kernels *k)
{
    size_t calls = 1;
    while (calls < (size_t)1 << 24) {
        double each = time_calls(b, k, calls);
        if (each * (double)calls > 1e-3)
            return (size_t)(2e-3 / each) + 1;
        calls *= 4;
    }
    return calls;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

typedef struct timing {
    double median, spread, best;
} timing;

static timing summarize(double *seconds)
{
    qsort(seconds, ROUNDS, sizeof *seconds, compare);
    double median = seconds[ROUNDS / 2];
    return (timing){median, (seconds[ROUNDS * 3 / 4] - seconds[ROUNDS / 4]) / median, seconds[0]};
}

static void bench_one(const test *what, const bench *b, const i8x_kernels *scalar,
                      const i8x_kernels *level, bool json, bool *first)
{
    static const bench empty = {"", nothing, NULL, 0, "", false};
    double base[ROUNDS], fast[ROUNDS];
    if (b->setup)
        b->setup(level, NULL);
    double overhead = time_calls(&empty, scalar, 1 << 16);
    size_t base_calls = calibrate(b, scalar), fast_calls = calibrate(b, level);
    for (int i = 0; i < ROUNDS; ++i) {
        base[i] = time_calls(b, scalar, base_calls) - overhead;
        fast[i] = time_calls(b, level, fast_calls) - overhead;
    }
    timing slow = summarize(base), quick = summarize(fast);
    const char *name = i8x_cpu_level_name(level->level);
    if (json)
        printf("%s\n  {\"kernel\": \"%s\", \"case\": \"%s\", \"level\": \"%s\", \"median_ns\": "
               "%.1f, \"spread\": %.3f, "
               "\"best_ns\": %.1f, \"rate\": %.3f, \"unit\": \"%s\", \"ratio_to_scalar\": %.2f}",
               *first ? "" : ",", what->name, b->label, name, quick.median * 1e9, quick.spread,
               quick.best * 1e9, b->work / quick.median, b->unit, slow.median / quick.median);
    else
        printf("%-20s %-12s %-7s %11.0f ns +-%5.1f %% %8.2f, best %8.2f %-8s %7.1f x scalar\n",
               what->name, b->label, name, quick.median * 1e9, quick.spread * 50,
               b->work / quick.median, b->work / quick.best, b->unit, slow.median / quick.median);
    *first = false;
}

/* Greatest clock of some rounds: four dependent additions a turn cannot go faster than one a cycle.
 */
static double clock_ghz(void)
{
    enum { TURNS = 200000 };
    double best = 0;
    for (int i = 0; i < ROUNDS; ++i) {
        size_t z = 0;
        double start = now_s();
        for (int turn = 0; turn < TURNS; ++turn)
            for (int j = 0; j < 4; ++j) {
                z += 3;
                __asm__ volatile("" : "+r"(z));
            }
        double rate = 4.0 * TURNS / (now_s() - start) * 1e-9;
        best = rate > best ? rate : best;
    }
    return best;
}

static _Alignas(64) uint8_t copy_from[2 << 20], copy_to[2 << 20];

/* Bytes read and written per second, best of some rounds. */
static double memcpy_gb_s(size_t size_bytes)
{
    double best = 0;
    size_t calls = ((size_t)32 << 20) / size_bytes;
    memset(copy_from, 1, size_bytes);
    for (int i = 0; i < ROUNDS; ++i) {
        double start = now_s();
        for (size_t j = 0; j < calls; ++j) {
            memcpy(copy_to, copy_from, size_bytes);
            __asm__ volatile("" ::: "memory");
        }
        double rate = 2.0 * (double)(size_bytes * calls) / (now_s() - start) * 1e-9;
        best = rate > best ? rate : best;
    }
    return best;
}

void bench_run(const test *const *all, size_t count, const char *filter, i8x_cpu_level level,
               bool json)
{
    i8x_kernels scalar, fast;
    bool first = true;
    i8x_kernels_init(&scalar, I8X_CPU_SCALAR);
    i8x_kernels_init(&fast, level);
    if (json)
        printf("[");
    else
        printf("clock %.2f GHz, memcpy 8 KiB %.0f, 128 KiB %.0f, 2 MiB %.0f GB/s\n", clock_ghz(),
               memcpy_gb_s(8192), memcpy_gb_s(131072), memcpy_gb_s(2 << 20));
    for (size_t i = 0; i < count; ++i)
        for (size_t j = 0; j < all[i]->bench_count; ++j)
            if (!filter || strstr(all[i]->name, filter))
                bench_one(all[i], &all[i]->benches[j], &scalar, &fast, json, &first);
    if (json)
        printf("\n]\n");
}
