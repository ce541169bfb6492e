/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x watch: shows the progress of a job until it has ended.
 */
#include <stdio.h>

#include "client/cli/commands.h"
#include "client/cli/detach.h"
#include "client/cli/output.h"
#include "client/cli/service.h"

static i8x_status watch(const i8x_options *options)
{
    i8x_remote *remote = NULL;
    i8x_json *job = NULL;
    I8X_TRY(i8x_service_open(options, &remote));
    i8x_detach_arm(options, options->positional[0], NULL);
    i8x_status status = i8x_service_watch(options, remote, options->positional[0], &job);
    i8x_detach_disarm();
    if (status == I8X_OK && i8x_options_has(options, "json"))
        status = i8x_output_json(job);
    else if (status == I8X_OK)
        printf("done artifact %s (%.0f bytes)\n", i8x_json_member_text(job, "artifact_sha256", ""),
               i8x_json_member_number(job, "artifact_bytes", 0));
    i8x_json_free(job);
    i8x_remote_free(remote);
    return status;
}

const i8x_command i8x_cmd_watch = {
    "watch", "JOB", "shows the progress of a job until it has ended", NULL, 0, 1, 1, false, watch};
