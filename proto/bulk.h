/* SPDX-License-Identifier: Apache-2.0
 *
 * Bulk: blobs over HTTP, by content hash, for the workers. A whole blob is checked against its name
 * while it arrives; a range against the Content-Digest (RFC 9530, sha-256) of the answer, which the
 * coordinator makes from its verified copy. An object is one keep-alive connection and belongs to
 * one thread.
 *
 *     i8x_bulk *b; I8X_TRY(i8x_bulk_new("http://127.0.0.1:8480", &b));
 *     I8X_TRY(i8x_bulk_get(b, &ref, fd)); I8X_TRY(i8x_bulk_put(b, &digest, "/cache/out"));
 * i8x_bulk_free(b);
 */
#ifndef I8X_PROTO_BULK_H
#define I8X_PROTO_BULK_H

#include <stdbool.h>
#include <stdint.h>

#include "int8x/digest.h"
#include "int8x/status.h"
#include "int8x/task.h"
#include "proto/buffer.h"

typedef struct i8x_bulk i8x_bulk;

/* What the coordinator has to show, and what we show; copied. */
typedef struct i8x_bulk_trust {
    const char *ca_path; /* file of the CA that signed its certificate; NULL: http, no TLS */
    const char *token;   /* of this worker; NULL or "": none */
    bool unchecked;      /* its certificate is not looked at: only for what is checked by itself */
} i8x_bulk_trust;

#define I8X_BULK_DIGEST_TEXT 64 /* base64 of a SHA-256 has 44 characters */
/** base64 of a digest, as in Content-Digest; returns text. */
char *i8x_bulk_digest_text(const i8x_digest *digest, char text[I8X_BULK_DIGEST_TEXT]);
/** Once per process, before threads. Errors: I8X_EINTERNAL. */
I8X_FALLIBLE i8x_status i8x_bulk_global_init(void);
/** trust NULL = none. Errors: I8X_ENOMEM, I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_bulk_new(const char *base_url, const i8x_bulk_trust *trust,
                                     i8x_bulk **bulk);
void i8x_bulk_free(i8x_bulk *bulk);
/**
 * Writes the bytes of ref to fd (empty, at offset 0). On failure fd holds rubbish.
 * Errors: I8X_ENOENT (no such blob), I8X_ECORRUPT (digest), I8X_EUNREACHABLE, I8X_EIO, I8X_ELIMIT
 * (disk full), I8X_EAUTH, I8X_EDENIED (our token).
 */
I8X_FALLIBLE i8x_status i8x_bulk_get(i8x_bulk *bulk, const i8x_blob_ref *ref, int fd);
/**
 * One small request: body (may be NULL) is JSON text, its answer of at most I8X_JSON_BODY_MAX bytes
 * goes into the (cleared) buffer, *http gets its status, whatever that is. Errors:
 * I8X_EUNREACHABLE, I8X_ELIMIT, I8X_ENOMEM.
 */
I8X_FALLIBLE i8x_status i8x_bulk_call(i8x_bulk *bulk, const char *method, const char *path,
                                      const char *body, i8x_buffer *answer, long *http);
/** Uploads a file. Errors: I8X_EUNREACHABLE, I8X_ECORRUPT, I8X_ELIMIT (too large for the service),
 * I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_bulk_put(i8x_bulk *bulk, const i8x_digest *digest, const char *path);

#endif
