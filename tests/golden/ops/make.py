#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Convolution, matrix product, average pooling and integer convolution, each to the last bit, by exact rational
arithmetic: a chain rounds once per step to binary32, nearest even. Writes into the folder given as the argument."""
import pathlib
import random
import struct
import sys
from fractions import Fraction


def round_f32(value):
    """The nearest binary32 as a Fraction; ties to even. No overflow occurs here; zero is +0."""
    if value == 0:
        return Fraction(0)
    size = abs(value)
    exponent = max(-126, size.numerator.bit_length() - size.denominator.bit_length() - 1)
    while size >= Fraction(2) ** (exponent + 1):
        exponent += 1
    unit = Fraction(2) ** (exponent - 23)
    rounded = round(size / unit) * unit
    return -rounded if value < 0 else rounded


def numbers(rng, count):
    """Binary32 numbers of mixed size as Fractions, some zero."""
    out = []
    for _ in range(count):
        n = rng.choice([0, rng.randint(-9, 9), rng.randint(-2**24, 2**24)])
        out.append(Fraction(n) * Fraction(2) ** rng.randint(-26, -18))
    return out


def hexed(values):
    return "".join(struct.pack("<f", float(v)).hex() for v in values) or "-"


def hexed_ints(values, letter):
    return "".join(struct.pack("<" + letter, v).hex() for v in values) or "-"


def chain(start, pairs):
    acc = start
    for a, b in pairs:
        acc = round_f32(acc + a * b)
    return acc


def out_size(size, kernel, stride, dilation, before, behind):
    return (size + before + behind - (kernel - 1) * dilation - 1) // stride + 1


def taps(shape, n, oc, oy, ox):
    """Indices into x (None = padding) and w of one output, in the order of the chain."""
    batch, group, ic, ih, iw, oc_all, kh, kw, sh, sw, dh, dw, pt, pl, _, _ = shape
    per_group = ic // group
    first = oc // (oc_all // group) * per_group
    for c in range(per_group):
        for ky in range(kh):
            for kx in range(kw):
                y, x = oy * sh + ky * dh - pt, ox * sw + kx * dw - pl
                inside = 0 <= y < ih and 0 <= x < iw
                at = ((n * ic + first + c) * ih + y) * iw + x if inside else None
                yield at, ((oc * per_group + c) * kh + ky) * kw + kx


def outputs(shape):
    batch, _, _, ih, iw, oc, kh, kw, sh, sw, dh, dw, pt, pl, pb, pr = shape
    oh, ow = out_size(ih, kh, sh, dh, pt, pb), out_size(iw, kw, sw, dw, pl, pr)
    return ((n, c, y, x) for n in range(batch) for c in range(oc) for y in range(oh) for x in range(ow))


# batch group ic ih iw oc kh kw sh sw dh dw pt pl pb pr
CONVS = [
    (1, 1, 3, 5, 6, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
    (2, 1, 5, 4, 4, 9, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
    (3, 1, 2, 7, 5, 3, 3, 2, 2, 1, 1, 2, 2, 0, 1, 3),
    (2, 4, 4, 6, 7, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
    (1, 3, 3, 9, 9, 3, 5, 5, 2, 2, 1, 1, 2, 2, 2, 2),
    (2, 2, 4, 5, 5, 6, 2, 3, 2, 1, 2, 1, 1, 1, 0, 1),
    (1, 2, 4, 1, 12, 16, 1, 5, 1, 3, 1, 1, 0, 2, 0, 2),
    (1, 1, 40, 3, 3, 17, 1, 1, 2, 2, 1, 1, 0, 0, 0, 0),
    (2, 2, 2, 1, 9, 4, 1, 3, 1, 1, 1, 2, 0, 4, 0, 0),
]


def make_conv(rng):
    lines = []
    for shape in CONVS:
        batch, group, ic, ih, iw, oc, kh, kw = shape[:8]
        for with_bias in (True, False):
            x, w = numbers(rng, batch * ic * ih * iw), numbers(rng, oc * ic // group * kh * kw)
            bias = numbers(rng, oc)
            y = [chain(bias[c] if with_bias else Fraction(0),
                       ((x[a] if a is not None else Fraction(0), w[b]) for a, b in taps(shape, n, c, oy, ox)))
                 for n, c, oy, ox in outputs(shape)]
            lines.append(" ".join([*map(str, shape), hexed(x), hexed(w), hexed(bias) if with_bias else "-", hexed(y)]))
    return lines


def make_gemm(rng):
    lines = []
    for m, n, k in ((1, 1, 1), (3, 5, 7), (9, 50, 13), (17, 3, 40), (1, 33, 20)):
        for ta in (0, 1):
            for tb in (0, 1):
                a, b, c = numbers(rng, m * k), numbers(rng, k * n), numbers(rng, n)
                y = [chain(c[j], ((a[t * m + i if ta else i * k + t], b[j * k + t if tb else t * n + j])
                                  for t in range(k))) for i in range(m) for j in range(n)]
                lines.append(" ".join([*map(str, (m, n, k, ta, tb)), hexed(a), hexed(b), hexed(c), hexed(y)]))
    return lines


def make_pool(rng):
    """Average: the chain over the window with padding as zeros, then one division."""
    lines = []
    for shape in ((2, 2, 2, 5, 6, 2, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1), (1, 3, 3, 7, 7, 3, 2, 3, 2, 2, 1, 1, 0, 1, 1, 1)):
        batch, ic, ih, iw, kh, kw = shape[0], shape[2], shape[3], shape[4], shape[6], shape[7]
        for count_padding in (0, 1):
            x, y = numbers(rng, batch * ic * ih * iw), []
            for n, c, oy, ox in outputs(shape):
                window = [a for a, _ in taps(shape, n, c, oy, ox)]
                acc = chain(Fraction(0), ((x[a] if a is not None else Fraction(0), Fraction(1)) for a in window))
                counted = kh * kw if count_padding else sum(a is not None for a in window)
                y.append(round_f32(acc / counted))
            lines.append(" ".join([*map(str, shape), str(count_padding), hexed(x), hexed(y)]))
    return lines


def make_integer(rng):
    """Codes of y from codes of x (u8) and w (s8): exact sums, the sum rounded to binary32, times the multiplier
    (rounded), to the nearest even integer, plus the zero point, saturated to u8."""
    lines = []
    for shape in CONVS[:6] + [(1, 1, 80, 4, 4, 5, 3, 3, 1, 1, 1, 1, 0, 0, 0, 0)]:
        batch, group, ic, ih, iw, oc, kh, kw = shape[:8]
        extremes = ic == 80  # sums beyond 2^24
        x_zero, y_zero = (0, 9) if extremes else (rng.randint(0, 255), rng.randint(0, 255))
        x = [255 if extremes and rng.random() < 0.9 else rng.randint(0, 255) for _ in range(batch * ic * ih * iw)]
        w = [127 if extremes and rng.random() < 0.9 else rng.randint(-127, 127) for _ in range(oc * ic // group * kh * kw)]
        bias = [rng.randint(-30000, 30000) for _ in range(oc)]
        multiplier = [round_f32(Fraction(rng.randint(1, 2**20), 2**38 if extremes else 2**30)) for _ in range(oc)]
        y = []
        for n, c, oy, ox in outputs(shape):
            acc = bias[c] + sum((x[a] - x_zero) * w[b] for a, b in taps(shape, n, c, oy, ox) if a is not None)
            scaled = round_f32(round_f32(Fraction(acc)) * multiplier[c])
            y.append(min(255, max(0, round(scaled) + y_zero)))
        lines.append(" ".join([*map(str, shape), str(x_zero), str(y_zero), hexed_ints(x, "B"), hexed_ints(w, "b"),
                               hexed_ints(bias, "i"), hexed(multiplier), hexed_ints(y, "B")]))
    return lines


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, make in (("conv", make_conv), ("gemm", make_gemm), ("pool", make_pool), ("integer", make_integer)):
        lines = make(random.Random(name))
        folder.joinpath(name + ".txt").write_text("\n".join(["# made by tests/golden/ops/make.py", *lines, ""]))


if __name__ == "__main__":
    main()
