/* SPDX-License-Identifier: Apache-2.0
 *
 * The tunnel's thread puts its news into a small ring and wakes the loop. When the ring is full a
 * refusal is still counted, but its address is lost: who tries so often is in the log already.
 */
#include "daemon/gate.h"

#include <stdio.h>
#include <string.h>

#include "daemon/auth.h"
#include "int8x/alloc.h"

#define RING_SIZE 64

struct i8x_gate {
    i8x_daemon *daemon;
    i8x_tunnel *tunnel;
    uv_async_t wake;
    uv_mutex_t mutex;
    i8x_tunnel_event ring[RING_SIZE]; /* under the mutex, as are the next three */
    size_t head, count;
    uint64_t lost; /* refusals that found the ring full */
};

/* On the tunnel's thread. */
static void told(void *user, const i8x_tunnel_event *event)
{
    i8x_gate *gate = user;
    uv_mutex_lock(&gate->mutex);
    if (gate->count < RING_SIZE)
        gate->ring[(gate->head + gate->count++) % RING_SIZE] = *event;
    else
        gate->lost += event->refused;
    uv_mutex_unlock(&gate->mutex);
    uv_async_send(&gate->wake);
}

static bool next(i8x_gate *gate, i8x_tunnel_event *event, uint64_t *lost)
{
    uv_mutex_lock(&gate->mutex);
    bool any = gate->count > 0;
    if (any) {
        *event = gate->ring[gate->head];
        gate->head = (gate->head + 1) % RING_SIZE;
        gate->count--;
    }
    *lost += gate->lost;
    gate->lost = 0;
    uv_mutex_unlock(&gate->mutex);
    return any;
}

static void on_wake(uv_async_t *async)
{
    i8x_gate *gate = async->data;
    i8x_tunnel_event event;
    uint64_t lost = 0;
    while (next(gate, &event, &lost)) {
        if (event.refused)
            i8x_auth_refused(gate->daemon->auth, I8X_REFUSAL_LINK_HANDSHAKE, event.peer, "",
                             event.reason);
        else
            i8x_log(I8X_LOG_DEBUG, "link_opened", "address=%s certificate=%s", event.peer,
                    event.name);
    }
    for (; lost > 0; lost--)
        i8x_auth_refused(gate->daemon->auth, I8X_REFUSAL_LINK_HANDSHAKE, "?", "", "link");
}

i8x_status i8x_gate_new(i8x_daemon *daemon, const char *address, const char *path, i8x_gate **gate,
                        int *port)
{
    i8x_gate *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->daemon = daemon;
    uv_mutex_init(&made->mutex);
    uv_async_init(&daemon->loop, &made->wake, on_wake);
    made->wake.data = made;
    *gate = made; /* from here on its handle is the loop's: stop and free are the way out */
    const i8x_trust_keys *keys = i8x_auth_keys(daemon->auth);
    i8x_tunnel_opts opts = {.address = address,
                            .path = path,
                            .tls = {.server = true,
                                    .ca = keys->ca_cert.text,
                                    .cert = keys->server_cert.text,
                                    .key = keys->server_key.text},
                            .told = told,
                            .user = made};
    return i8x_tunnel_new(&opts, &made->tunnel, port);
}

bool i8x_gate_find(i8x_gate *gate, const char *worker, char peer[I8X_TUNNEL_PEER_SIZE])
{
    return i8x_tunnel_find(gate->tunnel, worker, peer);
}

void i8x_gate_stop(i8x_gate *gate)
{
    i8x_tunnel_free(gate->tunnel);
    gate->tunnel = NULL;
    uv_close((uv_handle_t *)&gate->wake, NULL);
}

void i8x_gate_free(i8x_gate *gate)
{
    if (gate == NULL)
        return;
    uv_mutex_destroy(&gate->mutex);
    i8x_alloc_free(i8x_alloc_heap(), gate, sizeof *gate);
}
