/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweep on the service: see sweep_remote.h. Its state is asked for once a second: a sweep lasts
 * minutes and has no long poll of its own.
 */
#include "client/cli/sweep_remote.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "client/cli/detach.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/service.h"
#include "client/cli/sweep_view.h"
#include "client/cli/upload.h"
#include "client/cli/view/resource.h"
#include "int8x/alloc.h"
#include "int8x/file.h"
#include "int8x/sweep.h"

#define PATH_SIZE 4200

i8x_status i8x_sweep_remote_spec(const char *path, i8x_json **spec)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    I8X_TRY(i8x_file_read_all(NULL, path, I8X_JSON_REQUEST_MAX, &bytes, &size));
    i8x_status status = i8x_json_parse((const char *)bytes, size, spec);
    i8x_alloc_free(i8x_alloc_heap(), bytes, size + 1);
    return status == I8X_OK ? I8X_OK : i8x_fail_prefix("%s: ", path);
}

bool i8x_sweep_remote_is_id(const char *id)
{
    return id[0] == 's' && strlen(id) == 17 && strspn(id + 1, "0123456789abcdef") == 16;
}

bool i8x_sweep_remote_is_meant(const i8x_options *options)
{
    return options->kind != NULL ? strcmp(options->kind, "sweep") == 0
                                 : i8x_sweep_remote_is_id(options->positional[0]);
}

static i8x_status sweep_path(const char *id, char *path, size_t size)
{
    const i8x_resource *sweeps;
    I8X_TRY(i8x_resource_find("sweeps", &sweeps));
    return i8x_resource_path(sweeps, id, "", path, size);
}

/* ---- sending ---- */

/* What is wrong with the spec is said before anything is sent. */
static i8x_status check_spec(const char *path, const i8x_json *spec)
{
    i8x_arena *arena = NULL;
    i8x_sweep sweep;
    int count;
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    i8x_status status = i8x_json_to_sweep(spec, arena, &sweep, &count);
    i8x_arena_free(arena);
    return status == I8X_OK ? I8X_OK : i8x_fail_prefix("%s: ", path);
}

static i8x_status put_body(const i8x_options *options, i8x_remote *remote, const i8x_json *spec,
                           i8x_json *body)
{
    i8x_sweep_metric metric = I8X_SWEEP_METRIC_SQNR;
    if (i8x_options_has(options, "metric"))
        I8X_TRY(i8x_sweep_metric_parse(i8x_options_get(options, "metric"), &metric));
    i8x_job *job = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *job);
    I8X_TRY(i8x_alloc_check(job));
    i8x_status status = i8x_upload_job(options, remote, options->positional[1], job);
    if (status == I8X_OK)
        status = i8x_upload_put_job(i8x_json_put_object(body, "job"), job, false);
    i8x_alloc_free(i8x_alloc_heap(), job, sizeof *job);
    i8x_json_put_copy(body, "sweep", spec);
    i8x_json_put_text(body, "metric", i8x_sweep_metric_name(metric));
    return status;
}

static i8x_status post(const i8x_options *options, i8x_remote *remote, const i8x_json *body,
                       char *id, size_t size)
{
    char *text = NULL;
    size_t length = 0;
    i8x_json *answer = NULL;
    I8X_TRY(i8x_json_print(body, false, &text, &length));
    i8x_status status = i8x_service_post(options, remote, "/v1/sweeps", text, &answer);
    i8x_alloc_free(i8x_alloc_heap(), text, length + 1);
    if (status == I8X_OK)
        snprintf(id, size, "%s", i8x_json_member_text(answer, "id", ""));
    i8x_json_free(answer);
    return status;
}

static i8x_status submit(const i8x_options *options, i8x_remote *remote, char *id, size_t size)
{
    i8x_json *spec = NULL, *body = NULL;
    const char *path = options->positional[0];
    I8X_TRY(i8x_sweep_remote_spec(path, &spec));
    i8x_status status = check_spec(path, spec);
    if (status == I8X_OK)
        status = i8x_json_object(&body);
    if (status == I8X_OK)
        status = put_body(options, remote, spec, body);
    if (status == I8X_OK)
        status = post(options, remote, body, id, size);
    i8x_json_free(body);
    i8x_json_free(spec);
    return status;
}

/* ---- waiting ---- */

