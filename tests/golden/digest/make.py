#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SHA-256 vectors: <hex of the input, - if empty> <digest>. Every length around the 64-byte block and
some longer ones; bytes from a fixed rule. Writes into the folder given as the argument."""
import hashlib
import pathlib
import sys

lengths = [*range(0, 4), *range(54, 68), *range(118, 132), *range(248, 260), 1000, 4096]
lines = ["# hex of the input, then its SHA-256"]
for length in lengths:
    data = bytes((i * 131 + length * 17) & 255 for i in range(length))
    lines.append(f"{data.hex() or '-'} {hashlib.sha256(data).hexdigest()}")
pathlib.Path(sys.argv[1], "sha256.txt").write_text("\n".join(lines) + "\n")
