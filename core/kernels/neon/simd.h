/* SPDX-License-Identifier: Apache-2.0
 *
 * NEON: blocks of sixteen floats in four registers (the list of operations is in vector/v16.h).
 * What AArch64 and ARMv7 do not share comes from I8X_NEON_ARCH, neon/aarch64.h or neon/armv7.h,
 * chosen by CMake.
 *
 * vmaxq and vminq give a NaN for a NaN and order the zeros; the contract is a comparison and a
 * select.
 */
#ifndef CORE_KERNELS_NEON_SIMD_H
#define CORE_KERNELS_NEON_SIMD_H

#include <arm_neon.h>

#include "core/kernels/vector/v16.h"

#define THIS(name) i8x_neon_##name
#define KERNEL(name, contract, result, parameters) result THIS(name) parameters;
#define UNIT(name, contract, type) extern const type THIS(name);
#include "core/kernels/kernels.def"
#undef KERNEL
#undef UNIT

typedef struct v16f {
    float32x4_t q[4];
} v16f;
typedef struct v16i {
    int32x4_t q[4];
} v16i;
typedef struct v16m {
    uint32x4_t q[4];
} v16m;

#define EACH_1(type, op, a)                                                                        \
    (type)                                                                                         \
    {                                                                                              \
        {                                                                                          \
            op((a).q[0]), op((a).q[1]), op((a).q[2]), op((a).q[3])                                 \
        }                                                                                          \
    }
#define EACH_2(type, op, a, b)                                                                     \
    (type)                                                                                         \
    {                                                                                              \
        {                                                                                          \
            op((a).q[0], (b).q[0]), op((a).q[1], (b).q[1]), op((a).q[2], (b).q[2]),                \
                op((a).q[3], (b).q[3])                                                             \
        }                                                                                          \
    }
#define EACH_3(type, op, a, b, c)                                                                  \
    (type)                                                                                         \
    {                                                                                              \
        {                                                                                          \
            op((a).q[0], (b).q[0], (c).q[0]), op((a).q[1], (b).q[1], (c).q[1]),                    \
                op((a).q[2], (b).q[2], (c).q[2]), op((a).q[3], (b).q[3], (c).q[3])                 \
        }                                                                                          \
    }

