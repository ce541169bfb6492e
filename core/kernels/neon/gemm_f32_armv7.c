/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix product, NEON on ARMv7: tiles of 4 rows x 8 columns, 8 accumulators of 16 registers. VFMA
 * has no form by lane there (VMLA has, but rounds twice), so each row of a is duplicated first.
 */
#include "core/kernels/neon/simd.h"

enum { MR = 4, NR = 8 };

#define ROWS(f)                                                                                    \
    f(0, vget_low_f32, 0) f(1, vget_low_f32, 1) f(2, vget_high_f32, 0) f(3, vget_high_f32, 1)
#define LOAD(r, half, lane)                                                                        \
    float32x4_t c##r##0 = vld1q_f32(c + r * c_stride), c##r##1 = vld1q_f32(c + r * c_stride + 4);
#define STEP(r, half, lane)                                                                        \
    {                                                                                              \
        float32x4_t v = vdupq_lane_f32(half(a0), lane);                                            \
        c##r##0 = vfmaq_f32(c##r##0, v, b0);                                                       \
        c##r##1 = vfmaq_f32(c##r##1, v, b1);                                                       \
    }
#define STORE(r, half, lane)                                                                       \
    vst1q_f32(c + r * c_stride, c##r##0);                                                          \
    vst1q_f32(c + r * c_stride + 4, c##r##1);

static void tile(size_t k, const float *a, const float *b, float *c, size_t c_stride)
{
    ROWS(LOAD)
#pragma GCC unroll 2
    for (size_t t = 0; t < k; ++t, a += MR, b += NR) {
        float32x4_t a0 = vld1q_f32(a), b0 = vld1q_f32(b), b1 = vld1q_f32(b + 4);
        ROWS(STEP)
    }
    ROWS(STORE)
}

#include "core/kernels/neon/transpose.h"

#include "core/kernels/vector/gemm_pack.h"
#include "core/kernels/vector/gemm_rest.h"

const i8x_gemm_f32 i8x_neon_gemm_f32 = {.mr = MR,
                                        .nr = NR,
                                        .kernel = kernel,
                                        .pack_a = pack_a,
                                        .pack_a_transposed = pack_a_transposed,
                                        .pack_b = pack_b,
                                        .pack_b_transposed = pack_b_transposed};
