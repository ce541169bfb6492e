/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantization, AVX-512: 64 values a step, packed 32 -> 16 -> 8 bits with saturation, the zero
 * point added in 16 bits between, one permutation to undo the interleaving of the packs.
 *
 * Overflow: cvtps gives INT_MIN for anything out of range, which is right for what is too small;
 * what is too large is cut at 32767 first. NaN is looked for once per 64 values.
 *
 * Division: vdivps takes 10 cycles for sixteen values. x * (1 / scale) differs from x / scale by
 * less than 512 * 3.1 * 2^-24 < 2^-13 where |x / scale| <= 512, so both round to the same integer
 * unless the product lies within 2^-12 of a tie (and beyond 512 both saturate). Only a step that
 * has such a value, about one in thirty of noise, is divided.
 */
#include "core/kernels/avx512/simd.h"

#define TIE_NEAR 0x1.ffep-2f /* 1/2 - 2^-12 */

typedef struct params {
    __m512 factor, reciprocal, limit;
    __m512i zero_point, order; /* zero point in 16 bits */
} params;

typedef struct block {
    __m512 v[4];
} block;

static inline params params_make(float factor, int32_t zero_point)
{
    return (params){_mm512_set1_ps(factor), _mm512_set1_ps(1.0f / factor), _mm512_set1_ps(32767.0f),
                    _mm512_set1_epi16((short)zero_point),
                    _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)};
}

/* 1 / scale is normal and no product of it with a value in range leaves the normal numbers. */
static inline bool reciprocal_usable(float scale)
{
    return scale >= 0x1p-100f && scale <= 0x1p100f;
}

static inline block load_f32(const float *x)
{
    return (block){{_mm512_loadu_ps(x), _mm512_loadu_ps(x + 16), _mm512_loadu_ps(x + 32),
                    _mm512_loadu_ps(x + 48)}};
}

static inline block load_s32(const int32_t *x)
{
    return (block){{_mm512_cvtepi32_ps(_mm512_loadu_si512(x)),
                    _mm512_cvtepi32_ps(_mm512_loadu_si512(x + 16)),
                    _mm512_cvtepi32_ps(_mm512_loadu_si512(x + 32)),
                    _mm512_cvtepi32_ps(_mm512_loadu_si512(x + 48))}};
}

/* The first n < 64 values, the rest 0. */
static inline block load_f32_n(const void *x, size_t n)
{
    const float *from = x;
    block b;
    for (int i = 0; i < 4; ++i) {
        size_t start = 16 * (size_t)i, count = n <= start ? 0 : n - start < 16 ? n - start : 16;
        b.v[i] = _mm512_maskz_loadu_ps(first(count), from + (count ? start : 0));
    }
    return b;
}

static inline block load_s32_n(const void *x, size_t n)
{
    block b = load_f32_n(x, n);
    for (int i = 0; i < 4; ++i)
        b.v[i] = _mm512_cvtepi32_ps(_mm512_castps_si512(b.v[i]));
    return b;
}

static inline block scaled(block b, __m512 factor, __m512 limit)
{
    for (int i = 0; i < 4; ++i)
        b.v[i] =
            _mm512_min_ps(limit, _mm512_mul_ps(b.v[i], factor)); /* a NaN stays: second operand */
    return b;
}

static inline bool has_nan(block b)
{
    __mmask16 low = _mm512_cmp_ps_mask(b.v[0], b.v[1], _CMP_UNORD_Q);
    __mmask16 high = _mm512_cmp_ps_mask(b.v[2], b.v[3], _CMP_UNORD_Q);
    return (low | high) != 0;
}

static __attribute__((noinline)) block nan_to_zero(block b)
{
    for (int i = 0; i < 4; ++i)
        b.v[i] = v16f_or_zero(b.v[i]);
    return b;
}

/* x / scale, cut at limit, NaN to 0 */
static __attribute__((noinline)) block divided(block b, __m512 scale, __m512 limit)
{
    for (int i = 0; i < 4; ++i)
        b.v[i] = _mm512_min_ps(limit, v16f_or_zero(_mm512_div_ps(b.v[i], scale)));
    return b;
}

/* Largest distance from an integer; as bits, where a NaN is larger than any number. */
static inline bool near_tie(block t)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i most = _mm512_setzero_si512();
    for (int i = 0; i < 4; ++i) {
        __m512 distance = _mm512_reduce_ps(t.v[i], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        most = _mm512_max_epu32(most, _mm512_and_si512(_mm512_castps_si512(distance), magnitude));
    }
    const __m512i near = _mm512_castps_si512(_mm512_set1_ps(TIE_NEAR));
    return _mm512_cmp_epu32_mask(most, near, _MM_CMPINT_NLT) != 0;
}

static inline block by_reciprocal(block b, const params *p)
{
    b = scaled(b, p->factor, p->limit);
    if (__builtin_expect(has_nan(b), 0))
        b = nan_to_zero(b);
    return b;
}

static inline block by_division(block b, const params *p)
{
    block t = scaled(b, p->reciprocal, p->limit);
    if (__builtin_expect(near_tie(t), 0))
        t = divided(b, p->factor, p->limit);
    return t;
}

static inline block always_divided(block b, const params *p)
{
    return divided(b, p->factor, p->limit);
}

static inline __m512i pack_16(__m512 a, __m512 b, __m512i zero_point)
{
    return _mm512_adds_epi16(_mm512_packs_epi32(_mm512_cvtps_epi32(a), _mm512_cvtps_epi32(b)),
                             zero_point);
}

