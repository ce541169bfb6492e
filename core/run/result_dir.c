/* SPDX-License-Identifier: Apache-2.0
 *
 * Result dir: a file is the SHA-256 of the encoded result and then the result, written to a
 * temporary name and renamed, so that a kill leaves whole files only.
 */
#include "core/run/result_dir.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "int8x/file.h"

#define PATH_SIZE 4400
#define RESULT_FILE_MAX ((size_t)16 << 20)
#define DIGEST_SIZE sizeof((i8x_digest *)NULL)->bytes

static char *result_path(const i8x_blobdir *dir, const i8x_digest *key, char *path)
{
    char hex[I8X_DIGEST_HEX_SIZE];
    snprintf(path, PATH_SIZE, "%s/results/%s", i8x_blobdir_folder(dir),
             i8x_digest_to_hex(key, hex));
    return path;
}

/* The result if the bytes are what was written and all outputs are there. */
static bool take(i8x_blobdir *dir, const uint8_t *bytes, size_t size, i8x_task_result *result)
{
    if (size < DIGEST_SIZE)
        return false;
    i8x_digest told, found = i8x_digest_of(bytes + DIGEST_SIZE, size - DIGEST_SIZE);
    memcpy(told.bytes, bytes, DIGEST_SIZE);
    if (!i8x_digest_equal(&told, &found) ||
        i8x_task_result_decode(bytes + DIGEST_SIZE, size - DIGEST_SIZE, result) != I8X_OK)
        return false;
    bool whole = true;
    for (int i = 0; i < result->output_count && whole; i++)
        whole = i8x_blobdir_has(dir, &result->outputs[i].ref);
    if (!whole)
        i8x_task_result_deinit(result);
    return whole;
}

i8x_status i8x_result_dir_get(void *user, const i8x_digest *key, i8x_task_result *result,
                              bool *found)
{
    char path[PATH_SIZE];
    uint8_t *bytes = NULL;
    size_t size = 0;
    *found = false;
    i8x_status status =
        i8x_file_read_all(NULL, result_path(user, key, path), RESULT_FILE_MAX, &bytes, &size);
    if (status == I8X_ENOENT)
        return I8X_OK;
    I8X_TRY(status);
    *found = take(user, bytes, size, result);
    i8x_alloc_free(i8x_alloc_heap(), bytes, size + 1);
    if (!*found)
        unlink(path); /* computed again */
    return I8X_OK;
}

static i8x_status write_result(const char *path, const i8x_task_result *result, i8x_arena *arena)
{
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_task_result_encode(result, arena, &bytes, &size));
    uint8_t *file = i8x_arena_alloc(arena, DIGEST_SIZE + size);
    I8X_TRY(i8x_alloc_check(file));
    i8x_digest digest = i8x_digest_of(bytes, size);
    memcpy(file, digest.bytes, DIGEST_SIZE);
    memcpy(file + DIGEST_SIZE, bytes, size);
    return i8x_file_write_atomic(path, file, DIGEST_SIZE + size);
}

i8x_status i8x_result_dir_put(void *user, const i8x_digest *key, const i8x_task_result *result)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/results", i8x_blobdir_folder(user));
    I8X_ENSURE(mkdir(path, 0755) == 0 || errno == EEXIST, I8X_EIO, "folder '%s' cannot be made: %s",
               path, strerror(errno));
    i8x_arena *arena;
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    i8x_status status = write_result(result_path(user, key, path), result, arena);
    i8x_arena_free(arena);
    return status;
}

void i8x_result_dir_remove(i8x_blobdir *dir)
{
    char folder[PATH_SIZE], path[PATH_SIZE + 260];
    snprintf(folder, sizeof folder, "%s/results", i8x_blobdir_folder(dir));
    DIR *list = opendir(folder);
    if (list == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    closedir(list);
    rmdir(folder);
}
