/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x get: jobs or workers as a list; one of them by its id.
 */
#include <stdio.h>

#include "client/cli/commands/commands.h"
#include "client/cli/service.h"
#include "client/cli/view/resource.h"

static const i8x_option get_options[] = {
    I8X_OPTION_FORM,
    {"limit", 0, "N", "so many at most; jobs: the newest first (100)", 0},
    {"state", 0, "STATE", "only jobs or tasks in this state", 0},
};

static i8x_status get_list(const i8x_options *options, const i8x_resource *resource,
                           i8x_remote *remote, i8x_form form)
{
    i8x_selection selection = {.state = i8x_options_get(options, "state"),
                               .job = options->positional[1]};
    i8x_json *answer = NULL;
    const i8x_json *rows;
    I8X_TRY(i8x_options_int(options, "limit", 1, I8X_RESOURCE_LIMIT_MAX, I8X_RESOURCE_LIMIT,
                            &selection.limit));
    I8X_TRY(i8x_resource_list(resource, remote, &selection, &answer, &rows));
    if (i8x_json_member_text(answer, "next", NULL) != NULL && form != I8X_FORM_JSON)
        fprintf(stderr, "the first %d; --limit N shows more\n", i8x_json_count(rows));
    i8x_status status = i8x_resource_show(resource, answer, rows, form);
    i8x_json_free(answer);
    return status;
}

/* One object: a list of one for people and CSV, the object itself as JSON. */
static i8x_status get_one(const i8x_resource *resource, i8x_remote *remote, const char *id,
                          i8x_form form)
{
    i8x_json *answer = NULL;
    const i8x_json *object;
    I8X_TRY(i8x_resource_get(resource, remote, id, &answer, &object));
    i8x_status status = i8x_resource_show(resource, object, object, form);
    i8x_json_free(answer);
    return status;
}

static i8x_status get(const i8x_options *options)
{
    i8x_form form;
    const i8x_resource *resource;
    i8x_remote *remote = NULL;
    bool has_id = options->positional_count > 1;
    I8X_TRY(i8x_form_of(options, &form));
    I8X_TRY(i8x_resource_find(options->positional[0], &resource));
    I8X_TRY(i8x_service_open(options, &remote));
    i8x_status status = has_id && !resource->inside
                            ? get_one(resource, remote, options->positional[1], form)
                            : get_list(options, resource, remote, form);
    i8x_remote_free(remote);
    return status;
}

const i8x_command i8x_cmd_get = {"get",
                                 I8X_RESOURCE_WORDS " [ID] [-o FORM] [--limit N] [--state STATE]",
                                 "lists jobs, workers, sweeps or the tasks of a job",
                                 get_options,
                                 I8X_COUNT(get_options),
                                 1,
                                 2,
                                 false,
                                 get};
