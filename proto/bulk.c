/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl, one easy handle per object. Bytes go from the socket to the file descriptor through a
 * digest; nothing is held in memory. Expect: 100-continue is switched off (a round trip on every
 * small blob), and redirects are not followed: the coordinator names the place itself.
 */
#include "proto/bulk.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "int8x/alloc.h"
#include "proto/limits.h"

#define URL_SIZE (I8X_WIRE_URL_MAX + 96)
#define RANGE_SIZE 48

struct i8x_bulk {
    char base_url[I8X_WIRE_URL_MAX + 1];
    CURL *curl;
};

/* What one transfer has seen. */
typedef struct transfer {
    int fd;
    uint64_t received, expected;
    i8x_digest_stream *stream;
    int write_errno;
    char content_digest[I8X_BULK_DIGEST_TEXT];
} transfer;

i8x_status i8x_bulk_global_init(void)
{
    I8X_ENSURE(curl_global_init(CURL_GLOBAL_DEFAULT) == 0, I8X_EINTERNAL, "libcurl does not start");
    return I8X_OK;
}

i8x_status i8x_bulk_new(const char *base_url, i8x_bulk **bulk)
{
    I8X_ENSURE(strlen(base_url) <= I8X_WIRE_URL_MAX, I8X_ELIMIT, "blob URL over %d bytes",
               I8X_WIRE_URL_MAX);
    i8x_bulk *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    snprintf(made->base_url, sizeof made->base_url, "%s", base_url);
    made->curl = curl_easy_init();
    if (made->curl == NULL) {
        i8x_bulk_free(made);
        I8X_FAIL(I8X_ENOMEM, "no memory for a transfer");
    }
    *bulk = made;
    return I8X_OK;
}

void i8x_bulk_free(i8x_bulk *bulk)
{
    if (bulk == NULL)
        return;
    curl_easy_cleanup(bulk->curl);
    i8x_alloc_free(i8x_alloc_heap(), bulk, sizeof *bulk);
}

static size_t receive_body(char *bytes, size_t one, size_t size, void *user)
{
    (void)one;
    transfer *t = user;
    if (t->received + size > t->expected)
        return 0; /* more than asked for: curl ends with a write error */
    for (size_t done = 0; done < size;) {
        ssize_t written = write(t->fd, bytes + done, size - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            t->write_errno = errno;
            return 0;
        }
        done += (size_t)written;
    }
    i8x_digest_stream_add(t->stream, bytes, size);
    t->received += size;
    return size;
}

/* "Content-Digest: sha-256=:BASE64:" */
static size_t receive_header(char *bytes, size_t one, size_t size, void *user)
{
    (void)one;
    static const char name[] = "content-digest: sha-256=:";
    transfer *t = user;
    size_t skip = sizeof name - 1;
    if (size > skip && strncasecmp(bytes, name, skip) == 0) {
        const char *end = memchr(bytes + skip, ':', size - skip);
        size_t length = end != NULL ? (size_t)(end - bytes) - skip : 0;
        if (length < sizeof t->content_digest) {
            memcpy(t->content_digest, bytes + skip, length);
            t->content_digest[length] = 0;
        }
    }
    return size;
}

char *i8x_bulk_digest_text(const i8x_digest *digest, char text[I8X_BULK_DIGEST_TEXT])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = text;
    for (int i = 0; i < I8X_DIGEST_SIZE; i += 3) {
        uint32_t b1 = i + 1 < I8X_DIGEST_SIZE ? digest->bytes[i + 1] : 0;
        uint32_t b2 = i + 2 < I8X_DIGEST_SIZE ? digest->bytes[i + 2] : 0;
        uint32_t bits = (uint32_t)digest->bytes[i] << 16 | b1 << 8 | b2;
        for (int k = 0; k < 4; k++)
            *out++ = alphabet[bits >> (18 - 6 * k) & 63];
    }
    *out = 0;
    out[-1] = '='; /* 32 bytes are ten threes and two bytes: one sign of padding */
    return text;
}

