/* SPDX-License-Identifier: Apache-2.0
 *
 * The status table and the last-error detail of each thread. The detail is a plain thread-local
 * struct: no allocation, so that I8X_ENOMEM can always be told.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "int8x/status.h"

typedef struct status_row {
    const char *name;
    const char *sentence;
    int http;
    int exit_code;
} status_row;

static const status_row rows[I8X_STATUS_COUNT] = {
#define STATUS_ROW(name, sentence, http, exit_code) {#name, sentence, http, exit_code},
    I8X_STATUS_LIST(STATUS_ROW)
#undef STATUS_ROW
};

static _Thread_local i8x_error last_error;

static const status_row *row_of(i8x_status status)
{
    static const status_row unknown = {"?", "unknown status", 500, 70};
    /* through unsigned: a number from outside may be negative */
    return (unsigned)status < I8X_STATUS_COUNT ? &rows[status] : &unknown;
}

const char *i8x_status_name(i8x_status status)
{
    return row_of(status)->name;
}

const char *i8x_status_sentence(i8x_status status)
{
    return row_of(status)->sentence;
}

int i8x_status_http(i8x_status status)
{
    return row_of(status)->http;
}

int i8x_status_exit_code(i8x_status status)
{
    return row_of(status)->exit_code;
}

i8x_status i8x_status_from_name(const char *name)
{
    for (int i = 0; name != NULL && i < I8X_STATUS_COUNT; i++)
        if (strcmp(rows[i].name, name) == 0)
            return (i8x_status)i;
    return I8X_STATUS_COUNT;
}

const i8x_error *i8x_last_error(void)
{
    return &last_error;
}

/* Names in brackets: to the analyzer they are macros, too. */
i8x_status(i8x_fail)(i8x_status status, const char *file, int line, const char *format, ...)
{
    /* formatted aside first: the arguments may point into the detail itself */
    char detail[I8X_ERROR_DETAIL_SIZE];
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    last_error.status = status;
    last_error.file = file;
    last_error.line = line;
    memcpy(last_error.detail, detail, sizeof detail);
    if (length <= 0)
        snprintf(last_error.detail, sizeof last_error.detail, "%s", i8x_status_sentence(status));
    return status;
}

i8x_status(i8x_fail_prefix)(const char *format, ...)
{
    char joined[I8X_ERROR_DETAIL_SIZE];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(joined, sizeof joined, format, args);
    va_end(args);
    if (length < 0)
        length = 0;
    if ((size_t)length < sizeof joined)
        snprintf(joined + length, sizeof joined - (size_t)length, "%s", last_error.detail);
    memcpy(last_error.detail, joined, sizeof joined);
    return last_error.status;
}

void i8x_assert_failed(const char *condition, const char *file, int line)
{
    char text[512];
    snprintf(text, sizeof text, "assertion failed: %s (%s:%d)", condition, file, line);
    i8x_log_last_words(text);
    abort();
}
