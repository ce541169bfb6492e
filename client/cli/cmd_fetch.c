/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x fetch: the quantized model and the report of a job that is done, checked against their
 * digests; the report is shown as a table.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/commands.h"
#include "client/cli/job_report.h"
#include "client/cli/output.h"
#include "client/cli/service.h"
#include "int8x/alloc.h"
#include "int8x/file.h"

#define PATH_SIZE 4096

static const i8x_option fetch_options[] = {
    {"output", 'o', "DIR", "folder for the model and report.json (made if it is not there)",
     I8X_OPTION_REQUIRED},
};

/* mbv2.onnx -> DIR/mbv2.int8.onnx; names come from the service, so only their last part counts. */
static i8x_status artifact_path(const char *folder, const char *name, char *path)
{
    const char *slash = strrchr(name, '/'), *last = slash != NULL ? slash + 1 : name;
    const char *dot = strrchr(last, '.');
    int stem = dot != NULL && dot != last ? (int)(dot - last) : (int)strlen(last);
    int used = snprintf(path, PATH_SIZE, "%s/%.*s.int8.onnx", folder, stem > 0 ? stem : 5,
                        stem > 0 ? last : "model");
    I8X_ENSURE(used > 0 && used < PATH_SIZE, I8X_EARG, "the path '%.60s...' is too long", folder);
    return I8X_OK;
}

static i8x_status fetch_report(i8x_remote *remote, const char *id, const char *folder, bool show)
{
    char resource[128], path[PATH_SIZE];
    char *text = NULL;
    size_t size = 0;
    int used = snprintf(path, sizeof path, "%s/report.json", folder);
    I8X_ENSURE(used > 0 && used < PATH_SIZE, I8X_EARG, "the path '%.60s...' is too long", folder);
    I8X_TRY(i8x_service_job_path(id, "/report", resource, sizeof resource));
    I8X_TRY(i8x_remote_text(remote, resource, &text, &size));
    i8x_status status = i8x_file_write_atomic(path, text, size);
    if (status == I8X_OK && show)
        status = i8x_job_report_show(remote, text, size);
    i8x_alloc_free(i8x_alloc_heap(), text, size + 1);
    return status;
}

static i8x_status fetch_job(const i8x_options *options, i8x_remote *remote, i8x_json **job)
{
    const char *id = options->positional[0], *folder = i8x_options_get(options, "output");
    char resource[128], path[PATH_SIZE];
    i8x_digest digest;
    I8X_TRY(i8x_service_job_path(id, "", resource, sizeof resource));
    I8X_TRY(i8x_remote_call(remote, "GET", resource, NULL, job));
    const char *state = i8x_json_member_text(*job, "state", "");
    bool ended = i8x_service_job_ended(*job);
    I8X_ENSURE(strcmp(state, "done") == 0, ended ? I8X_ENOENT : I8X_EBUSY,
               "job %s is %s and has no model%s%s", id, state, ended ? ": " : " yet",
               i8x_json_member_text(i8x_json_member(*job, "error"), "detail", ""));
    I8X_TRY(i8x_digest_from_hex(i8x_json_member_text(*job, "artifact_sha256", ""), &digest));
    I8X_ENSURE(mkdir(folder, 0777) == 0 || errno == EEXIST, I8X_EIO, "'%s' cannot be made: %s",
               folder, strerror(errno));
    I8X_TRY(artifact_path(folder, i8x_json_member_text(*job, "name", "model"), path));
    I8X_TRY(i8x_service_job_path(id, "/artifact", resource, sizeof resource));
    I8X_TRY(i8x_remote_download(remote, resource, &digest, path));
    bool show = !i8x_options_has(options, "json");
    I8X_TRY(fetch_report(remote, id, folder, show));
    if (show)
        printf("%s\n%s/report.json\n", path, folder);
    return I8X_OK;
}

static i8x_status fetch(const i8x_options *options)
{
    i8x_remote *remote = NULL;
    i8x_json *job = NULL;
    I8X_TRY(i8x_service_open(options, &remote));
    i8x_status status = fetch_job(options, remote, &job);
    if (status == I8X_OK && i8x_options_has(options, "json"))
        status = i8x_output_json(job);
    i8x_json_free(job);
    i8x_remote_free(remote);
    return status;
}

const i8x_command i8x_cmd_fetch = {"fetch",
                                   "JOB -o DIR",
                                   "gets the model and the report of a job",
                                   fetch_options,
                                   I8X_COUNT(fetch_options),
                                   1,
                                   1,
                                   false,
                                   fetch};
