/* SPDX-License-Identifier: Apache-2.0
 *
 * Form: how get and describe give their result (--output).
 */
#ifndef CLIENT_CLI_VIEW_FORM_H
#define CLIENT_CLI_VIEW_FORM_H

#include "client/cli/options.h"

typedef enum i8x_form {
    I8X_FORM_TABLE, /* for humans: units, what matters most */
    I8X_FORM_WIDE,  /* the same with every column */
    I8X_FORM_JSON,  /* what the service answered */
    I8X_FORM_CSV,   /* every column, values without units, RFC 4180 */
    I8X_FORM_NAME,  /* ids, one a line */
    I8X_FORM_COUNT
} i8x_form;

/* The row of a command's option table. */
#define I8X_FORM_WORDS "table|wide|json|csv|name"
#define I8X_OPTION_FORM                                                                            \
    {                                                                                              \
        "output", 'o', I8X_FORM_WORDS,                                                             \
            "form: table (default), wide (all columns), json, csv (RFC 4180), name (ids alone)", 0 \
    }

/** Form of a command line: --output, or JSON with --json. Errors: I8X_EARG (both, and they differ).
 */
I8X_FALLIBLE i8x_status i8x_form_of(const i8x_options *options, i8x_form *form);
/** Results and errors are JSON documents: --json, or --output json where that is a form. */
bool i8x_form_is_json(const i8x_options *options);

#endif
