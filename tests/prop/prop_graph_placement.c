/* SPDX-License-Identifier: Apache-2.0
 *
 * Placement: values that are alive at the same time never share a byte, offsets are aligned, and
 * the block is no larger than the sum of all.
 */
#include "core/graph/placement.h"
#include "tests/prop/prop.h"
#include "tests/support/suite.h"

static size_t aligned(size_t size)
{
    return (size + I8X_ALIGNMENT - 1) / I8X_ALIGNMENT * I8X_ALIGNMENT;
}

static bool live_values_never_overlap(prop_case *c)
{
    int count = (int)prop_below(c, c->size + 1), steps = 1 + (int)prop_below(c, c->size + 1);
    i8x_placement_item *items = i8x_arena_array(c->arena, (size_t)count, sizeof *items);
    size_t total, sum = 0;
    for (int i = 0; i < count; i++) {
        items[i].first = (int)prop_below(c, (uint64_t)steps);
        items[i].last = items[i].first + (int)prop_below(c, (uint64_t)steps);
        items[i].size_bytes = prop_below(c, 4) == 0 ? 0 : (size_t)prop_below(c, 5000);
        sum += aligned(items[i].size_bytes);
    }
    PROP_CHECK(c, i8x_placement_solve(items, count, c->arena, &total) == I8X_OK, "refused");
    PROP_CHECK(c, total <= sum, "%zu bytes for %zu", total, sum);
    for (int i = 0; i < count; i++) {
        const i8x_placement_item *a = &items[i];
        PROP_CHECK(c, a->offset % I8X_ALIGNMENT == 0, "item %d at %zu", i, a->offset);
        PROP_CHECK(c, a->offset + a->size_bytes <= total, "item %d ends behind the block", i);
        for (int k = 0; k < i; k++) {
            const i8x_placement_item *b = &items[k];
            bool together =
                a->first <= b->last && b->first <= a->last && a->size_bytes && b->size_bytes;
            bool apart =
                a->offset + a->size_bytes <= b->offset || b->offset + b->size_bytes <= a->offset;
            PROP_CHECK(c, !together || apart, "items %d and %d overlap", k, i);
        }
    }
    return true;
}

START_TEST(placement_never_overlaps_live_values)
{
    prop_run("live_values_never_overlap", live_values_never_overlap, 400, 60);
}
END_TEST

Suite *prop_graph_placement_suite(void)
{
    const TTest *tests[] = {placement_never_overlaps_live_values};
    return i8x_suite("prop_graph_placement", tests, sizeof tests / sizeof tests[0]);
}
