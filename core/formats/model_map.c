/* SPDX-License-Identifier: Apache-2.0
 *
 * Model map. A location of external data is walked one component at a time with openat and
 * O_NOFOLLOW, so that neither "..", an absolute path nor a symbolic link leaves the model's folder,
 * whatever happens to the folder meanwhile. (realpath and a comparison of prefixes was left out: it
 * can be raced.)
 */
#define _DEFAULT_SOURCE 1 /* madvise: the POSIX call of that meaning does nothing in glibc */

#include "core/formats/model_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "int8x/alloc.h"
#include "int8x/formats.h"

#define LOCATION_MAX 4096
#define NAME_SIZE 256 /* of one component, with its closing zero */

typedef struct external_file {
    char *location; /* from the heap */
    i8x_file_view view;
} external_file;

struct i8x_model_map {
    i8x_file_view model;
    bool owned;   /* model is a mapping of ours */
    char *folder; /* from the heap; NULL: bytes from memory */
    external_file *files;
    size_t file_count;
    size_t file_capacity;
};

static i8x_status new_map(i8x_model_map **map)
{
    *map = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof **map);
    return i8x_alloc_check(*map);
}

static i8x_status heap_text(const char *text, size_t length, char **copy)
{
    *copy = i8x_alloc_array(i8x_alloc_heap(), length + 1, 1);
    I8X_TRY(i8x_alloc_check(*copy));
    memcpy(*copy, text, length);
    return I8X_OK;
}

static void free_text(char *text)
{
    if (text != NULL)
        i8x_alloc_free(i8x_alloc_heap(), text, strlen(text) + 1);
}

static i8x_status open_in(i8x_model_map *map, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        I8X_TRY(heap_text(".", 1, &map->folder));
    else
        I8X_TRY(heap_text(path, slash == path ? 1 : (size_t)(slash - path), &map->folder));
    I8X_TRY(i8x_file_map(path, &map->model));
    map->owned = true;
    I8X_ENSURE(map->model.size <= I8X_MODEL_SIZE_MAX, I8X_ELIMIT,
               "'%.120s' has %zu bytes, more than the format allows (%llu)", path, map->model.size,
               (unsigned long long)I8X_MODEL_SIZE_MAX);
    return I8X_OK;
}

i8x_status i8x_model_map_open(const char *path, i8x_model_map **map)
{
    i8x_model_map *made;
    I8X_TRY(new_map(&made));
    const i8x_status status = open_in(made, path);
    if (status != I8X_OK)
        i8x_model_map_free(made);
    else
        *map = made;
    return status;
}

i8x_status i8x_model_map_bytes(const void *bytes, size_t size, i8x_model_map **map)
{
    I8X_ENSURE(size <= I8X_MODEL_SIZE_MAX, I8X_ELIMIT,
               "the model has %zu bytes, more than the format allows (%llu)", size,
               (unsigned long long)I8X_MODEL_SIZE_MAX);
    I8X_TRY(new_map(map));
    (*map)->model = (i8x_file_view){bytes, size};
    return I8X_OK;
}

const uint8_t *i8x_model_map_get(const i8x_model_map *map, size_t *size)
{
    *size = map->model.size;
    return map->model.bytes;
}

static i8x_status fail_open(const char *location)
{
    const int code = errno;
    I8X_ENSURE(code != ENOENT, I8X_ENOENT, "external data '%.120s' are not there", location);
    I8X_ENSURE(code != ELOOP && code != ENOTDIR, I8X_EFORMAT,
               "external data '%.120s' lie behind a symbolic link or a file", location);
    I8X_FAIL(I8X_EIO, "external data '%.120s' cannot be opened (error %d)", location, code);
}

/* Every component must lead downwards; asked before anything is opened. */
static i8x_status check_location(const char *location)
{
    const char *text = location;
    I8X_ENSURE(strlen(location) < LOCATION_MAX, I8X_EFORMAT,
               "external data '%.80s...': too long a path", location);
    for (;;) {
        const char *slash = strchr(text, '/');
        const size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
        const bool up = length == 2 && text[0] == '.' && text[1] == '.';
        I8X_ENSURE(length > 0 && length < NAME_SIZE && !up, I8X_EFORMAT,
                   "external data '%.120s' would lie outside the model's folder", location);
        if (slash == NULL)
            return I8X_OK;
        text = slash + 1;
    }
}

/* Opens location beneath the folder *fd and leaves the file's descriptor in *fd; closes what it
 * passes. */
static i8x_status walk_down(const char *location, int *fd)
{
    const char *text = location;
    for (int depth = 0; depth < I8X_EXTERNAL_DEPTH_MAX; depth++) {
        const char *slash = strchr(text, '/');
        const size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
        char name[NAME_SIZE];
        memcpy(name, text, length);
        name[length] = '\0';
        const int kind = slash != NULL ? O_DIRECTORY : O_NONBLOCK;
        const int next = openat(*fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | kind);
        if (next < 0)
            return fail_open(location);
        close(*fd);
        *fd = next;
        if (slash == NULL)
            return I8X_OK;
        text = slash + 1;
    }
    I8X_FAIL(I8X_ELIMIT, "external data '%.120s' lie more than %d folders deep", location,
             I8X_EXTERNAL_DEPTH_MAX);
}

