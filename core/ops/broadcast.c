/* SPDX-License-Identifier: Apache-2.0
 *
 * Merging of dimensions: (outer, inner) merge if for every operand the step of the outer one is the
 * step of the inner one times its size (both stand still: 0 = 0).
 */
#include "core/ops/broadcast.h"

#include <string.h>

static void operand_steps(const i8x_shape *result, const i8x_shape *operand, int64_t *steps)
{
    int64_t step = 1;
    int shift = result->rank - operand->rank;
    for (int i = result->rank - 1; i >= 0; i--) {
        int64_t dim = i >= shift ? operand->dims[i - shift] : 1;
        steps[i] = dim == 1 ? 0 : step;
        step *= dim;
    }
}

static bool merges(const i8x_broadcast *b, int rank, int64_t dim, int64_t steps[][I8X_RANK_MAX],
                   int at)
{
    for (int o = 0; o < b->operands; o++)
        if (b->steps[o][rank - 1] != steps[o][at] * dim)
            return false;
    return true;
}

void i8x_broadcast_init(i8x_broadcast *b, const i8x_shape *result, const i8x_shape *const *operands,
                        int count)
{
    int64_t steps[I8X_BROADCAST_OPERANDS][I8X_RANK_MAX];
    memset(b, 0, sizeof *b);
    b->operands = count;
    for (int o = 0; o < count; o++)
        operand_steps(result, operands[o], steps[o]);
    for (int i = 0; i < result->rank; i++) {
        if (result->dims[i] == 1)
            continue;
        if (b->rank > 0 && merges(b, b->rank, result->dims[i], steps, i))
            b->dims[b->rank - 1] *= result->dims[i];
        else
            b->dims[b->rank++] = result->dims[i];
        for (int o = 0; o < count; o++)
            b->steps[o][b->rank - 1] = steps[o][i];
    }
    b->row = 1;
    b->rows = 1;
    if (b->rank > 0) {
        b->rank--;
        b->row = b->dims[b->rank];
        for (int o = 0; o < count; o++)
            b->row_step[o] = b->steps[o][b->rank];
    }
    for (int i = 0; i < b->rank; i++)
        b->rows *= b->dims[i];
}

void i8x_broadcast_at(const i8x_broadcast *b, int64_t row, int64_t *offsets)
{
    for (int o = 0; o < b->operands; o++)
        offsets[o] = 0;
    for (int i = b->rank - 1; i >= 0; i--) {
        int64_t index = row % b->dims[i];
        row /= b->dims[i];
        for (int o = 0; o < b->operands; o++)
            offsets[o] += index * b->steps[o][i];
    }
}
