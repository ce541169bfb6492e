/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions: sixteen partial sums (element i goes to partial i % 16), then a halving tree.
 */
#include <math.h>

#include "core/kernels/scalar/scalar.h"

/* partial[l] += partial[l + 8], then 4, 2, 1; the result is partial[0] */
static float tree_f32(float *partial)
{
    for (int half = 8; half > 0; half /= 2)
        for (int l = 0; l < half; ++l)
            partial[l] += partial[l + half];
    return partial[0];
}

static double tree_f64(double *partial)
{
    for (int half = 8; half > 0; half /= 2)
        for (int l = 0; l < half; ++l)
            partial[l] += partial[l + half];
    return partial[0];
}

/* sum of x */
float i8x_scalar_sum_f32(const float *x, size_t n)
{
    float partial[16] = {0};
    for (size_t i = 0; i < n; ++i)
        partial[i % 16] += x[i];
    return tree_f32(partial);
}

/* sum of a * b */
float i8x_scalar_dot_f32(const float *a, const float *b, size_t n)
{
    float partial[16] = {0};
    for (size_t i = 0; i < n; ++i)
        partial[i % 16] = fmaf(a[i], b[i], partial[i % 16]);
    return tree_f32(partial);
}

/* sum of x, sum of x^2; the product of two floats is exact in double */
void i8x_scalar_moments_f32(const float *x, size_t n, double *sum, double *sum_squares)
{
    double first[16] = {0}, second[16] = {0};
    for (size_t i = 0; i < n; ++i) {
        double v = (double)x[i];
        first[i % 16] += v;
        second[i % 16] += v * v;
    }
    *sum = tree_f64(first);
    *sum_squares = tree_f64(second);
}

/* sum of (a - b)^2, sum of a^2 */
void i8x_scalar_sq_error_f32(const float *a, const float *b, size_t n, double *error,
                             double *reference)
{
    double first[16] = {0}, second[16] = {0};
    for (size_t i = 0; i < n; ++i) {
        double d = (double)a[i] - (double)b[i];
        first[i % 16] = fma(d, d, first[i % 16]);
        second[i % 16] += (double)a[i] * (double)a[i];
    }
    *error = tree_f64(first);
    *reference = tree_f64(second);
}

/* least and greatest of the elements before the first NaN or infinity, whose index is returned */
size_t i8x_scalar_minmax_f32(const float *x, size_t n, float *min, float *max)
{
    float lo = INFINITY, hi = -INFINITY;
    size_t i = 0;
    for (; i < n && isfinite(x[i]); ++i) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    *min = lo + 0.0f; /* -0 + 0 = +0 */
    *max = hi + 0.0f;
    return i;
}

int64_t i8x_scalar_sum_s8_s64(const int8_t *q, size_t n)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; ++i)
        sum += q[i];
    return sum;
}

int64_t i8x_scalar_sum_u8_s64(const uint8_t *q, size_t n)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; ++i)
        sum += q[i];
    return sum;
}
