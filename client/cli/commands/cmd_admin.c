/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x admin: sets trust up (init, without a running service), and then over HTTPS invites
 * workers, makes and revokes tokens. What is secret goes to a file of mode 0600 with --out, else to
 * standard output, and nowhere else.
 */
#define _DEFAULT_SOURCE /* gethostname */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/commands/commands.h"
#include "client/cli/output.h"
#include "client/cli/service.h"
#include "client/cli/view/columns.h"
#include "client/cli/view/resource.h"
#include "int8x/alloc.h"
#include "int8x/file.h"
#include "proto/trust_folder.h"

#define CA_LIFE "3650d"
#define CERTIFICATE_LIFE "365d"
#define LINE_MAX_BYTES 512

static const i8x_option admin_options[] = {
    {"data", 0, "DIR",
     "the coordinator's --data folder on this machine: init makes DIR/trust; the others find "
     "address, token and CA there",
     0},
    {"advertise", 0, "HOST",
     "init: a name or address by which others reach this machine (its host name)",
     I8X_OPTION_REPEAT},
    {"ca-life", 0, "SPAN", "init: how long the fleet's CA is good (" CA_LIFE ")", 0},
    {"certificate-life", 0, "SPAN",
     "init: of the coordinator's certificate, which it renews at a start (" CERTIFICATE_LIFE ")",
     0},
    {"role", 0, "read|submit|worker|admin", "token create: what its holder may do", 0},
    {"name", 0, "NAME", "token create, invite: whose it is, for humans", 0},
    {"ttl", 0, "SPAN", "token create, invite: 90s, 15m, 12h, 30d (a token 365d, an invitation 1h)",
     0},
    {"worker", 0, "ID", "token create --role worker: the worker that it is bound to", 0},
    {"out", 0, "FILE", "token create, invite: the secret goes into this file, mode 0600", 0},
    I8X_OPTION_FORM,
};

/* ---- init ---- */

static i8x_status life_of(const i8x_options *options, const char *name, const char *usual,
                          int64_t *seconds)
{
    const char *text = i8x_options_get(options, name);
    return i8x_life_parse(text != NULL ? text : usual, seconds);
}

static i8x_status init(const i8x_options *options, const char *name)
{
    (void)name;
    const char *names[I8X_PKI_NAMES_MAX];
    char host[I8X_PKI_HOST_MAX + 1] = "localhost";
    i8x_trust_init_opts opts = {.data = i8x_options_get(options, "data"), .names = names};
    I8X_ENSURE(opts.data != NULL, I8X_EARG, "--data DIR is missing: the coordinator's folder");
    const char *given;
    while ((given = i8x_options_nth(options, "advertise", opts.name_count)) != NULL) {
        I8X_ENSURE(opts.name_count < I8X_PKI_NAMES_MAX - 8, I8X_ELIMIT, "that many names");
        names[opts.name_count++] = given;
    }
    gethostname(host, sizeof host - 1);
    names[opts.name_count++] = host;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    opts.now_s = now.tv_sec;
    I8X_TRY(life_of(options, "ca-life", CA_LIFE, &opts.ca_life_s));
    I8X_TRY(life_of(options, "certificate-life", CERTIFICATE_LIFE, &opts.server_life_s));
    I8X_TRY(i8x_trust_folder_init(&opts));
    printf("start:  int8xd --data %s --http 0.0.0.0:8480 --link tcp://0.0.0.0:8481\n"
           "invite: int8x admin invite --data %s   (workers reach this machine as %s)\n",
           opts.data, opts.data, names[0]);
    return I8X_OK;
}

/* ---- the service ---- */

/* First line of DIR/trust/server. */
static i8x_status read_address(const char *data, char line[LINE_MAX_BYTES])
{
    char path[PATH_MAX];
    uint8_t *text = NULL;
    size_t size = 0;
    i8x_trust_folder_path(data, "server", path, sizeof path);
    i8x_status status = i8x_file_read_all(NULL, path, LINE_MAX_BYTES - 1, &text, &size);
    I8X_ENSURE(status != I8X_ENOENT, I8X_ENOENT, "'%.160s' is not there: has int8xd been started?",
               path);
    I8X_TRY(status);
    snprintf(line, LINE_MAX_BYTES, "%.*s", (int)strcspn((char *)text, "\n"), (char *)text);
    i8x_alloc_free(i8x_alloc_heap(), text, size + 1);
    return I8X_OK;
}