static inline __m512i pack_s8(block t, const params *p)
{
    __m512i codes = _mm512_packs_epi16(pack_16(t.v[0], t.v[1], p->zero_point),
                                       pack_16(t.v[2], t.v[3], p->zero_point));
    return _mm512_permutexvar_epi32(p->order, codes);
}

static inline __m512i pack_u8(block t, const params *p)
{
    __m512i codes = _mm512_packus_epi16(pack_16(t.v[0], t.v[1], p->zero_point),
                                        pack_16(t.v[2], t.v[3], p->zero_point));
    return _mm512_permutexvar_epi32(p->order, codes);
}

#define LOOP(input, divide, pack)                                                                  \
    for (; i + 64 <= n; i += 64)                                                                   \
        _mm512_storeu_si512(q + i, pack(divide(load_##input(x + i), &p), &p));                     \
    if (i < n)                                                                                     \
        _mm512_mask_storeu_epi8(q + i, ((__mmask64)1 << (n - i)) - 1,                              \
                                pack(divide(load_##input##_n(x + i, n - i), &p), &p));

#define QUANTIZE(name, type, output, input, pack)                                                  \
    void i8x_avx512_##name(const type *x, size_t n, float factor, int32_t zero_point, output *q)   \
    {                                                                                              \
        const params p = params_make(factor, zero_point);                                          \
        size_t i = 0;                                                                              \
        LOOP(input, by_reciprocal, pack)                                                           \
    }

#define QUANTIZE_DIVISION(name, output, pack)                                                      \
    void i8x_avx512_##name(const float *x, size_t n, float scale, int32_t zero_point, output *q)   \
    {                                                                                              \
        const params p = params_make(scale, zero_point);                                           \
        size_t i = 0;                                                                              \
        if (reciprocal_usable(scale)) {                                                            \
            LOOP(f32, by_division, pack)                                                           \
        } else {                                                                                   \
            LOOP(f32, always_divided, pack)                                                        \
        }                                                                                          \
    }

QUANTIZE_DIVISION(quantize_f32_s8, int8_t, pack_s8)
QUANTIZE_DIVISION(quantize_f32_u8, uint8_t, pack_u8)
QUANTIZE(quantize_rcp_f32_s8, float, int8_t, f32, pack_s8)
QUANTIZE(quantize_rcp_f32_u8, float, uint8_t, f32, pack_u8)
QUANTIZE(requant_s32_s8, int32_t, int8_t, s32, pack_s8)
QUANTIZE(requant_s32_u8, int32_t, uint8_t, s32, pack_u8)

void i8x_avx512_requant_f32_s8(const float *acc, size_t n, float multiplier, int32_t zero_point,
                               int8_t *q)
{
    i8x_avx512_quantize_rcp_f32_s8(acc, n, multiplier, zero_point, q);
}

void i8x_avx512_requant_f32_u8(const float *acc, size_t n, float multiplier, int32_t zero_point,
                               uint8_t *q)
{
    i8x_avx512_quantize_rcp_f32_u8(acc, n, multiplier, zero_point, q);
}

#define DEQUANTIZE(name, type, suffix)                                                             \
    void i8x_avx512_##name(const type *q, size_t n, float scale, int32_t zero_point, float *y)     \
    {                                                                                              \
        const v16f factor = v16f_set(scale);                                                       \
        const v16i zero = v16i_set(zero_point);                                                    \
        size_t i = 0;                                                                              \
        _Pragma("GCC unroll 4") for (; i + 16 <= n; i += 16)                                       \
        {                                                                                          \
            v16i codes = v16i_sub(v16i_load_##suffix(q + i), zero);                                \
            v16f_store(y + i, v16f_mul(factor, v16f_from_i(codes)));                               \
        }                                                                                          \
        if (i < n) {                                                                               \
            v16i codes = v16i_sub(v16i_load_##suffix##_n(q + i, n - i), zero);                     \
            v16f_store_n(y + i, n - i, v16f_mul(factor, v16f_from_i(codes)));                      \
        }                                                                                          \
    }

DEQUANTIZE(dequantize_s8_f32, int8_t, s8)
DEQUANTIZE(dequantize_u8_f32, uint8_t, u8)

/* y = scale * clamp(round(x / scale)); the zero point cancels. fma(scale, r, +0) is scale * r,
 * except that it turns -0 into +0, as the integer in the formula does. */
void i8x_avx512_fakequant_f32(const float *x, size_t n, float scale, int32_t zero_point,
                              int32_t qmin, int32_t qmax, float *y)
{
    const v16f lo = v16f_set((float)(qmin - zero_point)), hi = v16f_set((float)(qmax - zero_point));
    const v16f factor = v16f_set(scale), zero = v16f_set(0.0f);
    const params p = params_make(scale, 0);
    size_t i = 0;
    if (reciprocal_usable(scale) && qmin - zero_point >= -511 && qmax - zero_point <= 511)
        for (; i + 64 <= n; i += 64) {
            block t = by_division(load_f32(x + i), &p);
            for (int j = 0; j < 4; ++j) {
                v16f r = v16f_round(v16f_min(v16f_max(t.v[j], lo), hi));
                v16f_store(y + i + 16 * j, v16f_fma(factor, r, zero));
            }
        }
    for (; i < n; i += 16) {
        size_t count = n - i < 16 ? n - i : 16;
        v16f t = v16f_or_zero(v16f_div(_mm512_maskz_loadu_ps(first(count), x + i), factor));
        v16f r = v16f_round(v16f_min(v16f_max(t, lo), hi));
        _mm512_mask_storeu_ps(y + i, first(count), v16f_fma(factor, r, zero));
    }
}
