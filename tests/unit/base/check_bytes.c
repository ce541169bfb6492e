/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader meets bytes from outside: every short read must be a status with the offset, and
 * nothing behind the end may be touched (the buffers are exact heap blocks, so ASan and valgrind
 * see it).
 */
#include <string.h>

#include "core/base/bytes.h"
#include "tests/support/failing_alloc.h"
#include "tests/support/suite.h"

static void put_everything(i8x_writer *w)
{
    i8x_writer_put_u8(w, 0xfe);
    i8x_writer_put_u16(w, 0xfedc);
    i8x_writer_put_u32(w, 0xfedcba98u);
    i8x_writer_put_u64(w, UINT64_C(0xfedcba9876543210));
    i8x_writer_put_s8(w, -2);
    i8x_writer_put_s16(w, -300);
    i8x_writer_put_s32(w, INT32_MIN);
    i8x_writer_put_s64(w, INT64_MIN);
    i8x_writer_put_f32(w, -0.1f);
    i8x_writer_put_f64(w, 1e-300);
    i8x_writer_put_varint(w, 0);
    i8x_writer_put_varint(w, 300);
    i8x_writer_put_varint(w, UINT64_MAX);
    i8x_writer_put_block(w, "\0\1", 2);
    i8x_writer_put_string(w, "text");
    i8x_writer_put_bytes(w, "raw", 3);
}

static void get_everything(i8x_reader *r, i8x_arena *arena)
{
    ck_assert_uint_eq(i8x_reader_u8(r), 0xfe);
    ck_assert_uint_eq(i8x_reader_u16(r), 0xfedc);
    ck_assert_uint_eq(i8x_reader_u32(r), 0xfedcba98u);
    ck_assert_uint_eq(i8x_reader_u64(r), UINT64_C(0xfedcba9876543210));
    ck_assert_int_eq(i8x_reader_s8(r), -2);
    ck_assert_int_eq(i8x_reader_s16(r), -300);
    ck_assert_int_eq(i8x_reader_s32(r), INT32_MIN);
    ck_assert_int_eq(i8x_reader_s64(r), INT64_MIN);
    ck_assert_float_eq(i8x_reader_f32(r), -0.1f);
    ck_assert_double_eq(i8x_reader_f64(r), 1e-300);
    ck_assert_uint_eq(i8x_reader_varint(r), 0);
    ck_assert_uint_eq(i8x_reader_varint(r), 300);
    ck_assert_uint_eq(i8x_reader_varint(r), UINT64_MAX);
    size_t size;
    const uint8_t *block = i8x_reader_block(r, 2, &size);
    ck_assert_uint_eq(size, 2);
    ck_assert_mem_eq(block, "\0\1", 2);
    ck_assert_str_eq(i8x_reader_string(r, arena, 10), "text");
    ck_assert_mem_eq(i8x_reader_bytes(r, 3), "raw", 3);
    ck_assert_ok(i8x_reader_end(r));
}

START_TEST(what_is_written_is_read_and_numbers_are_little_endian)
{
    i8x_arena *arena;
    i8x_writer w;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_writer_init(&w, NULL, 0);
    put_everything(&w);
    ck_assert_ok(i8x_writer_status(&w));
    ck_assert_mem_eq(w.bytes, "\xfe\xdc\xfe\x98\xba\xdc\xfe\x10\x32", 9);
    i8x_reader r;
    i8x_reader_init(&r, w.bytes, w.size, "all");
    get_everything(&r, arena);
    i8x_writer_deinit(&w);
    i8x_arena_free(arena);
}
END_TEST

/* Reads the record of put_everything without looking at values. */
static i8x_status read_blindly(i8x_reader *r, i8x_arena *arena)
{
    size_t size;
    i8x_reader_skip(r, 1 + 2 + 4 + 8 + 1 + 2 + 4 + 8 + 4 + 8);
    i8x_reader_varint(r);
    i8x_reader_varint(r);
    i8x_reader_varint(r);
    i8x_reader_block(r, 100, &size);
    i8x_reader_string(r, arena, 100);
    i8x_reader_skip(r, 3);
    return i8x_reader_end(r);
}

