/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of the roles.
 */
#include "daemon/http/role.h"

#include <string.h>

static const char *const names[I8X_ROLE_COUNT] = {
#define X(name, text, sentence) text,
    I8X_ROLE_LIST(X)
#undef X
};

const char *i8x_role_name(i8x_role role)
{
    return (unsigned)role < I8X_ROLE_COUNT ? names[role] : "?";
}

i8x_role i8x_role_from_name(const char *name)
{
    int role = 0;
    while (role < I8X_ROLE_COUNT && strcmp(names[role], name) != 0)
        role++;
    return (i8x_role)role;
}
