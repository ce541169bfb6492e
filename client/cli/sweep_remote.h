/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweep remote: a sweep on the service: files and specification go there, the trials are watched,
 * table and best model come back.
 */
#ifndef CLIENT_CLI_SWEEP_REMOTE_H
#define CLIENT_CLI_SWEEP_REMOTE_H

#include "client/cli/options.h"
#include "proto/json.h"

/**
 * Runs the sweep of a command line (positional: specification and model) and gives its last
 * document; best.int8.onnx lies in the folder --output then. With --detach it only submits and
 * *sweep stays NULL. Errors: those of the specification, of the service, of the files.
 */
I8X_FALLIBLE i8x_status i8x_sweep_remote_run(const i8x_options *options, i8x_json **sweep);

#endif
