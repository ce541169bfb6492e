#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rounding of float to binary16 and bfloat16: <float bits> <f16 bits> <bf16 bits>, in hex, by exact
rational arithmetic and round to nearest even. Writes into the folder given as the argument."""
import pathlib
import sys
from fractions import Fraction


def exact(bits):
    exponent, fraction = bits >> 23 & 255, bits & 0x7FFFFF
    if exponent == 0:
        return Fraction(fraction, 2**149)
    return Fraction(fraction + 2**23) * Fraction(2) ** (exponent - 150)


def narrow(value, fraction_bits, exponent_min, exponent_max):
    """Bits (without sign) of the nearest number; ties to the even one; infinity past the largest."""
    exponent = exponent_min
    if value >= Fraction(2) ** exponent_min:  # floor(log2(value)), capped
        exponent = value.numerator.bit_length() - value.denominator.bit_length()
        exponent -= value < Fraction(2) ** exponent
        exponent = min(exponent, exponent_max + 1)
    unit = Fraction(2) ** (exponent - fraction_bits)
    count = round(value / unit)  # Python rounds halves of a Fraction to even
    if exponent > exponent_max:
        return (exponent_max - exponent_min + 2) << fraction_bits
    return count + ((exponent - exponent_min) << fraction_bits)  # a carry raises the exponent


def samples():
    for exponent in range(0, 255):
        for fraction in (0, 1, 0x7FFFFF, 0x400000, 0x3FFFFF):
            yield exponent << 23 | fraction
    # all around the ties of both formats, for exponents that both hold, and for denormal halves
    for exponent in (101, 102, 103, 104, 107, 111, 112, 113, 120, 127, 141, 142, 143):
        for low in (0x0FFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x3001, 0x7FFF, 0x8000, 0x8001, 0x18000):
            for high in (0, 0x7F0000, 0x550000):
                yield exponent << 23 | high | low
    state = 1
    for _ in range(500):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield (state >> 33) % 0x7F800000


lines = ["# float bits, binary16 bits, bfloat16 bits"]
for index, magnitude in enumerate(samples()):
    value, sign = exact(magnitude), index & 1
    half = narrow(value, 10, -14, 15)
    brain = narrow(value, 7, -126, 127)
    lines.append(f"{sign << 31 | magnitude:08x} {sign << 15 | half:04x} {sign << 15 | brain:04x}")
pathlib.Path(sys.argv[1], "rounding.txt").write_text("\n".join(lines) + "\n")
