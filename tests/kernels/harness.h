/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel tester, shared part: seeded inputs, buffers between guard pages, guarded calls and
 * comparison.
 *
 * A test of a kernel is a function that draws inputs, calls the reference table and the table under
 * test on the same bytes, and compares. It runs for each length and each placement of the buffers;
 * harness.c turns a fault, a spoiled register or a byte outside the output into a failure of the
 * case.
 */
#ifndef TESTS_KERNELS_HARNESS_H
#define TESTS_KERNELS_HARNESS_H

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/kernels/kernels.h"

#define CALL_INTS 14
#define CALL_SAVED 24

/* One call through the trampoline; the assembly files know these offsets. Integers are widened to
 * 64 bit; every kernel takes its integers and pointers in order and at most four floats. */
typedef struct call {
    uint64_t fn;
    uint64_t ints[CALL_INTS];
    float fp[8];
    uint64_t int_result;
    float fp_result;
    uint32_t unused;
    uint64_t sp_before, sp_after, canary_bad;
    uint64_t before[CALL_SAVED], after[CALL_SAVED];
} call;

/* Kinds of float inputs. The last three are only for kernels whose contract speaks of them. */
typedef enum style {
    STYLE_NOISE,     /* about normal, scale 1 */
    STYLE_RELU,      /* noise with half zeros, some of them -0, in runs */
    STYLE_TIES,      /* multiples of 1/2 and 1/4 in code range */
    STYLE_EXTREMES,  /* alternating least and greatest finite numbers, runs of each */
    STYLE_WIDE,      /* any exponent, no denormals */
    STYLE_CODES,     /* integers -127..127 with runs of the extremes */
    STYLE_DENORMAL,  /* any exponent with many denormals */
    STYLE_ONE_BAD,   /* noise with one NaN or infinity at a random place */
    STYLE_NONFINITE, /* noise with many NaN and infinities */
    STYLE_COUNT
} style;

typedef enum placement { PLACE_END, PLACE_BEGIN, PLACE_ODD, PLACE_COUNT } placement;

#define BUFFERS 8

typedef struct buffer {
    uint8_t *map; /* guard page, bytes, guard page */
    size_t map_bytes, page_bytes, inner_bytes;
    uint8_t *data; /* where the current case placed it */
    size_t size_bytes;
    uint8_t *copy; /* an input's bytes, to see that they were not written */
    bool output;
} buffer;

typedef struct tester {
    const i8x_kernels *reference, *level;
    const char *row; /* "add_f32 avx2" */
    uint64_t rng;
    placement place;
    bool flushes; /* the level under test flushes denormals (ARMv7 NEON) */
    bool flushed; /* it did in the last call, and said so */
    uint64_t flushed_cases;
    buffer buffers[BUFFERS];
    int buffer_count;
    uint64_t cases;
    bool failed;
    bool brief; /* lengths above LENGTH_BRIEF with noise only (emulators) */
    bool quiet; /* the self-test expects failures */
    char message[256];
} tester;

uint64_t random_bits(tester *t);
/** Uniform in [0, limit). */
uint32_t random_below(tester *t, uint32_t limit);
/** Uniform in [lo, hi). */
float random_float(tester *t, float lo, float hi);

/** A buffer of size_bytes for the current case; its elements need align bytes. Contents as given by
 * from. */
void *place_input(tester *t, const void *from, size_t size_bytes, size_t align);
/** An output; filled with a pattern, or with from if that is not NULL (in-place and accumulating
 * kernels). */
void *place_output(tester *t, const void *from, size_t size_bytes, size_t align);
/** Forgets the buffers of the last case. */
void case_begin(tester *t);
/** Frames around outputs and bytes of inputs are as they were. */
bool case_end(tester *t);

/** Fills x with n floats of a style. */
void fill_f32(tester *t, float *x, size_t n, style kind);
void fill_bytes(tester *t, void *x, size_t n);

/** Records the first failure of the row. Always false. */
bool fail(tester *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Equal bits, or both NaN. */
bool same_f32(tester *t, const char *what, const float *expected, const float *got, size_t n);
bool same_f64(tester *t, const char *what, const double *expected, const double *got, size_t n);
bool same_bytes(tester *t, const char *what, const void *expected, const void *got, size_t n);

/** Calls fn with int_count integers and fp_count floats through the trampoline; false if the row
 * failed. */
bool guarded_call(tester *t, call *c, void (*fn)(void), int int_count, const uint64_t *ints,
                  int fp_count, const float *fp);

#define WORD(x) ((uint64_t)(uintptr_t)(x))
#define SIGNED(x) ((uint64_t)(int64_t)(x))
#define INTS(...)                                                                                  \
    (sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)), (const uint64_t[])                     \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define FLOATS(...)                                                                                \
    (sizeof((float[]){__VA_ARGS__}) / sizeof(float)), (const float[])                              \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define NO_FLOATS 0, NULL
#define FN(pointer) ((void (*)(void))(pointer))

bool harness_init(tester *t, uint64_t seed);
void harness_deinit(tester *t);

/* Lengths that every kernel sees: all of 0..2 * 64 + 1 (the widest vector holds 64 codes), then the
 * neighbourhood of each block size that a kernel uses. */
extern const size_t lengths[];
extern const size_t length_count;
#define LENGTH_MAX 3100
#define LENGTH_BRIEF 65

typedef bool (*test_fn)(tester *t, size_t n, style kind);

typedef struct bench {
    const char *label; /* size of the case */
    void (*run)(const i8x_kernels *k, void *state);
    void (*setup)(const i8x_kernels *k, void *state);
    double work;      /* units per call */
    const char *unit; /* "GFLOP/s", "GB/s", "Gvalue/s" */
    bool best_only;   /* setup depends on the level (packing) */
} bench;

typedef struct test {
    const char *name;
    const char *contract;
    test_fn run;
    unsigned styles; /* bit per style */
    const bench *benches;
    size_t bench_count;
} test;

#define STYLES_FINITE                                                                              \
    (1u << STYLE_NOISE | 1u << STYLE_RELU | 1u << STYLE_TIES | 1u << STYLE_EXTREMES |              \
     1u << STYLE_WIDE | 1u << STYLE_CODES | 1u << STYLE_DENORMAL)
#define STYLES_ALL (STYLES_FINITE | 1u << STYLE_ONE_BAD | 1u << STYLE_NONFINITE)
/* sums and products that must stay finite */
#define STYLES_TAME (1u << STYLE_NOISE | 1u << STYLE_RELU | 1u << STYLE_TIES | 1u << STYLE_CODES)
#define STYLES_ONE (1u << STYLE_NOISE)

extern const test eltwise_tests[], fir_tests[], gemm_tests[], poly_tests[], quantize_tests[],
    reduce_tests[];
extern const size_t eltwise_test_count, fir_test_count, gemm_test_count, poly_test_count,
    quantize_test_count, reduce_test_count;

/** Runs one test against one pair of tables; returns true if all cases passed. */
bool run_test(tester *t, const test *what, const i8x_kernels *reference, const i8x_kernels *level,
              int repeat);
/** The planted faults; returns the number that were not caught. */
int self_test(tester *t, const test *const *all, size_t count, int *caught);
/** Known answers of the scalar level; returns failures. */
int check_facts(int *passed);

void bench_run(const test *const *all, size_t count, const char *filter, i8x_cpu_level level,
               bool json);

#endif
