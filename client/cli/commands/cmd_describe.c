/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x describe: everything the service tells about one job or worker.
 */
#include "client/cli/commands/commands.h"
#include "client/cli/output.h"
#include "client/cli/service.h"
#include "client/cli/view/flat.h"
#include "client/cli/view/resource.h"

static const i8x_option describe_options[] = {I8X_OPTION_FORM};

static i8x_status show(const i8x_resource *resource, const i8x_json *object, i8x_form form)
{
    if (form == I8X_FORM_JSON)
        return i8x_output_json(object);
    if (form == I8X_FORM_CSV)
        return i8x_flat_csv(object);
    if (form == I8X_FORM_NAME)
        return i8x_columns_list(resource->columns, resource->column_count, object, form);
    return i8x_resource_describe(resource, object, form == I8X_FORM_WIDE);
}

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
        status = show(resource, object, form);
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
