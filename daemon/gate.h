/* SPDX-License-Identifier: Apache-2.0
 *
 * Gate: where workers of other machines come in. It holds the link's tunnel and brings what the
 * tunnel tells on its own thread to the loop, where refusals are counted and logged.
 */
#ifndef I8X_DAEMON_GATE_H
#define I8X_DAEMON_GATE_H

#include "daemon/daemon.h"
#include "proto/tunnel.h"

typedef struct i8x_gate i8x_gate;

/** Listens at address (HOST:PORT) and carries to the unix socket path, where nng listens. port gets
 * the real one. Trust must be on. Errors: those of i8x_tunnel_new. */
I8X_FALLIBLE i8x_status i8x_gate_new(i8x_daemon *daemon, const char *address, const char *path,
                                     i8x_gate **gate, int *port);
/** Stops the tunnel; the loop must run on until the handle is closed. */
void i8x_gate_stop(i8x_gate *gate);
/** After i8x_gate_stop and the end of the loop. NULL is allowed. */
void i8x_gate_free(i8x_gate *gate);
/** Does a connection stand whose certificate names this worker? peer gets its address. */
bool i8x_gate_find(i8x_gate *gate, const char *worker, char peer[I8X_TUNNEL_PEER_SIZE]);

#endif
