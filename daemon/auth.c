/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens are looked up by the SHA-256 of what was shown, so the time a lookup takes says nothing
 * about a token. Refusals go through one function that counts, and logs within a budget: an
 * attacker can neither fill the disk with lines nor learn from the answer more than its sentence.
 */
#include "daemon/auth.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "daemon/daemon.h"
#include "int8x/alloc.h"
#include "int8x/clock.h"
#include "int8x/file.h"

#define BEARER "Bearer "
#define LOCAL_TOKEN "local.token"

struct i8x_auth {
    bool on;
    char data[PATH_MAX];
    int64_t worker_life_s;
    i8x_trust_keys keys;
    i8x_digest fingerprint;
    char server_name[I8X_PKI_HOST_MAX + 1];
    i8x_trust_store *store;
    char local_id[I8X_TOKEN_ID_SIZE]; /* of the local workers' token */
    uint64_t refused[I8X_REFUSAL_COUNT];
    int64_t log_credit_ns; /* the log's budget: grows with time, a line costs a part of it */
    int64_t log_last_ns;
    uint64_t log_dropped;
};

static const char *const refusal_names[I8X_REFUSAL_COUNT] = {
#define X(name, text) text,
    I8X_REFUSAL_LIST(X)
#undef X
};

int64_t i8x_auth_now_s(void)
{
    return i8x_daemon_wall_ms() / 1000;
}

/* ---- open and close ---- */

/* Workers that the daemon starts find this token in a file; it ends with the daemon. */
static i8x_status make_local_token(i8x_auth *auth)
{
    char path[PATH_MAX + 32], text[I8X_TOKEN_SIZE + 1];
    i8x_token_row row = {.role = I8X_TOKEN_WORKER, .name = "local"};
    I8X_TRY(i8x_trust_store_add_unsaved(auth->store, &row, i8x_auth_now_s(), text));
    snprintf(auth->local_id, sizeof auth->local_id, "%s", row.id);
    text[I8X_TOKEN_SIZE - 1] = '\n';
    i8x_trust_folder_path(auth->data, LOCAL_TOKEN, path, sizeof path);
    i8x_status status = i8x_file_write_private(path, text, I8X_TOKEN_SIZE);
    i8x_wipe(text, sizeof text);
    return status;
}

static i8x_status open_trust(i8x_auth *auth, const i8x_auth_opts *opts)
{
    bool renewed;
    char path[PATH_MAX + 32];
    int64_t now_s = i8x_auth_now_s();
    I8X_TRY(i8x_trust_folder_load(opts->data, opts->names, opts->name_count, now_s, &auth->keys,
                                  &renewed));
    i8x_pki_facts facts;
    i8x_pki_names names;
    I8X_TRY(i8x_pki_look(&auth->keys.server_cert, &facts));
    I8X_TRY(i8x_pki_names_of(&auth->keys.server_cert, &names));
    snprintf(auth->server_name, sizeof auth->server_name, "%s",
             names.count > 0 ? names.list[0] : "localhost");
    I8X_TRY(i8x_pki_fingerprint(&auth->keys.ca_cert, &auth->fingerprint));
    i8x_trust_folder_path(opts->data, "tokens", path, sizeof path);
    I8X_TRY(i8x_trust_store_open(path, now_s, &auth->store));
    I8X_TRY(make_local_token(auth));
    i8x_log(I8X_LOG_INFO, "trust_loaded", "tokens=%d server=%s certificate_days=%lld renewed=%s",
            i8x_trust_store_count(auth->store) - 1, auth->server_name,
            (long long)((facts.life.until_s - now_s) / 86400), renewed ? "yes" : "no");
    auth->on = true;
    return I8X_OK;
}

i8x_status i8x_auth_open(const i8x_auth_opts *opts, i8x_auth **auth)
{
    i8x_auth *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    snprintf(made->data, sizeof made->data, "%s", opts->data);
    made->worker_life_s = opts->worker_life_s;
    made->log_last_ns = i8x_clock_now_ns(NULL);
    made->log_credit_ns = (int64_t)I8X_REFUSED_LOG_BURST * I8X_REFUSED_LOG_EVERY_MS * 1000000;
    i8x_status status = i8x_trust_folder_exists(opts->data) ? open_trust(made, opts) : I8X_OK;
    if (status != I8X_OK) {
        i8x_auth_close(made);
        return status;
    }
    *auth = made;
    return I8X_OK;
}

void i8x_auth_close(i8x_auth *auth)
{
    if (auth == NULL)
        return;
    i8x_trust_store_close(auth->store);
    i8x_wipe(auth, sizeof *auth);
    i8x_alloc_free(i8x_alloc_heap(), auth, sizeof *auth);
}

