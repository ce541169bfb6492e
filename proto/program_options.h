/* SPDX-License-Identifier: Apache-2.0
 *
 * Program options: the option table of a service program (int8xd, int8x-worker), its help text and
 * its parser. Each option is a row; what the program does with the values stays with the program.
 */
#ifndef I8X_PROTO_PROGRAM_OPTIONS_H
#define I8X_PROTO_PROGRAM_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "int8x/status.h"

/* One option; exactly one of text, number and flag is set. Values keep their start (the default)
 * until the option is given. */
typedef struct i8x_program_option {
    const char *name;     /* "--data" */
    const char *value;    /* what the value is, for humans; NULL for a flag */
    const char *sentence; /* one line of help, with the default */
    const char **text;    /* borrows argv */
    long *number;
    bool *flag;
    long min, max; /* of number */
} i8x_program_option;

typedef struct i8x_program {
    const char *name;
    const char *version;
    const char *usage;  /* lines behind "usage: ", and what the program does */
    const char *ending; /* behind the options: signals and exit codes */
    const i8x_program_option *options;
    int option_count;
} i8x_program;

/** Prints usage, options and ending. */
void i8x_program_help(const i8x_program *program, FILE *to);
/** Its man page, for section 1. */
void i8x_program_man(const i8x_program *program, FILE *to);
/** Its section of docs/config.md. */
void i8x_program_docs(const i8x_program *program, FILE *to);
/**
 * Sets what argv[1..] says. --help, --version, and --dump-man and --dump-docs (for the build, not
 * in the help) print to `to` and set *done: the caller returns 0.
 * Errors: I8X_EARG (an unknown option, a missing value, a number that is none or lies outside its
 * bounds), with the option's name.
 */
I8X_FALLIBLE i8x_status i8x_program_parse(const i8x_program *program, int argc, char **argv,
                                          FILE *to, bool *done);

#endif
