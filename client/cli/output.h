/* SPDX-License-Identifier: Apache-2.0
 *
 * Output: JSON documents to standard output and to files.
 */
#ifndef CLIENT_CLI_OUTPUT_H
#define CLIENT_CLI_OUTPUT_H

#include "proto/json.h"

/** Prints the document, indented, with a newline. */
i8x_status i8x_output_json(const i8x_json *json) __attribute__((warn_unused_result));
/** Writes it to a file (a temporary file beside it, then rename). Errors: I8X_EIO, I8X_ENOENT. */
i8x_status i8x_output_json_file(const i8x_json *json, const char *path)
    __attribute__((warn_unused_result));

#endif
