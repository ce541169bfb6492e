/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x watch: shows the progress of a job or sweep until it has ended.
 */
#include <stdio.h>

#include "client/cli/commands/commands.h"
#include "client/cli/detach.h"
#include "client/cli/output.h"
#include "client/cli/service.h"
#include "client/cli/sweep_remote.h"
#include "client/cli/sweep_view.h"

static i8x_status show_job(const i8x_options *options, const i8x_json *job)
{
    if (i8x_options_has(options, "json"))
        return i8x_output_json(job);
    printf("done artifact %s (%.0f bytes)\n", i8x_json_member_text(job, "artifact_sha256", ""),
           i8x_json_member_number(job, "artifact_bytes", 0));
    return I8X_OK;
}

static i8x_status watch(const i8x_options *options)
{
    const char *id = options->positional[0];
    bool sweep = i8x_sweep_remote_is_meant(options);
    i8x_remote *remote = NULL;
    i8x_json *last = NULL;
    I8X_TRY(i8x_service_open(options, &remote));
    i8x_detach_arm(options, sweep ? "sweep" : "job", id, NULL);
    i8x_status status = sweep ? i8x_sweep_remote_watch(options, remote, id, &last)
                              : i8x_service_watch(options, remote, id, &last);
    i8x_detach_disarm();
    if (status == I8X_OK)
        status = sweep ? i8x_sweep_view_show(last, options) : show_job(options, last);
    i8x_json_free(last);
    i8x_remote_free(remote);
    return status;
}

const i8x_command i8x_cmd_watch = {
    "watch", "JOB|SWEEP", "shows the progress of a job or sweep until it has ended", NULL, 0, 1, 1,
    false,   watch};
