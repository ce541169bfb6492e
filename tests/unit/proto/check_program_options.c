/* SPDX-License-Identifier: Apache-2.0
 *
 * The option table of the service programs: values, bounds, and the sentences of what is refused.
 */
#include <string.h>

#include "proto/program_options.h"
#include "tests/support/suite.h"

static const char *data;
static long count;
static bool loud, done;

static const i8x_program_option options[] = {
    {.name = "--data", .value = "DIR", .sentence = "a folder", .text = &data},
    {.name = "--count",
     .value = "N",
     .sentence = "a number (3)",
     .number = &count,
     .min = 1,
     .max = 9},
    {.name = "--loud", .sentence = "a flag", .flag = &loud},
};
static const i8x_program program = {.name = "prog",
                                    .version = "1.2",
                                    .usage = "prog [options]",
                                    .ending = "The end.",
                                    .options = options,
                                    .option_count = 3};

static const i8x_program paged = {.name = "prog",
                                  .version = "1.2",
                                  .usage =
                                      "prog --data DIR\n       prog [x]\n\nDoes things. And more.",
                                  .ending = "The end.",
                                  .options = options,
                                  .option_count = 3};

static i8x_status parse(const char *a, const char *b, const char *c)
{
    static char name[] = "prog";
    char *argv[] = {name, (char *)a, (char *)b, (char *)c};
    int argc = 1 + (a != NULL) + (b != NULL) + (c != NULL);
    data = NULL, count = 3, loud = false;
    return i8x_program_parse(&program, argc, argv, stdout, &done);
}

START_TEST(values_are_set_and_defaults_stay)
{
    ck_assert_ok(parse("--data", "/x", "--loud"));
    ck_assert_str_eq(data, "/x");
    ck_assert(loud && count == 3 && !done);
    ck_assert_ok(parse("--count", "9", NULL));
    ck_assert(count == 9 && !loud && data == NULL);
}
END_TEST

static void refused(const char *a, const char *b, const char *words)
{
    ck_assert_status(parse(a, b, NULL), I8X_EARG);
    ck_assert_msg(strstr(i8x_last_error()->detail, words) != NULL, "%s", i8x_last_error()->detail);
}

START_TEST(what_is_wrong_is_named)
{
    refused("--nothing", NULL, "'--nothing' is not known");
    refused("--data", NULL, "--data wants a value: DIR");
    const char *numbers[] = {"", "x", "3x", "0", "10", "99999999999999999999", "-1"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        refused("--count", numbers[i], "from 1 to 9");
}
END_TEST

START_TEST(help_lists_every_option)
{
    char text[512] = "";
    FILE *file = fmemopen(text, sizeof text, "w");
    i8x_program_help(&program, file);
    fclose(file);
    const char *words[] = {"usage: prog", "--data DIR", "a folder",
                           "--loud",      "--version",  "The end."};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        ck_assert_msg(strstr(text, words[i]) != NULL, "%s is not in:\n%s", words[i], text);
    ck_assert_ok(parse("--version", NULL, NULL));
    ck_assert(done);
}
END_TEST

START_TEST(man_page_has_what_the_help_has)
{
    char text[1024] = "";
    FILE *file = fmemopen(text, sizeof text, "w");
    i8x_program_man(&paged, file);
    fclose(file);
    ck_assert_str_eq(text,
                     ".TH \"PROG\" 1 \"\" \"int8x 1.2\" \"int8x\"\n.SH NAME\nprog \\- does things\n"
                     ".SH \"SYNOPSIS\"\n.PP\n.B \"prog\"\n\\-\\-data DIR\n.PP\n.B \"prog\"\n[x]\n"
                     ".SH \"DESCRIPTION\"\n.PP\nDoes things. And more.\n.SH \"OPTIONS\"\n"
                     ".TP\n\\fB\\-\\-data\\fR \\fIDIR\\fR\na folder\n"
                     ".TP\n\\fB\\-\\-count\\fR \\fIN\\fR\na number (3)\n"
                     ".TP\n\\fB\\-\\-loud\\fR\na flag\n"
                     ".TP\n\\fB\\-\\-help\\fR\nthis text\n"
                     ".TP\n\\fB\\-\\-version\\fR\nversion\n.SH \"NOTES\"\n.PP\nThe end.\n");
}
END_TEST

START_TEST(docs_have_a_row_an_option)
{
    char text[1024] = "";
    FILE *file = fmemopen(text, sizeof text, "w");
    i8x_program_docs(&paged, file);
    fclose(file);
    ck_assert_str_eq(text, "\n## prog\n\n```text\nusage: prog --data DIR\n       prog [x]\n```\n\n"
                           "| option | meaning |\n|---|---|\n| `--data DIR` | a folder |\n"
                           "| `--count N` | a number (3) |\n| `--loud` | a flag |\n"
                           "| `--help`, `--version` | the options; the version |\n\nThe end.\n");
    text[0] = 0;
    file = fmemopen(text, sizeof text, "w");
    const i8x_program_option bar = {"--form", "a|b", "a or b", &data, NULL, NULL, 0, 0};
    i8x_program_docs(
        &(i8x_program){.name = "p", .usage = "p", .ending = "", .options = &bar, .option_count = 1},
        file);
    fclose(file);
    ck_assert_msg(strstr(text, "| `--form a\\|b` | a or b |") != NULL, "%s", text);
}
END_TEST

Suite *check_program_options_suite(void)
{
    const TTest *tests[] = {values_are_set_and_defaults_stay, what_is_wrong_is_named,
                            help_lists_every_option, man_page_has_what_the_help_has,
                            docs_have_a_row_an_option};
    return i8x_suite("program_options", tests, sizeof tests / sizeof tests[0]);
}
