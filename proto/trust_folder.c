/* SPDX-License-Identifier: Apache-2.0
 *
 * The trust folder is made under another name and renamed, so that a coordinator never sees half of
 * it. A server certificate keeps the names it had when it is issued again: who reached the
 * coordinator by one of them still does.
 */
#include "proto/trust_folder.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "int8x/alloc.h"
#include "int8x/file.h"
#include "proto/trust_file.h"
#include "proto/trust_store.h"

#define FOLDER "trust"
#define DRAFT "trust.part"
#define CLOCK_SKEW_S 300
#define FOLDER_SIZE (PATH_MAX + 16)
#define PATH_SIZE (PATH_MAX + 64) /* a folder and a file's name */

/* Names that every server certificate has. */
static const char *const always[] = {I8X_TRUST_LINK_NAME, "localhost", "127.0.0.1", "::1"};
static const char *const files[] = {"ca.crt",     "ca.key", "server.crt",
                                    "server.key", "tokens", "admin.token"};

char *i8x_trust_folder_path(const char *data, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/" FOLDER "/%s", data, name);
    return path;
}

bool i8x_trust_folder_exists(const char *data)
{
    char path[PATH_SIZE];
    struct stat info;
    return stat(i8x_trust_folder_path(data, "", path, sizeof path), &info) == 0;
}

i8x_status i8x_trust_life(const i8x_pem *ca, int64_t now_s, int64_t life_s, i8x_pki_life *life)
{
    i8x_pki_facts facts;
    I8X_TRY(i8x_pki_look(ca, &facts));
    I8X_ENSURE(facts.life.until_s > now_s, I8X_EDENIED,
               "the CA's certificate has expired: a new trust folder and new invitations are due");
    *life = (i8x_pki_life){now_s - CLOCK_SKEW_S, now_s + life_s};
    if (life->from_s < facts.life.from_s)
        life->from_s = facts.life.from_s;
    if (life->until_s > facts.life.until_s)
        life->until_s = facts.life.until_s;
    return I8X_OK;
}

/* ---- the server's certificate ---- */

static void add_name(i8x_pki_names *names, const char *name)
{
    for (int i = 0; i < names->count; i++)
        if (strcmp(names->list[i], name) == 0)
            return;
    if (names->count < I8X_PKI_NAMES_MAX)
        snprintf(names->list[names->count++], sizeof names->list[0], "%s", name);
}

/* names: wanted ones first, then those of the certificate so far. */
static i8x_status issue_server(i8x_trust_keys *keys, const i8x_pki_names *names, i8x_pki_life life)
{
    const char *list[I8X_PKI_NAMES_MAX];
    i8x_pki_ca ca = {&keys->ca_cert, &keys->ca_key};
    for (int i = 0; i < names->count; i++)
        list[i] = names->list[i];
    I8X_TRY(i8x_pki_key_make(&keys->server_key));
    return i8x_pki_issue_server(&ca, &keys->server_key, list, names->count, life,
                                &keys->server_cert);
}

/* ---- init ---- */

static i8x_status join_path(const char *folder, const char *name, char path[PATH_SIZE])
{
    int size = snprintf(path, PATH_SIZE, "%s/%s", folder, name);
    I8X_ENSURE(size > 0 && size < PATH_SIZE, I8X_EARG, "the path '%.60s...' is too long", folder);
    return I8X_OK;
}

static i8x_status write_text(const char *folder, const char *name, const char *text, bool secret)
{
    char path[PATH_SIZE];
    I8X_TRY(join_path(folder, name, path));
    return secret ? i8x_file_write_private(path, text, strlen(text))
                  : i8x_file_write_atomic(path, text, strlen(text));
}

static i8x_status make_keys(const i8x_trust_init_opts *opts, i8x_trust_keys *keys)
{
    i8x_pki_life life = {opts->now_s - CLOCK_SKEW_S, opts->now_s + opts->ca_life_s};
    i8x_pki_names names = {.count = 0};
    for (int i = 0; i < opts->name_count; i++)
        add_name(&names, opts->names[i]);
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        add_name(&names, always[i]);
    I8X_TRY(i8x_pki_key_make(&keys->ca_key));
    I8X_TRY(i8x_pki_ca_make("int8x CA", life, &keys->ca_key, &keys->ca_cert));
    I8X_TRY(i8x_trust_life(&keys->ca_cert, opts->now_s, opts->server_life_s, &life));
    return issue_server(keys, &names, life);
}

static i8x_status write_keys(const char *folder, const i8x_trust_keys *keys)
{
    I8X_TRY(write_text(folder, "ca.crt", keys->ca_cert.text, false));
    I8X_TRY(write_text(folder, "ca.key", keys->ca_key.text, true));
    I8X_TRY(write_text(folder, "server.crt", keys->server_cert.text, false));
    return write_text(folder, "server.key", keys->server_key.text, true);
}

static i8x_status write_admin(const char *folder, int64_t now_s)
{
    char path[PATH_SIZE], text[I8X_TOKEN_SIZE + 1];
    I8X_TRY(join_path(folder, "tokens", path));
    i8x_trust_store *store = NULL;
    i8x_token_row row = {.role = I8X_TOKEN_ADMIN, .name = "first-admin"};
    I8X_TRY(i8x_trust_store_open(path, now_s, &store));
    i8x_status status = i8x_trust_store_add(store, &row, now_s, text);
    i8x_trust_store_close(store);
    I8X_TRY(status);
    text[I8X_TOKEN_SIZE - 1] = '\n';
    text[I8X_TOKEN_SIZE] = 0;
    status = write_text(folder, "admin.token", text, true);
    i8x_wipe(text, sizeof text);
    return status;
}

