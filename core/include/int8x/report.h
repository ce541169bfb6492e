/* SPDX-License-Identifier: Apache-2.0
 *
 * Report: what a job found out. Two parts: `result` is a function of the job alone, bit-identical
 * on every fleet, stored as a canonical record and named by result_sha256 (the digest of that
 * record); `measured` (times, memory, levels, tasks by worker) is what this run cost and is never
 * hashed. JSON and the terminal table are made of these structs by proto/json.h and client/cli.
 */
#ifndef INT8X_REPORT_H
#define INT8X_REPORT_H

#include "int8x/alloc.h"
#include "int8x/digest.h"
#include "int8x/recipe.h"
#include "int8x/status.h"
#include "int8x/task.h"
#include "int8x/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One weight tensor or layer. */
typedef struct i8x_report_layer {
    const char *node; /* node name */
    const char *op_type;
    bool quantized;
    const char *reason; /* why it stays float; "" if quantized */
    int bits;           /* of the weights */
    int64_t channels;   /* scales of the weights */
    int64_t weights;    /* elements */
    uint64_t macs;      /* for one sample */
    bool has_sqnr;
    double sqnr_db; /* outputs of the model with just this layer quantized */
} i8x_report_layer;

/* One quantized activation. */
typedef struct i8x_report_tensor {
    const char *name;
    i8x_dtype dtype;
    float scale;
    int32_t zero_point;
    float lo, hi;   /* chosen range */
    float min, max; /* observed range */
    int clip;       /* i8x_clip: method that chose it */
} i8x_report_tensor;

/* One evaluated output. */
typedef struct i8x_report_output {
    const char *name;
    double sqnr_db;
    double agreement; /* share of samples with the same argmax; -1 where there is no class axis */
    double top1_float, top1_quantized; /* -1 without labels */
} i8x_report_output;

typedef struct i8x_report {
    i8x_recipe recipe;
    i8x_digest model_sha256, calib_sha256, eval_sha256, labels_sha256, artifact_sha256;
    uint64_t model_bytes, artifact_bytes, weight_bytes_float, weight_bytes_quantized;
    uint64_t macs, macs_quantized;       /* for one sample */
    int64_t calib_samples, eval_samples; /* eval_samples 0: not evaluated */
    i8x_report_layer *layers;
    int layer_count;
    i8x_report_tensor *tensors;
    int tensor_count;
    i8x_report_output *outputs;
    int output_count;
    const char **warnings;
    int warning_count;
} i8x_report;

/** Canonical bytes <-> struct; decode puts everything into the arena. Errors: I8X_EFORMAT,
 * I8X_EVERSION, I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_report_encode(const i8x_report *report, i8x_arena *arena,
                                          const uint8_t **bytes, size_t *size_bytes);
I8X_FALLIBLE i8x_status i8x_report_decode(const void *bytes, size_t size_bytes, i8x_arena *arena,
                                          i8x_report *report);

/* What the run cost; filled by whoever ran the plan. */
typedef struct i8x_measured_stage {
    i8x_task_kind kind;
    int tasks, cached;
    uint64_t wall_ns, cpu_ns, peak_bytes;
} i8x_measured_stage;
typedef struct i8x_measured_worker {
    const char *name;  /* "local", or the worker's id */
    const char *level; /* kernel level that ran */
    const char *arch;
    int tasks;
} i8x_measured_worker;
typedef struct i8x_measured {
    uint64_t wall_ns, cpu_ns, peak_bytes;
    i8x_measured_stage stages[I8X_TASK_KIND_COUNT];
    i8x_measured_worker *workers;
    int worker_count;
    i8x_cpu_level level; /* kernel level of the last task of a local run */
} i8x_measured;

/* Hears of every finished task of a local run. */
typedef void (*i8x_local_progress_cb)(void *user, const i8x_plan *plan, int task_index);

/* Results by task key: what several jobs have in common is computed once. */
typedef struct i8x_result_cache {
    /* found says whether result holds it (then freed with i8x_task_result_deinit); a result whose
     * outputs are not whole any more counts as not found. */
    i8x_status (*get)(void *user, const i8x_digest *key, i8x_task_result *result, bool *found);
    i8x_status (*put)(void *user, const i8x_digest *key, const i8x_task_result *result);
    void *user;
} i8x_result_cache;

typedef struct i8x_local_opts {
    const i8x_result_cache *cache; /* NULL = none */
    i8x_local_progress_cb stage;   /* after each task; NULL = none */
    void *user;
} i8x_local_opts;

/** Runs a plan in this process; env holds threads and the blob store. opts and measured may be
 * NULL. The same bytes as any fleet gives. */
I8X_FALLIBLE i8x_status i8x_local_run(const i8x_job *job, const i8x_task_env *env,
                                      const i8x_local_opts *opts, i8x_plan **plan,
                                      i8x_measured *measured);

#ifdef __cplusplus
}
#endif
#endif
