/* SPDX-License-Identifier: Apache-2.0
 *
 * The status table is the contract with HTTP clients and shell scripts; the detail must survive any
 * input and never be empty after a failure.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "tests/support/suite.h"

START_TEST(every_status_has_name_sentence_http_and_exit_code)
{
    for (int i = 0; i < I8X_STATUS_COUNT; i++) {
        const i8x_status status = (i8x_status)i;
        ck_assert_int_eq(i8x_status_from_name(i8x_status_name(status)), status);
        ck_assert_uint_gt(strlen(i8x_status_sentence(status)), 1);
        ck_assert_int_ge(i8x_status_http(status), 200);
        ck_assert_int_le(i8x_status_http(status), 599);
        ck_assert_int_eq(i8x_status_exit_code(status) == 0, status == I8X_OK);
    }
}
END_TEST

START_TEST(numbers_and_names_that_are_no_status_are_told_apart)
{
    ck_assert_str_eq(i8x_status_name((i8x_status)-1), "?");
    ck_assert_str_eq(i8x_status_name(I8X_STATUS_COUNT), "?");
    ck_assert_int_eq(i8x_status_http((i8x_status)1000), 500);
    ck_assert_int_eq(i8x_status_exit_code((i8x_status)1000), 70);
    ck_assert_int_eq(i8x_status_from_name("EWHAT"), I8X_STATUS_COUNT);
    ck_assert_int_eq(i8x_status_from_name(""), I8X_STATUS_COUNT);
    ck_assert_int_eq(i8x_status_from_name(NULL), I8X_STATUS_COUNT);
}
END_TEST

static i8x_status guarded(int value)
{
    I8X_ENSURE(value > 0, I8X_ERANGE, "value %d is not positive", value);
    return I8X_OK;
}

static i8x_status outer(int value)
{
    I8X_TRY(guarded(value));
    I8X_FAIL(I8X_EEXIST, "reached the end with %d", value);
}

START_TEST(failures_carry_status_sentence_file_and_line)
{
    ck_assert_int_eq(i8x_last_error()->status, I8X_OK);
    ck_assert_int_eq(outer(-3), I8X_ERANGE);
    ck_assert_int_eq(i8x_last_error()->status, I8X_ERANGE);
    ck_assert_str_eq(i8x_last_error()->detail, "value -3 is not positive");
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->file, "check_status.c"));
    ck_assert_int_gt(i8x_last_error()->line, 0);
    ck_assert_int_eq(outer(1), I8X_EEXIST);
    ck_assert_str_eq(i8x_last_error()->detail, "reached the end with 1");
}
END_TEST

START_TEST(long_and_empty_sentences_are_kept_in_bounds)
{
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ck_assert_int_eq(i8x_fail(I8X_EIO, "f", 1, "%s", text), I8X_EIO);
    ck_assert_uint_eq(strlen(i8x_last_error()->detail), I8X_ERROR_DETAIL_SIZE - 1);
    ck_assert_int_eq(i8x_fail(I8X_EIO, "f", 1, "%s", ""), I8X_EIO);
    ck_assert_str_eq(i8x_last_error()->detail, i8x_status_sentence(I8X_EIO));
}
END_TEST

START_TEST(prefix_goes_before_the_sentence_and_may_quote_it)
{
    (void)i8x_fail(I8X_ESHAPE, "f", 1, "rank 3");
    ck_assert_int_eq(i8x_fail_prefix("Conv '%s': ", "stem"), I8X_ESHAPE);
    ck_assert_str_eq(i8x_last_error()->detail, "Conv 'stem': rank 3");
    /* the arguments may point into the detail itself */
    (void)i8x_fail(I8X_EIO, "f", 1, "again: %s", i8x_last_error()->detail);
    ck_assert_str_eq(i8x_last_error()->detail, "again: Conv 'stem': rank 3");
    char text[400];
    memset(text, 'y', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ck_assert_int_eq(i8x_fail_prefix("%s", text), I8X_EIO);
    ck_assert_uint_eq(strlen(i8x_last_error()->detail), I8X_ERROR_DETAIL_SIZE - 1);
}
END_TEST

static void *fail_elsewhere(void *argument)
{
    (void)i8x_fail(I8X_ENOMEM, "f", 1, "other thread");
    return argument;
}

START_TEST(the_detail_belongs_to_its_thread)
{
    pthread_t thread;
    (void)i8x_fail(I8X_EBUSY, "f", 1, "mine");
    ck_assert_int_eq(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(i8x_last_error()->status, I8X_EBUSY);
    ck_assert_str_eq(i8x_last_error()->detail, "mine");
}
END_TEST

START_TEST(broken_assertion_aborts)
{
    const int two = 2;
    I8X_ASSERT(two == 2);
    I8X_ASSERT(two == 3);
}
END_TEST

Suite *check_status_suite(void)
{
    const TTest *tests[] = {
        every_status_has_name_sentence_http_and_exit_code,
        numbers_and_names_that_are_no_status_are_told_apart,
        failures_carry_status_sentence_file_and_line,
        long_and_empty_sentences_are_kept_in_bounds,
        prefix_goes_before_the_sentence_and_may_quote_it,
        the_detail_belongs_to_its_thread,
    };
    Suite *suite = i8x_suite("status", tests, sizeof tests / sizeof tests[0]);
    TCase *aborts = tcase_create("aborts");
    tcase_add_test_raise_signal(aborts, broken_assertion_aborts, SIGABRT);
    suite_add_tcase(suite, aborts);
    return suite;
}
