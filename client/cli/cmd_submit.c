/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x submit: sends the files that the service does not have, then the job. The job's id is the
 * last line of standard output.
 */
#include <stdio.h>
#include <string.h>

#include "client/cli/commands.h"
#include "client/cli/detach.h"
#include "client/cli/output.h"
#include "client/cli/service.h"
#include "int8x/alloc.h"

static const i8x_option submit_options[] = {
    I8X_OPTIONS_JOB,
    {"wait", 'w', NULL, "wait until the job has ended; its failure is this command's", 0},
};

static i8x_status send_file(const i8x_options *options, i8x_remote *remote, const char *path,
                            i8x_blob_ref *ref)
{
    bool sent = false;
    if (path == NULL)
        return I8X_OK;
    I8X_TRY(i8x_remote_upload(remote, path, ref, &sent));
    if (!i8x_options_has(options, "json"))
        fprintf(stderr, "%s %s (%llu bytes)\n", sent ? "sent" : "known", path,
                (unsigned long long)ref->size_bytes);
    return I8X_OK;
}

static i8x_status fill_job(const i8x_options *options, i8x_remote *remote, i8x_job *job)
{
    const char *model = options->positional[0], *slash = strrchr(model, '/');
    snprintf(job->name, sizeof job->name, "%.127s", slash != NULL ? slash + 1 : model);
    I8X_TRY(i8x_options_recipe(options, &job->recipe));
    I8X_TRY(i8x_recipe_check(&job->recipe));
    I8X_TRY(send_file(options, remote, model, &job->model));
    I8X_TRY(send_file(options, remote, i8x_options_get(options, "calib"), &job->calib));
    I8X_TRY(send_file(options, remote, i8x_options_get(options, "eval"), &job->eval));
    return send_file(options, remote, i8x_options_get(options, "labels"), &job->labels);
}

/* The request is the job itself, as the service's JSON has it. */
static i8x_status post_job(i8x_remote *remote, const i8x_job *job, i8x_json **answer)
{
    i8x_json *root = NULL;
    char *text = NULL;
    size_t size = 0;
    I8X_TRY(i8x_json_object(&root));
    i8x_json_put_job(root, "job", job);
    i8x_status status = i8x_json_print(root, false, &text, &size);
    i8x_json_free(root);
    I8X_TRY(status);
    static const char open[] = "{\"job\":"; /* the member's value is the request's body */
    I8X_ASSERT(size > sizeof open && strncmp(text, open, sizeof open - 1) == 0);
    text[size - 1] = 0;
    status = i8x_remote_call(remote, "POST", "/v1/jobs", text + sizeof open - 1, answer);
    i8x_alloc_free(i8x_alloc_heap(), text, size + 1);
    return status;
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
    i8x_detach_arm(options, id, result);
    i8x_status status = i8x_service_watch(options, remote, id, last);
    i8x_detach_disarm();
    return status;
}

static i8x_status submit_and_wait(const i8x_options *options, i8x_remote *remote)
{
    i8x_job *job = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *job);
    I8X_TRY(i8x_alloc_check(job));
    i8x_json *answer = NULL;
    i8x_status status = fill_job(options, remote, job);
    if (status == I8X_OK)
        status = post_job(remote, job, &answer);
    i8x_alloc_free(i8x_alloc_heap(), job, sizeof *job);
    I8X_TRY(status);
    char id[64];
    bool json = i8x_options_has(options, "json");
    snprintf(id, sizeof id, "%s", i8x_json_member_text(answer, "id", ""));
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

const i8x_command i8x_cmd_submit = {"submit",
                                    "MODEL --calib X.npy [--eval X.npy --labels Y.npy] [--recipe "
                                    "R.json] [--set KEY=VALUE] [--target T] [--wait]",
                                    "sends a job to the service and prints its id",
                                    submit_options,
                                    I8X_COUNT(submit_options),
                                    1,
                                    1,
                                    true,
                                    submit};
