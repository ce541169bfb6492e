/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl, one easy handle. Answers in memory have a limit; files go straight to disk through a
 * digest.
 */
#include "client/c/remote.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "int8x/alloc.h"
#include "int8x/file.h"
#include "proto/trust_token.h"

#define URL_MAX 512
#define CONNECT_MS 5000L
#define STALL_S 60L /* longer than the service's longest wait */
#define PATH_SIZE 4096
#define HTTP_NO_CONTENT 204

struct i8x_remote {
    char url[URL_MAX], ca_path[PATH_SIZE]; /* "" = none */
    char token[I8X_TOKEN_SIZE];            /* "" = none */
    char problem[CURL_ERROR_SIZE];         /* of the last request, in the library's words */
    CURL *curl;
};

/* Where an answer goes: memory, and for good answers of a download a file. */
typedef struct answer {
    i8x_remote *remote;
    char *text;
    size_t size, capacity;
    FILE *file;
    i8x_digest_stream *stream;
    bool failed;
} answer;

/* A token in clear over a network is everybody's. The host is this machine: not 127.example.com,
 * nor localhost.example.com, nor what stands behind "user@". */
static bool is_local(const char *url)
{
    static const char *const hosts[] = {"localhost", "[::1]"};
    const char *host = strstr(url, "://") + 3;
    size_t length = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    if (strchr(host, '@') != NULL)
        return false;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        if (strlen(hosts[i]) == length && strncmp(host, hosts[i], length) == 0)
            return true;
    return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == length;
}

static i8x_status take_opts(i8x_remote *remote, const i8x_remote_opts *opts)
{
    bool tls = strncmp(opts->url, "https://", 8) == 0;
    bool token = opts->token_path != NULL && *opts->token_path != 0;
    I8X_ENSURE(tls || !token || is_local(opts->url), I8X_EARG,
               "a token goes over https:// only, not to %.100s", opts->url);
    snprintf(remote->url, sizeof remote->url, "%s", opts->url);
    for (size_t size = strlen(remote->url); size > 8 && remote->url[size - 1] == '/'; size--)
        remote->url[size - 1] = 0;
    if (token)
        I8X_TRY(i8x_token_read(opts->token_path, remote->token));
    const char *ca = opts->ca_path != NULL ? opts->ca_path : "";
    I8X_ENSURE(strlen(ca) < sizeof remote->ca_path, I8X_EARG, "the CA file's path is too long");
    I8X_ENSURE(*ca == 0 || access(ca, R_OK) == 0, I8X_ENOENT, "'%.160s': %s", ca, strerror(errno));
    snprintf(remote->ca_path, sizeof remote->ca_path, "%s", ca);
    remote->curl = curl_easy_init();
    I8X_ENSURE(remote->curl != NULL, I8X_ENOMEM, "no memory for a connection");
    return I8X_OK;
}

i8x_status i8x_remote_new(const i8x_remote_opts *opts, i8x_remote **remote)
{
    bool known = strncmp(opts->url, "http://", 7) == 0 || strncmp(opts->url, "https://", 8) == 0;
    I8X_ENSURE(known && strlen(opts->url) < URL_MAX, I8X_EARG,
               "the service's address is '%.100s'; give one such as http://127.0.0.1:8480",
               opts->url);
    I8X_ENSURE(curl_global_init(CURL_GLOBAL_DEFAULT) == 0, I8X_EINTERNAL, "libcurl does not start");
    i8x_remote *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    i8x_status status = take_opts(made, opts);
    if (status != I8X_OK) {
        i8x_remote_free(made);
        return status;
    }
    *remote = made;
    return I8X_OK;
}

void i8x_remote_free(i8x_remote *remote)
{
    if (remote == NULL)
        return;
    curl_easy_cleanup(remote->curl);
    i8x_wipe(remote->token, sizeof remote->token);
    i8x_alloc_free(i8x_alloc_heap(), remote, sizeof *remote);
}

/* ---- answers ---- */

static bool keep_text(answer *a, const char *bytes, size_t size)
{
    if (a->size + size > I8X_REMOTE_ANSWER_MAX)
        return false;
    if (a->size + size + 1 > a->capacity) {
        size_t capacity = 2 * (a->size + size + 1);
        char *text = i8x_alloc_resize(i8x_alloc_heap(), a->text, a->capacity, capacity);
        if (text == NULL)
            return false;
        a->text = text;
        a->capacity = capacity;
    }
    memcpy(a->text + a->size, bytes, size);
    a->size += size;
    a->text[a->size] = 0;
    return true;
}

static size_t receive(char *bytes, size_t one, size_t size, void *user)
{
    answer *a = user;
    long http = 0;
    curl_easy_getinfo(a->remote->curl, CURLINFO_RESPONSE_CODE, &http);
    bool good;
    if (a->file != NULL && http < 300) {
        i8x_digest_stream_add(a->stream, bytes, size);
        good = fwrite(bytes, one, size, a->file) == size;
    } else {
        good = keep_text(a, bytes, size);
    }
    a->failed |= !good;
    return good ? size : 0;
}

