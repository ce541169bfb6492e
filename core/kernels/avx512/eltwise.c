/* SPDX-License-Identifier: Apache-2.0
 *
 * Element-wise kernels, AVX-512.
 */
#include "core/kernels/avx512/simd.h"

#include "core/kernels/vector/eltwise.h"
