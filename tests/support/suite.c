/* SPDX-License-Identifier: Apache-2.0
 *
 * The common part of all Check runners.
 */
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST_SECONDS 60

Suite *i8x_suite(const char *name, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, TEST_SECONDS);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}

void i8x_test_skip(const char *test, const char *why)
{
    printf("SKIPPED %s: %s\n", test, why);
    fflush(stdout);
}

int i8x_suite_main(Suite *(*const *suites)(void), size_t count, int argc, char **argv)
{
    SRunner *runner = srunner_create(NULL);
    for (size_t i = 0; i < count; i++)
        srunner_add_suite(runner, suites[i]());
    int failed = 0, run = 0;
    if (argc < 2) {
        srunner_run_all(runner, CK_ENV);
    } else {
        for (int i = 1; i < argc; i++)
            srunner_run(runner, argv[i], NULL, CK_ENV);
    }
    failed = srunner_ntests_failed(runner);
    run = srunner_ntests_run(runner);
    srunner_free(runner);
    if (run == 0)
        fprintf(stderr, "no test has run\n");
    return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
