/* SPDX-License-Identifier: Apache-2.0
 *
 * Element-wise kernels, NEON.
 */
#include "core/kernels/neon/simd.h"

#include "core/kernels/vector/eltwise.h"
