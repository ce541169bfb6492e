/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums and maxima over taps: one output row of a depthwise convolution or of pooling, with x
 * shifted by offset[t] for tap t.
 */
#include <math.h>

#include "core/kernels/scalar/scalar.h"

/* y[p] = init + sum over t of x[offset[t] + p] * w[t], one rounding per tap */
void i8x_scalar_fir_f32(const float *x, const ptrdiff_t *offset, const float *w, size_t taps,
                        float init, float *y, size_t n)
{
    for (size_t p = 0; p < n; ++p) {
        float acc = init;
        for (size_t t = 0; t < taps; ++t)
            acc = fmaf(x[offset[t] + (ptrdiff_t)p], w[t], acc);
        y[p] = acc;
    }
}

/* y[p] = max over t of x[offset[t] + p] */
void i8x_scalar_fir_max_f32(const float *x, const ptrdiff_t *offset, size_t taps, float *y,
                            size_t n)
{
    for (size_t p = 0; p < n; ++p) {
        float acc = -INFINITY;
        for (size_t t = 0; t < taps; ++t) {
            float v = x[offset[t] + (ptrdiff_t)p];
            acc = acc > v ? acc : v;
        }
        y[p] = acc;
    }
}
