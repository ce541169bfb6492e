/* SPDX-License-Identifier: Apache-2.0
 *
 * Cursor: where the next page of a list begins, as text that a client hands back and need not
 * understand. It names the last thing of the page before (not a count), so that what is added or
 * removed meanwhile neither doubles nor hides a row.
 */
#ifndef I8X_DAEMON_CURSOR_H
#define I8X_DAEMON_CURSOR_H

#include <stddef.h>
#include <stdint.h>

#include "int8x/status.h"

#define I8X_CURSOR_BYTES_MAX 128
#define I8X_CURSOR_SIZE (2 * (1 + I8X_CURSOR_BYTES_MAX + 4) + 1)

/** list: a letter for each kind of list. Returns text. */
char *i8x_cursor_print(char list, const void *bytes, size_t size, char text[I8X_CURSOR_SIZE]);
/** Errors: I8X_EARG (no cursor of this list). */
I8X_FALLIBLE i8x_status i8x_cursor_read(char list, const char *text,
                                        uint8_t bytes[I8X_CURSOR_BYTES_MAX], size_t *size);
/* The same for lists that are ordered by a number. */
char *i8x_cursor_print_number(char list, int64_t number, char text[I8X_CURSOR_SIZE]);
I8X_FALLIBLE i8x_status i8x_cursor_read_number(char list, const char *text, int64_t *number);

#endif
