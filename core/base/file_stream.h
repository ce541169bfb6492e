/* SPDX-License-Identifier: Apache-2.0
 *
 * File stream: an atomic file written piece by piece: a temporary file beside the target, then
 * fsync, rename and fsync of the folder. Until i8x_file_stream_commit the target is untouched. One
 * thread.
 *
 *     i8x_file_stream *s; I8X_TRY(i8x_file_stream_open(path, &s));
 *     status = produce(i8x_file_stream_put, s);                  // an i8x_sink_fn
 *     status = i8x_file_stream_close(s, status, &size, &digest); // commits, or drops the file;
 * frees s
 */
#ifndef I8X_BASE_FILE_STREAM_H
#define I8X_BASE_FILE_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "int8x/digest.h"
#include "int8x/status.h"

typedef struct i8x_file_stream i8x_file_stream;

/** Errors: I8X_ENOENT (folder), I8X_EIO, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_file_stream_open(const char *path, i8x_file_stream **stream);
/** Appends; user is the i8x_file_stream. Errors: I8X_EIO, I8X_ELIMIT (disk full or quota). */
I8X_FALLIBLE i8x_status i8x_file_stream_put(void *user, const void *bytes, size_t size_bytes);
/**
 * Ends the stream. so_far I8X_OK: flushes and puts the file in place; otherwise drops it and
 * returns so_far. size and digest (SHA-256 of the content) may be NULL. Errors: so_far, I8X_EIO,
 * I8X_ELIMIT.
 */
I8X_FALLIBLE i8x_status i8x_file_stream_close(i8x_file_stream *stream, i8x_status so_far,
                                              uint64_t *size, i8x_digest *digest);

#endif
