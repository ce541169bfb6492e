/* SPDX-License-Identifier: Apache-2.0
 *
 * Canon: the canonical field encoding in which task keys, options and small results are hashed,
 * stored and sent between tasks (docs/formats.md).
 *
 * Fields have no names: writer and reader agree on a fixed order, and a record starts with a text
 * that names its kind and an integer that is its revision. Every field is self-delimiting, so two
 * different sequences of puts never give the same bytes:
 *
 *     tag   then                       from
 *     'i'   s64                        put_s64
 *     'u'   u64                        put_u64, put_bool (0 or 1)
 *     'f'   IEEE binary64 bits         put_f64, put_f32 (widened, which is exact)
 *     's'   u32 length, bytes          put_text (no zero byte inside; NULL counts as "")
 *     'b'   u32 length, bytes          put_bytes
 *     'd'   32 bytes                   put_digest
 *     '['   -                          begin_list        ']'  -  end_list
 *
 * All numbers little endian. -0 is written as +0; infinities are kept; NaN is refused (I8X_ERANGE).
 * Lists nest to a depth of 32. The status is sticky, like in bytes.h; ask once at the end.
 *
 *     i8x_canon_writer w;
 *     i8x_canon_writer_init(&w, alloc, limit);
 *     i8x_canon_put_text(&w, "calibrate"); i8x_canon_put_s64(&w, revision);
 *     I8X_TRY(i8x_canon_digest(&w, &key));   i8x_canon_writer_deinit(&w);
 */
#ifndef I8X_BASE_CANON_H
#define I8X_BASE_CANON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "int8x/alloc.h"
#include "int8x/digest.h"
#include "int8x/status.h"

#define I8X_CANON_DEPTH_MAX 32

typedef struct i8x_canon_writer {
    i8x_writer out; /* out.bytes, out.size: the encoding so far */
    int depth;      /* lists open */
} i8x_canon_writer;

/** alloc NULL = heap; limit_bytes 0 = none. */
void i8x_canon_writer_init(i8x_canon_writer *writer, const i8x_alloc *alloc, size_t limit_bytes);
void i8x_canon_writer_deinit(i8x_canon_writer *writer);
/** Empties the writer; keeps the memory. */
void i8x_canon_writer_clear(i8x_canon_writer *writer);
/** First failure: I8X_ERANGE (NaN), I8X_ELIMIT (size, depth), I8X_ENOMEM, I8X_EARG (zero byte in a
 * text). An open list is I8X_EARG. */
I8X_FALLIBLE i8x_status i8x_canon_writer_status(i8x_canon_writer *writer);
/** As i8x_writer_take, after i8x_canon_writer_status. */
I8X_FALLIBLE i8x_status i8x_canon_writer_take(i8x_canon_writer *writer, uint8_t **bytes,
                                              size_t *size);
/** SHA-256 of the encoding. Errors: those of i8x_canon_writer_status. */
I8X_FALLIBLE i8x_status i8x_canon_digest(i8x_canon_writer *writer, i8x_digest *digest);

void i8x_canon_put_s64(i8x_canon_writer *writer, int64_t value);
void i8x_canon_put_u64(i8x_canon_writer *writer, uint64_t value);
void i8x_canon_put_bool(i8x_canon_writer *writer, bool value);
void i8x_canon_put_f64(i8x_canon_writer *writer, double value);
void i8x_canon_put_f32(i8x_canon_writer *writer, float value);
void i8x_canon_put_text(i8x_canon_writer *writer, const char *text);
void i8x_canon_put_bytes(i8x_canon_writer *writer, const void *bytes, size_t size);
void i8x_canon_put_digest(i8x_canon_writer *writer, const i8x_digest *digest);
void i8x_canon_begin_list(i8x_canon_writer *writer);
void i8x_canon_end_list(i8x_canon_writer *writer);

/* Mirror of the writer. Refuses what the writer cannot have written: -0, NaN, a bool that is not 0
 * or 1. */
typedef struct i8x_canon_reader {
    i8x_reader in;
    int depth;
} i8x_canon_reader;

/** bytes are borrowed; what names the record in error sentences. */
void i8x_canon_reader_init(i8x_canon_reader *reader, const void *bytes, size_t size,
                           const char *what);
/** First failure, or I8X_OK. */
I8X_FALLIBLE i8x_status i8x_canon_reader_status(const i8x_canon_reader *reader);
/** Status, and I8X_EFORMAT if a list is open or bytes are left. */
I8X_FALLIBLE i8x_status i8x_canon_reader_end(i8x_canon_reader *reader);

/* Each gives 0, false or NULL after a failure; a wrong tag is I8X_EFORMAT. */
int64_t i8x_canon_get_s64(i8x_canon_reader *reader);
/** As get_s64, and outside [min, max] is I8X_EFORMAT; gives min after a failure. */
int64_t i8x_canon_get_s64_in(i8x_canon_reader *reader, int64_t min, int64_t max);
uint64_t i8x_canon_get_u64(i8x_canon_reader *reader);
bool i8x_canon_get_bool(i8x_canon_reader *reader);
double i8x_canon_get_f64(i8x_canon_reader *reader);
/** A number that a float cannot hold exactly is I8X_EFORMAT. */
float i8x_canon_get_f32(i8x_canon_reader *reader);
/** Copy with a closing zero byte in arena; above limit bytes is I8X_EFORMAT. NULL after a failure.
 */
char *i8x_canon_get_text(i8x_canon_reader *reader, i8x_arena *arena, size_t limit);
/** Reads a text and fails unless it is this one (kinds of records). */
void i8x_canon_expect_text(i8x_canon_reader *reader, const char *text);
/** View into the bytes; above limit is I8X_EFORMAT. NULL and 0 after a failure. */
const uint8_t *i8x_canon_get_bytes(i8x_canon_reader *reader, size_t limit, size_t *size);
i8x_digest i8x_canon_get_digest(i8x_canon_reader *reader);
void i8x_canon_get_begin_list(i8x_canon_reader *reader);
/** True if another field stands before the list's end (or, outside lists, before the end of the
 * bytes). False after a failure. */
bool i8x_canon_more(const i8x_canon_reader *reader);
void i8x_canon_get_end_list(i8x_canon_reader *reader);

#endif
