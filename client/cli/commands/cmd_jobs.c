/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x jobs: the jobs of a service, newest first; `int8x get jobs` with fewer forms.
 */
#include "client/cli/commands/commands.h"
#include "client/cli/service.h"
#include "client/cli/view/resource.h"

static const i8x_option jobs_options[] = {
    {"limit", 0, "N", "so many at most (100)", 0},
};

static i8x_status jobs(const i8x_options *options)
{
    i8x_selection selection = {0};
    i8x_form form;
    const i8x_resource *resource;
    i8x_remote *remote = NULL;
    i8x_json *answer = NULL;
    const i8x_json *rows;
    I8X_TRY(i8x_form_of(options, &form));
    I8X_TRY(i8x_resource_find("jobs", &resource));
    I8X_TRY(i8x_options_int(options, "limit", 1, I8X_RESOURCE_LIMIT_MAX, I8X_RESOURCE_LIMIT,
                            &selection.limit));
    I8X_TRY(i8x_service_open(options, &remote));
    i8x_status status = i8x_resource_list(resource, remote, &selection, &answer, &rows);
    if (status == I8X_OK)
        status = i8x_resource_show(resource, answer, rows, form);
    i8x_json_free(answer);
    i8x_remote_free(remote);
    return status;
}

const i8x_command i8x_cmd_jobs = {"jobs",
                                  "[--limit N]",
                                  "lists the jobs of the service",
                                  jobs_options,
                                  I8X_COUNT(jobs_options),
                                  0,
                                  0,
                                  false,
                                  jobs};
