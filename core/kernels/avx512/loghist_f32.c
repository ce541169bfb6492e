/* SPDX-License-Identifier: Apache-2.0
 *
 * Histogram on the log grid, AVX-512: zeros, half of what a ReLU leaves, are found by one test per sixteen
 * values, counted by popcount and never reach the bins; the keys of the others are compressed into a
 * small buffer and counted one by one.
 *
 * Left out: conflict detection with gather and scatter (two instructions of 16 memory operations each are
 * slower than 16 increments), and several tables (2 MiB each: they leave the caches).
 */
#include "core/kernels/avx512/simd.h"

enum { CHUNK = 512 };

static void count_keys(const uint32_t *keys, size_t n, uint32_t *bins)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        uint64_t low, high;
        memcpy(&low, keys + i, sizeof low);
        memcpy(&high, keys + i + 2, sizeof high);
        bins[(uint32_t)low] += 1;
        bins[low >> 32] += 1;
        bins[(uint32_t)high] += 1;
        bins[high >> 32] += 1;
    }
    for (; i < n; ++i)
        bins[keys[i]] += 1;
}

void i8x_avx512_loghist_f32(const float *x, size_t n, uint32_t *bins)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    uint32_t keys[CHUNK + 16];
    for (size_t i = 0; i < n;) {
        size_t end = n - i < CHUNK ? n : i + CHUNK, used = 0;
        size_t zeros = end - i;
        for (; i < end; i += 16) {
            __mmask16 valid = end - i < 16 ? first(end - i) : (__mmask16)0xffff;
            __m512i bits = _mm512_maskz_loadu_epi32(valid, x + i);
            __mmask16 nonzero = _mm512_test_epi32_mask(bits, magnitude);
            __m512i key = _mm512_srli_epi32(bits, I8X_LOGHIST_SHIFT);
            _mm512_storeu_si512(keys + used, _mm512_maskz_compress_epi32(nonzero, key));
            used += (size_t)__builtin_popcount(nonzero);
        }
        i = end;
        bins[0] += (uint32_t)(zeros - used);
        count_keys(keys, used, bins);
    }
}
