/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x fetch: the quantized model and the report of a job that is done, checked against their
 * digests; the report is shown as a table. Of a sweep: its files and the model of its best trial.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/commands/commands.h"
#include "client/cli/job_report.h"
#include "client/cli/output.h"
#include "client/cli/service.h"
#include "client/cli/sweep_remote.h"
#include "client/cli/sweep_view.h"
#include "client/cli/view/resource.h"
#include "int8x/alloc.h"
#include "int8x/file.h"

#define PATH_SIZE 4096

static const i8x_option fetch_options[] = {
    {"output", 'o', "DIR", "folder for model and report (made if it is not there)",
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

static i8x_status fetch_sweep(const i8x_options *options, i8x_remote *remote, i8x_json **sweep)
{
    const i8x_resource *sweeps;
    const i8x_json *object;
    const char *id = options->positional[0], *folder = i8x_options_get(options, "output");
    I8X_TRY(i8x_resource_find("sweeps", &sweeps));
    I8X_TRY(i8x_resource_get(sweeps, remote, id, sweep, &object));
    I8X_ENSURE(i8x_service_job_ended(object), I8X_EBUSY, "sweep %s still runs: int8x watch %s", id,
               id);
    I8X_TRY(i8x_sweep_remote_fetch(remote, object, folder));
    return i8x_options_has(options, "json") ? I8X_OK : i8x_sweep_view_print(object, false);
}

static i8x_status fetch(const i8x_options *options)
{
    i8x_remote *remote = NULL;
    i8x_json *answer = NULL;
    I8X_TRY(i8x_service_open(options, &remote));
    i8x_status status = i8x_sweep_remote_is_meant(options) ? fetch_sweep(options, remote, &answer)
                                                           : fetch_job(options, remote, &answer);
    if (status == I8X_OK && i8x_options_has(options, "json"))
        status = i8x_output_json(answer);
    i8x_json_free(answer);
    i8x_remote_free(remote);
    return status;
}

const i8x_command i8x_cmd_fetch = {"fetch",
                                   "JOB|SWEEP -o DIR",
                                   "gets model and report of a job, or what a sweep has found",
                                   fetch_options,
                                   I8X_COUNT(fetch_options),
                                   1,
                                   1,
                                   false,
                                   fetch};
