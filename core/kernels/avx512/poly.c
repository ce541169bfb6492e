/* SPDX-License-Identifier: Apache-2.0
 *
 * exp, log, tanh, erf, sigmoid, AVX-512.
 */
#include "core/kernels/avx512/simd.h"

#include "core/kernels/vector/poly.h"
