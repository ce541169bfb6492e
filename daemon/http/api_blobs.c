/* SPDX-License-Identifier: Apache-2.0
 *
 * Blobs as they are read: whole, or one range. The digest of a range is computed on a helper thread
 * while the request waits; so is that of the whole file if it has not been checked since the start,
 * so that nothing which the disk damaged is sent as if it were right.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/http/api.h"
#include "daemon/scrub.h"
#include "int8x/alloc.h"
#include "proto/bulk.h"

#define HASH_PIECE (256u << 10)

typedef struct blob_range {
    uv_work_t work;
    i8x_http_request *request;
    const char *type;
    int fd;
    bool whole; /* not a range */
    bool check; /* the file's own digest first */
    i8x_digest blob;
    uint64_t offset, size;
    i8x_digest digest; /* of the range */
    bool failed, damaged;
} blob_range;

/* "bytes=a-b", "bytes=a-", "bytes=-n"; one range. False: answer with the whole, as RFC 9110 allows.
 */
static bool parse_range(const char *text, uint64_t whole, uint64_t *offset, uint64_t *size,
                        bool *satisfiable)
{
    if (text == NULL || strncmp(text, "bytes=", 6) != 0 || strchr(text, ',') != NULL)
        return false;
    text += 6;
    size_t first_digits = strspn(text, "0123456789");
    if (text[first_digits] != '-')
        return false;
    const char *second = text + first_digits + 1;
    size_t last_digits = strspn(second, "0123456789");
    bool has_first = first_digits > 0, has_last = last_digits > 0;
    uint64_t first = has_first ? strtoull(text, NULL, 10) : 0,
             last = has_last ? strtoull(second, NULL, 10) : 0;
    if (second[last_digits] != 0 || (!has_first && !has_last) ||
        (has_first && has_last && last < first))
        return false;
    if (!has_first) {
        first = last < whole ? whole - last : 0;
        has_last = false;
    }
    *satisfiable = first < whole;
    *offset = first;
    *size = *satisfiable ? (has_last && last < whole ? last + 1 : whole) - first : 0;
    return true;
}

