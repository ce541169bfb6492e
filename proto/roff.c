/* SPDX-License-Identifier: Apache-2.0
 *
 * Roff: see roff.h. No date in the title: the same program gives the same page.
 */
#include "proto/roff.h"

#include <ctype.h>
#include <stdbool.h>

/* Text with what roff would read as a command escaped; start: it begins a line. */
static void put(FILE *to, const char *text, bool start)
{
    for (; *text != 0; text++) {
        if (*text == '\n') {
            bool paragraph = text[1] == '\n';
            fputs(paragraph ? "\n.PP\n" : "\n.br\n", to);
            text += paragraph;
            start = true;
            continue;
        }
        if (start && (*text == '.' || *text == '\''))
            fputs("\\&", to);
        start = false;
        if (*text == '\\')
            fputs("\\e", to);
        else if (*text == '-')
            fputs("\\-", to);
        else
            fputc(*text, to);
    }
}

/* An argument of a macro, in quotes. */
static void put_argument(FILE *to, const char *text, bool upper)
{
    fputc('"', to);
    for (; *text != 0; text++) {
        char one[2] = {upper ? (char)toupper((unsigned char)*text) : *text, 0};
        if (*text == '"')
            fputs("\\(dq", to);
        else
            put(to, one, false);
    }
    fputc('"', to);
}

void i8x_roff_title(FILE *to, const char *name, int section, const char *version,
                    const char *phrase)
{
    fputs(".TH ", to);
    put_argument(to, name, true);
    fprintf(to, " %d \"\" ", section);
    fprintf(to, "\"int8x %s\" \"int8x\"\n.SH NAME\n", version);
    put(to, name, true);
    fputs(" \\- ", to);
    put(to, phrase, false);
    fputc('\n', to);
}

void i8x_roff_section(FILE *to, const char *title)
{
    fputs(".SH ", to);
    put_argument(to, title, true);
    fputc('\n', to);
}

void i8x_roff_paragraph(FILE *to, const char *text)
{
    fputs(".PP\n", to);
    put(to, text, true);
    fputc('\n', to);
}

void i8x_roff_form(FILE *to, const char *name, const char *rest)
{
    fputs(".PP\n.B ", to);
    put_argument(to, name, false);
    fputc('\n', to);
    put(to, rest, true);
    fputc('\n', to);
}

void i8x_roff_item(FILE *to, const char *name, const char *value, const char *sentence)
{
    fputs(".TP\n\\fB", to);
    put(to, name, false);
    fputs("\\fR", to);
    if (value != NULL) {
        fputs(" \\fI", to);
        put(to, value, false);
        fputs("\\fR", to);
    }
    fputc('\n', to);
    put(to, sentence, true);
    fputc('\n', to);
}

void i8x_roff_reference(FILE *to, const char *name, int section)
{
    fputs(".BR ", to);
    put_argument(to, name, false);
    fprintf(to, " (%d)\n", section);
}
