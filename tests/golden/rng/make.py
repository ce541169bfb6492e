#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The random sequence: <seed> <index> <output> <stream seed> <output below 1000003> <normal>, integers
in hex but the last one; normals by Python's statistics.NormalDist. Writes into the folder given."""
import pathlib
import sys
from statistics import NormalDist

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(z):
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


def output(seed, index):
    return mix(seed + (index + 1) * GOLDEN & MASK)


lines = ["# seed, index, output, stream, below, normal"]
for seed in (0, 1, 2, 0xDEADBEEF, MASK):
    for index in [*range(40), 1000, 2**32, MASK]:
        value = output(seed, index)
        stream = mix(mix(index + GOLDEN & MASK) ^ mix(seed))
        p = (2 * (value >> 11) + 1) / 2**54
        normal = NormalDist().inv_cdf(p) if p <= 0.5 else -NormalDist().inv_cdf((2**54 - (2 * (value >> 11) + 1)) / 2**54)
        lines.append(f"{seed:x} {index:x} {value:x} {stream:x} {(value >> 32) * 1000003 >> 32} {normal:.13e}")
pathlib.Path(sys.argv[1], "sequence.txt").write_text("\n".join(lines) + "\n")
