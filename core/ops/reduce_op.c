/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions: [outer][count][inner] after merging; see reduce_op.h for the orders.
 */
#include "core/ops/reduce_op.h"

#include <math.h>
#include <string.h>

#include "core/kernels/kernels.h"
#include "core/ops/move.h"
#include "core/tensor/tensor.h"

typedef struct work {
    i8x_reduce op;
    int64_t count, inner;
    const float *x;
    float *y;
} work;

static float row_extreme(const float *x, int64_t count, bool max)
{
    float best = x[0];
    for (int64_t i = 1; i < count; i++)
        best = (max ? x[i] > best : x[i] < best) || x[i] != x[i] ? x[i] : best;
    return best;
}

static float row_reduce(i8x_reduce op, const float *x, int64_t count)
{
    const i8x_kernels *kernels = i8x_kernels_get();
    float product = 1.0f;
    switch (op) {
    case I8X_REDUCE_SUM:
        return kernels->sum_f32(x, (size_t)count);
    case I8X_REDUCE_MEAN:
        return kernels->sum_f32(x, (size_t)count) / (float)count;
    case I8X_REDUCE_MAX:
    case I8X_REDUCE_MIN:
        return count ? row_extreme(x, count, op == I8X_REDUCE_MAX) : 0.0f;
    case I8X_REDUCE_PROD:
        for (int64_t i = 0; i < count; i++)
            product *= x[i];
        return product;
    }
    return 0.0f;
}

/* Rows of x one after the other into y. */
static void fold_rows(i8x_reduce op, const float *x, int64_t count, int64_t inner, float *y)
{
    const i8x_kernels *k = i8x_kernels_get();
    size_t n = (size_t)inner;
    float divisor = (float)count, zero = 0, one = 1;
    if (count == 0) {
        k->add_f32(op == I8X_REDUCE_PROD ? &one : &zero, 0, &zero, 0, y, n);
        return;
    }
    memcpy(y, x, n * sizeof *y);
    for (int64_t i = 1; i < count; i++) {
        const float *row = x + i * inner;
        if (op == I8X_REDUCE_MAX)
            k->max_f32(y, 1, row, 1, y, n);
        else if (op == I8X_REDUCE_MIN)
            k->min_f32(y, 1, row, 1, y, n);
        else if (op == I8X_REDUCE_PROD)
            k->mul_f32(y, 1, row, 1, y, n);
        else
            k->add_f32(y, 1, row, 1, y, n);
    }
    if (op == I8X_REDUCE_MEAN)
        k->div_f32(y, 1, &divisor, 0, y, n);
}

static void run_outer(void *user, int64_t begin, int64_t end, int thread_index)
{
    const work *w = user;
    (void)thread_index;
    for (int64_t i = begin; i < end; i++) {
        const float *x = w->x + i * w->count * w->inner;
        if (w->inner == 1)
            w->y[i] = row_reduce(w->op, x, w->count);
        else
            fold_rows(w->op, x, w->count, w->inner, w->y + i * w->inner);
    }
}

static int64_t fold_int(i8x_reduce op, int64_t a, int64_t b)
{
    if (op == I8X_REDUCE_MAX)
        return a > b ? a : b;
    if (op == I8X_REDUCE_MIN)
        return a < b ? a : b;
    if (op == I8X_REDUCE_PROD)
        return (int64_t)((uint64_t)a * (uint64_t)b);
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static void run_integers(i8x_reduce op, const i8x_tensor *x, int64_t outer, int64_t count,
                         int64_t inner, i8x_tensor *y)
{
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            int64_t acc = op == I8X_REDUCE_PROD ? 1 : 0;
            for (int64_t c = 0; c < count; c++) {
                int64_t v = i8x_tensor_int(x, (o * count + c) * inner + i);
                acc = c == 0 ? v : fold_int(op, acc, v);
            }
            if (op == I8X_REDUCE_MEAN && count)
                acc /= count;
            if (y->dtype == I8X_DTYPE_S64)
                ((int64_t *)y->data)[o * inner + i] = acc;
            else
                ((int32_t *)y->data)[o * inner + i] = (int32_t)acc;
        }
}

/* First reduced axis and the number of them; false if a kept axis (of size > 1) lies between. */
static bool together(const i8x_reduce_params *p, const i8x_shape *shape, int *from, int *to)
{
    *from = *to = -1;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dims[i] == 1)
            continue;
        if (p->reduced[i] && *from < 0)
            *from = i;
        if (p->reduced[i] && *to >= 0 && *to < i)
            return false;
        if (!p->reduced[i] && *from >= 0 && *to < 0)
            *to = i;
    }
    *from = *from < 0 ? shape->rank : *from;
    *to = *to < 0 ? shape->rank : *to;
    return true;
}

static i8x_status bring_to_end(const i8x_reduce_params *p, const i8x_tensor *x, i8x_tensor *moved,
                               i8x_arena *scratch, i8x_threads *threads)
{
    int64_t permutation[I8X_RANK_MAX];
    int n = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < x->shape.rank; i++)
            if (p->reduced[i] == (pass == 1))
                permutation[n++] = i;
    *moved = *x;
    moved->data = i8x_arena_alloc(scratch, i8x_tensor_size_bytes(x));
    I8X_TRY(i8x_alloc_check(moved->data));
    for (int i = 0; i < n; i++)
        moved->shape.dims[i] = x->shape.dims[permutation[i]];
    i8x_transpose_run(x, permutation, moved->data, threads);
    return I8X_OK;
}

i8x_status i8x_reduce_run(const i8x_reduce_params *params, const i8x_tensor *x, i8x_tensor *y,
                          i8x_arena *scratch, i8x_threads *threads)
{
    i8x_arena_mark mark = i8x_arena_mark_get(scratch);
    i8x_tensor source = *x;
    int from, to;
    if (!together(params, &x->shape, &from, &to)) {
        I8X_TRY(bring_to_end(params, x, &source, scratch, threads));
        from = 0;
        for (int i = 0; i < x->shape.rank; i++)
            from += !params->reduced[i];
        to = x->shape.rank;
    }
    int64_t outer = i8x_shape_product(&source.shape, 0, from);
    work w = {.op = params->op, .x = source.data, .y = y->data};
    w.count = i8x_shape_product(&source.shape, from, to);
    w.inner = i8x_shape_product(&source.shape, to, source.shape.rank);
    if (x->dtype != I8X_DTYPE_F32)
        run_integers(w.op, &source, outer, w.count, w.inner, y);
    else if (w.inner > 0)
        i8x_threads_for(threads, 0, outer, 1 + 8192 / (w.count * w.inner + 1), run_outer, &w);
    i8x_arena_rewind(scratch, mark);
    return I8X_OK;
}
