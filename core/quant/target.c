/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of targets. Sources: ONNX Runtime's QDQ selectors and fusions (which operators run on
 * integers, and that a Conv needs a Q behind it), TensorRT's explicit-quantization rules (symmetric
 * int8, zero points 0, bias not quantized, pairs directly before the operators); docs/numerics.md
 * section 8.
 */
#include "core/quant/target.h"

#include "int8x/status.h"

static const i8x_target_info targets[I8X_TARGET_COUNT] = {
    [I8X_TARGET_ORT_X86] = {.target = I8X_TARGET_ORT_X86,
                            .activation_dtype = I8X_DTYPE_U8,
                            .qmin = 0,
                            .qmax = 255,
                            .bias_quantized = true,
                            .pairs_shared = true,
                            .activation_absorbed = true,
                            .results_paired = true,
                            .output_quantized = true},
    [I8X_TARGET_ORT_ARM] = {.target = I8X_TARGET_ORT_ARM,
                            .activation_dtype = I8X_DTYPE_S8,
                            .qmin = -128,
                            .qmax = 127,
                            .bias_quantized = true,
                            .pairs_shared = true,
                            .activation_absorbed = true,
                            .results_paired = true,
                            .output_quantized = true},
    [I8X_TARGET_TENSORRT] = {.target = I8X_TARGET_TENSORRT,
                             .activation_dtype = I8X_DTYPE_S8,
                             .qmin = -127,
                             .qmax = 127,
                             .symmetric = true},
};

const i8x_target_info *i8x_target_info_get(i8x_target target)
{
    I8X_ASSERT((unsigned)target < I8X_TARGET_COUNT);
    return &targets[target];
}