static void free_answer(answer *a)
{
    i8x_alloc_free(i8x_alloc_heap(), a->text, a->capacity);
    a->text = NULL;
    a->capacity = 0;
}

/* The status and sentence of a problem; an answer of something that is no int8xd has neither. */
static i8x_status refused(const answer *a, long http)
{
    static const char prefix[] = "urn:int8x:status:";
    i8x_json *json = NULL;
    i8x_status status = I8X_EUNREACHABLE;
    char detail[I8X_ERROR_DETAIL_SIZE];
    snprintf(detail, sizeof detail, "the service answered with HTTP status %ld", http);
    if (a->size > 0 && i8x_json_parse(a->text, a->size, &json) == I8X_OK) {
        const char *type = i8x_json_member_text(json, "type", "");
        const char *told = i8x_json_member_text(json, "detail", NULL);
        if (told != NULL)
            snprintf(detail, sizeof detail, "%s", told);
        if (strncmp(type, prefix, sizeof prefix - 1) == 0)
            status = i8x_status_from_name(type + sizeof prefix - 1);
    }
    i8x_json_free(json);
    if (status == I8X_OK || status == I8X_STATUS_COUNT)
        status = I8X_EUNREACHABLE;
    bool wants_token = status == I8X_EAUTH && a->remote->token[0] == 0;
    I8X_FAIL(status, "%s%s", detail, wants_token ? " (--token-file FILE, or int8x context)" : "");
}

