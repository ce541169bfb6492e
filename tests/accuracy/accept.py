#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Accuracy of int8x against the peers' figures, judged in ONNX Runtime; prints a table, ends 1 if a target is missed.

usage: accept.py --shared DIR [--efflite DIR] [--bin build/release/bin] [--only NAME,...] [--set KEY=VALUE ...] [--exclude GLOB ...]

--shared: the folder with data/models, data/sets, data/models.json and bench/ptq/models.
--efflite: a folder with efflite0.onnx and img224.npz (made by bench/ptq); without it that row is skipped, aloud.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

import judge

CONVOLUTIONAL = ("lenet_mnist", "mbv2_fashion", "mbv2_fashion_bn", "dwsep_fashion", "dwsep_fashion_imb", "har_cnn1d", "ecg_cnn1d", "ecg5000_cnn1d")


def load_set(path):
    """Float calibration and test arrays of a packed set, with labels."""
    data = np.load(path)
    scale = np.asarray(data["scale"], np.float32)

    offset = np.float32(data["offset"]) if "offset" in data else np.float32(0)

    def real(key):
        x = data[key]
        per_channel = scale.reshape((1, -1) + (1,) * (x.ndim - 2)) if scale.size > 1 else scale.reshape(())
        return (x.astype(np.float32) * per_channel + offset).astype(np.float32)

    return real("x_calib"), real("x_test"), data["y_test"].astype(np.int64)


def best_peer(row):
    rows = [(r["sqnr_db"], r["agree"]) for r in row["ort_int8"].values()]
    if "int8_sqnr_db" in row.get("tflite", {}):
        rows.append((row["tflite"]["int8_sqnr_db"], row["tflite"]["int8_agree"]))
    return max(rows)


def cases(args):
    """name, model path, calibration, evaluation, labels, least SQNR, least agreement, least top-1"""
    table = json.load(open(f"{args.shared}/data/models.json"))["models"]
    for name, row in table.items():
        calib, test, labels = load_set(f"{args.shared}/data/sets/{row['set']}.npz")
        sqnr, agree = best_peer(row)
        agree -= 2 / len(test)
        top1 = 0.0
        if name == "dwsep_fashion_imb":
            sqnr, top1 = 29.0, 0.885
        if name not in CONVOLUTIONAL:
            sqnr = agree = -1e9
        yield name, f"{args.shared}/data/models/{name}.onnx", calib, test, labels, sqnr, agree, top1
    calib, test, labels = load_set(f"{args.shared}/bench/ptq/models/mnist_ds.npz")
    yield "mnist_ds", f"{args.shared}/bench/ptq/models/mnist_ds.onnx", calib[:128], test, labels, 34.7, 0.98, 0.987
    if not args.efflite:
        print("SKIP efflite0: no --efflite folder given")
        return
    crops = np.load(f"{args.efflite}/img224.npz")
    yield "efflite0", f"{args.efflite}/efflite0.onnx", crops["cal"], crops["ev"], None, 22.0, 0.90, 0.0
    if os.path.exists(f"{args.efflite}/img224_s12.npz"):
        crops = np.load(f"{args.efflite}/img224_s12.npz")
        yield "efflite0_seed12", f"{args.efflite}/efflite0.onnx", crops["cal"], crops["ev"], None, 21.0, 0.90, 0.0


def quantize(args, folder, model, calib, test, labels):
    np.save(f"{folder}/calib.npy", calib)
    np.save(f"{folder}/test.npy", test)
    command = [f"{args.bin}/int8x", "quantize", model, "-o", f"{folder}/out.onnx", "--calib", f"{folder}/calib.npy", "--eval", f"{folder}/test.npy",
               "--report", f"{folder}/report.json"]
    if labels is not None:
        np.save(f"{folder}/labels.npy", labels)
        command += ["--labels", f"{folder}/labels.npy"]
    for pair in args.set:
        command += ["--set", pair]
    for glob in args.exclude:
        command += ["--exclude", glob]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return json.load(open(f"{folder}/report.json"))


def float_layers(report):
    """Layers that the report itself says stay float (excluded, or a product of two activations)."""
    return sum(not layer["quantized"] for layer in report["result"]["layers"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", required=True)
    parser.add_argument("--efflite")
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--only", default="")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--exclude", action="append", default=[])
    args = parser.parse_args()
    wanted = set(filter(None, args.only.split(",")))
    missed = 0
    print(f"{'model':18} {'SQNR dB':>8} {'target':>7} {'agree':>7} {'target':>7} {'top-1':>7} {'float':>7} {'opt off':>8} {'ours':>8}  problems")
    for name, model, calib, test, labels, least_sqnr, least_agree, least_top1 in cases(args):
        if wanted and name not in wanted:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                report = quantize(args, folder, model, calib, test, labels)
            except subprocess.CalledProcessError as error:
                print(f"{name:18} FAILED {error.stderr.decode().strip().splitlines()[-1:]}")
                missed += 1
                continue
            reference = judge.run(model, test)
            got = judge.figures(reference, judge.run(f"{folder}/out.onnx", test), labels)
            plain = judge.figures(reference, judge.run(f"{folder}/out.onnx", test, "off"), labels)
            problems = judge.structure_problems(f"{folder}/out.onnx", float_layers=float_layers(report))
            ours = report["result"]["outputs"][0]["sqnr_db"]
        if abs(got["sqnr_db"] - plain["sqnr_db"]) > 0.3:
            problems.append("optimisations on and off differ by more than 0.3 dB")
        if abs(got["sqnr_db"] - ours) > 0.1:
            problems.append("our own evaluation is off by more than 0.1 dB")
        for key, least in (("sqnr_db", least_sqnr), ("agree", least_agree), ("top1", least_top1)):
            if got.get(key, 1e9) < least:
                problems.append(f"{key} {got[key]:.4f} < {least:.4f}")
        missed += bool(problems)
        print(f"{name:18} {got['sqnr_db']:8.2f} {max(least_sqnr, -99):7.2f} {got['agree']:7.4f} {max(least_agree, -1):7.4f} {got.get('top1', -1):7.4f} "
              f"{got.get('top1_float', -1):7.4f} {plain['sqnr_db']:8.2f} {ours:8.2f}  {'; '.join(problems) or 'ok'}", flush=True)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
