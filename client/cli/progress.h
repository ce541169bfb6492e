/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress: a bar on a terminal, one line a stage elsewhere; always on standard error, so that
 * standard output holds results alone. Silent with --json.
 */
#ifndef CLIENT_CLI_PROGRESS_H
#define CLIENT_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct i8x_progress {
    bool terminal, silent, drawn;
    int64_t start_ns;
    char stage[32];
} i8x_progress;

void i8x_progress_init(i8x_progress *progress, bool silent);
/** stage: name of the running stage; done of total tasks of the whole job. */
void i8x_progress_show(i8x_progress *progress, const char *stage, int done, int total);
/** Ends the bar. */
void i8x_progress_end(i8x_progress *progress);

#endif
