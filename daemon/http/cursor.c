/* SPDX-License-Identifier: Apache-2.0
 *
 * Hex of: list, bytes, the first four bytes of their digest. The digest keeps no secret; it tells a
 * cursor of another list, or a mistyped one, from a good one.
 */
#include "daemon/http/cursor.h"

#include <stdio.h>
#include <string.h>

#include "int8x/digest.h"

#define CHECK_SIZE 4

char *i8x_cursor_print(char list, const void *bytes, size_t size, char text[I8X_CURSOR_SIZE])
{
    uint8_t raw[1 + I8X_CURSOR_BYTES_MAX + CHECK_SIZE] = {(uint8_t)list};
    I8X_ASSERT(size <= I8X_CURSOR_BYTES_MAX);
    memcpy(raw + 1, bytes, size);
    i8x_digest digest = i8x_digest_of(raw, 1 + size);
    memcpy(raw + 1 + size, digest.bytes, CHECK_SIZE);
    for (size_t i = 0; i < 1 + size + CHECK_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", raw[i]);
    return text;
}

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

i8x_status i8x_cursor_read(char list, const char *text, uint8_t bytes[I8X_CURSOR_BYTES_MAX],
                           size_t *size)
{
    uint8_t raw[1 + I8X_CURSOR_BYTES_MAX + CHECK_SIZE];
    size_t digits = strlen(text), count = digits / 2;
    bool good = digits % 2 == 0 && count >= 1 + CHECK_SIZE && count <= sizeof raw;
    for (size_t i = 0; good && i < count; i++) {
        int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);
        good = high >= 0 && low >= 0;
        raw[i] = good ? (uint8_t)(high * 16 + low) : 0;
    }
    if (good) {
        i8x_digest digest = i8x_digest_of(raw, count - CHECK_SIZE);
        good = raw[0] == (uint8_t)list &&
               memcmp(digest.bytes, raw + count - CHECK_SIZE, CHECK_SIZE) == 0;
    }
    I8X_ENSURE(good, I8X_EARG,
               "?cursor= is no cursor of this list: take 'next' of the page before, or leave it "
               "out");
    *size = count - 1 - CHECK_SIZE;
    memcpy(bytes, raw + 1, *size);
    return I8X_OK;
}

char *i8x_cursor_print_number(char list, int64_t number, char text[I8X_CURSOR_SIZE])
{
    return i8x_cursor_print(list, &number, sizeof number, text);
}

i8x_status i8x_cursor_read_number(char list, const char *text, int64_t *number)
{
    uint8_t bytes[I8X_CURSOR_BYTES_MAX];
    size_t size;
    I8X_TRY(i8x_cursor_read(list, text, bytes, &size));
    I8X_ENSURE(size == sizeof *number, I8X_EARG, "?cursor= is no cursor of this list");
    memcpy(number, bytes, sizeof *number);
    return I8X_OK;
}
