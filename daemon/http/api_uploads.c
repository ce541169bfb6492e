/* SPDX-License-Identifier: Apache-2.0
 *
 * PUT of a blob. The body goes through two buffers: while a helper thread hashes and writes one,
 * the loop fills the other; when both are full the client waits. So neither the disk nor the digest
 * ever holds up the loop, and an upload takes the same memory whatever its size.
 *
 * With Content-Range: bytes A-B/TOTAL the body is a part, to be put behind the first A bytes that
 * an earlier request left. An upload that breaks off leaves what came of it: HEAD tells how much
 * (Upload-Offset), and a PUT from there goes on, also after a restart of the daemon.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http/api.h"
#include "int8x/alloc.h"
#include "proto/limits.h"

#define HTTP_CONFLICT 409
#define HTTP_DISK_FULL 507

typedef struct blob_upload {
    uv_work_t work;
    i8x_daemon *daemon;
    i8x_http_request *request; /* NULL: it has gone */
    i8x_digest digest;
    i8x_store_upload *upload; /* NULL: the blob is there already, the body is dropped */
    uint8_t *buffers[2];
    size_t filled;   /* of the buffer that the loop fills */
    size_t writing;  /* of the other one, while a helper writes it */
    int filling;     /* which one the loop fills */
    bool busy;       /* a helper is at work */
    bool last, ends; /* the body is complete; with it the blob is */
    bool finishing;  /* the work in hand is the last one */
    i8x_status status;
    char detail[I8X_ERROR_DETAIL_SIZE];
} blob_upload;

/* ---- where it begins ---- */

typedef struct content_range {
    bool given;
    uint64_t first, last, total;
} content_range;

static bool read_digits(const char **at, uint64_t *value)
{
    char *end = NULL;
    if (**at < '0' || **at > '9' || strspn(*at, "0123456789") > 18)
        return false;
    *value = strtoull(*at, &end, 10);
    *at = end;
    return true;
}

static i8x_status read_range(const i8x_http_request *request, content_range *range)
{
    const char *text = i8x_http_header(request, "Content-Range");
    *range = (content_range){.given = text != NULL};
    if (text == NULL)
        return I8X_OK;
    const char *at = text;
    bool good = strncmp(at, "bytes ", 6) == 0;
    at += good ? 6 : 0;
    good = good && read_digits(&at, &range->first) && *at++ == '-' &&
           read_digits(&at, &range->last) && *at++ == '/' && read_digits(&at, &range->total) &&
           *at == 0;
    I8X_ENSURE(good && range->first <= range->last && range->last < range->total, I8X_EARG,
               "Content-Range '%.60s': wanted bytes FIRST-LAST/TOTAL, such as bytes 0-99/1000",
               text);
    uint64_t size = range->last - range->first + 1, length = i8x_http_length(request);
    I8X_ENSURE(length == UINT64_MAX || length == size, I8X_EARG,
               "Content-Range names %llu bytes, Content-Length %llu", (unsigned long long)size,
               (unsigned long long)length);
    return I8X_OK;
}

static i8x_status open_upload(i8x_http_request *request, blob_upload *state,
                              const content_range *range)
{
    i8x_daemon *daemon = state->daemon;
    uint64_t limit = daemon->opts.blob_limit_bytes;
    I8X_ENSURE(range->total <= limit, I8X_ELIMIT, "a blob of %llu bytes, at most %llu here",
               (unsigned long long)range->total, (unsigned long long)limit);
    I8X_ENSURE(daemon->uploads < I8X_UPLOADS_MAX, I8X_EBUSY,
               "%d uploads are being written: try again later", daemon->uploads);
    i8x_status status =
        i8x_store_begin(daemon->store, &state->digest, range->first, &state->upload);
    if (status == I8X_ERANGE) {
        i8x_api_add_number(request, "Upload-Offset", i8x_store_kept(daemon->store, &state->digest));
        request->failure_code = HTTP_CONFLICT;
    } else if (status == I8X_ELIMIT) {
        request->failure_code = HTTP_DISK_FULL;
    }
    I8X_TRY(status);
    daemon->uploads++;
    state->ends = !range->given || range->last + 1 == range->total;
    return I8X_OK;
}

i8x_status i8x_api_uploads_begin(i8x_http_request *request)
{
    i8x_digest digest;
    content_range range;
    I8X_TRY(i8x_digest_from_hex(request->params[0], &digest));
    I8X_TRY(read_range(request, &range));
    blob_upload *state = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *state);
    I8X_TRY(i8x_alloc_check(state));
    state->daemon = i8x_api_daemon(request);
    state->request = request;
    state->digest = digest;
    request->user = state;
    if (i8x_store_has(state->daemon->store, &digest, NULL))
        return I8X_OK;
    return open_upload(request, state, &range);
}

/* ---- its end ---- */

static void free_upload(blob_upload *state)
{
    if (state->upload != NULL) {
        state->daemon->uploads--;
        i8x_store_end(state->upload, state->status == I8X_OK);
    }
    for (int i = 0; i < 2; i++)
        i8x_alloc_free(i8x_alloc_heap(), state->buffers[i],
                       state->buffers[i] != NULL ? I8X_UPLOAD_BUFFER : 0);
    i8x_alloc_free(i8x_alloc_heap(), state, sizeof *state);
}

void i8x_api_uploads_close(i8x_http_request *request)
{
    blob_upload *state = request->user;
    if (state == NULL)
        return;
    request->user = NULL;
    state->request = NULL;
    if (!state->busy)
        free_upload(state); /* else its helper's end frees it */
}

