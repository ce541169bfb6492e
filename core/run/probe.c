/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of a probe, and its numbers as a record.
 */
#include "core/run/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char magic[] = "int8x probe\n";
static const char *const modes[I8X_PROBE_MODE_COUNT] = {
#define X(name, text) text,
    I8X_PROBE_MODE_LIST(X)
#undef X
};

bool i8x_probe_is(const void *bytes, size_t size)
{
    return size >= sizeof magic - 1 && memcmp(bytes, magic, sizeof magic - 1) == 0;
}

static i8x_status parse_number(const char *name, const char *text, int64_t max, int64_t *number)
{
    char *end;
    long long value = strtoll(text, &end, 10);
    I8X_ENSURE(end != text && *end == 0 && value >= 0 && value <= max, I8X_ERANGE,
               "probe: %s is '%.20s', allowed 0..%lld", name, text, (long long)max);
    *number = value;
    return I8X_OK;
}

static i8x_status parse_mode(const char *text, i8x_probe_mode *mode)
{
    for (int i = 0; i < I8X_PROBE_MODE_COUNT; i++)
        if (strcmp(text, modes[i]) == 0) {
            *mode = (i8x_probe_mode)i;
            return I8X_OK;
        }
    I8X_FAIL(I8X_EFORMAT, "probe: mode '%.20s' is none of ok, crash, loop, memory, fail", text);
}

static i8x_status parse_line(char *line, i8x_probe *probe)
{
    char *value = strchr(line, ' ');
    I8X_ENSURE(value != NULL, I8X_EFORMAT, "probe: line '%.40s' has no value", line);
    *value++ = 0;
    if (strcmp(line, "count") == 0)
        return parse_number(line, value, I8X_PROBE_COUNT_MAX, &probe->count);
    if (strcmp(line, "ms") == 0)
        return parse_number(line, value, I8X_PROBE_MS_MAX, &probe->ms);
    if (strcmp(line, "bytes") == 0)
        return parse_number(line, value, I8X_PROBE_BYTES_MAX, &probe->bytes);
    if (strcmp(line, "mode") == 0)
        return parse_mode(value, &probe->mode);
    I8X_ENSURE(strcmp(line, "seed") == 0, I8X_EFORMAT,
               "probe: '%.20s' is none of count, ms, bytes, mode, seed", line);
    return I8X_OK;
}

i8x_status i8x_probe_parse(const void *bytes, size_t size, i8x_probe *probe)
{
    char text[I8X_PROBE_TEXT_MAX + 1];
    I8X_ENSURE(size <= I8X_PROBE_TEXT_MAX, I8X_ELIMIT, "probe: a text of %zu bytes, at most %d",
               size, I8X_PROBE_TEXT_MAX);
    memcpy(text, bytes, size);
    text[size] = 0;
    *probe = (i8x_probe){.count = 1};
    for (char *line = text + sizeof magic - 1, *next; *line != 0; line = next) {
        size_t length = strcspn(line, "\n");
        next = line + length + (line[length] == '\n');
        line[length] = 0;
        I8X_TRY(parse_line(line, probe));
    }
    I8X_ENSURE(probe->count > 0, I8X_ERANGE, "probe: count is 0, allowed 1..%d",
               I8X_PROBE_COUNT_MAX);
    return I8X_OK;
}

void i8x_probe_put(i8x_canon_writer *writer, const i8x_probe *probe)
{
    i8x_canon_put_s64(writer, probe->count);
    i8x_canon_put_s64(writer, probe->ms);
    i8x_canon_put_s64(writer, probe->bytes);
    i8x_canon_put_s64(writer, probe->mode);
}

void i8x_probe_take(i8x_canon_reader *reader, i8x_probe *probe)
{
    probe->count = i8x_canon_get_s64_in(reader, 1, I8X_PROBE_COUNT_MAX);
    probe->ms = i8x_canon_get_s64_in(reader, 0, I8X_PROBE_MS_MAX);
    probe->bytes = i8x_canon_get_s64_in(reader, 0, I8X_PROBE_BYTES_MAX);
    probe->mode = (i8x_probe_mode)i8x_canon_get_s64_in(reader, 0, I8X_PROBE_MODE_COUNT - 1);
}
