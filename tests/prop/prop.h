/* SPDX-License-Identifier: Apache-2.0
 *
 * Prop: laws that must hold for all inputs, tried on seeded random cases, small ones first; a
 * failing case is shrunk by size and told with what repeats it.
 *
 *     static bool pack_is_undone(prop_case *c)
 *     {
 *         size_t count = prop_below(c, c->size + 1);          // c->size bounds what the case makes
 *         ...
 *         PROP_CHECK(c, x == y, "element %zu: %d is not %d", i, x, y);
 *         return true;
 *     }
 *     START_TEST(pack_and_unpack) { prop_run("pack_is_undone", pack_is_undone, 500, 64); } END_TEST
 *
 * A file tests/prop/prop_<law>.c defines Suite *prop_<law>_suite(void), as in
 * tests/support/suite.h, and is found by itself. INT8X_PROP_SEED=hex repeats one seed,
 * INT8X_PROP_CASES=n changes the number.
 */
#ifndef I8X_TESTS_PROP_H
#define I8X_TESTS_PROP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "int8x/alloc.h"
#include "int8x/status.h"

#define PROP_MESSAGE_SIZE 256

typedef struct prop_case {
    uint64_t seed;
    uint64_t index;   /* random numbers drawn so far */
    size_t size;      /* 0 .. size_max of prop_run: the case keeps its lengths and values near it */
    i8x_arena *arena; /* emptied after each case */
    char message[PROP_MESSAGE_SIZE];
} prop_case;

/* True if the law holds; false after PROP_CHECK has written the message. */
typedef bool (*prop_fn)(prop_case *c);

/** Tries law on cases sizes 0..size_max; fails the running Check test with seed, size and message.
 */
void prop_run(const char *name, prop_fn law, int cases, size_t size_max);

/** The next 64 random bits. */
uint64_t prop_u64(prop_case *c);
/** 0 .. count-1; 0 if count is 0. */
size_t prop_below(prop_case *c, size_t count);
/** low .. high, both inclusive; ends are drawn more often than chance would. */
int64_t prop_range(prop_case *c, int64_t low, int64_t high);
bool prop_bool(prop_case *c);
/** A finite float: zeros, small integers, denormals, huge and ordinary numbers mixed. */
float prop_f32(prop_case *c);
/** Uniform float in [low, high]. */
float prop_uniform(prop_case *c, float low, float high);
/** count * size_bytes zeroed bytes in the case's arena; never NULL. */
void *prop_array(prop_case *c, size_t count, size_t size_bytes);
/** Writes the message and returns false; use PROP_CHECK. */
bool prop_fail(prop_case *c, const char *format, ...) I8X_PRINTF(2, 3);

#define PROP_CHECK(c, condition, ...)                                                              \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return prop_fail((c), __VA_ARGS__);                                                    \
    } while (0)
/* The call succeeds, or the law fails with its sentence. */
#define PROP_OK(c, call)                                                                           \
    do {                                                                                           \
        if ((call) != I8X_OK)                                                                      \
            return prop_fail((c), "%s: %s", #call, i8x_last_error()->detail);                      \
    } while (0)

#endif
