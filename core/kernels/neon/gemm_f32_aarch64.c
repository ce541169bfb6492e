/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix product, NEON on AArch64: tiles of 8 rows x 8 columns, 16 accumulators, two loads of a and
 * two of b per step, the rows of a taken by lane. A tile that is not full is computed in a buffer
 * on the stack.
 */
#include "core/kernels/neon/simd.h"

enum { MR = 8, NR = 8 };

#define ROWS(f)                                                                                    \
    f(0, a0, 0) f(1, a0, 1) f(2, a0, 2) f(3, a0, 3) f(4, a1, 0) f(5, a1, 1) f(6, a1, 2) f(7, a1, 3)
#define LOAD(r, a, lane)                                                                           \
    float32x4_t c##r##0 = vld1q_f32(c + r * c_stride), c##r##1 = vld1q_f32(c + r * c_stride + 4);
#define STEP(r, a, lane)                                                                           \
    c##r##0 = vfmaq_laneq_f32(c##r##0, b0, a, lane);                                               \
    c##r##1 = vfmaq_laneq_f32(c##r##1, b1, a, lane);
#define STORE(r, a, lane)                                                                          \
    vst1q_f32(c + r * c_stride, c##r##0);                                                          \
    vst1q_f32(c + r * c_stride + 4, c##r##1);

static void tile(size_t k, const float *a, const float *b, float *c, size_t c_stride)
{
    ROWS(LOAD)
#pragma GCC unroll 2
    for (size_t t = 0; t < k; ++t, a += MR, b += NR) {
        float32x4_t a0 = vld1q_f32(a), a1 = vld1q_f32(a + 4);
        float32x4_t b0 = vld1q_f32(b), b1 = vld1q_f32(b + 4);
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
