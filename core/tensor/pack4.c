/* SPDX-License-Identifier: Apache-2.0
 *
 * Nibble packing; written for reading: weights are packed once and unpacked once per use.
 */
#include "core/tensor/pack4.h"

void i8x_pack4(const int8_t *codes, size_t count, uint8_t *packed)
{
    for (size_t i = 0; i < count; i += 2) {
        unsigned low = (unsigned)codes[i] & 15u;
        unsigned high = i + 1 < count ? (unsigned)codes[i + 1] & 15u : 0;
        packed[i / 2] = (uint8_t)(low | high << 4);
    }
}

void i8x_unpack4_s4(const uint8_t *packed, size_t count, int8_t *codes)
{
    for (size_t i = 0; i < count; i++) {
        int code = packed[i / 2] >> (i % 2 * 4) & 15;
        codes[i] = (int8_t)((code ^ 8) - 8);
    }
}

void i8x_unpack4_u4(const uint8_t *packed, size_t count, uint8_t *codes)
{
    for (size_t i = 0; i < count; i++)
        codes[i] = (uint8_t)(packed[i / 2] >> (i % 2 * 4) & 15);
}
