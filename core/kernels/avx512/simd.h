/* SPDX-License-Identifier: Apache-2.0
 *
 * AVX-512: blocks of sixteen floats in one register (the list of operations is in vector/v16.h).
 */
#ifndef CORE_KERNELS_AVX512_SIMD_H
#define CORE_KERNELS_AVX512_SIMD_H

#include <immintrin.h>

#include "core/kernels/vector/v16.h"

#define THIS(name) i8x_avx512_##name
#define KERNEL(name, contract, result, parameters) result THIS(name) parameters;
#define UNIT(name, contract, type) extern const type THIS(name);
#include "core/kernels/kernels.def"
#undef KERNEL
#undef UNIT

#define V16_DOUBLE
#define V16_MASKED   /* v16f_load_n and v16f_store_n are one instruction each */
#define V16_UNROLL 8 /* blocks of a fir in registers */

typedef __m512 v16f;
typedef __m512i v16i;
typedef __mmask16 v16m;
typedef struct v16d {
    __m512d lo, hi;
} v16d;

static inline __mmask16 first(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}

static inline v16f v16f_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline v16f v16f_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(first(n), p);
}
static inline void v16f_store(float *p, v16f v)
{
    _mm512_storeu_ps(p, v);
}
static inline void v16f_store_n(float *p, size_t n, v16f v)
{
    _mm512_mask_storeu_ps(p, first(n), v);
}
static inline v16f v16f_set(float x)
{
    return _mm512_set1_ps(x);
}
static inline v16i v16i_set(int32_t x)
{
    return _mm512_set1_epi32(x);
}
static inline v16f v16f_add(v16f a, v16f b)
{
    return _mm512_add_ps(a, b);
}
static inline v16f v16f_sub(v16f a, v16f b)
{
    return _mm512_sub_ps(a, b);
}
static inline v16f v16f_mul(v16f a, v16f b)
{
    return _mm512_mul_ps(a, b);
}
static inline v16f v16f_div(v16f a, v16f b)
{
    return _mm512_div_ps(a, b);
}
static inline v16f v16f_fma(v16f a, v16f b, v16f c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline v16f v16f_max(v16f a, v16f b)
{
    return _mm512_max_ps(a, b);
}
static inline v16f v16f_min(v16f a, v16f b)
{
    return _mm512_min_ps(a, b);
}
static inline v16f v16f_round(v16f x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline v16f v16f_or_zero(v16f x)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), x);
}
static inline v16i v16i_from_f(v16f x)
{
    return _mm512_cvtps_epi32(x);
}
static inline v16f v16f_from_i(v16i x)
{
    return _mm512_cvtepi32_ps(x);
}
static inline v16i v16i_bits(v16f x)
{
    return _mm512_castps_si512(x);
}
static inline v16f v16f_bits(v16i x)
{
    return _mm512_castsi512_ps(x);
}
static inline v16i v16i_add(v16i a, v16i b)
{
    return _mm512_add_epi32(a, b);
}
static inline v16i v16i_sub(v16i a, v16i b)
{
    return _mm512_sub_epi32(a, b);
}
static inline v16i v16i_and(v16i a, v16i b)
{
    return _mm512_and_si512(a, b);
}
static inline v16i v16i_or(v16i a, v16i b)
{
    return _mm512_or_si512(a, b);
}
static inline v16m v16i_lt(v16i a, v16i b)
{
    return _mm512_cmplt_epi32_mask(a, b);
}
#define v16i_sar(i, count) _mm512_srai_epi32((i), (count))
#define v16i_shl(i, count) _mm512_slli_epi32((i), (count))
#define v16i_shr(i, count) _mm512_srli_epi32((i), (count))
static inline v16m v16f_lt(v16f a, v16f b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
static inline v16m v16f_le(v16f a, v16f b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}
static inline v16f v16f_select(v16m m, v16f a, v16f b)
{
    return _mm512_mask_mov_ps(b, m, a);
}
static inline bool v16f_all_zero(v16f v)
{
    return _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ) == 0;
}
static inline v16f v16f_even(v16f a, v16f b)
{
    const __m512i index =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_permutex2var_ps(a, index, b);
}

/* partial[l] += partial[l + 8], 4, 2, 1 */
static inline float v16f_sum(v16f v)
{
    __m256 s = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}

static inline v16i v16i_load(const int32_t *p)
{
    return _mm512_loadu_si512(p);
}
static inline v16i v16i_load_n(const int32_t *p, size_t n)
{
    return _mm512_maskz_loadu_epi32(first(n), p);
}
static inline v16i v16i_load_s8(const int8_t *p)
{
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p));
}
static inline v16i v16i_load_u8(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}
static inline v16i v16i_load_s8_n(const int8_t *p, size_t n)
{
    return _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(first(n), p));
}
static inline v16i v16i_load_u8_n(const uint8_t *p, size_t n)
{
    return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first(n), p));
}
/* Values already in the range of the type. */
static inline void v16i_store_8(void *p, v16i v)
{
    _mm_storeu_si128(p, _mm512_cvtepi32_epi8(v));
}
static inline void v16i_store_8_n(void *p, size_t n, v16i v)
{
    _mm_mask_storeu_epi8(p, first(n), _mm512_cvtepi32_epi8(v));
}

static inline v16d v16d_zero(void)
{
    return (v16d){_mm512_setzero_pd(), _mm512_setzero_pd()};
}
static inline v16d v16d_from_f(v16f x)
{
    return (v16d){_mm512_cvtps_pd(_mm512_castps512_ps256(x)),
                  _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1))};
}
/* Converting from memory needs no shuffle, from the upper half of a register it needs two. */
static inline v16d v16d_load(const float *p)
{
    return (v16d){_mm512_cvtps_pd(_mm256_loadu_ps(p)), _mm512_cvtps_pd(_mm256_loadu_ps(p + 8))};
}
static inline v16d v16d_add(v16d a, v16d b)
{
    return (v16d){_mm512_add_pd(a.lo, b.lo), _mm512_add_pd(a.hi, b.hi)};
}
static inline v16d v16d_sub(v16d a, v16d b)
{
    return (v16d){_mm512_sub_pd(a.lo, b.lo), _mm512_sub_pd(a.hi, b.hi)};
}
static inline v16d v16d_fma(v16d a, v16d b, v16d c)
{
    return (v16d){_mm512_fmadd_pd(a.lo, b.lo, c.lo), _mm512_fmadd_pd(a.hi, b.hi, c.hi)};
}
static inline double v16d_sum(v16d v)
{
    __m512d s = _mm512_add_pd(v.lo, v.hi);
    __m256d q = _mm256_add_pd(_mm512_castpd512_pd256(s), _mm512_extractf64x4_pd(s, 1));
    __m128d h = _mm_add_pd(_mm256_castpd256_pd128(q), _mm256_extractf128_pd(q, 1));
    return _mm_cvtsd_f64(_mm_add_sd(h, _mm_unpackhi_pd(h, h)));
}

#endif
