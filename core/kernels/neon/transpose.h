/* SPDX-License-Identifier: Apache-2.0
 *
 * Transposition of 4 x 4 floats, for the packing of gemm_f32.
 */
#define PACK_TILE 4

/* to[t * width + l] = x[l * stride + t], t, l < 4 */
static inline void transpose_tile(const float *x, size_t stride, float *to, size_t width)
{
    float32x4x2_t a = vtrnq_f32(vld1q_f32(x), vld1q_f32(x + stride));
    float32x4x2_t b = vtrnq_f32(vld1q_f32(x + 2 * stride), vld1q_f32(x + 3 * stride));
    vst1q_f32(to, vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0])));
    vst1q_f32(to + width, vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1])));
    vst1q_f32(to + 2 * width, vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0])));
    vst1q_f32(to + 3 * width, vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1])));
}
