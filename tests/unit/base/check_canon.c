/* SPDX-License-Identifier: Apache-2.0
 *
 * Task keys are digests of this encoding, so its bytes are frozen: golden vectors made by Python.
 * The reader must accept nothing that the writer cannot have written.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/canon.h"
#include "tests/support/failing_alloc.h"
#include "tests/support/golden.h"
#include "tests/support/suite.h"

#define ROOM 4096

/* Puts one field described as "<tag>:<value>"; floats as the hex of their bits. */
static void put_described(i8x_canon_writer *w, char *field)
{
    char *value = field[1] == ':' ? field + 2 : field + 1;
    uint8_t bytes[ROOM];
    double real;
    uint64_t bits;
    i8x_digest digest;
    switch (field[0]) {
    case 'i':
        i8x_canon_put_s64(w, strtoll(value, NULL, 10));
        break;
    case 'u':
        i8x_canon_put_u64(w, strtoull(value, NULL, 10));
        break;
    case 'f':
        bits = strtoull(value, NULL, 16);
        memcpy(&real, &bits, sizeof real);
        i8x_canon_put_f64(w, real);
        break;
    case 's':
        bytes[i8x_golden_hex(value, bytes, ROOM - 1)] = '\0';
        i8x_canon_put_text(w, (const char *)bytes);
        break;
    case 'b':
        i8x_canon_put_bytes(w, bytes, i8x_golden_hex(value, bytes, ROOM));
        break;
    case 'd':
        ck_assert_uint_eq(i8x_golden_hex(value, digest.bytes, 32), 32);
        i8x_canon_put_digest(w, &digest);
        break;
    case '[':
        i8x_canon_begin_list(w);
        break;
    default:
        ck_assert_int_eq(field[0], ']');
        i8x_canon_end_list(w);
    }
}

START_TEST(encoding_and_digest_equal_the_golden_vectors)
{
    static uint8_t wanted[ROOM];
    char *fields[3];
    i8x_golden *golden = i8x_golden_open(I8X_TEST_SOURCE_DIR, "canon/records.txt");
    while (i8x_golden_next(golden, fields, 3)) {
        i8x_canon_writer w;
        i8x_digest digest;
        char hex[I8X_DIGEST_HEX_SIZE], *rest = NULL;
        i8x_canon_writer_init(&w, NULL, 0);
        for (char *field = strtok_r(fields[0], ",", &rest); field != NULL;
             field = strtok_r(NULL, ",", &rest))
            put_described(&w, field);
        ck_assert_ok(i8x_canon_digest(&w, &digest));
        const size_t size = i8x_golden_hex(fields[1], wanted, sizeof wanted);
        ck_assert_uint_eq(w.out.size, size);
        ck_assert_mem_eq(w.out.bytes, wanted, size);
        ck_assert_str_eq(i8x_digest_to_hex(&digest, hex), fields[2]);
        i8x_canon_writer_deinit(&w);
    }
    i8x_golden_close(golden, 20);
}
END_TEST

static void put_record(i8x_canon_writer *w)
{
    const i8x_digest digest = i8x_digest_of("x", 1);
    i8x_canon_put_text(w, "record");
    i8x_canon_put_s64(w, -5);
    i8x_canon_put_u64(w, UINT64_MAX);
    i8x_canon_put_bool(w, true);
    i8x_canon_begin_list(w);
    i8x_canon_put_f32(w, -0.1f);
    i8x_canon_put_f64(w, -INFINITY);
    i8x_canon_begin_list(w);
    i8x_canon_end_list(w);
    i8x_canon_end_list(w);
    i8x_canon_put_bytes(w, "\0\1\2", 3);
    i8x_canon_put_digest(w, &digest);
}

