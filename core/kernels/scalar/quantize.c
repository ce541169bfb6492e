/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantization: q = clamp(round_even(t) + zero_point) with t = x / scale or x * inv_scale.
 *
 * t is clamped before it is rounded: the bounds qmin - zero_point and qmax - zero_point are
 * integers, so the result is the same and no conversion can overflow.
 */
#include <math.h>

#include "core/kernels/scalar/scalar.h"

static inline int32_t round_clamp(float t, int32_t zero_point, int32_t qmin, int32_t qmax)
{
    float lo = (float)(qmin - zero_point), hi = (float)(qmax - zero_point);
    if (t != t)
        return zero_point;
    t = t < lo ? lo : t;
    t = t > hi ? hi : t;
    return (int32_t)lrintf(t) + zero_point; /* lrintf: to nearest, ties to even */
}

/* q = clamp(round(t) + zero_point) */
#define QUANTIZE(name, input, factor, t, output, qmin, qmax)                                       \
    void i8x_scalar_##name(const input *x, size_t n, float factor, int32_t zero_point, output *q)  \
    {                                                                                              \
        for (size_t i = 0; i < n; ++i)                                                             \
            q[i] = (output)round_clamp((t), zero_point, qmin, qmax);                               \
    }

QUANTIZE(quantize_f32_s8, float, scale, x[i] / scale, int8_t, -128, 127)
QUANTIZE(quantize_f32_u8, float, scale, x[i] / scale, uint8_t, 0, 255)
QUANTIZE(quantize_rcp_f32_s8, float, inv_scale, x[i] * inv_scale, int8_t, -128, 127)
QUANTIZE(quantize_rcp_f32_u8, float, inv_scale, x[i] * inv_scale, uint8_t, 0, 255)
QUANTIZE(requant_f32_s8, float, multiplier, x[i] * multiplier, int8_t, -128, 127)
QUANTIZE(requant_f32_u8, float, multiplier, x[i] * multiplier, uint8_t, 0, 255)
QUANTIZE(requant_s32_s8, int32_t, multiplier, (float)x[i] * multiplier, int8_t, -128, 127)
QUANTIZE(requant_s32_u8, int32_t, multiplier, (float)x[i] * multiplier, uint8_t, 0, 255)

/* y = scale * (q - zero_point) */
void i8x_scalar_dequantize_s8_f32(const int8_t *q, size_t n, float scale, int32_t zero_point,
                                  float *y)
{
    for (size_t i = 0; i < n; ++i)
        y[i] = scale * (float)(q[i] - zero_point);
}

void i8x_scalar_dequantize_u8_f32(const uint8_t *q, size_t n, float scale, int32_t zero_point,
                                  float *y)
{
    for (size_t i = 0; i < n; ++i)
        y[i] = scale * (float)(q[i] - zero_point);
}

/* y = scale * (clamp(round(x / scale) + zero_point) - zero_point) */
void i8x_scalar_fakequant_f32(const float *x, size_t n, float scale, int32_t zero_point,
                              int32_t qmin, int32_t qmax, float *y)
{
    for (size_t i = 0; i < n; ++i)
        y[i] = scale * (float)(round_clamp(x[i] / scale, zero_point, qmin, qmax) - zero_point);
}
