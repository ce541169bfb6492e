/* SPDX-License-Identifier: Apache-2.0
 *
 * Reader and writer over memory. Numbers are put together byte by byte: no alignment, no assumption
 * about the machine's byte order; gcc and clang make plain loads and stores of it.
 */
#include "core/base/bytes.h"

#include <string.h>

#include "core/base/checked.h"

void i8x_reader_init(i8x_reader *reader, const void *base, size_t size, const char *what)
{
    *reader = (i8x_reader){base, size, 0, what, I8X_OK};
}

i8x_status i8x_reader_status(const i8x_reader *reader)
{
    return reader->status;
}

bool i8x_reader_ok(const i8x_reader *reader)
{
    return reader->status == I8X_OK;
}

size_t i8x_reader_left(const i8x_reader *reader)
{
    return reader->status == I8X_OK ? reader->size - reader->offset : 0;
}

i8x_status i8x_reader_fail(i8x_reader *reader, const char *reason)
{
    if (reader->status == I8X_OK)
        reader->status = i8x_fail(I8X_EFORMAT, __FILE__, __LINE__, "%s: %s at byte %zu of %zu",
                                  reader->what, reason, reader->offset, reader->size);
    return reader->status;
}

i8x_status i8x_reader_end(i8x_reader *reader)
{
    if (reader->status == I8X_OK && reader->offset != reader->size)
        return i8x_reader_fail(reader, "bytes left over");
    return reader->status;
}

const uint8_t *i8x_reader_bytes(i8x_reader *reader, size_t size)
{
    if (reader->status != I8X_OK)
        return NULL;
    if (size > reader->size - reader->offset) {
        reader->status = i8x_fail(I8X_EFORMAT, __FILE__, __LINE__,
                                  "%s: %zu bytes wanted at byte %zu, but it ends at %zu",
                                  reader->what, size, reader->offset, reader->size);
        return NULL;
    }
    const uint8_t *view = reader->base == NULL ? NULL : reader->base + reader->offset;
    reader->offset += size;
    return view;
}

