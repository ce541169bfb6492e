/* SPDX-License-Identifier: Apache-2.0
 *
 * Target: what a runtime wants of a quantized model, as a row of a table. Every rule that differs
 * between runtimes is a column here; no other file of core/quant names a runtime.
 */
#ifndef CORE_QUANT_TARGET_H
#define CORE_QUANT_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "int8x/recipe.h"
#include "int8x/tensor.h"

typedef struct i8x_target_info {
    i8x_target target;
    i8x_dtype activation_dtype; /* of activation codes */
    int32_t qmin, qmax;         /* codes an activation may take */
    bool symmetric;             /* every zero point is 0 */
    bool bias_quantized;        /* bias is s32 with scale s_x * s_w[c]; otherwise it stays float */
    bool pairs_shared;          /* one Q/DQ pair may feed several nodes; otherwise one for each */
    bool activation_absorbed;   /* Relu and Clip vanish into the range of the pair behind them */
    bool results_paired;   /* integer operators need a pair behind them (matrix products do not) */
    bool output_quantized; /* a graph output that an integer operator computes gets a pair */
} i8x_target_info;

/** Row of a target; asserts that it exists. Static. Thread-safe. */
const i8x_target_info *i8x_target_info_get(i8x_target target);

#endif
