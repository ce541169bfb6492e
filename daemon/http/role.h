/* SPDX-License-Identifier: Apache-2.0
 *
 * Role: what the holder of a token may do. A route names the roles that may call it as a set of
 * bits; a token has one role or several. The table of routes spells out that who may submit may
 * also read and that an admin may do everything, so nothing else has to know an order of roles:
 *
 *     bool allowed = route->roles == 0 || (token_roles & route->roles) != 0;
 */
#ifndef I8X_DAEMON_ROLE_H
#define I8X_DAEMON_ROLE_H

/* X(name, text, sentence) */
#define I8X_ROLE_LIST(X)                                                                           \
    X(READ, "read", "sees jobs, workers, reports and artifacts")                                   \
    X(SUBMIT, "submit", "uploads blobs, submits and steers jobs; reads as well")                   \
    X(WORKER, "worker", "joins the link, fetches and stores blobs")                                \
    X(ADMIN, "admin", "everything, workers and tokens too")

typedef enum i8x_role {
#define X(name, text, sentence) I8X_ROLE_##name,
    I8X_ROLE_LIST(X)
#undef X
        I8X_ROLE_COUNT
} i8x_role;

#define I8X_ROLE_BIT(role) (1u << (role))

/** "read" ...; "?" for a number that is none. Static. */
const char *i8x_role_name(i8x_role role);
/** Role of that name, or I8X_ROLE_COUNT. */
i8x_role i8x_role_from_name(const char *name);

#endif
