/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl, one easy handle per object. Bytes go from the socket to the file descriptor through a
 * digest; nothing is held in memory. Redirects are not followed: the coordinator names the place
 * itself.
 */
#include "proto/bulk.h"

#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "int8x/alloc.h"
#include "proto/limits.h"
#include "proto/trust_token.h"

#define URL_SIZE (I8X_WIRE_URL_MAX + 96)
#define RANGE_SIZE 48

struct i8x_bulk {
    char base_url[I8X_WIRE_URL_MAX + 1];
    char ca_path[PATH_MAX]; /* "" = none */
    bool unchecked;
    CURL *curl;
    struct curl_slist *headers; /* of every request; a token is in it */
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

static bool add_header(i8x_bulk *bulk, const char *line)
{
    struct curl_slist *longer = curl_slist_append(bulk->headers, line);
    bulk->headers = longer != NULL ? longer : bulk->headers;
    return longer != NULL;
}

static bool add_headers(i8x_bulk *bulk, const char *token)
{
    char line[32 + I8X_WIRE_NAME_MAX];
    if (!add_header(bulk, "Expect:")) /* a round trip on every small blob */
        return false;
    if (token == NULL || *token == 0)
        return true;
    snprintf(line, sizeof line, "Authorization: Bearer %s", token);
    bool added = add_header(bulk, line);
    i8x_wipe(line, sizeof line);
    return added;
}

static i8x_status set_trust(i8x_bulk *bulk, const i8x_bulk_trust *trust)
{
    const char *ca = trust != NULL && trust->ca_path != NULL ? trust->ca_path : "";
    I8X_ENSURE(strlen(ca) < sizeof bulk->ca_path, I8X_ELIMIT, "the CA's path is too long");
    snprintf(bulk->ca_path, sizeof bulk->ca_path, "%s", ca);
    bulk->unchecked = trust != NULL && trust->unchecked;
    I8X_ENSURE(add_headers(bulk, trust != NULL ? trust->token : NULL), I8X_ENOMEM,
               "no memory for a transfer");
    return I8X_OK;
}

i8x_status i8x_bulk_new(const char *base_url, const i8x_bulk_trust *trust, i8x_bulk **bulk)
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
    i8x_status status = set_trust(made, trust);
    if (status != I8X_OK) {
        i8x_bulk_free(made);
        return status;
    }
    *bulk = made;
    return I8X_OK;
}

void i8x_bulk_free(i8x_bulk *bulk)
{
    if (bulk == NULL)
        return;
    curl_easy_cleanup(bulk->curl);
    for (struct curl_slist *header = bulk->headers; header != NULL; header = header->next)
        i8x_wipe(header->data, strlen(header->data));
    curl_slist_free_all(bulk->headers);
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

static void prepare_url(i8x_bulk *bulk, const char *url)
{
    bool tls = bulk->ca_path[0] != 0 || bulk->unchecked;
    curl_easy_reset(bulk->curl);
    curl_easy_setopt(bulk->curl, CURLOPT_URL, url);
    curl_easy_setopt(bulk->curl, CURLOPT_HTTPHEADER, bulk->headers);
    curl_easy_setopt(bulk->curl, CURLOPT_PROTOCOLS_STR, tls ? "https" : "http");
    curl_easy_setopt(bulk->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(bulk->curl, CURLOPT_CAPATH, NULL); /* our CA and no other */
    if (bulk->ca_path[0] != 0)
        curl_easy_setopt(bulk->curl, CURLOPT_CAINFO, bulk->ca_path);
    curl_easy_setopt(bulk->curl, CURLOPT_SSL_VERIFYPEER, bulk->unchecked ? 0L : 1L);
    curl_easy_setopt(bulk->curl, CURLOPT_SSL_VERIFYHOST, bulk->unchecked ? 0L : 2L);
    curl_easy_setopt(bulk->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(bulk->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(bulk->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)I8X_BULK_CONNECT_MS);
    curl_easy_setopt(bulk->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(bulk->curl, CURLOPT_LOW_SPEED_TIME, (long)I8X_BULK_STALL_S);
}

static void prepare(i8x_bulk *bulk, const i8x_digest *digest, char url[URL_SIZE])
{
    char hex[I8X_DIGEST_HEX_SIZE];
    snprintf(url, URL_SIZE, "%s/v1/blobs/%s", bulk->base_url, i8x_digest_to_hex(digest, hex));
    prepare_url(bulk, url);
}

static i8x_status check_answer(CURLcode code, long http, int write_errno, const char *url)
{
    I8X_ENSURE(write_errno == 0,
               write_errno == ENOSPC || write_errno == EDQUOT ? I8X_ELIMIT : I8X_EIO,
               "%s: writing the blob: %s", url, strerror(write_errno));
    I8X_ENSURE(code == CURLE_OK || code == CURLE_WRITE_ERROR, I8X_EUNREACHABLE, "%s: %s", url,
               curl_easy_strerror(code));
    I8X_ENSURE(http != 401, I8X_EAUTH, "%s: the coordinator does not take our token", url);
    I8X_ENSURE(http != 403, I8X_EDENIED, "%s: our token may not do this", url);
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
    curl_easy_setopt(bulk->curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(bulk->curl, CURLOPT_READDATA, file);
    curl_easy_setopt(bulk->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)info.st_size);
    curl_easy_setopt(bulk->curl, CURLOPT_WRITEFUNCTION, drop_body);
    CURLcode code = curl_easy_perform(bulk->curl);
    long http = 0;
    curl_easy_getinfo(bulk->curl, CURLINFO_RESPONSE_CODE, &http);
    return check_answer(http >= 400 ? CURLE_OK : code, http, 0, url);
}

static size_t keep_body(char *bytes, size_t one, size_t size, void *user)
{
    i8x_buffer *answer = user;
    i8x_buffer_put(answer, bytes, one * size);
    return i8x_buffer_status(answer) == I8X_OK ? one * size : 0;
}

i8x_status i8x_bulk_call(i8x_bulk *bulk, const char *method, const char *path, const char *body,
                         i8x_buffer *answer, long *http)
{
    char url[URL_SIZE];
    snprintf(url, sizeof url, "%s%s", bulk->base_url, path);
    prepare_url(bulk, url);
    i8x_buffer_clear(answer);
    curl_easy_setopt(bulk->curl, CURLOPT_CUSTOMREQUEST, method);
    if (body != NULL)
        curl_easy_setopt(bulk->curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(bulk->curl, CURLOPT_WRITEFUNCTION, keep_body);
    curl_easy_setopt(bulk->curl, CURLOPT_WRITEDATA, answer);
    CURLcode code = curl_easy_perform(bulk->curl);
    *http = 0;
    curl_easy_getinfo(bulk->curl, CURLINFO_RESPONSE_CODE, http);
    I8X_TRY(i8x_buffer_status(answer));
    I8X_ENSURE(code == CURLE_OK, I8X_EUNREACHABLE, "%s: %s", url, curl_easy_strerror(code));
    return I8X_OK;
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
