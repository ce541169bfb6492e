/* SPDX-License-Identifier: Apache-2.0
 *
 * Guide: what people read about the command line, made from the tables of commands and options:
 * --help, docs/cli.md and docs/config.md, man pages, and what a shell offers when Tab is pressed.
 * Everything goes to standard output.
 */
#ifndef CLIENT_CLI_GUIDE_GUIDE_H
#define CLIENT_CLI_GUIDE_GUIDE_H

#include <stddef.h>

#include "client/cli/commands/commands.h"

#define I8X_EXIT_CODES 256

typedef struct i8x_guide_fact {
    const char *name, *sentence;
} i8x_guide_fact;

/** Variables of the environment, and files. Static. */
const i8x_guide_fact *i8x_guide_environment(int *count);
const i8x_guide_fact *i8x_guide_files(int *count);
/** What an exit code means, in text; false if no command ends with it. */
bool i8x_guide_exit_code(int code, char *text, size_t size_bytes);
/** More than one sentence about a command; NULL if there is no more. Static. */
const char *i8x_guide_notes(const i8x_command *command);

/** Help of one command, or of the program (command NULL). */
void i8x_guide_help(const i8x_command *command);
/** docs/cli.md and docs/config.md. */
void i8x_guide_cli(void);
void i8x_guide_config(void);
/** Man page int8x-COMMAND(1), or int8x(1) (command NULL). */
void i8x_guide_man(const i8x_command *command);

/**
 * Candidates for the last of words [count] (those behind "int8x"; the last may be ""), a line each,
 * "word TAB sentence", and a last line ":files", ":folders" or ":" that says whether paths fit,
 * too. Ids of jobs and workers are asked from the service; one that does not answer has none.
 */
void i8x_guide_complete(int count, const char *const *words);

/** What is said once for all commands: how a JOB, SWEEP or WORKER is named. */
#define I8X_GUIDE_NAMES                                                                            \
    "Where a command wants a JOB, SWEEP or WORKER, the form of the id says what it is; the word "  \
    "job, sweep or worker may stand before it, as in int8x rm sweep ID."

#endif
