/* SPDX-License-Identifier: Apache-2.0
 *
 * Sample block: some samples in memory, one tensor a graph input: [samples, ...]. Borrowed, a plain
 * value.
 */
#ifndef CORE_QUANT_SAMPLE_BLOCK_H
#define CORE_QUANT_SAMPLE_BLOCK_H

#include <stdint.h>

#include "int8x/tensor.h"

typedef struct i8x_sample_block {
    int64_t samples;
    const i8x_tensor *inputs; /* [graph->input_count] first dimension = samples */
    /* May be NULL. The walk calls it when it has read input `index` for the last time (it keeps
     * codes), so that the samples do not take memory beside the activations. */
    void (*taken)(void *user, int index);
    void *user;
} i8x_sample_block;

#endif
