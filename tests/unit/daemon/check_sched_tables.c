/* SPDX-License-Identifier: Apache-2.0
 *
 * The scheduler's tables against plain models on seeded random histories: rows and lists, the heap
 * whose rows know their place, the lookup by hash.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sched/heap.h"
#include "daemon/sched/lookup.h"
#include "daemon/sched/rows.h"
#include "tests/support/suite.h"

#define ROWS 600 /* more than two chunks */
#define STEPS 20000

typedef struct thing {
    uint32_t number; /* overwritten while the place is free */
    i8x_list_link link;
    uint32_t place;
    uint64_t key;
} thing;

START_TEST(rows_keep_address_and_content_and_places_are_used_again)
{
    i8x_rows rows;
    i8x_rows_init(&rows, sizeof(thing));
    thing *address[ROWS + 1] = {0};
    for (uint32_t i = 1; i <= ROWS; i++) {
        uint32_t row = i8x_rows_take(&rows);
        ck_require(row == i, "row %u, should be %u", row, i);
        address[row] = i8x_rows_at(&rows, row);
        address[row]->number = row;
    }
    i8x_rows_give(&rows, 7);
    i8x_rows_give(&rows, 300);
    for (uint32_t i = 1; i <= ROWS; i++) {
        ck_require(i8x_rows_at(&rows, i) == address[i], "row %u moved", i);
        ck_require(i == 7 || i == 300 || address[i]->number == i, "row %u changed", i);
    }
    ck_assert_uint_eq(i8x_rows_take(&rows), 300);
    ck_assert_uint_eq(i8x_rows_take(&rows), 7);
    ck_assert_uint_eq(address[7]->number, 0);
    ck_assert_uint_eq(i8x_rows_take(&rows), ROWS + 1);
    i8x_rows_deinit(&rows);
}
END_TEST

START_TEST(a_list_keeps_its_order_when_the_middle_leaves)
{
    i8x_rows rows;
    i8x_rows_init(&rows, sizeof(thing));
    i8x_list list = {0};
    for (int i = 0; i < 5; i++)
        i8x_list_append(&list, &rows, offsetof(thing, link), i8x_rows_take(&rows));
    static const uint32_t leave[] = {3, 1, 5};
    for (int i = 0; i < 3; i++)
        i8x_list_remove(&list, &rows, offsetof(thing, link), leave[i]);
    ck_assert_uint_eq(list.count, 2);
    ck_assert_uint_eq(list.first, 2);
    ck_assert_uint_eq(((thing *)i8x_rows_at(&rows, 2))->link.next, 4);
    ck_assert_uint_eq(((thing *)i8x_rows_at(&rows, 4))->link.previous, 2);
    ck_assert_uint_eq(list.last, 4);
    i8x_list_append(&list, &rows, offsetof(thing, link), 1);
    ck_assert_uint_eq(list.last, 1);
    i8x_rows_deinit(&rows);
}
END_TEST

/* Every entry stands where its row says, and no entry before its parent. */
static void check_heap(const i8x_heap *heap, const i8x_rows *rows)
{
    for (size_t i = 0; i < heap->count; i++) {
        const thing *t = i8x_rows_at(rows, heap->entries[i].row);
        ck_require(t->place == i + 1 && t->key == heap->entries[i].key, "place of entry %zu", i);
        ck_require(i == 0 || heap->entries[(i - 1) / 2].key <= heap->entries[i].key, "order");
    }
}

