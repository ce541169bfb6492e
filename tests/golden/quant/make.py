#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden vectors of quantization parameters, by exact fractions; the one inexact step, rounding to a float, is
done by integers here. usage: make.py [OUT_DIR]. Writes params.txt (target lo hi scale zero name) and bias.txt (bias s_x s_w code);
floats as hexadecimal bits. The C code divides in float: each division is correctly rounded, so the exact
quotient rounded once must give the same bits."""
import os
import random
import struct
import sys
from fractions import Fraction

FOLDER = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
TARGETS = [(0, 255, False), (-128, 127, False), (-127, 127, True)]
LEAST = Fraction(1, 2**60)


def bits(value):
    return "%08x" % struct.unpack("<I", struct.pack("<f", value))[0]


def half_even(x):
    low = x.numerator // x.denominator
    rest = x - low
    if rest > Fraction(1, 2) or (rest == Fraction(1, 2) and low % 2):
        low += 1
    return low


def to_float(x):
    """Fraction to the nearest binary32, ties to even (normal range)."""
    if x == 0:
        return Fraction(0)
    sign, x = (-1, -x) if x < 0 else (1, x)
    exponent = 0
    while x >= Fraction(2) ** (exponent + 1):
        exponent += 1
    while x < Fraction(2) ** exponent:
        exponent -= 1
    exponent = max(exponent, -126)
    unit = Fraction(2) ** (exponent - 23)
    return sign * half_even(x / unit) * unit


def params(target, lo, hi):
    qmin, qmax, symmetric = TARGETS[target]
    if symmetric:
        scale = to_float(max(-lo, hi) / qmax)
        zero = 0
    else:
        scale = to_float(to_float(hi - lo) / (qmax - qmin))
        scale = max(scale, LEAST) if hi > lo else Fraction(1)
        zero = min(max(half_even(to_float(qmin - to_float(lo / scale))), qmin), qmax)
    if hi == lo:
        scale = Fraction(1)
    return max(scale, LEAST), zero


def main():
    rng = random.Random(20)
    single = lambda x: struct.unpack("<f", struct.pack("<f", x))[0]
    with open(os.path.join(FOLDER, "params.txt"), "w") as out:
        out.write("# made by make.py: target lo hi scale zero name\n")
        cases = [(0.0, 6.0), (-1.0, 1.0), (0.0, 0.0), (-3.0, 0.0), (-1e-30, 1e-30), (-0.5, 127.0)]
        cases += [(-abs(rng.gauss(0, 10.0 ** rng.randint(-4, 3))), abs(rng.gauss(0, 10.0 ** rng.randint(-4, 3))))
                  for _ in range(60)]
        for number, (lo, hi) in enumerate(cases):
            lo, hi = single(lo), single(hi)
            for target in range(3):
                scale, zero = params(target, Fraction(lo), Fraction(hi))
                out.write(f"{target} {bits(lo)} {bits(hi)} {bits(float(scale))} {zero} case-{number}\n")
    with open(os.path.join(FOLDER, "bias.txt"), "w") as out:
        out.write("# made by make.py: bias input-scale weight-scale code\n")
        for _ in range(200):
            bias = single(rng.gauss(0, 10.0 ** rng.randint(-3, 2)))
            x, w = (single(10.0 ** rng.uniform(-5, -1)) for _ in range(2))
            unit = to_float(Fraction(x) * Fraction(w))
            quotient = Fraction(bias) / unit
            # the C code divides doubles: skip the rare quotient that a double rounds onto a tie
            if abs(abs(quotient - half_even(quotient)) - Fraction(1, 2)) < Fraction(1, 2**20):
                continue
            code = min(max(half_even(quotient), -(2**31 - 1)), 2**31 - 1)
            out.write(f"{bits(bias)} {bits(x)} {bits(w)} {code}\n")


if __name__ == "__main__":
    main()
