/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP by proto/bulk, JSON by proto/json. The connection that fetches the CA's certificate is not
 * checked, because the fingerprint checks what came; nothing of ours goes over it.
 */
#include "worker/enroll.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "int8x/alloc.h"
#include "int8x/file.h"
#include "int8x/log.h"
#include "proto/json.h"
#include "proto/trust_file.h"

#define RETRY_S 3 /* between attempts to reach the coordinator */

static int64_t wall_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

/* ---- talking ---- */

/* The service's own words for a refusal. */
static i8x_status refused(const i8x_buffer *answer, long http)
{
    static const char prefix[] = "urn:int8x:status:";
    i8x_json *json = NULL;
    i8x_status status = I8X_EIO;
    char detail[I8X_ERROR_DETAIL_SIZE];
    snprintf(detail, sizeof detail, "the coordinator answered with HTTP status %ld", http);
    if (i8x_json_parse(i8x_buffer_cstr(answer), answer->size, &json) == I8X_OK) {
        const char *type = i8x_json_member_text(json, "type", "");
        if (strncmp(type, prefix, sizeof prefix - 1) == 0)
            status = i8x_status_from_name(type + sizeof prefix - 1);
        snprintf(detail, sizeof detail, "%s", i8x_json_member_text(json, "detail", "refused"));
    }
    i8x_json_free(json);
    if (status == I8X_OK || status == I8X_STATUS_COUNT)
        status = I8X_EIO;
    I8X_FAIL(status, "%s", detail);
}

/* One request; the answer's bytes are the caller's to wipe. */
static i8x_status call(const char *url, const i8x_bulk_trust *trust, const char *method,
                       const char *path, const char *body, i8x_buffer *answer)
{
    i8x_bulk *bulk = NULL;
    long http = 0;
    I8X_TRY(i8x_bulk_new(url, trust, &bulk));
    i8x_status status = i8x_bulk_call(bulk, method, path, body, answer, &http);
    i8x_bulk_free(bulk);
    I8X_TRY(status);
    return http >= 200 && http < 300 ? I8X_OK : refused(answer, http);
}

static void free_answer(i8x_buffer *answer)
{
    i8x_wipe(answer->bytes, answer->size);
    i8x_buffer_deinit(answer);
}

/* ---- the CA ---- */

static i8x_status fetch_ca(const i8x_invite *invite, i8x_credential *credential)
{
    i8x_bulk_trust unchecked = {.unchecked = true};
    i8x_buffer answer;
    i8x_digest seen;
    i8x_buffer_init(&answer, I8X_JSON_BODY_MAX);
    i8x_status status = call(credential->http, &unchecked, "GET", "/v1/ca", NULL, &answer);
    if (status == I8X_OK && answer.size >= I8X_PEM_SIZE)
        status = i8x_fail(I8X_EFORMAT, __FILE__, __LINE__, "the coordinator's CA is too long");
    if (status == I8X_OK) {
        memcpy(credential->ca.text, i8x_buffer_cstr(&answer), answer.size + 1);
        status = i8x_pki_fingerprint(&credential->ca, &seen);
    }
    i8x_buffer_deinit(&answer);
    I8X_TRY(status);
    I8X_ENSURE(i8x_digest_equal(&seen, &invite->ca), I8X_EDENIED,
               "%s shows another CA than the invitation names: wrong address, or somebody stands "
               "between",
               credential->http);
    return I8X_OK;
}

/* ---- certificate ---- */

static i8x_status text_member(const i8x_json *json, const char *name, char *to, size_t size)
{
    const char *text = i8x_json_member_text(json, name, "");
    I8X_ENSURE(*text != 0 && strlen(text) < size, I8X_EFORMAT, "the answer's %s is missing or long",
               name);
    memcpy(to, text, strlen(text) + 1);
    return I8X_OK;
}

/* key is the one that the request was made with. */
static i8x_status read_grant(const i8x_buffer *answer, bool with_token, i8x_credential *credential)
{
    i8x_json *json = NULL;
    I8X_TRY(i8x_json_parse(i8x_buffer_cstr(answer), answer->size, &json));
    i8x_status status = text_member(json, "certificate", credential->cert.text, I8X_PEM_SIZE);
    if (status == I8X_OK)
        status = text_member(json, "link", credential->link, sizeof credential->link);
    if (status == I8X_OK && with_token)
        status = text_member(json, "token", credential->token, sizeof credential->token);
    i8x_json_free(json);
    I8X_TRY(status);
    I8X_TRY(i8x_pki_check(&credential->cert, &credential->ca, &credential->key));
    i8x_pki_facts facts;
    I8X_TRY(i8x_pki_look(&credential->cert, &facts));
    credential->life = facts.life;
    return I8X_OK;
}

/* {"request": ..., and for a first one "secret" and "worker"} */
static i8x_status make_body(const char *worker, const char *secret, i8x_credential *credential,
                            i8x_buffer *body)
{
    i8x_pem request;
    I8X_TRY(i8x_pki_key_make(&credential->key));
    I8X_TRY(i8x_pki_request_make(worker, &credential->key, &request));
    i8x_buffer_text(body, "{\"request\":");
    i8x_buffer_json(body, request.text);
    if (secret != NULL) {
        i8x_buffer_text(body, ",\"secret\":");
        i8x_buffer_json(body, secret);
        i8x_buffer_text(body, ",\"worker\":");
        i8x_buffer_json(body, worker);
    }
    i8x_buffer_text(body, "}");
    return i8x_buffer_status(body);
}

