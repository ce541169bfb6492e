/* SPDX-License-Identifier: Apache-2.0
 *
 * Context: which service a command talks to, and the file of named services. The file is
 * $XDG_CONFIG_HOME/int8x/contexts.json (without it ~/.config/int8x/contexts.json), private to its
 * user:
 *
 *     {"current": "lab", "contexts": {"lab": {"server": "https://10.0.0.5:8480",
 *      "token_file": "/home/me/lab.token", "ca_file": "/home/me/lab.ca"}}}
 *
 * Each fact of a target comes from the first of: option, the context that --context names,
 * environment, current context, default. A file named by a context (or by the environment beside
 * an address) goes only with that address: a token is never sent to another service because that
 * one was chosen by an option.
 *
 *     i8x_context target;
 *     I8X_TRY(i8x_context_of(options, &target));
 *     ... target.values[I8X_CONTEXT_SERVER], target.values[I8X_CONTEXT_TOKEN_FILE] ...
 */
#ifndef CLIENT_CLI_CONTEXT_H
#define CLIENT_CLI_CONTEXT_H

#include "client/cli/options.h"

#define I8X_CONTEXTS_MAX 64
#define I8X_CONTEXT_NAME_SIZE 64
#define I8X_CONTEXT_VALUE_SIZE 1024
#define I8X_CONTEXTS_FILE_MAX ((size_t)256 << 10) /* bytes */

typedef enum i8x_context_field {
    I8X_CONTEXT_SERVER,
    I8X_CONTEXT_TOKEN_FILE,
    I8X_CONTEXT_CA_FILE,
    I8X_CONTEXT_FIELD_COUNT
} i8x_context_field;

/* How a fact is named in the file, on the command line and in the environment. */
typedef struct i8x_context_name {
    const char *member, *option, *variable, *otherwise;
    bool is_path; /* kept absolute */
} i8x_context_name;

/** The names of all facts [I8X_CONTEXT_FIELD_COUNT]. Static. */
const i8x_context_name *i8x_context_names(void);

/* A service; a value that is not known is "". */
typedef struct i8x_context {
    char name[I8X_CONTEXT_NAME_SIZE]; /* its name; "" for a service that has none */
    char values[I8X_CONTEXT_FIELD_COUNT][I8X_CONTEXT_VALUE_SIZE];
} i8x_context;

typedef struct i8x_contexts {
    char current[I8X_CONTEXT_NAME_SIZE]; /* "" = none */
    int count;
    i8x_context list[I8X_CONTEXTS_MAX];
} i8x_contexts;

/** The file's path in buffer. Errors: I8X_ENOENT (neither XDG_CONFIG_HOME nor HOME is set),
 * I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_contexts_path(char *path, size_t size_bytes);
/** What the file has; nothing if there is none. Errors: I8X_EDENIED (others may read or write it),
 * I8X_EFORMAT, I8X_EARG (an unknown member), I8X_ELIMIT, I8X_EIO; each names the file. */
I8X_FALLIBLE i8x_status i8x_contexts_read(i8x_contexts *contexts);
/** Writes the file, mode 0600, and makes its folder, mode 0700. Errors: I8X_EIO, I8X_ENOENT,
 * I8X_ELIMIT, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_contexts_write(const i8x_contexts *contexts);
/** The context of that name, or NULL. */
i8x_context *i8x_contexts_find(i8x_contexts *contexts, const char *name);
/** Fails as i8x_contexts_find does not: with the nearest name. */
I8X_FALLIBLE i8x_status i8x_contexts_need(i8x_contexts *contexts, const char *name,
                                          i8x_context **context);
/** The service that a command line means. Errors: those of i8x_contexts_read; I8X_ENOENT (--context
 * names none). */
I8X_FALLIBLE i8x_status i8x_context_of(const i8x_options *options, i8x_context *target);

#endif