START_TEST(every_truncation_is_a_format_error_with_its_place)
{
    i8x_arena *arena;
    i8x_writer w;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_writer_init(&w, NULL, 0);
    put_everything(&w);
    for (size_t size = 0; size <= w.size; size++) {
        uint8_t *exact = i8x_alloc_array(i8x_alloc_heap(), size, 1);
        memcpy(exact, w.bytes, size);
        i8x_reader r;
        i8x_reader_init(&r, exact, size, "record");
        ck_assert_status(read_blindly(&r, arena), size == w.size ? I8X_OK : I8X_EFORMAT);
        if (size < w.size) {
            ck_assert_ptr_eq(strstr(i8x_last_error()->detail, "record: "),
                             i8x_last_error()->detail);
            ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, " byte "));
        }
        i8x_alloc_free(i8x_alloc_heap(), exact, size);
    }
    i8x_writer_deinit(&w);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(after_a_failure_reads_give_zero_and_the_first_sentence_stays)
{
    i8x_reader r;
    size_t size = 9;
    i8x_reader_init(&r, "\xff\xff\xff", 3, "short");
    ck_assert_uint_eq(i8x_reader_u32(&r), 0);
    ck_assert(!i8x_reader_ok(&r));
    ck_assert_uint_eq(i8x_reader_left(&r), 0);
    ck_assert_uint_eq(i8x_reader_u8(&r), 0);
    ck_assert_ptr_null(i8x_reader_bytes(&r, 1));
    ck_assert_ptr_null(i8x_reader_bytes(&r, 0));
    ck_assert_ptr_null(i8x_reader_block(&r, 5, &size));
    ck_assert_uint_eq(size, 0);
    ck_assert_uint_eq(i8x_reader_varint(&r), 0);
    i8x_reader_seek(&r, 0);
    ck_assert_uint_eq(i8x_reader_u8(&r), 0);
    i8x_reader_fail(&r, "another reason");
    ck_assert_status(i8x_reader_end(&r), I8X_EFORMAT);
    ck_assert_str_eq(i8x_last_error()->detail, "short: 4 bytes wanted at byte 0, but it ends at 3");
}
END_TEST

START_TEST(lengths_and_offsets_from_outside_are_bounded)
{
    i8x_reader r;
    size_t size;
    i8x_reader_init(&r, "\xff\xff\xff\xff", 4, "huge");
    ck_assert_ptr_null(i8x_reader_block(&r, SIZE_MAX, &size));
    ck_assert_status(i8x_reader_status(&r), I8X_EFORMAT);
    i8x_reader_init(&r, "\3\0\0\0abc", 7, "limited");
    ck_assert_ptr_null(i8x_reader_block(&r, 2, &size));
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "over the limit 2"));
    i8x_reader_init(&r, "abc", 3, "seek");
    i8x_reader_seek(&r, 3);
    ck_assert_ok(i8x_reader_end(&r));
    i8x_reader_seek(&r, 4);
    ck_assert_status(i8x_reader_status(&r), I8X_EFORMAT);
    i8x_reader_init(&r, "abc", 3, "skip");
    i8x_reader_skip(&r, SIZE_MAX);
    ck_assert_status(i8x_reader_status(&r), I8X_EFORMAT);
    i8x_reader_init(&r, NULL, 0, "nothing");
    ck_assert_ok(i8x_reader_end(&r));
    ck_assert_uint_eq(i8x_reader_u8(&r), 0);
    ck_assert_status(i8x_reader_status(&r), I8X_EFORMAT);
}
END_TEST

