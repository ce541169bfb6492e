/* SPDX-License-Identifier: Apache-2.0
 *
 * Buffer: growing bytes with a limit, and text put together from parts (JSON strings, metrics). The
 * status is sticky: put many times, ask once with i8x_buffer_status. Not thread-safe per object.
 */
#ifndef I8X_PROTO_BUFFER_H
#define I8X_PROTO_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "int8x/status.h"

typedef struct i8x_buffer {
    uint8_t *bytes; /* a zero byte stands after the last one, not counted in size */
    size_t size;
    size_t capacity;
    size_t limit_bytes;
    i8x_status status;
} i8x_buffer;

/** limit_bytes 0 = none but memory. Takes no memory before the first put. */
void i8x_buffer_init(i8x_buffer *buffer, size_t limit_bytes);
/** Frees the bytes; safe after init and after take. */
void i8x_buffer_deinit(i8x_buffer *buffer);
/** Empties; keeps the memory. */
void i8x_buffer_clear(i8x_buffer *buffer);
/** First failure: I8X_ELIMIT or I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_buffer_status(const i8x_buffer *buffer);
void i8x_buffer_put(i8x_buffer *buffer, const void *bytes, size_t size);
void i8x_buffer_text(i8x_buffer *buffer, const char *text);
void i8x_buffer_format(i8x_buffer *buffer, const char *format, ...) I8X_PRINTF(2, 3);
/** "text" as a JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. NULL gives null.
 */
void i8x_buffer_json(i8x_buffer *buffer, const char *text);
/** Room for size bytes, to be filled at once; NULL after a failure. */
uint8_t *i8x_buffer_reserve(i8x_buffer *buffer, size_t size);
/** The text so far, "" if nothing; borrowed until the next put. */
const char *i8x_buffer_cstr(const i8x_buffer *buffer);

#endif
