/* SPDX-License-Identifier: Apache-2.0
 *
 * NEON on ARMv7: no division (the VFP unit does it, one lane after another; a refined reciprocal
 * estimate is not correctly rounded), no rounding conversion, no doubles.
 */
#ifndef CORE_KERNELS_NEON_ARMV7_H
#define CORE_KERNELS_NEON_ARMV7_H

#define V16_UNROLL 2 /* blocks of a fir: 8 of 16 registers */

static inline float32x4_t quotient(float32x4_t a, float32x4_t b)
{
    float x[4], y[4];
    vst1q_f32(x, a);
    vst1q_f32(y, b);
    for (int i = 0; i < 4; ++i)
        x[i] = x[i] / y[i];
    return vld1q_f32(x);
}

/* |x| + 2^23 has no fraction bits: the addition rounds to nearest even. From 2^23 on x is an
 * integer. */
static inline float32x4_t round_even(float32x4_t x)
{
    const float32x4_t magic = vdupq_n_f32(0x1p23f);
    const uint32x4_t sign = vdupq_n_u32(0x80000000u);
    float32x4_t magnitude = vabsq_f32(x);
    float32x4_t rounded = vsubq_f32(vaddq_f32(magnitude, magic), magic);
    rounded = vbslq_f32(sign, x, rounded);
    return vbslq_f32(vcltq_f32(magnitude, magic), rounded, x);
}

/* |x| < 2^22: the sum's low bits are the integer. */
static inline int32x4_t integer_even(float32x4_t x)
{
    const float32x4_t magic = vdupq_n_f32(0x1.8p23f);
    return vsubq_s32(vreinterpretq_s32_f32(vaddq_f32(x, magic)), vreinterpretq_s32_f32(magic));
}

#endif