static inline float32x4_t greater(float32x4_t a, float32x4_t b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
static inline float32x4_t smaller(float32x4_t a, float32x4_t b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

#include I8X_NEON_ARCH

static inline v16f v16f_load(const float *p)
{
    return (v16f){{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
}
static inline void v16f_store(float *p, v16f v)
{
    vst1q_f32(p, v.q[0]);
    vst1q_f32(p + 4, v.q[1]);
    vst1q_f32(p + 8, v.q[2]);
    vst1q_f32(p + 12, v.q[3]);
}
static inline v16f v16f_load_n(const float *p, size_t n)
{
    float rest[16] = {0};
    memcpy(rest, p, n * sizeof *p);
    return v16f_load(rest);
}
static inline void v16f_store_n(float *p, size_t n, v16f v)
{
    float rest[16];
    v16f_store(rest, v);
    memcpy(p, rest, n * sizeof *p);
}
static inline v16f v16f_set(float x)
{
    float32x4_t v = vdupq_n_f32(x);
    return (v16f){{v, v, v, v}};
}
static inline v16i v16i_set(int32_t x)
{
    int32x4_t v = vdupq_n_s32(x);
    return (v16i){{v, v, v, v}};
}
static inline v16f v16f_add(v16f a, v16f b)
{
    return EACH_2(v16f, vaddq_f32, a, b);
}
static inline v16f v16f_sub(v16f a, v16f b)
{
    return EACH_2(v16f, vsubq_f32, a, b);
}
static inline v16f v16f_mul(v16f a, v16f b)
{
    return EACH_2(v16f, vmulq_f32, a, b);
}
static inline v16f v16f_div(v16f a, v16f b)
{
    return EACH_2(v16f, quotient, a, b);
}
static inline v16f v16f_fma(v16f a, v16f b, v16f c)
{
    return EACH_3(v16f, vfmaq_f32, c, a, b);
}
static inline v16f v16f_max(v16f a, v16f b)
{
    return EACH_2(v16f, greater, a, b);
}
static inline v16f v16f_min(v16f a, v16f b)
{
    return EACH_2(v16f, smaller, a, b);
}
static inline v16f v16f_round(v16f x)
{
    return EACH_1(v16f, round_even, x);
}
static inline float32x4_t or_zero(float32x4_t x)
{
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), vceqq_f32(x, x)));
}
static inline v16f v16f_or_zero(v16f x)
{
    return EACH_1(v16f, or_zero, x);
}
static inline v16i v16i_from_f(v16f x)
{
    return EACH_1(v16i, integer_even, x);
}
static inline v16f v16f_from_i(v16i x)
{
    return EACH_1(v16f, vcvtq_f32_s32, x);
}
static inline v16i v16i_bits(v16f x)
{
    return EACH_1(v16i, vreinterpretq_s32_f32, x);
}
static inline v16f v16f_bits(v16i x)
{
    return EACH_1(v16f, vreinterpretq_f32_s32, x);
}
static inline v16i v16i_add(v16i a, v16i b)
{
    return EACH_2(v16i, vaddq_s32, a, b);
}
static inline v16i v16i_sub(v16i a, v16i b)
{
    return EACH_2(v16i, vsubq_s32, a, b);
}
static inline v16i v16i_and(v16i a, v16i b)
{
    return EACH_2(v16i, vandq_s32, a, b);
}
static inline v16i v16i_or(v16i a, v16i b)
{
    return EACH_2(v16i, vorrq_s32, a, b);
}
static inline v16m v16i_lt(v16i a, v16i b)
{
    return EACH_2(v16m, vcltq_s32, a, b);
}
#define SHL_(x, count) vshlq_n_s32((x), (count))
#define SAR_(x, count) vshrq_n_s32((x), (count))
#define v16i_shl(i, count)                                                                         \
    (v16i)                                                                                         \
    {                                                                                              \
        {                                                                                          \
            SHL_((i).q[0], count), SHL_((i).q[1], count), SHL_((i).q[2], count),                   \
                SHL_((i).q[3], count)                                                              \
        }                                                                                          \
    }
#define v16i_sar(i, count)                                                                         \
    (v16i)                                                                                         \
    {                                                                                              \
        {                                                                                          \
            SAR_((i).q[0], count), SAR_((i).q[1], count), SAR_((i).q[2], count),                   \
                SAR_((i).q[3], count)                                                              \
        }                                                                                          \
    }
static inline v16m v16f_lt(v16f a, v16f b)
{
    return EACH_2(v16m, vcltq_f32, a, b);
}
static inline v16m v16f_le(v16f a, v16f b)
{
    return EACH_2(v16m, vcleq_f32, a, b);
}
static inline v16f v16f_select(v16m m, v16f a, v16f b)
{
    return EACH_3(v16f, vbslq_f32, m, a, b);
}
static inline bool v16f_all_zero(v16f v)
{
    float32x4_t zero = vdupq_n_f32(0);
    uint32x4_t same = vandq_u32(vandq_u32(vceqq_f32(v.q[0], zero), vceqq_f32(v.q[1], zero)),
                                vandq_u32(vceqq_f32(v.q[2], zero), vceqq_f32(v.q[3], zero)));
    uint32x2_t half = vand_u32(vget_low_u32(same), vget_high_u32(same));
    return (vget_lane_u32(half, 0) & vget_lane_u32(half, 1)) == 0xffffffffu;
}
static inline v16f v16f_even(v16f a, v16f b)
{
    return (v16f){{vuzpq_f32(a.q[0], a.q[1]).val[0], vuzpq_f32(a.q[2], a.q[3]).val[0],
                   vuzpq_f32(b.q[0], b.q[1]).val[0], vuzpq_f32(b.q[2], b.q[3]).val[0]}};
}

/* partial[l] += partial[l + 8], 4, 2, 1 */
static inline float v16f_sum(v16f v)
{
    float32x4_t s = vaddq_f32(vaddq_f32(v.q[0], v.q[2]), vaddq_f32(v.q[1], v.q[3]));
    float32x2_t h = vadd_f32(vget_low_f32(s), vget_high_f32(s));
    return vget_lane_f32(vpadd_f32(h, h), 0);
}

static inline v16i v16i_load(const int32_t *p)
{
    return (v16i){{vld1q_s32(p), vld1q_s32(p + 4), vld1q_s32(p + 8), vld1q_s32(p + 12)}};
}
static inline v16i v16i_load_n(const int32_t *p, size_t n)
{
    int32_t rest[16] = {0};
    memcpy(rest, p, n * sizeof *p);
    return v16i_load(rest);
}
static inline v16i v16i_load_s8(const int8_t *p)
{
    int8x16_t codes = vld1q_s8(p);
    int16x8_t low = vmovl_s8(vget_low_s8(codes)), high = vmovl_s8(vget_high_s8(codes));
    return (v16i){{vmovl_s16(vget_low_s16(low)), vmovl_s16(vget_high_s16(low)),
                   vmovl_s16(vget_low_s16(high)), vmovl_s16(vget_high_s16(high))}};
}
static inline v16i v16i_load_u8(const uint8_t *p)
{
    uint8x16_t codes = vld1q_u8(p);
    int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(codes)));
    int16x8_t high = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(codes)));
    return (v16i){{vmovl_s16(vget_low_s16(low)), vmovl_s16(vget_high_s16(low)),
                   vmovl_s16(vget_low_s16(high)), vmovl_s16(vget_high_s16(high))}};
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
    int16x8_t low = vcombine_s16(vmovn_s32(v.q[0]), vmovn_s32(v.q[1]));
    int16x8_t high = vcombine_s16(vmovn_s32(v.q[2]), vmovn_s32(v.q[3]));
    vst1q_s8(p, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
}
static inline void v16i_store_8_n(void *p, size_t n, v16i v)
{
    int8_t rest[16];
    v16i_store_8(rest, v);
    memcpy(p, rest, n);
}

#endif
