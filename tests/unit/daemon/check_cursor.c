/* SPDX-License-Identifier: Apache-2.0
 *
 * Cursors: they read back, and nothing else is taken for one.
 */
#include <string.h>

#include "daemon/http/cursor.h"
#include "tests/support/suite.h"

START_TEST(cursors_read_back)
{
    char text[I8X_CURSOR_SIZE];
    uint8_t bytes[I8X_CURSOR_BYTES_MAX], all[I8X_CURSOR_BYTES_MAX];
    memset(all, 0xA5, sizeof all);
    static const size_t sizes[] = {0, 1, 8, 127, I8X_CURSOR_BYTES_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = 0;
        i8x_cursor_print('w', all, sizes[i], text);
        ck_assert_ok(i8x_cursor_read('w', text, bytes, &size));
        ck_assert_uint_eq(size, sizes[i]);
        ck_assert(memcmp(bytes, all, size) == 0);
    }
    int64_t number = 0;
    i8x_cursor_print_number('j', INT64_MAX, text);
    ck_assert_ok(i8x_cursor_read_number('j', text, &number));
    ck_assert_int_eq(number, INT64_MAX);
}
END_TEST

START_TEST(anything_else_is_no_cursor)
{
    char text[I8X_CURSOR_SIZE], longer[2 * I8X_CURSOR_SIZE];
    uint8_t bytes[I8X_CURSOR_BYTES_MAX];
    int64_t number;
    size_t size;
    i8x_cursor_print_number('j', 77, text);
    ck_assert_status(i8x_cursor_read_number('e', text, &number), I8X_EARG); /* of another list */
    for (size_t i = 0; text[i] != 0; i++) {
        char old = text[i];
        text[i] = old == '0' ? '1' : '0';
        ck_require(i8x_cursor_read_number('j', text, &number) == I8X_EARG, "digit %zu", i);
        text[i] = 'G';
        ck_require(i8x_cursor_read_number('j', text, &number) == I8X_EARG, "letter %zu", i);
        text[i] = old;
    }
    memset(longer, '0', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    static const char *const wrong[] = {"", "0", "00", "0000000000", "zz"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_status(i8x_cursor_read('j', wrong[i], bytes, &size), I8X_EARG);
    ck_assert_status(i8x_cursor_read('j', longer, bytes, &size), I8X_EARG);
    i8x_cursor_print('j', "abc", 3, text); /* of that list, but no number */
    ck_assert_status(i8x_cursor_read_number('j', text, &number), I8X_EARG);
}
END_TEST

Suite *check_cursor_suite(void)
{
    const TTest *tests[] = {cursors_read_back, anything_else_is_no_cursor};
    return i8x_suite("cursor", tests, sizeof tests / sizeof tests[0]);
}
