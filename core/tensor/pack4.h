/* SPDX-License-Identifier: Apache-2.0
 *
 * Pack4: the nibble layout of INT4 tensors as ONNX has it: two to a byte, low nibble first, no
 * padding between rows; an odd count leaves the last high nibble 0.
 */
#ifndef CORE_TENSOR_PACK4_H
#define CORE_TENSOR_PACK4_H

#include <stddef.h>
#include <stdint.h>

/** codes [count] in [-8, 7] (or [0, 15]; only the low 4 bits are kept) -> packed [(count + 1) / 2].
 */
void i8x_pack4(const int8_t *codes, size_t count, uint8_t *packed);
/** Signed nibbles to s8. */
void i8x_unpack4_s4(const uint8_t *packed, size_t count, int8_t *codes);
/** Unsigned nibbles to u8. */
void i8x_unpack4_u4(const uint8_t *packed, size_t count, uint8_t *codes);

#endif
