#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Peak memory of a whole job for every clip method, in one process and in the slot of a worker; ends 1 if a target is missed.

usage: memory.py --efflite DIR [--bin build/release/bin] [--samples 32,384] [--clip METHOD,...]

--efflite: a folder with efflite0.onnx and img224.npz. Default recipe, no evaluation. Figures are the kernel's (VmHWM), as
the report has them: of the process, and the largest of a worker's slot. Targets: at most 128 MiB, and figures for different
numbers of samples within 5 %. One more line: with evaluation.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from service import Service  # noqa: E402

MOST_MIB, SPREAD = 128, 1.05


def process_peak(args, calib, options):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([f"{args.bin}/int8x", "quantize", f"{args.efflite}/efflite0.onnx", "-o", f"{folder}/out.onnx", "--calib", calib,
                        "--report", f"{folder}/report.json", *options], check=True, capture_output=True)
        with open(f"{folder}/report.json") as file:
            return json.load(file)["measured"]["peak_bytes"] / 2**20


def slot_peak(args, calib, clip):
    with open(f"{args.efflite}/efflite0.onnx", "rb") as model, open(calib, "rb") as samples, Service(workers=1, fast=False) as service:
        job_id = service.submit(model.read(), samples.read(), clip=clip)
        job = service.wait(job_id, 3600)
        if job["state"] != "done":
            raise RuntimeError(f"job {job['state']}: {job}")
        return service.request("GET", f"/v1/jobs/{job_id}/report").json()["measured"]["peak_bytes"] / 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--efflite", required=True)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--samples", default="32,384")
    parser.add_argument("--clip", default="minmax,percentile,mse,kl,auto")
    args = parser.parse_args()
    os.environ["INT8X_BIN"] = args.bin
    crops = np.load(f"{args.efflite}/img224.npz")
    crops = np.concatenate([crops["cal"], crops["ev"]])
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        counts = [int(count) for count in args.samples.split(",")]
        for count in counts:
            np.save(f"{folder}/{count}.npy", crops[:count])
        for clip in args.clip.split(","):
            peaks = {"process": [], "slot": []}
            for count in counts:
                peaks["process"].append(process_peak(args, f"{folder}/{count}.npy", ["--set", f"clip={clip}"]))
                peaks["slot"].append(slot_peak(args, f"{folder}/{count}.npy", clip))
            for where, figures in peaks.items():
                good = max(figures) <= MOST_MIB and max(figures) <= SPREAD * min(figures)
                missed += not good
                print(f"{clip:12} {where:8}", "  ".join(f"{count} samples {figure:6.1f} MiB" for count, figure in zip(counts, figures)), "ok" if good else "MISSED",
                      flush=True)
        np.save(f"{folder}/judged.npy", crops[-64:])
        peak = process_peak(args, f"{folder}/{counts[0]}.npy", ["--eval", f"{folder}/judged.npy"])
        print(f"with evaluation of 64 samples: process {peak:.1f} MiB")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
