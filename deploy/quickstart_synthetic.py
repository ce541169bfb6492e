#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write made-up 28 x 28 grey images as .npy, with the standard library alone: the quickstart's offline input.

usage: quickstart_synthetic.py OUT_DIR
An image is a sum of three soft blobs, values in [0, 1]; seeded, so always the same.
"""
import math
import random
import struct
import sys

SIZE, BLOBS, SEED = 28, 3, 7


def image(rng):
    blobs = [(rng.uniform(6, 22), rng.uniform(6, 22), rng.uniform(2, 7), rng.uniform(0.4, 1.0)) for _ in range(BLOBS)]
    for y in range(SIZE):
        for x in range(SIZE):
            value = sum(h * math.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * s * s)) for cx, cy, s, h in blobs)
            yield min(value, 1.0)


def write_npy(path, rng, count):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({count}, 1, {SIZE}, {SIZE}), }}"
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        for _ in range(count):
            file.write(struct.pack(f"<{SIZE * SIZE}f", *image(rng)))


def main():
    rng = random.Random(SEED)
    write_npy(sys.argv[1] + "/synthetic_calib.npy", rng, 128)
    write_npy(sys.argv[1] + "/synthetic_eval.npy", rng, 64)


if __name__ == "__main__":
    main()
