/* SPDX-License-Identifier: Apache-2.0
 *
 * Digest: SHA-256 of bytes, and the canonical field encoding that task keys and results are hashed
 * in.
 *
 * The canonical encoding (docs/formats.md): each field is tag (u8: i, u, f, s, b, d, [ or ]),
 * length where it has one (u32), bytes; integers as 8 little-endian bytes, floats by their IEEE
 * binary64 bits with -0 written as +0; NaN is refused (I8X_ERANGE). Only this is hashed, never
 * serialised protobuf or JSON. Not thread-safe per object; objects are independent.
 *
 *     i8x_digest_stream *s; i8x_digest_stream_new(&s);
 *     i8x_digest_stream_add(s, bytes, size); i8x_digest d = i8x_digest_stream_end(s);  // frees s
 */
#ifndef INT8X_DIGEST_H
#define INT8X_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "int8x/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define I8X_DIGEST_SIZE 32
#define I8X_DIGEST_HEX_SIZE 65 /* with the closing zero byte */

typedef struct i8x_digest {
    uint8_t bytes[I8X_DIGEST_SIZE];
} i8x_digest;

/** SHA-256 of size_bytes bytes; bytes may be NULL if that is 0. */
I8X_EXPORT i8x_digest i8x_digest_of(const void *bytes, size_t size_bytes);
/** True if all bytes are equal; takes the same time whatever they are. */
I8X_EXPORT bool i8x_digest_equal(const i8x_digest *a, const i8x_digest *b);
/** Lower-case hex; hex has I8X_DIGEST_HEX_SIZE bytes. Returns hex. */
I8X_EXPORT char *i8x_digest_to_hex(const i8x_digest *digest, char *hex);
/** 64 hex digits, nothing else (upper case refused). Errors: I8X_EARG. */
I8X_FALLIBLE i8x_status i8x_digest_from_hex(const char *hex, i8x_digest *digest);

typedef struct i8x_digest_stream i8x_digest_stream;
/** A digest of bytes that come in pieces. Errors: I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_digest_stream_new(i8x_digest_stream **stream);
/** The next piece. */
I8X_EXPORT void i8x_digest_stream_add(i8x_digest_stream *stream, const void *bytes,
                                      size_t size_bytes);
/** Digest of all bytes; frees the stream. */
I8X_EXPORT i8x_digest i8x_digest_stream_end(i8x_digest_stream *stream);
/** Frees without a result; NULL is allowed. */
I8X_EXPORT void i8x_digest_stream_free(i8x_digest_stream *stream);
/** Cryptographically random bytes (ids, tokens; never anything that reaches an artifact). */
I8X_FALLIBLE i8x_status i8x_digest_random(void *bytes, size_t size_bytes);

#ifdef __cplusplus
}
#endif
#endif
