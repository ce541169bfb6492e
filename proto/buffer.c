/* SPDX-License-Identifier: Apache-2.0
 *
 * A growing byte buffer: doubles, never beyond its limit. JSON strings are written here and not by
 * a JSON library, because answers are streamed out of tables and need no tree.
 */
#include "proto/buffer.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "int8x/alloc.h"
#include "proto/utf8.h"

#define FIRST_CAPACITY 256

void i8x_buffer_init(i8x_buffer *buffer, size_t limit_bytes)
{
    *buffer = (i8x_buffer){.limit_bytes = limit_bytes};
}

void i8x_buffer_deinit(i8x_buffer *buffer)
{
    i8x_alloc_free(i8x_alloc_heap(), buffer->bytes, buffer->capacity);
    *buffer = (i8x_buffer){.limit_bytes = buffer->limit_bytes};
}

void i8x_buffer_clear(i8x_buffer *buffer)
{
    buffer->size = 0;
    buffer->status = I8X_OK;
}

i8x_status i8x_buffer_status(const i8x_buffer *buffer)
{
    return buffer->status;
}

/* Makes room for size more bytes and the closing zero. */
static i8x_status grow(i8x_buffer *buffer, size_t size)
{
    I8X_ENSURE(size < SIZE_MAX - buffer->size - 1, I8X_ELIMIT, "buffer of %zu bytes", size);
    size_t wanted = buffer->size + size;
    I8X_ENSURE(buffer->limit_bytes == 0 || wanted <= buffer->limit_bytes, I8X_ELIMIT,
               "%zu bytes are over the limit of %zu", wanted, buffer->limit_bytes);
    if (wanted + 1 <= buffer->capacity)
        return I8X_OK;
    size_t capacity = buffer->capacity != 0 ? buffer->capacity : FIRST_CAPACITY;
    while (capacity < wanted + 1)
        capacity = capacity > SIZE_MAX / 2 ? wanted + 1 : capacity * 2;
    uint8_t *bytes = i8x_alloc_resize(i8x_alloc_heap(), buffer->bytes, buffer->capacity, capacity);
    I8X_TRY(i8x_alloc_check(bytes));
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return I8X_OK;
}

uint8_t *i8x_buffer_reserve(i8x_buffer *buffer, size_t size)
{
    if (buffer->status == I8X_OK)
        buffer->status = grow(buffer, size);
    if (buffer->status != I8X_OK)
        return NULL;
    uint8_t *room = buffer->bytes + buffer->size;
    buffer->size += size;
    buffer->bytes[buffer->size] = 0;
    return room;
}

void i8x_buffer_put(i8x_buffer *buffer, const void *bytes, size_t size)
{
    uint8_t *room = i8x_buffer_reserve(buffer, size);
    if (room != NULL && size > 0)
        memcpy(room, bytes, size);
}

void i8x_buffer_text(i8x_buffer *buffer, const char *text)
{
    i8x_buffer_put(buffer, text, strlen(text));
}

void i8x_buffer_format(i8x_buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    uint8_t *room = size < 0 ? NULL : i8x_buffer_reserve(buffer, (size_t)size);
    if (room == NULL)
        return;
    va_start(args, format);
    vsnprintf((char *)room, (size_t)size + 1, format, args);
    va_end(args);
}

void i8x_buffer_json(i8x_buffer *buffer, const char *text)
{
    if (text == NULL) {
        i8x_buffer_text(buffer, "null");
        return;
    }
    i8x_buffer_text(buffer, "\"");
    for (const uint8_t *at = (const uint8_t *)text; *at != 0;) {
        size_t length = i8x_utf8_length(at, SIZE_MAX); /* stops at the zero byte */
        if (length == 0)
            i8x_buffer_text(buffer, "\xEF\xBF\xBD");
        else if (*at == '"' || *at == '\\')
            i8x_buffer_format(buffer, "\\%c", *at);
        else if (*at < 0x20 || *at == 0x7F)
            i8x_buffer_format(buffer, "\\u%04x", *at);
        else
            i8x_buffer_put(buffer, at, length);
        at += length != 0 ? length : 1;
    }
    i8x_buffer_text(buffer, "\"");
}

const char *i8x_buffer_cstr(const i8x_buffer *buffer)
{
    return buffer->bytes != NULL ? (const char *)buffer->bytes : "";
}
