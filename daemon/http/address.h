/* SPDX-License-Identifier: Apache-2.0
 *
 * Address: HOST:PORT of a listener as the socket calls want it.
 */
#ifndef I8X_DAEMON_ADDRESS_H
#define I8X_DAEMON_ADDRESS_H

#include <sys/socket.h>

#include "int8x/status.h"

/** HOST is an IPv4 number, an IPv6 number in brackets, or localhost; port 0 = any. Errors:
 * I8X_EARG. */
I8X_FALLIBLE i8x_status i8x_http_parse_address(const char *address, struct sockaddr_storage *out,
                                               socklen_t *size);

#endif
