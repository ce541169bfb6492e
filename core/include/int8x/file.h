/* SPDX-License-Identifier: Apache-2.0
 *
 * File: read-only mapped files, whole reads with a limit, and atomic writes. Paths are plain
 * strings; error sentences carry the path and the system's reason. Thread-safe.
 */
#ifndef INT8X_FILE_H
#define INT8X_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "int8x/alloc.h"
#include "int8x/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A mapped file. bytes is never NULL after success, also for an empty file. */
typedef struct i8x_file_view {
    const uint8_t *bytes;
    size_t size;
} i8x_file_view;

/**
 * Maps a regular file for reading. The mapping follows the file: if another process shortens it,
 * reads fault; blobs and artifacts are only ever replaced by rename, which is safe. Errors:
 * I8X_ENOENT, I8X_EIO, I8X_EARG (not a regular file), I8X_ELIMIT (too large to map here).
 */
I8X_FALLIBLE i8x_status i8x_file_map(const char *path, i8x_file_view *view);
/** Ends the mapping and clears *view. A cleared view is allowed. */
I8X_EXPORT void i8x_file_unmap(i8x_file_view *view);
/**
 * Reads a whole file (also a pipe or device) into memory from alloc (NULL = heap), to be freed with
 * i8x_alloc_free(alloc, *bytes, *size + 1): a zero byte stands after the last one, not counted in
 * *size. Errors: I8X_ENOENT, I8X_EIO, I8X_ELIMIT (more than limit_bytes), I8X_ENOMEM.
 */
I8X_FALLIBLE i8x_status i8x_file_read_all(const i8x_alloc *alloc, const char *path,
                                          size_t limit_bytes, uint8_t **bytes, size_t *size);
/**
 * Writes a file that is either the old one or the new one, whole, whatever happens: a temporary
 * file in the same folder, fsync, rename, fsync of the folder. Mode 0644 less the umask. Errors:
 * I8X_ENOENT (folder), I8X_EIO, I8X_ELIMIT (disk full or quota).
 */
I8X_FALLIBLE i8x_status i8x_file_write_atomic(const char *path, const void *bytes, size_t size);
/** The same with mode 0600 whatever the umask: for keys and tokens. Errors: as above. */
I8X_FALLIBLE i8x_status i8x_file_write_private(const char *path, const void *bytes, size_t size);
/** Size of a file. Errors: I8X_ENOENT, I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_file_size(const char *path, uint64_t *size);

#ifdef __cplusplus
}
#endif
#endif
