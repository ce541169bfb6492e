#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_corpus.py GOLDEN OUT: seed files for the fuzzers, OUT/<what>/<name>, from the golden error files
GOLDEN/<what>_errors/*.txt (lines of <name> <status> <words> <hex>), and zips of .npy files for npz."""
import io
import pathlib
import sys
import zipfile

golden, out = map(pathlib.Path, sys.argv[1:])


def put(what, name, data):
    folder = out / what
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def vectors(path):
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            fields = line.split(" ")
            yield fields[0], bytes.fromhex("" if fields[-1] == "-" else fields[-1])


for path in sorted(golden.glob("*_errors/*.txt")):
    what = path.parent.name.removesuffix("_errors")
    for name, data in vectors(path):
        put(what, name, data)
arrays = dict(vectors(golden / "npy_errors" / "files.txt"))
for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for entry in ("plain", "vector", "bytes"):
            archive.writestr(zipfile.ZipInfo(entry + ".npy"), arrays[entry], method)
    put("npz", name, file.getvalue())
