/* SPDX-License-Identifier: Apache-2.0
 *
 * exp, log, tanh, erf, sigmoid: core/base/fmath.h, element by element.
 */
#include "core/base/fmath.h"
#include "core/kernels/scalar/scalar.h"

#define POLY(name)                                                                                 \
    void i8x_scalar_##name##_f32(const float *x, float *y, size_t n)                               \
    {                                                                                              \
        for (size_t i = 0; i < n; ++i)                                                             \
            y[i] = i8x_fmath_##name(x[i]);                                                         \
    }

POLY(erf)
POLY(exp)
POLY(log)
POLY(sigmoid)
POLY(tanh)
