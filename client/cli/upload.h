/* SPDX-License-Identifier: Apache-2.0
 *
 * Upload: the files that a command line names, made known to the service.
 */
#ifndef CLIENT_CLI_UPLOAD_H
#define CLIENT_CLI_UPLOAD_H

#include "client/c/remote.h"
#include "client/cli/options.h"

/** Sends the model and the files of --calib, --eval and --labels that the service does not have,
 * and fills name and blobs of the job; says so on standard error. Errors: those of
 * i8x_remote_upload. */
I8X_FALLIBLE i8x_status i8x_upload_job(const i8x_options *options, i8x_remote *remote,
                                       const char *model, i8x_job *job);
/** The job as members of the object body, with or without its recipe. Errors: I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_upload_put_job(i8x_json *body, const i8x_job *job, bool recipe);

#endif
