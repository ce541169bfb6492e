/* SPDX-License-Identifier: Apache-2.0
 *
 * AVX2 and FMA: blocks of sixteen floats in two registers (the list of operations is in
 * vector/v16.h). Short rests go through a buffer on the stack: vmaskmov is slower than that on most
 * AVX2 machines.
 */
#ifndef CORE_KERNELS_AVX2_SIMD_H
#define CORE_KERNELS_AVX2_SIMD_H

#include <immintrin.h>

#include "core/kernels/vector/v16.h"

#define THIS(name) i8x_avx2_##name
#define KERNEL(name, contract, result, parameters) result THIS(name) parameters;
#define UNIT(name, contract, type) extern const type THIS(name);
#include "core/kernels/kernels.def"
#undef KERNEL
#undef UNIT

#define V16_DOUBLE
#define V16_MASKED
#define V16_UNROLL 4 /* blocks of a fir in registers */

typedef struct v16f {
    __m256 lo, hi;
} v16f;
typedef struct v16i {
    __m256i lo, hi;
} v16i;
typedef v16f v16m; /* all ones or zero per element */
typedef struct v16d {
    __m256d q[4];
} v16d;

#define BOTH(op, a, b)                                                                             \
    (v16f)                                                                                         \
    {                                                                                              \
        op((a).lo, (b).lo), op((a).hi, (b).hi)                                                     \
    }
#define BOTH_I(op, a, b)                                                                           \
    (v16i)                                                                                         \
    {                                                                                              \
        op((a).lo, (b).lo), op((a).hi, (b).hi)                                                     \
    }

