/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens, invitations, joining. A token's text leaves the daemon once, in the answer that makes it;
 * from then on only its hash is here. Changes go to disk on the loop's thread: they are rare and a
 * few kilobytes.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/auth.h"
#include "daemon/events.h"
#include "daemon/http/api.h"
#include "daemon/hub.h"
#include "proto/json.h"

/* Answers and returns NULL while there is no trust folder. */
static i8x_auth *auth_of(i8x_http_request *request)
{
    i8x_auth *auth = i8x_api_daemon(request)->auth;
    if (i8x_auth_is_on(auth))
        return auth;
    i8x_http_reply_problem(request, I8X_EUNSUPPORTED, 409,
                           "trust is not set up: int8x admin init --data DIR, then start int8xd "
                           "again");
    return NULL;
}

/* The body as an object that has members of the list only. */
static i8x_status read_body(const i8x_http_request *request, const char *const *names, int count,
                            i8x_json **json)
{
    I8X_TRY(i8x_json_parse((const char *)request->body, request->body_size, json));
    i8x_status status = I8X_OK;
    if (!i8x_json_is_object(*json))
        status = i8x_fail(I8X_EARG, __FILE__, __LINE__, "the body is no JSON object");
    if (status == I8X_OK)
        status = i8x_json_check(*json, "the body", names, count);
    if (status == I8X_OK)
        return I8X_OK;
    i8x_json_free(*json);
    *json = NULL;
    return status;
}

static void reply_failure(i8x_http_request *request, i8x_status status)
{
    if (status == I8X_EFORMAT) /* a body that is no JSON, or no request for a certificate */
        i8x_http_reply_problem(request, status, 400, i8x_last_error()->detail);
    else
        i8x_http_reply_error(request);
}

/* Secrets are not to be kept by whoever stands between. */
static void reply_secret(i8x_http_request *request, i8x_json *json)
{
    i8x_http_add_header(request, "Cache-Control", "no-store");
    i8x_api_reply_json(request, 201, json);
}

static void put_time(i8x_json *json, const char *name, int64_t seconds)
{
    char text[I8X_TIME_TEXT_SIZE];
    if (seconds == 0)
        i8x_json_put_null(json, name);
    else
        i8x_json_put_text(json, name, i8x_time_text(seconds * 1000, text));
}

static void put_row(i8x_json *json, const i8x_token_row *row)
{
    i8x_json_put_text(json, "id", row->id);
    i8x_json_put_text(json, "role", i8x_token_role_name(row->role));
    i8x_json_put_text(json, "name", row->name);
    if (row->worker[0] != 0)
        i8x_json_put_text(json, "worker", row->worker);
    i8x_json_put_text(json, "state",
                      i8x_token_state_name(i8x_token_row_state(row, i8x_auth_now_s())));
    put_time(json, "created", row->created_s);
    put_time(json, "expires", row->expires_s);
    put_time(json, "revoked", row->revoked_s);
}

/* Text of a member, or what is usual; NULL there: it must be given. */
static i8x_status read_text(const i8x_json *json, const char *name, const char *usual,
                            const char **text)
{
    const i8x_json *member = i8x_json_member(json, name);
    *text = member != NULL ? i8x_json_text(member) : usual;
    I8X_ENSURE(*text != NULL, I8X_EARG, "member '%s' %s", name,
               member != NULL ? "is no text" : "is missing");
    return I8X_OK;
}

/* ---- tokens ---- */

static i8x_status read_life(const i8x_json *json, int64_t usual_s, int64_t *expires_s)
{
    const char *text;
    int64_t life_s = usual_s;
    I8X_TRY(read_text(json, "life", "", &text));
    if (i8x_json_member(json, "life") != NULL)
        I8X_TRY(i8x_life_parse(text, &life_s));
    *expires_s = i8x_auth_now_s() + life_s;
    return I8X_OK;
}

static i8x_status read_name(const i8x_json *json, const char *usual, i8x_token_row *row)
{
    const char *name;
    I8X_TRY(read_text(json, "name", usual, &name));
    I8X_ENSURE(i8x_token_name_is_good(name), I8X_EARG, "name has 1 to %d letters, digits and ._@:-",
               I8X_TOKEN_NAME_MAX);
    snprintf(row->name, sizeof row->name, "%s", name);
    return I8X_OK;
}

