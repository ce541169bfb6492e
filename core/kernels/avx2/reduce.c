/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions, AVX2.
 */
#include "core/kernels/avx2/simd.h"

#include "core/kernels/vector/reduce.h"

/* vpsadbw adds eight bytes into a 64-bit lane; signed codes are shifted by 128 for it. */
static uint64_t sum_bytes(const uint8_t *q, size_t n, uint8_t flip)
{
    const __m256i mask = _mm256_set1_epi8((char)flip), zero = _mm256_setzero_si256();
    __m256i sum = zero;
    uint64_t lanes[4], rest = 0;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i a = _mm256_loadu_si256((const __m256i *)(q + i));
        sum = _mm256_add_epi64(sum, _mm256_sad_epu8(_mm256_xor_si256(a, mask), zero));
    }
    for (; i < n; ++i)
        rest += (uint8_t)(q[i] ^ flip);
    _mm256_storeu_si256((__m256i *)lanes, sum);
    return lanes[0] + lanes[1] + lanes[2] + lanes[3] + rest;
}

int64_t i8x_avx2_sum_s8_s64(const int8_t *q, size_t n)
{
    return (int64_t)sum_bytes((const uint8_t *)q, n, 0x80) - (int64_t)n * 128;
}

int64_t i8x_avx2_sum_u8_s64(const uint8_t *q, size_t n)
{
    return (int64_t)sum_bytes(q, n, 0);
}
