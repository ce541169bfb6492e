/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes: counting, comparing, broadcasting, printing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/tensor/tensor.h"

i8x_shape i8x_shape_make(int rank, const int64_t *dims)
{
    I8X_ASSERT(rank >= 0 && rank <= I8X_RANK_MAX);
    i8x_shape shape = {.rank = rank};
    for (int i = 0; i < rank; i++)
        shape.dims[i] = dims[i];
    return shape;
}

bool i8x_shape_known(const i8x_shape *shape)
{
    for (int i = 0; i < shape->rank; i++)
        if (shape->dims[i] < 0)
            return false;
    return true;
}

bool i8x_shape_equal(const i8x_shape *a, const i8x_shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i])
            return false;
    return true;
}

i8x_status i8x_shape_elements(const i8x_shape *shape, int64_t *count)
{
    char text[128];
    int64_t product = 1;
    bool empty = false;
    for (int i = 0; i < shape->rank; i++) {
        I8X_ENSURE(shape->dims[i] >= 0, I8X_ESHAPE, "shape %s has an unknown dimension",
                   i8x_shape_text(shape, text, sizeof text));
        empty = empty || shape->dims[i] == 0;
    }
    for (int i = 0; i < shape->rank && !empty; i++)
        I8X_ENSURE(i8x_mul_s64(product, shape->dims[i], &product) && product <= I8X_ELEMENTS_MAX,
                   I8X_ELIMIT, "shape %s has more than 2^40 elements",
                   i8x_shape_text(shape, text, sizeof text));
    *count = empty ? 0 : product;
    return I8X_OK;
}

char *i8x_shape_text(const i8x_shape *shape, char *buffer, size_t size_bytes)
{
    size_t used = 0;
    if (size_bytes == 0)
        return buffer;
    buffer[0] = 0;
    for (int i = -1; i <= shape->rank && used < size_bytes; i++) {
        char piece[32];
        if (i < 0 || i == shape->rank)
            (void)snprintf(piece, sizeof piece, "%s", i < 0 ? "[" : "]");
        else if (shape->dims[i] < 0)
            (void)snprintf(piece, sizeof piece, "%s?", i > 0 ? "," : "");
        else
            (void)snprintf(piece, sizeof piece, "%s%" PRId64, i > 0 ? "," : "", shape->dims[i]);
        int wrote = snprintf(buffer + used, size_bytes - used, "%s", piece);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return buffer;
}

i8x_status i8x_shape_broadcast(const i8x_shape *a, const i8x_shape *b, i8x_shape *result)
{
    i8x_shape r = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 0; i < r.rank; i++) {
        int ia = i - (r.rank - a->rank), ib = i - (r.rank - b->rank);
        int64_t da = ia < 0 ? 1 : a->dims[ia], db = ib < 0 ? 1 : b->dims[ib];
        char ta[96], tb[96];
        I8X_ENSURE(da == db || da == 1 || db == 1, I8X_ESHAPE, "%s and %s cannot be broadcast",
                   i8x_shape_text(a, ta, sizeof ta), i8x_shape_text(b, tb, sizeof tb));
        r.dims[i] = da == 1 ? db : da;
    }
    *result = r;
    return I8X_OK;
}

int64_t i8x_shape_product(const i8x_shape *shape, int from, int to)
{
    int64_t product = 1;
    for (int i = from; i < to; i++)
        product *= shape->dims[i];
    return product;
}

void i8x_shape_strides(const i8x_shape *shape, int64_t *strides)
{
    int64_t step = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        strides[i] = step;
        step *= shape->dims[i];
    }
}

i8x_status i8x_shape_axis(int rank, int64_t axis, int *result)
{
    I8X_ENSURE(axis >= -rank && axis < rank, I8X_ESHAPE, "axis %" PRId64 " of a tensor of rank %d",
               axis, rank);
    *result = (int)(axis < 0 ? axis + rank : axis);
    return I8X_OK;
}