/* Reads what put_record wrote; values are right if the status is. */
static i8x_status get_record(const uint8_t *bytes, size_t size, i8x_arena *arena)
{
    i8x_canon_reader r;
    size_t block_size;
    i8x_canon_reader_init(&r, bytes, size, "record");
    i8x_canon_expect_text(&r, "record");
    const int64_t small = i8x_canon_get_s64_in(&r, -5, 5);
    const uint64_t large = i8x_canon_get_u64(&r);
    const bool truth = i8x_canon_get_bool(&r);
    i8x_canon_get_begin_list(&r);
    const bool more = i8x_canon_more(&r);
    const float narrow = i8x_canon_get_f32(&r);
    const double wide = i8x_canon_get_f64(&r);
    i8x_canon_get_begin_list(&r);
    const bool none = !i8x_canon_more(&r);
    i8x_canon_get_end_list(&r);
    i8x_canon_get_end_list(&r);
    const uint8_t *block = i8x_canon_get_bytes(&r, 3, &block_size);
    const i8x_digest digest = i8x_canon_get_digest(&r);
    I8X_TRY(i8x_canon_reader_end(&r));
    const i8x_digest wanted = i8x_digest_of("x", 1);
    ck_assert(small == -5 && large == UINT64_MAX && truth && more && none);
    ck_assert(narrow == -0.1f && isinf(wide) && wide < 0);
    ck_assert_uint_eq(block_size, 3);
    ck_assert_mem_eq(block, "\0\1\2", 3);
    ck_assert(i8x_digest_equal(&digest, &wanted));
    ck_assert_ptr_nonnull(arena);
    return I8X_OK;
}

START_TEST(records_round_trip_and_every_truncation_is_refused)
{
    i8x_arena *arena;
    i8x_canon_writer w;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_canon_writer_init(&w, NULL, 0);
    put_record(&w);
    ck_assert_ok(i8x_canon_writer_status(&w));
    ck_assert_ok(get_record(w.out.bytes, w.out.size, arena));
    for (size_t size = 0; size < w.out.size; size++)
        ck_assert_status(get_record(w.out.bytes, size, arena), I8X_EFORMAT);
    i8x_writer_put_u8(&w.out, 0); /* one byte too many */
    ck_assert_status(get_record(w.out.bytes, w.out.size, arena), I8X_EFORMAT);
    i8x_canon_writer_deinit(&w);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(nan_open_lists_and_depth_are_refused_by_the_writer)
{
    i8x_canon_writer w;
    i8x_digest digest;
    i8x_canon_writer_init(&w, NULL, 0);
    i8x_canon_put_f32(&w, NAN);
    ck_assert_status(i8x_canon_digest(&w, &digest), I8X_ERANGE);
    i8x_canon_writer_clear(&w);
    i8x_canon_begin_list(&w);
    ck_assert_status(i8x_canon_digest(&w, &digest), I8X_EARG);
    i8x_canon_writer_clear(&w);
    for (int i = 0; i < I8X_CANON_DEPTH_MAX; i++)
        i8x_canon_begin_list(&w);
    for (int i = 0; i < I8X_CANON_DEPTH_MAX; i++)
        i8x_canon_end_list(&w);
    ck_assert_ok(i8x_canon_digest(&w, &digest));
    i8x_canon_writer_clear(&w);
    for (int i = 0; i <= I8X_CANON_DEPTH_MAX; i++)
        i8x_canon_begin_list(&w);
    ck_assert_status(i8x_canon_digest(&w, &digest), I8X_ELIMIT);
    i8x_canon_writer_deinit(&w);
}
END_TEST

START_TEST(minus_zero_is_written_as_plus_zero)
{
    i8x_canon_writer a, b;
    i8x_digest da, db;
    i8x_canon_writer_init(&a, NULL, 0);
    i8x_canon_writer_init(&b, NULL, 0);
    i8x_canon_put_f64(&a, -0.0);
    i8x_canon_put_f32(&b, 0.0f);
    ck_assert_ok(i8x_canon_digest(&a, &da));
    ck_assert_ok(i8x_canon_digest(&b, &db));
    ck_assert(i8x_digest_equal(&da, &db));
    i8x_canon_writer_deinit(&a);
    i8x_canon_writer_deinit(&b);
}
END_TEST

static i8x_status read_one(const char *bytes, size_t size, char kind)
{
    i8x_canon_reader r;
    i8x_canon_reader_init(&r, bytes, size, "field");
    if (kind == 'f')
        (void)i8x_canon_get_f64(&r);
    else if (kind == 'h')
        (void)i8x_canon_get_f32(&r);
    else if (kind == '?')
        (void)i8x_canon_get_bool(&r);
    else if (kind == ']')
        i8x_canon_get_end_list(&r);
    else if (kind == 's')
        i8x_canon_expect_text(&r, "ab");
    else
        (void)i8x_canon_get_s64_in(&r, 0, 10);
    return i8x_canon_reader_end(&r);
}

START_TEST(what_the_writer_never_writes_is_refused_by_the_reader)
{
    ck_assert_status(read_one("f\0\0\0\0\0\0\0\x80", 9, 'f'), I8X_EFORMAT);   /* -0 */
    ck_assert_status(read_one("f\0\0\0\0\0\0\xf8\x7f", 9, 'f'), I8X_EFORMAT); /* NaN */
    ck_assert_ok(read_one("f\0\0\0\0\0\0\xf0\x3f", 9, 'h'));                  /* 1 */
    ck_assert_status(read_one("f\1\0\0\0\0\0\xf0\x3f", 9, 'h'), I8X_EFORMAT); /* no float */
    ck_assert_status(read_one("u\2\0\0\0\0\0\0\0", 9, '?'), I8X_EFORMAT);     /* not 0, 1 */
    ck_assert_status(read_one("]", 1, ']'), I8X_EFORMAT);                     /* no list */
    ck_assert_status(read_one("i\x0b\0\0\0\0\0\0\0", 9, 'i'), I8X_EFORMAT);   /* 11 > 10 */
    ck_assert_ok(read_one("i\x0a\0\0\0\0\0\0\0", 9, 'i'));
    ck_assert_status(read_one("u\x0a\0\0\0\0\0\0\0", 9, 'i'), I8X_EFORMAT); /* tag */
    ck_assert_ok(read_one("s\2\0\0\0ab", 7, 's'));
    ck_assert_status(read_one("s\2\0\0\0ac", 7, 's'), I8X_EFORMAT);
    ck_assert_status(read_one("s\1\0\0\0a", 6, 's'), I8X_EFORMAT);
}
END_TEST

START_TEST(nesting_from_outside_is_bounded)
{
    char bytes[100];
    i8x_canon_reader r;
    memset(bytes, '[', sizeof bytes);
    i8x_canon_reader_init(&r, bytes, sizeof bytes, "deep");
    for (size_t i = 0; i < sizeof bytes; i++)
        i8x_canon_get_begin_list(&r);
    ck_assert_status(i8x_canon_reader_status(&r), I8X_EFORMAT);
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "byte 32"));
    i8x_canon_reader_init(&r, bytes, 1, "open");
    i8x_canon_get_begin_list(&r);
    ck_assert_status(i8x_canon_reader_end(&r), I8X_EFORMAT);
}
END_TEST

