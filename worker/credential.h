/* SPDX-License-Identifier: Apache-2.0
 *
 * Credential: what a worker shows to its coordinator, and what it wants to see. It comes from an
 * invitation (worker/enroll.h) and lies in CACHE/trust, private to its user:
 *
 *     worker.pem   key and certificate, one file: they are changed together
 *     token        the worker's token
 *     ca.crt       the fleet's CA
 *     place        where the coordinator is: link, HTTPS address, hash of the invitation
 *
 * A worker that the coordinator started itself has only a token and a CA, named by options.
 */
#ifndef I8X_WORKER_CREDENTIAL_H
#define I8X_WORKER_CREDENTIAL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/bulk.h"
#include "proto/tls_stream.h"
#include "proto/trust_token.h"

typedef struct i8x_credential {
    char token[I8X_TOKEN_SIZE]; /* "" = none: no trust is set up */
    char ca_path[PATH_MAX];     /* "" = none */
    bool tls;                   /* the rest is there: the link is TLS */
    i8x_pem ca, cert, key;
    char link[I8X_WIRE_URL_MAX + 1]; /* tls+tcp://HOST:PORT */
    char http[I8X_WIRE_URL_MAX + 1]; /* https://HOST:PORT */
    i8x_digest invitation;           /* hash of the secret it came by */
    i8x_pki_life life;               /* of the certificate */
} i8x_credential;

/** CACHE/trust/NAME; returns path. */
char *i8x_credential_path(const char *cache, const char *name, char *path, size_t size);
/** Reads what CACHE/trust has. Errors: I8X_ENOENT (nothing there), I8X_EDENIED (others may read a
 * secret; key and certificate do not belong together), I8X_EFORMAT, I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_credential_load(const char *cache, i8x_credential *credential);
/** Writes CACHE/trust; the folder is made. Errors: I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_credential_store(const char *cache, const i8x_credential *credential);
/** Writes key and certificate only. Errors: I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_credential_store_pair(const char *cache,
                                                  const i8x_credential *credential);
/** For transfers; borrows from the credential. */
i8x_bulk_trust i8x_credential_bulk(const i8x_credential *credential);
/** For the link's tunnel; borrows from the credential. */
i8x_tls_opts i8x_credential_tls(const i8x_credential *credential);

#endif
