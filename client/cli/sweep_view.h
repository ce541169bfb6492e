/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweep view: the results of a sweep (the JSON of i8x_json_put_sweep) as a table and as CSV.
 */
#ifndef CLIENT_CLI_SWEEP_VIEW_H
#define CLIENT_CLI_SWEEP_VIEW_H

#include "client/cli/options.h"
#include "proto/json.h"

/** Table of the trials on standard output; the front has a star. wide: with their jobs. */
I8X_FALLIBLE i8x_status i8x_sweep_view_print(const i8x_json *sweep, bool wide);
/** The same with every field and digest as CSV (RFC 4180): a new file, or standard output (path
 * NULL). Errors: I8X_EIO, I8X_ENOENT, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_sweep_view_csv(const i8x_json *sweep, const char *path);
/** sweep.json, trials.csv and, if a trial is done, best.recipe.json, in a folder. Errors: I8X_EIO,
 * I8X_ENOENT, I8X_ENOMEM, I8X_EARG (the path is too long). */
I8X_FALLIBLE i8x_status i8x_sweep_view_files(const i8x_json *sweep, const char *folder);
/** On standard output: JSON with --json, CSV with --csv, else the table. Errors: as above. */
I8X_FALLIBLE i8x_status i8x_sweep_view_show(const i8x_json *sweep, const i8x_options *options);

#endif
