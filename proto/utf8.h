/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8: how long the next character is. Shared by what writes text for others and what reads
 * theirs.
 */
#ifndef I8X_PROTO_UTF8_H
#define I8X_PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Bytes of the sequence at text, of which `left` may be read (one at least); 0 if it is none.
 * RFC 3629: overlong forms, surrogates and numbers beyond U+10FFFF are none. */
static inline size_t i8x_utf8_length(const uint8_t *text, size_t left)
{
    if (text[0] < 0x80)
        return 1;
    if (text[0] < 0xC2 || text[0] > 0xF4)
        return 0;
    size_t length = text[0] >= 0xF0 ? 4 : text[0] >= 0xE0 ? 3 : 2;
    for (size_t i = 1; i < length; i++)
        if (i >= left || (text[i] & 0xC0) != 0x80)
            return 0;
    bool overlong = (text[0] == 0xE0 && text[1] < 0xA0) || (text[0] == 0xF0 && text[1] < 0x90);
    bool outside = (text[0] == 0xED && text[1] > 0x9F) || (text[0] == 0xF4 && text[1] > 0x8F);
    return overlong || outside ? 0 : length;
}

#endif
