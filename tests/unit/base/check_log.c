/* SPDX-License-Identifier: Apache-2.0
 *
 * A log line is one line whatever is put in it: values from outside must not forge another event.
 */
#include <string.h>

#include "int8x/log.h"
#include "tests/support/suite.h"

typedef struct captured {
    int count;
    i8x_log_level level;
    char line[2000];
} captured;

static void capture(i8x_log_level level, const char *line, void *user)
{
    captured *seen = user;
    seen->count++;
    seen->level = level;
    ck_assert_uint_lt(strlen(line), sizeof seen->line);
    strcpy(seen->line, line);
}

START_TEST(line_has_time_level_event_thread_and_pairs)
{
    captured seen = {0};
    i8x_log_configure(I8X_LOG_INFO, capture, &seen);
    i8x_log(I8X_LOG_WARN, "lease_lost", "job=%s task=%d", "j1", 7);
    ck_assert_int_eq(seen.count, 1);
    ck_assert_int_eq(seen.level, I8X_LOG_WARN);
    ck_assert_ptr_eq(strstr(seen.line, "time=20"), seen.line);
    ck_assert_ptr_nonnull(
        strstr(seen.line, "Z level=warn event=lease_lost thread=1 job=j1 task=7"));
    i8x_log(I8X_LOG_ERROR, "bare", "%s", "");
    ck_assert_ptr_nonnull(strstr(seen.line, "event=bare thread=1"));
}
END_TEST

START_TEST(levels_above_the_limit_are_dropped)
{
    captured seen = {0};
    i8x_log_configure(I8X_LOG_WARN, capture, &seen);
    i8x_log(I8X_LOG_INFO, "e", "a=%d", 1);
    i8x_log(I8X_LOG_DEBUG, "e", "a=%d", 1);
    ck_assert_int_eq(seen.count, 0);
    i8x_log(I8X_LOG_WARN, "e", "a=%d", 1);
    i8x_log(I8X_LOG_ERROR, "e", "a=%d", 1);
    ck_assert_int_eq(seen.count, 2);
    i8x_log_configure(I8X_LOG_DEBUG, capture, &seen);
    i8x_log(I8X_LOG_DEBUG, "e", "a=%d", 1);
    ck_assert_int_eq(seen.count, 3);
}
END_TEST

START_TEST(lines_are_cut_at_1024_bytes_and_stay_one_line)
{
    captured seen = {0};
    char text[3000];
    i8x_log_configure(I8X_LOG_INFO, capture, &seen);
    memset(text, 'v', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    i8x_log(I8X_LOG_INFO, "long", "a=%s", text);
    ck_assert_uint_eq(strlen(seen.line), 1024);
    i8x_log(I8X_LOG_INFO, "forged", "a=%s", "x\nlevel=error event=theft\r");
    ck_assert_ptr_null(strpbrk(seen.line, "\n\r"));
}
END_TEST

START_TEST(quote_escapes_what_would_break_a_value)
{
    char buffer[32];
    ck_assert_str_eq(i8x_log_quote("plain-1.2", buffer, sizeof buffer), "plain-1.2");
    ck_assert_str_eq(i8x_log_quote("", buffer, sizeof buffer), "\"\"");
    ck_assert_str_eq(i8x_log_quote(NULL, buffer, sizeof buffer), "\"\"");
    ck_assert_str_eq(i8x_log_quote("a b", buffer, sizeof buffer), "\"a b\"");
    ck_assert_str_eq(i8x_log_quote("a=\"b\\", buffer, sizeof buffer), "\"a=\\\"b\\\\\"");
    ck_assert_str_eq(i8x_log_quote("\n\t\r\x01\x7f", buffer, sizeof buffer),
                     "\"\\n\\t\\r\\x01\\x7f\"");
}
END_TEST

START_TEST(quote_never_leaves_its_buffer)
{
    for (size_t size = 0; size <= 12; size++) {
        char buffer[16];
        memset(buffer, '#', sizeof buffer);
        i8x_log_quote("a \"\n\x02 b", buffer, size);
        for (size_t i = size; i < sizeof buffer; i++)
            ck_assert_int_eq(buffer[i], '#');
        if (size > 0)
            ck_assert_uint_lt(strnlen(buffer, sizeof buffer), size);
    }
}
END_TEST

START_TEST(level_names_are_parsed)
{
    i8x_log_level level = I8X_LOG_INFO;
    ck_assert_ok(i8x_log_level_parse("debug", &level));
    ck_assert_int_eq(level, I8X_LOG_DEBUG);
    ck_assert_ok(i8x_log_level_parse("error", &level));
    ck_assert_int_eq(level, I8X_LOG_ERROR);
    ck_assert_status(i8x_log_level_parse("loud", &level), I8X_EARG);
    ck_assert_status(i8x_log_level_parse(NULL, &level), I8X_EARG);
    ck_assert_int_eq(level, I8X_LOG_ERROR);
}
END_TEST

Suite *check_log_suite(void)
{
    const TTest *tests[] = {
        line_has_time_level_event_thread_and_pairs,
        levels_above_the_limit_are_dropped,
        lines_are_cut_at_1024_bytes_and_stay_one_line,
        quote_escapes_what_would_break_a_value,
        quote_never_leaves_its_buffer,
        level_names_are_parsed,
    };
    return i8x_suite("log", tests, sizeof tests / sizeof tests[0]);
}
