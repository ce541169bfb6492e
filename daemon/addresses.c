/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses are taken apart and put together again as text; whether they can be listened on is the
 * sockets' word.
 */
#include "daemon/addresses.h"

#include <stdio.h>
#include <string.h>

static const char *after_scheme(const char *address)
{
    const char *scheme = strstr(address, "://");
    return scheme != NULL ? scheme + 3 : address;
}

/* Port of an address, "" if there is none. */
static const char *port_of(const char *address)
{
    address = after_scheme(address);
    const char *close = strchr(address, ']');
    const char *colon = strchr(close != NULL ? close : address, ':');
    return colon != NULL ? colon + 1 : "";
}

i8x_status i8x_address_host(const char *address, char host[I8X_PKI_HOST_MAX + 1])
{
    const char *text = after_scheme(address);
    bool bracketed = text[0] == '[';
    size_t size = strcspn(text + bracketed, bracketed ? "]" : ":/");
    I8X_ENSURE(size > 0 && size <= I8X_PKI_HOST_MAX && (!bracketed || text[size + 1] == ']'),
               I8X_EARG, "'%.100s': wanted HOST:PORT, such as 10.0.0.5:8480", address);
    memcpy(host, text + bracketed, size);
    host[size] = 0;
    return I8X_OK;
}

bool i8x_address_is_any(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0 || strcmp(host, "*") == 0;
}

bool i8x_address_is_loopback(const char *address)
{
    char host[I8X_PKI_HOST_MAX + 1];
    if (strncmp(address, "ipc://", 6) == 0)
        return true;
    return i8x_address_host(address, host) == I8X_OK &&
           ((strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host)) ||
            strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0);
}

static i8x_status put(char *text, size_t size, const char *scheme, const char *host,
                      const char *port)
{
    bool v6 = strchr(host, ':') != NULL;
    int used =
        snprintf(text, size, "%s%s%s%s:%s", scheme, v6 ? "[" : "", host, v6 ? "]" : "", port);
    I8X_ENSURE(used > 0 && (size_t)used < size, I8X_ELIMIT, "an address of %d bytes, at most %zu",
               used, size - 1);
    return I8X_OK;
}

/* The host that others see when nothing was advertised. */
static i8x_status seen_host(const i8x_addresses_opts *opts, char host[I8X_PKI_HOST_MAX + 1])
{
    I8X_TRY(i8x_address_host(opts->http, host));
    if (i8x_address_is_any(host))
        snprintf(host, I8X_PKI_HOST_MAX + 1, "%s", opts->name != NULL ? opts->name : "127.0.0.1");
    return I8X_OK;
}

static i8x_status put_link(const i8x_addresses_opts *opts, const char *host,
                           i8x_addresses *addresses)
{
    char port[16], own[I8X_PKI_HOST_MAX + 1];
    snprintf(port, sizeof port, "%d", opts->link_port);
    if (strncmp(opts->link, "ipc://", 6) == 0) {
        I8X_ENSURE(strlen(opts->link) < sizeof addresses->link, I8X_ELIMIT, "--link is too long");
        snprintf(addresses->link, sizeof addresses->link, "%s", opts->link);
        return I8X_OK;
    }
    I8X_TRY(i8x_address_host(opts->link, own));
    /* the link is where the API is, unless it listens at an address of its own */
    const char *where = opts->advertise != NULL || i8x_address_is_any(own) ? host : own;
    return put(addresses->link, sizeof addresses->link, opts->tls ? "tls+tcp://" : "tcp://",
               opts->tls ? where : own, port);
}

i8x_status i8x_addresses_make(const i8x_addresses_opts *opts, i8x_addresses *addresses)
{
    char host[I8X_PKI_HOST_MAX + 1], own[I8X_PKI_HOST_MAX + 1], port[16];
    const char *scheme = opts->http_tls ? "https://" : "http://", *given = opts->advertise;
    snprintf(port, sizeof port, "%d", opts->http_port);
    I8X_TRY(i8x_address_host(opts->http, own));
    I8X_TRY(put(addresses->local_url, sizeof addresses->local_url, scheme,
                !i8x_address_is_any(own) ? own
                : strcmp(own, "::") == 0 ? "::1"
                                         : "127.0.0.1",
                port));
    I8X_TRY(given != NULL ? i8x_address_host(given, host) : seen_host(opts, host));
    bool url = given != NULL && strstr(given, "://") != NULL;
    I8X_ENSURE(!url || strncmp(given, scheme, strlen(scheme)) == 0, I8X_EARG,
               "--advertise %.100s: the API is at %s here", given, scheme);
    const char *told = given != NULL && *port_of(given) != 0 ? port_of(given) : port;
    I8X_ENSURE(strspn(told, "0123456789") == strlen(told) && strlen(told) <= 5, I8X_EARG,
               "--advertise %.100s: wanted HOST or HOST:PORT", given);
    I8X_TRY(put(addresses->url, sizeof addresses->url, scheme, host, told));
    I8X_TRY(put(addresses->address, sizeof addresses->address, "", host, told));
    return put_link(opts, host, addresses);
}
