/* SPDX-License-Identifier: Apache-2.0
 *
 * One task's inputs at a time: failures that come while a check runs belong to the same trouble or
 * come again with the task's next attempt.
 */
#include "daemon/scrub.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "int8x/alloc.h"

typedef struct scrub_work {
    uv_work_t work;
    i8x_daemon *daemon;
    int count;
    struct {
        i8x_digest digest;
        int fd;
        bool damaged, good;
    } files[I8X_TASK_INPUTS_MAX];
} scrub_work;

void i8x_scrub_found(i8x_daemon *daemon, const i8x_digest *digest)
{
    char hex[I8X_DIGEST_HEX_SIZE];
    i8x_digest_to_hex(digest, hex);
    if (i8x_store_set_aside(daemon->store, digest) != I8X_OK)
        return; /* another reader was faster */
    daemon->metrics.blobs_damaged++;
    i8x_log(I8X_LOG_ERROR, "blob_damaged", "blob=%s", hex);
}

static void check_files(uv_work_t *work)
{
    scrub_work *scrub = work->data;
    for (int i = 0; i < scrub->count; i++) {
        i8x_status status = i8x_store_check(&scrub->files[i].digest, scrub->files[i].fd);
        scrub->files[i].good = status == I8X_OK;
        scrub->files[i].damaged = status == I8X_ECORRUPT || status == I8X_EIO;
    }
}

static void files_checked(uv_work_t *work, int canceled)
{
    (void)canceled;
    scrub_work *scrub = work->data;
    i8x_daemon *daemon = scrub->daemon;
    for (int i = 0; i < scrub->count; i++) {
        if (scrub->files[i].good)
            i8x_store_seal(daemon->store, &scrub->files[i].digest, scrub->files[i].fd);
        close(scrub->files[i].fd);
        if (scrub->files[i].damaged)
            i8x_scrub_found(daemon, &scrub->files[i].digest);
    }
    daemon->pending--;
    daemon->scrubbing = false;
    i8x_alloc_free(i8x_alloc_heap(), scrub, sizeof *scrub);
}

void i8x_scrub_task(i8x_daemon *daemon, const i8x_task *task)
{
    scrub_work *scrub =
        daemon->scrubbing ? NULL : i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *scrub);
    if (scrub == NULL)
        return;
    scrub->daemon = daemon;
    scrub->work.data = scrub;
    for (int i = 0; i < task->input_count && i < I8X_TASK_INPUTS_MAX; i++) {
        uint64_t size;
        int *fd = &scrub->files[scrub->count].fd;
        scrub->files[scrub->count].digest = task->inputs[i].ref.digest;
        scrub->count +=
            i8x_store_read(daemon->store, &task->inputs[i].ref.digest, fd, &size) == I8X_OK;
    }
    daemon->pending++;
    daemon->scrubbing = true;
    uv_queue_work(&daemon->loop, &scrub->work, check_files, files_checked);
}

bool i8x_scrub_inputs_there(i8x_daemon *daemon, const i8x_job *job, const i8x_task *task,
                            char *sentence, size_t size)
{
    for (int i = 0; i < task->input_count; i++) {
        const i8x_digest *digest = &task->inputs[i].ref.digest;
        if (i8x_store_has(daemon->store, digest, NULL))
            continue;
        bool given = i8x_digest_equal(digest, &job->model.digest) ||
                     i8x_digest_equal(digest, &job->calib.digest) ||
                     i8x_digest_equal(digest, &job->eval.digest) ||
                     i8x_digest_equal(digest, &job->labels.digest);
        char hex[I8X_DIGEST_HEX_SIZE];
        snprintf(sentence, size, "input '%s' (blob %s) was damaged on the service's disk; %s",
                 task->inputs[i].role, i8x_digest_to_hex(digest, hex),
                 given ? "upload it and submit the job again"
                       : "retry or submit the job again: it is then computed anew");
        return false;
    }
    return true;
}