static i8x_status read_token(const i8x_json *json, i8x_token_row *row)
{
    *row = (i8x_token_row){.role = I8X_TOKEN_ROLE_COUNT};
    const char *role, *worker;
    I8X_TRY(read_text(json, "role", NULL, &role));
    I8X_TRY(read_text(json, "worker", "", &worker));
    row->role = i8x_token_role_from_name(role);
    I8X_ENSURE(row->role < I8X_TOKEN_JOIN, I8X_EARG, "role is read, submit, worker or admin");
    I8X_ENSURE((row->role == I8X_TOKEN_WORKER) == (worker[0] != 0), I8X_EARG,
               "a token of the role worker, and no other, is bound to a worker's id: member "
               "'worker'");
    I8X_ENSURE(i8x_token_worker_is_good(worker), I8X_EARG, "'%.60s' is no worker id", worker);
    snprintf(row->worker, sizeof row->worker, "%s", worker);
    I8X_TRY(read_life(json, I8X_TOKEN_LIFE_S, &row->expires_s));
    return read_name(json, NULL, row);
}

static i8x_status make_token(i8x_auth *auth, i8x_http_request *request, i8x_json *answer)
{
    static const char *const members[] = {"role", "name", "life", "worker"};
    i8x_json *json = NULL;
    i8x_token_row row;
    char text[I8X_TOKEN_SIZE];
    I8X_TRY(read_body(request, members, 4, &json));
    i8x_status status = read_token(json, &row);
    i8x_json_free(json);
    I8X_TRY(status);
    I8X_TRY(i8x_trust_store_add(i8x_auth_store(auth), &row, i8x_auth_now_s(), text));
    i8x_log(I8X_LOG_INFO, "token_made", "token=%s role=%s name=%s by=%.13s", row.id,
            i8x_token_role_name(row.role), row.name, request->principal);
    put_row(answer, &row);
    i8x_json_put_text(answer, "token", text);
    i8x_wipe(text, sizeof text);
    return I8X_OK;
}

/* Makes the answer's object, fills it by make, and answers with it or with what went wrong. */
static void answer_made(i8x_http_request *request,
                        i8x_status (*make)(i8x_auth *, i8x_http_request *, i8x_json *))
{
    i8x_auth *auth = auth_of(request);
    i8x_json *answer = NULL;
    if (auth == NULL)
        return;
    i8x_status status = i8x_json_object(&answer);
    if (status == I8X_OK)
        status = make(auth, request, answer);
    if (status == I8X_OK) {
        reply_secret(request, answer);
        return;
    }
    i8x_json_free(answer);
    reply_failure(request, status);
}

void i8x_api_tokens_post(i8x_http_request *request)
{
    answer_made(request, make_token);
}

void i8x_api_tokens_list(i8x_http_request *request)
{
    i8x_auth *auth = auth_of(request);
    i8x_json *json = NULL;
    if (auth == NULL)
        return;
    if (i8x_json_object(&json) != I8X_OK) {
        i8x_http_reply_error(request);
        return;
    }
    i8x_json *list = i8x_json_put_list(json, "tokens");
    const i8x_trust_store *store = i8x_auth_store(auth);
    for (int i = 0; i < i8x_trust_store_count(store); i++)
        put_row(i8x_json_put_object(list, NULL), i8x_trust_store_at(store, i));
    i8x_api_reply_json(request, 200, json);
}

void i8x_api_tokens_delete(i8x_http_request *request)
{
    i8x_auth *auth = auth_of(request);
    i8x_json *json = NULL;
    if (auth == NULL)
        return;
    i8x_trust_store *store = i8x_auth_store(auth);
    i8x_status status = i8x_trust_store_revoke(store, request->params[0], i8x_auth_now_s());
    if (status == I8X_OK)
        status = i8x_json_object(&json);
    if (status != I8X_OK) {
        reply_failure(request, status);
        return;
    }
    i8x_log(I8X_LOG_INFO, "token_revoked", "token=%s by=%.13s", request->params[0],
            request->principal);
    const i8x_token_row *row = i8x_trust_store_by_id(store, request->params[0]);
    if (row->worker[0] != 0)
        i8x_hub_check_rights(i8x_api_daemon(request)->hub);
    put_row(json, row);
    i8x_api_reply_json(request, 200, json);
}

/* ---- joining ---- */

