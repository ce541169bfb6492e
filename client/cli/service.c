/* SPDX-License-Identifier: Apache-2.0
 *
 * A job is watched by long polls: the service answers when the job's version changes. A service
 * that is being restarted is waited for.
 */
#include "client/cli/service.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/cli/context.h"
#include "client/cli/progress.h"
#include "client/cli/sweep_remote.h"

#define POLL_S 20
#define AWAY_TRIES 60 /* seconds that a service may be away while a job is watched */

i8x_status i8x_service_open(const i8x_options *options, i8x_remote **remote)
{
    i8x_context target;
    I8X_TRY(i8x_context_of(options, &target));
    i8x_remote_opts opts = {.url = target.values[I8X_CONTEXT_SERVER],
                            .token_path = target.values[I8X_CONTEXT_TOKEN_FILE],
                            .ca_path = target.values[I8X_CONTEXT_CA_FILE]};
    return i8x_remote_new(&opts, remote);
}

i8x_status i8x_service_job_path(const char *id, const char *tail, char *path, size_t size)
{
    I8X_ENSURE(
        !i8x_sweep_remote_is_id(id), I8X_EARG,
        "'%.60s' is a sweep; `int8x describe sweep %.60s -o wide` lists the jobs of its trials", id,
        id);
    I8X_ENSURE(*id != 0 && strlen(id) < 64 &&
                   strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz") == strlen(id),
               I8X_EARG, "'%.60s' is no job id; `int8x jobs` lists them", id);
    snprintf(path, size, "/v1/jobs/%s%s", id, tail);
    return I8X_OK;
}

bool i8x_service_is_job_id(const char *text)
{
    return text[0] == 'j' && strlen(text) == 17 && strspn(text + 1, "0123456789abcdef") == 16;
}

/* True, after a second, if it makes sense to ask again. */
static bool wait_away(i8x_status status, int tries)
{
    if ((status != I8X_EUNREACHABLE && status != I8X_EBUSY) || tries >= AWAY_TRIES)
        return false;
    struct timespec second = {1, 0};
    nanosleep(&second, NULL);
    return true;
}

i8x_status i8x_service_poll(i8x_remote *remote, const char *path, i8x_json **answer)
{
    i8x_status status;
    int tries = 0;
    do
        status = i8x_remote_call(remote, "GET", path, NULL, answer);
    while (wait_away(status, tries++));
    return status;
}

static i8x_status make_key(const i8x_options *options, char *key, size_t size_bytes)
{
    uint8_t random[16];
    const char *given = i8x_options_get(options, I8X_OPTION_KEY);
    snprintf(key, size_bytes, "%s", given != NULL ? given : "");
    if (given != NULL)
        return I8X_OK;
    I8X_TRY(i8x_digest_random(random, sizeof random));
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(key + 2 * i, size_bytes - 2 * i, "%02x", random[i]);
    return I8X_OK;
}

i8x_status i8x_service_post(const i8x_options *options, i8x_remote *remote, const char *path,
                            const char *body, i8x_json **answer)
{
    char key[I8X_REMOTE_KEY_MAX + 2];
    i8x_status status;
    int tries = 0;
    I8X_TRY(make_key(options, key, sizeof key));
    do
        status = i8x_remote_post_once(remote, path, key, body, answer);
    while (wait_away(status, tries++));
    if (status == I8X_EUNREACHABLE || status == I8X_EBUSY)
        return i8x_fail_prefix("it is not known whether it was taken; the same command with "
                               "--" I8X_OPTION_KEY " %s asks again: ",
                               key);
    return status;
}

bool i8x_service_job_ended(const i8x_json *job)
{
    static const char *const ends[] = {"done", "failed", "canceled"};
    for (int i = 0; i < I8X_COUNT(ends); i++)
        if (strcmp(i8x_json_member_text(job, "state", ""), ends[i]) == 0)
            return true;
    return false;
}

i8x_status i8x_service_wait(i8x_remote *remote, const char *id, double version, i8x_json **job)
{
    char path[160], tail[64];
    snprintf(tail, sizeof tail, "?wait=%d&version=%.0f", POLL_S, version);
    I8X_TRY(i8x_service_job_path(id, tail, path, sizeof path));
    return i8x_service_poll(remote, path, job);
}

static i8x_status outcome(const i8x_json *job)
{
    const char *state = i8x_json_member_text(job, "state", "");
    if (strcmp(state, "done") == 0)
        return I8X_OK;
    static const char prefix[] = "urn:int8x:status:";
    const i8x_json *error = i8x_json_member(job, "error");
    const char *type = i8x_json_member_text(error, "type", "");
    i8x_status status = strncmp(type, prefix, sizeof prefix - 1) == 0
                            ? i8x_status_from_name(type + sizeof prefix - 1)
                            : I8X_EINTERNAL;
    if (status == I8X_OK || status == I8X_STATUS_COUNT)
        status = I8X_EINTERNAL;
    I8X_FAIL(status, "%s",
             i8x_json_member_text(error, "detail", "the job failed without a reason"));
}

static void show_progress(i8x_progress *progress, const i8x_json *job)
{
    const char *stage = i8x_json_member_text(job, "stage", "");
    const char *state = i8x_json_member_text(job, "state", "");
    bool runs = strcmp(state, "running") == 0 && stage[0] != 0;
    i8x_progress_show(progress, runs ? stage : state, (int)i8x_json_member_number(job, "done", 0),
                      (int)i8x_json_member_number(job, "tasks", 0));
}

i8x_status i8x_service_watch(const i8x_options *options, i8x_remote *remote, const char *id,
                             i8x_json **last)
{
    i8x_progress progress;
    i8x_progress_init(&progress, i8x_options_has(options, "json"));
    i8x_json *job = NULL;
    i8x_status status = i8x_service_wait(remote, id, 0, &job);
    while (status == I8X_OK) {
        show_progress(&progress, job);
        if (i8x_service_job_ended(job))
            break;
        double version = i8x_json_member_number(job, "version", 0);
        i8x_json_free(job);
        job = NULL;
        status = i8x_service_wait(remote, id, version, &job);
    }
    i8x_progress_end(&progress);
    if (status == I8X_OK)
        status = outcome(job);
    if (status == I8X_OK && last != NULL)
        *last = job;
    else
        i8x_json_free(job);
    return status;
}
