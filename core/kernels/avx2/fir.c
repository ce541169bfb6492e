/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums and maxima over taps, AVX2.
 */
#include "core/kernels/avx2/simd.h"

#include "core/kernels/vector/fir.h"
