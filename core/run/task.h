/* SPDX-License-Identifier: Apache-2.0
 *
 * Task, inside the core: the options every kind encodes in one form, the context a kind runs in,
 * and the table of kinds. A kind is one function over i8x_task_ctx: it opens its input blobs by
 * role, computes, and writes its outputs as blobs. What it opened and loaded is given back when it
 * returns, also on failure.
 */
#ifndef CORE_RUN_TASK_H
#define CORE_RUN_TASK_H

#include "core/base/canon.h"
#include "core/base/threads.h"
#include "core/graph/graph.h"
#include "core/run/probe.h"
#include "core/run/samples.h"
#include "int8x/alloc.h"
#include "int8x/formats.h"
#include "int8x/task.h"

#define I8X_TASK_CLEANUPS_MAX (I8X_TASK_INPUTS_MAX + 64)
#define I8X_TASK_RECORD_MAX ((size_t)256 << 20) /* bytes of one record between tasks */

/* What a task needs beside its blobs. Members that a kind does not use stay 0. */
typedef struct i8x_task_params {
    i8x_recipe recipe;          /* only the kind's fields are encoded; the others are defaults */
    int64_t group, group_count; /* this task's part of the layers: [layers*group/groups,
                                   layers*(group+1)/groups) */
    int64_t first, count;       /* samples of this task; first: number of a probe */
    int array_count;            /* arrays of one sample, in the order of the model's inputs */
    i8x_sample_type arrays[I8X_SAMPLE_ARRAYS_MAX];
    i8x_dtype label_dtype;                 /* NONE: no labels */
    i8x_digest model, calib, eval, labels; /* of the job's blobs; zero where absent */
    uint64_t model_bytes;
    int64_t calib_samples, eval_samples;
    i8x_probe probe;
} i8x_task_params;

/* Which part of the params a kind encodes. */
typedef enum i8x_task_part {
    I8X_TASK_PART_GROUP = 1,
    I8X_TASK_PART_SAMPLES = 2,
    I8X_TASK_PART_LABELS = 4,
    I8X_TASK_PART_JOB = 8,
    I8X_TASK_PART_PROBE = 16
} i8x_task_part;

typedef struct i8x_task_ctx {
    const i8x_task *task;
    const i8x_task_env *env;
    i8x_task_result *result;
    i8x_task_params params;
    i8x_arena *arena;     /* lives as long as the task, limited to env->limit_bytes */
    i8x_threads *threads; /* NULL = one */
    struct {
        void (*fn)(void *owner, void *what);
        void *owner, *what;
    } cleanups[I8X_TASK_CLEANUPS_MAX];
    int cleanup_count;
} i8x_task_ctx;

typedef i8x_status (*i8x_task_fn)(i8x_task_ctx *ctx);

/* A row of the table of kinds. */
typedef struct i8x_task_kind_row {
    const char *const *fields; /* recipe fields the kind depends on, or NULL */
    int field_count;
    i8x_reach reach; /* with fields NULL: all fields of at least this reach; 0 = none */
    unsigned parts;  /* i8x_task_part */
    i8x_task_fn fn;
} i8x_task_kind_row;

const i8x_task_kind_row *i8x_task_kind_get(i8x_task_kind kind);

/** Options of a task of that kind. */
void i8x_task_params_put(i8x_canon_writer *writer, i8x_task_kind kind,
                         const i8x_task_params *params);
I8X_FALLIBLE i8x_status i8x_task_params_take(i8x_canon_reader *reader, i8x_task_kind kind,
                                             i8x_arena *scratch, i8x_task_params *params);
/** Closes a canonical record and copies it into the arena; frees the writer on every path. */
I8X_FALLIBLE i8x_status i8x_task_record(i8x_canon_writer *writer, i8x_arena *arena,
                                        const uint8_t **bytes, size_t *size_bytes);

/** Runs fn(owner, what) when the task ends, in reverse order. Errors: I8X_ELIMIT (then it has run
 * already). */
I8X_FALLIBLE i8x_status i8x_task_defer(i8x_task_ctx *ctx, void (*fn)(void *owner, void *what),
                                       void *owner, void *what);
/** Runs what was deferred as number `entry` (cleanup_count before it was deferred) now and not
 * again. */
