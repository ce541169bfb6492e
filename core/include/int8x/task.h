/* SPDX-License-Identifier: Apache-2.0
 *
 * Task: the unit of distributed work, a pure function of named blobs. Job: what a client asks for.
 * Plan: the tasks of a job and what waits for what. The local runner, the daemon and the workers
 * share them:
 *
 *     daemon:  i8x_plan_new(job) -> i8x_plan_ready -> task out ... result back -> i8x_plan_complete
 * -> ready ... worker:  i8x_task_decode -> i8x_task_run -> i8x_task_result_encode
 *
 * A task's key = digest(kind, revision, options, inputs) names its result for ever (cache). Neither
 * host, CPU level, time nor thread count enters it. A plan is a function of the job and of task
 * results alone. The daemon opens no model, sample or partial: the only results it reads are small
 * records made by inspect.
 */
#ifndef INT8X_TASK_H
#define INT8X_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "int8x/alloc.h"
#include "int8x/cpu.h"
#include "int8x/digest.h"
#include "int8x/recipe.h"
#include "int8x/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define I8X_TASK_INPUTS_MAX 256
#define I8X_TASK_OUTPUTS_MAX 64
#define I8X_TASK_OPTIONS_MAX (64 * 1024)
#define I8X_TASK_SUMMARY_MAX (256 * 1024) /* small result bytes carried in the RESULT message */
#define I8X_TASK_ROLE_MAX 32
#define I8X_PLAN_TASKS_MAX 100000

/* X(name, text, revision) revision: raise it when the bytes of its results change */
#define I8X_TASK_LIST(X)                                                                           \
    X(INSPECT, "inspect", 1)                                                                       \
    X(PREPARE, "prepare", 1)                                                                       \
    X(CALIBRATE, "calibrate", 1)                                                                   \
    X(MERGE, "merge", 1)                                                                           \
    X(SELECT, "select", 1)                                                                         \
    X(SOLVE, "solve", 1)                                                                           \
    X(QUANTIZE, "quantize", 1)                                                                     \
    X(CORRECT, "correct", 1)                                                                       \
    X(ASSEMBLE, "assemble", 1)                                                                     \
    X(EVALUATE, "evaluate", 1)                                                                     \
    X(REPORT, "report", 1)                                                                         \
    X(PROBE, "probe", 1) /* tries the service, not a model: core/run/probe.h */

typedef enum i8x_task_kind {
#define X(name, text, revision) I8X_TASK_##name,
    I8X_TASK_LIST(X)
#undef X
        I8X_TASK_KIND_COUNT
} i8x_task_kind;

/** Name of a kind of task, "calibrate". Static string. */
I8X_EXPORT const char *i8x_task_kind_name(i8x_task_kind kind);
/** Revision of a kind: it is part of the task's key and rises when the output's bytes change. */
I8X_EXPORT int i8x_task_kind_revision(i8x_task_kind kind);

/* A blob, or a byte range of it. whole: offset 0 and size_bytes = the blob's size. */
typedef struct i8x_blob_ref {
    i8x_digest digest; /* of the whole blob */
    uint64_t offset;
    uint64_t size_bytes;
    bool whole;
} i8x_blob_ref;

/* What a job is made of. Plain value. Absent blobs have size_bytes 0. */
typedef struct i8x_job {
    i8x_recipe recipe;
    char name[128]; /* file name of the model, for humans; not hashed into keys */
    i8x_blob_ref model;
    i8x_blob_ref calib;  /* .npy or .npz */
    i8x_blob_ref eval;   /* .npy or .npz, may be absent */
    i8x_blob_ref labels; /* .npy, may be absent */
} i8x_job;

typedef struct i8x_task_input {
    char role[I8X_TASK_ROLE_MAX]; /* "model", "samples", "partial" ... may repeat: order counts */
    i8x_blob_ref ref;
} i8x_task_input;

typedef struct i8x_task {
    i8x_task_kind kind;
    int revision;
    const uint8_t
        *options; /* canonical encoding of what the kind needs of the recipe and ranges; borrowed */
    size_t options_size;
    const i8x_task_input *inputs; /* borrowed */
    int input_count;
} i8x_task;

typedef struct i8x_task_output {
    char role[I8X_TASK_ROLE_MAX];
    i8x_blob_ref ref; /* whole */
} i8x_task_output;

/* Measured, never hashed. */
typedef struct i8x_task_measure {
    uint64_t wall_ns, cpu_ns;
    uint64_t peak_bytes; /* VmHWM of the process that ran it */
    uint64_t arena_peak_bytes;
    i8x_cpu_level level;  /* level that ran */
    bool repeated_scalar; /* armv7: a denormal was met, the task ran again on the scalar level */
} i8x_task_measure;

typedef struct i8x_task_result {
    i8x_task_output outputs[I8X_TASK_OUTPUTS_MAX];
    int output_count;
    uint8_t *summary; /* small record, heap-allocated by i8x_task_run / decode, freed by
                         i8x_task_result_deinit */
    size_t summary_size;
    i8x_task_measure measure;
} i8x_task_result;

/* How a task reads and writes blobs; the caller (local runner, slot) implements it. */
typedef struct i8x_blob_io {
    /* Bytes of ref, mapped or in memory, verified; valid until close. */
    i8x_status (*open)(void *user, const i8x_blob_ref *ref, const void **bytes, void **handle);
    void (*close)(void *user, void *handle);
    /* A new blob: begin, write pieces in order, end gives digest and size; end with abort=true
     * drops it. */
    i8x_status (*begin)(void *user, void **writer);
    i8x_status (*write)(void *user, void *writer, const void *bytes, size_t size_bytes);
    i8x_status (*end)(void *user, void *writer, bool abort, i8x_blob_ref *ref);
    void *user;
} i8x_blob_io;

