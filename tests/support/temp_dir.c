/* SPDX-License-Identifier: Apache-2.0
 *
 * Fresh folders for tests.
 */
#define _XOPEN_SOURCE 700 /* nftw, mkdtemp */
#include "tests/support/temp_dir.h"

#include <check.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void i8x_temp_dir_init(i8x_temp_dir *dir)
{
    const char *base = getenv("TMPDIR");
    dir->next = 0;
    snprintf(dir->path, sizeof dir->path, "%s/int8x-test-XXXXXX", base != NULL ? base : "/tmp");
    ck_assert_msg(mkdtemp(dir->path) != NULL, "cannot make %s", dir->path);
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

void i8x_temp_dir_deinit(i8x_temp_dir *dir)
{
    nftw(dir->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *i8x_temp_dir_path(i8x_temp_dir *dir, const char *name)
{
    char *joined = dir->joined[dir->next++ % 4];
    const size_t folder = strlen(dir->path);
    ck_assert_uint_lt(folder + 1 + strlen(name), I8X_TEMP_PATH_SIZE);
    memcpy(joined, dir->path, folder);
    joined[folder] = '/';
    strcpy(joined + folder + 1, name);
    return joined;
}

const char *i8x_temp_dir_put(i8x_temp_dir *dir, const char *name, const void *bytes,
                             unsigned long size)
{
    const char *path = i8x_temp_dir_path(dir, name);
    FILE *file = fopen(path, "wb");
    ck_assert_msg(file != NULL, "cannot write %s", path);
    ck_assert_uint_eq(size > 0 ? fwrite(bytes, 1, size, file) : 0, size);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

int i8x_temp_dir_count(const i8x_temp_dir *dir)
{
    DIR *stream = opendir(dir->path);
    ck_assert_ptr_nonnull(stream);
    int count = -2; /* . and .. */
    while (readdir(stream) != NULL)
        count++;
    closedir(stream);
    return count;
}