bool i8x_auth_is_on(const i8x_auth *auth)
{
    return auth->on;
}

const i8x_trust_keys *i8x_auth_keys(const i8x_auth *auth)
{
    return &auth->keys;
}

const char *i8x_auth_server_name(const i8x_auth *auth)
{
    return auth->server_name;
}

i8x_trust_store *i8x_auth_store(const i8x_auth *auth)
{
    return auth->store;
}

const i8x_digest *i8x_auth_fingerprint(const i8x_auth *auth)
{
    return &auth->fingerprint;
}

i8x_status i8x_auth_note_address(const i8x_auth *auth, const char *url)
{
    char path[PATH_MAX + 32], line[I8X_WIRE_URL_MAX + 2];
    i8x_trust_folder_path(auth->data, "server", path, sizeof path);
    int size = snprintf(line, sizeof line, "%s\n", url);
    return i8x_file_write_atomic(path, line, (size_t)size);
}

/* ---- refusals ---- */

/* True if the log's budget allows a line now. */
static bool may_log(i8x_auth *auth)
{
    const int64_t cost = (int64_t)I8X_REFUSED_LOG_EVERY_MS * 1000000;
    int64_t now_ns = i8x_clock_now_ns(NULL);
    auth->log_credit_ns += now_ns - auth->log_last_ns;
    auth->log_last_ns = now_ns;
    if (auth->log_credit_ns > cost * I8X_REFUSED_LOG_BURST)
        auth->log_credit_ns = cost * I8X_REFUSED_LOG_BURST;
    if (auth->log_credit_ns < cost) {
        auth->log_dropped++;
        return false;
    }
    auth->log_credit_ns -= cost;
    return true;
}

void i8x_auth_refused(i8x_auth *auth, i8x_refusal reason, const char *peer, const char *token_id,
                      const char *what)
{
    auth->refused[reason]++;
    if (!may_log(auth))
        return;
    char quoted[256];
    i8x_log(I8X_LOG_WARN, "access_refused", "reason=%s address=%s token=%s what=%s unlogged=%llu",
            refusal_names[reason], peer, token_id[0] != 0 ? token_id : "-",
            i8x_log_quote(what != NULL ? what : "-", quoted, sizeof quoted),
            (unsigned long long)auth->log_dropped);
    auth->log_dropped = 0;
}

void i8x_auth_print(const i8x_auth *auth, i8x_buffer *text)
{
    static const char name[] = "int8x_access_refused_total";
    i8x_buffer_format(text, "# HELP %s Attempts that were refused, by reason.\n# TYPE %s counter\n",
                      name, name);
    for (int i = 0; i < I8X_REFUSAL_COUNT; i++)
        i8x_buffer_format(text, "%s{reason=\"%s\"} %llu\n", name, refusal_names[i],
                          (unsigned long long)auth->refused[i]);
    static const char expiry[] = "int8x_certificate_expiry_time_seconds";
    const i8x_pem *certs[] = {&auth->keys.ca_cert, &auth->keys.server_cert};
    static const char *const whose[] = {"ca", "server"};
    i8x_buffer_format(text, "# HELP %s When a certificate ends, since 1970.\n# TYPE %s gauge\n",
                      expiry, expiry);
    i8x_pki_facts facts;
    for (int i = 0; auth->on && i < 2; i++)
        if (i8x_pki_look(certs[i], &facts) == I8X_OK)
            i8x_buffer_format(text, "%s{certificate=\"%s\"} %lld\n", expiry, whose[i],
                              (long long)facts.life.until_s);
}

static i8x_refusal refusal_of(i8x_token_state state)
{
    static const i8x_refusal refusals[I8X_TOKEN_STATE_COUNT] = {
        [I8X_TOKEN_GOOD] = I8X_REFUSAL_WRONG_ROLE,
        [I8X_TOKEN_UNKNOWN] = I8X_REFUSAL_UNKNOWN_TOKEN,
        [I8X_TOKEN_EXPIRED] = I8X_REFUSAL_EXPIRED_TOKEN,
        [I8X_TOKEN_REVOKED] = I8X_REFUSAL_REVOKED_TOKEN};
    return refusals[state];
}

/* ---- HTTP ---- */

/* The token of a request, or NULL. */
static const char *bearer_of(const i8x_http_request *request)
{
    const char *header = i8x_http_header(request, "Authorization");
    if (header == NULL || strncasecmp(header, BEARER, sizeof BEARER - 1) != 0)
        return NULL;
    header += sizeof BEARER - 1;
    return header + strspn(header, " ");
}