static i8x_status get_certificate(const i8x_bulk_trust *trust, const char *path, const char *worker,
                                  const char *secret, i8x_credential *credential)
{
    i8x_buffer body, answer;
    i8x_buffer_init(&body, I8X_JSON_BODY_MAX);
    i8x_buffer_init(&answer, I8X_JSON_BODY_MAX);
    i8x_status status = make_body(worker, secret, credential, &body);
    if (status == I8X_OK)
        status = call(credential->http, trust, "POST", path, i8x_buffer_cstr(&body), &answer);
    if (status == I8X_OK)
        status = read_grant(&answer, secret != NULL, credential);
    free_answer(&body);
    free_answer(&answer);
    return status;
}

i8x_status i8x_enroll_next(const char *worker, i8x_credential *credential)
{
    i8x_bulk_trust trust = i8x_credential_bulk(credential);
    return get_certificate(&trust, "/v1/join/renew", worker, NULL, credential);
}

/* ---- joining ---- */

i8x_status i8x_enroll_read(const char *path, char **text, size_t *size)
{
    uint8_t *bytes = NULL;
    I8X_TRY(i8x_file_read_all(NULL, path, I8X_TOKEN_FILE_MAX, &bytes, size));
    *text = (char *)bytes;
    return I8X_OK;
}

static i8x_status join(const i8x_invite *invite, const char *cache, const char *worker,
                       i8x_credential *credential)
{
    char ca_path[PATH_MAX];
    *credential = (i8x_credential){.tls = false, .invitation = i8x_token_hash(invite->secret)};
    snprintf(credential->http, sizeof credential->http, "https://%.240s", invite->address);
    I8X_TRY(fetch_ca(invite, credential));
    /* libcurl wants the CA as a file, and the folder is made with the rest */
    int used = snprintf(ca_path, sizeof ca_path, "%s/ca.invited", cache);
    I8X_ENSURE(used > 0 && (size_t)used < sizeof ca_path, I8X_EARG, "the cache's path is too long");
    I8X_TRY(i8x_file_write_private(ca_path, credential->ca.text, strlen(credential->ca.text)));
    i8x_bulk_trust trust = {.ca_path = ca_path};
    i8x_status status = get_certificate(&trust, "/v1/join", worker, invite->secret, credential);
    remove(ca_path);
    I8X_TRY(status);
    I8X_TRY(i8x_credential_store(cache, credential));
    i8x_log(I8X_LOG_INFO, "enrolled", "worker=%s coordinator=%s link=%s days=%lld", worker,
            credential->http, credential->link,
            (long long)((credential->life.until_s - wall_s()) / 86400));
    return i8x_credential_load(cache, credential);
}

/* False if a signal that asks to end came meanwhile. */
static bool pause_s(int seconds)
{
    sigset_t ending;
    struct timespec wait = {seconds, 0};
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    return sigtimedwait(&ending, NULL, &wait) < 0;
}

static i8x_status join_patiently(const i8x_invite *invite, const char *cache, const char *worker,
                                 i8x_credential *credential)
{
    for (bool told = false;; told = true) {
        i8x_status status = join(invite, cache, worker, credential);
        if (status != I8X_EUNREACHABLE && status != I8X_EBUSY)
            return status;
        char quoted[2 * I8X_ERROR_DETAIL_SIZE];
        if (!told)
            i8x_log(I8X_LOG_WARN, "coordinator_away", "detail=%s",
                    i8x_log_quote(i8x_last_error()->detail, quoted, sizeof quoted));
        I8X_ENSURE(pause_s(RETRY_S), I8X_ECANCELED, "ended before the coordinator was reached");
    }
}

static i8x_status use_token_file(const i8x_enroll_opts *opts, i8x_credential *credential)
{
    *credential = (i8x_credential){.tls = false};
    I8X_TRY(i8x_token_read(opts->token_path, credential->token));
    if (opts->ca_path == NULL)
        return I8X_OK;
    I8X_ENSURE(strlen(opts->ca_path) < sizeof credential->ca_path, I8X_EARG,
               "--ca-file: the path is too long");
    snprintf(credential->ca_path, sizeof credential->ca_path, "%s", opts->ca_path);
    return I8X_OK;
}

static i8x_status use_invitation(const i8x_enroll_opts *opts, const char *worker,
                                 i8x_credential *credential)
{
    i8x_invite invite;
    I8X_TRY(i8x_invite_parse(opts->invitation, &invite));
    i8x_digest hash = i8x_token_hash(invite.secret);
    i8x_status status = i8x_credential_load(opts->cache, credential);
    bool good = status == I8X_OK && i8x_digest_equal(&credential->invitation, &hash) &&
                credential->life.until_s > wall_s();
    if (!good && (status == I8X_OK || status == I8X_ENOENT))
        status = join_patiently(&invite, opts->cache, worker, credential);
    i8x_wipe(&invite, sizeof invite);
    return status;
}

i8x_status i8x_enroll(const i8x_enroll_opts *opts, const char *worker, i8x_credential *credential)
{
    if (opts->token_path != NULL)
        return use_token_file(opts, credential);
    if (opts->invitation != NULL)
        return use_invitation(opts, worker, credential);
    i8x_status status = i8x_credential_load(opts->cache, credential);
    I8X_ENSURE(status != I8X_OK || credential->life.until_s > wall_s(), I8X_EAUTH,
               "this worker's certificate has expired: it needs a new invitation (int8x admin "
               "invite)");
    return status == I8X_ENOENT ? I8X_OK : status; /* none: load has cleared it */
}