static i8x_status map_descriptor(const char *location, int fd, i8x_file_view *view)
{
    static const uint8_t nothing[1];
    struct stat info;
    I8X_ENSURE(fstat(fd, &info) == 0 && S_ISREG(info.st_mode), I8X_EFORMAT,
               "external data '%.120s' are no regular file", location);
    I8X_ENSURE((uint64_t)info.st_size <= SIZE_MAX / 2, I8X_ELIMIT,
               "external data '%.120s' are too large to map", location);
    *view = (i8x_file_view){nothing, 0};
    if (info.st_size == 0)
        return I8X_OK;
    void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    I8X_ENSURE(bytes != MAP_FAILED, I8X_EIO, "external data '%.120s' cannot be mapped", location);
    *view = (i8x_file_view){bytes, (size_t)info.st_size};
    return I8X_OK;
}

static i8x_status map_beneath(const char *folder, const char *location, i8x_file_view *view)
{
    I8X_TRY(check_location(location));
    int fd = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    I8X_ENSURE(fd >= 0, I8X_EIO, "the model's folder '%.120s' cannot be opened", folder);
    i8x_status status = walk_down(location, &fd);
    if (status == I8X_OK)
        status = map_descriptor(location, fd, view);
    close(fd);
    return status;
}

static i8x_status reserve_file(i8x_model_map *map)
{
    if (map->file_count < map->file_capacity)
        return I8X_OK;
    I8X_ENSURE(map->file_count < I8X_EXTERNAL_FILES_MAX, I8X_ELIMIT,
               "the model's external data lie in more than %d files", I8X_EXTERNAL_FILES_MAX);
    const size_t larger = map->file_capacity == 0 ? 4 : 2 * map->file_capacity;
    external_file *files = i8x_alloc_resize(
        i8x_alloc_heap(), map->files, map->file_capacity * sizeof *files, larger * sizeof *files);
    I8X_TRY(i8x_alloc_check(files));
    map->files = files;
    map->file_capacity = larger;
    return I8X_OK;
}

/* The newest file first: tensors of one file stand together in a model. */
static i8x_status find_file(i8x_model_map *map, const char *location, const i8x_file_view **view)
{
    for (size_t i = map->file_count; i-- > 0;) {
        if (strcmp(map->files[i].location, location) == 0) {
            *view = &map->files[i].view;
            return I8X_OK;
        }
    }
    I8X_TRY(reserve_file(map));
    external_file added = {0};
    I8X_TRY(heap_text(location, strlen(location), &added.location));
    const i8x_status status = map_beneath(map->folder, location, &added.view);
    if (status != I8X_OK) {
        free_text(added.location);
        return status;
    }
    map->files[map->file_count] = added;
    *view = &map->files[map->file_count++].view;
    return I8X_OK;
}

i8x_status i8x_model_map_external(i8x_model_map *map, const char *location, uint64_t offset,
                                  size_t size, const uint8_t **data)
{
    const i8x_file_view *view;
    I8X_ENSURE(map->folder != NULL, I8X_EUNSUPPORTED,
               "external data '%.120s' of a model that came without a folder", location);
    I8X_TRY(find_file(map, location, &view));
    I8X_ENSURE(offset <= view->size && size <= view->size - offset, I8X_EFORMAT,
               "external data '%.100s': %zu bytes at %llu end beyond the file (%zu bytes)",
               location, size, (unsigned long long)offset, view->size);
    *data = view->bytes + offset;
    return I8X_OK;
}

size_t i8x_model_map_external_count(const i8x_model_map *map)
{
    return map->file_count;
}

static bool holds(const i8x_file_view *view, const uint8_t *data)
{
    return data >= view->bytes && data < view->bytes + view->size;
}

void i8x_model_map_forget(const i8x_model_map *map, const void *data, size_t size)
{
    bool ours = map->owned && holds(&map->model, data);
    for (size_t i = 0; i < map->file_count && !ours; i++)
        ours = holds(&map->files[i].view, data);
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t from = ((uintptr_t)data + page - 1) & ~(page - 1);
    const uintptr_t to = ((uintptr_t)data + size) & ~(page - 1);
    if (ours && from < to)
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
}

void i8x_model_map_free(void *map)
{
    i8x_model_map *m = map;
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->file_count; i++) {
        i8x_file_unmap(&m->files[i].view);
        free_text(m->files[i].location);
    }
    i8x_alloc_free(i8x_alloc_heap(), m->files, m->file_capacity * sizeof *m->files);
    if (m->owned)
        i8x_file_unmap(&m->model);
    free_text(m->folder);
    i8x_alloc_free(i8x_alloc_heap(), m, sizeof *m);
}
