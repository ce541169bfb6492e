/* SPDX-License-Identifier: Apache-2.0
 *
 * exp, log, tanh, erf, sigmoid, AVX2.
 */
#include "core/kernels/avx2/simd.h"

#include "core/kernels/vector/poly.h"
