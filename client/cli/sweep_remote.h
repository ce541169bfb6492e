/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweep on the service: sends it, waits for it, gets its files.
 */
#ifndef CLIENT_CLI_SWEEP_REMOTE_H
#define CLIENT_CLI_SWEEP_REMOTE_H

#include "client/c/remote.h"
#include "client/cli/options.h"

/** SPEC.json; freed with i8x_json_free. Errors: I8X_ENOENT, I8X_EIO, I8X_EFORMAT, I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_sweep_remote_spec(const char *path, i8x_json **spec);
/** int8x sweep --remote. Errors: whatever the steps give. */
I8X_FALLIBLE i8x_status i8x_sweep_remote(const i8x_options *options);
/** "s" and 16 hex digits. */
bool i8x_sweep_remote_is_id(const char *id);
/** The first argument is a sweep: the word before it, or its form, says so. */
bool i8x_sweep_remote_is_meant(const i8x_options *options);
/** Shows progress until the sweep has ended; last (may be NULL) gets it, freed with i8x_json_free.
 * Errors: I8X_ECANCELED, those of i8x_service_poll. */
I8X_FALLIBLE i8x_status i8x_sweep_remote_watch(const i8x_options *options, i8x_remote *remote,
                                               const char *id, i8x_json **last);
/** Writes the files of a sweep, and the model of its best trial, into a folder (made if it is not
 * there). Errors: I8X_EIO, I8X_ENOENT, I8X_ENOMEM, those of i8x_remote_download. */
I8X_FALLIBLE i8x_status i8x_sweep_remote_fetch(i8x_remote *remote, const i8x_json *sweep,
                                               const char *folder);

#endif
