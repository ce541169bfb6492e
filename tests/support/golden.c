/* SPDX-License-Identifier: Apache-2.0
 *
 * Text files of golden vectors.
 */
#include "tests/support/golden.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct i8x_golden {
    FILE *file;
    char *line;
    size_t capacity;
    size_t count;
};

i8x_golden *i8x_golden_open(const char *source_dir, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/golden/%s", source_dir, name);
    i8x_golden *golden = calloc(1, sizeof *golden);
    ck_assert_ptr_nonnull(golden);
    golden->file = fopen(path, "r");
    ck_assert_msg(golden->file != NULL, "cannot open %s", path);
    return golden;
}

bool i8x_golden_next(i8x_golden *golden, char **fields, size_t count)
{
    ssize_t length;
    do {
        length = getline(&golden->line, &golden->capacity, golden->file);
        if (length <= 0)
            return false;
    } while (golden->line[0] == '#' || golden->line[0] == '\n');
    golden->line[strcspn(golden->line, "\n")] = '\0';
    char *next = golden->line;
    for (size_t i = 0; i < count; i++) {
        ck_assert_msg(next != NULL, "vector %zu has fewer than %zu fields", golden->count, count);
        fields[i] = next;
        next = strchr(next, ' ');
        if (next != NULL)
            *next++ = '\0';
    }
    ck_assert_msg(next == NULL, "vector %zu has more than %zu fields", golden->count, count);
    golden->count++;
    return true;
}

void i8x_golden_close(i8x_golden *golden, size_t least)
{
    const size_t count = golden->count;
    fclose(golden->file);
    free(golden->line);
    free(golden);
    ck_assert_uint_ge(count, least);
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

size_t i8x_golden_hex(const char *hex, uint8_t *bytes, size_t limit)
{
    if (strcmp(hex, "-") == 0)
        return 0;
    const size_t size = strlen(hex) / 2;
    ck_assert_msg(strlen(hex) % 2 == 0 && size <= limit, "hex of %zu digits", strlen(hex));
    for (size_t i = 0; i < size; i++) {
        const int high = digit_value(hex[2 * i]), low = digit_value(hex[2 * i + 1]);
        ck_assert_msg(high >= 0 && low >= 0, "not hex: %s", hex);
        bytes[i] = (uint8_t)(high * 16 + low);
    }
    return size;
}