static void hash_range(blob_range *range)
{
    i8x_digest_stream *stream = NULL;
    uint8_t *piece = i8x_alloc_array(i8x_alloc_heap(), HASH_PIECE, 1);
    range->failed = piece == NULL || i8x_digest_stream_new(&stream) != I8X_OK;
    for (uint64_t done = 0; !range->failed && done < range->size;) {
        uint64_t left = range->size - done;
        ssize_t got = pread(range->fd, piece, left < HASH_PIECE ? left : HASH_PIECE,
                            (off_t)(range->offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        range->failed = got <= 0;
        if (got > 0) {
            i8x_digest_stream_add(stream, piece, (size_t)got);
            done += (uint64_t)got;
        }
    }
    if (stream != NULL)
        range->digest = i8x_digest_stream_end(stream);
    i8x_alloc_free(i8x_alloc_heap(), piece, HASH_PIECE);
}

static void look_at_file(uv_work_t *work)
{
    blob_range *range = work->data;
    i8x_status status = range->check ? i8x_store_check(&range->blob, range->fd) : I8X_OK;
    range->damaged = status == I8X_ECORRUPT;
    range->failed = status != I8X_OK;
    if (!range->failed && !range->whole)
        hash_range(range);
}

static void reply_damaged(blob_range *range)
{
    char detail[160], hex[I8X_DIGEST_HEX_SIZE];
    snprintf(detail, sizeof detail,
             "blob %s was damaged on the service's disk and has been set aside: upload it again",
             i8x_digest_to_hex(&range->blob, hex));
    i8x_scrub_found(i8x_api_daemon(range->request), &range->blob);
    i8x_http_reply_problem(range->request, I8X_ECORRUPT, 500, detail);
}

static void reply_file(blob_range *range)
{
    char text[I8X_BULK_DIGEST_TEXT], header[I8X_BULK_DIGEST_TEXT + 16];
    if (range->check)
        i8x_store_seal(i8x_api_daemon(range->request)->store, &range->blob, range->fd);
    if (!range->whole) {
        snprintf(header, sizeof header, "sha-256=:%s:", i8x_bulk_digest_text(&range->digest, text));
        i8x_http_add_header(range->request, "Content-Digest", header);
    }
    i8x_http_reply_fd(range->request, range->whole ? 200 : 206, range->type, range->fd,
                      range->offset, range->size);
}

static void file_looked_at(uv_work_t *work, int canceled)
{
    (void)canceled;
    blob_range *range = work->data;
    i8x_api_daemon(range->request)->pending--;
    if (range->failed)
        close(range->fd);
    if (range->damaged)
        reply_damaged(range);
    else if (range->failed)
        i8x_http_reply_problem(range->request, I8X_EIO, 0, "the blob could not be read");
    else
        reply_file(range);
    i8x_alloc_free(i8x_alloc_heap(), range, sizeof *range);
}

static void send_looked_at(const blob_range *what)
{
    blob_range *range = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *range);
    I8X_ASSERT(range != NULL);
    *range = *what;
    range->work.data = range;
    i8x_daemon *daemon = i8x_api_daemon(range->request);
    daemon->pending++;
    uv_queue_work(&daemon->loop, &range->work, look_at_file, file_looked_at);
}

static void add_content_range(const blob_range *range, uint64_t all)
{
    char header[96];
    snprintf(header, sizeof header, "bytes %llu-%llu/%llu", (unsigned long long)range->offset,
             (unsigned long long)(range->offset + range->size - 1), (unsigned long long)all);
    i8x_http_add_header(range->request, "Content-Range", header);
}

static void add_file_name(i8x_http_request *request, const char *file_name)
{
    char safe[128], header[192];
    size_t used = 0;
    for (const char *c = file_name; *c != 0 && used + 1 < sizeof safe; c++)
        safe[used++] = strchr("\"\\/;", *c) != NULL || *c < 0x20 || *c == 0x7F ? '_' : *c;
    safe[used] = 0;
    snprintf(header, sizeof header, "attachment; filename=\"%s\"", safe);
    i8x_http_add_header(request, "Content-Disposition", header);
}

void i8x_api_blobs_send(i8x_http_request *request, const i8x_digest *digest, const char *type,
                        const char *file_name)
{
    int fd;
    uint64_t whole;
    if (i8x_store_read(i8x_api_daemon(request)->store, digest, &fd, &whole) != I8X_OK) {
        i8x_http_reply_error(request);
        return;
    }
    char etag[I8X_DIGEST_HEX_SIZE + 2], hex[I8X_DIGEST_HEX_SIZE];
    snprintf(etag, sizeof etag, "\"%s\"", i8x_digest_to_hex(digest, hex));
    i8x_http_add_header(request, "ETag", etag);
    i8x_http_add_header(request, "Accept-Ranges", "bytes");
    if (i8x_http_none_match(request, etag)) {
        close(fd);
        i8x_http_reply(request, 304, NULL, "", 0);
        return;
    }
    if (file_name != NULL)
        add_file_name(request, file_name);
    blob_range range = {.request = request, .type = type, .fd = fd, .blob = *digest};
    range.check = !i8x_store_sealed(i8x_api_daemon(request)->store, digest, fd);
    bool satisfiable = true;
    const char *if_range = i8x_http_header(request, "If-Range");
    const char *wanted =
        if_range == NULL || strcmp(if_range, etag) == 0 ? i8x_http_header(request, "Range") : NULL;
    range.whole = !parse_range(wanted, whole, &range.offset, &range.size, &satisfiable);
    if (range.whole && !range.check) {
        i8x_http_reply_fd(request, 200, type, fd, 0, whole);
    } else if (range.whole) {
        range.offset = 0;
        range.size = whole;
        send_looked_at(&range);
    } else if (satisfiable) {
        add_content_range(&range, whole);
        send_looked_at(&range);
    } else {
        close(fd);
        char header[64];
        snprintf(header, sizeof header, "bytes */%llu", (unsigned long long)whole);
        i8x_http_add_header(request, "Content-Range", header);
        i8x_http_reply_problem(request, I8X_ERANGE, 416, "the range begins beyond the end");
    }
}

void i8x_api_blobs_get(i8x_http_request *request)
{
    i8x_digest digest;
    if (i8x_digest_from_hex(request->params[0], &digest) != I8X_OK) {
        i8x_http_reply_error(request);
        return;
    }
    const i8x_store *store = i8x_api_daemon(request)->store;
    uint64_t kept = i8x_store_has(store, &digest, NULL) ? 0 : i8x_store_kept(store, &digest);
    if (kept > 0) /* not there, but an upload may go on */
        i8x_api_add_number(request, "Upload-Offset", kept);
    i8x_api_blobs_send(request, &digest, "application/octet-stream", NULL);
}
