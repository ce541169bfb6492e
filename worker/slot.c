/* SPDX-License-Identifier: Apache-2.0
 *
 * The child's loop: a task in, a result or a sentence out. Inputs are mapped from the agent's
 * cache, where the agent has put and verified them; outputs are hashed while they are written and
 * take their name in the cache, from where the agent uploads them.
 */
#include "worker/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "int8x/alloc.h"
#include "int8x/clock.h"
#include "int8x/file.h"
#include "int8x/task.h"
#include "proto/limits.h"
#include "worker/cache.h"
#include "worker/frame.h"
#include "worker/guard.h"

#define PROGRESS_NS 200000000 /* between two progress frames */
#define TASK_ARENA_MAX (4u << 20)

typedef struct slot {
    int fd, number;
    const char *folder;
    i8x_task task;     /* the one that runs */
    i8x_buffer answer; /* of the agent, while a task runs */
    uint64_t written;  /* number of the next temporary file */
    int64_t told_ns;
} slot;

typedef struct slot_input {
    i8x_file_view view;
} slot_input;

typedef struct slot_output {
    int fd;
    i8x_digest_stream *stream;
    uint64_t size_bytes;
    char path[I8X_CACHE_PATH_SIZE];
} slot_output;

/* ---- inputs ---- */

/* Asks the agent for a late input. */
static i8x_status ask_for(slot *s, int index)
{
    i8x_frame_need need = {(uint32_t)index};
    I8X_TRY(i8x_frame_write(s->fd, I8X_FRAME_NEED, &need, sizeof need, NULL, 0));
    i8x_frame_type type;
    i8x_frame_failed there = {.status = I8X_EINTERNAL};
    I8X_TRY(i8x_frame_read(s->fd, &type, &s->answer));
    if (type == I8X_FRAME_THERE && s->answer.size == sizeof there)
        memcpy(&there, s->answer.bytes, sizeof there);
    I8X_ENSURE(there.status == I8X_OK, (i8x_status)there.status, "%s", there.detail);
    return I8X_OK;
}

/* Sees that a whole blob is there that only a late input names. */
static i8x_status await_late(slot *s, const i8x_blob_ref *ref)
{
    int late = -1;
    for (int i = 0; i < s->task.input_count && ref->whole; i++) {
        const i8x_blob_ref *input = &s->task.inputs[i].ref;
        if (!input->whole || !i8x_digest_equal(&input->digest, &ref->digest))
            continue;
        if (!i8x_task_input_is_late(&s->task, i))
            return I8X_OK;
        late = i;
    }
    return late >= 0 ? ask_for(s, late) : I8X_OK;
}

/* Maps the file that holds ref: the whole blob, the range itself, or an input range around it. */
static i8x_status map_ref(slot *s, const i8x_blob_ref *ref, i8x_file_view *view, uint64_t *skip)
{
    char path[I8X_CACHE_PATH_SIZE];
    i8x_blob_ref whole = {.digest = ref->digest, .whole = true};
    i8x_cache_path(s->folder, &whole, path);
    *skip = ref->whole ? 0 : ref->offset;
    I8X_TRY(await_late(s, ref));
    if (access(path, R_OK) == 0)
        return i8x_file_map(path, view);
    for (int i = 0; i < s->task.input_count && !ref->whole; i++) {
        const i8x_blob_ref *input = &s->task.inputs[i].ref;
        if (!i8x_digest_equal(&input->digest, &ref->digest) || ref->offset < input->offset ||
            ref->offset + ref->size_bytes > input->offset + input->size_bytes)
            continue;
        i8x_cache_path(s->folder, input, path);
        *skip = ref->offset - input->offset;
        return i8x_file_map(path, view);
    }
    I8X_FAIL(I8X_EINTERNAL, "a task opened bytes that are not among its inputs");
}

static i8x_status input_open(void *user, const i8x_blob_ref *ref, const void **bytes, void **handle)
{
    slot_input *input = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *input);
    I8X_TRY(i8x_alloc_check(input));
    uint64_t skip = 0;
    i8x_status status = map_ref(user, ref, &input->view, &skip);
    if (status == I8X_OK &&
        (skip > input->view.size || ref->size_bytes > input->view.size - skip)) {
        status = i8x_fail(I8X_ECORRUPT, __FILE__, __LINE__,
                          "an input has %zu bytes, fewer than its task says", input->view.size);
        i8x_file_unmap(&input->view);
    }
    if (status != I8X_OK) {
        i8x_alloc_free(i8x_alloc_heap(), input, sizeof *input);
        return status;
    }
    *bytes = input->view.bytes + skip;
    *handle = input;
    return I8X_OK;
}

static void input_close(void *user, void *handle)
{
    (void)user;
    slot_input *input = handle;
    i8x_file_unmap(&input->view);
    i8x_alloc_free(i8x_alloc_heap(), input, sizeof *input);
}

/* ---- outputs ---- */

static i8x_status system_failed(const char *path)
{
    I8X_FAIL(errno == ENOSPC || errno == EDQUOT ? I8X_ELIMIT : I8X_EIO, "%s: %s", path,
             strerror(errno));
}

static void output_free(slot_output *output)
{
    if (output->fd >= 0)
        close(output->fd);
    i8x_digest_stream_free(output->stream);
    i8x_alloc_free(i8x_alloc_heap(), output, sizeof *output);
}

