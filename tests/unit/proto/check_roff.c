/* SPDX-License-Identifier: Apache-2.0
 *
 * Why: a sentence of an option table must not turn into a command of roff, which would drop it from
 * the man page without a word.
 */
#include <stdio.h>

#include "proto/roff.h"
#include "tests/support/suite.h"

static char text[512];

static FILE *begin(void)
{
    text[0] = 0;
    FILE *file = fmemopen(text, sizeof text, "w");
    ck_assert_ptr_nonnull(file);
    return file;
}

START_TEST(what_roff_would_obey_is_escaped)
{
    FILE *file = begin();
    i8x_roff_paragraph(file, ".npy and 'x' \\ a-b\n.next\n\n'quoted");
    fclose(file);
    ck_assert_str_eq(text, ".PP\n\\&.npy and 'x' \\e a\\-b\n.br\n\\&.next\n.PP\n\\&'quoted\n");
}
END_TEST

START_TEST(arguments_stand_in_quotes)
{
    FILE *file = begin();
    i8x_roff_section(file, "see \"also\"");
    i8x_roff_reference(file, "int8x-get", 1);
    i8x_roff_form(file, "int8x get", "jobs");
    fclose(file);
    ck_assert_str_eq(text, ".SH \"SEE \\(dqALSO\\(dq\"\n.BR \"int8x\\-get\" (1)\n"
                           ".PP\n.B \"int8x get\"\njobs\n");
}
END_TEST

START_TEST(rows_have_a_name_and_may_have_a_value)
{
    FILE *file = begin();
    i8x_roff_title(file, "prog", 1, "1.0", "does - things");
    i8x_roff_item(file, "-o, --output", "DIR", "a folder");
    i8x_roff_item(file, "--json", NULL, ".json");
    fclose(file);
    ck_assert_str_eq(
        text, ".TH \"PROG\" 1 \"\" \"int8x 1.0\" \"int8x\"\n.SH NAME\nprog \\- does \\- things\n"
              ".TP\n\\fB\\-o, \\-\\-output\\fR \\fIDIR\\fR\na folder\n"
              ".TP\n\\fB\\-\\-json\\fR\n\\&.json\n");
}
END_TEST

Suite *check_roff_suite(void)
{
    const TTest *tests[] = {what_roff_would_obey_is_escaped, arguments_stand_in_quotes,
                            rows_have_a_name_and_may_have_a_value};
    return i8x_suite("roff", tests, sizeof tests / sizeof tests[0]);
}
