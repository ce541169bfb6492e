/* SPDX-License-Identifier: Apache-2.0
 *
 * Trust folder: DATA/trust, what makes a coordinator trust others and be trusted
 * (docs/security.md):
 *
 *     ca.crt  ca.key           the fleet's own CA; ca.crt is public
 *     server.crt  server.key   the coordinator's certificate, issued again when it must be
 *     tokens                   hashes of the tokens (trust_store.h)
 *     admin.token              the first admin's token, to be moved where it is used
 *     local.token              of the workers that the coordinator starts; new with each start
 *     server                   where the coordinator answers, written at each start
 *
 * The folder appears whole or not at all. `int8x admin init` makes it, the coordinator uses it.
 */
#ifndef I8X_PROTO_TRUST_FOLDER_H
#define I8X_PROTO_TRUST_FOLDER_H

#include "proto/pki.h"
#include "proto/trust_token.h"

/* The name that workers want to see on the link, whatever address they reach it by: TLS of the link
 * checks names only, no addresses. */
#define I8X_TRUST_LINK_NAME "coordinator.int8x.internal"

typedef struct i8x_trust_init_opts {
    const char *data;         /* DATA; made if it is not there */
    const char *const *names; /* host names and addresses the coordinator is reached by; [0] is
                                 what workers are told unless the coordinator is told otherwise */
    int name_count;           /* 1.. */
    int64_t now_s;
    int64_t ca_life_s, server_life_s;
} i8x_trust_init_opts;

/** Errors: I8X_EEXIST (the folder is there: nothing is changed), I8X_EARG (a name), I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_trust_folder_init(const i8x_trust_init_opts *opts);
bool i8x_trust_folder_exists(const char *data);
/** DATA/trust/NAME; returns path. */
char *i8x_trust_folder_path(const char *data, const char *name, char *path, size_t size);

typedef struct i8x_trust_keys {
    i8x_pem ca_cert, ca_key, server_cert, server_key;
} i8x_trust_keys;

/**
 * Reads and checks keys and certificates. The server's certificate is issued again (and written)
 * if more than half of its life is over or one of names [count] is missing in it; *renewed tells.
 * Errors: I8X_ENOENT, I8X_EDENIED (others may read a key; certificate and key do not belong
 * together), I8X_EFORMAT, I8X_EIO.
 */
I8X_FALLIBLE i8x_status i8x_trust_folder_load(const char *data, const char *const *names, int count,
                                              int64_t now_s, i8x_trust_keys *keys, bool *renewed);
/** A life that begins five minutes ago (clocks differ) and does not outlive the CA. Errors:
 * I8X_EFORMAT, I8X_EDENIED (the CA has expired). */
I8X_FALLIBLE i8x_status i8x_trust_life(const i8x_pem *ca, int64_t now_s, int64_t life_s,
                                       i8x_pki_life *life);

#endif
