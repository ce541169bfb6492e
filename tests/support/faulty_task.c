/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker with bad memory: linked instead of i8x_task_run (ld --wrap), it runs the real task but
 * flips one bit of what a task of the kind INT8X_FAULT_KIND writes (default: quantize). The result
 * names the wrong bytes by their true digest, so only a second machine can tell.
 */
#include <stdlib.h>
#include <string.h>

#include "int8x/alloc.h"
#include "int8x/task.h"

#define PIECE_LEAST 64 /* headers stay whole: the fault is to be silent */

i8x_status __real_i8x_task_run(const i8x_task *task, const i8x_task_env *env,
                               i8x_task_result *result);
i8x_status __wrap_i8x_task_run(const i8x_task *task, const i8x_task_env *env,
                               i8x_task_result *result);

typedef struct faulty_io {
    i8x_blob_io io; /* what the task gets */
    const i8x_blob_io *real;
    bool flipped;
} faulty_io;

static i8x_status open_blob(void *user, const i8x_blob_ref *ref, const void **bytes, void **handle)
{
    const i8x_blob_io *real = ((faulty_io *)user)->real;
    return real->open(real->user, ref, bytes, handle);
}

static void close_blob(void *user, void *handle)
{
    const i8x_blob_io *real = ((faulty_io *)user)->real;
    real->close(real->user, handle);
}

static i8x_status begin_blob(void *user, void **writer)
{
    const i8x_blob_io *real = ((faulty_io *)user)->real;
    return real->begin(real->user, writer);
}

static i8x_status write_blob(void *user, void *writer, const void *bytes, size_t size)
{
    faulty_io *f = user;
    if (f->flipped || size < PIECE_LEAST)
        return f->real->write(f->real->user, writer, bytes, size);
    uint8_t *copy = i8x_alloc_array(i8x_alloc_heap(), size, 1);
    I8X_TRY(i8x_alloc_check(copy));
    memcpy(copy, bytes, size);
    copy[size - 1] ^= 1;
    f->flipped = true;
    i8x_status status = f->real->write(f->real->user, writer, copy, size);
    i8x_alloc_free(i8x_alloc_heap(), copy, size);
    return status;
}

static i8x_status end_blob(void *user, void *writer, bool abort, i8x_blob_ref *ref)
{
    const i8x_blob_io *real = ((faulty_io *)user)->real;
    return real->end(real->user, writer, abort, ref);
}

i8x_status __wrap_i8x_task_run(const i8x_task *task, const i8x_task_env *env,
                               i8x_task_result *result)
{
    const char *kind = getenv("INT8X_FAULT_KIND");
    if (strcmp(i8x_task_kind_name(task->kind), kind != NULL ? kind : "quantize") != 0)
        return __real_i8x_task_run(task, env, result);
    faulty_io faulty = {.real = env->io};
    faulty.io = (i8x_blob_io){open_blob, close_blob, begin_blob, write_blob, end_blob, &faulty};
    i8x_task_env mine = *env;
    mine.io = &faulty.io;
    return __real_i8x_task_run(task, &mine, result);
}
