/* SPDX-License-Identifier: Apache-2.0
 *
 * Strided copies. Dimensions that both sides walk alike are merged, so a copy of rows becomes
 * memcpy.
 */
#include "core/ops/move.h"

#include <string.h>

#include "core/tensor/tensor.h"

#define GRAIN_BYTES 32768

static void simplify(const i8x_move *from, i8x_move *m)
{
    *m = (i8x_move){.element_size = from->element_size};
    for (int i = 0; i < from->rank; i++) {
        if (from->dims[i] == 1)
            continue;
        int last = m->rank - 1;
        if (m->rank > 0 && m->x_step[last] == from->x_step[i] * from->dims[i] &&
            m->y_step[last] == from->y_step[i] * from->dims[i]) {
            m->dims[last] *= from->dims[i];
        } else {
            last = m->rank++;
            m->dims[last] = from->dims[i];
        }
        m->x_step[last] = from->x_step[i];
        m->y_step[last] = from->y_step[i];
    }
    if (m->rank == 0) {
        m->rank = 1;
        m->dims[0] = 1;
        m->x_step[0] = m->y_step[0] = 1;
    }
}

#define ROW(name, type)                                                                            \
    static void name(const void *x, int64_t x_step, void *y, int64_t y_step, int64_t count)        \
    {                                                                                              \
        const type *from = x;                                                                      \
        type *to = y;                                                                              \
        for (int64_t i = 0; i < count; i++)                                                        \
            to[i * y_step] = from[i * x_step];                                                     \
    }
ROW(row_1, uint8_t)
ROW(row_2, uint16_t)
ROW(row_4, uint32_t)
ROW(row_8, uint64_t)

static void row_copy(size_t element_size, const char *x, int64_t x_step, char *y, int64_t y_step,
                     int64_t count)
{
    if (x_step == 1 && y_step == 1)
        memcpy(y, x, (size_t)count * element_size);
    else if (element_size == 4)
        row_4(x, x_step, y, y_step, count);
    else if (element_size == 1)
        row_1(x, x_step, y, y_step, count);
    else if (element_size == 8)
        row_8(x, x_step, y, y_step, count);
    else
        row_2(x, x_step, y, y_step, count);
}

typedef struct work {
    i8x_move m;
    const char *x;
    char *y;
} work;

static void run_rows(void *user, int64_t begin, int64_t end, int thread_index)
{
    const work *w = user;
    const i8x_move *m = &w->m;
    int inner = m->rank - 1;
    int64_t size = (int64_t)m->element_size;
    (void)thread_index;
    for (int64_t row = begin; row < end; row++) {
        int64_t x = 0, y = 0, rest = row;
        for (int i = inner - 1; i >= 0; i--) {
            x += rest % m->dims[i] * m->x_step[i];
            y += rest % m->dims[i] * m->y_step[i];
            rest /= m->dims[i];
        }
        row_copy(m->element_size, w->x + x * size, m->x_step[inner], w->y + y * size,
                 m->y_step[inner], m->dims[inner]);
    }
}

void i8x_move_run(const i8x_move *move, const void *x, void *y, i8x_threads *threads)
{
    work w = {.x = x, .y = y};
    int64_t rows = 1;
    for (int i = 0; i < move->rank; i++)
        if (move->dims[i] == 0)
            return;
    simplify(move, &w.m);
    for (int i = 0; i < w.m.rank - 1; i++)
        rows *= w.m.dims[i];
    int64_t row_bytes = w.m.dims[w.m.rank - 1] * (int64_t)w.m.element_size;
    i8x_threads_for(threads, 0, rows, 1 + GRAIN_BYTES / row_bytes, run_rows, &w);
}

void i8x_transpose_run(const i8x_tensor *x, const int64_t *permutation, void *y,
                       i8x_threads *threads)
{
    i8x_move m = {.rank = x->shape.rank, .element_size = i8x_dtype_size(x->dtype)};
    int64_t strides[I8X_RANK_MAX], step = 1;
    i8x_shape_strides(&x->shape, strides);
    for (int i = m.rank - 1; i >= 0; i--) {
        m.dims[i] = x->shape.dims[permutation[i]];
        m.x_step[i] = strides[permutation[i]];
        m.y_step[i] = step;
        step *= m.dims[i];
    }
    i8x_move_run(&m, x->data, y, threads);
}

void i8x_pick_run(const i8x_tensor *x, const int64_t *tables, const void *fill, i8x_tensor *y)
{
    int64_t strides[I8X_RANK_MAX];
    const int64_t *table[I8X_RANK_MAX];
    size_t size = i8x_dtype_size(y->dtype);
    int64_t count = i8x_tensor_elements(y);
    char *to = y->data;
    i8x_shape_strides(&x->shape, strides);
    for (int i = 0; i < y->shape.rank; i++) {
        table[i] = tables;
        tables += y->shape.dims[i];
    }
    for (int64_t e = 0; e < count; e++, to += size) {
        int64_t rest = e, at = 0;
        bool outside = false;
        for (int i = y->shape.rank; i-- > 0;) {
            int64_t index = table[i][rest % y->shape.dims[i]];
            rest /= y->shape.dims[i];
            outside = outside || index < 0;
            at += index * strides[i];
        }
        memcpy(to, outside ? fill : (const char *)x->data + (size_t)at * size, size);
    }
}
