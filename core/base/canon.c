/* SPDX-License-Identifier: Apache-2.0
 *
 * Canonical field encoding. The reader accepts exactly what the writer can produce, so that
 * decoding and encoding again gives the same bytes and a digest can be checked on either side.
 */
#include "core/base/canon.h"

#include <math.h>
#include <string.h>

static bool writer_ok(const i8x_canon_writer *writer)
{
    return writer->out.status == I8X_OK;
}

void i8x_canon_writer_init(i8x_canon_writer *writer, const i8x_alloc *alloc, size_t limit_bytes)
{
    i8x_writer_init(&writer->out, alloc, limit_bytes);
    writer->depth = 0;
}

void i8x_canon_writer_deinit(i8x_canon_writer *writer)
{
    i8x_writer_deinit(&writer->out);
}

void i8x_canon_writer_clear(i8x_canon_writer *writer)
{
    i8x_writer_clear(&writer->out);
    writer->depth = 0;
}

i8x_status i8x_canon_writer_status(i8x_canon_writer *writer)
{
    if (writer_ok(writer) && writer->depth != 0)
        writer->out.status =
            i8x_fail(I8X_EARG, __FILE__, __LINE__, "%d lists are not closed", writer->depth);
    return writer->out.status;
}

i8x_status i8x_canon_writer_take(i8x_canon_writer *writer, uint8_t **bytes, size_t *size)
{
    I8X_TRY(i8x_canon_writer_status(writer));
    return i8x_writer_take(&writer->out, bytes, size);
}

i8x_status i8x_canon_digest(i8x_canon_writer *writer, i8x_digest *digest)
{
    I8X_TRY(i8x_canon_writer_status(writer));
    *digest = i8x_digest_of(writer->out.bytes, writer->out.size);
    return I8X_OK;
}

void i8x_canon_put_s64(i8x_canon_writer *writer, int64_t value)
{
    i8x_writer_put_u8(&writer->out, 'i');
    i8x_writer_put_s64(&writer->out, value);
}

void i8x_canon_put_u64(i8x_canon_writer *writer, uint64_t value)
{
    i8x_writer_put_u8(&writer->out, 'u');
    i8x_writer_put_u64(&writer->out, value);
}

void i8x_canon_put_bool(i8x_canon_writer *writer, bool value)
{
    i8x_canon_put_u64(writer, value ? 1 : 0);
}

void i8x_canon_put_f64(i8x_canon_writer *writer, double value)
{
    if (isnan(value) && writer_ok(writer))
        writer->out.status = i8x_fail(I8X_ERANGE, __FILE__, __LINE__,
                                      "NaN has no canonical encoding (byte %zu)", writer->out.size);
    i8x_writer_put_u8(&writer->out, 'f');
    i8x_writer_put_f64(&writer->out, value == 0 ? 0.0 : value); /* -0 == 0 */
}

void i8x_canon_put_f32(i8x_canon_writer *writer, float value)
{
    i8x_canon_put_f64(writer, (double)value);
}

void i8x_canon_put_text(i8x_canon_writer *writer, const char *text)
{
    i8x_writer_put_u8(&writer->out, 's');
    i8x_writer_put_string(&writer->out, text);
}

void i8x_canon_put_bytes(i8x_canon_writer *writer, const void *bytes, size_t size)
{
    i8x_writer_put_u8(&writer->out, 'b');
    i8x_writer_put_block(&writer->out, bytes, size);
}

void i8x_canon_put_digest(i8x_canon_writer *writer, const i8x_digest *digest)
{
    i8x_writer_put_u8(&writer->out, 'd');
    i8x_writer_put_bytes(&writer->out, digest->bytes, sizeof digest->bytes);
}

void i8x_canon_begin_list(i8x_canon_writer *writer)
{
    if (writer_ok(writer) && writer->depth >= I8X_CANON_DEPTH_MAX)
        writer->out.status = i8x_fail(I8X_ELIMIT, __FILE__, __LINE__,
                                      "lists are nested deeper than %d", I8X_CANON_DEPTH_MAX);
    i8x_writer_put_u8(&writer->out, '[');
    writer->depth++;
}

void i8x_canon_end_list(i8x_canon_writer *writer)
{
    I8X_ASSERT(writer->depth > 0);
    i8x_writer_put_u8(&writer->out, ']');
    writer->depth--;
}

void i8x_canon_reader_init(i8x_canon_reader *reader, const void *bytes, size_t size,
                           const char *what)
{
    i8x_reader_init(&reader->in, bytes, size, what);
    reader->depth = 0;
}

i8x_status i8x_canon_reader_status(const i8x_canon_reader *reader)
{
    return reader->in.status;
}