START_TEST(texts_are_copied_and_bounded)
{
    i8x_arena *arena;
    i8x_canon_writer w;
    i8x_canon_reader r;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_canon_writer_init(&w, NULL, 0);
    i8x_canon_put_text(&w, "stem");
    i8x_canon_put_text(&w, NULL);
    i8x_canon_reader_init(&r, w.out.bytes, w.out.size, "texts");
    ck_assert_str_eq(i8x_canon_get_text(&r, arena, 4), "stem");
    ck_assert_str_eq(i8x_canon_get_text(&r, arena, 4), "");
    ck_assert_ok(i8x_canon_reader_end(&r));
    i8x_canon_reader_init(&r, w.out.bytes, w.out.size, "texts");
    ck_assert_ptr_null(i8x_canon_get_text(&r, arena, 3));
    ck_assert_status(i8x_canon_reader_end(&r), I8X_EFORMAT);
    i8x_canon_writer_deinit(&w);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(limits_and_failing_memory_are_statuses)
{
    i8x_failing_alloc failing;
    i8x_canon_writer w;
    uint8_t *bytes;
    size_t size;
    i8x_canon_writer_init(&w, NULL, 12);
    i8x_canon_put_s64(&w, 1);
    ck_assert_ok(i8x_canon_writer_status(&w));
    i8x_canon_put_s64(&w, 1);
    ck_assert_status(i8x_canon_writer_take(&w, &bytes, &size), I8X_ELIMIT);
    i8x_canon_writer_deinit(&w);
    i8x_failing_alloc_init(&failing, 0);
    i8x_canon_writer_init(&w, &failing.alloc, 0);
    put_record(&w);
    ck_assert_status(i8x_canon_writer_status(&w), I8X_ENOMEM);
    i8x_canon_writer_deinit(&w);
    ck_assert_uint_eq(failing.live_bytes, 0);
}
END_TEST

Suite *check_canon_suite(void)
{
    const TTest *tests[] = {
        encoding_and_digest_equal_the_golden_vectors,
        records_round_trip_and_every_truncation_is_refused,
        nan_open_lists_and_depth_are_refused_by_the_writer,
        minus_zero_is_written_as_plus_zero,
        what_the_writer_never_writes_is_refused_by_the_reader,
        nesting_from_outside_is_bounded,
        texts_are_copied_and_bounded,
        limits_and_failing_memory_are_statuses,
    };
    return i8x_suite("canon", tests, sizeof tests / sizeof tests[0]);
}
