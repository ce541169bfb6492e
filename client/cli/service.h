/* SPDX-License-Identifier: Apache-2.0
 *
 * Service: what the commands that talk to a daemon share: its address, and watching a job to its
 * end.
 */
#ifndef CLIENT_CLI_SERVICE_H
#define CLIENT_CLI_SERVICE_H

#include "client/c/remote.h"
#include "client/cli/options.h"

/** Connection to the service that the command line means. Errors: those of i8x_context_of;
 * I8X_EARG, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_service_open(const i8x_options *options, i8x_remote **remote);
/** Checks that a text from the command line can be a job's id. Errors: I8X_EARG. */
I8X_FALLIBLE i8x_status i8x_service_job_path(const char *id, const char *tail, char *path,
                                             size_t size);
/** "j" and 16 hex digits. */
bool i8x_service_is_job_id(const char *text);
/** GET that is asked again for a minute while the service is away or busy: it may be starting
 * again. Errors: those of i8x_remote_call. */
I8X_FALLIBLE i8x_status i8x_service_poll(i8x_remote *remote, const char *path, i8x_json **answer);
#define I8X_OPTION_KEY "idempotency-key"
/** POST that is sent again in the same way, with the same Idempotency-Key (that option's value,
 * else made anew), so that it counts once. Errors: those of i8x_remote_post_once, with the key
 * where it is not known whether the request was taken. */
I8X_FALLIBLE i8x_status i8x_service_post(const i8x_options *options, i8x_remote *remote,
                                         const char *path, const char *body, i8x_json **answer);
/** The job once its version is above that one, or as it is after some seconds. Errors: as poll. */
I8X_FALLIBLE i8x_status i8x_service_wait(i8x_remote *remote, const char *id, double version,
                                         i8x_json **job);
/** Done, failed or canceled. */
bool i8x_service_job_ended(const i8x_json *job);
/**
 * Shows progress until the job has ended; last (may be NULL) gets its last description, freed with
 * i8x_json_free. Errors: the job's own failure with its sentence, those of i8x_remote_call.
 */
I8X_FALLIBLE i8x_status i8x_service_watch(const i8x_options *options, i8x_remote *remote,
                                          const char *id, i8x_json **last);

#endif
