/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantization, AVX-512.
 */
#include "core/kernels/avx512/simd.h"

#include "core/kernels/vector/quantize.h"
