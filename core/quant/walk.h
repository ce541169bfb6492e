/* SPDX-License-Identifier: Apache-2.0
 *
 * Walk: the activations of a block of samples on their way through the quantized graph, node after
 * node. Values with a pair are held as 8-bit codes, the others as floats; a value is dropped after
 * its last use. So a whole block goes through one layer before the next, which sequential methods
 * need, in little memory. Not thread-safe.
 */
#ifndef CORE_QUANT_WALK_H
#define CORE_QUANT_WALK_H

#include "core/base/threads.h"
#include "core/graph/graph.h"
#include "core/quant/qspec.h"
#include "core/quant/sample_block.h"
#include "int8x/alloc.h"

/* One value of the block: [samples] times elements. */
typedef struct i8x_walk_value {
    uint8_t *data;    /* NULL = not there */
    bool owned;       /* false: a view of the caller's samples */
    int group;        /* codes of that group, or -1: elements as they are */
    int64_t elements; /* of one sample */
    size_t sample_bytes;
    int uses; /* left */
} i8x_walk_value;

typedef struct i8x_walk {
    const i8x_graph *graph; /* inferred with batch 1 */
    const i8x_qspec *qspec;
    const i8x_target_info *target;
    int64_t samples;
    i8x_walk_value *values; /* [value_count] */
    int *users;             /* [value_count] the only user, or I8X_GRAPH_NONE */
    i8x_arena *scratch;     /* rewound after every sample */
    i8x_threads *threads;
} i8x_walk;

/** Takes the block in: inputs with a pair become codes. Freed with i8x_walk_deinit, also after a
 * failure. */
I8X_FALLIBLE i8x_status i8x_walk_init(i8x_walk *walk, const i8x_graph *graph,
                                      const i8x_qspec *qspec, const i8x_sample_block *block,
                                      i8x_threads *threads);
void i8x_walk_deinit(i8x_walk *walk);
/** Room for a value that is about to be computed. */
I8X_FALLIBLE i8x_status i8x_walk_begin(i8x_walk *walk, int value);
/** Elements of one sample of an f32 value; to [elements]. */
void i8x_walk_load(const i8x_walk *walk, int value, int64_t sample, float *to);
/** Stores count elements of one sample from `at` on, quantized if the value has a pair. */
void i8x_walk_store(i8x_walk *walk, int value, int64_t sample, int64_t at, int64_t count,
                    const float *from);
/** The value that carries the result of a node output: behind an absorbed activation, with its
 * bounds. */
int i8x_walk_result(const i8x_walk *walk, int value, float *lo, float *hi);
/** Runs a node without quantized weights on all samples. */
I8X_FALLIBLE i8x_status i8x_walk_node(i8x_walk *walk, int node);
/** Runs a node on one sample whose weight (input 1) is replaced; y: output 0 in scratch, borrowed.
 */
I8X_FALLIBLE i8x_status i8x_walk_node_with(i8x_walk *walk, int node, int64_t sample,
                                           const float *weight, float **y);
/** Counts the uses of a node's inputs down and drops values that nobody reads any more. */
void i8x_walk_release(i8x_walk *walk, int node);

#endif
