/* SPDX-License-Identifier: Apache-2.0
 *
 * Eltwise: element by element operations. Binary ones broadcast as numpy does; the shapes have been
 * checked by the caller (i8x_shape_broadcast). In place: y may be the data of an operand that has
 * the shape of the result.
 */
#ifndef CORE_OPS_ELTWISE_H
#define CORE_OPS_ELTWISE_H

#include "core/base/threads.h"
#include "int8x/tensor.h"

typedef enum i8x_binary {
    I8X_BINARY_ADD,
    I8X_BINARY_SUB,
    I8X_BINARY_MUL,
    I8X_BINARY_DIV,
    I8X_BINARY_MAX,
    I8X_BINARY_MIN,
    I8X_BINARY_POW,
    I8X_BINARY_EQUAL,
    I8X_BINARY_LESS,
    I8X_BINARY_GREATER, /* result BOOL */
    I8X_BINARY_AND,
    I8X_BINARY_OR, /* BOOL */
    I8X_BINARY_COUNT
} i8x_binary;

/** True if the operation is done on that element type. */
bool i8x_binary_supports(i8x_binary op, i8x_dtype dtype);
/** y = a op b; y has the broadcast shape; a and b one type. Integer division truncates and by zero
 * gives 0. */
void i8x_binary_run(i8x_binary op, const i8x_tensor *a, const i8x_tensor *b, i8x_tensor *y,
                    i8x_threads *threads);

typedef enum i8x_unary {
    I8X_UNARY_RELU,
    I8X_UNARY_LEAKY_RELU,
    I8X_UNARY_SIGMOID,
    I8X_UNARY_HARD_SIGMOID,
    I8X_UNARY_HARD_SWISH,
    I8X_UNARY_TANH,
    I8X_UNARY_ERF,
    I8X_UNARY_EXP,
    I8X_UNARY_LOG,
    I8X_UNARY_SQRT,
    I8X_UNARY_RECIPROCAL,
    I8X_UNARY_NEG,
    I8X_UNARY_ABS,
    I8X_UNARY_GELU,
    I8X_UNARY_GELU_TANH,
    I8X_UNARY_CLIP,
    I8X_UNARY_FLOOR,
    I8X_UNARY_CEIL,
    I8X_UNARY_ROUND,
    I8X_UNARY_COUNT
} i8x_unary;

/* alpha, beta: LeakyRelu slope; HardSigmoid slope and shift; Clip low and high. */
typedef struct i8x_unary_params {
    i8x_unary op;
    float alpha, beta;
} i8x_unary_params;

/** y[i] = f(x[i]), i < count; in place. */
void i8x_unary_run(const i8x_unary_params *params, const float *x, float *y, int64_t count,
                   i8x_threads *threads);

/** y = condition ? a : b with broadcasting; elements of any type but the 4-bit ones. */
void i8x_where_run(const i8x_tensor *condition, const i8x_tensor *a, const i8x_tensor *b,
                   i8x_tensor *y);

#endif
