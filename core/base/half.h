/* SPDX-License-Identifier: Apache-2.0
 *
 * Half: IEEE binary16 and bfloat16 to and from float, by integer operations alone: bit-equal on
 * every machine, denormals kept, round to nearest even, overflow to infinity, NaN stays NaN (quiet
 * bit set, upper payload bits kept). Source: IEEE 754-2008 sections 3.4 and 4.3.1.
 */
#ifndef I8X_BASE_HALF_H
#define I8X_BASE_HALF_H

#include <stdint.h>
#include <string.h>

/** Bits of a float, and back. */
static inline uint32_t i8x_half_f32_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float i8x_half_f32_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/** binary16 -> float; exact. */
static inline float i8x_half_to_f32(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t exponent = (half >> 10) & 0x1fu;
    uint32_t fraction = half & 0x3ffu;
    if (exponent == 0x1fu) /* infinity or NaN */
        return i8x_half_f32_from_bits(sign | 0x7f800000u | (fraction << 13) |
                                      (fraction ? 0x400000u : 0u));
    if (exponent != 0)
        return i8x_half_f32_from_bits(sign | ((exponent + 112u) << 23) | (fraction << 13));
    if (fraction == 0)
        return i8x_half_f32_from_bits(sign);
    /* denormal: fraction * 2^-24; shift its top bit to the hidden place */
    const unsigned shift = (unsigned)__builtin_clz(fraction) - 21u;
    fraction = (fraction << shift) & 0x3ffu;
    return i8x_half_f32_from_bits(sign | ((113u - shift) << 23) | (fraction << 13));
}

/** float -> binary16, round to nearest even. */
static inline uint16_t i8x_half_from_f32(float value)
{
    const uint32_t bits = i8x_half_f32_bits(value);
    const uint16_t sign = (uint16_t)((bits >> 16) & 0x8000u);
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) /* NaN */
        return (uint16_t)(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
    if (magnitude >= 0x477ff000u) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude >=
        0x38800000u) { /* normal result; a carry out of the fraction raises the exponent */
        const uint32_t odd = (magnitude >> 13) & 1u;
        return (uint16_t)(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
    }
    if (magnitude <= 0x33000000u) /* 2^-25 and below: the tie at 2^-25 goes to even, 0 */
        return sign;
    /* denormal result: fraction24 * 2^(exponent-150) in units of 2^-24 */
    const uint32_t shift = 126u - (magnitude >> 23); /* 14 .. 24 */
    const uint32_t fraction = (magnitude & 0x7fffffu) | 0x800000u;
    const uint32_t kept = fraction >> shift;
    const uint32_t rest = fraction & ((1u << shift) - 1u);
    const uint32_t half_way = 1u << (shift - 1u);
    return (uint16_t)(sign | (kept + (rest > half_way || (rest == half_way && (kept & 1u)))));
}

/** bfloat16 -> float; exact (a signalling NaN is returned as it is). */
static inline float i8x_bf16_to_f32(uint16_t value)
{
    return i8x_half_f32_from_bits((uint32_t)value << 16);
}

/** float -> bfloat16, round to nearest even. */
static inline uint16_t i8x_bf16_from_f32(float value)
{
    const uint32_t bits = i8x_half_f32_bits(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)((bits >> 16) | 0x40u);
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

#endif