/* --data DIR stands for the address, token and CA that lie there. */
static i8x_status open_service(const i8x_options *options, i8x_remote **remote)
{
    const char *data = i8x_options_get(options, "data");
    if (data == NULL)
        return i8x_service_open(options, remote);
    char url[LINE_MAX_BYTES], token[PATH_MAX], ca[PATH_MAX];
    I8X_TRY(read_address(data, url));
    i8x_remote_opts opts = {.url = url,
                            .token_path =
                                i8x_trust_folder_path(data, "admin.token", token, sizeof token),
                            .ca_path = i8x_trust_folder_path(data, "ca.crt", ca, sizeof ca)};
    return i8x_remote_new(&opts, remote);
}

static i8x_status ask(const i8x_options *options, const char *method, const char *path,
                      const char *body, i8x_json **answer)
{
    i8x_remote *remote = NULL;
    I8X_TRY(open_service(options, &remote));
    i8x_status status = i8x_remote_call(remote, method, path, body, answer);
    i8x_remote_free(remote);
    return status;
}

/* The options that the request knows, under their names there, as an object. */
static i8x_status make_body(const i8x_options *options, char **text, size_t *size)
{
    static const struct {
        const char *option, *member;
    } members[] = {{"role", "role"}, {"name", "name"}, {"ttl", "life"}, {"worker", "worker"}};
    i8x_json *json = NULL;
    I8X_TRY(i8x_json_object(&json));
    for (int i = 0; i < I8X_COUNT(members); i++) {
        const char *value = i8x_options_get(options, members[i].option);
        if (value != NULL)
            i8x_json_put_text(json, members[i].member, value);
    }
    i8x_status status = i8x_json_print(json, false, text, size);
    i8x_json_free(json);
    return status;
}

/* The secret alone, so that it can be used as it is; with --json the whole answer. */
static i8x_status give(const i8x_options *options, const i8x_json *answer, const char *member)
{
    const char *secret = i8x_json_member_text(answer, member, "");
    const char *out = i8x_options_get(options, "out");
    if (out == NULL && i8x_options_has(options, "json"))
        return i8x_output_json(answer);
    if (out == NULL) {
        printf("%s\n", secret);
        return I8X_OK;
    }
    char line[LINE_MAX_BYTES];
    int size = snprintf(line, sizeof line, "%s\n", secret);
    I8X_ENSURE(size > 1 && size < LINE_MAX_BYTES, I8X_EFORMAT, "the answer has no %s", member);
    i8x_status status = i8x_file_write_private(out, line, (size_t)size);
    i8x_wipe(line, sizeof line);
    I8X_TRY(status);
    printf("%s\n", i8x_json_member_text(answer, "id", ""));
    return I8X_OK;
}

static i8x_status make(const i8x_options *options, const char *path, const char *member)
{
    char *body = NULL;
    size_t size = 0;
    i8x_json *answer = NULL;
    I8X_TRY(make_body(options, &body, &size));
    i8x_status status = ask(options, "POST", path, body, &answer);
    i8x_alloc_free(i8x_alloc_heap(), body, size + 1);
    if (status == I8X_OK)
        status = give(options, answer, member);
    i8x_json_free(answer);
    return status;
}

static i8x_status invite(const i8x_options *options, const char *name)
{
    (void)name;
    return make(options, "/v1/joins", "invitation");
}

static i8x_status token_create(const i8x_options *options, const char *name)
{
    (void)name;
    return make(options, "/v1/tokens", "token");
}

static i8x_status token_list(const i8x_options *options, const char *name)
{
    static const i8x_column columns[] = {
        {"token", "id", I8X_CELL_PLAIN, 0},
        {"role", "role", I8X_CELL_PLAIN, 0},
        {"state", "state", I8X_CELL_PLAIN, 0},
        {"name", "name", I8X_CELL_PLAIN, 0},
        {"worker", "worker", I8X_CELL_PLAIN, 0},
        {"expires", "expires", I8X_CELL_PLAIN, 0},
        {"created", "created", I8X_CELL_PLAIN, I8X_COLUMN_WIDE},
        {"revoked", "revoked", I8X_CELL_PLAIN, I8X_COLUMN_WIDE},
    };
    (void)name;
    i8x_form form;
    i8x_json *answer = NULL;
    I8X_TRY(i8x_form_of(options, &form));
    i8x_status status = ask(options, "GET", "/v1/tokens", NULL, &answer);
    if (status == I8X_OK)
        status = form == I8X_FORM_JSON ? i8x_output_json(answer)
                                       : i8x_columns_list(columns, I8X_COUNT(columns),
                                                          i8x_json_member(answer, "tokens"), form);
    i8x_json_free(answer);
    return status;
}