i8x_status i8x_sweep_remote_watch(const i8x_options *options, i8x_remote *remote, const char *id,
                                  i8x_json **last)
{
    char path[128];
    const struct timespec second = {1, 0};
    i8x_progress progress;
    i8x_json *sweep = NULL;
    I8X_TRY(sweep_path(id, path, sizeof path));
    i8x_progress_init(&progress, i8x_options_has(options, "json"));
    i8x_status status = i8x_service_poll(remote, path, &sweep);
    while (status == I8X_OK) {
        i8x_progress_show(&progress, "trials", (int)i8x_json_member_number(sweep, "done", 0),
                          (int)i8x_json_member_number(sweep, "count", 0));
        if (i8x_service_job_ended(sweep))
            break;
        i8x_json_free(sweep);
        sweep = NULL;
        nanosleep(&second, NULL);
        status = i8x_service_poll(remote, path, &sweep);
    }
    i8x_progress_end(&progress);
    const char *state = i8x_json_member_text(sweep, "state", "");
    if (status == I8X_OK && strcmp(state, "done") != 0)
        status = i8x_fail(I8X_ECANCELED, __FILE__, __LINE__, "sweep %s is %s", id, state);
    if (status == I8X_OK && last != NULL)
        *last = sweep;
    else
        i8x_json_free(sweep);
    return status;
}

/* ---- files ---- */

static i8x_status fetch_best(i8x_remote *remote, const i8x_json *sweep, const char *folder)
{
    double best;
    char path[PATH_SIZE], resource[128];
    i8x_digest digest;
    if (!i8x_json_number(i8x_json_member(sweep, "best"), &best))
        return I8X_OK;
    const i8x_json *trial = i8x_json_item(i8x_json_member(sweep, "trials"), (int)best);
    I8X_TRY(i8x_digest_from_hex(i8x_json_member_text(trial, "artifact_sha256", ""), &digest));
    I8X_TRY(i8x_service_job_path(i8x_json_member_text(trial, "job", ""), "/artifact", resource,
                                 sizeof resource));
    int used = snprintf(path, sizeof path, "%s/best.int8.onnx", folder);
    I8X_ENSURE(used > 0 && (size_t)used < sizeof path, I8X_EARG, "the path '%.60s...' is too long",
               folder);
    return i8x_remote_download(remote, resource, &digest, path);
}

i8x_status i8x_sweep_remote_fetch(i8x_remote *remote, const i8x_json *sweep, const char *folder)
{
    I8X_ENSURE(mkdir(folder, 0777) == 0 || errno == EEXIST, errno == ENOENT ? I8X_ENOENT : I8X_EIO,
               "'%s' cannot be made: %s", folder, strerror(errno));
    I8X_TRY(i8x_sweep_view_files(sweep, folder));
    return fetch_best(remote, sweep, folder);
}

static i8x_status wait_and_fetch(const i8x_options *options, i8x_remote *remote, const char *id)
{
    i8x_json *sweep = NULL;
    if (!i8x_options_has(options, "json"))
        fprintf(stderr, "sweep %s\n", id);
    i8x_detach_arm(options, "sweep", id, NULL);
    i8x_status status = i8x_sweep_remote_watch(options, remote, id, &sweep);
    i8x_detach_disarm();
    if (status == I8X_OK)
        status = i8x_sweep_remote_fetch(remote, sweep, i8x_options_get(options, "output"));
    if (status == I8X_OK)
        status = i8x_sweep_view_show(sweep, options);
    i8x_json_free(sweep);
    return status;
}

static i8x_status show_id(const i8x_options *options, const char *id)
{
    i8x_json *json = NULL;
    if (!i8x_options_has(options, "json")) {
        printf("%s\n", id);
        return I8X_OK;
    }
    I8X_TRY(i8x_json_object(&json));
    i8x_json_put_text(json, "id", id);
    i8x_status status = i8x_output_json(json);
    i8x_json_free(json);
    return status;
}

i8x_status i8x_sweep_remote(const i8x_options *options)
{
    char id[64];
    i8x_remote *remote = NULL;
    I8X_TRY(i8x_service_open(options, &remote));
    i8x_status status = submit(options, remote, id, sizeof id);
    if (status == I8X_OK)
        status = i8x_options_has(options, "detach") ? show_id(options, id)
                                                    : wait_and_fetch(options, remote, id);
    i8x_remote_free(remote);
    return status;
}
