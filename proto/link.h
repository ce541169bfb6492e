/* SPDX-License-Identifier: Apache-2.0
 *
 * Link: frames between coordinator and workers over nng, request and reply, tcp:// and ipc://.
 *
 * Server: requests and pipe losses are queued on nng's threads and drained on the caller's:
 *     i8x_link_server_new(wake, user, &s); i8x_link_server_listen(s, "tcp://127.0.0.1:0");
 *     while (i8x_link_server_next(s, &event)) ...          (after wake was called)
 *     i8x_link_server_reply(s, event.context, bytes, size);  exactly once per request, any time
 * later Apart from wake, which comes on foreign threads and must only poke the owner's loop, a
 * server belongs to one thread. Client: a lane is one request in flight; each lane belongs to one
 * thread.
 */
#ifndef I8X_PROTO_LINK_H
#define I8X_PROTO_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "int8x/status.h"
#include "proto/limits.h"

typedef struct i8x_link_server i8x_link_server;

typedef enum i8x_link_event_type { I8X_LINK_REQUEST, I8X_LINK_PIPE_GONE } i8x_link_event_type;

typedef struct i8x_link_event {
    i8x_link_event_type type;
    uint32_t pipe;        /* one connection of one worker; never 0 */
    uint32_t context;     /* REQUEST: give it back to reply */
    const uint8_t *bytes; /* REQUEST: valid until reply */
    size_t size;
} i8x_link_event;

typedef void (*i8x_link_wake_cb)(void *user);

/** Errors: I8X_ENOMEM, I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_link_server_new(i8x_link_wake_cb wake, void *user,
                                            i8x_link_server **server);
/** url tcp://HOST:PORT (port 0 = any) or ipc://PATH. port (may be NULL) gets the TCP port. Errors:
 * I8X_EARG, I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_link_server_listen(i8x_link_server *server, const char *url, int *port);
/** Next event, false if none. */
bool i8x_link_server_next(i8x_link_server *server, i8x_link_event *event);
/** Answers a request; bytes are copied. A reply to a pipe that is gone is dropped by the library.
 */
void i8x_link_server_reply(i8x_link_server *server, uint32_t context, const void *bytes,
                           size_t size);
/** Ends a connection; its PIPE_GONE comes as ever. */
void i8x_link_server_drop(i8x_link_server *server, uint32_t pipe);
/**
 * nng 1.5 stops listening on a unix socket for good when a peer leaves in the middle of its
 * greeting. This looks whether that may have happened and then listens anew; who is connected there
 * has to come again. To be called every few seconds; true if it did. Errors of listening anew are
 * told by the next call doing it again.
 */
bool i8x_link_server_mend(i8x_link_server *server);
/** Closes everything; at the end of the process only. */
void i8x_link_server_free(i8x_link_server *server);

typedef struct i8x_link_client i8x_link_client;

/** Starts to connect in the background and keeps at it. lanes 1..I8X_LINK_LANES_MAX. Errors:
 * I8X_EARG (url), I8X_ENOMEM, I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_link_client_new(const char *url, int lanes, i8x_link_client **client);
/** True while a connection stands. Thread-safe. */
bool i8x_link_client_connected(i8x_link_client *client);
/** Waits for one, at most timeout_ms; whether it stands. Thread-safe. */
bool i8x_link_client_wait(i8x_link_client *client, int timeout_ms);
/** Gives the connection up and makes a new one: for one that is silent although it stands. Requests
 * in flight end as I8X_EUNREACHABLE. Thread-safe. */
void i8x_link_client_reset(i8x_link_client *client);
/**
 * One request and its reply, which is valid until the lane's next call. Blocks for at most
 * timeout_ms. Errors: I8X_EUNREACHABLE (no connection, or lost before the reply), I8X_ETIMEOUT,
 * I8X_ENOMEM, I8X_EIO.
 */
I8X_FALLIBLE i8x_status i8x_link_client_call(i8x_link_client *client, int lane, const void *bytes,
                                             size_t size, int timeout_ms, const uint8_t **reply,
                                             size_t *reply_size);
/** No lane may be in a call. NULL is allowed. */
void i8x_link_client_free(i8x_link_client *client);

#endif