START_TEST(a_heap_gives_the_lowest_whatever_is_moved_or_taken_out)
{
    i8x_rows rows;
    i8x_heap heap;
    i8x_rows_init(&rows, sizeof(thing));
    i8x_heap_init(&heap, &rows, offsetof(thing, place));
    ck_assert_uint_eq(i8x_heap_top(&heap), 0);
    ck_assert_uint_eq(i8x_heap_top_key(&heap), UINT64_MAX);
    for (int i = 0; i < ROWS; i++)
        i8x_rows_take(&rows);
    unsigned seed = 1;
    for (int i = 0; i < STEPS; i++) {
        uint32_t row = 1 + (uint32_t)rand_r(&seed) % ROWS;
        thing *t = i8x_rows_at(&rows, row);
        if (rand_r(&seed) % 3 != 0) {
            t->key = (uint64_t)(rand_r(&seed) % 1000);
            i8x_heap_set(&heap, row, t->key);
        } else {
            i8x_heap_remove(&heap, row);
            ck_require(t->place == 0, "row %u keeps its place", row);
        }
        if (i % 100 == 0)
            check_heap(&heap, &rows);
    }
    uint64_t last = 0;
    size_t count = heap.count;
    ck_assert_uint_gt(count, 0);
    for (; count > 0; count--) {
        ck_require(i8x_heap_top_key(&heap) >= last, "order");
        last = i8x_heap_top_key(&heap);
        i8x_heap_remove(&heap, i8x_heap_top(&heap));
        ck_require(heap.count == count - 1, "count");
    }
    i8x_heap_deinit(&heap);
    i8x_rows_deinit(&rows);
}
END_TEST

START_TEST(equal_keys_come_in_the_order_of_their_rows)
{
    i8x_rows rows;
    i8x_heap heap;
    i8x_rows_init(&rows, sizeof(thing));
    i8x_heap_init(&heap, &rows, offsetof(thing, place));
    for (int i = 0; i < 20; i++)
        i8x_rows_take(&rows);
    for (uint32_t row = 20; row > 0; row--)
        i8x_heap_set(&heap, row, 5);
    for (uint32_t row = 1; row <= 20; row++) {
        ck_assert_uint_eq(i8x_heap_top(&heap), row);
        i8x_heap_remove(&heap, row);
    }
    i8x_heap_deinit(&heap);
    i8x_rows_deinit(&rows);
}
END_TEST

static bool found(const i8x_lookup *lookup, uint32_t hash, uint32_t row)
{
    size_t at = i8x_lookup_start(lookup, hash);
    for (uint32_t next; (next = i8x_lookup_next(lookup, hash, &at)) != 0;)
        if (next == row)
            return true;
    return false;
}

/* Few hashes, so that they meet; some of them at the end of the table, so that it wraps. */
static uint32_t hash_of(uint32_t row)
{
    return row % 3 == 0 ? UINT32_MAX - row % 2 : row % 40;
}

START_TEST(a_lookup_finds_what_is_in_and_nothing_else)
{
    i8x_lookup lookup = {0};
    bool in[ROWS] = {0};
    unsigned seed = 3;
    ck_assert(!found(&lookup, 1, 1));
    for (int i = 0; i < STEPS; i++) {
        uint32_t row = 1 + (uint32_t)rand_r(&seed) % (ROWS - 1);
        if (in[row])
            i8x_lookup_remove(&lookup, hash_of(row), row);
        else
            i8x_lookup_put(&lookup, hash_of(row), row);
        in[row] = !in[row];
        if (i % 500 != 0)
            continue;
        size_t count = 0;
        for (uint32_t k = 1; k < ROWS; k++) {
            ck_require(found(&lookup, hash_of(k), k) == in[k], "row %u", k);
            count += in[k];
        }
        ck_require(count == lookup.count, "%zu rows, should be %zu", lookup.count, count);
    }
    i8x_lookup_deinit(&lookup);
}
END_TEST

Suite *check_sched_tables_suite(void)
{
    const TTest *tests[] = {rows_keep_address_and_content_and_places_are_used_again,
                            a_list_keeps_its_order_when_the_middle_leaves,
                            a_heap_gives_the_lowest_whatever_is_moved_or_taken_out,
                            equal_keys_come_in_the_order_of_their_rows,
                            a_lookup_finds_what_is_in_and_nothing_else};
    return i8x_suite("sched_tables", tests, sizeof tests / sizeof tests[0]);
}
