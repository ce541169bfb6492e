/* SPDX-License-Identifier: Apache-2.0
 *
 * Run graph: a task's samples through a graph, batch by batch.
 */
#ifndef CORE_RUN_RUN_GRAPH_H
#define CORE_RUN_RUN_GRAPH_H

#include "core/graph/exec.h"
#include "core/quant/observer.h"
#include "core/quant/select.h"
#include "core/run/task.h"

/** Batch for `count` samples: the largest divisor of count that is at most the recipe's batch, so
 * that every run is full and one compiled graph serves the task. Results do not depend on it. */
int64_t i8x_run_graph_batch(const i8x_task_ctx *ctx);
/** Reads and infers the model of a role for this batch; *batch becomes the model's own where that
 * is fixed. */
I8X_FALLIBLE i8x_status i8x_run_graph_load(i8x_task_ctx *ctx, const char *role, int64_t *batch,
                                           i8x_graph **graph);
/** Compiles; freed when the task ends. observer may be NULL. */
I8X_FALLIBLE i8x_status i8x_run_graph_exec(i8x_task_ctx *ctx, const i8x_graph *graph,
                                           i8x_observer *observer, i8x_exec **exec);
/** All samples of the task through the graph of a role, seen by an observer made here and freed
 * when the task ends. */
I8X_FALLIBLE i8x_status i8x_run_graph_observe(i8x_task_ctx *ctx, const i8x_graph *graph,
                                              int64_t batch, unsigned flags,
                                              i8x_observer **observer);
/** All samples of the task as one block, viewed in the blob where it holds what the model takes,
 * copied else. Errors: I8X_ERANGE (NaN or infinity), I8X_EUNSUPPORTED (a model with a fixed batch
 * above 1). */
I8X_FALLIBLE i8x_status i8x_run_graph_block(i8x_task_ctx *ctx, const i8x_graph *graph,
                                            i8x_sample_block *block);

#endif