static i8x_status perform(i8x_remote *remote, answer *a)
{
    a->remote = remote;
    curl_easy_setopt(remote->curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(remote->curl, CURLOPT_WRITEDATA, a);
    CURLcode code = curl_easy_perform(remote->curl);
    long http = 0;
    curl_easy_getinfo(remote->curl, CURLINFO_RESPONSE_CODE, &http);
    I8X_ENSURE(!a->failed, a->file != NULL ? I8X_EIO : I8X_ELIMIT,
               "the answer of %s could not be kept", remote->url);
    if (http >= 400)
        return refused(a, http);
    I8X_ENSURE(
        code != CURLE_PEER_FAILED_VERIFICATION, I8X_EUNREACHABLE,
        "%s: its certificate is not good here: %s. --ca-file FILE names the CA that signed it",
        remote->url, remote->problem[0] != 0 ? remote->problem : curl_easy_strerror(code));
    I8X_ENSURE(code == CURLE_OK, I8X_EUNREACHABLE, "%s: %s; is int8xd running there?", remote->url,
               curl_easy_strerror(code));
    return I8X_OK;
}

static void prepare(i8x_remote *remote, const char *method, const char *path)
{
    char url[URL_MAX + 256];
    snprintf(url, sizeof url, "%s%s", remote->url, path);
    curl_easy_reset(remote->curl);
    curl_easy_setopt(remote->curl, CURLOPT_URL, url);
    curl_easy_setopt(remote->curl, CURLOPT_CUSTOMREQUEST, method);
    remote->problem[0] = 0;
    curl_easy_setopt(remote->curl, CURLOPT_ERRORBUFFER, remote->problem);
    curl_easy_setopt(remote->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(remote->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(remote->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (remote->ca_path[0] != 0) { /* this CA and no other */
        curl_easy_setopt(remote->curl, CURLOPT_CAINFO, remote->ca_path);
        curl_easy_setopt(remote->curl, CURLOPT_CAPATH, NULL);
    }
    if (remote->token[0] != 0) {
        curl_easy_setopt(remote->curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(remote->curl, CURLOPT_XOAUTH2_BEARER, remote->token);
    }
    curl_easy_setopt(remote->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(remote->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(remote->curl, CURLOPT_LOW_SPEED_TIME, STALL_S);
}

static i8x_status call(i8x_remote *remote, const char *method, const char *path, const char *key,
                       const char *body, i8x_json **result)
{
    answer a = {0};
    char line[I8X_REMOTE_KEY_MAX + 32];
    prepare(remote, method, path);
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
    if (body != NULL) {
        headers = curl_slist_append(headers, "Content-Type: application/json");
        curl_easy_setopt(remote->curl, CURLOPT_POSTFIELDS, body);
    }
    if (key != NULL) {
        snprintf(line, sizeof line, "Idempotency-Key: %s", key);
        headers = curl_slist_append(headers, line);
    }
    curl_easy_setopt(remote->curl, CURLOPT_HTTPHEADER, headers);
    i8x_status status = perform(remote, &a);
    curl_slist_free_all(headers);
    long http = 0;
    curl_easy_getinfo(remote->curl, CURLINFO_RESPONSE_CODE, &http);
    if (status == I8X_OK && result != NULL && http != HTTP_NO_CONTENT)
        status = i8x_json_parse(a.text != NULL ? a.text : "", a.size, result);
    free_answer(&a);
    return status;
}

i8x_status i8x_remote_call(i8x_remote *remote, const char *method, const char *path,
                           const char *body, i8x_json **result)
{
    return call(remote, method, path, NULL, body, result);
}

i8x_status i8x_remote_post_once(i8x_remote *remote, const char *path, const char *key,
                                const char *body, i8x_json **result)
{
    size_t length = strlen(key);
    bool plain = length > 0 && length <= I8X_REMOTE_KEY_MAX;
    for (size_t i = 0; i < length && plain; i++)
        plain = key[i] > ' ' && key[i] < 127;
    I8X_ENSURE(plain, I8X_EARG, "an idempotency key has 1 to %d printable characters, no blanks",
               I8X_REMOTE_KEY_MAX);
    return call(remote, "POST", path, key, body, result);
}

i8x_status i8x_remote_text(i8x_remote *remote, const char *path, char **text, size_t *size)
{
    answer a = {0};
    prepare(remote, "GET", path);
    i8x_status status = perform(remote, &a);
    if (status == I8X_OK) {
        *text = i8x_alloc_array(i8x_alloc_heap(), a.size + 1, 1);
        status = i8x_alloc_check(*text);
    }
    if (status == I8X_OK) {
        memcpy(*text, a.size > 0 ? a.text : "", a.size);
        *size = a.size;
    }
    free_answer(&a);
    return status;
}

/* ---- files ---- */

static i8x_status hash_file(const char *path, i8x_blob_ref *ref)
{
    i8x_file_view view;
    I8X_TRY(i8x_file_map(path, &view));
    *ref = (i8x_blob_ref){
        .digest = i8x_digest_of(view.bytes, view.size), .size_bytes = view.size, .whole = true};
    i8x_file_unmap(&view);
    I8X_ENSURE(ref->size_bytes > 0, I8X_EFORMAT, "'%s' is empty", path);
    return I8X_OK;
}

static i8x_status send_file(i8x_remote *remote, const char *resource, const char *path,
                            uint64_t size)
{
    FILE *file = fopen(path, "rb");
    I8X_ENSURE(file != NULL, I8X_EIO, "'%s' cannot be read: %s", path, strerror(errno));
    answer a = {0};
    prepare(remote, "PUT", resource);
    curl_easy_setopt(remote->curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(remote->curl, CURLOPT_READDATA, file);
    curl_easy_setopt(remote->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size);
    i8x_status status = perform(remote, &a);
    free_answer(&a);
    fclose(file);
    return status == I8X_OK ? I8X_OK : i8x_fail_prefix("'%s': ", path);
}

i8x_status i8x_remote_upload(i8x_remote *remote, const char *path, i8x_blob_ref *ref, bool *sent)
{
    char resource[128], hex[I8X_DIGEST_HEX_SIZE];
    I8X_TRY(hash_file(path, ref));
    snprintf(resource, sizeof resource, "/v1/blobs/%s", i8x_digest_to_hex(&ref->digest, hex));
    answer a = {0};
    prepare(remote, "HEAD", resource);
    curl_easy_setopt(remote->curl, CURLOPT_NOBODY, 1L);
    i8x_status status = perform(remote, &a);
    free_answer(&a);
    long http = 0;
    curl_easy_getinfo(remote->curl, CURLINFO_RESPONSE_CODE, &http);
    bool missing = status != I8X_OK && http == 404;
    if (sent != NULL)
        *sent = missing;
    return missing ? send_file(remote, resource, path, ref->size_bytes) : status;
}

static i8x_status receive_file(i8x_remote *remote, const char *resource, const i8x_digest *digest,
                               const char *path)
{
    answer a = {.file = fopen(path, "wb")};
    I8X_ENSURE(a.file != NULL, I8X_EIO, "'%s' cannot be written: %s", path, strerror(errno));
    i8x_status status = i8x_digest_stream_new(&a.stream);
    if (status == I8X_OK) {
        prepare(remote, "GET", resource);
        status = perform(remote, &a);
        i8x_digest got = i8x_digest_stream_end(a.stream);
        if (status == I8X_OK && !i8x_digest_equal(&got, digest))
            status = i8x_fail(I8X_ECORRUPT, __FILE__, __LINE__,
                              "%s: the bytes do not match their digest", resource);
    }
    free_answer(&a);
    bool flushed = fflush(a.file) == 0 && fsync(fileno(a.file)) == 0;
    if (fclose(a.file) != 0 || !flushed)
        status = status != I8X_OK
                     ? status
                     : i8x_fail(I8X_EIO, __FILE__, __LINE__, "'%s': %s", path, strerror(errno));
    return status;
}

i8x_status i8x_remote_download(i8x_remote *remote, const char *resource, const i8x_digest *digest,
                               const char *path)
{
    char temporary[PATH_SIZE];
    int used = snprintf(temporary, sizeof temporary, "%s.part", path);
    I8X_ENSURE(used > 0 && (size_t)used < sizeof temporary, I8X_EARG,
               "the path '%.60s...' is too long", path);
    i8x_status status = receive_file(remote, resource, digest, temporary);
    if (status == I8X_OK && rename(temporary, path) != 0)
        status = i8x_fail(I8X_EIO, __FILE__, __LINE__, "'%s' cannot be written: %s", path,
                          strerror(errno));
    if (status != I8X_OK)
        unlink(temporary);
    return status;
}
