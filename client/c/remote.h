/* SPDX-License-Identifier: Apache-2.0
 *
 * Remote: an int8xd over HTTP. Errors of the service (problem+json) come back as the status and the
 * sentence that the service gave. An object is one keep-alive connection and belongs to one thread.
 *
 *     i8x_remote *r;
 *     I8X_TRY(i8x_remote_new(&(i8x_remote_opts){.url = "http://127.0.0.1:8480"}, &r));
 *     I8X_TRY(i8x_remote_upload(r, "calib.npy", &job.calib, &sent));
 *     i8x_json *answer; I8X_TRY(i8x_remote_call(r, "GET", "/v1/jobs", NULL, &answer)); ...
 * i8x_remote_free(r);
 */
#ifndef I8X_CLIENT_REMOTE_H
#define I8X_CLIENT_REMOTE_H

#include <stdbool.h>

#include "int8x/digest.h"
#include "int8x/status.h"
#include "int8x/task.h"
#include "proto/json.h"

#define I8X_REMOTE_KEY_MAX 255                   /* bytes of an Idempotency-Key */
#define I8X_REMOTE_ANSWER_MAX ((size_t)64 << 20) /* bytes of a JSON answer */

typedef struct i8x_remote i8x_remote;

typedef struct i8x_remote_opts {
    const char *url;        /* "http://HOST:PORT" or "https://HOST:PORT" */
    const char *token_path; /* file of a token; NULL or "": none */
    const char *ca_path; /* file of the CA that the service's certificate is checked with; NULL or
                            "": those that this machine trusts */
} i8x_remote_opts;

/** Reads the token; it goes over https only, and over http to this machine itself. Errors:
 * I8X_EARG, I8X_ENOENT and I8X_EFORMAT (token file), I8X_ENOMEM, I8X_EINTERNAL. */
I8X_FALLIBLE i8x_status i8x_remote_new(const i8x_remote_opts *opts, i8x_remote **remote);
/** NULL is allowed. */
void i8x_remote_free(i8x_remote *remote);
/**
 * One request; body is JSON text or NULL. answer may be NULL, else it is freed with i8x_json_free;
 * an answer without content (204) leaves it as it is. Errors: I8X_EUNREACHABLE, I8X_EFORMAT (the
 * answer is no JSON), and what the service refused with.
 */
I8X_FALLIBLE i8x_status i8x_remote_call(i8x_remote *remote, const char *method, const char *path,
                                        const char *body, i8x_json **answer);
/**
 * POST that may be sent again with the same key, because its answer got lost: the service acts on
 * it once. Errors: those of call; I8X_EARG (a key that is none).
 */
I8X_FALLIBLE i8x_status i8x_remote_post_once(i8x_remote *remote, const char *path, const char *key,
                                             const char *body, i8x_json **answer);
/** Text of an answer; freed with i8x_alloc_free(heap, *text, *size + 1). Errors: as call. */
I8X_FALLIBLE i8x_status i8x_remote_text(i8x_remote *remote, const char *path, char **text,
                                        size_t *size);
/** Makes a file known to the service: hashes it and sends it if the service does not have it. sent
 * (may be NULL) tells. Errors: I8X_ENOENT, I8X_EIO, I8X_EFORMAT (empty), those of call. */
I8X_FALLIBLE i8x_status i8x_remote_upload(i8x_remote *remote, const char *path, i8x_blob_ref *ref,
                                          bool *sent);
/** Fetches a resource into a file (a temporary file beside it, then rename), whose bytes must have
 * this digest. */
I8X_FALLIBLE i8x_status i8x_remote_download(i8x_remote *remote, const char *resource,
                                            const i8x_digest *digest, const char *path);

#endif
