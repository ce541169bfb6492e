/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP server in the loop: libmicrohttpd turned by libuv, one thread. A request is handed to the
 * route of its method and path when its body is there (or piece by piece, for routes with a body
 * function); the handler answers with one of the reply functions, at once or any time later. An
 * answer can be a stream that is fed as things happen.
 *
 * A client that is slow (with its first byte, its headers, its body) is cut off; how slow, and how
 * many connections there may be, stands in proto/limits.h.
 *
 * Refused before any handler sees it: Content-Length beside Transfer-Encoding, a second
 * Content-Length, a Transfer-Encoding other than chunked, zero bytes in the request line, bodies
 * over the route's limit.
 */
#ifndef I8X_DAEMON_SERVER_H
#define I8X_DAEMON_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/http/role.h"
#include "int8x/status.h"

#define I8X_HTTP_PARAMS_MAX 2
#define I8X_HTTP_PARAM_SIZE 128
#define I8X_HTTP_PRINCIPAL_SIZE 64
#define I8X_HTTP_PEER_SIZE 64

typedef struct i8x_http i8x_http;
typedef struct i8x_http_request i8x_http_request;

/* A row of the route table. path segments in braces are parameters. */
typedef struct i8x_http_route {
    const char *method, *path;
    unsigned roles; /* I8X_ROLE_BIT of each role that may call it; 0 = everybody */
    void (*handle)(i8x_http_request *request);
    /* Streamed bodies: begin before the first byte, body for each piece; a failure is answered as a
     * problem, and close is called. NULL: the body is collected, up to the server's limit for small
     * ones. */
    i8x_status (*begin)(i8x_http_request *request);
    i8x_status (*body)(i8x_http_request *request, const void *bytes, size_t size);
    void (*close)(i8x_http_request *request); /* always last, if begin was called */
    const char *sentence;
    /* for openapi.json; openapi.h says how they are written */
    const char *id, *takes, *sends, *gives;
    bool has_head; /* HEAD is an operation of its own there */
    bool admin;    /* also on the listener of --admin */
} i8x_http_route;

struct i8x_http_request {
    void *context; /* of the server's opts */
    const i8x_http_route *route;
    char params[I8X_HTTP_PARAMS_MAX][I8X_HTTP_PARAM_SIZE];
    const uint8_t *body; /* collected body */
    size_t body_size;
    void *user;                              /* the handler's own */
    char principal[I8X_HTTP_PRINCIPAL_SIZE]; /* who asks, set by authorize; "" = unknown */
    int failure_code; /* HTTP code of a failure of begin or body; 0 = the status' own */
};

typedef struct i8x_http_opts {
    const i8x_http_route *routes;
    int route_count;
    void *context;
    uint64_t stream_limit_bytes; /* of a streamed body */
    int connections_max, per_address_max;
    int first_s;                    /* until the first byte of a connection */
    int header_s;                   /* until the headers are there */
    int body_s;                     /* in which a body has to grow by I8X_HTTP_BODY_MIN */
    const char *tls_cert, *tls_key; /* PEM, borrowed; NULL: HTTP without TLS */
    /* May this request go to request->route? Called when the headers are there, before begin,
     * handle and any byte of the body; headers, query and params can be read, the body not. True:
     * it goes on. False: the hook has answered (401, 403, 429 ...), at once and with one of the
     * reply functions; the connection is closed behind the answer. NULL: everybody may do
     * everything. */
    bool (*authorize)(void *context, i8x_http_request *request);
    /* Called once per answer, may be NULL. */
    void (*answered)(void *context, const i8x_http_route *route, int http_status);
} i8x_http_opts;

/** Listens on HOST:PORT (IPv4 or [IPv6] literal or localhost; port 0 = any). port gets the real
 * one. Errors: I8X_EARG, I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_http_new(uv_loop_t *loop, const char *address,
                                     const i8x_http_opts *opts, i8x_http **http, int *port);
/** Answers what is open with 503, then stops. The loop must run on until its handles are closed. */
void i8x_http_stop(i8x_http *http);
/** After i8x_http_stop and the end of the loop. NULL is allowed. */
void i8x_http_free(i8x_http *http);

/** Open connections. */
int i8x_http_clients(const i8x_http *http);

/** Request header, query parameter, or NULL. Borrowed until the answer. */
const char *i8x_http_header(const i8x_http_request *request, const char *name);
const char *i8x_http_query(const i8x_http_request *request, const char *name);
bool i8x_http_is_head(const i8x_http_request *request);
/** Address and port of the client, "127.0.0.1:4711" or "[::1]:4711". Returns text. */
const char *i8x_http_peer(const i8x_http_request *request, char text[I8X_HTTP_PEER_SIZE]);
/** True if If-None-Match names this entity tag ("..." or W/"..."): answer 304. The comparison is
 * the weak one of RFC 9110. */
bool i8x_http_none_match(const i8x_http_request *request, const char *etag);
/** Content-Length, or UINT64_MAX if there is none. */
uint64_t i8x_http_length(const i8x_http_request *request);

/** From body: the bytes of this call are taken, but the next ones are to wait for
 * i8x_http_continue_body. The client's sending stalls meanwhile. */
void i8x_http_pause_body(i8x_http_request *request);
void i8x_http_continue_body(i8x_http_request *request);

/** Adds a header to the answer; before the reply. */
void i8x_http_add_header(i8x_http_request *request, const char *name, const char *value);
/* One of these, exactly once. Bytes are copied. */
void i8x_http_reply(i8x_http_request *request, int http_status, const char *type, const void *bytes,
                    size_t size);
/** Sends a part of a file; the descriptor is closed by the server. */
void i8x_http_reply_fd(i8x_http_request *request, int http_status, const char *type, int fd,
                       uint64_t offset, uint64_t size);
/* A body that comes piece by piece and ends some time later. */
typedef struct i8x_http_stream i8x_http_stream;
typedef struct i8x_http_stream_opts {
    size_t limit_bytes; /* that wait for the client; more breaks the connection off */
    /* All that was put has been taken by the connection. May be NULL; may put. */
    void (*drained)(void *user);
    /* The connection is over (end, client gone, server stops): the stream is no longer valid.
     * Always called, once. */
    void (*gone)(void *user);
    void *user;
} i8x_http_stream_opts;
/** Answers with a stream. The request is over for the handler; the stream lives until gone. */
i8x_http_stream *i8x_http_reply_stream(i8x_http_request *request, int http_status, const char *type,
                                       const i8x_http_stream_opts *opts);
/** Bytes are copied. False: the client does not take them (over the limit); the connection will be
 * broken off, and what is put from now on is dropped. */
bool i8x_http_stream_put(i8x_http_stream *stream, const void *bytes, size_t size);
/** The body is complete; gone comes when it has been sent. */
void i8x_http_stream_end(i8x_http_stream *stream);
/** application/problem+json: type, title, status, detail. code is the status' own unless
 * http_status is not 0. */
void i8x_http_reply_problem(i8x_http_request *request, i8x_status status, int http_status,
                            const char *detail);
/** The last failure of this thread as a problem. */
void i8x_http_reply_error(i8x_http_request *request);

#endif