void i8x_task_release(i8x_task_ctx *ctx, int entry);
/** Number of inputs of a role. */
int i8x_task_input_count(const i8x_task_ctx *ctx, const char *role);
/** The nth input of a role, or NULL. */
const i8x_task_input *i8x_task_input_find(const i8x_task_ctx *ctx, const char *role, int nth);
/** Bytes of the nth input of a role, valid until the task ends. Errors: I8X_EFORMAT (no such
 * input), the store's. */
I8X_FALLIBLE i8x_status i8x_task_open(i8x_task_ctx *ctx, const char *role, int nth,
                                      const uint8_t **bytes, size_t *size_bytes);
/** Reads the ONNX blob of a role and infers it for a batch; freed when the task ends. */
I8X_FALLIBLE i8x_status i8x_task_graph(i8x_task_ctx *ctx, const char *role, int64_t batch,
                                       i8x_graph **graph);
/** Writes an output blob. */
I8X_FALLIBLE i8x_status i8x_task_output_bytes(i8x_task_ctx *ctx, const char *role,
                                              const void *bytes, size_t size_bytes);
/** Closes a canonical record and writes it as an output; frees the writer on every path. */
I8X_FALLIBLE i8x_status i8x_task_output_record(i8x_task_ctx *ctx, const char *role,
                                               i8x_canon_writer *writer);
/** Writes a graph as an ONNX output. */
I8X_FALLIBLE i8x_status i8x_task_output_graph(i8x_task_ctx *ctx, const char *role,
                                              const i8x_graph *graph);
/** Streams an output: produce calls the sink it is given. ref (may be NULL) receives the blob. */
typedef i8x_status (*i8x_task_produce_fn)(void *user, i8x_sink_fn sink, void *sink_user);
I8X_FALLIBLE i8x_status i8x_task_output_stream(i8x_task_ctx *ctx, const char *role,
                                               i8x_task_produce_fn produce, void *user,
                                               i8x_blob_ref *ref);
/** The result's summary: a copy of the record; frees the writer on every path. */
I8X_FALLIBLE i8x_status i8x_task_summary(i8x_task_ctx *ctx, i8x_canon_writer *writer);
/** Reports progress. Errors: I8X_ECANCELED. */
I8X_FALLIBLE i8x_status i8x_task_step(i8x_task_ctx *ctx, uint64_t done, uint64_t total);
/** Bytes that the task may still take, 0 = no limit. Errors: I8X_ELIMIT if nothing is left. */
I8X_FALLIBLE i8x_status i8x_task_limit_left(const i8x_task_ctx *ctx, size_t *limit_bytes);
/** This task's part [begin, end) of `layers` layers. */
void i8x_task_group(const i8x_task_ctx *ctx, int layers, int *begin, int *end);

struct i8x_qspec;
struct i8x_qweights_set;
/** The solved qspec of the task, checked against the graph. */
I8X_FALLIBLE i8x_status i8x_task_open_solved(i8x_task_ctx *ctx, const i8x_graph *graph,
                                             struct i8x_qspec *qspec);
/** All inputs "weights" merged in their order. */
I8X_FALLIBLE i8x_status i8x_task_open_weights(i8x_task_ctx *ctx, struct i8x_qweights_set *merged);

i8x_status i8x_task_inspect(i8x_task_ctx *ctx);
i8x_status i8x_task_prepare(i8x_task_ctx *ctx);
i8x_status i8x_task_calibrate(i8x_task_ctx *ctx);
i8x_status i8x_task_merge(i8x_task_ctx *ctx);
i8x_status i8x_task_select(i8x_task_ctx *ctx);
i8x_status i8x_task_solve(i8x_task_ctx *ctx);
i8x_status i8x_task_quantize(i8x_task_ctx *ctx);
i8x_status i8x_task_correct(i8x_task_ctx *ctx);
i8x_status i8x_task_assemble(i8x_task_ctx *ctx);
i8x_status i8x_task_evaluate(i8x_task_ctx *ctx);
i8x_status i8x_task_report(i8x_task_ctx *ctx);
i8x_status i8x_task_probe(i8x_task_ctx *ctx);

#endif
