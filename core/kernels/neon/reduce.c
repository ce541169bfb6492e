/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions, NEON.
 */
#include "core/kernels/neon/simd.h"

#include "core/kernels/vector/reduce.h"

/* A step adds at most 4 * 255 to a 32-bit lane: 2^20 steps cannot overflow it. */
enum { STEPS_MAX = 1 << 20 };

int64_t i8x_neon_sum_s8_s64(const int8_t *q, size_t n)
{
    int64x2_t sum = vdupq_n_s64(0);
    int64_t rest = 0;
    size_t i = 0;
    while (i + 16 <= n) {
        int32x4_t part = vdupq_n_s32(0);
        for (int step = 0; step < STEPS_MAX && i + 16 <= n; ++step, i += 16)
            part = vpadalq_s16(part, vpaddlq_s8(vld1q_s8(q + i)));
        sum = vpadalq_s32(sum, part);
    }
    for (; i < n; ++i)
        rest += q[i];
    return vgetq_lane_s64(sum, 0) + vgetq_lane_s64(sum, 1) + rest;
}

int64_t i8x_neon_sum_u8_s64(const uint8_t *q, size_t n)
{
    uint64x2_t sum = vdupq_n_u64(0);
    uint64_t rest = 0;
    size_t i = 0;
    while (i + 16 <= n) {
        uint32x4_t part = vdupq_n_u32(0);
        for (int step = 0; step < STEPS_MAX && i + 16 <= n; ++step, i += 16)
            part = vpadalq_u16(part, vpaddlq_u8(vld1q_u8(q + i)));
        sum = vpadalq_u32(sum, part);
    }
    for (; i < n; ++i)
        rest += q[i];
    return (int64_t)(vgetq_lane_u64(sum, 0) + vgetq_lane_u64(sum, 1) + rest);
}
