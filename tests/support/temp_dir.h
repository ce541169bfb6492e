/* SPDX-License-Identifier: Apache-2.0
 *
 * Temp dir: a fresh folder under TMPDIR (default /tmp) that is removed with all it holds.
 *
 *     i8x_temp_dir dir;
 *     i8x_temp_dir_init(&dir);
 *     ... i8x_temp_dir_path(&dir, "a.bin") ...
 *     i8x_temp_dir_deinit(&dir);
 */
#ifndef I8X_TESTS_TEMP_DIR_H
#define I8X_TESTS_TEMP_DIR_H

#define I8X_TEMP_PATH_SIZE 512

typedef struct i8x_temp_dir {
    char path[I8X_TEMP_PATH_SIZE / 2];
    char joined[4][I8X_TEMP_PATH_SIZE];
    unsigned next;
} i8x_temp_dir;

/** Makes the folder; fails the test if it cannot. */
void i8x_temp_dir_init(i8x_temp_dir *dir);
/** Removes the folder and everything in it. */
void i8x_temp_dir_deinit(i8x_temp_dir *dir);
/** "<folder>/<name>"; valid until the fourth call after this one. */
const char *i8x_temp_dir_path(i8x_temp_dir *dir, const char *name);
/** Writes a file of the folder (plain write) and returns its path. */
const char *i8x_temp_dir_put(i8x_temp_dir *dir, const char *name, const void *bytes,
                             unsigned long size);
/** Number of entries in the folder (not counting . and ..). */
int i8x_temp_dir_count(const i8x_temp_dir *dir);

#endif
