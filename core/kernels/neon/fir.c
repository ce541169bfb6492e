/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums and maxima over taps, NEON.
 */
#include "core/kernels/neon/simd.h"

#include "core/kernels/vector/fir.h"
