/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions, AVX-512.
 */
#include "core/kernels/avx512/simd.h"

#include "core/kernels/vector/reduce.h"

/* vpsadbw adds eight bytes into a 64-bit lane; signed codes are shifted by 128 for it. */
static uint64_t sum_bytes(const void *q, size_t n, uint8_t flip)
{
    const __m512i mask = _mm512_set1_epi8((char)flip), zero = _mm512_setzero_si512();
    const uint8_t *from = q;
    __m512i sum0 = zero, sum1 = zero;
    size_t i = 0;
    for (; i + 128 <= n; i += 128) {
        __m512i a = _mm512_loadu_si512(from + i), b = _mm512_loadu_si512(from + i + 64);
        sum0 = _mm512_add_epi64(sum0, _mm512_sad_epu8(_mm512_xor_si512(a, mask), zero));
        sum1 = _mm512_add_epi64(sum1, _mm512_sad_epu8(_mm512_xor_si512(b, mask), zero));
    }
    for (; i < n; i += 64) {
        __mmask64 valid = n - i < 64 ? ((__mmask64)1 << (n - i)) - 1 : ~(__mmask64)0;
        __m512i a = _mm512_maskz_loadu_epi8(valid, from + i);
        a = _mm512_maskz_mov_epi8(valid, _mm512_xor_si512(a, mask));
        sum0 = _mm512_add_epi64(sum0, _mm512_sad_epu8(a, zero));
    }
    return (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(sum0, sum1));
}

int64_t i8x_avx512_sum_s8_s64(const int8_t *q, size_t n)
{
    return (int64_t)sum_bytes(q, n, 0x80) - (int64_t)n * 128;
}

int64_t i8x_avx512_sum_u8_s64(const uint8_t *q, size_t n)
{
    return (int64_t)sum_bytes(q, n, 0);
}
