/* SPDX-License-Identifier: Apache-2.0
 *
 * Element-wise kernels: one IEEE operation per element.
 */
#include <math.h>

#include "core/kernels/scalar/scalar.h"

/* y[i] = a[i * a_step] op b[i * b_step] */
#define BINARY(name, expression)                                                                   \
    void i8x_scalar_##name(const float *a, size_t a_step, const float *b, size_t b_step, float *y, \
                           size_t n)                                                               \
    {                                                                                              \
        float u = n && !a_step ? *a : 0.0f, v = n && !b_step ? *b : 0.0f;                          \
        for (size_t i = 0; i < n; ++i) {                                                           \
            if (a_step)                                                                            \
                u = a[i];                                                                          \
            if (b_step)                                                                            \
                v = b[i];                                                                          \
            y[i] = (expression);                                                                   \
        }                                                                                          \
    }

BINARY(add_f32, u + v)
BINARY(sub_f32, u - v)
BINARY(mul_f32, u *v)
BINARY(div_f32, u / v)
BINARY(max_f32, u > v ? u : v)
BINARY(min_f32, u < v ? u : v)

/* y = min(max(x, lo), hi), NaN stays */
void i8x_scalar_clip_f32(const float *x, float lo, float hi, float *y, size_t n)
{
    for (size_t i = 0; i < n; ++i) {
        float t = lo > x[i] ? lo : x[i];
        y[i] = hi < t ? hi : t;
    }
}

/* y = x * scale + shift, rounded once */
void i8x_scalar_scale_shift_f32(const float *x, float scale, float shift, float *y, size_t n)
{
    for (size_t i = 0; i < n; ++i)
        y[i] = fmaf(x[i], scale, shift);
}

/* y[r * y_row + i] = x[r * x_row + i * x_step] */
void i8x_scalar_copy_rows_f32(const float *x, size_t x_row, size_t x_step, float *y, size_t y_row,
                              size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; ++r)
        for (size_t i = 0; i < cols; ++i)
            y[r * y_row + i] = x[r * x_row + i * x_step];
}
