/* SPDX-License-Identifier: Apache-2.0
 *
 * exp, log, tanh, erf, sigmoid, NEON.
 */
#include "core/kernels/neon/simd.h"

#include "core/kernels/vector/poly.h"
