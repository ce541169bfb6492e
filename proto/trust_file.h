/* SPDX-License-Identifier: Apache-2.0
 *
 * Trust file: files, and memory, that nobody else may read (keys, tokens). Files are written with
 * i8x_file_write_private; reading refuses a file that others could have read or written, because
 * its secret is none any more. Thread-safe: no state.
 */
#ifndef I8X_PROTO_TRUST_FILE_H
#define I8X_PROTO_TRUST_FILE_H

#include <stddef.h>

#include "int8x/status.h"

/**
 * A whole file with a zero byte behind it, to be given to i8x_trust_file_free. Errors: I8X_ENOENT,
 * I8X_EIO, I8X_ELIMIT, I8X_EDENIED (not a regular file of this user or root, or its mode lets
 * others in; the sentence says what to do).
 */
I8X_FALLIBLE i8x_status i8x_trust_file_read(const char *path, size_t limit_bytes, char **text,
                                            size_t *size);
/**
 * From now on this process, and what it forks, leaves no core file and lets no other process of the
 * same user look into its memory. First thing in a program that will hold secrets.
 */
void i8x_trust_seal_process(void);
/** Wipes and frees. NULL is allowed. */
void i8x_trust_file_free(char *text, size_t size);

#endif
