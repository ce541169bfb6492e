/* SPDX-License-Identifier: Apache-2.0
 *
 * Alignment, limits, overflow and the walk over every failing allocation: on a 1 GB board these
 * paths are taken for real.
 */
#include <stdint.h>
#include <string.h>

#include "core/base/checked.h"
#include "int8x/alloc.h"
#include "tests/support/failing_alloc.h"
#include "tests/support/suite.h"

static int aligned(const void *block)
{
    return ((uintptr_t)block & (I8X_ALIGNMENT - 1)) == 0;
}

START_TEST(heap_blocks_are_aligned_zeroed_and_resized_with_their_content)
{
    const i8x_alloc *heap = i8x_alloc_heap();
    for (size_t size = 0; size < 300; size += 7) {
        uint8_t *block = i8x_alloc_array(heap, size, 1);
        ck_assert_ok(i8x_alloc_check(block));
        ck_assert(aligned(block));
        for (size_t i = 0; i < size; i++) {
            ck_require(block[i] == 0, "byte %zu", i);
            block[i] = (uint8_t)i;
        }
        block = i8x_alloc_resize(heap, block, size, 2 * size + 1);
        ck_assert(aligned(block));
        for (size_t i = 0; i < size; i++)
            ck_require(block[i] == (uint8_t)i, "byte %zu", i);
        block = i8x_alloc_resize(heap, block, 2 * size + 1, size / 2);
        for (size_t i = 0; i < size / 2; i++)
            ck_require(block[i] == (uint8_t)i, "byte %zu", i);
        i8x_alloc_free(heap, block, size / 2);
    }
    i8x_alloc_free(heap, NULL, 0);
}
END_TEST

START_TEST(impossible_sizes_are_statuses)
{
    const i8x_alloc *heap = i8x_alloc_heap();
    ck_assert_ptr_null(i8x_alloc_array(heap, SIZE_MAX / 2, 3));
    ck_assert_status(i8x_alloc_check(NULL), I8X_ELIMIT);
    ck_assert_ptr_null(i8x_alloc_array(heap, SIZE_MAX, 1)); /* rounding up would overflow */
    ck_assert_status(i8x_alloc_check(NULL), I8X_ENOMEM);
    int kept = 5;
    ck_assert_ptr_null(i8x_alloc_resize(heap, NULL, 0, SIZE_MAX));
    ck_assert_status(i8x_alloc_check(NULL), I8X_ENOMEM);
    ck_assert_ok(i8x_alloc_check(&kept));
}
END_TEST

START_TEST(arena_blocks_are_aligned_apart_and_zeroed_where_promised)
{
    i8x_arena *arena;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    uint8_t *blocks[200];
    for (size_t i = 0; i < 200; i++) {
        const size_t size = i * i;
        blocks[i] = i8x_arena_array(arena, size, 1);
        ck_assert_ptr_nonnull(blocks[i]);
        ck_assert(aligned(blocks[i]));
        for (size_t k = 0; k < size; k++)
            ck_require(blocks[i][k] == 0, "byte %zu", k);
        memset(blocks[i], (int)i, size);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < i * i; k++)
            ck_require(blocks[i][k] == (uint8_t)i, "byte %zu", k);
    ck_assert_str_eq(i8x_arena_format(arena, "%s-%d", "layer", 12), "layer-12");
    ck_assert_str_eq(i8x_arena_string(arena, NULL), "");
    ck_assert_str_eq(i8x_arena_string(arena, "abc"), "abc");
    ck_assert_mem_eq(i8x_arena_copy(arena, "\1\2\3", 3), "\1\2\3", 3);
    ck_assert_ptr_nonnull(i8x_arena_copy(arena, NULL, 0));
    ck_assert_uint_ge(i8x_arena_peak_bytes(arena), i8x_arena_size_bytes(arena));
    i8x_arena_free(arena);
    i8x_arena_free(NULL);
}
END_TEST

START_TEST(arena_limit_is_a_status_and_holds_exactly)
{
    i8x_arena *arena;
    ck_assert_ok(i8x_arena_new(NULL, 100000, &arena));
    size_t given = 0;
    while (i8x_arena_alloc(arena, 640) != NULL)
        given += 640;
    ck_assert_status(i8x_alloc_check(NULL), I8X_ELIMIT);
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "100000"));
    ck_assert_uint_le(i8x_arena_peak_bytes(arena), 100000);
    ck_assert_uint_gt(given, 90000); /* the limit is used up, not only approached */
    ck_assert_ptr_null(i8x_arena_array(arena, SIZE_MAX / 4, 8));
    ck_assert_status(i8x_alloc_check(NULL), I8X_ELIMIT);
    ck_assert_ptr_null(i8x_arena_alloc(arena, SIZE_MAX - 10));
    ck_assert_status(i8x_alloc_check(NULL), I8X_ELIMIT);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(one_block_as_large_as_the_limit_allows_is_given)
{
    i8x_arena *arena;
    ck_assert_ok(i8x_arena_new(NULL, 1 << 20, &arena));
    ck_assert_ptr_nonnull(i8x_arena_alloc(arena, (1 << 20) - I8X_ALIGNMENT));
    ck_assert_ptr_null(i8x_arena_alloc(arena, 1));
    i8x_arena_free(arena);
}
END_TEST

