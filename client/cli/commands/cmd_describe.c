/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x describe: everything the service tells about one job or worker.
 */
#include "client/cli/commands/commands.h"
#include "client/cli/service.h"
#include "client/cli/view/resource.h"

static const i8x_option describe_options[] = {I8X_OPTION_FORM};

static i8x_status describe(const i8x_options *options)
{
    i8x_form form;
    const i8x_resource *resource;
    const i8x_json *object;
    i8x_remote *remote = NULL;
    i8x_json *answer = NULL;
    I8X_TRY(i8x_form_of(options, &form));
    I8X_TRY(i8x_resource_find(options->positional[0], &resource));
    I8X_ENSURE(resource->section_count > 0, I8X_EARG,
               "describe knows jobs, workers and sweeps; `int8x get %s JOB` lists %s",
               resource->many, resource->many);
    I8X_TRY(i8x_service_open(options, &remote));
    i8x_status status =
        i8x_resource_get(resource, remote, options->positional[1], &answer, &object);
    if (status == I8X_OK)
        status = i8x_resource_describe(resource, object, form);
    i8x_json_free(answer);
    i8x_remote_free(remote);
    return status;
}

const i8x_command i8x_cmd_describe = {"describe",
                                      "job|worker|sweep ID [-o FORM]",
                                      "shows everything about one job, worker or sweep",
                                      describe_options,
                                      I8X_COUNT(describe_options),
                                      2,
                                      2,
                                      false,
                                      describe};
