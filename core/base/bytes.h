/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes: a bounded reader over memory and a growing writer, both little endian.
 *
 * Both keep a sticky status: the first short read (or refused write) records I8X_EFORMAT
 * (I8X_ELIMIT, I8X_ENOMEM) with what was read and the byte offset; from then on reads give 0 and
 * writes do nothing. So a parser reads a whole record and asks once:
 *
 *     i8x_reader r;
 *     i8x_reader_init(&r, bytes, size, "npy header");
 *     uint32_t rows = i8x_reader_u32(&r), cols = i8x_reader_u32(&r);
 *     I8X_TRY(i8x_reader_status(&r));       // before rows and cols are believed
 *
 * A loop whose bound was read from the reader must ask i8x_reader_ok() each turn or check the bound
 * against i8x_reader_left() first. Not thread-safe per object.
 */
#ifndef I8X_BASE_BYTES_H
#define I8X_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "int8x/alloc.h"
#include "int8x/status.h"

/* Cursor over borrowed memory. Fields may be read; they are changed by the functions below. */
typedef struct i8x_reader {
    const uint8_t *base;
    size_t size;
    size_t offset;    /* of the next byte; <= size */
    const char *what; /* borrowed: names the thing in error sentences */
    i8x_status status;
} i8x_reader;

/** base may be NULL if size is 0. what must outlive the reader. */
void i8x_reader_init(i8x_reader *reader, const void *base, size_t size, const char *what);
/** First failure of this reader, or I8X_OK. The detail stands in i8x_last_error() since it
 * happened. */
I8X_FALLIBLE i8x_status i8x_reader_status(const i8x_reader *reader);
/** True while nothing has failed. */
bool i8x_reader_ok(const i8x_reader *reader);
/** Bytes not read yet; 0 after a failure. */
size_t i8x_reader_left(const i8x_reader *reader);
/** Records I8X_EFORMAT "<what>: <reason> at byte <offset>" unless the reader has failed already;
 * returns the status. */
i8x_status i8x_reader_fail(i8x_reader *reader, const char *reason);
/** I8X_OK if nothing has failed and nothing is left. Errors: I8X_EFORMAT (bytes left over). */
I8X_FALLIBLE i8x_status i8x_reader_end(i8x_reader *reader);

uint8_t i8x_reader_u8(i8x_reader *reader);
uint16_t i8x_reader_u16(i8x_reader *reader);
uint32_t i8x_reader_u32(i8x_reader *reader);
uint64_t i8x_reader_u64(i8x_reader *reader);
int8_t i8x_reader_s8(i8x_reader *reader);
int16_t i8x_reader_s16(i8x_reader *reader);
int32_t i8x_reader_s32(i8x_reader *reader);
int64_t i8x_reader_s64(i8x_reader *reader);
float i8x_reader_f32(i8x_reader *reader);
double i8x_reader_f64(i8x_reader *reader);
/** Base-128 varint of at most 10 bytes (protobuf); a longer or overflowing one is I8X_EFORMAT. */
uint64_t i8x_reader_varint(i8x_reader *reader);
/** View of the next size bytes, borrowed from the base; NULL after a failure. size 0 gives a valid
 * pointer unless base is NULL. */
const uint8_t *i8x_reader_bytes(i8x_reader *reader, size_t size);
/** u32 length, then bytes: a view; *size is 0 and the result NULL after a failure. Lengths above
 * limit are I8X_EFORMAT. */
const uint8_t *i8x_reader_block(i8x_reader *reader, size_t limit, size_t *size);
/** u32 length, then text without a zero byte: a copy with a closing zero in arena. Never NULL while
 * ok, NULL after a failure. */
char *i8x_reader_string(i8x_reader *reader, i8x_arena *arena, size_t limit);
/** Moves forward. */
void i8x_reader_skip(i8x_reader *reader, size_t size);
/** Moves to an absolute offset (<= size). */
void i8x_reader_seek(i8x_reader *reader, size_t offset);
/** A reader of the next size bytes, which this one steps over; failed if they are not there. */
i8x_reader i8x_reader_sub(i8x_reader *reader, size_t size, const char *what);

/* Growing buffer. bytes and size may be read; bytes moves when it grows. */
typedef struct i8x_writer {
    const i8x_alloc *alloc;
    uint8_t *bytes;
    size_t size;
    size_t capacity;
    size_t limit_bytes;
    i8x_status status;
} i8x_writer;

/** alloc NULL = heap. limit_bytes 0 = none but memory. Takes no memory before the first put. */
void i8x_writer_init(i8x_writer *writer, const i8x_alloc *alloc, size_t limit_bytes);
/** Frees the bytes. Safe after init and after take. */
void i8x_writer_deinit(i8x_writer *writer);
/** Empties the writer and its status; keeps the memory. */
void i8x_writer_clear(i8x_writer *writer);
/** First failure (I8X_ELIMIT, I8X_ENOMEM), or I8X_OK. */
I8X_FALLIBLE i8x_status i8x_writer_status(const i8x_writer *writer);
/**
 * Hands the bytes to the caller, who frees them with i8x_alloc_free(alloc, *bytes, *size). Even an
 * empty writer gives a block. Errors: the writer's status; I8X_ENOMEM.
 */
I8X_FALLIBLE i8x_status i8x_writer_take(i8x_writer *writer, uint8_t **bytes, size_t *size);

void i8x_writer_put_u8(i8x_writer *writer, uint8_t value);
void i8x_writer_put_u16(i8x_writer *writer, uint16_t value);
void i8x_writer_put_u32(i8x_writer *writer, uint32_t value);
void i8x_writer_put_u64(i8x_writer *writer, uint64_t value);
void i8x_writer_put_s8(i8x_writer *writer, int8_t value);
void i8x_writer_put_s16(i8x_writer *writer, int16_t value);
void i8x_writer_put_s32(i8x_writer *writer, int32_t value);
void i8x_writer_put_s64(i8x_writer *writer, int64_t value);
void i8x_writer_put_f32(i8x_writer *writer, float value);
void i8x_writer_put_f64(i8x_writer *writer, double value);
void i8x_writer_put_varint(i8x_writer *writer, uint64_t value);
/** Raw bytes, no length. */
void i8x_writer_put_bytes(i8x_writer *writer, const void *bytes, size_t size);
/** u32 length, then the bytes. Longer than 2^32 - 1 is I8X_ELIMIT. */
void i8x_writer_put_block(i8x_writer *writer, const void *bytes, size_t size);
/** u32 length, then the text without its zero byte; NULL counts as "". */
void i8x_writer_put_string(i8x_writer *writer, const char *text);
/** Zero bytes up to the next multiple of alignment (a power of two). */
void i8x_writer_put_padding(i8x_writer *writer, size_t alignment);
/** Room for size bytes that the caller fills at once; NULL after a failure. Valid until the next
 * put. */
uint8_t *i8x_writer_reserve(i8x_writer *writer, size_t size);
/** Overwrites 4 bytes at an offset that has been written (asserted unless the writer has failed).
 */
void i8x_writer_patch_u32(i8x_writer *writer, size_t offset, uint32_t value);

#endif
