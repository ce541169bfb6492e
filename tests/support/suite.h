/* SPDX-License-Identifier: Apache-2.0
 *
 * Suite: what every test file of Check needs, in two lines.
 *
 *     START_TEST(reader_stops_at_the_end) { ... ck_assert_uint_eq(...); }
 *     END_TEST
 *
 *     Suite *check_bytes_suite(void)          // the name of the file, and _suite
 *     {
 *         const TTest *tests[] = {reader_stops_at_the_end};
 *         return i8x_suite("bytes", tests, sizeof tests / sizeof tests[0]);
 *     }
 *
 * A file tests/unit/<room>/check_<module>.c of this form is found and run by itself: nothing else
 * is to be edited. Each test runs in its own process (CK_FORK=no to debug); CK_RUN_SUITE=bytes runs
 * one suite. A test that cannot run here says so with i8x_test_skip(), which is counted and named.
 */
#ifndef I8X_TESTS_SUITE_H
#define I8X_TESTS_SUITE_H

#include <check.h>
#include <stddef.h>

#include "int8x/status.h"

/** One suite of these tests; each may take 60 s (times CK_TIMEOUT_MULTIPLIER). */
Suite *i8x_suite(const char *name, const TTest *const *tests, size_t count);
/** main of a runner: all suites, or those named in argv. Returns the exit status. */
int i8x_suite_main(Suite *(*const *suites)(void), size_t count, int argc, char **argv);
/** Prints "SKIPPED <test>: <why>" for deploy/check.sh to count. Return from the test afterwards. */
void i8x_test_skip(const char *test, const char *why);

/* The call gives this status; on surprise its sentence is shown. */
#define ck_assert_status(call, wanted)                                                             \
    do {                                                                                           \
        const i8x_status got_ = (call);                                                            \
        ck_assert_msg(got_ == (wanted), "%s gives %s (%s), wanted %s", #call,                      \
                      i8x_status_name(got_), got_ == I8X_OK ? "" : i8x_last_error()->detail,       \
                      i8x_status_name(wanted));                                                    \
    } while (0)
/* For inner loops: each ck_assert writes a mark to the parent process, this one only when it fails.
 */
#define ck_require(condition, ...)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg(__VA_ARGS__);                                                             \
    } while (0)
#define ck_assert_ok(call) ck_assert_status(call, I8X_OK)

#endif