START_TEST(texts_with_zero_bytes_and_left_over_bytes_are_refused)
{
    i8x_arena *arena;
    i8x_reader r;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_reader_init(&r, "\3\0\0\0a\0c", 7, "text");
    ck_assert_ptr_null(i8x_reader_string(&r, arena, 10));
    ck_assert_status(i8x_reader_status(&r), I8X_EFORMAT);
    i8x_reader_init(&r, "\0\0\0\0x", 5, "text");
    ck_assert_str_eq(i8x_reader_string(&r, arena, 10), "");
    ck_assert_status(i8x_reader_end(&r), I8X_EFORMAT);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(varints_beyond_64_bits_are_refused)
{
    i8x_reader r;
    i8x_reader_init(&r, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, "varint");
    ck_assert_uint_eq(i8x_reader_varint(&r), UINT64_MAX);
    i8x_reader_init(&r, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, "varint");
    ck_assert_uint_eq(i8x_reader_varint(&r), 0);
    ck_assert_status(i8x_reader_status(&r), I8X_EFORMAT);
    i8x_reader_init(&r, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11, "varint");
    i8x_reader_varint(&r);
    ck_assert_status(i8x_reader_status(&r), I8X_EFORMAT);
}
END_TEST

START_TEST(sub_readers_are_bounded_by_their_part)
{
    i8x_reader r;
    i8x_reader_init(&r, "\1\2\3\4\5", 5, "whole");
    i8x_reader part = i8x_reader_sub(&r, 2, "part");
    ck_assert_uint_eq(i8x_reader_u16(&part), 0x0201);
    ck_assert_uint_eq(i8x_reader_u8(&part), 0);
    ck_assert_status(i8x_reader_status(&part), I8X_EFORMAT);
    ck_assert_uint_eq(i8x_reader_u8(&r), 3);
    part = i8x_reader_sub(&r, 9, "too long");
    ck_assert_status(i8x_reader_status(&part), I8X_EFORMAT);
    ck_assert_status(i8x_reader_status(&r), I8X_EFORMAT);
}
END_TEST

START_TEST(writer_limit_holds_and_the_failure_sticks)
{
    i8x_writer w;
    i8x_writer_init(&w, NULL, 10);
    i8x_writer_put_u64(&w, 1);
    i8x_writer_put_u16(&w, 2);
    ck_assert_ok(i8x_writer_status(&w));
    i8x_writer_put_u8(&w, 3);
    ck_assert_status(i8x_writer_status(&w), I8X_ELIMIT);
    ck_assert_ptr_null(i8x_writer_reserve(&w, 0));
    ck_assert_uint_eq(w.size, 10);
    i8x_writer_clear(&w);
    i8x_writer_put_u8(&w, 3);
    ck_assert_ok(i8x_writer_status(&w));
    ck_assert_uint_eq(w.size, 1);
    i8x_writer_deinit(&w);
}
END_TEST

START_TEST(patch_padding_and_reserve_write_in_place)
{
    i8x_writer w;
    i8x_writer_init(&w, NULL, 0);
    i8x_writer_put_u32(&w, 0);
    i8x_writer_put_u8(&w, 7);
    i8x_writer_put_padding(&w, 8);
    ck_assert_uint_eq(w.size, 8);
    i8x_writer_put_padding(&w, 8);
    ck_assert_uint_eq(w.size, 8);
    memcpy(i8x_writer_reserve(&w, 2), "ab", 2);
    i8x_writer_patch_u32(&w, 0, 0x01020304);
    ck_assert_mem_eq(w.bytes, "\4\3\2\1\7\0\0\0ab", 10);
    i8x_writer_deinit(&w);
}
END_TEST

static i8x_status write_record(const i8x_alloc *alloc)
{
    i8x_writer w;
    uint8_t *bytes = NULL;
    size_t size = 0;
    i8x_writer_init(&w, alloc, 0);
    for (int i = 0; i < 20; i++)
        put_everything(&w);
    const i8x_status status = i8x_writer_take(&w, &bytes, &size);
    if (status == I8X_OK)
        i8x_alloc_free(alloc, bytes, size);
    i8x_writer_deinit(&w);
    return status;
}

START_TEST(writer_survives_every_failing_allocation)
{
    int failures = 0;
    for (int n = 0;; n++, failures++) {
        i8x_failing_alloc failing;
        i8x_failing_alloc_init(&failing, n);
        const i8x_status status = write_record(&failing.alloc);
        ck_assert_uint_eq(failing.live_bytes, 0);
        ck_assert_int_eq(failing.live_blocks, 0);
        if (status == I8X_OK)
            break;
        ck_assert_status(status, I8X_ENOMEM);
    }
    ck_assert_int_ge(failures, 3);
}
END_TEST

START_TEST(an_empty_writer_gives_an_empty_block)
{
    i8x_writer w;
    uint8_t *bytes = NULL;
    size_t size = 1;
    i8x_writer_init(&w, NULL, 0);
    ck_assert_ok(i8x_writer_take(&w, &bytes, &size));
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(size, 0);
    i8x_alloc_free(i8x_alloc_heap(), bytes, size);
    i8x_writer_deinit(&w);
}
END_TEST

Suite *check_bytes_suite(void)
{
    const TTest *tests[] = {
        what_is_written_is_read_and_numbers_are_little_endian,
        every_truncation_is_a_format_error_with_its_place,
        after_a_failure_reads_give_zero_and_the_first_sentence_stays,
        lengths_and_offsets_from_outside_are_bounded,
        texts_with_zero_bytes_and_left_over_bytes_are_refused,
        varints_beyond_64_bits_are_refused,
        sub_readers_are_bounded_by_their_part,
        writer_limit_holds_and_the_failure_sticks,
        patch_padding_and_reserve_write_in_place,
        writer_survives_every_failing_allocation,
        an_empty_writer_gives_an_empty_block,
    };
    return i8x_suite("bytes", tests, sizeof tests / sizeof tests[0]);
}
