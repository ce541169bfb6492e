/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics: counters of this process, in Prometheus' text form. Only the loop's thread touches them.
 */
#ifndef I8X_DAEMON_METRICS_H
#define I8X_DAEMON_METRICS_H

#include "int8x/task.h"
#include "proto/buffer.h"
#include "proto/wire.h"

/* X(name, text) what became of a lease or a result */
#define I8X_METRIC_TASK_LIST(X)                                                                    \
    X(GRANTED, "granted")                                                                          \
    X(COMMITTED, "committed")                                                                      \
    X(CACHED, "cached")                                                                            \
    X(DUPLICATE, "duplicate")                                                                      \
    X(CONFLICT, "conflict")                                                                        \
    X(FAILED, "failed")                                                                            \
    X(LOST, "lost")                                                                                \
    X(DEAD, "dead")                                                                                \
    X(AUDITED, "audited")

typedef enum i8x_metric_task {
#define X(name, text) I8X_METRIC_##name,
    I8X_METRIC_TASK_LIST(X)
#undef X
        I8X_METRIC_TASK_COUNT
} i8x_metric_task;

#define I8X_METRIC_BUCKETS 10

typedef struct i8x_metrics {
    uint64_t tasks[I8X_TASK_KIND_COUNT][I8X_METRIC_TASK_COUNT];
    uint64_t requests[I8X_WIRE_TYPE_COUNT];
    uint64_t blobs_damaged; /* on our own disk */
    uint64_t quarantined;   /* workers, by an audit or an operator */
    uint64_t empty_polls;   /* LEASEs answered without a grant */
    uint64_t http[6];       /* by hundreds of the status */
    uint64_t jobs_submitted, blobs_received, blob_bytes_received;
    uint64_t duration[I8X_METRIC_BUCKETS + 1]; /* committed tasks by wall time */
    double duration_sum_s;
} i8x_metrics;

void i8x_metrics_duration(i8x_metrics *metrics, uint64_t wall_ns);
struct i8x_daemon;
void i8x_metrics_print(struct i8x_daemon *daemon, i8x_buffer *text);

#endif