static void prepare(i8x_bulk *bulk, const i8x_digest *digest, char url[URL_SIZE])
{
    char hex[I8X_DIGEST_HEX_SIZE];
    snprintf(url, URL_SIZE, "%s/v1/blobs/%s", bulk->base_url, i8x_digest_to_hex(digest, hex));
    curl_easy_reset(bulk->curl);
    curl_easy_setopt(bulk->curl, CURLOPT_URL, url);
    curl_easy_setopt(bulk->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(bulk->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(bulk->curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(bulk->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)I8X_BULK_CONNECT_MS);
    curl_easy_setopt(bulk->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(bulk->curl, CURLOPT_LOW_SPEED_TIME, (long)I8X_BULK_STALL_S);
}

static i8x_status check_answer(CURLcode code, long http, int write_errno, const char *url)
{
    I8X_ENSURE(write_errno == 0,
               write_errno == ENOSPC || write_errno == EDQUOT ? I8X_ELIMIT : I8X_EIO,
               "%s: writing the blob: %s", url, strerror(write_errno));
    I8X_ENSURE(code == CURLE_OK || code == CURLE_WRITE_ERROR, I8X_EUNREACHABLE, "%s: %s", url,
               curl_easy_strerror(code));
    I8X_ENSURE(http != 404, I8X_ENOENT, "%s: the coordinator has no such blob", url);
    I8X_ENSURE(http != 422, I8X_ECORRUPT, "%s: the bytes do not match their digest", url);
    I8X_ENSURE(http != 413 && http != 507, I8X_ELIMIT,
               "%s: too large for the coordinator (HTTP %ld)", url, http);
    I8X_ENSURE(http == 200 || http == 201 || http == 206, I8X_EIO, "%s: HTTP %ld", url, http);
    I8X_ENSURE(code == CURLE_OK, I8X_ECORRUPT, "%s: more bytes than were asked for", url);
    return I8X_OK;
}

static i8x_status check_digest(const transfer *t, const i8x_blob_ref *ref, const i8x_digest *digest,
                               const char *url)
{
    I8X_ENSURE(t->received == ref->size_bytes, I8X_ECORRUPT,
               "%s: %llu bytes came, %llu were asked for", url, (unsigned long long)t->received,
               (unsigned long long)ref->size_bytes);
    char text[I8X_BULK_DIGEST_TEXT];
    i8x_bulk_digest_text(digest, text);
    bool good =
        ref->whole ? i8x_digest_equal(digest, &ref->digest) : strcmp(text, t->content_digest) == 0;
    I8X_ENSURE(good, I8X_ECORRUPT, "%s: the bytes do not match their digest", url);
    return I8X_OK;
}

i8x_status i8x_bulk_get(i8x_bulk *bulk, const i8x_blob_ref *ref, int fd)
{
    char url[URL_SIZE], range[RANGE_SIZE];
    prepare(bulk, &ref->digest, url);
    transfer t = {.fd = fd, .expected = ref->size_bytes};
    I8X_TRY(i8x_digest_stream_new(&t.stream));
    if (!ref->whole) {
        snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)ref->offset,
                 (unsigned long long)(ref->offset + ref->size_bytes - 1));
        curl_easy_setopt(bulk->curl, CURLOPT_RANGE, range);
    }
    curl_easy_setopt(bulk->curl, CURLOPT_FAILONERROR, 1L); /* an error's text is no blob */
    curl_easy_setopt(bulk->curl, CURLOPT_WRITEFUNCTION, receive_body);
    curl_easy_setopt(bulk->curl, CURLOPT_WRITEDATA, &t);
    curl_easy_setopt(bulk->curl, CURLOPT_HEADERFUNCTION, receive_header);
    curl_easy_setopt(bulk->curl, CURLOPT_HEADERDATA, &t);
    CURLcode code = curl_easy_perform(bulk->curl);
    long http = 0;
    curl_easy_getinfo(bulk->curl, CURLINFO_RESPONSE_CODE, &http);
    i8x_digest digest = i8x_digest_stream_end(t.stream);
    I8X_TRY(check_answer(code == CURLE_HTTP_RETURNED_ERROR ? CURLE_OK : code, http, t.write_errno,
                         url));
    I8X_ENSURE(ref->whole || http == 206, I8X_EIO, "%s: a range was asked for, HTTP %ld came", url,
               http);
    return check_digest(&t, ref, &digest, url);
}

static size_t drop_body(char *bytes, size_t one, size_t size, void *user)
{
    (void)bytes;
    (void)user;
    return one * size;
}

static i8x_status put_file(i8x_bulk *bulk, const i8x_digest *digest, const char *path, FILE *file)
{
    struct stat info;
    I8X_ENSURE(fstat(fileno(file), &info) == 0, I8X_EIO, "%s: %s", path, strerror(errno));
    char url[URL_SIZE];
    prepare(bulk, digest, url);
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    I8X_ENSURE(headers != NULL, I8X_ENOMEM, "no memory for a transfer");
    curl_easy_setopt(bulk->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(bulk->curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(bulk->curl, CURLOPT_READDATA, file);
    curl_easy_setopt(bulk->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)info.st_size);
    curl_easy_setopt(bulk->curl, CURLOPT_WRITEFUNCTION, drop_body);
    CURLcode code = curl_easy_perform(bulk->curl);
    long http = 0;
    curl_easy_getinfo(bulk->curl, CURLINFO_RESPONSE_CODE, &http);
    curl_easy_setopt(bulk->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    return check_answer(http >= 400 ? CURLE_OK : code, http, 0, url);
}

i8x_status i8x_bulk_put(i8x_bulk *bulk, const i8x_digest *digest, const char *path)
{
    FILE *file = fopen(path, "rb");
    I8X_ENSURE(file != NULL, errno == ENOENT ? I8X_ENOENT : I8X_EIO, "%s: %s", path,
               strerror(errno));
    i8x_status status = put_file(bulk, digest, path, file);
    fclose(file);
    return status;
}
