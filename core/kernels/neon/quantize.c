/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantization, NEON.
 */
#include "core/kernels/neon/simd.h"

#include "core/kernels/vector/quantize.h"
