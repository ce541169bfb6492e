/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses: how the coordinator is reached. From the options, the ports that were bound and the
 * certificate's first name come the addresses that others are told. Plain values; no state.
 */
#ifndef I8X_DAEMON_ADDRESSES_H
#define I8X_DAEMON_ADDRESSES_H

#include <stdbool.h>

#include "int8x/status.h"
#include "proto/limits.h"
#include "proto/pki.h"

typedef struct i8x_addresses {
    char url[I8X_WIRE_URL_MAX + 1];       /* of the HTTP API, for workers elsewhere */
    char local_url[I8X_WIRE_URL_MAX + 1]; /* the same, for workers that the daemon starts */
    char address[I8X_WIRE_URL_MAX + 1];   /* HOST:PORT of url, for invitations */
    char link[I8X_WIRE_URL_MAX + 1];      /* URL of the link, for workers elsewhere */
} i8x_addresses;

typedef struct i8x_addresses_opts {
    const char *http, *link; /* as the options say */
    const char *advertise;   /* HOST[:PORT] or a URL; NULL = not given */
    const char *name;        /* of the certificate, used when listening everywhere; may be NULL */
    int http_port, link_port;
    bool tls, http_tls; /* on the link; on HTTP */
} i8x_addresses_opts;

/** Errors: I8X_EARG (advertise), I8X_ELIMIT (too long). */
I8X_FALLIBLE i8x_status i8x_addresses_make(const i8x_addresses_opts *opts,
                                           i8x_addresses *addresses);
/** Host of "HOST:PORT", "HOST", "[HOST]:PORT" or a URL of them, without brackets. Errors: I8X_EARG.
 */
I8X_FALLIBLE i8x_status i8x_address_host(const char *address, char host[I8X_PKI_HOST_MAX + 1]);
/** True for 127.0.0.0/8, ::1, localhost and unix sockets. */
bool i8x_address_is_loopback(const char *address);
/** True for addresses that mean all of the machine's. */
bool i8x_address_is_any(const char *host);

#endif
