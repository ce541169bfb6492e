/* SPDX-License-Identifier: Apache-2.0
 *
 * Probe: a job that tries the service and not a model. Its "model" is a text of a few lines, and
 * its tasks do what the lines say: nothing, wait, write bytes, or misbehave. So faults and figures
 * of a fleet are measured through the same path as any job. Workers run such tasks only if they
 * were started with --probes.
 *
 *     int8x probe
 *     count 5000          tasks, 1..I8X_PROBE_COUNT_MAX
 *     ms 20               each takes so long (0)
 *     bytes 1000          and gives a blob of so many bytes (0)
 *     mode ok             or crash, loop, memory, fail: what task 0 does instead
 *     seed anything       makes the job another one
 *
 * When all are done, one more task gives the artifact: these lines and the digests of the blobs.
 */
#ifndef CORE_RUN_PROBE_H
#define CORE_RUN_PROBE_H

#include <stdbool.h>

#include "core/base/canon.h"

#define I8X_PROBE_TEXT_MAX 4096
#define I8X_PROBE_COUNT_MAX 50000
#define I8X_PROBE_MS_MAX 3600000
#define I8X_PROBE_BYTES_MAX ((int64_t)1 << 30)
#define I8X_PROBE_PARTS_MAX 128 /* of no more tasks are the blobs named in the artifact */

/* X(name, text) */
#define I8X_PROBE_MODE_LIST(X)                                                                     \
    X(OK, "ok")                                                                                    \
    X(CRASH, "crash")   /* writes a sentence to standard error and aborts */                       \
    X(LOOP, "loop")     /* does not come back */                                                   \
    X(MEMORY, "memory") /* takes memory until there is none */                                     \
    X(FAIL, "fail")     /* returns I8X_EARG */

typedef enum i8x_probe_mode {
#define X(name, text) I8X_PROBE_##name,
    I8X_PROBE_MODE_LIST(X)
#undef X
        I8X_PROBE_MODE_COUNT
} i8x_probe_mode;

typedef struct i8x_probe {
    int64_t count; /* 0 = no probe */
    int64_t ms, bytes;
    i8x_probe_mode mode;
} i8x_probe;

/** True if the bytes begin as a probe does. */
bool i8x_probe_is(const void *bytes, size_t size);
/** Errors: I8X_EFORMAT (a line that is none of these), I8X_ELIMIT, I8X_ERANGE. */
I8X_FALLIBLE i8x_status i8x_probe_parse(const void *bytes, size_t size, i8x_probe *probe);
void i8x_probe_put(i8x_canon_writer *writer, const i8x_probe *probe);
void i8x_probe_take(i8x_canon_reader *reader, i8x_probe *probe);

#endif
