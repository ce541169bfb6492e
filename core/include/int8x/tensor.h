/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensor: a view of dense row-major numbers. A tensor owns nothing: its bytes belong to an arena, a
 * mapped file or the caller. Shapes have up to 8 dimensions; -1 stands for "not known yet".
 * Real value of a quantized element = scale * (q - zero_point).
 */
#ifndef INT8X_TENSOR_H
#define INT8X_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "int8x/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define I8X_RANK_MAX 8
#define I8X_DIM_UNKNOWN (-1)
#define I8X_ELEMENTS_MAX ((int64_t)1 << 40)

/* X(name, lower-case name, bits per element) */
#define I8X_DTYPE_LIST(X)                                                                          \
    X(F32, "f32", 32)                                                                              \
    X(F16, "f16", 16)                                                                              \
    X(F64, "f64", 64)                                                                              \
    X(S8, "s8", 8)                                                                                 \
    X(U8, "u8", 8)                                                                                 \
    X(S4, "s4", 4)                                                                                 \
    X(U4, "u4", 4)                                                                                 \
    X(S16, "s16", 16)                                                                              \
    X(U16, "u16", 16)                                                                              \
    X(S32, "s32", 32)                                                                              \
    X(S64, "s64", 64)                                                                              \
    X(BOOL, "bool", 8)

typedef enum i8x_dtype {
    I8X_DTYPE_NONE = 0,
#define I8X_DTYPE_ENUM(name, text, bits) I8X_DTYPE_##name,
    I8X_DTYPE_LIST(I8X_DTYPE_ENUM)
#undef I8X_DTYPE_ENUM
        I8X_DTYPE_COUNT
} i8x_dtype;

typedef struct i8x_shape {
    int rank; /* 0 = scalar */
    int64_t dims[I8X_RANK_MAX];
} i8x_shape;

typedef struct i8x_tensor {
    i8x_dtype dtype;
    i8x_shape shape;
    void *data; /* NULL = no data; constants are never written through it */
} i8x_tensor;

/** Lower-case name, "f32"; "?" for a number that is no dtype. Static string. */
I8X_EXPORT const char *i8x_dtype_name(i8x_dtype dtype);
/** Bits of one element; 0 for a number that is no dtype. */
I8X_EXPORT int i8x_dtype_bits(i8x_dtype dtype);
/** Smallest and largest integer of an integer dtype (S8: -128..127). */
I8X_EXPORT int64_t i8x_dtype_min(i8x_dtype dtype);
I8X_EXPORT int64_t i8x_dtype_max(i8x_dtype dtype);

/** Shape from a list; rank <= 8 is asserted. */
I8X_EXPORT i8x_shape i8x_shape_make(int rank, const int64_t *dims);
/** True if no dimension is unknown. */
I8X_EXPORT bool i8x_shape_known(const i8x_shape *shape);
I8X_EXPORT bool i8x_shape_equal(const i8x_shape *a, const i8x_shape *b);
/** Number of elements. Errors: I8X_ESHAPE (unknown or negative dimension), I8X_ELIMIT (above
 * I8X_ELEMENTS_MAX). */
I8X_FALLIBLE i8x_status i8x_shape_elements(const i8x_shape *shape, int64_t *count);
/** "[1,3,224,224]"; unknown dimensions as "?". Returns buffer. */
I8X_EXPORT char *i8x_shape_text(const i8x_shape *shape, char *buffer, size_t size_bytes);
/** numpy broadcast of two shapes. Errors: I8X_ESHAPE. */
I8X_FALLIBLE i8x_status i8x_shape_broadcast(const i8x_shape *a, const i8x_shape *b,
                                            i8x_shape *result);

/** Elements of a tensor with a known, checked shape; 0 if the shape is not. Never fails. */
I8X_EXPORT int64_t i8x_tensor_elements(const i8x_tensor *tensor);
/** Bytes of its data (4-bit types: two to a byte, rounded up). */
I8X_EXPORT size_t i8x_tensor_size_bytes(const i8x_tensor *tensor);

#ifdef __cplusplus
}
#endif
#endif
