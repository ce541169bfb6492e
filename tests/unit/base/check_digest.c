/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 against vectors made by Python's hashlib, in one piece and in many; hex both ways.
 */
#include <string.h>

#include "int8x/digest.h"
#include "tests/support/golden.h"
#include "tests/support/suite.h"

START_TEST(sha256_equals_the_golden_vectors_whole_and_in_pieces)
{
    static uint8_t bytes[8192];
    char *fields[2];
    i8x_golden *golden = i8x_golden_open(I8X_TEST_SOURCE_DIR, "digest/sha256.txt");
    while (i8x_golden_next(golden, fields, 2)) {
        char hex[I8X_DIGEST_HEX_SIZE];
        const size_t size = i8x_golden_hex(fields[0], bytes, sizeof bytes);
        const i8x_digest whole = i8x_digest_of(bytes, size);
        ck_assert_str_eq(i8x_digest_to_hex(&whole, hex), fields[1]);
        i8x_digest_stream *stream;
        ck_assert_ok(i8x_digest_stream_new(&stream));
        for (size_t at = 0, step = 1; at < size; at += step, step = step * 2 + 1)
            i8x_digest_stream_add(stream, bytes + at, at + step < size ? step : size - at);
        const i8x_digest pieces = i8x_digest_stream_end(stream);
        ck_assert(i8x_digest_equal(&whole, &pieces));
    }
    i8x_golden_close(golden, 40);
}
END_TEST

START_TEST(empty_input_and_unused_streams_are_fine)
{
    char hex[I8X_DIGEST_HEX_SIZE];
    const i8x_digest empty = i8x_digest_of(NULL, 0);
    ck_assert_str_eq(i8x_digest_to_hex(&empty, hex),
                     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    i8x_digest_stream *stream;
    ck_assert_ok(i8x_digest_stream_new(&stream));
    i8x_digest_stream_add(stream, NULL, 0);
    i8x_digest_stream_free(stream);
    i8x_digest_stream_free(NULL);
}
END_TEST

START_TEST(hex_goes_both_ways_and_anything_else_is_refused)
{
    char hex[I8X_DIGEST_HEX_SIZE], bad[80];
    const i8x_digest digest = i8x_digest_of("abc", 3);
    i8x_digest back = {{0}};
    i8x_digest_to_hex(&digest, hex);
    ck_assert_ok(i8x_digest_from_hex(hex, &back));
    ck_assert(i8x_digest_equal(&digest, &back));
    ck_assert_status(i8x_digest_from_hex(NULL, &back), I8X_EARG);
    ck_assert_status(i8x_digest_from_hex("", &back), I8X_EARG);
    for (size_t length = 1; length < 64; length++) {
        strcpy(bad, hex);
        bad[length] = '\0';
        ck_assert_status(i8x_digest_from_hex(bad, &back), I8X_EARG);
    }
    for (size_t at = 0; at < 64; at += 9) {
        strcpy(bad, hex);
        bad[at] = 'A';
        ck_assert_status(i8x_digest_from_hex(bad, &back), I8X_EARG);
        bad[at] = 'g';
        ck_assert_status(i8x_digest_from_hex(bad, &back), I8X_EARG);
    }
    strcpy(bad, hex);
    strcat(bad, "0");
    ck_assert_status(i8x_digest_from_hex(bad, &back), I8X_EARG);
    ck_assert(i8x_digest_equal(&digest, &back)); /* untouched by the failures */
}
END_TEST

START_TEST(one_changed_bit_changes_equality)
{
    i8x_digest a = i8x_digest_of("abc", 3), b = a;
    for (int i = 0; i < I8X_DIGEST_SIZE; i++) {
        b.bytes[i] ^= 0x10;
        ck_assert(!i8x_digest_equal(&a, &b));
        b.bytes[i] ^= 0x10;
    }
    ck_assert(i8x_digest_equal(&a, &b));
}
END_TEST

START_TEST(random_bytes_differ_between_calls)
{
    uint8_t a[32] = {0}, b[32] = {0};
    ck_assert_ok(i8x_digest_random(a, sizeof a));
    ck_assert_ok(i8x_digest_random(b, sizeof b));
    ck_assert_mem_ne(a, b, sizeof a);
    ck_assert_status(i8x_digest_random(a, SIZE_MAX), I8X_EARG);
}
END_TEST

Suite *check_digest_suite(void)
{
    const TTest *tests[] = {
        sha256_equals_the_golden_vectors_whole_and_in_pieces,
        empty_input_and_unused_streams_are_fine,
        hex_goes_both_ways_and_anything_else_is_refused,
        one_changed_bit_changes_equality,
        random_bytes_differ_between_calls,
    };
    return i8x_suite("digest", tests, sizeof tests / sizeof tests[0]);
}
