/* SPDX-License-Identifier: Apache-2.0
 *
 * Mapped files, whole reads, atomic writes. The temporary file of a write stands beside its target
 * (rename works only inside one file system) and carries the process id and a counter in its name,
 * so that two writers of one path never share it; the last rename wins, with a whole file either
 * way.
 */
#include "core/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/checked.h"

#define READ_FIRST_BYTES 4096 /* first read of a file that does not know its size */

/* Records the failure of verb on path with errno's text. strerror_r, as strerror shares a buffer.
 */
static i8x_status fail_errno(const char *verb, const char *path, int line)
{
    const int code = errno;
    char reason[96] = "";
    if (strerror_r(code, reason, sizeof reason) != 0)
        snprintf(reason, sizeof reason, "error %d", code);
    i8x_status status = I8X_EIO;
    if (code == ENOENT || code == ENOTDIR)
        status = I8X_ENOENT;
    else if (code == ENOSPC || code == EDQUOT || code == EFBIG)
        status = I8X_ELIMIT;
    else if (code == ENOMEM)
        status = I8X_ENOMEM;
    return i8x_fail(status, __FILE__, line, "%s '%.120s': %s", verb, path, reason);
}

static i8x_status map_open(const char *path, int fd, i8x_file_view *view)
{
    static const uint8_t nothing[1];
    struct stat info;
    if (fstat(fd, &info) != 0)
        return fail_errno("cannot look at", path, __LINE__);
    I8X_ENSURE(S_ISREG(info.st_mode), I8X_EARG, "'%.120s' is not a regular file", path);
    size_t size;
    I8X_ENSURE(i8x_size_from_s64(info.st_size, &size), I8X_ELIMIT,
               "'%.120s' is too large to map: %lld bytes", path, (long long)info.st_size);
    if (size == 0) { /* mmap refuses length 0 */
        *view = (i8x_file_view){nothing, 0};
        return I8X_OK;
    }
    void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return fail_errno("cannot map", path, __LINE__);
    *view = (i8x_file_view){bytes, size};
    return I8X_OK;
}

i8x_status i8x_file_map(const char *path, i8x_file_view *view)
{
    /* O_NONBLOCK: opening a FIFO must fail as "not regular", not wait for a writer */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_errno("cannot open", path, __LINE__);
    const i8x_status status = map_open(path, fd, view);
    close(fd);
    return status;
}

void i8x_file_unmap(i8x_file_view *view)
{
    if (view->bytes != NULL && view->size > 0)
        munmap((void *)(uintptr_t)view->bytes, view->size);
    *view = (i8x_file_view){NULL, 0};
}

/*
 * Capacity for the next read: the file's size if it says one (files of /proc say 0), else doubling.
 * Two bytes more than the content: one meets the end of the file or the byte over the limit, one is
 * the closing zero.
 */
static size_t next_capacity(int fd, size_t capacity, size_t limit)
{
    struct stat info;
    size_t wanted = READ_FIRST_BYTES;
    size_t known;
    if (capacity > 0)
        wanted = capacity <= limit / 2 ? 2 * capacity : limit + 2;
    else if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
             i8x_size_from_s64(info.st_size, &known) && known > 0 && known < limit)
        wanted = known + 2;
    return wanted < limit + 2 ? wanted : limit + 2;
}

/* Reads up to the end of the file into a growing block, whose last byte stays free. */
static i8x_status read_rest(const i8x_alloc *alloc, const char *path, int fd, size_t limit,
                            uint8_t **block, size_t *capacity, size_t *size)
{
    for (;;) {
        I8X_ENSURE(*size <= limit, I8X_ELIMIT, "'%.120s' is larger than the limit %zu", path,
                   limit);
        if (*size + 1 >= *capacity) {
            const size_t wanted = next_capacity(fd, *capacity, limit);
            uint8_t *moved = i8x_alloc_resize(alloc, *block, *capacity, wanted);
            I8X_TRY(i8x_alloc_check(moved));
            *block = moved;
            *capacity = wanted;
        }
        const ssize_t got = read(fd, *block + *size, *capacity - *size - 1);
        if (got == 0)
            return I8X_OK;
        if (got > 0)
            *size += (size_t)got;
        else if (errno != EINTR)
            return fail_errno("cannot read", path, __LINE__);
    }
}

