/* SPDX-License-Identifier: Apache-2.0
 *
 * Tunnel: the link's way between machines. nng speaks over unix sockets only; a tunnel at each side
 * carries their bytes through mutual TLS, on one thread of its own:
 *
 *     worker: nng --ipc--> [client tunnel] ==TLS 1.3==> [server tunnel] --ipc--> nng: coordinator
 *
 * So nobody reaches nng without a certificate, refused attempts are told with address and reason,
 * and a certificate can be changed while connections stand (docs/decisions/0050-link-tunnel.md).
 */
#ifndef I8X_PROTO_TUNNEL_H
#define I8X_PROTO_TUNNEL_H

#include "proto/tls_stream.h"

#define I8X_TUNNEL_PEER_SIZE 72
#define I8X_TUNNEL_REASON_SIZE 128

typedef struct i8x_tunnel i8x_tunnel;

typedef struct i8x_tunnel_event {
    bool refused;                        /* else: a connection stands */
    char peer[I8X_TUNNEL_PEER_SIZE];     /* "10.0.0.7:4711", "[::1]:4711"; client: HOST:PORT */
    char name[I8X_PKI_NAME_MAX + 1];     /* of the peer's certificate; "" if refused */
    char reason[I8X_TUNNEL_REASON_SIZE]; /* why it was refused */
} i8x_tunnel_event;

/* Comes on the tunnel's thread; must not call the tunnel. */
typedef void (*i8x_tunnel_cb)(void *user, const i8x_tunnel_event *event);

typedef struct i8x_tunnel_opts {
    const char *address; /* HOST:PORT; server: an IP literal, localhost or * to listen on (port 0 =
                            any); client: where the coordinator is, looked up for each connection */
    const char *path;    /* unix socket; server: nng listens there; client: nng will dial it */
    i8x_tls_opts tls;    /* tls.server says which side this is */
    i8x_tunnel_cb told;
    void *user;
} i8x_tunnel_opts;

/** Starts the thread. port (may be NULL) gets the real one of a server. Errors: I8X_EARG (address,
 * path too long), I8X_EFORMAT (certificates), I8X_EIO (cannot listen), I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_tunnel_new(const i8x_tunnel_opts *opts, i8x_tunnel **tunnel, int *port);
/** New connections use these certificates; standing ones go on. Thread-safe. Errors: I8X_EFORMAT;
 * the old ones are then kept. */
I8X_FALLIBLE i8x_status i8x_tunnel_renew(i8x_tunnel *tunnel, const i8x_tls_opts *tls);
/** Does a connection stand whose peer's certificate has this name? peer (may be NULL) gets the
 * address of one. Thread-safe. */
bool i8x_tunnel_find(i8x_tunnel *tunnel, const char *name, char peer[I8X_TUNNEL_PEER_SIZE]);
/** Connections that stand. Thread-safe. */
int i8x_tunnel_count(i8x_tunnel *tunnel);
/** Ends all connections and the thread. NULL is allowed. */
void i8x_tunnel_free(i8x_tunnel *tunnel);

#endif
