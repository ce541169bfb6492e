/* SPDX-License-Identifier: Apache-2.0
 *
 * Histogram on the log grid, AVX2.
 */
#include "core/kernels/avx2/simd.h"

#include "core/kernels/vector/loghist_f32.h"

#include "core/kernels/vector/loghist_compress.h"
