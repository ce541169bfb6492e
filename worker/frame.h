/* SPDX-License-Identifier: Apache-2.0
 *
 * Frame: messages between the agent and a slot's child over a local socket: size, type, bytes. Both
 * ends are the same program on the same machine, so numbers stay in its own byte order.
 */
#ifndef I8X_WORKER_FRAME_H
#define I8X_WORKER_FRAME_H

#include <stdint.h>

#include "int8x/status.h"
#include "proto/buffer.h"

typedef enum i8x_frame_type {
    I8X_FRAME_RUN,      /* agent -> slot: i8x_frame_run, then an encoded task */
    I8X_FRAME_DONE,     /* slot -> agent: an encoded result */
    I8X_FRAME_FAILED,   /* slot -> agent: i8x_frame_failed */
    I8X_FRAME_PROGRESS, /* slot -> agent: i8x_frame_progress */
    I8X_FRAME_NEED,     /* slot -> agent: i8x_frame_need, and waits */
    I8X_FRAME_THERE     /* agent -> slot: i8x_frame_failed, status OK if the input is there now */
} i8x_frame_type;

typedef struct i8x_frame_run {
    uint64_t memory_bytes;
    int32_t threads, level;
    int32_t probes; /* 1: tasks of that kind may run */
    int32_t reserved;
} i8x_frame_run;

typedef struct i8x_frame_failed {
    int32_t status;
    char detail[I8X_ERROR_DETAIL_SIZE];
} i8x_frame_failed;

typedef struct i8x_frame_progress {
    uint64_t done, total;
} i8x_frame_progress;

typedef struct i8x_frame_need {
    uint32_t input; /* index of the task's input */
} i8x_frame_need;

/** Errors: I8X_EIO (the other end is gone), I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_frame_write(int fd, i8x_frame_type type, const void *head,
                                        size_t head_size, const void *bytes, size_t size);
/** Blocks for one whole frame into the (cleared) buffer. Errors: I8X_EIO (end of stream),
 * I8X_ELIMIT, I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_frame_read(int fd, i8x_frame_type *type, i8x_buffer *buffer);

#endif
