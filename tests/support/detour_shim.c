/* SPDX-License-Identifier: Apache-2.0
 *
 * Detour shim: preloaded into a program, it leads connections to one port of 127.0.0.1 to another
 * one: so a test puts a relay between one worker and the service, while others reach it directly.
 *
 *     LD_PRELOAD=detour_shim.so INT8X_DETOUR=8480:40001 int8x-worker ...
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static in_port_t from, to; /* network order; 0: no detour */

static in_port_t port_of(const char *text, char **end)
{
    return htons((uint16_t)strtoul(text, end, 10));
}

__attribute__((constructor)) static void start(void)
{
    const char *text = getenv("INT8X_DETOUR");
    char *end;
    if (text == NULL)
        return;
    in_port_t first = port_of(text, &end);
    if (*end != ':')
        return;
    to = port_of(end + 1, &end);
    from = first;
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
    static __typeof__(&connect) real;
    if (real == NULL) {
        void *symbol = dlsym(RTLD_NEXT, "connect");
        memcpy(&real, &symbol, sizeof real);
    }
    struct sockaddr_in other;
    if (from == 0 || address->sa_family != AF_INET || size != sizeof other)
        return real(fd, address, size);
    memcpy(&other, address, sizeof other);
    if (other.sin_port == from && other.sin_addr.s_addr == htonl(INADDR_LOOPBACK))
        other.sin_port = to;
    return real(fd, (const struct sockaddr *)&other, sizeof other);
}
