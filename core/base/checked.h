/* SPDX-License-Identifier: Apache-2.0
 *
 * Checked: overflow-safe arithmetic for sizes and indices. Every size that is made from foreign
 * numbers goes through here; a false return means "does not fit" and leaves the result alone.
 *
 *     size_t bytes;
 *     I8X_ENSURE(i8x_mul_size(rows, cols, &bytes), I8X_ELIMIT, "%zu x %zu is too large", rows,
 * cols);
 */
#ifndef I8X_BASE_CHECKED_H
#define I8X_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** *r = a * b; false on overflow. */
static inline bool i8x_mul_size(size_t a, size_t b, size_t *r)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *r = product;
    return true;
}

/** *r = a + b; false on overflow. */
static inline bool i8x_add_size(size_t a, size_t b, size_t *r)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *r = sum;
    return true;
}

/** *r = a * b; false on overflow. */
static inline bool i8x_mul_s64(int64_t a, int64_t b, int64_t *r)
{
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *r = product;
    return true;
}

/** *r = a + b; false on overflow. */
static inline bool i8x_add_s64(int64_t a, int64_t b, int64_t *r)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *r = sum;
    return true;
}

/** *r = a - b; false on overflow. */
static inline bool i8x_sub_s64(int64_t a, int64_t b, int64_t *r)
{
    int64_t difference;
    if (__builtin_sub_overflow(a, b, &difference))
        return false;
    *r = difference;
    return true;
}

/** A 64-bit count as size_t; false if negative or, on 32-bit machines, too large. */
static inline bool i8x_size_from_s64(int64_t value, size_t *r)
{
    if (value < 0 || (uint64_t)value > SIZE_MAX)
        return false;
    *r = (size_t)value;
    return true;
}

/** An unsigned 64-bit count from a file as size_t; false if too large for this machine. */
static inline bool i8x_size_from_u64(uint64_t value, size_t *r)
{
    if (value > SIZE_MAX)
        return false;
    *r = (size_t)value;
    return true;
}

/** *r = size rounded up to a multiple of alignment (a power of two); false on overflow. */
static inline bool i8x_align_size(size_t size, size_t alignment, size_t *r)
{
    size_t sum;
    if (__builtin_add_overflow(size, alignment - 1, &sum))
        return false;
    *r = sum & ~(alignment - 1);
    return true;
}

#endif
