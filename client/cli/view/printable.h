/* SPDX-License-Identifier: Apache-2.0
 *
 * Printable: texts that come from elsewhere (names of jobs and workers, error sentences, the output
 * of a task that died) may hold control characters, with which a terminal can be steered.
 */
#ifndef CLIENT_CLI_VIEW_PRINTABLE_H
#define CLIENT_CLI_VIEW_PRINTABLE_H

/** Turns each control character of a UTF-8 text (C0, DEL, C1) into '?', in place; returns text. */
char *i8x_printable(char *text);
/** Prints the lines of a text, each behind "    | ", without its control characters. */
void i8x_printable_lines(const char *text);

#endif
