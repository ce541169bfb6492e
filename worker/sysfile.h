/* SPDX-License-Identifier: Apache-2.0
 *
 * Sysfile: small files of /proc and /sys below a root folder (a machine, a container's view of one,
 * or a test's). They are foreign bytes: every read is bounded by I8X_DEVICE_FILE_MAX, texts come
 * back printable, numbers inside the bounds that the caller names. A file that is not there, or
 * makes no sense, is an ordinary answer: false. Thread-safe.
 */
#ifndef I8X_WORKER_SYSFILE_H
#define I8X_WORKER_SYSFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define I8X_SYSFILE_NAME_SIZE 64

/** The first bytes of ROOT/path as text with a closing zero byte; 0 if there is nothing to read. */
size_t i8x_sysfile_read(const char *root, const char *path, char *text, size_t size);
/** The first line, without spaces at its ends; other than printable ASCII becomes '?'. False if it
 * is empty. */
bool i8x_sysfile_text(const char *root, const char *path, char *text, size_t size);
/** A decimal number in min..max that begins the file. */
bool i8x_sysfile_number(const char *root, const char *path, int64_t min, int64_t max,
                        int64_t *number);
/** Names in a folder that begin with prefix, at most room, in the folder's order; how many. Names
 * of I8X_SYSFILE_NAME_SIZE bytes and more are left out. */
int i8x_sysfile_list(const char *root, const char *folder, const char *prefix,
                     char (*names)[I8X_SYSFILE_NAME_SIZE], int room);

#endif
