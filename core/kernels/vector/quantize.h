/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantization over blocks of sixteen: NaN to 0, clamp, round, add the zero point. The clamp before
 * the conversion is what keeps it from overflowing (x86 turns +overflow into INT_MIN).
 */

typedef struct quantize_params {
    v16f factor, lo, hi;
    v16i zero_point;
} quantize_params;

static inline quantize_params params_make(float factor, int32_t zero_point, int32_t qmin,
                                          int32_t qmax)
{
    return (quantize_params){v16f_set(factor), v16f_set((float)(qmin - zero_point)),
                             v16f_set((float)(qmax - zero_point)), v16i_set(zero_point)};
}

static inline v16i quantize_block(v16f t, const quantize_params *params)
{
    t = v16f_min(v16f_max(v16f_or_zero(t), params->lo), params->hi);
    return v16i_add(v16i_from_f(t), params->zero_point);
}

#define LOAD_F32(x) v16f_load(x)
#define LOAD_F32_N(x, n) v16f_load_n(x, n)
#define LOAD_S32(x) v16f_from_i(v16i_load(x))
#define LOAD_S32_N(x, n) v16f_from_i(v16i_load_n(x, n))

#define QUANTIZE(name, input, LOAD, op, output, qmin, qmax)                                        \
    void THIS(name)(const input *x, size_t n, float factor, int32_t zero_point, output *q)         \
    {                                                                                              \
        quantize_params params = params_make(factor, zero_point, qmin, qmax);                      \
        size_t i = 0;                                                                              \
        for (; i + 16 <= n; i += 16)                                                               \
            v16i_store_8(q + i, quantize_block(op(LOAD(x + i), params.factor), &params));          \
        if (i < n)                                                                                 \
            v16i_store_8_n(q + i, n - i,                                                           \
                           quantize_block(op(LOAD##_N(x + i, n - i), params.factor), &params));    \
    }

QUANTIZE(quantize_f32_s8, float, LOAD_F32, v16f_div, int8_t, -128, 127)
QUANTIZE(quantize_f32_u8, float, LOAD_F32, v16f_div, uint8_t, 0, 255)
QUANTIZE(quantize_rcp_f32_s8, float, LOAD_F32, v16f_mul, int8_t, -128, 127)
QUANTIZE(quantize_rcp_f32_u8, float, LOAD_F32, v16f_mul, uint8_t, 0, 255)
QUANTIZE(requant_s32_s8, int32_t, LOAD_S32, v16f_mul, int8_t, -128, 127)
QUANTIZE(requant_s32_u8, int32_t, LOAD_S32, v16f_mul, uint8_t, 0, 255)

void THIS(requant_f32_s8)(const float *acc, size_t n, float multiplier, int32_t zero_point,
                          int8_t *q)
{
    THIS(quantize_rcp_f32_s8)(acc, n, multiplier, zero_point, q);
}

void THIS(requant_f32_u8)(const float *acc, size_t n, float multiplier, int32_t zero_point,
                          uint8_t *q)
{
    THIS(quantize_rcp_f32_u8)(acc, n, multiplier, zero_point, q);
}

#define DEQUANTIZE(name, input, suffix)                                                            \
    void THIS(name)(const input *q, size_t n, float scale, int32_t zero_point, float *y)           \
    {                                                                                              \
        v16f factor = v16f_set(scale);                                                             \
        v16i zero = v16i_set(zero_point);                                                          \
        size_t i = 0;                                                                              \
        for (; i + 16 <= n; i += 16)                                                               \
            v16f_store(y + i,                                                                      \
                       v16f_mul(factor, v16f_from_i(v16i_sub(v16i_load_##suffix(q + i), zero))));  \
        if (i < n)                                                                                 \
            v16f_store_n(y + i, n - i,                                                             \
                         v16f_mul(factor, v16f_from_i(v16i_sub(                                    \
                                              v16i_load_##suffix##_n(q + i, n - i), zero))));      \
    }

DEQUANTIZE(dequantize_s8_f32, int8_t, s8)
DEQUANTIZE(dequantize_u8_f32, uint8_t, u8)

/* Rounded values stay in float: the zero point cancels. Adding 0 turns -0 into +0, as the integer
 * does. */
static inline v16f fakequant_block(v16f x, const quantize_params *params)
{
    v16f t = v16f_or_zero(v16f_div(x, params->factor));
    t = v16f_round(v16f_min(v16f_max(t, params->lo), params->hi));
    return v16f_mul(params->factor, v16f_add(t, v16f_set(0.0f)));
}

void THIS(fakequant_f32)(const float *x, size_t n, float scale, int32_t zero_point, int32_t qmin,
                         int32_t qmax, float *y)
{
    quantize_params params = params_make(scale, zero_point, qmin, qmax);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        v16f_store(y + i, fakequant_block(v16f_load(x + i), &params));
    if (i < n)
        v16f_store_n(y + i, n - i, fakequant_block(v16f_load_n(x + i, n - i), &params));
}