/* The block is later freed as size + 1 bytes, so the rest is given back now. */
static i8x_status shrink_block(const i8x_alloc *alloc, uint8_t **block, size_t *capacity,
                               size_t size)
{
    (*block)[size] = 0;
    uint8_t *exact = i8x_alloc_resize(alloc, *block, *capacity, size + 1);
    I8X_TRY(i8x_alloc_check(exact));
    *block = exact;
    *capacity = size + 1;
    return I8X_OK;
}

i8x_status i8x_file_read_all(const i8x_alloc *alloc, const char *path, size_t limit_bytes,
                             uint8_t **bytes, size_t *size)
{
    if (alloc == NULL)
        alloc = i8x_alloc_heap();
    /* so that limit + 2 does not overflow below */
    const size_t limit = limit_bytes < SIZE_MAX / 2 ? limit_bytes : SIZE_MAX / 2;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno("cannot open", path, __LINE__);
    uint8_t *block = NULL;
    size_t capacity = 0, used = 0;
    i8x_status status = read_rest(alloc, path, fd, limit, &block, &capacity, &used);
    if (status == I8X_OK)
        status = shrink_block(alloc, &block, &capacity, used);
    close(fd);
    if (status != I8X_OK) {
        i8x_alloc_free(alloc, block, capacity);
        return status;
    }
    *bytes = block;
    *size = used;
    return I8X_OK;
}

static i8x_status write_whole(int fd, const char *path, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail_errno("cannot write", path, __LINE__);
        bytes += written;
        size -= (size_t)written;
    }
    if (fsync(fd) != 0)
        return fail_errno("cannot flush", path, __LINE__);
    return I8X_OK;
}

/* Makes the rename last through a power cut. Some file systems refuse fsync of a folder: EINVAL. */
static i8x_status flush_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    if (slash == NULL)
        memcpy(folder, ".", 2);
    else if (length == 0)
        memcpy(folder, "/", 2);
    else {
        memcpy(folder, path, length);
        folder[length] = '\0';
    }
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno("cannot open folder", folder, __LINE__);
    const bool failed = fsync(fd) != 0 && errno != EINVAL;
    const i8x_status status = failed ? fail_errno("cannot flush folder", folder, __LINE__) : I8X_OK;
    close(fd);
    return status;
}

static i8x_status write_by_rename(const char *path, const void *bytes, size_t size, mode_t mode)
{
    static atomic_uint counter;
    char draft[PATH_MAX];
    const int length = snprintf(draft, sizeof draft, "%s.%ld-%u.part", path, (long)getpid(),
                                atomic_fetch_add(&counter, 1));
    I8X_ENSURE(length > 0 && (size_t)length < sizeof draft, I8X_EARG,
               "path '%.120s...' is too long", path);
    const int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return fail_errno("cannot create", draft, __LINE__);
    i8x_status status = write_whole(fd, draft, bytes, size);
    if (close(fd) != 0 && status == I8X_OK) /* NFS tells of a full disk here */
        status = fail_errno("cannot close", draft, __LINE__);
    if (status == I8X_OK && rename(draft, path) != 0)
        status = fail_errno("cannot rename to", path, __LINE__);
    if (status != I8X_OK) {
        (void)unlink(draft);
        return status;
    }
    return flush_folder(path);
}

i8x_status i8x_file_write_atomic(const char *path, const void *bytes, size_t size)
{
    return write_by_rename(path, bytes, size, 0644);
}

i8x_status i8x_file_write_private(const char *path, const void *bytes, size_t size)
{
    return write_by_rename(path, bytes, size, 0600);
}

i8x_status i8x_file_size(const char *path, uint64_t *size)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return fail_errno("cannot look at", path, __LINE__);
    *size = (uint64_t)info.st_size;
    return I8X_OK;
}
