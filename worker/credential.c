/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of a credential. The certificate's own words say how long it lives.
 */
#include "worker/credential.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "int8x/alloc.h"
#include "int8x/file.h"
#include "proto/trust_file.h"
#include "proto/trust_folder.h"

#define PATH_SIZE (PATH_MAX + 32)
#define CERT_BEGIN "-----BEGIN CERTIFICATE-----"
#define PLACE_MAX 1024

char *i8x_credential_path(const char *cache, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/trust/%s", cache, name);
    return path;
}

/* ---- reading ---- */

/* "KEY then CERTIFICATE" into its two parts. */
static i8x_status split_pair(const char *text, i8x_credential *credential)
{
    const char *cert = strstr(text, CERT_BEGIN);
    size_t key_size = cert != NULL ? (size_t)(cert - text) : 0;
    I8X_ENSURE(key_size > 0 && key_size < I8X_PEM_SIZE && strlen(cert) < I8X_PEM_SIZE, I8X_EFORMAT,
               "worker.pem is not a key followed by a certificate");
    memcpy(credential->key.text, text, key_size);
    credential->key.text[key_size] = 0;
    memcpy(credential->cert.text, cert, strlen(cert) + 1);
    return I8X_OK;
}

static i8x_status read_pair(const char *cache, i8x_credential *credential)
{
    char path[PATH_SIZE], *text = NULL;
    size_t size = 0;
    i8x_credential_path(cache, "worker.pem", path, sizeof path);
    I8X_TRY(i8x_trust_file_read(path, 2 * I8X_PEM_SIZE, &text, &size));
    i8x_status status = split_pair(text, credential);
    i8x_trust_file_free(text, size);
    return status;
}

static i8x_status read_place(const char *cache, i8x_credential *credential)
{
    char path[PATH_SIZE], hex[I8X_DIGEST_HEX_SIZE];
    uint8_t *text = NULL;
    size_t size = 0;
    i8x_credential_path(cache, "place", path, sizeof path);
    I8X_TRY(i8x_file_read_all(NULL, path, PLACE_MAX, &text, &size));
    _Static_assert(I8X_WIRE_URL_MAX == 256, "the widths below");
    int found = sscanf((const char *)text, "link %256s http %256s invitation %64s",
                       credential->link, credential->http, hex);
    i8x_alloc_free(i8x_alloc_heap(), text, size + 1);
    I8X_ENSURE(found == 3, I8X_EFORMAT, "%.160s: three lines are wanted", path);
    return i8x_digest_from_hex(hex, &credential->invitation);
}

static i8x_status read_all(const char *cache, i8x_credential *credential)
{
    char path[PATH_SIZE];
    uint8_t *ca = NULL;
    size_t size = 0;
    I8X_TRY(read_pair(cache, credential));
    i8x_credential_path(cache, "token", path, sizeof path);
    I8X_TRY(i8x_token_read(path, credential->token));
    int used = snprintf(credential->ca_path, sizeof credential->ca_path, "%s/trust/ca.crt", cache);
    I8X_ENSURE(used > 0 && (size_t)used < sizeof credential->ca_path, I8X_EARG,
               "the cache's path is too long");
    I8X_TRY(i8x_file_read_all(NULL, credential->ca_path, I8X_PEM_SIZE - 1, &ca, &size));
    memcpy(credential->ca.text, ca, size + 1);
    i8x_alloc_free(i8x_alloc_heap(), ca, size + 1);
    I8X_TRY(read_place(cache, credential));
    I8X_TRY(i8x_pki_check(&credential->cert, &credential->ca, &credential->key));
    i8x_pki_facts facts;
    I8X_TRY(i8x_pki_look(&credential->cert, &facts));
    credential->life = facts.life;
    credential->tls = true;
    return I8X_OK;
}

i8x_status i8x_credential_load(const char *cache, i8x_credential *credential)
{
    *credential = (i8x_credential){.tls = false};
    i8x_status status = read_all(cache, credential);
    if (status != I8X_OK)
        i8x_wipe(credential, sizeof *credential);
    return status;
}

/* ---- writing ---- */

static i8x_status make_folder(const char *cache)
{
    char path[PATH_SIZE];
    i8x_credential_path(cache, "", path, sizeof path);
    I8X_ENSURE(mkdir(path, 0700) == 0 || errno == EEXIST, I8X_EIO, "%.160s: %s", path,
               strerror(errno));
    I8X_ENSURE(chmod(path, 0700) == 0, I8X_EIO, "%.160s: %s", path, strerror(errno));
    return I8X_OK;
}

static i8x_status write_secret(const char *cache, const char *name, const char *text)
{
    char path[PATH_SIZE];
    return i8x_file_write_private(i8x_credential_path(cache, name, path, sizeof path), text,
                                  strlen(text));
}

i8x_status i8x_credential_store_pair(const char *cache, const i8x_credential *credential)
{
    char pair[2 * I8X_PEM_SIZE];
    snprintf(pair, sizeof pair, "%s%s", credential->key.text, credential->cert.text);
    i8x_status status = write_secret(cache, "worker.pem", pair);
    i8x_wipe(pair, sizeof pair);
    return status;
}

/* The pair comes last: while it is missing, there is no credential. */
i8x_status i8x_credential_store(const char *cache, const i8x_credential *credential)
{
    char place[PLACE_MAX], hex[I8X_DIGEST_HEX_SIZE];
    I8X_TRY(make_folder(cache));
    snprintf(place, sizeof place, "link %s\nhttp %s\ninvitation %s\n", credential->link,
             credential->http, i8x_digest_to_hex(&credential->invitation, hex));
    I8X_TRY(write_secret(cache, "place", place));
    I8X_TRY(write_secret(cache, "token", credential->token));
    I8X_TRY(write_secret(cache, "ca.crt", credential->ca.text));
    return i8x_credential_store_pair(cache, credential);
}

/* ---- use ---- */

i8x_bulk_trust i8x_credential_bulk(const i8x_credential *credential)
{
    return (i8x_bulk_trust){.ca_path = credential->ca_path[0] != 0 ? credential->ca_path : NULL,
                            .token = credential->token};
}

i8x_tls_opts i8x_credential_tls(const i8x_credential *credential)
{
    return (i8x_tls_opts){.ca = credential->ca.text,
                          .cert = credential->cert.text,
                          .key = credential->key.text,
                          .server_name = I8X_TRUST_LINK_NAME};
}