static inline v16f v16f_load(const float *p)
{
    return (v16f){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
static inline void v16f_store(float *p, v16f v)
{
    _mm256_storeu_ps(p, v.lo);
    _mm256_storeu_ps(p + 8, v.hi);
}
/* All ones in the elements from `from` on that are below n. */
static inline __m256i below(size_t n, int from)
{
    const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n - from), index);
}
static inline v16f v16f_load_n(const float *p, size_t n)
{
    return (v16f){_mm256_maskload_ps(p, below(n, 0)), _mm256_maskload_ps(p + 8, below(n, 8))};
}
static inline void v16f_store_n(float *p, size_t n, v16f v)
{
    _mm256_maskstore_ps(p, below(n, 0), v.lo);
    _mm256_maskstore_ps(p + 8, below(n, 8), v.hi);
}
static inline v16f v16f_set(float x)
{
    return (v16f){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
static inline v16i v16i_set(int32_t x)
{
    return (v16i){_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
}
static inline v16f v16f_add(v16f a, v16f b)
{
    return BOTH(_mm256_add_ps, a, b);
}
static inline v16f v16f_sub(v16f a, v16f b)
{
    return BOTH(_mm256_sub_ps, a, b);
}
static inline v16f v16f_mul(v16f a, v16f b)
{
    return BOTH(_mm256_mul_ps, a, b);
}
static inline v16f v16f_div(v16f a, v16f b)
{
    return BOTH(_mm256_div_ps, a, b);
}
static inline v16f v16f_max(v16f a, v16f b)
{
    return BOTH(_mm256_max_ps, a, b);
}
static inline v16f v16f_min(v16f a, v16f b)
{
    return BOTH(_mm256_min_ps, a, b);
}
static inline v16f v16f_fma(v16f a, v16f b, v16f c)
{
    return (v16f){_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
static inline v16f v16f_round(v16f x)
{
    return (v16f){_mm256_round_ps(x.lo, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
                  _mm256_round_ps(x.hi, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
static inline v16f v16f_or_zero(v16f x)
{
    return (v16f){_mm256_and_ps(x.lo, _mm256_cmp_ps(x.lo, x.lo, _CMP_ORD_Q)),
                  _mm256_and_ps(x.hi, _mm256_cmp_ps(x.hi, x.hi, _CMP_ORD_Q))};
}
static inline v16i v16i_from_f(v16f x)
{
    return (v16i){_mm256_cvtps_epi32(x.lo), _mm256_cvtps_epi32(x.hi)};
}
static inline v16f v16f_from_i(v16i x)
{
    return (v16f){_mm256_cvtepi32_ps(x.lo), _mm256_cvtepi32_ps(x.hi)};
}
static inline v16i v16i_bits(v16f x)
{
    return (v16i){_mm256_castps_si256(x.lo), _mm256_castps_si256(x.hi)};
}
static inline v16f v16f_bits(v16i x)
{
    return (v16f){_mm256_castsi256_ps(x.lo), _mm256_castsi256_ps(x.hi)};
}
static inline v16i v16i_add(v16i a, v16i b)
{
    return BOTH_I(_mm256_add_epi32, a, b);
}
static inline v16i v16i_sub(v16i a, v16i b)
{
    return BOTH_I(_mm256_sub_epi32, a, b);
}
static inline v16i v16i_and(v16i a, v16i b)
{
    return BOTH_I(_mm256_and_si256, a, b);
}
static inline v16i v16i_or(v16i a, v16i b)
{
    return BOTH_I(_mm256_or_si256, a, b);
}
static inline v16m v16i_lt(v16i a, v16i b)
{
    return v16f_bits(BOTH_I(_mm256_cmpgt_epi32, b, a));
}
#define v16i_shl(i, count)                                                                         \
    (v16i)                                                                                         \
    {                                                                                              \
        _mm256_slli_epi32((i).lo, (count)), _mm256_slli_epi32((i).hi, (count))                     \
    }
#define v16i_shr(i, count)                                                                         \
    (v16i)                                                                                         \
    {                                                                                              \
        _mm256_srli_epi32((i).lo, (count)), _mm256_srli_epi32((i).hi, (count))                     \
    }
#define v16i_sar(i, count)                                                                         \
    (v16i)                                                                                         \
    {                                                                                              \
        _mm256_srai_epi32((i).lo, (count)), _mm256_srai_epi32((i).hi, (count))                     \
    }
static inline v16m v16f_lt(v16f a, v16f b)
{
    return (v16f){_mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)};
}
static inline v16m v16f_le(v16f a, v16f b)
{
    return (v16f){_mm256_cmp_ps(a.lo, b.lo, _CMP_LE_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LE_OQ)};
}
static inline v16f v16f_select(v16m m, v16f a, v16f b)
{
    return (v16f){_mm256_blendv_ps(b.lo, a.lo, m.lo), _mm256_blendv_ps(b.hi, a.hi, m.hi)};
}
static inline bool v16f_all_zero(v16f v)
{
    __m256 zero = _mm256_setzero_ps();
    return _mm256_movemask_ps(_mm256_or_ps(_mm256_cmp_ps(v.lo, zero, _CMP_NEQ_UQ),
                                           _mm256_cmp_ps(v.hi, zero, _CMP_NEQ_UQ))) == 0;
}
static inline __m256 even_8(__m256 a, __m256 b)
{
    __m256 mixed = _mm256_shuffle_ps(a, b, 0x88); /* a0 a2 b0 b2 | a4 a6 b4 b6 */
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0xd8));
}
static inline v16f v16f_even(v16f a, v16f b)
{
    return (v16f){even_8(a.lo, a.hi), even_8(b.lo, b.hi)};
}

/* partial[l] += partial[l + 8], 4, 2, 1 */
static inline float v16f_sum(v16f v)
{
    __m256 s = _mm256_add_ps(v.lo, v.hi);
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}

static inline v16i v16i_load(const int32_t *p)
{
    return (v16i){_mm256_loadu_si256((const __m256i *)p),
                  _mm256_loadu_si256((const __m256i *)(p + 8))};
}
static inline v16i v16i_load_n(const int32_t *p, size_t n)
{
    int32_t rest[16] = {0};
    memcpy(rest, p, n * sizeof *p);
    return v16i_load(rest);
}
static inline v16i v16i_load_s8(const int8_t *p)
{
    return (v16i){_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)),
                  _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(p + 8)))};
}
static inline v16i v16i_load_u8(const uint8_t *p)
{
    return (v16i){_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)),
                  _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(p + 8)))};
}
static inline v16i v16i_load_s8_n(const int8_t *p, size_t n)
{
    int8_t rest[16] = {0};
    memcpy(rest, p, n);
    return v16i_load_s8(rest);
}
static inline v16i v16i_load_u8_n(const uint8_t *p, size_t n)
{
    uint8_t rest[16] = {0};
    memcpy(rest, p, n);
    return v16i_load_u8(rest);
}
/* Values already in the range of the type: the low byte of each. */
static inline void v16i_store_8(void *p, v16i v)
{
    const __m256i low = _mm256_set1_epi32(255);
    __m256i words = _mm256_packus_epi32(_mm256_and_si256(v.lo, low), _mm256_and_si256(v.hi, low));
    words = _mm256_permute4x64_epi64(words, 0xd8);
    _mm_storeu_si128(
        p, _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}
static inline void v16i_store_8_n(void *p, size_t n, v16i v)
{
    uint8_t rest[16];
    v16i_store_8(rest, v);
    memcpy(p, rest, n);
}

#define FOUR(op, a, b)                                                                             \
    (v16d)                                                                                         \
    {                                                                                              \
        {                                                                                          \
            op((a).q[0], (b).q[0]), op((a).q[1], (b).q[1]), op((a).q[2], (b).q[2]),                \
                op((a).q[3], (b).q[3])                                                             \
        }                                                                                          \
    }
static inline v16d v16d_zero(void)
{
    __m256d zero = _mm256_setzero_pd();
    return (v16d){{zero, zero, zero, zero}};
}
static inline v16d v16d_from_f(v16f x)
{
    return (v16d){{_mm256_cvtps_pd(_mm256_castps256_ps128(x.lo)),
                   _mm256_cvtps_pd(_mm256_extractf128_ps(x.lo, 1)),
                   _mm256_cvtps_pd(_mm256_castps256_ps128(x.hi)),
                   _mm256_cvtps_pd(_mm256_extractf128_ps(x.hi, 1))}};
}
static inline v16d v16d_load(const float *p)
{
    return (v16d){{_mm256_cvtps_pd(_mm_loadu_ps(p)), _mm256_cvtps_pd(_mm_loadu_ps(p + 4)),
                   _mm256_cvtps_pd(_mm_loadu_ps(p + 8)), _mm256_cvtps_pd(_mm_loadu_ps(p + 12))}};
}
static inline v16d v16d_add(v16d a, v16d b)
{
    return FOUR(_mm256_add_pd, a, b);
}
static inline v16d v16d_sub(v16d a, v16d b)
{
    return FOUR(_mm256_sub_pd, a, b);
}
static inline v16d v16d_fma(v16d a, v16d b, v16d c)
{
    return (v16d){{_mm256_fmadd_pd(a.q[0], b.q[0], c.q[0]), _mm256_fmadd_pd(a.q[1], b.q[1], c.q[1]),
                   _mm256_fmadd_pd(a.q[2], b.q[2], c.q[2]),
                   _mm256_fmadd_pd(a.q[3], b.q[3], c.q[3])}};
}
static inline double v16d_sum(v16d v)
{
    __m256d low = _mm256_add_pd(v.q[0], v.q[2]), high = _mm256_add_pd(v.q[1], v.q[3]);
    __m256d q = _mm256_add_pd(low, high);
    __m128d h = _mm_add_pd(_mm256_castpd256_pd128(q), _mm256_extractf128_pd(q, 1));
    return _mm_cvtsd_f64(_mm_add_sd(h, _mm_unpackhi_pd(h, h)));
}

#endif
