/* SPDX-License-Identifier: Apache-2.0
 *
 * Printable: see printable.h.
 */
#include "client/cli/view/printable.h"

#include <stdbool.h>

char *i8x_printable(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at != 0; at++) {
        bool c1 = at[0] == 0xC2 && at[1] >= 0x80 && at[1] < 0xA0; /* U+0080 to U+009F */
        if (c1)
            *at++ = '?';
        if (c1 || *at < 0x20 || *at == 0x7F)
            *at = '?';
    }
    return text;
}
