/* SPDX-License-Identifier: Apache-2.0
 *
 * Enroll: how a worker comes by its credential. By an invitation: it fetches the CA's certificate,
 * which must have the invitation's fingerprint, makes a key and sends a certificate request with
 * the secret over a connection that this CA vouches for. And later: by its token, a next
 * certificate before the last one ends.
 */
#ifndef I8X_WORKER_ENROLL_H
#define I8X_WORKER_ENROLL_H

#include "worker/credential.h"

typedef struct i8x_enroll_opts {
    const char *cache;
    const char *invitation; /* text of an invitation; NULL = none */
    const char *token_path; /* file of a token, for workers that need no invitation; NULL = none */
    const char *ca_path;    /* file of the CA, with token_path; NULL = none */
} i8x_enroll_opts;

/** Text of an invitation out of a file, to be given to i8x_trust_file_free. Errors: I8X_ENOENT,
 * I8X_EIO, I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_enroll_read(const char *path, char **text, size_t *size);
/**
 * What this worker has to show: by token_path; or what its cache has, unless the invitation is
 * another one than that came by or the certificate has expired; or by the invitation, waiting while
 * the coordinator cannot be reached; or nothing (token "" and tls false). Errors: I8X_EAUTH (the
 * invitation is used, expired or unknown), I8X_EDENIED (the CA is not the invitation's; files that
 * others may read), I8X_ECANCELED (SIGTERM or SIGINT is pending, which the caller has blocked),
 * I8X_EFORMAT, I8X_EEXIST, I8X_EIO.
 */
I8X_FALLIBLE i8x_status i8x_enroll(const i8x_enroll_opts *opts, const char *worker,
                                   i8x_credential *credential);

/** Another certificate, for a new key, by the credential's own token: key, cert and life change.
 * Errors: I8X_EUNREACHABLE, what the coordinator refused with. */
I8X_FALLIBLE i8x_status i8x_enroll_next(const char *worker, i8x_credential *credential);

#endif