i8x_status i8x_canon_reader_end(i8x_canon_reader *reader)
{
    if (reader->depth != 0)
        return i8x_reader_fail(&reader->in, "a list is not closed");
    return i8x_reader_end(&reader->in);
}

/* Steps over the tag, or fails naming both. */
static void expect_tag(i8x_canon_reader *reader, char tag)
{
    i8x_reader *in = &reader->in;
    const uint8_t found = i8x_reader_u8(in);
    if (in->status == I8X_OK && found != (uint8_t)tag) {
        in->offset--;
        in->status = i8x_fail(I8X_EFORMAT, __FILE__, __LINE__,
                              "%s: field '%c' wanted at byte %zu, found byte 0x%02x", in->what, tag,
                              in->offset, found);
    }
}

int64_t i8x_canon_get_s64(i8x_canon_reader *reader)
{
    expect_tag(reader, 'i');
    return i8x_reader_s64(&reader->in);
}

int64_t i8x_canon_get_s64_in(i8x_canon_reader *reader, int64_t min, int64_t max)
{
    const int64_t value = i8x_canon_get_s64(reader);
    if (reader->in.status == I8X_OK && (value < min || value > max))
        reader->in.status = i8x_fail(
            I8X_EFORMAT, __FILE__, __LINE__, "%s: %lld before byte %zu is outside [%lld, %lld]",
            reader->in.what, (long long)value, reader->in.offset, (long long)min, (long long)max);
    return reader->in.status == I8X_OK ? value : min;
}

uint64_t i8x_canon_get_u64(i8x_canon_reader *reader)
{
    expect_tag(reader, 'u');
    return i8x_reader_u64(&reader->in);
}

bool i8x_canon_get_bool(i8x_canon_reader *reader)
{
    const uint64_t value = i8x_canon_get_u64(reader);
    if (value > 1)
        i8x_reader_fail(&reader->in, "a truth value is neither 0 nor 1 before");
    return value == 1;
}

double i8x_canon_get_f64(i8x_canon_reader *reader)
{
    expect_tag(reader, 'f');
    const double value = i8x_reader_f64(&reader->in);
    if (isnan(value) || (value == 0 && signbit(value))) {
        i8x_reader_fail(&reader->in, "NaN or negative zero before");
        return 0;
    }
    return value;
}

float i8x_canon_get_f32(i8x_canon_reader *reader)
{
    const double value = i8x_canon_get_f64(reader);
    const float narrow = (float)value;
    if ((double)narrow != value) {
        i8x_reader_fail(&reader->in, "a number is no float before");
        return 0;
    }
    return narrow;
}

char *i8x_canon_get_text(i8x_canon_reader *reader, i8x_arena *arena, size_t limit)
{
    expect_tag(reader, 's');
    return i8x_reader_string(&reader->in, arena, limit);
}

void i8x_canon_expect_text(i8x_canon_reader *reader, const char *text)
{
    expect_tag(reader, 's');
    size_t size;
    const uint8_t *bytes = i8x_reader_block(&reader->in, UINT32_MAX, &size);
    if (bytes == NULL || (size == strlen(text) && memcmp(bytes, text, size) == 0))
        return;
    reader->in.status =
        i8x_fail(I8X_EFORMAT, __FILE__, __LINE__, "%s: the text '%s' is wanted before byte %zu",
                 reader->in.what, text, reader->in.offset);
}

const uint8_t *i8x_canon_get_bytes(i8x_canon_reader *reader, size_t limit, size_t *size)
{
    expect_tag(reader, 'b');
    return i8x_reader_block(&reader->in, limit, size);
}

i8x_digest i8x_canon_get_digest(i8x_canon_reader *reader)
{
    i8x_digest digest = {{0}};
    expect_tag(reader, 'd');
    const uint8_t *bytes = i8x_reader_bytes(&reader->in, sizeof digest.bytes);
    if (bytes != NULL)
        memcpy(digest.bytes, bytes, sizeof digest.bytes);
    return digest;
}

void i8x_canon_get_begin_list(i8x_canon_reader *reader)
{
    if (reader->depth >= I8X_CANON_DEPTH_MAX)
        i8x_reader_fail(&reader->in, "lists are nested too deep");
    expect_tag(reader, '[');
    reader->depth++;
}

bool i8x_canon_more(const i8x_canon_reader *reader)
{
    const i8x_reader *in = &reader->in;
    if (i8x_reader_left(in) == 0)
        return false;
    return in->base[in->offset] != ']';
}

void i8x_canon_get_end_list(i8x_canon_reader *reader)
{
    expect_tag(reader, ']');
    if (reader->depth > 0)
        reader->depth--;
    else
        i8x_reader_fail(&reader->in, "a list ends that did not begin, before");
}
