/* SPDX-License-Identifier: Apache-2.0
 *
 * The property harness. Shrinking: the seed that failed is run again at every smaller size, and the
 * smallest size that still fails is told; cases draw fewer and smaller values at smaller sizes, so
 * that this is usually a handful of elements.
 */
#include "tests/prop/prop.h"

#include <check.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/rng.h"

#define SEED_BASE UINT64_C(0x1d872b41b3c5a5f7)

bool prop_fail(prop_case *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->message, sizeof c->message, format, args);
    va_end(args);
    return false;
}

uint64_t prop_u64(prop_case *c)
{
    return i8x_rng_u64(c->seed, c->index++);
}

size_t prop_below(prop_case *c, size_t count)
{
    return count == 0 ? 0 : (size_t)(prop_u64(c) % count);
}

int64_t prop_range(prop_case *c, int64_t low, int64_t high)
{
    const uint64_t draw = prop_u64(c), span = (uint64_t)high - (uint64_t)low;
    if (draw % 16 == 0)
        return low;
    if (draw % 16 == 1)
        return high;
    const uint64_t offset = span == UINT64_MAX ? prop_u64(c) : prop_u64(c) % (span + 1);
    return (int64_t)((uint64_t)low + offset);
}

bool prop_bool(prop_case *c)
{
    return (prop_u64(c) & 1) != 0;
}

float prop_uniform(prop_case *c, float low, float high)
{
    return i8x_rng_range_f32(c->seed, c->index++, low, high);
}

float prop_f32(prop_case *c)
{
    const uint64_t draw = prop_u64(c);
    const float sign = draw & 1 ? -1.0f : 1.0f;
    switch (draw >> 1 & 7) {
    case 0:
        return sign * 0.0f;
    case 1:
        return sign * (float)(draw >> 8 & 255);
    case 2:
        return sign * 0x1p-149f * (float)(draw >> 8 & 0x7fffff); /* denormal */
    case 3:
        return sign * 0x1p100f * prop_uniform(c, 1.0f, 0x1p27f);
    case 4:
        return sign * 0x1p-100f * prop_uniform(c, 0.5f, 1.0f);
    default:
        return sign * prop_uniform(c, 0.0f, (float)(c->size + 1));
    }
}

void *prop_array(prop_case *c, size_t count, size_t size_bytes)
{
    void *block = i8x_arena_array(c->arena, count, size_bytes);
    I8X_ASSERT(block != NULL);
    return block;
}

static bool holds(prop_fn law, uint64_t seed, size_t size, prop_case *c)
{
    const i8x_arena_mark mark = i8x_arena_mark_get(c->arena);
    *c = (prop_case){.seed = seed, .size = size, .arena = c->arena};
    const bool result = law(c);
    i8x_arena_rewind(c->arena, mark);
    return result;
}

void prop_run(const char *name, prop_fn law, int cases, size_t size_max)
{
    const char *given = getenv("INT8X_PROP_SEED"), *number = getenv("INT8X_PROP_CASES");
    prop_case c = {.arena = NULL};
    ck_assert_int_eq(i8x_arena_new(NULL, 0, &c.arena), I8X_OK);
    if (number != NULL && atoi(number) > 0)
        cases = atoi(number);
    for (int i = 0; i < cases; i++) {
        const uint64_t seed =
            given != NULL ? strtoull(given, NULL, 16) : i8x_rng_stream(SEED_BASE, (uint64_t)i);
        size_t size = cases > 1 ? size_max * (size_t)i / (size_t)(cases - 1) : size_max;
        if (holds(law, seed, size, &c))
            continue;
        for (size_t smaller = 0; smaller < size; smaller++)
            if (!holds(law, seed, smaller, &c)) {
                size = smaller;
                break;
            }
        (void)holds(law, seed, size, &c); /* for its message */
        ck_abort_msg("%s is broken: %s (size %zu; INT8X_PROP_SEED=%" PRIx64 ")", name, c.message,
                     size, seed);
    }
    i8x_arena_free(c.arena);
}