/* A join token has no role at a route: it is good for i8x_auth_join only. */
static unsigned role_bits(const i8x_token_row *row)
{
    i8x_role role = i8x_role_from_name(i8x_token_role_name(row->role));
    return role < I8X_ROLE_COUNT ? I8X_ROLE_BIT(role) : 0;
}

static bool refuse_request(i8x_auth *auth, i8x_http_request *request, i8x_refusal reason,
                           const i8x_token_row *row)
{
    static const struct {
        i8x_status status;
        const char *challenge, *detail;
    } answers[I8X_REFUSAL_COUNT] = {
        [I8X_REFUSAL_NO_TOKEN] = {I8X_EAUTH, "Bearer realm=\"int8x\"",
                                  "this service wants a token: Authorization: Bearer TOKEN"},
        [I8X_REFUSAL_UNKNOWN_TOKEN] = {I8X_EAUTH, "Bearer realm=\"int8x\", error=\"invalid_token\"",
                                       "the token is not known here"},
        [I8X_REFUSAL_EXPIRED_TOKEN] = {I8X_EAUTH, "Bearer realm=\"int8x\", error=\"invalid_token\"",
                                       "the token has expired: ask an admin for a new one"},
        [I8X_REFUSAL_REVOKED_TOKEN] = {I8X_EAUTH, "Bearer realm=\"int8x\", error=\"invalid_token\"",
                                       "the token has been revoked"},
        [I8X_REFUSAL_WRONG_ROLE] = {I8X_EDENIED,
                                    "Bearer realm=\"int8x\", error=\"insufficient_scope\"",
                                    "the token's role may not do this"},
    };
    char peer[I8X_HTTP_PEER_SIZE], what[160];
    snprintf(what, sizeof what, "%s %s", request->route->method, request->route->path);
    i8x_auth_refused(auth, reason, i8x_http_peer(request, peer), row != NULL ? row->id : "", what);
    i8x_http_add_header(request, "WWW-Authenticate", answers[reason].challenge);
    i8x_http_reply_problem(request, answers[reason].status, 0, answers[reason].detail);
    return false;
}

bool i8x_auth_request(void *context, i8x_http_request *request)
{
    i8x_daemon *daemon = context;
    i8x_auth *auth = daemon->auth;
    if (!auth->on || request->route->roles == 0)
        return true;
    const char *token = bearer_of(request);
    if (token == NULL)
        return refuse_request(auth, request, I8X_REFUSAL_NO_TOKEN, NULL);
    const i8x_token_row *row;
    i8x_token_state state = i8x_trust_store_check(auth->store, token, i8x_auth_now_s(), &row);
    if (state != I8X_TOKEN_GOOD || (role_bits(row) & request->route->roles) == 0)
        return refuse_request(auth, request, refusal_of(state), row);
    snprintf(request->principal, sizeof request->principal, "%s %.40s", row->id, row->name);
    return true;
}

/* ---- workers ---- */

i8x_status i8x_auth_hello(i8x_auth *auth, const char *token, const char *worker, const char *peer,
                          i8x_auth_pass *pass)
{
    *pass = (i8x_auth_pass){.local = false};
    if (!auth->on)
        return I8X_OK;
    const i8x_token_row *row = NULL;
    i8x_refusal reason = I8X_REFUSAL_NO_TOKEN;
    if (token[0] != 0) {
        i8x_token_state state = i8x_trust_store_check(auth->store, token, i8x_auth_now_s(), &row);
        pass->local = row != NULL && strcmp(row->id, auth->local_id) == 0;
        bool works = state == I8X_TOKEN_GOOD && row != NULL && row->role == I8X_TOKEN_WORKER;
        if (works && (pass->local || strcmp(row->worker, worker) == 0)) {
            pass->token = row->hash;
            return I8X_OK;
        }
        reason = refusal_of(state);
        if (works)
            reason = I8X_REFUSAL_WRONG_WORKER;
    }
    i8x_auth_refused(auth, reason, peer, row != NULL ? row->id : "", "hello");
    I8X_ENSURE(reason != I8X_REFUSAL_WRONG_ROLE && reason != I8X_REFUSAL_WRONG_WORKER, I8X_EDENIED,
               "this token is not the worker's own");
    I8X_FAIL(I8X_EAUTH, "the worker's token is %s: it needs a new invitation (int8x admin invite)",
             reason == I8X_REFUSAL_EXPIRED_TOKEN   ? "expired"
             : reason == I8X_REFUSAL_REVOKED_TOKEN ? "revoked"
                                                   : "not known");
}

bool i8x_auth_still(const i8x_auth *auth, const i8x_auth_pass *pass)
{
    const i8x_token_row *row;
    return !auth->on || i8x_trust_store_check_hash(auth->store, &pass->token, i8x_auth_now_s(),
                                                   &row) == I8X_TOKEN_GOOD;
}

