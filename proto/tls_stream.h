/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS stream: mutual TLS 1.3 over a non-blocking socket. Both sides show a certificate of the same
 * CA; the server's must be one of a server and carry the name that the client wants, the client's
 * one of a client. There is no resumption: every connection shows its certificate anew. A stream
 * belongs to one thread; a context may be shared once it is made.
 */
#ifndef I8X_PROTO_TLS_STREAM_H
#define I8X_PROTO_TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "int8x/status.h"
#include "proto/pki.h"

typedef struct i8x_tls_opts {
    bool server;
    const char *ca, *cert, *key; /* PEM; a client without cert and key is refused by our servers */
    const char *server_name;     /* client only: what the server's certificate must cover */
} i8x_tls_opts;

typedef struct i8x_tls_context i8x_tls_context;
/** Errors: I8X_EFORMAT (certificate or key), I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_tls_context_new(const i8x_tls_opts *opts, i8x_tls_context **context);
/** Streams made of it live on. NULL is allowed. */
void i8x_tls_context_free(i8x_tls_context *context);

typedef enum i8x_tls_result {
    I8X_TLS_DONE,
    I8X_TLS_WANTS_READ,  /* call again when the socket can be read */
    I8X_TLS_WANTS_WRITE, /* ... or written */
    I8X_TLS_ENDED,       /* the peer closed */
    I8X_TLS_FAILED       /* see i8x_tls_reason */
} i8x_tls_result;

typedef struct i8x_tls_stream i8x_tls_stream;
/** fd stays the caller's. Errors: I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_tls_stream_new(const i8x_tls_context *context, int fd,
                                           i8x_tls_stream **stream);
/** Tells the peer, if the socket takes it, and frees. NULL is allowed. */
void i8x_tls_stream_free(i8x_tls_stream *stream);
i8x_tls_result i8x_tls_handshake(i8x_tls_stream *stream);
/** Reads up to size bytes; *got > 0 if DONE. */
i8x_tls_result i8x_tls_read(i8x_tls_stream *stream, void *bytes, size_t size, size_t *got);
/** Writes up to size bytes; *put > 0 if DONE. The same bytes come again after WANTS_*. */
i8x_tls_result i8x_tls_write(i8x_tls_stream *stream, const void *bytes, size_t size, size_t *put);
/** Why the last call failed, in the library's words; never empty, no secret in it. */
const char *i8x_tls_reason(const i8x_tls_stream *stream);
/** Common name of the peer's certificate after the handshake, "" if it has none. Returns name. */
char *i8x_tls_peer_name(const i8x_tls_stream *stream, char name[I8X_PKI_NAME_MAX + 1]);

#endif
