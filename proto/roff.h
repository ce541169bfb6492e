/* SPDX-License-Identifier: Apache-2.0
 *
 * Roff: man pages written by the programs from their own option tables (man(7) macros).
 *
 *     i8x_roff_title(stdout, "int8xd", 1, "0.2.0", "takes quantization jobs");
 *     i8x_roff_section(stdout, "OPTIONS");
 *     i8x_roff_item(stdout, "--data", "DIR", "the folder of ledger and blobs");
 */
#ifndef I8X_PROTO_ROFF_H
#define I8X_PROTO_ROFF_H

#include <stdio.h>

/** Title line and NAME: name(section) with one phrase about it. */
void i8x_roff_title(FILE *to, const char *name, int section, const char *version,
                    const char *phrase);
void i8x_roff_section(FILE *to, const char *title);
/** A paragraph; a line end in the text stays one, an empty line begins a new paragraph. */
void i8x_roff_paragraph(FILE *to, const char *text);
/** A line of a form: the program's name bold, the rest as it stands. */
void i8x_roff_form(FILE *to, const char *name, const char *rest);
/** A row: name bold, value (may be NULL) slanted, the sentence below. */
void i8x_roff_item(FILE *to, const char *name, const char *value, const char *sentence);
/** Another page, as SEE ALSO lists it. */
void i8x_roff_reference(FILE *to, const char *name, int section);

#endif
