/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums and maxima over taps, AVX-512.
 */
#include "core/kernels/avx512/simd.h"

#include "core/kernels/vector/fir.h"
