/* SPDX-License-Identifier: Apache-2.0
 *
 * One line of logfmt per event. The line is built on the stack and given to the sink, or written to
 * standard error, in one call, so that lines of two threads never mix. The sink is set once at
 * start: level, sink and user are atomics only so that a late change is no data race.
 */
#include "core/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE 1025 /* 1,024 bytes and the closing zero */

typedef struct log_line {
    char text[LINE_SIZE];
    size_t length;
} log_line;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static atomic_int log_level = I8X_LOG_INFO;
static _Atomic(i8x_log_sink_fn) log_sink;
static _Atomic(void *) log_user;
static atomic_uint thread_count;
static _Thread_local unsigned thread_number; /* 1, 2, ... in order of first line; 0 = none yet */

static void write_all(const char *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(STDERR_FILENO, bytes, size);
        if (written <= 0)
            return; /* nobody is left to tell */
        bytes += written;
        size -= (size_t)written;
    }
}

void i8x_log_last_words(const char *text)
{
    write_all("int8x: ", 7);
    write_all(text, strlen(text));
    write_all("\n", 1);
}

void i8x_log_configure(i8x_log_level max_level, i8x_log_sink_fn sink, void *user)
{
    atomic_store(&log_user, user);
    atomic_store(&log_sink, sink);
    atomic_store(&log_level, (int)max_level);
}

i8x_status i8x_log_level_parse(const char *name, i8x_log_level *level)
{
    I8X_ENSURE(name != NULL, I8X_EARG, "log level is NULL");
    for (int i = I8X_LOG_ERROR; i <= I8X_LOG_DEBUG; i++)
        if (strcmp(name, level_names[i]) == 0) {
            *level = (i8x_log_level)i;
            return I8X_OK;
        }
    I8X_FAIL(I8X_EARG, "log level '%s' is none of error, warn, info, debug", name);
}

static void line_advance(log_line *line, int printed)
{
    if (printed <= 0)
        return;
    const size_t room = LINE_SIZE - 1 - line->length;
    line->length += (size_t)printed < room ? (size_t)printed : room;
}

static void line_begin(log_line *line, i8x_log_level level, const char *event)
{
    struct timespec now = {0};
    struct tm utc = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    line->length = strftime(line->text, LINE_SIZE, "time=%Y-%m-%dT%H:%M:%S", &utc);
    if (thread_number == 0)
        thread_number = atomic_fetch_add(&thread_count, 1) + 1;
    line_advance(line, snprintf(line->text + line->length, LINE_SIZE - line->length,
                                ".%03ldZ level=%s event=%s thread=%u", now.tv_nsec / 1000000,
                                level_names[level], event, thread_number));
}

void i8x_log(i8x_log_level level, const char *event, const char *format, ...)
{
    if ((int)level > atomic_load(&log_level) || level > I8X_LOG_DEBUG)
        return;
    log_line line;
    line_begin(&line, level, event);
    if (format[0] != '\0' && line.length + 1 < LINE_SIZE - 1) {
        line.text[line.length++] = ' ';
        va_list args;
        va_start(args, format);
        line_advance(&line,
                     vsnprintf(line.text + line.length, LINE_SIZE - line.length, format, args));
        va_end(args);
    }
    for (size_t i = 0; i < line.length; i++)
        if ((unsigned char)line.text[i] < ' ')
            line.text[i] = ' '; /* an unquoted value must not forge a line */
    line.text[line.length] = '\0';
    const i8x_log_sink_fn sink = atomic_load(&log_sink);
    if (sink != NULL) {
        sink(level, line.text, atomic_load(&log_user));
        return;
    }
    line.text[line.length] = '\n';
    write_all(line.text, line.length + 1);
}

static bool needs_quotes(const char *text)
{
    if (text[0] == '\0')
        return true;
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
            return true;
    }
    return false;
}

/* The escaped form of c in out (at most 4 bytes); returns its length. */
static size_t escape(unsigned char c, char *out)
{
    static const char hex[] = "0123456789abcdef";
    static const char plain[] = "\"\\\n\t\r", letters[] = "\"\\ntr";
    const char *found = c != 0 ? strchr(plain, c) : NULL;
    if (found != NULL) {
        out[0] = '\\';
        out[1] = letters[found - plain];
        return 2;
    }
    if (c < ' ' || c == 0x7f) {
        out[0] = '\\';
        out[1] = 'x';
        out[2] = hex[c >> 4];
        out[3] = hex[c & 15];
        return 4;
    }
    out[0] = (char)c;
    return 1;
}

const char *i8x_log_quote(const char *text, char *buffer, size_t size_bytes)
{
    if (size_bytes == 0)
        return buffer;
    if (text == NULL)
        text = "";
    if (!needs_quotes(text)) {
        snprintf(buffer, size_bytes, "%s", text);
        return buffer;
    }
    if (size_bytes < 3) { /* no room for two quotes */
        buffer[0] = '\0';
        return buffer;
    }
    size_t length = 0;
    buffer[length++] = '"';
    for (; *text != '\0'; text++) {
        char piece[4];
        const size_t size = escape((unsigned char)*text, piece);
        if (length + size + 2 > size_bytes)
            break;
        memcpy(buffer + length, piece, size);
        length += size;
    }
    buffer[length++] = '"';
    buffer[length] = '\0';
    return buffer;
}
