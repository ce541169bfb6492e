/* SPDX-License-Identifier: Apache-2.0
 *
 * File stream. Small pieces are gathered in one buffer, so that a model of many short fields does
 * not cost a system call for each; pieces larger than the buffer go straight through, without a
 * copy.
 */
#include "core/base/file_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "int8x/alloc.h"

#define BUFFER_SIZE ((size_t)64 << 10)
#define ATTEMPTS_MAX 64 /* names of temporary files that may be taken already */

struct i8x_file_stream {
    char *target;
    char *temporary;
    int fd;
    uint64_t size;
    size_t filled;
    i8x_digest_stream *digest;
    i8x_arena *arena;
    uint8_t buffer[BUFFER_SIZE];
};

static i8x_status fail_system(const char *verb, const char *path)
{
    const int code = errno;
    char reason[96] = "";
    if (strerror_r(code, reason, sizeof reason) != 0)
        (void)snprintf(reason, sizeof reason, "error %d", code);
    i8x_status status = I8X_EIO;
    if (code == ENOENT || code == ENOTDIR)
        status = I8X_ENOENT;
    else if (code == ENOSPC || code == EDQUOT || code == EFBIG)
        status = I8X_ELIMIT;
    I8X_FAIL(status, "cannot %s '%.120s': %s", verb, path, reason);
}

/* The name carries process id and a counter; O_EXCL settles what is left. */
static i8x_status create_temporary(i8x_file_stream *stream)
{
    static atomic_uint counter;
    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        stream->temporary = i8x_arena_format(stream->arena, "%s.%ld-%u.part", stream->target,
                                             (long)getpid(), atomic_fetch_add(&counter, 1));
        I8X_TRY(i8x_alloc_check(stream->temporary));
        stream->fd = open(stream->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (stream->fd >= 0)
            return I8X_OK;
        if (errno != EEXIST)
            break;
    }
    return fail_system("create a file beside", stream->target);
}

i8x_status i8x_file_stream_open(const char *path, i8x_file_stream **stream)
{
    i8x_arena *arena;
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    i8x_file_stream *made = i8x_arena_alloc(arena, sizeof *made);
    i8x_status status = i8x_alloc_check(made);
    if (status == I8X_OK) {
        made->arena = arena;
        made->size = 0;
        made->filled = 0;
        made->target = i8x_arena_string(arena, path);
        status = i8x_alloc_check(made->target);
    }
    if (status == I8X_OK)
        status = i8x_digest_stream_new(&made->digest);
    if (status == I8X_OK) {
        status = create_temporary(made);
        if (status != I8X_OK)
            i8x_digest_stream_free(made->digest);
    }
    if (status != I8X_OK)
        i8x_arena_free(arena);
    else
        *stream = made;
    return status;
}

static i8x_status write_all(i8x_file_stream *stream, const uint8_t *bytes, size_t size)
{
    i8x_digest_stream_add(stream->digest, bytes, size);
    stream->size += size;
    while (size > 0) {
        const ssize_t done = write(stream->fd, bytes, size);
        if (done < 0 && errno != EINTR)
            return fail_system("write", stream->target);
        if (done > 0) {
            bytes += done;
            size -= (size_t)done;
        }
    }
    return I8X_OK;
}

static i8x_status flush_buffer(i8x_file_stream *stream)
{
    const size_t filled = stream->filled;
    stream->filled = 0;
    return write_all(stream, stream->buffer, filled);
}

i8x_status i8x_file_stream_put(void *user, const void *bytes, size_t size_bytes)
{
    i8x_file_stream *stream = user;
    if (size_bytes > BUFFER_SIZE - stream->filled)
        I8X_TRY(flush_buffer(stream));
    if (size_bytes > BUFFER_SIZE)
        return write_all(stream, bytes, size_bytes);
    if (size_bytes > 0)
        memcpy(stream->buffer + stream->filled, bytes, size_bytes);
    stream->filled += size_bytes;
    return I8X_OK;
}

/* The rename is only safe once the folder is on the disk too. */
static i8x_status sync_folder(i8x_file_stream *stream)
{
    char *folder = i8x_arena_string(stream->arena, stream->target);
    I8X_TRY(i8x_alloc_check(folder));
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        memcpy(folder, ".", folder[0] == '\0' ? 1 : 2);
    else
        slash[slash == folder] = '\0';
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_system("open the folder of", stream->target);
    const bool synced =
        fsync(fd) == 0 || errno == EINVAL; /* some file systems cannot sync a folder */
    close(fd);
    return synced ? I8X_OK : fail_system("sync the folder of", stream->target);
}

static i8x_status put_in_place(i8x_file_stream *stream)
{
    I8X_TRY(flush_buffer(stream));
    if (fsync(stream->fd) != 0)
        return fail_system("sync", stream->target);
    const int closed = close(stream->fd);
    stream->fd = -1;
    if (closed != 0)
        return fail_system("close", stream->target);
    if (rename(stream->temporary, stream->target) != 0)
        return fail_system("rename to", stream->target);
    stream->temporary = NULL;
    return sync_folder(stream);
}

i8x_status i8x_file_stream_close(i8x_file_stream *stream, i8x_status so_far, uint64_t *size,
                                 i8x_digest *digest)
{
    i8x_status status = so_far == I8X_OK ? put_in_place(stream) : so_far;
    if (stream->fd >= 0)
        close(stream->fd);
    if (stream->temporary != NULL)
        (void)unlink(stream->temporary);
    const i8x_digest content = i8x_digest_stream_end(stream->digest);
    if (status == I8X_OK && size != NULL)
        *size = stream->size;
    if (status == I8X_OK && digest != NULL)
        *digest = content;
    i8x_arena_free(stream->arena);
    return status;
}
