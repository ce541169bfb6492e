/* SPDX-License-Identifier: Apache-2.0
 *
 * Binary operations: kernels for FP32, plain loops for the integers of shape arithmetic.
 */
#include "core/ops/eltwise.h"

#include <math.h>
#include <string.h>

#include "core/base/fmath.h"
#include "core/kernels/kernels.h"
#include "core/ops/broadcast.h"
#include "core/tensor/tensor.h"

#define GRAIN 16384 /* elements a thread takes at least */

typedef void (*row_f32_fn)(const float *a, size_t a_step, const float *b, size_t b_step, float *y,
                           size_t n);

static void equal_f32(const float *a, size_t a_step, const float *b, size_t b_step, float *y,
                      size_t n)
{
    uint8_t *truth = (uint8_t *)y;
    for (size_t i = 0; i < n; i++)
        truth[i] = a[i * a_step] == b[i * b_step];
}

static void less_f32(const float *a, size_t a_step, const float *b, size_t b_step, float *y,
                     size_t n)
{
    uint8_t *truth = (uint8_t *)y;
    for (size_t i = 0; i < n; i++)
        truth[i] = a[i * a_step] < b[i * b_step];
}

static void greater_f32(const float *a, size_t a_step, const float *b, size_t b_step, float *y,
                        size_t n)
{
    less_f32(b, b_step, a, a_step, y, n);
}

/* Small whole exponents by multiplication, 0.5 by the square root: exact enough and equal
 * everywhere. Others as exp(b log a), which is NaN for a < 0. */
static float pow_one(float a, float b)
{
    float t;
    if (b == 2.0f)
        return a * a;
    if (b == 0.5f)
        return sqrtf(a);
    if (b == rintf(b) && fabsf(b) <= 16.0f) {
        double product = 1.0, base = a;
        for (int i = (int)fabsf(b); i > 0; i--)
            product *= base;
        return (float)(b < 0 ? 1.0 / product : product);
    }
    t = b * i8x_fmath_log(a);
    return i8x_fmath_exp(t);
}

static void pow_f32(const float *a, size_t a_step, const float *b, size_t b_step, float *y,
                    size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = pow_one(a[i * a_step], b[i * b_step]);
}

static row_f32_fn row_f32(i8x_binary op)
{
    const i8x_kernels *k = i8x_kernels_get();
    const row_f32_fn rows[I8X_BINARY_COUNT] = {
        [I8X_BINARY_ADD] = k->add_f32, [I8X_BINARY_SUB] = k->sub_f32,
        [I8X_BINARY_MUL] = k->mul_f32, [I8X_BINARY_DIV] = k->div_f32,
        [I8X_BINARY_MAX] = k->max_f32, [I8X_BINARY_MIN] = k->min_f32,
        [I8X_BINARY_POW] = pow_f32,    [I8X_BINARY_EQUAL] = equal_f32,
        [I8X_BINARY_LESS] = less_f32,  [I8X_BINARY_GREATER] = greater_f32,
    };
    return rows[op];
}

static int64_t integer_op(i8x_binary op, int64_t a, int64_t b)
{
    switch (op) {
    case I8X_BINARY_ADD:
        return (int64_t)((uint64_t)a + (uint64_t)b);
    case I8X_BINARY_SUB:
        return (int64_t)((uint64_t)a - (uint64_t)b);
    case I8X_BINARY_MUL:
        return (int64_t)((uint64_t)a * (uint64_t)b);
    case I8X_BINARY_DIV:
        return b == 0 || (b == -1 && a == INT64_MIN) ? 0 : a / b;
    case I8X_BINARY_MAX:
        return a > b ? a : b;
    case I8X_BINARY_MIN:
        return a < b ? a : b;
    case I8X_BINARY_EQUAL:
        return a == b;
    case I8X_BINARY_LESS:
        return a < b;
    case I8X_BINARY_GREATER:
        return a > b;
    case I8X_BINARY_AND:
        return a && b;
    case I8X_BINARY_OR:
        return a || b;
    default:
        return 0;
    }
}