/* An id becomes part of a path. */
static i8x_status id_path(const char *before, const char *id, const char *behind, char *path,
                          size_t size)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
    I8X_ENSURE(*id != 0 && strspn(id, allowed) == strlen(id), I8X_EARG, "'%.60s' is no id", id);
    int used = snprintf(path, size, "%s%s%s", before, id, behind);
    I8X_ENSURE(used > 0 && (size_t)used < size, I8X_EARG, "'%.60s...' is no id", id);
    return I8X_OK;
}

static i8x_status end_right(const i8x_options *options, const char *method, const char *path,
                            const char *id)
{
    i8x_json *answer = NULL;
    i8x_status status = ask(options, method, path, NULL, &answer);
    if (status == I8X_OK && i8x_options_has(options, "json"))
        status = i8x_output_json(answer);
    else if (status == I8X_OK)
        printf("%s is revoked\n", id);
    i8x_json_free(answer);
    return status;
}

static i8x_status token_revoke(const i8x_options *options, const char *id)
{
    char path[256];
    I8X_TRY(id_path("/v1/tokens/", id, "", path, sizeof path));
    return end_right(options, "DELETE", path, id);
}

/* A connected worker may be given by its name; of one that is away the service knows the id. */
static i8x_status find_worker(const i8x_options *options, const char *word, char *id, size_t size)
{
    i8x_remote *remote = NULL;
    i8x_json *answer = NULL;
    const i8x_json *worker = NULL;
    const i8x_resource *workers;
    snprintf(id, size, "%s", word);
    I8X_TRY(i8x_resource_find("workers", &workers));
    I8X_TRY(open_service(options, &remote));
    i8x_status status = i8x_resource_get(workers, remote, word, &answer, &worker);
    if (status == I8X_OK)
        snprintf(id, size, "%s", i8x_json_member_text(worker, "id", word));
    i8x_json_free(answer);
    i8x_remote_free(remote);
    return status == I8X_ENOENT ? I8X_OK : status; /* it may have a token all the same */
}

static i8x_status worker_revoke(const i8x_options *options, const char *word)
{
    char path[256], id[I8X_RESOURCE_ID_SIZE];
    I8X_TRY(find_worker(options, word, id, sizeof id));
    I8X_TRY(id_path("/v1/workers/", id, "/revoke", path, sizeof path));
    return end_right(options, "POST", path, id);
}

/* ---- verbs ---- */

static const struct {
    const char *noun, *verb; /* verb NULL: the noun alone */
    bool wants_id;
    i8x_status (*run)(const i8x_options *options, const char *id);
} verbs[] = {
    {"init", NULL, false, init},
    {"invite", NULL, false, invite},
    {"token", "create", false, token_create},
    {"token", "list", false, token_list},
    {"token", "revoke", true, token_revoke},
    {"worker", "revoke", true, worker_revoke},
};

static i8x_status admin(const i8x_options *options)
{
    const char *const *words = options->positional;
    for (int i = 0; i < I8X_COUNT(verbs); i++) {
        int count = 1 + (verbs[i].verb != NULL);
        if (strcmp(words[0], verbs[i].noun) != 0 || options->positional_count < count ||
            (verbs[i].verb != NULL && strcmp(words[1], verbs[i].verb) != 0))
            continue;
        count += verbs[i].wants_id;
        I8X_ENSURE(options->positional_count == count, I8X_EARG, "int8x admin %s%s%s wants %s",
                   verbs[i].noun, verbs[i].verb != NULL ? " " : "",
                   verbs[i].verb != NULL ? verbs[i].verb : "",
                   verbs[i].wants_id ? "one id" : "no more words");
        return verbs[i].run(options, verbs[i].wants_id ? words[count - 1] : NULL);
    }
    I8X_FAIL(I8X_EARG,
             "'%.40s' is none of: init; invite; token create, list or revoke; worker "
             "revoke",
             words[0]);
}

const i8x_command i8x_cmd_admin = {
    "admin",
    "init|invite|token|worker [create|list|revoke] [ID] [--data DIR]",
    "trust: init, invitations of workers, tokens",
    admin_options,
    I8X_COUNT(admin_options),
    1,
    3,
    false,
    admin};
