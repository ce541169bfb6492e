/* SPDX-License-Identifier: Apache-2.0
 *
 * Golden: reads a text file of vectors, tests/golden/<topic>/<name>: one vector per line, fields
 * separated by one space, lines of '#' are comments. Made by the make.py beside it.
 *
 *     i8x_golden *golden = i8x_golden_open(I8X_TEST_SOURCE_DIR, "digest/sha256.txt");
 *     char *fields[3];
 *     while (i8x_golden_next(golden, fields, 3)) ...
 *     i8x_golden_close(golden, 5);                       // at least 5 vectors were there
 */
#ifndef I8X_TESTS_GOLDEN_H
#define I8X_TESTS_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct i8x_golden i8x_golden;

/** Fails the test if the file is not there. */
i8x_golden *i8x_golden_open(const char *source_dir, const char *name);
/** Splits the next line into exactly count fields (valid until the next call); false at the end. A
 * line of "-" is an empty field. */
bool i8x_golden_next(i8x_golden *golden, char **fields, size_t count);
/** Fails the test if fewer than least lines were read. */
void i8x_golden_close(i8x_golden *golden, size_t least);
/** Bytes of a hex string ("-" = none) into bytes[limit]; returns how many; fails the test if it is
 * no hex. */
size_t i8x_golden_hex(const char *hex, uint8_t *bytes, size_t limit);

#endif