static i8x_status make_invite(i8x_auth *auth, i8x_http_request *request, i8x_json *answer)
{
    static const char *const members[] = {"name", "life"};
    i8x_json *json = NULL;
    i8x_invite invite = {.ca = *i8x_auth_fingerprint(auth)};
    i8x_token_row row = {.role = I8X_TOKEN_JOIN};
    char text[I8X_INVITE_SIZE];
    snprintf(invite.address, sizeof invite.address, "%s",
             i8x_api_daemon(request)->addresses.address);
    I8X_TRY(read_body(request, members, 2, &json));
    i8x_status status = read_life(json, I8X_INVITE_LIFE_S, &row.expires_s);
    if (status == I8X_OK)
        status = read_name(json, "worker", &row);
    i8x_json_free(json);
    I8X_TRY(status);
    I8X_TRY(i8x_trust_store_add(i8x_auth_store(auth), &row, i8x_auth_now_s(), invite.secret));
    i8x_log(I8X_LOG_INFO, "worker_invited", "token=%s name=%s by=%.13s", row.id, row.name,
            request->principal);
    i8x_json_put_text(answer, "id", row.id);
    i8x_json_put_text(answer, "name", row.name);
    put_time(answer, "expires", row.expires_s);
    i8x_json_put_text(answer, "invitation", i8x_invite_print(&invite, text));
    i8x_wipe(&invite, sizeof invite);
    i8x_wipe(text, sizeof text);
    return I8X_OK;
}

void i8x_api_joins_post(i8x_http_request *request)
{
    answer_made(request, make_invite);
}

static void put_grant(i8x_json *json, i8x_daemon *daemon, i8x_auth_grant *grant)
{
    i8x_json_put_text(json, "certificate", grant->certificate.text);
    i8x_json_put_text(json, "link", daemon->addresses.link);
    put_time(json, "expires", grant->expires_s);
    if (grant->token[0] != 0)
        i8x_json_put_text(json, "token", grant->token);
    i8x_wipe(grant, sizeof *grant);
}

static i8x_status join(i8x_auth *auth, i8x_http_request *request, i8x_json *answer)
{
    static const char *const members[] = {"secret", "worker", "request"};
    i8x_json *json = NULL;
    i8x_auth_grant grant;
    char peer[I8X_HTTP_PEER_SIZE];
    I8X_TRY(read_body(request, members, 3, &json));
    const char *secret, *worker, *csr;
    i8x_status status = read_text(json, "secret", NULL, &secret);
    if (status == I8X_OK)
        status = read_text(json, "worker", NULL, &worker);
    if (status == I8X_OK)
        status = read_text(json, "request", NULL, &csr);
    if (status == I8X_OK)
        status = i8x_auth_join(auth, secret, worker, csr, i8x_http_peer(request, peer), &grant);
    i8x_json_free(json);
    if (status == I8X_OK)
        put_grant(answer, i8x_api_daemon(request), &grant);
    return status;
}

void i8x_api_join(i8x_http_request *request)
{
    answer_made(request, join);
}

static i8x_status renew(i8x_auth *auth, i8x_http_request *request, i8x_json *answer)
{
    static const char *const members[] = {"request"};
    i8x_json *json = NULL;
    i8x_auth_grant grant;
    char id[I8X_TOKEN_ID_SIZE];
    snprintf(id, sizeof id, "%.13s", request->principal);
    I8X_TRY(read_body(request, members, 1, &json));
    const char *csr;
    i8x_status status = read_text(json, "request", NULL, &csr);
    if (status == I8X_OK)
        status = i8x_auth_renew(auth, id, csr, &grant);
    i8x_json_free(json);
    if (status == I8X_OK)
        put_grant(answer, i8x_api_daemon(request), &grant);
    return status;
}

void i8x_api_join_renew(i8x_http_request *request)
{
    answer_made(request, renew);
}

void i8x_api_ca(i8x_http_request *request)
{
    i8x_auth *auth = auth_of(request);
    if (auth == NULL)
        return;
    const char *text = i8x_auth_keys(auth)->ca_cert.text;
    i8x_http_reply(request, 200, "text/plain; charset=utf-8", text, strlen(text));
}

/* ---- workers ---- */

void i8x_api_workers_revoke(i8x_http_request *request)
{
    i8x_auth *auth = auth_of(request);
    i8x_json *json = NULL;
    int count = 0;
    if (auth == NULL)
        return;
    i8x_status status = i8x_trust_store_revoke_worker(i8x_auth_store(auth), request->params[0],
                                                      i8x_auth_now_s(), &count);
    if (status == I8X_OK && count == 0)
        status = i8x_fail(I8X_ENOENT, __FILE__, __LINE__, "worker '%.60s' has no good token",
                          request->params[0]);
    if (status == I8X_OK)
        status = i8x_json_object(&json);
    if (status != I8X_OK) {
        reply_failure(request, status);
        return;
    }
    i8x_log(I8X_LOG_INFO, "worker_revoked", "worker=%s tokens=%d by=%.13s", request->params[0],
            count, request->principal);
    i8x_hub_check_rights(i8x_api_daemon(request)->hub);
    i8x_json_put_text(json, "worker", request->params[0]);
    i8x_json_put_u64(json, "tokens", (uint64_t)count);
    i8x_api_reply_json(request, 200, json);
}
