/* SPDX-License-Identifier: Apache-2.0
 *
 * Transposition of 8 x 8 floats in 256-bit registers, for the packing of gemm_f32: three rounds of
 * eight shuffles for 64 elements, where scalar code takes a load and a store for each.
 */
#include <immintrin.h>

#define PACK_TILE 8

/* to[t * width + l] = x[l * stride + t], t, l < 8 */
static inline void transpose_tile(const float *x, size_t stride, float *to, size_t width)
{
    __m256 r0 = _mm256_loadu_ps(x), r1 = _mm256_loadu_ps(x + stride);
    __m256 r2 = _mm256_loadu_ps(x + 2 * stride), r3 = _mm256_loadu_ps(x + 3 * stride);
    __m256 r4 = _mm256_loadu_ps(x + 4 * stride), r5 = _mm256_loadu_ps(x + 5 * stride);
    __m256 r6 = _mm256_loadu_ps(x + 6 * stride), r7 = _mm256_loadu_ps(x + 7 * stride);
    __m256 a0 = _mm256_unpacklo_ps(r0, r1), a1 = _mm256_unpackhi_ps(r0, r1);
    __m256 a2 = _mm256_unpacklo_ps(r2, r3), a3 = _mm256_unpackhi_ps(r2, r3);
    __m256 a4 = _mm256_unpacklo_ps(r4, r5), a5 = _mm256_unpackhi_ps(r4, r5);
    __m256 a6 = _mm256_unpacklo_ps(r6, r7), a7 = _mm256_unpackhi_ps(r6, r7);
    /* b0: columns 0 and 4 of rows 0-3, b1: 1 and 5, b2: 2 and 6, b3: 3 and 7; b4-b7 the same of
     * rows 4-7 */
    __m256 b0 = _mm256_shuffle_ps(a0, a2, 0x44), b1 = _mm256_shuffle_ps(a0, a2, 0xee);
    __m256 b2 = _mm256_shuffle_ps(a1, a3, 0x44), b3 = _mm256_shuffle_ps(a1, a3, 0xee);
    __m256 b4 = _mm256_shuffle_ps(a4, a6, 0x44), b5 = _mm256_shuffle_ps(a4, a6, 0xee);
    __m256 b6 = _mm256_shuffle_ps(a5, a7, 0x44), b7 = _mm256_shuffle_ps(a5, a7, 0xee);
    _mm256_storeu_ps(to, _mm256_permute2f128_ps(b0, b4, 0x20));
    _mm256_storeu_ps(to + width, _mm256_permute2f128_ps(b1, b5, 0x20));
    _mm256_storeu_ps(to + 2 * width, _mm256_permute2f128_ps(b2, b6, 0x20));
    _mm256_storeu_ps(to + 3 * width, _mm256_permute2f128_ps(b3, b7, 0x20));
    _mm256_storeu_ps(to + 4 * width, _mm256_permute2f128_ps(b0, b4, 0x31));
    _mm256_storeu_ps(to + 5 * width, _mm256_permute2f128_ps(b1, b5, 0x31));
    _mm256_storeu_ps(to + 6 * width, _mm256_permute2f128_ps(b2, b6, 0x31));
    _mm256_storeu_ps(to + 7 * width, _mm256_permute2f128_ps(b3, b7, 0x31));
}
