/* SPDX-License-Identifier: Apache-2.0
 *
 * Inspect, inside the core: the record of the inspect task and its summary, which is all that a
 * plan knows of model and data.
 */
#ifndef CORE_RUN_INSPECT_H
#define CORE_RUN_INSPECT_H

#include "core/base/canon.h"
#include "core/graph/graph.h"
#include "core/run/probe.h"
#include "core/run/samples.h"
#include "int8x/inspect.h"

#define I8X_INSPECT_HEAD_BYTES ((uint64_t)64 << 10) /* enough for the header of a .npy */

typedef struct i8x_inspect_summary {
    i8x_sample_set calib, eval, labels;
    int64_t
        batch_step;  /* a model with a fixed batch takes samples in multiples of it; 1 otherwise */
    int64_t layers;  /* nodes with weights */
    i8x_probe probe; /* count > 0: a probe, and nothing else is known */
} i8x_inspect_summary;

void i8x_inspect_summary_put(i8x_canon_writer *writer, const i8x_inspect_summary *summary);
/** Errors: I8X_EFORMAT, I8X_EVERSION. */
I8X_FALLIBLE i8x_status i8x_inspect_summary_decode(const void *bytes, size_t size_bytes,
                                                   i8x_inspect_summary *summary);

/** Fills inspection from a graph that has been read; inferred says whether shapes are known. */
I8X_FALLIBLE i8x_status i8x_inspect_graph(const i8x_graph *graph, bool inferred,
                                          const i8x_recipe *recipe, i8x_arena *arena,
                                          i8x_inspection *inspection);
/** Multiply-accumulates of a node with weights, for the batch the graph was inferred for; 0 if
 * shapes are open. */
uint64_t i8x_inspect_macs(const i8x_graph *graph, int node);
void i8x_inspection_put(i8x_canon_writer *writer, const i8x_inspection *inspection);
I8X_FALLIBLE i8x_status i8x_inspection_decode(const void *bytes, size_t size_bytes,
                                              i8x_arena *arena, i8x_inspection *inspection);

#endif