typedef struct i8x_task_env {
    const i8x_blob_io *io;
    int threads;         /* >= 1 */
    size_t limit_bytes;  /* of task memory; 0 = none */
    i8x_cpu_level level; /* highest level to use */
    bool probes;         /* tasks of kind probe may run */
    /* May be NULL: called now and then with work done and total; returning false cancels
     * (I8X_ECANCELED). */
    bool (*progress)(void *user, uint64_t done, uint64_t total);
    void *user;
} i8x_task_env;

/** Runs one task. On failure i8x_last_error() has the sentence. Same task -> same outputs and
 * summary, on any machine. */
I8X_FALLIBLE i8x_status i8x_task_run(const i8x_task *task, const i8x_task_env *env,
                                     i8x_task_result *result);
I8X_EXPORT void i8x_task_result_deinit(i8x_task_result *result);
/** Key: digest of kind, revision, options and inputs (digest, offset, size, role). */
I8X_EXPORT i8x_digest i8x_task_key(const i8x_task *task);
/** True for an input that may never be opened: one whose first bytes are an input of their own
 * ("calib" where there is "calib.head"). Workers fetch it when it is opened, so that a large file
 * of which a task reads the beginning stays where it is. */
I8X_EXPORT bool i8x_task_input_is_late(const i8x_task *task, int index);
/** Bytes of a task (file of `int8x-worker --task`, payload of a GRANT) and back; decode copies into
 * the arena. Errors of decode: I8X_EFORMAT, I8X_EVERSION (kind or revision not known here),
 * I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_task_encode(const i8x_task *task, i8x_arena *arena,
                                        const uint8_t **bytes, size_t *size_bytes);
I8X_FALLIBLE i8x_status i8x_task_decode(const void *bytes, size_t size_bytes, i8x_arena *arena,
                                        i8x_task *task);
I8X_FALLIBLE i8x_status i8x_task_result_encode(const i8x_task_result *result, i8x_arena *arena,
                                               const uint8_t **bytes, size_t *size_bytes);
I8X_FALLIBLE i8x_status i8x_task_result_decode(const void *bytes, size_t size_bytes,
                                               i8x_task_result *result);
I8X_FALLIBLE i8x_status i8x_job_encode(const i8x_job *job, i8x_arena *arena, const uint8_t **bytes,
                                       size_t *size_bytes);
I8X_FALLIBLE i8x_status i8x_job_decode(const void *bytes, size_t size_bytes, i8x_job *job);

typedef struct i8x_plan i8x_plan;

typedef enum i8x_plan_state { I8X_PLAN_WAITING, I8X_PLAN_READY, I8X_PLAN_DONE } i8x_plan_state;

/** Plan of a job: first just inspect; its result adds the rest. Freed with i8x_plan_free. Errors:
 * I8X_EARG (recipe, no calibration data). */
I8X_FALLIBLE i8x_status i8x_plan_new(const i8x_job *job, i8x_plan **plan);
I8X_EXPORT void i8x_plan_free(i8x_plan *plan);
/** Tasks known now (grows once, when inspect completes) and tasks done. */
I8X_EXPORT int i8x_plan_task_count(const i8x_plan *plan);
I8X_EXPORT int i8x_plan_done_count(const i8x_plan *plan);
/** True when the report task is done. */
I8X_EXPORT bool i8x_plan_finished(const i8x_plan *plan);
I8X_EXPORT i8x_plan_state i8x_plan_task_state(const i8x_plan *plan, int index);
I8X_EXPORT i8x_task_kind i8x_plan_task_kind(const i8x_plan *plan, int index);
/** The task, inputs resolved; only for READY and DONE tasks. Borrowed from the plan. */
I8X_EXPORT const i8x_task *i8x_plan_task(const i8x_plan *plan, int index);
/** Takes the result of a READY task; idempotent for the same result; another result for a DONE task
 * is I8X_ECORRUPT. Errors: I8X_EARG (state), I8X_EFORMAT (the inspect summary), I8X_ELIMIT (too
 * many tasks), I8X_ESHAPE ...
 */
I8X_FALLIBLE i8x_status i8x_plan_complete(i8x_plan *plan, int index, const i8x_task_result *result);
/** Lowest READY task index >= from, or -1. */
I8X_EXPORT int i8x_plan_next_ready(const i8x_plan *plan, int from);
/** Each task once, in the order in which they became READY (it is DONE if its result was given
 * before it was taken); -1 if none is left now. Constant time, unlike i8x_plan_next_ready. */
I8X_EXPORT int i8x_plan_take_ready(i8x_plan *plan);
/** The outputs: artifact model and report record (canonical bytes, int8x/report.h); false until
 * done. */
I8X_EXPORT bool i8x_plan_artifact(const i8x_plan *plan, i8x_blob_ref *artifact);
I8X_EXPORT bool i8x_plan_report(const i8x_plan *plan, i8x_blob_ref *report);
/** Outputs [*count] of a DONE task, else NULL. Borrowed from the plan. */
I8X_EXPORT const i8x_task_output *i8x_plan_outputs(const i8x_plan *plan, int index, int *count);

#ifdef __cplusplus
}
#endif
#endif
