/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands that change one job or worker: a row each, which says which request is made and what
 * is said afterwards.
 */
#include <stdio.h>
#include <string.h>

#include "client/cli/commands/commands.h"
#include "client/cli/output.h"
#include "client/cli/service.h"
#include "client/cli/sweep_remote.h"
#include "client/cli/view/resource.h"

typedef struct action {
    const char *command, *resource;
    const char *method, *tail; /* of the request: METHOD collection/ID tail */
} action;

static const action actions[] = {
    {"cancel", "job", "DELETE", ""},    {"cancel", "sweep", "DELETE", ""},
    {"pause", "job", "POST", "/pause"}, {"resume", "job", "POST", "/resume"},
    {"retry", "job", "POST", "/retry"},
};

/* The row of a command for that kind of thing. */
static i8x_status find_action(const char *command, const char *id, const i8x_resource *resource,
                              const action **found)
{
    for (int i = 0; i < I8X_COUNT(actions); i++) {
        *found = &actions[i];
        if (strcmp(actions[i].command, command) == 0 &&
            strcmp(actions[i].resource, resource->one) == 0)
            return I8X_OK;
    }
    I8X_FAIL(I8X_EARG, "'%.60s' is a %s, and %s is not for %s", id, resource->one, command,
             resource->many);
}

static i8x_status send(const char *command, const char *id, i8x_remote *remote, i8x_json **answer,
                       const action **what)
{
    char path[256];
    const i8x_resource *resource;
    I8X_TRY(i8x_resource_find(i8x_sweep_remote_is_id(id) ? "sweep" : "job", &resource));
    I8X_TRY(find_action(command, id, resource, what));
    I8X_TRY(i8x_resource_path(resource, id, (*what)->tail, path, sizeof path));
    return i8x_remote_call(remote, (*what)->method, path, NULL, answer);
}

static i8x_status act(const i8x_options *options)
{
    const action *what;
    const char *id = options->positional[0];
    i8x_remote *remote = NULL;
    i8x_json *answer = NULL;
    I8X_TRY(i8x_service_open(options, &remote));
    i8x_status status = send(options->command->name, id, remote, &answer, &what);
    if (status == I8X_OK && i8x_options_has(options, "json"))
        status = i8x_output_json(answer);
    else if (status == I8X_OK)
        printf("%s %s is %s\n", what->resource, id, i8x_json_member_text(answer, "state", ""));
    i8x_json_free(answer);
    i8x_remote_free(remote);
    return status;
}

/* A command of one argument and no option of its own. */
#define ACTION(name, usage, sentence)                                                              \
    const i8x_command i8x_cmd_##name = {#name, usage, sentence, NULL, 0, 1, 1, false, act}

ACTION(cancel, "JOB|SWEEP", "ends a job or sweep; what it has computed stays known");
ACTION(pause, "JOB", "hands out no new task of a job; what runs is finished");
ACTION(resume, "JOB", "lets a paused job go on");
ACTION(retry, "JOB", "runs a job that failed or was canceled again, from what it has computed");
