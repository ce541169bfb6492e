#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_corpus.py GOLDEN OUT: seed files for the fuzzers, OUT/<what>/<name>, from the golden error files
GOLDEN/<what>_errors/*.txt (lines of <name> <status> <words> <hex>), zips of .npy files for npz, and
recipes, jobs and odd documents for json."""
import io
import json
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

ref = {"sha256": "00112233445566778899aabbccddeeff" * 2, "size_bytes": 9007199254740991}
recipe = {"target": "ort-arm", "clip": "percentile", "percentile": 98.26872848822481, "equalize": "none",
          "bias_correction": "none", "weight_scale": "mse", "shard_samples": 4096, "select_samples": 1,
          "correct_samples": 7, "layer_samples": 0, "exclude": "/conv*/\u00e9, \"b\"", "op_types": "Conv,Gemm",
          "shapes": "x=1,3,224,224;y=4", "batch": 64, "rounding": "nearest"}
job = {"name": "m.onnx", "model": ref, "calib": {**ref, "size_bytes": 1}, "eval": None, "recipe": recipe}
for name, document in (("recipe", recipe), ("recipe_only", {"only": "fc?", "clip": "auto"}), ("job", job),
                       ("job_least", {"model": ref, "calib": ref}), ("job_full", {**job, "eval": ref, "labels": ref})):
    put("json", name, json.dumps(document).encode())
sweep = {"search": "random", "seed": 7, "trials": 3, "base": {"clip": "kl"},
         "space": {"clip": ["mse", "kl"], "percentile": {"low": 99, "high": 100, "steps": 3},
                   "shard_samples": {"low": 1, "high": 64, "log": True}}}
for name, document in (("sweep", sweep), ("sweep_grid", {"space": {"clip": ["mse", "kl"], "percentile": [99, 99.5]}})):
    put("json", name, json.dumps(document).encode())
for name, text in (("words", '[null,true,false,{"":{}},[],"\\ud83d\\ude00\\n\\/"]'), ("twice", '{"clip":"kl","clip":"mse"}'),
                   ("numbers", "[0,-0,1e308,1e999,5e-324,0.1,123456789012345678,3.3333333333333335,-2147483649]"),
                   ("deep", "[" * 32 + "]" * 32), ("behind", "{} x"), ("zero", '{"name":"a\\u0000b"}')):
    put("json", name, text.encode())
put("json", "zero_raw", b'{"na\0me":"a\0b"}')
put("json", "no_utf8", b'{"name":"\xff\xc0\x80\xed\xa0\x80"}')
