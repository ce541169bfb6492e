/* SPDX-License-Identifier: Apache-2.0
 *
 * kernel_tester: holds every kernel of every level to its contract against the scalar level.
 *
 *   kernel_tester [--level NAME] [--filter TEXT] [--seed N] [--repeat N] [--brief] [--json]
 *   kernel_tester --self-test      planted faults must be caught
 *   kernel_tester --bench [--level NAME] [--filter TEXT] [--json]
 *   kernel_tester --list           kernels, contracts, levels of this processor
 *
 * A row is a kernel of a level; pointers that a level took over from a lower one are not tested
 * twice. A kernel of kernels.def without a test is a failed row. The seed is printed; a run is
 * repeated with it.
 * --brief leaves most long inputs out (emulators).
 */
#include <stdlib.h>
#include <time.h>

#include "tests/kernels/harness.h"

typedef struct kernel_row {
    const char *name, *contract;
    size_t offset, size; /* in i8x_kernels */
} kernel_row;

static const kernel_row kernels[] = {
#define KERNEL(name, contract, result, parameters)                                                 \
    {#name, #contract, offsetof(i8x_kernels, name), sizeof(((i8x_kernels *)NULL)->name)},
#define UNIT(name, contract, type)                                                                 \
    {#name, #contract, offsetof(i8x_kernels, name), sizeof(((i8x_kernels *)NULL)->name)},
#include "core/kernels/kernels.def"
#undef KERNEL
#undef UNIT
};
enum { KERNELS = sizeof kernels / sizeof kernels[0], TESTS_MAX = 128 };

typedef struct options {
    bool self_test, bench, list, json, brief;
    const char *filter;
    uint64_t seed;
    int repeat;
    i8x_cpu_level level;
} options;

static const test *tests[TESTS_MAX];
static size_t test_count;

static void add_tests(const test *from, size_t count)
{
    for (size_t i = 0; i < count && test_count < TESTS_MAX; ++i)
        tests[test_count++] = &from[i];
}

static const test *find_test(const char *name)
{
    for (size_t i = 0; i < test_count; ++i)
        if (strcmp(tests[i]->name, name) == 0)
            return tests[i];
    return NULL;
}

static void report(const options *o, const tester *t, const kernel_row *row, i8x_cpu_level level,
                   bool passed)
{
    static bool started;
    const char *name = i8x_cpu_level_name(level);
    if (o->json)
        printf("%s\n  {\"kernel\": \"%s\", \"contract\": \"%s\", \"level\": \"%s\", \"passed\": "
               "%s, \"message\": \"%s\"}",
               started ? "," : "[", row->name, row->contract, name, passed ? "true" : "false",
               passed ? "" : t->message);
    else if (passed)
        printf("ok    %-20s %-9s %s\n", row->name, row->contract, name);
    else
        printf("FAIL  %-20s %-9s %s: %s\n", row->name, row->contract, name, t->message);
    started = true;
}

static bool run_row(tester *t, const options *o, const kernel_row *row, const i8x_kernels *scalar,
                    const i8x_kernels *level)
{
    const test *what = find_test(row->name);
    t->failed = false;
    if (!what)
        return fail(t, "no test in tests/kernels");
    if (strcmp(what->contract, row->contract) != 0)
        return fail(t, "kernels.def says %s, the test %s", row->contract, what->contract);
    t->rng = o->seed; /* every kernel and level sees the same inputs */
    return run_test(t, what, scalar, level, o->repeat);
}

static int run_all(tester *t, const options *o)
{
    i8x_kernels scalar, below;
    int passed = 0, failed = 0;
    i8x_kernels_init(&scalar, I8X_CPU_SCALAR);
    memset(&below, 0, sizeof below);
    for (int l = I8X_CPU_SCALAR; l < I8X_CPU_LEVEL_COUNT && l <= (int)o->level; ++l) {
        i8x_kernels level;
        i8x_kernels_init(&level, (i8x_cpu_level)l);
        if ((int)level.level != l)
            continue; /* not built, or not on this processor */
        for (size_t i = 0; i < KERNELS; ++i) {
            const uint8_t *now = (const uint8_t *)&level, *before = (const uint8_t *)&below;
            if (o->filter && !strstr(kernels[i].name, o->filter))
                continue;
            if (memcmp(now + kernels[i].offset, before + kernels[i].offset, kernels[i].size) == 0)
                continue;
            bool ok = run_row(t, o, &kernels[i], &scalar, &level);
            report(o, t, &kernels[i], level.level, ok);
            passed += ok;
            failed += !ok;
        }
        below = level;
    }
    if (!o->filter && !o->json) {
        int facts = 0, broken = check_facts(&facts);
        printf("facts: %d\n", facts);
        passed += facts;
        failed += broken;
    }
    if (o->json)
        printf("%s\n", passed + failed ? "\n]" : "[]");
    else
        printf("%llu cases, %llu of them flushed and flagged\n%d passed, %d failed\n",
               (unsigned long long)t->cases, (unsigned long long)t->flushed_cases, passed, failed);
    return failed || !passed;
}

static void list(void)
{
    for (size_t i = 0; i < KERNELS; ++i)
        printf("%-20s %-9s %s\n", kernels[i].name, kernels[i].contract,
               find_test(kernels[i].name) ? "" : "NO TEST");
    printf("level of this processor: %s\n", i8x_cpu_level_name(i8x_cpu_detect()));
}

static int usage(void)
{
    fprintf(stderr, "usage: kernel_tester [--level NAME] [--filter TEXT] [--seed N] [--repeat N] "
                    "[--brief] [--json]\n"
                    "       kernel_tester --self-test | --list | --bench [--level NAME] [--filter "
                    "TEXT] [--json]\n");
    return 2;
}

static bool parse(int argc, char **argv, options *o)
{
    for (int i = 1; i < argc; ++i) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--self-test") == 0)
            o->self_test = true;
        else if (strcmp(argv[i], "--bench") == 0)
            o->bench = true;
        else if (strcmp(argv[i], "--list") == 0)
            o->list = true;
        else if (strcmp(argv[i], "--json") == 0)
            o->json = true;
        else if (strcmp(argv[i], "--brief") == 0)
            o->brief = true;
        else if (!value)
            return false;
        else if (strcmp(argv[i], "--filter") == 0)
            o->filter = argv[++i];
        else if (strcmp(argv[i], "--seed") == 0)
            o->seed = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--repeat") == 0)
            o->repeat = atoi(argv[++i]);
        else if (strcmp(argv[i], "--level") != 0 ||
                 i8x_cpu_level_parse(argv[++i], &o->level) != I8X_OK)
            return false;
    }
    return o->repeat > 0;
}

int main(int argc, char **argv)
{
    static tester t;
    options o = {.seed = 20240229, .repeat = 1, .level = i8x_cpu_detect()};
    if (!parse(argc, argv, &o))
        return usage();
    add_tests(eltwise_tests, eltwise_test_count);
    add_tests(fir_tests, fir_test_count);
    add_tests(gemm_tests, gemm_test_count);
    add_tests(poly_tests, poly_test_count);
    add_tests(quantize_tests, quantize_test_count);
    add_tests(reduce_tests, reduce_test_count);
    if (o.list) {
        list();
        return 0;
    }
    if (o.bench) {
        bench_run(tests, test_count, o.filter, o.level, o.json);
        return 0;
    }
    if (!harness_init(&t, o.seed))
        return 2;
    int status;
    t.brief = o.brief;
    if (o.self_test) {
        int caught = 0, missed = self_test(&t, tests, test_count, &caught);
        printf("%d passed, %d failed\n", caught, missed);
        status = missed != 0;
    } else {
        if (!o.json)
            printf("seed %llu\n", (unsigned long long)o.seed);
        status = run_all(&t, &o);
    }
    harness_deinit(&t);
    return status;
}
