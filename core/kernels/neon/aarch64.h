/* SPDX-License-Identifier: Apache-2.0
 *
 * NEON on AArch64: division, rounding conversions and doubles are in the vector unit.
 */
#ifndef CORE_KERNELS_NEON_AARCH64_H
#define CORE_KERNELS_NEON_AARCH64_H

#define V16_DOUBLE
#define V16_UNROLL 4 /* blocks of a fir: 16 of 32 registers */

static inline float32x4_t quotient(float32x4_t a, float32x4_t b)
{
    return vdivq_f32(a, b);
}
static inline float32x4_t round_even(float32x4_t x)
{
    return vrndnq_f32(x);
}
static inline int32x4_t integer_even(float32x4_t x)
{
    return vcvtnq_s32_f32(x);
}

typedef struct v16d {
    float64x2_t q[8];
} v16d;

#define EIGHT(op, a, b)                                                                            \
    (v16d)                                                                                         \
    {                                                                                              \
        {                                                                                          \
            op((a).q[0], (b).q[0]), op((a).q[1], (b).q[1]), op((a).q[2], (b).q[2]),                \
                op((a).q[3], (b).q[3]), op((a).q[4], (b).q[4]), op((a).q[5], (b).q[5]),            \
                op((a).q[6], (b).q[6]), op((a).q[7], (b).q[7])                                     \
        }                                                                                          \
    }

static inline v16d v16d_zero(void)
{
    float64x2_t zero = vdupq_n_f64(0);
    return (v16d){{zero, zero, zero, zero, zero, zero, zero, zero}};
}
static inline v16d v16d_from_f(v16f x)
{
    return (v16d){{vcvt_f64_f32(vget_low_f32(x.q[0])), vcvt_high_f64_f32(x.q[0]),
                   vcvt_f64_f32(vget_low_f32(x.q[1])), vcvt_high_f64_f32(x.q[1]),
                   vcvt_f64_f32(vget_low_f32(x.q[2])), vcvt_high_f64_f32(x.q[2]),
                   vcvt_f64_f32(vget_low_f32(x.q[3])), vcvt_high_f64_f32(x.q[3])}};
}
static inline v16d v16d_load(const float *p)
{
    float32x4_t a = vld1q_f32(p), b = vld1q_f32(p + 4), c = vld1q_f32(p + 8), d = vld1q_f32(p + 12);
    return v16d_from_f((v16f){{a, b, c, d}});
}
static inline v16d v16d_add(v16d a, v16d b)
{
    return EIGHT(vaddq_f64, a, b);
}
static inline v16d v16d_sub(v16d a, v16d b)
{
    return EIGHT(vsubq_f64, a, b);
}
static inline v16d v16d_fma(v16d a, v16d b, v16d c)
{
    return (v16d){{vfmaq_f64(c.q[0], a.q[0], b.q[0]), vfmaq_f64(c.q[1], a.q[1], b.q[1]),
                   vfmaq_f64(c.q[2], a.q[2], b.q[2]), vfmaq_f64(c.q[3], a.q[3], b.q[3]),
                   vfmaq_f64(c.q[4], a.q[4], b.q[4]), vfmaq_f64(c.q[5], a.q[5], b.q[5]),
                   vfmaq_f64(c.q[6], a.q[6], b.q[6]), vfmaq_f64(c.q[7], a.q[7], b.q[7])}};
}
static inline double v16d_sum(v16d v)
{
    float64x2_t a = vaddq_f64(v.q[0], v.q[4]), b = vaddq_f64(v.q[1], v.q[5]);
    float64x2_t c = vaddq_f64(v.q[2], v.q[6]), d = vaddq_f64(v.q[3], v.q[7]);
    float64x2_t h = vaddq_f64(vaddq_f64(a, c), vaddq_f64(b, d));
    return vgetq_lane_f64(h, 0) + vgetq_lane_f64(h, 1);
}

#endif
