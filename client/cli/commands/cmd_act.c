/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands that change one job, sweep or worker: a row each, which says which request is made
 * and what is said afterwards. What kind of thing is meant follows from the form of its id; what is
 * no id of a job or sweep is a worker's, or its name.
 */
#include <stdio.h>
#include <string.h>

#include "client/cli/commands/commands.h"
#include "client/cli/output.h"
#include "client/cli/service.h"
#include "client/cli/sweep_remote.h"
#include "client/cli/view/printable.h"
#include "client/cli/view/resource.h"
#include "int8x/alloc.h"

typedef struct action {
    const char *command, *resource;
    const char *method, *tail; /* of the request: METHOD collection/ID tail */
    const char *outcome;       /* what it is then; NULL = its state in the answer */
} action;

static const action actions[] = {
    {"cancel", "job", "DELETE", "", NULL},
    {"cancel", "sweep", "DELETE", "", NULL},
    {"pause", "job", "POST", "/pause", NULL},
    {"resume", "job", "POST", "/resume", NULL},
    {"resume", "worker", "POST", "/resume", "resumed"},
    {"retry", "job", "POST", "/retry", NULL},
    {"rm", "job", "POST", "/forget", "forgotten"},
    {"rm", "sweep", "POST", "/forget", "forgotten"},
    {"drain", "worker", "POST", "/drain", "drained"},
    {"quarantine", "worker", "POST", "/quarantine", "quarantined"},
};

static const action *row_of(const char *command, const char *resource)
{
    for (int i = 0; i < I8X_COUNT(actions); i++)
        if (strcmp(actions[i].command, command) == 0 && strcmp(actions[i].resource, resource) == 0)
            return &actions[i];
    return NULL;
}

/* The row of a command for what the word names. */
static i8x_status find_action(const i8x_options *options, const action **found)
{
    const char *command = options->command->name, *word = options->positional[0];
    const char *kind = options->kind;
    if (kind == NULL && i8x_sweep_remote_is_id(word))
        kind = "sweep";
    else if (kind == NULL) /* what has no form says itself what is wrong with it */
        kind = row_of(command, "worker") != NULL && !i8x_service_is_job_id(word) ? "worker" : "job";
    const i8x_resource *resource;
    *found = row_of(command, kind);
    I8X_TRY(i8x_resource_find(kind, &resource));
    I8X_ENSURE(*found != NULL, I8X_EARG, "'%.60s' is a %s, and %s is not for %s", word, kind,
               command, resource->many);
    return I8X_OK;
}

/* ---- the request ---- */

/* A worker may be given by its name: id gets its id. */
static i8x_status find_worker(const i8x_resource *workers, i8x_remote *remote, const char *word,
                              char *id, size_t size)
{
    i8x_json *answer = NULL;
    const i8x_json *worker;
    I8X_TRY(i8x_resource_get(workers, remote, word, &answer, &worker));
    snprintf(id, size, "%s", i8x_json_member_text(worker, "id", ""));
    i8x_json_free(answer);
    return I8X_OK;
}

/* {"reason": "..."}; NULL without one. */
static i8x_status make_body(const i8x_options *options, char **text, size_t *size)
{
    const char *reason = i8x_options_get(options, "reason");
    i8x_json *json = NULL;
    if (reason == NULL)
        return I8X_OK;
    I8X_TRY(i8x_json_object(&json));
    i8x_json_put_text(json, "reason", reason);
    i8x_status status = i8x_json_print(json, false, text, size);
    i8x_json_free(json);
    return status;
}

/* {"id": "...", "forgotten": true}: the service says nothing about what is no more. */
static i8x_status make_answer(const action *what, const char *id, i8x_json **answer)
{
    I8X_TRY(i8x_json_object(answer));
    i8x_json_put_text(*answer, "id", id);
    i8x_json_put_bool(*answer, what->outcome, true);
    return I8X_OK;
}

static i8x_status send(const i8x_options *options, i8x_remote *remote, const action *what,
                       i8x_json **answer)
{
    char id[I8X_RESOURCE_ID_SIZE], path[256], *body = NULL;
    size_t size = 0;
    const i8x_resource *resource;
    I8X_TRY(i8x_resource_find(what->resource, &resource));
    if (resource->by_name)
        I8X_TRY(find_worker(resource, remote, options->positional[0], id, sizeof id));
    else
        snprintf(id, sizeof id, "%s", options->positional[0]);
    I8X_TRY(i8x_resource_path(resource, id, what->tail, path, sizeof path));
    I8X_TRY(make_body(options, &body, &size));
    i8x_status status = i8x_remote_call(remote, what->method, path, body, answer);
    if (body != NULL)
        i8x_alloc_free(i8x_alloc_heap(), body, size + 1);
    return status == I8X_OK && *answer == NULL ? make_answer(what, id, answer) : status;
}

static void tell(const action *what, const i8x_json *answer)
{
    char id[I8X_RESOURCE_ID_SIZE];
    snprintf(id, sizeof id, "%s", i8x_json_member_text(answer, "id", ""));
    printf("%s %s is %s\n", what->resource, i8x_printable(id),
           what->outcome != NULL ? what->outcome : i8x_json_member_text(answer, "state", ""));
}

static i8x_status act(const i8x_options *options)
{
    const action *what;
    i8x_remote *remote = NULL;
    i8x_json *answer = NULL;
    I8X_TRY(find_action(options, &what));
    I8X_ENSURE(!i8x_options_has(options, "reason") || strcmp(what->resource, "worker") == 0,
               I8X_EARG, "--reason is for workers, and '%.60s' is a %s", options->positional[0],
               what->resource);
    I8X_TRY(i8x_service_open(options, &remote));
    i8x_status status = send(options, remote, what, &answer);
    if (status == I8X_OK && i8x_options_has(options, "json"))
        status = i8x_output_json(answer);
    else if (status == I8X_OK)
        tell(what, answer);
    i8x_json_free(answer);
    i8x_remote_free(remote);
    return status;
}

/* ---- the commands ---- */

static const i8x_option reason_needed[] = {
    {"reason", 0, "TEXT", "why: shown with the worker, and to whoever asks why nothing runs",
     I8X_OPTION_REQUIRED},
};

static const i8x_option reason_wanted[] = {
    {"reason", 0, "TEXT", "of a worker: why, kept with the event", 0},
};

/* A command of one argument. */
#define ACTION(name, usage, sentence, options, count)                                              \
    const i8x_command i8x_cmd_##name = {#name, usage, sentence, options, count, 1, 1, false, act}

ACTION(cancel, "JOB|SWEEP", "ends a job or sweep; what it has computed stays known", NULL, 0);
ACTION(pause, "JOB", "hands out no new task of a job; what runs is finished", NULL, 0);
ACTION(resume, "JOB|WORKER [--reason TEXT]",
       "lets a paused job go on, or a drained or quarantined worker work again", reason_wanted,
       I8X_COUNT(reason_wanted));
ACTION(retry, "JOB", "runs a job that failed or was canceled again, from what it has computed",
       NULL, 0);
ACTION(rm, "JOB|SWEEP", "forgets a job that has ended, or a sweep with the jobs of its trials",
       NULL, 0);
ACTION(drain, "WORKER --reason TEXT", "gives a worker no new task; what it does it may finish",
       reason_needed, I8X_COUNT(reason_needed));
ACTION(quarantine, "WORKER --reason TEXT",
       "trusts nothing that a worker says or has said; its results are computed again",
       reason_needed, I8X_COUNT(reason_needed));
