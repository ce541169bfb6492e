#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Canonical records: <fields> <hex of the encoding> <SHA-256>, made from core/base/canon.h's table
alone. A field is <tag>:<value>: integers in decimal, floats as the hex of their binary64 bits, texts
and bytes in hex. Writes into the folder given as the argument."""
import hashlib
import pathlib
import struct
import sys


def encode(tag, value):
    if tag == "i":
        return b"i" + struct.pack("<q", value)
    if tag == "u":
        return b"u" + struct.pack("<Q", value)
    if tag == "f":
        return b"f" + struct.pack("<d", 0.0 if value == 0 else value)
    if tag == "s":
        return b"s" + struct.pack("<I", len(value.encode())) + value.encode()
    if tag == "b":
        return b"b" + struct.pack("<I", len(value)) + value
    if tag == "d":
        return b"d" + value
    return tag.encode()


def describe(tag, value):
    if tag in "iu":
        return f"{tag}:{value}"
    if tag == "f":
        return f"f:{struct.pack('>d', value).hex()}"
    if tag == "s":
        return f"s:{value.encode().hex() or '-'}"
    if tag in "bd":
        return f"{tag}:{value.hex() or '-'}"
    return tag


OPEN, CLOSE = ("[", None), ("]", None)
DIGEST = hashlib.sha256(b"blob").digest()
records = [[("i", v)] for v in (0, 1, -1, 2**63 - 1, -(2**63))]
records += [[("u", v)] for v in (0, 1, 2**64 - 1)]
records += [[("f", v)] for v in (0.0, -0.0, 1.0, -1.5, 5e-324, 1.7976931348623157e308,
                                 float("inf"), float("-inf"), struct.unpack("<f", struct.pack("<f", 0.1))[0])]
records += [[("s", v)] for v in ("", "a", "Gr\u00f6\u00dfe")]
records += [[("b", v)] for v in (b"", b"\0", bytes(range(256)))]
records += [[("d", DIGEST)], [OPEN, CLOSE], [OPEN, OPEN, CLOSE, CLOSE], [OPEN, CLOSE, OPEN, CLOSE]]
# one put moved across a border must change the bytes
records += [[("s", "ab"), ("s", "c")], [("s", "a"), ("s", "bc")], [OPEN, ("i", 1), CLOSE, ("i", 2)],
            [OPEN, ("i", 1), ("i", 2), CLOSE]]
records += [[("s", "calibrate"), ("i", 3), OPEN, ("d", DIGEST), ("d", DIGEST), CLOSE, ("u", 1), ("f", 0.999)]]

lines = ["# fields, encoding, SHA-256"]
for record in records:
    data = b"".join(encode(*field) for field in record)
    fields = ",".join(describe(*field) for field in record)
    lines.append(f"{fields} {data.hex()} {hashlib.sha256(data).hexdigest()}")
pathlib.Path(sys.argv[1], "records.txt").write_text("\n".join(lines) + "\n")
