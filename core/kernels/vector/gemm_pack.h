/* SPDX-License-Identifier: Apache-2.0
 *
 * Packing for gemm_f32, written once for every MR and NR: the including file defines both as constants,
 * so that the compiler sees fixed widths. Panels are packed [k][width], rows beyond the matrix are 0.
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

/* packed[t][l] = l < count ? x[l * stride + t] : 0: a transposition. Four rows of the source at a time, so
 * that each line of packed is visited width / 4 times and the source is read in order. */
static inline void pack_columns(size_t k, const float *x, size_t stride, size_t count, size_t width,
                                float *packed)
{
    size_t l = 0;
    for (; l + 4 <= count; l += 4) {
        const float *x0 = x + l * stride, *x1 = x0 + stride, *x2 = x1 + stride, *x3 = x2 + stride;
        for (size_t t = 0; t < k; ++t) {
            float *to = packed + t * width + l;
            to[0] = x0[t];
            to[1] = x1[t];
            to[2] = x2[t];
            to[3] = x3[t];
        }
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
