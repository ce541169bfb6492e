#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CPU time and peak memory of whole jobs, ours and the peers', in turn (A B A B) in one run.

usage: compare_cpu.py --shared DIR --efflite DIR --venv DIR [--nncf-venv DIR] [--bin build/release/bin] [--rounds 3] [--samples 128]

CPU = user + system of the process and its children from start to end, interpreters included. --efflite: a folder with
efflite0.onnx and img224.npz; --venv: Python with onnxruntime; --nncf-venv: Python with nncf. Figures are medians.
"""
import argparse
import os
import resource
import statistics
import subprocess
import tempfile

import numpy as np

PLAIN = ["equalize=none", "bias_correction=none", "weight_scale=max", "layer_samples=0"]


def cpu_and_peak(command):
    """CPU seconds and the largest process's peak MiB of one command; a failing command raises."""
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended {process.returncode}: {error.decode()[-300:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, usage.ru_maxrss / 1024


def jobs(args, folder):
    ptq, data = f"{args.shared}/bench/ptq", f"{args.efflite}/img224.npz"
    model, count = f"{args.efflite}/efflite0.onnx", str(args.samples)
    np.save(f"{folder}/calib.npy", np.load(data)["cal"][:args.samples])

    def ours(*fields):
        command = [f"{args.bin}/int8x", "quantize", model, "-o", f"{folder}/ours.onnx", "--calib", f"{folder}/calib.npy", "--threads", "1"]
        for field in fields:
            command += ["--set", field]
        return command

    yield "onnxruntime min-max", [f"{args.venv}/bin/python", f"{ptq}/quant_ort.py", "static", model, f"{folder}/ort.onnx", "--data", data, "--n", count, "--per-channel"]
    yield "int8x min-max", ours("clip=minmax", *PLAIN)
    for clip in ("percentile", "mse", "kl"):
        yield f"int8x {clip}", ours(f"clip={clip}", *PLAIN)
    yield "int8x default", ours()
    if args.nncf_venv:
        yield "nncf full correction", [f"{args.nncf_venv}/bin/python", f"{ptq}/quant_other.py", "nncf", model, f"{folder}/nncf.onnx", "--data", data, "--n", count,
                                       "--fast-bc", "0"]
    else:
        print("SKIP nncf: no --nncf-venv given")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--shared", "--efflite", "--venv"):
        parser.add_argument(name, required=True)
    parser.add_argument("--nncf-venv")
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=128)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = {name: (command, []) for name, command in jobs(args, folder)}
        for _ in range(args.rounds):
            for command, rows in table.values():
                rows.append(cpu_and_peak(command))
    cpu = {name: statistics.median(row[0] for row in rows) for name, (_, rows) in table.items()}
    for name, (_, rows) in table.items():
        print(f"{name:22} CPU s median {cpu[name]:6.2f}  all {' '.join(f'{row[0]:.2f}' for row in rows)}  peak MiB {max(row[1] for row in rows):6.0f}")
    print(f"int8x min-max / onnxruntime min-max = {cpu['int8x min-max'] / cpu['onnxruntime min-max']:.2f} (target <= 1)")
    for clip in ("percentile", "mse", "kl"):
        print(f"int8x {clip} / int8x min-max = {cpu['int8x ' + clip] / cpu['int8x min-max']:.2f} (target <= 1.3)")
    if "nncf full correction" in cpu:
        print(f"int8x default / nncf full correction = {cpu['int8x default'] / cpu['nncf full correction']:.2f} (target <= 1)")


if __name__ == "__main__":
    main()
