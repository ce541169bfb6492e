/* SPDX-License-Identifier: Apache-2.0
 *
 * No name is looked up: that could block, and say another thing tomorrow.
 */
#include "daemon/http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS_SIZE 64

i8x_status i8x_http_parse_address(const char *address, struct sockaddr_storage *out,
                                  socklen_t *size)
{
    const char *colon = strrchr(address, ':');
    I8X_ENSURE(colon != NULL && (size_t)(colon - address) < ADDRESS_SIZE, I8X_EARG,
               "address '%s': wanted HOST:PORT, such as 127.0.0.1:8480", address);
    char host[ADDRESS_SIZE] = {0}, *end = NULL;
    memcpy(host, address, (size_t)(colon - address));
    long port = strtol(colon + 1, &end, 10);
    I8X_ENSURE(colon[1] != 0 && *end == 0 && port >= 0 && port <= 65535, I8X_EARG,
               "address '%s': the port is a number from 0 to 65535", address);
    memset(out, 0, sizeof *out);
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    if (host[0] == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = 0;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *size = sizeof *v6;
        I8X_ENSURE(inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1, I8X_EARG, "address '%s'",
                   address);
        return I8X_OK;
    }
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    *size = sizeof *v4;
    const char *number = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    I8X_ENSURE(inet_pton(AF_INET, number, &v4->sin_addr) == 1, I8X_EARG,
               "address '%s': the host is an IPv4 number, an IPv6 number in brackets, or localhost",
               address);
    return I8X_OK;
}
