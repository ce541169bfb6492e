/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensor, inside the core: the small questions that every room asks about shapes and element types.
 * All functions are pure; shapes are expected to be known (no dimension is I8X_DIM_UNKNOWN).
 */
#ifndef CORE_TENSOR_TENSOR_H
#define CORE_TENSOR_TENSOR_H

#include "int8x/tensor.h"

/** Bytes of one element; 0 for the 4-bit types and NONE. */
size_t i8x_dtype_size(i8x_dtype dtype);
/** True for all integer types, BOOL left out. */
bool i8x_dtype_is_integer(i8x_dtype dtype);
/** Bytes of count elements of a type (4-bit: two to a byte, rounded up). */
size_t i8x_dtype_bytes(i8x_dtype dtype, int64_t count);

/** View from its parts. */
i8x_tensor i8x_tensor_make(i8x_dtype dtype, const i8x_shape *shape, void *data);
/** Product of dims[from] .. dims[to - 1]; 1 for an empty range. */
int64_t i8x_shape_product(const i8x_shape *shape, int from, int to);
/** Row-major strides in elements. */
void i8x_shape_strides(const i8x_shape *shape, int64_t *strides);
/** axis in [-rank, rank) made non-negative. Errors: I8X_ESHAPE. */
I8X_FALLIBLE i8x_status i8x_shape_axis(int rank, int64_t axis, int *result);
/** True if both tensors have the same type, shape and bytes. */
bool i8x_tensor_equal(const i8x_tensor *a, const i8x_tensor *b);
/** Element of an integer or BOOL tensor (4-bit types too) as s64. */
int64_t i8x_tensor_int(const i8x_tensor *tensor, int64_t index);

#endif
