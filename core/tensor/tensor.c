/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors as views: sizes, comparison, single elements.
 */
#include "core/tensor/tensor.h"

#include <string.h>

i8x_tensor i8x_tensor_make(i8x_dtype dtype, const i8x_shape *shape, void *data)
{
    return (i8x_tensor){.dtype = dtype, .shape = *shape, .data = data};
}

int64_t i8x_tensor_elements(const i8x_tensor *tensor)
{
    int64_t product = 1;
    for (int i = 0; i < tensor->shape.rank; i++) {
        if (tensor->shape.dims[i] < 0 ||
            __builtin_mul_overflow(product, tensor->shape.dims[i], &product))
            return 0;
    }
    return product;
}

size_t i8x_tensor_size_bytes(const i8x_tensor *tensor)
{
    return i8x_dtype_bytes(tensor->dtype, i8x_tensor_elements(tensor));
}

bool i8x_tensor_equal(const i8x_tensor *a, const i8x_tensor *b)
{
    if (a->dtype != b->dtype || !i8x_shape_equal(&a->shape, &b->shape))
        return false;
    size_t size_bytes = i8x_tensor_size_bytes(a);
    return size_bytes == 0 || memcmp(a->data, b->data, size_bytes) == 0;
}

static int64_t nibble(const uint8_t *bytes, int64_t index, bool is_signed)
{
    int code = bytes[index / 2] >> (index % 2 * 4) & 15;
    return is_signed && code >= 8 ? code - 16 : code;
}

int64_t i8x_tensor_int(const i8x_tensor *tensor, int64_t index)
{
    const void *data = tensor->data;
    switch (tensor->dtype) {
    case I8X_DTYPE_S8:
        return ((const int8_t *)data)[index];
    case I8X_DTYPE_U8:
    case I8X_DTYPE_BOOL:
        return ((const uint8_t *)data)[index];
    case I8X_DTYPE_S16:
        return ((const int16_t *)data)[index];
    case I8X_DTYPE_U16:
        return ((const uint16_t *)data)[index];
    case I8X_DTYPE_S32:
        return ((const int32_t *)data)[index];
    case I8X_DTYPE_S64:
        return ((const int64_t *)data)[index];
    case I8X_DTYPE_S4:
    case I8X_DTYPE_U4:
        return nibble(data, index, tensor->dtype == I8X_DTYPE_S4);
    default:
        I8X_ASSERT(!"an integer tensor");
        return 0;
    }
}
