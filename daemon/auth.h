/* SPDX-License-Identifier: Apache-2.0
 *
 * Auth: who is asking, and may he? Off while DATA/trust is not there: then the daemon listens on
 * loopback only and everybody may do everything. On: every HTTP request but those for everybody
 * shows a bearer token of a role that the route names, and every worker shows in its HELLO a token
 * that is bound to its id. Refused attempts are counted by reason and logged, without the token and
 * at a bounded rate. Belongs to the loop's thread.
 */
#ifndef I8X_DAEMON_AUTH_H
#define I8X_DAEMON_AUTH_H

#include <stdbool.h>

#include "daemon/http/server.h"
#include "proto/buffer.h"
#include "proto/trust_folder.h"
#include "proto/trust_store.h"

/* X(name, text) why somebody was refused */
#define I8X_REFUSAL_LIST(X)                                                                        \
    X(NO_TOKEN, "no_token")                                                                        \
    X(UNKNOWN_TOKEN, "unknown_token")                                                              \
    X(EXPIRED_TOKEN, "expired_token")                                                              \
    X(REVOKED_TOKEN, "revoked_token")                                                              \
    X(WRONG_ROLE, "wrong_role")                                                                    \
    X(WRONG_WORKER, "wrong_worker")                                                                \
    X(UNKNOWN_JOIN, "unknown_join")                                                                \
    X(EXPIRED_JOIN, "expired_join")                                                                \
    X(USED_JOIN, "used_join")                                                                      \
    X(LINK_HANDSHAKE, "link_handshake")

typedef enum i8x_refusal {
#define X(name, text) I8X_REFUSAL_##name,
    I8X_REFUSAL_LIST(X)
#undef X
        I8X_REFUSAL_COUNT
} i8x_refusal;

typedef struct i8x_auth i8x_auth;

typedef struct i8x_auth_opts {
    const char *data;
    const char *const *names; /* host names and addresses the certificate must have [name_count] */
    int name_count;
    int64_t worker_life_s; /* of a worker's certificate and token */
} i8x_auth_opts;

/** Opens DATA/trust if it is there. Errors: I8X_EDENIED, I8X_EFORMAT, I8X_EIO, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_auth_open(const i8x_auth_opts *opts, i8x_auth **auth);
/** Wipes the keys. NULL is allowed. */
void i8x_auth_close(i8x_auth *auth);
bool i8x_auth_is_on(const i8x_auth *auth);
/** Keys and certificates; only while on. Borrowed. */
const i8x_trust_keys *i8x_auth_keys(const i8x_auth *auth);
/** First name of the server's certificate: how others reach this coordinator if nothing else says
 * it. */
const char *i8x_auth_server_name(const i8x_auth *auth);
i8x_trust_store *i8x_auth_store(const i8x_auth *auth);
/** Fingerprint of the CA; only while on. */
const i8x_digest *i8x_auth_fingerprint(const i8x_auth *auth);

/** Writes where this coordinator answers to DATA/trust/server, for `int8x admin --data DIR`.
 * Errors: I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_auth_note_address(const i8x_auth *auth, const char *url);
/** i8x_http_opts.authorize; context is the daemon. */
bool i8x_auth_request(void *context, i8x_http_request *request);

/* Who joined, for later questions. */
typedef struct i8x_auth_pass {
    i8x_digest token; /* hash of the token that was shown */
    bool local;       /* a worker that the daemon started itself */
} i8x_auth_pass;

/** May this worker join? peer is its address, for the log. Errors: I8X_EAUTH (token), I8X_EDENIED
 * (role, another worker's token). */
I8X_FALLIBLE i8x_status i8x_auth_hello(i8x_auth *auth, const char *token, const char *worker,
                                       const char *peer, i8x_auth_pass *pass);
/** False if the token of a worker that joined has been revoked or has expired since. */
bool i8x_auth_still(const i8x_auth *auth, const i8x_auth_pass *pass);

/** What a worker gets that joins, or renews. */
typedef struct i8x_auth_grant {
    i8x_pem certificate;
    char token[I8X_TOKEN_SIZE]; /* "" when it renews: the old one goes on */
    int64_t expires_s;
} i8x_auth_grant;

/** Takes a join token, once. name is the invitation's. Errors: I8X_EAUTH (secret), I8X_EARG (worker
 * id), I8X_EFORMAT (request), I8X_ELIMIT, I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_auth_join(i8x_auth *auth, const char *secret, const char *worker,
                                      const char *request, const char *peer, i8x_auth_grant *grant);
/** A new certificate for the worker whose token (id) asked; token and certificate end together.
 * Errors: I8X_EDENIED (not a worker's token), I8X_EFORMAT, I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_auth_renew(i8x_auth *auth, const char *token_id, const char *request,
                                       i8x_auth_grant *grant);

/** Counts and logs a refusal; what (may be NULL) is the route or message, token_id (may be "") the
 * id of a known token. */
void i8x_auth_refused(i8x_auth *auth, i8x_refusal reason, const char *peer, const char *token_id,
                      const char *what);
/** Counters in Prometheus' text form. */
void i8x_auth_print(const i8x_auth *auth, i8x_buffer *text);
/** Seconds since 1970. */
int64_t i8x_auth_now_s(void);

#endif
