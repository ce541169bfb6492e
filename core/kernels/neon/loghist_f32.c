/* SPDX-License-Identifier: Apache-2.0
 *
 * Histogram on the log grid, NEON.
 */
#include "core/kernels/neon/simd.h"

#include "core/kernels/vector/loghist_f32.h"

#include "core/kernels/vector/loghist_compress.h"
