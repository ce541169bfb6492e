/* SPDX-License-Identifier: Apache-2.0
 *
 * Packing for gemm_f32, written once for every MR and NR: the including file defines both as
 * constants, so that the compiler sees fixed widths. Panels are packed [k][width], rows beyond the
 * matrix are 0. A level that can transpose PACK_TILE x PACK_TILE floats in registers includes its
 * transpose_tile() before.
 */
#include <string.h>

/* packed[t][l] = l < count ? x[t * stride + l] : 0, l < width: a copy of short rows */
static inline void pack_rows(size_t k, const float *x, size_t stride, size_t count, size_t width,
                             float *packed)
{
    if (count == width) {
        for (size_t t = 0; t < k; ++t)
            memcpy(packed + t * width, x + t * stride, width * sizeof(float));
        return;
    }
    for (size_t t = 0; t < k; ++t) {
        memcpy(packed + t * width, x + t * stride, count * sizeof(float));
        memset(packed + t * width + count, 0, (width - count) * sizeof(float));
    }
}

/* packed[t][l] = l < count ? x[l * stride + t] : 0: a transposition. Some rows of the source at a
 * time, so that the lines of packed are visited less often and the source is read in order. */
static inline void pack_columns(size_t k, const float *x, size_t stride, size_t count, size_t width,
                                float *packed)
{
    size_t l = 0;
#ifdef PACK_TILE
    for (; l + PACK_TILE <= count; l += PACK_TILE) {
        size_t t = 0;
        for (; t + PACK_TILE <= k; t += PACK_TILE)
            transpose_tile(x + l * stride + t, stride, packed + t * width + l, width);
        for (; t < k; ++t)
            for (size_t j = l; j < l + PACK_TILE; ++j)
                packed[t * width + j] = x[j * stride + t];
    }
#endif
    for (; l + 2 <= count; l += 2)
        for (size_t t = 0; t < k; ++t) {
            packed[t * width + l] = x[l * stride + t];
            packed[t * width + l + 1] = x[(l + 1) * stride + t];
        }
    for (; l < width; ++l)
        for (size_t t = 0; t < k; ++t)
            packed[t * width + l] = l < count ? x[l * stride + t] : 0.0f;
}

static void pack_a(size_t k, const float *a, size_t a_stride, size_t rows, float *packed)
{
    pack_columns(k, a, a_stride, rows, MR, packed);
}

static void pack_a_transposed(size_t k, const float *a, size_t a_stride, size_t rows, float *packed)
{
    pack_rows(k, a, a_stride, rows, MR, packed);
}

static void pack_b(size_t k, const float *b, size_t b_stride, size_t cols, float *packed)
{
    pack_rows(k, b, b_stride, cols, NR, packed);
}

static void pack_b_transposed(size_t k, const float *b, size_t b_stride, size_t cols, float *packed)
{
    pack_columns(k, b, b_stride, cols, NR, packed);
}
