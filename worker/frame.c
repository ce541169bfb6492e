/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole frames over a stream socket. A peer that is gone is an ordinary event here: it is how the
 * agent learns that a child died.
 */
#include "worker/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "proto/limits.h"

typedef struct frame_head {
    uint32_t size, type;
} frame_head;

/* All parts in one message to the kernel where it takes them: the other end then wakes up once. */
static i8x_status write_all(int fd, struct iovec *parts, size_t count)
{
    while (count > 0) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        I8X_ENSURE(sent >= 0, I8X_EIO, "slot socket: %s", strerror(errno));
        size_t left = (size_t)sent;
        while (count > 0 && left >= parts->iov_len) {
            left -= parts->iov_len;
            parts++;
            count--;
        }
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + left;
            parts->iov_len -= left;
        }
    }
    return I8X_OK;
}

static i8x_status read_all(int fd, void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = recv(fd, (char *)bytes + done, size - done, 0);
        if (got < 0 && errno == EINTR)
            continue;
        I8X_ENSURE(got > 0, I8X_EIO, "slot socket: %s", got == 0 ? "closed" : strerror(errno));
        done += (size_t)got;
    }
    return I8X_OK;
}

i8x_status i8x_frame_write(int fd, i8x_frame_type type, const void *head, size_t head_size,
                           const void *bytes, size_t size)
{
    I8X_ENSURE(head_size + size <= I8X_SLOT_FRAME_MAX, I8X_ELIMIT,
               "slot frame of %zu bytes, at most %u", head_size + size, I8X_SLOT_FRAME_MAX);
    frame_head header = {(uint32_t)(head_size + size), (uint32_t)type};
    struct iovec parts[] = {{&header, sizeof header},
                            {(void *)(uintptr_t)head, head_size},
                            {(void *)(uintptr_t)bytes, size}};
    return write_all(fd, parts, sizeof parts / sizeof *parts);
}

i8x_status i8x_frame_read(int fd, i8x_frame_type *type, i8x_buffer *buffer)
{
    frame_head header;
    I8X_TRY(read_all(fd, &header, sizeof header));
    I8X_ENSURE(header.size <= I8X_SLOT_FRAME_MAX, I8X_ELIMIT, "slot frame of %u bytes, at most %u",
               header.size, I8X_SLOT_FRAME_MAX);
    i8x_buffer_clear(buffer);
    uint8_t *room = i8x_buffer_reserve(buffer, header.size);
    I8X_TRY(i8x_buffer_status(buffer));
    *type = (i8x_frame_type)header.type;
    return read_all(fd, room, header.size);
}