/* The next size <= 8 bytes as a little-endian number; 0 after a failure. */
static uint64_t read_number(i8x_reader *reader, size_t size)
{
    const uint8_t *bytes = i8x_reader_bytes(reader, size);
    if (bytes == NULL)
        return 0;
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

uint8_t i8x_reader_u8(i8x_reader *reader)
{
    return (uint8_t)read_number(reader, 1);
}

uint16_t i8x_reader_u16(i8x_reader *reader)
{
    return (uint16_t)read_number(reader, 2);
}

uint32_t i8x_reader_u32(i8x_reader *reader)
{
    return (uint32_t)read_number(reader, 4);
}

uint64_t i8x_reader_u64(i8x_reader *reader)
{
    return read_number(reader, 8);
}

int8_t i8x_reader_s8(i8x_reader *reader)
{
    return (int8_t)read_number(reader, 1);
}

int16_t i8x_reader_s16(i8x_reader *reader)
{
    return (int16_t)read_number(reader, 2);
}

int32_t i8x_reader_s32(i8x_reader *reader)
{
    return (int32_t)read_number(reader, 4);
}

int64_t i8x_reader_s64(i8x_reader *reader)
{
    return (int64_t)read_number(reader, 8);
}

float i8x_reader_f32(i8x_reader *reader)
{
    const uint32_t bits = i8x_reader_u32(reader);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

double i8x_reader_f64(i8x_reader *reader)
{
    const uint64_t bits = i8x_reader_u64(reader);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

uint64_t i8x_reader_varint(i8x_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        const uint8_t byte = i8x_reader_u8(reader);
        if (reader->status != I8X_OK)
            return 0;
        if (shift == 63 && byte > 1) /* the tenth byte holds one bit */
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    i8x_reader_fail(reader, "varint is longer than 64 bits");
    return 0;
}

const uint8_t *i8x_reader_block(i8x_reader *reader, size_t limit, size_t *size)
{
    *size = 0;
    const uint32_t length = i8x_reader_u32(reader);
    if (reader->status == I8X_OK && length > limit) {
        reader->status = i8x_fail(I8X_EFORMAT, __FILE__, __LINE__,
                                  "%s: length %lu at byte %zu is over the limit %zu", reader->what,
                                  (unsigned long)length, reader->offset - 4, limit);
        return NULL;
    }
    const uint8_t *bytes = i8x_reader_bytes(reader, length);
    if (reader->status == I8X_OK)
        *size = length;
    return bytes;
}

char *i8x_reader_string(i8x_reader *reader, i8x_arena *arena, size_t limit)
{
    size_t size;
    const uint8_t *bytes = i8x_reader_block(reader, limit, &size);
    if (bytes == NULL)
        return NULL;
    if (memchr(bytes, 0, size) != NULL) {
        i8x_reader_fail(reader, "zero byte inside a text before");
        return NULL;
    }
    char *text = i8x_arena_alloc(arena, size + 1);
    if (text == NULL) {
        reader->status = i8x_last_error()->status;
        return NULL;
    }
    memcpy(text, bytes, size);
    text[size] = '\0';
    return text;
}

void i8x_reader_skip(i8x_reader *reader, size_t size)
{
    (void)i8x_reader_bytes(reader, size);
}

void i8x_reader_seek(i8x_reader *reader, size_t offset)
{
    if (reader->status != I8X_OK)
        return;
    if (offset > reader->size)
        reader->status = i8x_fail(I8X_EFORMAT, __FILE__, __LINE__,
                                  "%s: offset %zu at byte %zu points behind the end %zu",
                                  reader->what, offset, reader->offset, reader->size);
    else
        reader->offset = offset;
}

i8x_reader i8x_reader_sub(i8x_reader *reader, size_t size, const char *what)
{
    const uint8_t *bytes = i8x_reader_bytes(reader, size);
    i8x_reader sub;
    i8x_reader_init(&sub, bytes, reader->status == I8X_OK ? size : 0, what);
    sub.status = reader->status;
    return sub;
}

void i8x_writer_init(i8x_writer *writer, const i8x_alloc *alloc, size_t limit_bytes)
{
    *writer = (i8x_writer){.alloc = alloc != NULL ? alloc : i8x_alloc_heap(),
                           .limit_bytes = limit_bytes != 0 ? limit_bytes : SIZE_MAX};
}

void i8x_writer_deinit(i8x_writer *writer)
{
    i8x_alloc_free(writer->alloc, writer->bytes, writer->capacity);
    writer->bytes = NULL;
    writer->size = writer->capacity = 0;
}

void i8x_writer_clear(i8x_writer *writer)
{
    writer->size = 0;
    writer->status = I8X_OK;
}

i8x_status i8x_writer_status(const i8x_writer *writer)
{
    return writer->status;
}

static bool set_capacity(i8x_writer *writer, size_t capacity)
{
    uint8_t *moved = i8x_alloc_resize(writer->alloc, writer->bytes, writer->capacity, capacity);
    if (moved == NULL) {
        writer->status = I8X_ENOMEM;
        return false;
    }
    writer->bytes = moved;
    writer->capacity = capacity;
    return true;
}

i8x_status i8x_writer_take(i8x_writer *writer, uint8_t **bytes, size_t *size)
{
    I8X_TRY(writer->status);
    /* shrunk, because the block is later freed by its size */
    if (writer->bytes == NULL || writer->capacity != writer->size)
        if (!set_capacity(writer, writer->size))
            return writer->status;
    *bytes = writer->bytes;
    *size = writer->size;
    writer->bytes = NULL;
    writer->size = writer->capacity = 0;
    return I8X_OK;
}

uint8_t *i8x_writer_reserve(i8x_writer *writer, size_t size)
{
    if (writer->status != I8X_OK)
        return NULL;
    size_t end;
    if (!i8x_add_size(writer->size, size, &end) || end > writer->limit_bytes) {
        writer->status = i8x_fail(I8X_ELIMIT, __FILE__, __LINE__,
                                  "%zu more bytes after %zu are over the limit %zu", size,
                                  writer->size, writer->limit_bytes);
        return NULL;
    }
    if (end > writer->capacity || writer->bytes == NULL) {
        size_t capacity = writer->capacity < 32 ? 64 : writer->capacity;
        while (capacity < end && i8x_mul_size(capacity, 2, &capacity))
            continue;
        if (capacity < end || capacity > writer->limit_bytes)
            capacity = writer->limit_bytes > end ? writer->limit_bytes : end;
        if (!set_capacity(writer, capacity))
            return NULL;
    }
    uint8_t *room = writer->bytes + writer->size;
    writer->size = end;
    return room;
}

static void put_number(i8x_writer *writer, uint64_t value, size_t size)
{
    uint8_t *room = i8x_writer_reserve(writer, size);
    for (size_t i = 0; room != NULL && i < size; i++)
        room[i] = (uint8_t)(value >> (8 * i));
}

void i8x_writer_put_u8(i8x_writer *writer, uint8_t value)
{
    put_number(writer, value, 1);
}

void i8x_writer_put_u16(i8x_writer *writer, uint16_t value)
{
    put_number(writer, value, 2);
}

void i8x_writer_put_u32(i8x_writer *writer, uint32_t value)
{
    put_number(writer, value, 4);
}

void i8x_writer_put_u64(i8x_writer *writer, uint64_t value)
{
    put_number(writer, value, 8);
}

void i8x_writer_put_s8(i8x_writer *writer, int8_t value)
{
    put_number(writer, (uint8_t)value, 1);
}

void i8x_writer_put_s16(i8x_writer *writer, int16_t value)
{
    put_number(writer, (uint16_t)value, 2);
}

void i8x_writer_put_s32(i8x_writer *writer, int32_t value)
{
    put_number(writer, (uint32_t)value, 4);
}

void i8x_writer_put_s64(i8x_writer *writer, int64_t value)
{
    put_number(writer, (uint64_t)value, 8);
}

void i8x_writer_put_f32(i8x_writer *writer, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_number(writer, bits, 4);
}

void i8x_writer_put_f64(i8x_writer *writer, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_number(writer, bits, 8);
}

void i8x_writer_put_varint(i8x_writer *writer, uint64_t value)
{
    while (value >= 0x80) {
        i8x_writer_put_u8(writer, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    i8x_writer_put_u8(writer, (uint8_t)value);
}

void i8x_writer_put_bytes(i8x_writer *writer, const void *bytes, size_t size)
{
    uint8_t *room = i8x_writer_reserve(writer, size);
    if (room != NULL && size > 0)
        memcpy(room, bytes, size);
}

void i8x_writer_put_block(i8x_writer *writer, const void *bytes, size_t size)
{
    if (writer->status == I8X_OK &&
        size >> 16 > 0xffff) /* more than 32 bits, whatever a size_t has */
        writer->status =
            i8x_fail(I8X_ELIMIT, __FILE__, __LINE__, "a block of %zu bytes is over the limit %lu",
                     size, (unsigned long)UINT32_MAX);
    i8x_writer_put_u32(writer, (uint32_t)size);
    i8x_writer_put_bytes(writer, bytes, size);
}

void i8x_writer_put_string(i8x_writer *writer, const char *text)
{
    if (text == NULL)
        text = "";
    i8x_writer_put_block(writer, text, strlen(text));
}

void i8x_writer_put_padding(i8x_writer *writer, size_t alignment)
{
    const size_t size = (alignment - (writer->size & (alignment - 1))) & (alignment - 1);
    uint8_t *room = i8x_writer_reserve(writer, size);
    if (room != NULL)
        memset(room, 0, size);
}

void i8x_writer_patch_u32(i8x_writer *writer, size_t offset, uint32_t value)
{
    if (writer->status != I8X_OK)
        return;
    I8X_ASSERT(writer->size >= 4 && offset <= writer->size - 4);
    for (size_t i = 0; i < 4; i++)
        writer->bytes[offset + i] = (uint8_t)(value >> (8 * i));
}
