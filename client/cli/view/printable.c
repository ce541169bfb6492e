/* SPDX-License-Identifier: Apache-2.0
 *
 * Printable: see printable.h.
 */
#include "client/cli/view/printable.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LINE_SIZE 2048 /* a longer line goes on in the next one */

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

void i8x_printable_lines(const char *text)
{
    char line[LINE_SIZE];
    while (*text != 0) {
        size_t length = strcspn(text, "\n");
        length = length < sizeof line ? length : sizeof line - 1;
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        printf("    | %s\n", i8x_printable(line));
        text += length + (text[length] == '\n');
    }
}
