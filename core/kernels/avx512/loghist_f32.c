/* SPDX-License-Identifier: Apache-2.0
 *
 * Histogram on the log grid, AVX-512: sixteen keys at a time are compressed by their nonzero mask.
 * Conflict detection with gather and scatter was left out: 32 memory operations where sixteen
 * increments do.
 */
#include "core/kernels/avx512/simd.h"

#include "core/kernels/vector/loghist_f32.h"

static size_t compress_keys(const float *x, size_t count, uint32_t *keys)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    size_t used = 0, i = 0;
    for (; i + 16 <= count; i += 16) {
        __m512i bits = _mm512_loadu_si512(x + i);
        __mmask16 nonzero = _mm512_test_epi32_mask(bits, magnitude);
        __m512i key = _mm512_srli_epi32(bits, I8X_LOGHIST_SHIFT);
        _mm512_storeu_si512(keys + used, _mm512_maskz_compress_epi32(nonzero, key));
        used += (size_t)__builtin_popcount(nonzero);
    }
    if (i < count) {
        __m512i bits = _mm512_maskz_loadu_epi32(first(count - i), x + i);
        __mmask16 nonzero = _mm512_test_epi32_mask(bits, magnitude);
        __m512i key = _mm512_srli_epi32(bits, I8X_LOGHIST_SHIFT);
        _mm512_storeu_si512(keys + used, _mm512_maskz_compress_epi32(nonzero, key));
        used += (size_t)__builtin_popcount(nonzero);
    }
    return used;
}