static void committed(void *user)
{
    blob_upload *state = user;
    state->daemon->pending--;
    state->busy = false;
    if (state->request != NULL)
        i8x_http_reply(state->request, 201, NULL, "", 0);
    else
        free_upload(state);
}

static void keep_failure(blob_upload *state, i8x_status status)
{
    state->status = status;
    snprintf(state->detail, sizeof state->detail, "%s", i8x_last_error()->detail);
}

static void answer_failure(blob_upload *state)
{
    i8x_http_reply_problem(state->request, state->status,
                           state->status == I8X_ELIMIT ? HTTP_DISK_FULL : 0, state->detail);
}

/* All bytes of this request are written. */
static void answer_written(blob_upload *state)
{
    i8x_daemon *daemon = state->daemon;
    if (!state->ends) {
        i8x_api_add_number(state->request, "Upload-Offset", i8x_store_size(state->upload));
        i8x_http_reply(state->request, 202, NULL, "", 0);
        return;
    }
    uint64_t size = i8x_store_size(state->upload);
    daemon->metrics.blobs_received++;
    daemon->metrics.blob_bytes_received += size;
    i8x_status status = i8x_ledger_put_blob(daemon->ledger, &state->digest, size, committed, state);
    if (status != I8X_OK) {
        keep_failure(state, status);
        answer_failure(state);
        return;
    }
    daemon->pending++;
    state->busy = true; /* until the commit */
}

/* ---- its bytes ---- */

static void write_buffer(uv_work_t *work)
{
    blob_upload *state = work->data;
    i8x_status status = I8X_OK;
    if (state->writing > 0)
        status = i8x_store_add(state->upload, state->buffers[!state->filling], state->writing);
    if (status == I8X_OK && state->finishing && state->ends)
        status = i8x_store_finish(state->upload);
    if (status != I8X_OK)
        keep_failure(state, status);
}

static void start_helper(blob_upload *state);

static void buffer_written(uv_work_t *work, int canceled)
{
    (void)canceled;
    blob_upload *state = work->data;
    state->daemon->pending--;
    state->busy = false;
    i8x_store_set_busy(state->upload, false);
    if (state->request == NULL) {
        free_upload(state);
    } else if (state->last && !state->finishing && state->status == I8X_OK) {
        start_helper(state); /* what is left */
    } else if (state->last && state->status != I8X_OK) {
        answer_failure(state);
    } else if (state->last) {
        answer_written(state);
    } else {
        i8x_http_continue_body(state->request);
    }
}

/* Gives the filled buffer to a helper; the loop goes on with the other one. */
static void start_helper(blob_upload *state)
{
    state->writing = state->filled;
    state->filled = 0;
    state->filling = !state->filling;
    state->finishing = state->last;
    state->busy = true;
    state->work.data = state;
    state->daemon->pending++;
    i8x_store_set_busy(state->upload, true);
    uv_queue_work(&state->daemon->loop, &state->work, write_buffer, buffer_written);
}

static i8x_status check_state(i8x_http_request *request, const blob_upload *state)
{
    if (state->status == I8X_ELIMIT)
        request->failure_code = HTTP_DISK_FULL;
    if (state->status != I8X_OK)
        I8X_FAIL(state->status, "%s", state->detail);
    if (i8x_store_taken(state->upload))
        request->failure_code = HTTP_CONFLICT;
    I8X_ENSURE(!i8x_store_taken(state->upload), I8X_EBUSY,
               "another request has gone on with this upload");
    return I8X_OK;
}

i8x_status i8x_api_uploads_body(i8x_http_request *request, const void *bytes, size_t size)
{
    blob_upload *state = request->user;
    const uint8_t *at = bytes;
    if (state->upload == NULL)
        return I8X_OK;
    I8X_TRY(check_state(request, state));
    I8X_DEBUG_ASSERT(size <= I8X_UPLOAD_BUFFER);
    while (size > 0) {
        uint8_t **buffer = &state->buffers[state->filling];
        if (*buffer == NULL)
            *buffer = i8x_alloc_array(i8x_alloc_heap(), I8X_UPLOAD_BUFFER, 1);
        I8X_TRY(i8x_alloc_check(*buffer));
        size_t room = I8X_UPLOAD_BUFFER - state->filled, piece = size < room ? size : room;
        memcpy(*buffer + state->filled, at, piece);
        state->filled += piece;
        at += piece;
        size -= piece;
        if (state->filled == I8X_UPLOAD_BUFFER && !state->busy)
            start_helper(state);
    }
    /* the next piece may be as large as the connection's memory: room for it, or it waits */
    if (state->busy && state->filled + I8X_HTTP_HEADER_MAX > I8X_UPLOAD_BUFFER)
        i8x_http_pause_body(request);
    return I8X_OK;
}

void i8x_api_uploads_put(i8x_http_request *request)
{
    blob_upload *state = request->user;
    char etag[I8X_DIGEST_HEX_SIZE + 2], hex[I8X_DIGEST_HEX_SIZE];
    snprintf(etag, sizeof etag, "\"%s\"", i8x_digest_to_hex(&state->digest, hex));
    i8x_http_add_header(request, "ETag", etag);
    if (state->upload == NULL) {
        i8x_http_reply(request, 200, NULL, "", 0);
        return;
    }
    state->last = true;
    i8x_status status = check_state(request, state);
    if (status != I8X_OK) {
        i8x_http_reply_problem(request, status, request->failure_code, i8x_last_error()->detail);
        return;
    }
    if (!state->busy)
        start_helper(state);
}
