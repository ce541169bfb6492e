/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantization, AVX2.
 */
#include "core/kernels/avx2/simd.h"

#include "core/kernels/vector/quantize.h"