static void put_int(i8x_tensor *y, int64_t index, int64_t value)
{
    if (y->dtype == I8X_DTYPE_S64)
        ((int64_t *)y->data)[index] = value;
    else if (y->dtype == I8X_DTYPE_S32)
        ((int32_t *)y->data)[index] = (int32_t)(uint32_t)(uint64_t)value;
    else
        ((uint8_t *)y->data)[index] = (uint8_t)value;
}

bool i8x_binary_supports(i8x_binary op, i8x_dtype dtype)
{
    if (dtype == I8X_DTYPE_F32)
        return op != I8X_BINARY_AND && op != I8X_BINARY_OR;
    if (dtype == I8X_DTYPE_BOOL)
        return op == I8X_BINARY_AND || op == I8X_BINARY_OR || op == I8X_BINARY_EQUAL;
    return (dtype == I8X_DTYPE_S64 || dtype == I8X_DTYPE_S32) && op != I8X_BINARY_POW &&
           op != I8X_BINARY_AND && op != I8X_BINARY_OR;
}

typedef struct work {
    i8x_broadcast broadcast;
    i8x_binary op;
    row_f32_fn row;
    const i8x_tensor *a, *b;
    i8x_tensor *y;
} work;

static void run_integers(const work *w)
{
    const i8x_broadcast *b = &w->broadcast;
    for (int64_t row = 0; row < b->rows; row++) {
        int64_t at[2];
        i8x_broadcast_at(b, row, at);
        for (int64_t i = 0; i < b->row; i++)
            put_int(w->y, row * b->row + i,
                    integer_op(w->op, i8x_tensor_int(w->a, at[0] + i * b->row_step[0]),
                               i8x_tensor_int(w->b, at[1] + i * b->row_step[1])));
    }
}

/* Elements [begin, end) of the result; the first and the last row may be cut. */
static void run_range(void *user, int64_t begin, int64_t end, int thread_index)
{
    const work *w = user;
    const i8x_broadcast *b = &w->broadcast;
    size_t y_size = i8x_dtype_size(w->y->dtype);
    (void)thread_index;
    while (begin < end) {
        int64_t at[2], row = begin / b->row, first = begin % b->row;
        int64_t count = b->row - first < end - begin ? b->row - first : end - begin;
        i8x_broadcast_at(b, row, at);
        w->row((const float *)w->a->data + at[0] + first * b->row_step[0], (size_t)b->row_step[0],
               (const float *)w->b->data + at[1] + first * b->row_step[1], (size_t)b->row_step[1],
               (float *)(void *)((char *)w->y->data + (size_t)begin * y_size), (size_t)count);
        begin += count;
    }
}

void i8x_binary_run(i8x_binary op, const i8x_tensor *a, const i8x_tensor *b, i8x_tensor *y,
                    i8x_threads *threads)
{
    work w = {.op = op, .a = a, .b = b, .y = y};
    int64_t count = i8x_tensor_elements(y);
    if (count == 0)
        return;
    i8x_broadcast_init(&w.broadcast, &y->shape, (const i8x_shape *[]){&a->shape, &b->shape}, 2);
    w.row = row_f32(op);
    if (a->dtype == I8X_DTYPE_F32)
        i8x_threads_for(threads, 0, count, GRAIN, run_range, &w);
    else
        run_integers(&w);
}

void i8x_where_run(const i8x_tensor *condition, const i8x_tensor *a, const i8x_tensor *b,
                   i8x_tensor *y)
{
    i8x_broadcast bc;
    size_t size = i8x_dtype_size(y->dtype);
    char *to = y->data;
    if (i8x_tensor_elements(y) == 0)
        return;
    i8x_broadcast_init(&bc, &y->shape,
                       (const i8x_shape *[]){&condition->shape, &a->shape, &b->shape}, 3);
    for (int64_t row = 0; row < bc.rows; row++) {
        int64_t at[3];
        i8x_broadcast_at(&bc, row, at);
        for (int64_t i = 0; i < bc.row; i++, to += size) {
            bool truth = ((const uint8_t *)condition->data)[at[0] + i * bc.row_step[0]] != 0;
            const char *from = truth ? a->data : b->data;
            int64_t index = truth ? at[1] + i * bc.row_step[1] : at[2] + i * bc.row_step[2];
            memmove(to, from + (size_t)index * size, size);
        }
    }
}
