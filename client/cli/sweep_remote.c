/* SPDX-License-Identifier: Apache-2.0
 *
 * The specification is checked here first, so that a mistake is told before anything is sent.
 */
#include "client/cli/sweep_remote.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "client/cli/progress.h"
#include "client/cli/service.h"
#include "int8x/alloc.h"
#include "int8x/file.h"

#define PATH_SIZE 4200
#define POLL_MS 500

static i8x_status read_spec(const char *path, i8x_json **spec)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    int count;
    i8x_sweep checked;
    i8x_arena *arena = NULL;
    I8X_TRY(i8x_file_read_all(NULL, path, I8X_JSON_REQUEST_MAX, &bytes, &size));
    i8x_status status = i8x_json_parse((const char *)bytes, size, spec);
    i8x_alloc_free(i8x_alloc_heap(), bytes, size + 1);
    if (status == I8X_OK)
        status = i8x_arena_new(NULL, 0, &arena);
    if (status == I8X_OK)
        status = i8x_json_to_sweep(*spec, arena, &checked, &count);
    i8x_arena_free(arena);
    return status == I8X_OK ? I8X_OK : i8x_fail_prefix("%s: ", path);
}

static i8x_status put_blob(i8x_remote *remote, const char *path, const char *role, i8x_json *job)
{
    i8x_blob_ref ref;
    if (path == NULL)
        return I8X_OK;
    I8X_TRY(i8x_remote_upload(remote, path, &ref, NULL));
    i8x_json *json = i8x_json_put_object(job, role);
    i8x_json_put_digest(json, "sha256", &ref.digest);
    i8x_json_put_u64(json, "size_bytes", ref.size_bytes);
    return I8X_OK;
}

static i8x_status make_body(const i8x_options *options, i8x_remote *remote, const i8x_json *spec,
                            i8x_json *body)
{
    const char *model = options->positional[1], *slash = strrchr(model, '/');
    const char *metric = i8x_options_get(options, "metric");
    i8x_json *job = i8x_json_put_object(body, "job");
    i8x_json_put_text(job, "name", slash != NULL ? slash + 1 : model);
    I8X_TRY(put_blob(remote, model, "model", job));
    I8X_TRY(put_blob(remote, i8x_options_get(options, "calib"), "calib", job));
    I8X_TRY(put_blob(remote, i8x_options_get(options, "eval"), "eval", job));
    I8X_TRY(put_blob(remote, i8x_options_get(options, "labels"), "labels", job));
    i8x_json_put_copy(body, "sweep", spec);
    i8x_json_put_text(body, "metric", metric != NULL ? metric : "sqnr");
    return I8X_OK;
}

static i8x_status submit(const i8x_options *options, i8x_remote *remote, i8x_json **answer)
{
    i8x_json *spec = NULL, *body = NULL;
    char *text = NULL;
    size_t size = 0;
    i8x_status status = read_spec(options->positional[0], &spec);
    if (status == I8X_OK)
        status = i8x_json_object(&body);
    if (status == I8X_OK)
        status = make_body(options, remote, spec, body);
    if (status == I8X_OK)
        status = i8x_json_print(body, false, &text, &size);
    i8x_json_free(spec);
    i8x_json_free(body);
    I8X_TRY(status);
    status = i8x_remote_call(remote, "POST", "/v1/sweeps", text, answer);
    i8x_alloc_free(i8x_alloc_heap(), text, size + 1);
    return status;
}

static i8x_status watch(const i8x_options *options, i8x_remote *remote, const char *path,
                        i8x_json **sweep)
{
    const struct timespec pause = {0, POLL_MS * 1000000l};
    i8x_progress progress;
    i8x_progress_init(&progress, i8x_options_has(options, "json"));
    i8x_status status;
    while ((status = i8x_service_poll(remote, path, sweep)) == I8X_OK) {
        i8x_progress_show(&progress, "trials", (int)i8x_json_member_number(*sweep, "done", 0),
                          (int)i8x_json_member_number(*sweep, "count", 0));
        if (strcmp(i8x_json_member_text(*sweep, "state", ""), "running") != 0)
            break;
        i8x_json_free(*sweep);
        *sweep = NULL;
        nanosleep(&pause, NULL);
    }
    i8x_progress_end(&progress);
    return status;
}

static i8x_status fetch_best(const i8x_options *options, i8x_remote *remote, const i8x_json *sweep)
{
    char path[PATH_SIZE], resource[128];
    double best;
    i8x_digest digest;
    const char *folder = i8x_options_get(options, "output");
    I8X_ENSURE(strlen(folder) < PATH_SIZE - 128, I8X_EARG, "the path of the output is too long");
    I8X_ENSURE(mkdir(folder, 0755) == 0 || errno == EEXIST, I8X_EIO, "'%s' cannot be made: %s",
               folder, strerror(errno));
    if (!i8x_json_number(i8x_json_member(sweep, "best"), &best))
        return I8X_OK;
    const i8x_json *trial = i8x_json_item(i8x_json_member(sweep, "trials"), (int)best);
    I8X_TRY(i8x_digest_from_hex(i8x_json_member_text(trial, "artifact_sha256", ""), &digest));
    I8X_TRY(i8x_service_job_path(i8x_json_member_text(trial, "job", ""), "/artifact", resource,
                                 sizeof resource));
    snprintf(path, sizeof path, "%s/best.int8.onnx", folder);
    return i8x_remote_download(remote, resource, &digest, path);
}

static i8x_status run(const i8x_options *options, i8x_remote *remote, i8x_json **sweep)
{
    char path[128];
    i8x_json *answer = NULL;
    I8X_TRY(submit(options, remote, &answer));
    snprintf(path, sizeof path, "/v1/sweeps/%.64s", i8x_json_member_text(answer, "id", ""));
    const char *id = path + strlen("/v1/sweeps/");
    i8x_json_free(answer);
    if (i8x_options_has(options, "detach")) {
        printf("%s\n", id);
        return I8X_OK;
    }
    if (!i8x_options_has(options, "json"))
        fprintf(stderr, "sweep %s\n", id); /* it goes on if this command ends */
    I8X_TRY(watch(options, remote, path, sweep));
    return fetch_best(options, remote, *sweep);
}

i8x_status i8x_sweep_remote_run(const i8x_options *options, i8x_json **sweep)
{
    i8x_remote *remote = NULL;
    *sweep = NULL;
    I8X_TRY(i8x_service_open(options, &remote));
    i8x_status status = run(options, remote, sweep);
    i8x_remote_free(remote);
    return status;
}