static i8x_status issue(i8x_auth *auth, const char *worker, const char *request,
                        i8x_auth_grant *grant)
{
    i8x_pki_life life;
    i8x_pki_ca ca = {&auth->keys.ca_cert, &auth->keys.ca_key};
    I8X_TRY(i8x_trust_life(&auth->keys.ca_cert, i8x_auth_now_s(), auth->worker_life_s, &life));
    grant->expires_s = life.until_s;
    return i8x_pki_issue_client(&ca, request, worker, life, &grant->certificate);
}

/* Does a good token of this worker id exist? Then somebody else must not take its name. */
static bool is_taken(const i8x_auth *auth, const char *worker)
{
    for (int i = 0; i < i8x_trust_store_count(auth->store); i++) {
        const i8x_token_row *row = i8x_trust_store_at(auth->store, i);
        if (strcmp(row->worker, worker) == 0 &&
            i8x_token_row_state(row, i8x_auth_now_s()) == I8X_TOKEN_GOOD)
            return true;
    }
    return false;
}

static i8x_status refuse_join(i8x_auth *auth, i8x_token_state state, const i8x_token_row *row,
                              const char *peer)
{
    i8x_refusal reason = I8X_REFUSAL_UNKNOWN_JOIN;
    if (row != NULL && row->role == I8X_TOKEN_JOIN)
        reason = state == I8X_TOKEN_EXPIRED ? I8X_REFUSAL_EXPIRED_JOIN : I8X_REFUSAL_USED_JOIN;
    i8x_auth_refused(auth, reason, peer, row != NULL ? row->id : "", "join");
    I8X_FAIL(I8X_EAUTH, "the invitation %s: ask for a new one (int8x admin invite)",
             reason == I8X_REFUSAL_EXPIRED_JOIN ? "has expired"
             : reason == I8X_REFUSAL_USED_JOIN  ? "has been used or revoked"
                                                : "is not known here");
}

i8x_status i8x_auth_join(i8x_auth *auth, const char *secret, const char *worker,
                         const char *request, const char *peer, i8x_auth_grant *grant)
{
    const i8x_token_row *row;
    int64_t now_s = i8x_auth_now_s();
    i8x_token_state state = i8x_trust_store_check(auth->store, secret, now_s, &row);
    if (state != I8X_TOKEN_GOOD || row->role != I8X_TOKEN_JOIN)
        return refuse_join(auth, state, row, peer);
    I8X_ENSURE(worker[0] != 0 && i8x_token_worker_is_good(worker), I8X_EARG,
               "worker: an id is made of a-z, 0-9, '.' and '-', and is not empty");
    I8X_ENSURE(!is_taken(auth, worker), I8X_EEXIST,
               "worker %.60s is known already: int8x admin worker revoke it first, or remove the "
               "file 'id' of its cache",
               worker);
    I8X_TRY(issue(auth, worker, request, grant));
    char join_id[I8X_TOKEN_ID_SIZE];
    i8x_token_row made = {.role = I8X_TOKEN_WORKER, .expires_s = grant->expires_s};
    snprintf(join_id, sizeof join_id, "%s", row->id);
    snprintf(made.name, sizeof made.name, "%s", row->name);
    snprintf(made.worker, sizeof made.worker, "%s", worker);
    /* first used up, then given: a crash between costs an invitation and never gives two */
    I8X_TRY(i8x_trust_store_revoke(auth->store, join_id, now_s));
    I8X_TRY(i8x_trust_store_add(auth->store, &made, now_s, grant->token));
    i8x_log(I8X_LOG_INFO, "worker_admitted", "worker=%s name=%s address=%s token=%s by=%s", worker,
            made.name, peer, made.id, join_id);
    return I8X_OK;
}

i8x_status i8x_auth_renew(i8x_auth *auth, const char *token_id, const char *request,
                          i8x_auth_grant *grant)
{
    const i8x_token_row *row = i8x_trust_store_by_id(auth->store, token_id);
    I8X_ENSURE(row != NULL && row->role == I8X_TOKEN_WORKER && row->worker[0] != 0, I8X_EDENIED,
               "only a worker that joined by an invitation renews its certificate");
    grant->token[0] = 0;
    I8X_TRY(issue(auth, row->worker, request, grant));
    I8X_TRY(i8x_trust_store_extend(auth->store, token_id, grant->expires_s, i8x_auth_now_s()));
    i8x_log(I8X_LOG_INFO, "worker_renewed", "worker=%s token=%s", row->worker, token_id);
    return I8X_OK;
}
