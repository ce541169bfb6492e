/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x submit: sends the files that the service does not have, then the job. The job's id is the
 * last line of standard output.
 */
#include <stdio.h>
#include <string.h>

#include "client/cli/commands/commands.h"
#include "client/cli/detach.h"
#include "client/cli/output.h"
#include "client/cli/service.h"
#include "client/cli/upload.h"
#include "client/cli/view/printable.h"
#include "int8x/alloc.h"

static const i8x_option submit_options[] = {
    I8X_OPTIONS_JOB,
    {I8X_OPTION_KEY, 0, "KEY",
     "the same key gives the same job, however often it is submitted (made anew for each command)",
     0},
    {"priority", 0, "N", "0 to 9: tasks of a higher one go first (5)", 0},
    {"wait", 'w', NULL, "wait until the job has ended; its failure is this command's", 0},
};

/* The request's body: the job as the service's JSON has it, and how it is to be treated. */
static i8x_status body_of(const i8x_options *options, const i8x_job *job, char **text, size_t *size)
{
    long priority;
    i8x_json *body = NULL;
    I8X_TRY(i8x_options_int(options, "priority", 0, 9, 5, &priority));
    I8X_TRY(i8x_json_object(&body));
    i8x_status status = i8x_upload_put_job(body, job, true);
    if (i8x_options_has(options, "priority"))
        i8x_json_put_number(body, "priority", (double)priority);
    if (status == I8X_OK)
        status = i8x_json_print(body, false, text, size);
    i8x_json_free(body);
    return status;
}

static i8x_status post_job(const i8x_options *options, i8x_remote *remote, const i8x_job *job,
                           i8x_json **answer)
{
    char *text = NULL;
    size_t size = 0;
    I8X_TRY(body_of(options, job, &text, &size));
    i8x_status status = i8x_service_post(options, remote, "/v1/jobs", text, answer);
    i8x_alloc_free(i8x_alloc_heap(), text, size + 1);
    return status;
}

/* What the service thinks of the job: that no worker there can do it, for example. */
static void show_warnings(const i8x_json *answer)
{
    char text[1024];
    const i8x_json *warnings = i8x_json_member(answer, "warnings");
    for (int i = 0; i < i8x_json_count(warnings); i++) {
        const char *warning = i8x_json_text(i8x_json_item(warnings, i));
        snprintf(text, sizeof text, "%s", warning != NULL ? warning : "");
        fprintf(stderr, "warning: %s\n", i8x_printable(text));
    }
}

/* Waits for the job; Ctrl-C leaves it to the service and gives its id. */
static i8x_status wait_for(const i8x_options *options, i8x_remote *remote, const char *id,
                           i8x_json **last)
{
    char result[128];
    bool json = i8x_options_has(options, "json");
    snprintf(result, sizeof result, json ? "{\"id\": \"%s\", \"detached\": true}\n" : "%s\n", id);
    if (!json)
        fprintf(stderr, "job %s\n", id);
    i8x_detach_arm(options, "job", id, result);
    i8x_status status = i8x_service_watch(options, remote, id, last);
    i8x_detach_disarm();
    return status;
}

static i8x_status submit_and_wait(const i8x_options *options, i8x_remote *remote)
{
    i8x_job *job = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *job);
    I8X_TRY(i8x_alloc_check(job));
    i8x_json *answer = NULL;
    i8x_status status = i8x_options_recipe(options, &job->recipe);
    if (status == I8X_OK)
        status = i8x_upload_job(options, remote, options->positional[0], job);
    if (status == I8X_OK)
        status = post_job(options, remote, job, &answer);
    i8x_alloc_free(i8x_alloc_heap(), job, sizeof *job);
    I8X_TRY(status);
    char id[64];
    bool json = i8x_options_has(options, "json");
    snprintf(id, sizeof id, "%s", i8x_json_member_text(answer, "id", ""));
    if (!json)
        show_warnings(answer);
    if (i8x_options_has(options, "wait")) {
        i8x_json_free(answer);
        answer = NULL;
        status = wait_for(options, remote, id, &answer);
    }
    if (status == I8X_OK && json)
        status = i8x_output_json(answer);
    if (!json)
        printf("%s\n", id);
    i8x_json_free(answer);
    return status;
}

static i8x_status submit(const i8x_options *options)
{
    i8x_remote *remote = NULL;
    I8X_TRY(i8x_service_open(options, &remote));
    i8x_status status = submit_and_wait(options, remote);
    i8x_remote_free(remote);
    return status;
}

const i8x_command i8x_cmd_submit = {
    "submit",
    "MODEL --calib X.npy [--eval X.npy --labels Y.npy] [--recipe "
    "R.json] [--set KEY=VALUE] [--target T] [--priority N] [--wait]",
    "sends a job to the service and prints its id",
    submit_options,
    I8X_COUNT(submit_options),
    1,
    1,
    true,
    submit};
