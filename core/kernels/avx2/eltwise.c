/* SPDX-License-Identifier: Apache-2.0
 *
 * Element-wise kernels, AVX2.
 */
#include "core/kernels/avx2/simd.h"

#include "core/kernels/vector/eltwise.h"