static void remove_draft(const char *folder)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[PATH_SIZE];
        if (join_path(folder, files[i], path) == I8X_OK)
            unlink(path);
    }
    rmdir(folder);
}

static i8x_status fill_draft(const i8x_trust_init_opts *opts, const char *folder)
{
    i8x_trust_keys keys;
    i8x_status status = make_keys(opts, &keys);
    if (status == I8X_OK)
        status = write_keys(folder, &keys);
    if (status == I8X_OK)
        status = write_admin(folder, opts->now_s);
    i8x_wipe(&keys, sizeof keys);
    return status;
}

i8x_status i8x_trust_folder_init(const i8x_trust_init_opts *opts)
{
    char draft[FOLDER_SIZE], folder[FOLDER_SIZE];
    snprintf(draft, sizeof draft, "%s/" DRAFT, opts->data);
    snprintf(folder, sizeof folder, "%s/" FOLDER, opts->data);
    I8X_ENSURE(mkdir(opts->data, 0700) == 0 || errno == EEXIST, I8X_EIO, "%s: %s", opts->data,
               strerror(errno));
    I8X_ENSURE(!i8x_trust_folder_exists(opts->data), I8X_EEXIST,
               "%s is there: it is not overwritten; move it away if this fleet is to start anew",
               folder);
    remove_draft(draft); /* of an attempt that was broken off */
    I8X_ENSURE(mkdir(draft, 0700) == 0, I8X_EIO, "%s: %s", draft, strerror(errno));
    i8x_status status = fill_draft(opts, draft);
    if (status == I8X_OK && rename(draft, folder) != 0)
        status = i8x_fail(errno == EEXIST || errno == ENOTEMPTY ? I8X_EEXIST : I8X_EIO, __FILE__,
                          __LINE__, "%s: %s", folder, strerror(errno));
    if (status != I8X_OK)
        remove_draft(draft);
    return status;
}

/* ---- load ---- */

static i8x_status read_pem(const char *data, const char *name, bool secret, i8x_pem *pem)
{
    char path[PATH_SIZE], *text = NULL;
    size_t size = 0;
    i8x_trust_folder_path(data, name, path, sizeof path);
    if (secret) {
        I8X_TRY(i8x_trust_file_read(path, I8X_PEM_SIZE - 1, &text, &size));
    } else {
        uint8_t *bytes = NULL;
        I8X_TRY(i8x_file_read_all(NULL, path, I8X_PEM_SIZE - 1, &bytes, &size));
        text = (char *)bytes;
    }
    memcpy(pem->text, text, size + 1);
    i8x_trust_file_free(text, size);
    return I8X_OK;
}

static i8x_status must_renew(const i8x_trust_keys *keys, const char *const *names, int count,
                             int64_t now_s, bool *renew)
{
    i8x_pki_facts facts;
    I8X_TRY(i8x_pki_look(&keys->server_cert, &facts));
    *renew = now_s - facts.life.from_s > (facts.life.until_s - facts.life.from_s) / 2;
    for (int i = 0; i < count; i++)
        *renew |= !i8x_pki_covers(&keys->server_cert, names[i]);
    return I8X_OK;
}

/* Wanted names come first, the others stay; the life is as long as it was. */
static i8x_status renew_server(const char *data, const char *const *names, int count, int64_t now_s,
                               i8x_trust_keys *keys)
{
    i8x_pki_names old, all = {.count = 0};
    i8x_pki_facts facts;
    i8x_pki_life life;
    I8X_TRY(i8x_pki_names_of(&keys->server_cert, &old));
    I8X_TRY(i8x_pki_look(&keys->server_cert, &facts));
    for (int i = 0; i < count; i++)
        add_name(&all, names[i]);
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        add_name(&all, always[i]);
    for (int i = 0; i < old.count; i++)
        add_name(&all, old.list[i]);
    I8X_TRY(i8x_trust_life(&keys->ca_cert, now_s,
                           facts.life.until_s - facts.life.from_s - CLOCK_SKEW_S, &life));
    I8X_TRY(issue_server(keys, &all, life));
    char folder[FOLDER_SIZE];
    snprintf(folder, sizeof folder, "%s/" FOLDER, data);
    I8X_TRY(write_text(folder, "server.key", keys->server_key.text, true));
    return write_text(folder, "server.crt", keys->server_cert.text, false);
}

i8x_status i8x_trust_folder_load(const char *data, const char *const *names, int count,
                                 int64_t now_s, i8x_trust_keys *keys, bool *renewed)
{
    *renewed = false;
    I8X_TRY(read_pem(data, "ca.crt", false, &keys->ca_cert));
    I8X_TRY(read_pem(data, "ca.key", true, &keys->ca_key));
    I8X_TRY(read_pem(data, "server.crt", false, &keys->server_cert));
    I8X_TRY(read_pem(data, "server.key", true, &keys->server_key));
    I8X_TRY(i8x_pki_check(&keys->ca_cert, &keys->ca_cert, &keys->ca_key));
    bool whole = i8x_pki_check(&keys->server_cert, &keys->ca_cert, &keys->server_key) == I8X_OK;
    *renewed = !whole; /* a crash between the two writes of a renewal: do it again */
    if (whole)
        I8X_TRY(must_renew(keys, names, count, now_s, renewed));
    return *renewed ? renew_server(data, names, count, now_s, keys) : I8X_OK;
}
