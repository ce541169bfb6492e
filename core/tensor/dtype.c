/* SPDX-License-Identifier: Apache-2.0
 *
 * Element types: one table made from I8X_DTYPE_LIST, and the ranges of the integers among them.
 */
#include "core/tensor/tensor.h"

typedef struct dtype_row {
    const char *name;
    int bits;
} dtype_row;

static const dtype_row rows[I8X_DTYPE_COUNT] = {[I8X_DTYPE_NONE] = {"none", 0},
#define ROW(name, text, bits) [I8X_DTYPE_##name] = {text, bits},
                                                I8X_DTYPE_LIST(ROW)
#undef ROW
};

/* 0 = no integer, 1 = unsigned, 2 = signed */
static const unsigned char kinds[I8X_DTYPE_COUNT] = {
    [I8X_DTYPE_S8] = 2,  [I8X_DTYPE_U8] = 1,  [I8X_DTYPE_S4] = 2,  [I8X_DTYPE_U4] = 1,
    [I8X_DTYPE_S16] = 2, [I8X_DTYPE_U16] = 1, [I8X_DTYPE_S32] = 2, [I8X_DTYPE_S64] = 2,
};

const char *i8x_dtype_name(i8x_dtype dtype)
{
    return (unsigned)dtype < I8X_DTYPE_COUNT ? rows[dtype].name : "?";
}

int i8x_dtype_bits(i8x_dtype dtype)
{
    return (unsigned)dtype < I8X_DTYPE_COUNT ? rows[dtype].bits : 0;
}

size_t i8x_dtype_size(i8x_dtype dtype)
{
    return (size_t)i8x_dtype_bits(dtype) / 8;
}

size_t i8x_dtype_bytes(i8x_dtype dtype, int64_t count)
{
    int bits = i8x_dtype_bits(dtype);
    return bits == 4 ? ((size_t)count + 1) / 2 : (size_t)count * (size_t)(bits / 8);
}

bool i8x_dtype_is_integer(i8x_dtype dtype)
{
    return (unsigned)dtype < I8X_DTYPE_COUNT && kinds[dtype] != 0;
}

int64_t i8x_dtype_min(i8x_dtype dtype)
{
    if (dtype == I8X_DTYPE_BOOL)
        return 0;
    I8X_ASSERT(i8x_dtype_is_integer(dtype));
    if (kinds[dtype] == 1)
        return 0;
    return -i8x_dtype_max(dtype) - 1;
}

int64_t i8x_dtype_max(i8x_dtype dtype)
{
    if (dtype == I8X_DTYPE_BOOL)
        return 1;
    I8X_ASSERT(i8x_dtype_is_integer(dtype));
    int value_bits = rows[dtype].bits - (kinds[dtype] == 2);
    return (int64_t)(((uint64_t)1 << value_bits) - 1);
}
