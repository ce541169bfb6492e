/* SPDX-License-Identifier: Apache-2.0
 *
 * Options: the command line as tables. A command is a row (i8x_command) with its options; parsing,
 * the error for an unknown option, and in guide/ help, docs, man pages and shell completion come
 * from the table.
 *
 *     static const i8x_option submit_options[] = {
 *         {"calib", 0, "FILE", "calibration samples (.npy or .npz)", I8X_OPTION_REQUIRED}, ...
 *     };
 *     const i8x_command i8x_cmd_submit = {"submit", "MODEL --calib X.npy ...", "sends a job",
 * submit_options, I8X_COUNT(submit_options), 1, 1, true, run_submit};
 *
 * run receives the parsed options and returns a status; on failure main prints the sentence of
 * i8x_last_error() as "int8x: submit: ..." (or as JSON with --json) and exits with
 * i8x_status_exit_code.
 */
#ifndef CLIENT_CLI_OPTIONS_H
#define CLIENT_CLI_OPTIONS_H

#include <stdbool.h>

#include "int8x/recipe.h"
#include "int8x/status.h"

#define I8X_COUNT(list) ((int)(sizeof(list) / sizeof((list)[0])))
#define I8X_OPTION_VALUES_MAX 1024 /* options given on one command line */
#define I8X_POSITIONAL_MAX 16

enum { I8X_OPTION_REPEAT = 1, I8X_OPTION_REQUIRED = 2 };

typedef struct i8x_option {
    const char *name;  /* without the dashes */
    char letter;       /* 0 = none */
    const char *value; /* name of the value in help: "FILE"; "a|b" = one of these; NULL = a flag */
    const char *sentence;
    unsigned flags;
} i8x_option;

struct i8x_options;
typedef struct i8x_command {
    const char *name;
    const char *usage; /* what follows the name: first the arguments ("JOB", "list|use [NAME]"),
                          then the options. Before a JOB, SWEEP or WORKER the word for it may stand:
                          "cancel job ID" */
    const char *sentence;
    const i8x_option *options;
    int option_count;
    int positional_min, positional_max;
    bool recipe_help; /* --help also lists the recipe fields (for --set) */
    i8x_status (*run)(const struct i8x_options *options);
} i8x_command;

/* A parsed command line. Strings are borrowed from argv. */
typedef struct i8x_options {
    const i8x_command *command;
    const char *kind; /* "job", "sweep", "worker": the word before the id; NULL = not given */
    const char *positional[I8X_POSITIONAL_MAX];
    int positional_count;
    struct {
        const i8x_option *option;
        const char *value;
    } given[I8X_OPTION_VALUES_MAX];
    int given_count;
    int argc;
    char **argv; /* the whole command line, for the report's "command" */
} i8x_options;

/** Options every command has: --json, --help, and --server before or behind the command. */
const i8x_option *i8x_options_common(int *count);
/** Row of "--name", "--name=value" or "-n" in the table of a command (NULL = none) or in the common
 * one; NULL if there is none. */
const i8x_option *i8x_options_row(const i8x_command *command, const char *word);
/** "job", "sweep" or "worker" for a word that may say so before the command's first argument,
 * singular or plural; NULL for any other word. Static. */
const char *i8x_options_kind(const i8x_command *command, const char *word);
/** Parses argv[from..argc). Errors: I8X_EARG (unknown option with the nearest name, missing value,
 * too many or too few). */
i8x_status i8x_options_parse(const i8x_command *command, int argc, char **argv, int from,
                             i8x_options *options) __attribute__((warn_unused_result));
/** Parses the options before the command's name (common ones only); *at moves to the first other
 *  word. Errors: as above. */
i8x_status i8x_options_parse_common(int argc, char **argv, int *at, i8x_options *options)
    __attribute__((warn_unused_result));
/** Value of an option (the last one given), or NULL. */
const char *i8x_options_get(const i8x_options *options, const char *name);
/** nth value of a repeated option, or NULL. */
const char *i8x_options_nth(const i8x_options *options, const char *name, int nth);
/** True if a flag or option was given. */
bool i8x_options_has(const i8x_options *options, const char *name);
/** Whole number of an option, or `otherwise`. Errors: I8X_EARG, I8X_ERANGE. */
i8x_status i8x_options_int(const i8x_options *options, const char *name, long min, long max,
                           long otherwise, long *value) __attribute__((warn_unused_result));
/* The options that quantize and submit share, as rows for a command's table. */
#define I8X_OPTIONS_JOB                                                                            \
    {"calib", 0, "FILE",                                                                           \
     "calibration samples, first axis = samples (.npy; .npz with one array per named input)",      \
     I8X_OPTION_REQUIRED},                                                                         \
        {"eval", 0, "FILE", "evaluation samples (.npy or .npz)", 0},                               \
        {"labels", 0, "FILE", "class index of each evaluation sample (.npy)", 0},                  \
        {"recipe", 0, "FILE", "recipe as JSON; fields that it leaves out keep their defaults", 0}, \
        {"set", 0, "KEY=VALUE", "sets one recipe field; stronger than --recipe",                   \
         I8X_OPTION_REPEAT},                                                                       \
        {"target", 0, "NAME", "runtime the model is made for (recipe field target)", 0},           \
        {"shape", 0, "NAME=DIMS",                                                                  \
         "shape of an input that the model leaves open: NAME=1,3,224,224", I8X_OPTION_REPEAT},     \
        {"exclude", 0, "GLOB", "nodes that stay float", I8X_OPTION_REPEAT},                        \
        {"only", 0, "GLOB", "just these nodes are quantized", I8X_OPTION_REPEAT},                  \
    {                                                                                              \
        "op-types", 0, "LIST", "operator types that are quantized, with commas between", 0         \
    }

/** Recipe of a command line with I8X_OPTIONS_JOB: default, then --recipe, then the others in order.
 */
i8x_status i8x_options_recipe(const i8x_options *options, i8x_recipe *recipe)
    __attribute__((warn_unused_result));
/** The command line as one text with quotes where the shell needs them, in buffer; returns buffer.
 */
const char *i8x_options_command(const i8x_options *options, char *buffer, size_t size_bytes);

#endif