START_TEST(rewind_gives_chunks_back_and_keeps_what_is_older)
{
    i8x_failing_alloc failing;
    i8x_failing_alloc_init(&failing, -1);
    i8x_arena *arena;
    ck_assert_ok(i8x_arena_new(&failing.alloc, 0, &arena));
    const i8x_arena_mark empty = i8x_arena_mark_get(arena);
    char *kept = i8x_arena_string(arena, "kept");
    const i8x_arena_mark mark = i8x_arena_mark_get(arena);
    const size_t before = i8x_arena_size_bytes(arena);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 50; i++)
            ck_assert_ptr_nonnull(i8x_arena_alloc(arena, 5000));
        ck_assert_uint_gt(i8x_arena_size_bytes(arena), 250000);
        i8x_arena_rewind(arena, mark);
        ck_assert_uint_eq(i8x_arena_size_bytes(arena), before);
        ck_assert_str_eq(kept, "kept");
    }
    ck_assert_uint_gt(i8x_arena_peak_bytes(arena), 250000);
    i8x_arena_rewind(arena, empty);
    const int calls = failing.calls;
    ck_assert_ptr_eq(i8x_arena_string(arena, "new"), kept); /* the first chunk is used again */
    ck_assert_int_eq(failing.calls, calls);
    i8x_arena_free(arena);
    ck_assert_int_eq(failing.live_blocks, 0);
    ck_assert_uint_eq(failing.live_bytes, 0);
}
END_TEST

static i8x_status use_arena(const i8x_alloc *alloc)
{
    i8x_arena *arena;
    I8X_TRY(i8x_arena_new(alloc, 0, &arena));
    i8x_status status = I8X_OK;
    for (int i = 0; i < 6 && status == I8X_OK; i++)
        status = i8x_alloc_check(i8x_arena_alloc(arena, 20000));
    i8x_arena_free(arena);
    return status;
}

START_TEST(every_failing_allocation_is_a_status_and_leaks_nothing)
{
    int failures = 0;
    for (int n = 0;; n++) {
        i8x_failing_alloc failing;
        i8x_failing_alloc_init(&failing, n);
        const i8x_status status = use_arena(&failing.alloc);
        ck_assert_int_eq(failing.live_blocks, 0);
        if (status == I8X_OK)
            break;
        ck_assert_status(status, I8X_ENOMEM);
        failures++;
    }
    ck_assert_int_ge(failures, 3);
}
END_TEST

START_TEST(checked_arithmetic_refuses_exactly_what_overflows)
{
    size_t size = 7;
    ck_assert(i8x_mul_size(SIZE_MAX / 2, 2, &size) && size == SIZE_MAX - 1);
    ck_assert(!i8x_mul_size(SIZE_MAX / 2 + 1, 2, &size) && size == SIZE_MAX - 1);
    ck_assert(i8x_add_size(SIZE_MAX, 0, &size) && size == SIZE_MAX);
    ck_assert(!i8x_add_size(SIZE_MAX, 1, &size));
    int64_t wide = 7;
    ck_assert(i8x_mul_s64(INT64_MIN, 1, &wide) && wide == INT64_MIN);
    ck_assert(!i8x_mul_s64(INT64_MIN, -1, &wide) && wide == INT64_MIN);
    ck_assert(i8x_add_s64(INT64_MAX, -1, &wide) && wide == INT64_MAX - 1);
    ck_assert(!i8x_add_s64(INT64_MAX, 1, &wide));
    ck_assert(!i8x_sub_s64(INT64_MIN, 1, &wide));
    ck_assert(i8x_sub_s64(INT64_MIN, -1, &wide) && wide == INT64_MIN + 1);
    ck_assert(!i8x_size_from_s64(-1, &size));
    ck_assert(i8x_size_from_s64(12, &size) && size == 12);
    ck_assert(i8x_size_from_u64(SIZE_MAX, &size) && size == SIZE_MAX);
    ck_assert(i8x_size_from_u64(UINT64_MAX, &size) == (sizeof(size_t) == 8));
    ck_assert(i8x_align_size(65, 64, &size) && size == 128);
    ck_assert(i8x_align_size(128, 64, &size) && size == 128);
    ck_assert(!i8x_align_size(SIZE_MAX - 62, 64, &size) && size == 128);
}
END_TEST

Suite *check_alloc_suite(void)
{
    const TTest *tests[] = {
        heap_blocks_are_aligned_zeroed_and_resized_with_their_content,
        impossible_sizes_are_statuses,
        arena_blocks_are_aligned_apart_and_zeroed_where_promised,
        arena_limit_is_a_status_and_holds_exactly,
        one_block_as_large_as_the_limit_allows_is_given,
        rewind_gives_chunks_back_and_keeps_what_is_older,
        every_failing_allocation_is_a_status_and_leaks_nothing,
        checked_arithmetic_refuses_exactly_what_overflows,
    };
    return i8x_suite("alloc", tests, sizeof tests / sizeof tests[0]);
}
