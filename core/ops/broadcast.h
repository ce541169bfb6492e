/* SPDX-License-Identifier: Apache-2.0
 *
 * Broadcast: walks up to three operands that are broadcast to one shape, as rows whose operands
 * each either advance by one element or stand still. Neighbouring dimensions that all operands
 * treat alike are merged first, so per-channel operands give long rows.
 */
#ifndef CORE_OPS_BROADCAST_H
#define CORE_OPS_BROADCAST_H

#include "int8x/tensor.h"

#define I8X_BROADCAST_OPERANDS 3

typedef struct i8x_broadcast {
    int rank, operands;
    int64_t dims[I8X_RANK_MAX]; /* outer dimensions, after merging */
    int64_t steps[I8X_BROADCAST_OPERANDS]
                 [I8X_RANK_MAX];              /* elements per outer dimension, 0 = stands */
    int64_t row;                              /* elements of a row */
    int64_t row_step[I8X_BROADCAST_OPERANDS]; /* 0 or 1 within a row */
    int64_t rows;                             /* product of dims */
} i8x_broadcast;

void i8x_broadcast_init(i8x_broadcast *broadcast, const i8x_shape *result,
                        const i8x_shape *const *operands, int count);
/** Offsets in elements of every operand at a row. */
void i8x_broadcast_at(const i8x_broadcast *broadcast, int64_t row, int64_t *offsets);

#endif
