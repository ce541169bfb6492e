# SPDX-License-Identifier: Apache-2.0
"""Seeded samples and .npy/.npz files with the standard library alone, so that end-to-end tests need no package."""
import struct
import zipfile

MASK = (1 << 64) - 1


def mix(z):
    """SplitMix64's mix, as core/base/rng.h."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def uniform(seed, index):
    return (mix((seed + (index + 1) * 0x9E3779B97F4A7C15) & MASK) >> 40) / float(1 << 24)


def image(seed, size):
    """A smooth image in [0, 1]: bilinear between a coarse grid of random numbers, with a dark border."""
    grid = [[uniform(seed, y * 8 + x) for x in range(8)] for y in range(8)]
    rows = []
    for y in range(size):
        for x in range(size):
            gy, gx = y * 6.999 / (size - 1), x * 6.999 / (size - 1)
            y0, x0 = int(gy), int(gx)
            fy, fx = gy - y0, gx - x0
            value = (grid[y0][x0] * (1 - fy) + grid[y0 + 1][x0] * fy) * (1 - fx) + \
                    (grid[y0][x0 + 1] * (1 - fy) + grid[y0 + 1][x0 + 1] * fy) * fx
            border = min(y, x, size - 1 - y, size - 1 - x) < 2
            rows.append(0.0 if border else max(0.0, 1.6 * value - 0.4))
    return rows


def images(seed, count, size=28):
    values = []
    for i in range(count):
        values.extend(image(seed * 1000003 + i, size))
    return values


CODES = {"<f4": "f", "<f8": "d", "<i8": "q", "<i4": "i", "|u1": "B", "<f2": "e"}


def npy_bytes(values, shape, dtype="<f4"):
    text = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }" % (dtype, "".join("%d, " % d for d in shape))
    text += " " * (-(10 + len(text) + 1) % 64) + "\n"
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()
    return head + struct.pack("<%d%s" % (len(values), CODES[dtype]), *values)


def write_npy(path, values, shape, dtype="<f4"):
    with open(path, "wb") as file:
        file.write(npy_bytes(values, shape, dtype))


def write_npz(path, arrays):
    """arrays: name -> bytes of a .npy"""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in arrays.items():
            archive.writestr(name + ".npy", data)
