/* SPDX-License-Identifier: Apache-2.0
 *
 * The NEON level. ARMv7 has no doubles in its vector unit: there the two kernels that add in double
 * stay those of the scalar level.
 */
#include "core/kernels/neon/simd.h"

#include "core/kernels/levels.h"

void i8x_kernels_init_neon(i8x_kernels *k)
{
    k->level = I8X_CPU_NEON;
    k->add_f32 = THIS(add_f32);
    k->clip_f32 = THIS(clip_f32);
    k->copy_rows_f32 = THIS(copy_rows_f32);
    k->dequantize_s8_f32 = THIS(dequantize_s8_f32);
    k->dequantize_u8_f32 = THIS(dequantize_u8_f32);
    k->div_f32 = THIS(div_f32);
    k->dot_f32 = THIS(dot_f32);
    k->erf_f32 = THIS(erf_f32);
    k->exp_f32 = THIS(exp_f32);
    k->fakequant_f32 = THIS(fakequant_f32);
    k->fir_f32 = THIS(fir_f32);
    k->fir_max_f32 = THIS(fir_max_f32);
    k->gemm_f32 = THIS(gemm_f32);
    k->log_f32 = THIS(log_f32);
    k->loghist_f32 = THIS(loghist_f32);
    k->max_f32 = THIS(max_f32);
    k->min_f32 = THIS(min_f32);
    k->minmax_f32 = THIS(minmax_f32);
    k->mul_f32 = THIS(mul_f32);
    k->quantize_f32_s8 = THIS(quantize_f32_s8);
    k->quantize_f32_u8 = THIS(quantize_f32_u8);
    k->quantize_rcp_f32_s8 = THIS(quantize_rcp_f32_s8);
    k->quantize_rcp_f32_u8 = THIS(quantize_rcp_f32_u8);
    k->requant_f32_s8 = THIS(requant_f32_s8);
    k->requant_f32_u8 = THIS(requant_f32_u8);
    k->requant_s32_s8 = THIS(requant_s32_s8);
    k->requant_s32_u8 = THIS(requant_s32_u8);
    k->scale_shift_f32 = THIS(scale_shift_f32);
    k->sigmoid_f32 = THIS(sigmoid_f32);
    k->sub_f32 = THIS(sub_f32);
    k->sum_f32 = THIS(sum_f32);
    k->sum_s8_s64 = THIS(sum_s8_s64);
    k->sum_u8_s64 = THIS(sum_u8_s64);
    k->tanh_f32 = THIS(tanh_f32);
#ifdef V16_DOUBLE
    k->moments_f32 = THIS(moments_f32);
    k->sq_error_f32 = THIS(sq_error_f32);
#endif
}
