/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples: where the samples of a job lie (found by inspect, used by the plan to cut shards) and
 * how a task turns the bytes of its range into tensors that the executor takes.
 */
#ifndef CORE_RUN_SAMPLES_H
#define CORE_RUN_SAMPLES_H

#include "core/base/canon.h"
#include "core/graph/graph.h"
#include "int8x/task.h"
#include "int8x/tensor.h"

#define I8X_SAMPLE_ARRAYS_MAX 32

/* Type and shape of one sample of one array (no sample axis). */
typedef struct i8x_sample_type {
    i8x_dtype dtype; /* as stored */
    i8x_shape shape;
} i8x_sample_type;

/* One array: a .npy blob. */
typedef struct i8x_sample_array {
    i8x_sample_type type;
    i8x_blob_ref blob; /* whole */
    uint64_t data_offset, sample_bytes;
} i8x_sample_array;

/* Arrays with the same number of samples, in the order of the model's inputs. samples 0: absent. */
typedef struct i8x_sample_set {
    int64_t samples;
    int array_count;
    i8x_sample_array arrays[I8X_SAMPLE_ARRAYS_MAX];
} i8x_sample_set;

void i8x_sample_type_put(i8x_canon_writer *writer, const i8x_sample_type *type);
void i8x_sample_type_take(i8x_canon_reader *reader, i8x_sample_type *type);
void i8x_sample_set_put(i8x_canon_writer *writer, const i8x_sample_set *set);
/** Sizes are checked against each other. Errors: I8X_EFORMAT. */
I8X_FALLIBLE i8x_status i8x_sample_set_take(i8x_canon_reader *reader, i8x_sample_set *set);
/** Bytes of samples [first, first + count) of one array. */
i8x_blob_ref i8x_sample_array_range(const i8x_sample_array *array, int64_t first, int64_t count);
/** Elements of one sample. */
int64_t i8x_sample_elements(const i8x_sample_type *type);

/**
 * Checks a sample type against a graph input: type and shape. what: "calibration", "evaluation".
 * Errors: I8X_EDTYPE, I8X_ESHAPE; a permuted layout (NHWC for NCHW) is recognised and named.
 */
I8X_FALLIBLE i8x_status i8x_sample_type_check(const i8x_sample_type *type, const i8x_graph *graph,
                                              int input, const char *what);

/* A task's samples as tensors, batch by batch. */
struct i8x_task_ctx;
typedef struct i8x_sample_feed {
    struct i8x_task_ctx *ctx;
    int64_t batch; /* samples of a full batch */
    int array_count;
    const i8x_blob_ref *refs[I8X_SAMPLE_ARRAYS_MAX]; /* the task's inputs */
    size_t sample_bytes[I8X_SAMPLE_ARRAYS_MAX];
    const char *names[I8X_SAMPLE_ARRAYS_MAX];  /* of the inputs, borrowed from the graph */
    i8x_tensor tensors[I8X_SAMPLE_ARRAYS_MAX]; /* buffers for one batch */
} i8x_sample_feed;

/** Finds the "samples" inputs of the task and checks them against the graph, which was inferred for
 * batch. */
I8X_FALLIBLE i8x_status i8x_sample_feed_init(i8x_sample_feed *feed, struct i8x_task_ctx *ctx,
                                             const i8x_graph *graph, int64_t batch);
/**
 * Fills feed->tensors with samples [at, at + batch) of the task (at counts from the task's first
 * sample); fewer at the end: *count says how many, the rest of the buffers repeats the last sample.
 * Errors: I8X_ERANGE (NaN or infinity: array and sample named).
 */
I8X_FALLIBLE i8x_status i8x_sample_feed_load(i8x_sample_feed *feed, int64_t at, int64_t *count);

#endif