static i8x_status output_begin(void *user, void **writer)
{
    slot *s = user;
    slot_output *output = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *output);
    I8X_TRY(i8x_alloc_check(output));
    snprintf(output->path, sizeof output->path, "%s/tmp/slot%d-%llu", s->folder, s->number,
             (unsigned long long)++s->written);
    output->fd = open(output->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    i8x_status status =
        output->fd >= 0 ? i8x_digest_stream_new(&output->stream) : system_failed(output->path);
    if (status != I8X_OK) {
        output_free(output);
        return status;
    }
    *writer = output;
    return I8X_OK;
}

static i8x_status output_write(void *user, void *writer, const void *bytes, size_t size)
{
    (void)user;
    slot_output *output = writer;
    for (size_t done = 0; done < size;) {
        ssize_t written = write(output->fd, (const char *)bytes + done, size - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return system_failed(output->path);
        done += (size_t)written;
    }
    i8x_digest_stream_add(output->stream, bytes, size);
    output->size_bytes += size;
    return I8X_OK;
}

static i8x_status output_publish(slot *s, slot_output *output, i8x_blob_ref *ref)
{
    *ref = (i8x_blob_ref){.digest = i8x_digest_stream_end(output->stream),
                          .size_bytes = output->size_bytes,
                          .whole = true};
    output->stream = NULL;
    char path[I8X_CACHE_PATH_SIZE];
    I8X_TRY(i8x_cache_make_folders(s->folder, &ref->digest));
    i8x_cache_path(s->folder, ref, path);
    return rename(output->path, path) == 0 ? I8X_OK : system_failed(path);
}

static i8x_status output_end(void *user, void *writer, bool abort, i8x_blob_ref *ref)
{
    slot_output *output = writer;
    i8x_status status = abort ? I8X_OK : output_publish(user, output, ref);
    if (abort || status != I8X_OK)
        unlink(output->path);
    output_free(output);
    return status;
}

/* ---- tasks ---- */

static bool progress(void *user, uint64_t done, uint64_t total)
{
    slot *s = user;
    int64_t now = i8x_clock_now_ns(NULL);
    if (now - s->told_ns < PROGRESS_NS)
        return true;
    s->told_ns = now;
    i8x_frame_progress frame = {done, total};
    return i8x_frame_write(s->fd, I8X_FRAME_PROGRESS, &frame, sizeof frame, NULL, 0) == I8X_OK;
}

static i8x_status run_in(slot *s, i8x_arena *arena, const i8x_frame_run *run, const void *bytes,
                         size_t size)
{
    I8X_TRY(i8x_task_decode(bytes, size, arena, &s->task));
    i8x_blob_io io = {input_open, input_close, output_begin, output_write, output_end, s};
    i8x_task_env env = {.io = &io,
                        .threads = run->threads,
                        .limit_bytes = (size_t)run->memory_bytes,
                        .level = (i8x_cpu_level)run->level,
                        .probes = run->probes != 0,
                        .progress = progress,
                        .user = s};
    i8x_task_result result = {0};
    I8X_TRY(i8x_task_run(&s->task, &env, &result));
    const uint8_t *encoded;
    size_t encoded_size;
    i8x_status status = i8x_task_result_encode(&result, arena, &encoded, &encoded_size);
    if (status == I8X_OK)
        status = i8x_frame_write(s->fd, I8X_FRAME_DONE, NULL, 0, encoded, encoded_size);
    i8x_task_result_deinit(&result);
    return status;
}

static i8x_status serve(slot *s, const i8x_buffer *frame)
{
    i8x_frame_run run;
    I8X_ENSURE(frame->size >= sizeof run, I8X_EFORMAT, "a slot frame of %zu bytes", frame->size);
    memcpy(&run, frame->bytes, sizeof run);
    i8x_guard_memory(run.memory_bytes, run.threads);
    struct stat output;
    if (fstat(STDERR_FILENO, &output) == 0 && S_ISREG(output.st_mode) && output.st_size > 0 &&
        ftruncate(STDERR_FILENO, 0) != 0)
        return system_failed("standard error"); /* last words are to be those of this task */
    i8x_arena *arena = NULL;
    I8X_TRY(i8x_arena_new(NULL, TASK_ARENA_MAX, &arena));
    i8x_status status = run_in(s, arena, &run, frame->bytes + sizeof run, frame->size - sizeof run);
    i8x_arena_free(arena);
    return status;
}

void i8x_slot_main(int fd, int number, const char *cache_folder)
{
    slot s = {.fd = fd, .number = number, .folder = cache_folder};
    i8x_buffer frame;
    i8x_buffer_init(&frame, I8X_SLOT_FRAME_MAX);
    i8x_buffer_init(&s.answer, I8X_SLOT_FRAME_MAX);
    i8x_frame_type type;
    while (i8x_frame_read(fd, &type, &frame) == I8X_OK && type == I8X_FRAME_RUN) {
        i8x_status status = serve(&s, &frame);
        if (status == I8X_OK)
            continue;
        i8x_frame_failed failed = {.status = (int32_t)status};
        snprintf(failed.detail, sizeof failed.detail, "%s", i8x_last_error()->detail);
        if (i8x_frame_write(fd, I8X_FRAME_FAILED, &failed, sizeof failed, NULL, 0) != I8X_OK)
            break;
    }
    i8x_buffer_deinit(&frame);
    _exit(0); /* a copy of the agent's process: its exit handlers are not ours to run */
}
