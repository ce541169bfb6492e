#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Same bytes from any fleet, on real models; prints one line a case, ends 1 if a hash differs or a case did not run.

usage: same_bytes.py --shared DIR --efflite DIR [--bin build/release/bin] [--arm build/aarch64/bin] [--sysroot DIR]

EfficientNet-Lite0 (efflite0.onnx and img224.npz in --efflite; 32 samples to calibrate, 32 to judge): one process with
AVX-512 and with AVX2, one worker, four workers, four with one killed while it holds a calibrate lease, and one sample
changed. mbv2_fashion (32 and 64 samples): one process with the best kernels and with the scalar ones, and a fleet of
an x86 worker and one for 64-bit ARM under qemu as Cortex-A72.
"""
import argparse
import io
import json
import os
import signal
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from accept import load_set  # noqa: E402
from service import Service  # noqa: E402


def npy(array):
    data = io.BytesIO()
    np.save(data, array)
    return data.getvalue()


class Model:
    def __init__(self, path, calib, judged):
        with open(path, "rb") as file:
            self.bytes = file.read()
        self.path, self.calib, self.judged = path, npy(calib), npy(judged)


def local(args, model, mask=None, calib=None):
    """Hashes and kernel level of one process."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (("calib", calib or model.calib), ("judged", model.judged)):
            with open(f"{folder}/{name}.npy", "wb") as file:
                file.write(data)
        environment = dict(os.environ, **({"INT8X_CPU_MASK": mask} if mask else {}))
        subprocess.run([f"{args.bin}/int8x", "quantize", model.path, "-o", f"{folder}/o.onnx", "--calib", f"{folder}/calib.npy",
                        "--eval", f"{folder}/judged.npy", "--report", f"{folder}/r.json"], check=True, env=environment, capture_output=True)
        with open(f"{folder}/r.json") as file:
            report = json.load(file)
    return report["artifact_sha256"], report["result_sha256"], report["measured"]["workers"][0]["level"]


def submit(service, model):
    return service.submit(model.bytes, model.calib, model.judged)


def finish(service, job_id):
    """Hashes, and the workers with the tasks they had committed."""
    job = service.wait(job_id, 3600)
    if job["state"] != "done":
        raise RuntimeError(f"job {job['state']}: {job}")
    workers = service.request("GET", f"/v1/jobs/{job_id}/report").json()["measured"]["workers"]
    return job["artifact_sha256"], job["result_sha256"], ", ".join(f"{row['arch']} {row['level']}: {row['tasks']} tasks" for row in workers)


def fleet(model, count):
    with Service(workers=count) as service:
        result = finish(service, submit(service, model))
        if result[2].count("tasks") != count:
            raise RuntimeError(f"not every worker had a task: {result[2]}")
        return result


def fleet_with_a_death(model):
    with Service(workers=4) as service:
        job_id = submit(service, model)
        lease = service.daemon.wait_log(r"event=lease_granted.* kind=calibrate.* worker=(\S+)")
        victim = next(worker for worker in service.workers if worker.id == lease.group(1))
        victim.kill(signal.SIGKILL)
        service.daemon.wait_log(r"event=lease_lost.* kind=calibrate.* worker=%s" % victim.id)
        service.daemon.wait_log(r"event=lease_granted.* kind=calibrate.* again=yes")
        result = finish(service, job_id)
        return result[0], result[1], result[2] + "; one killed, its calibrate lease granted again"


def mixed_fleet(args, model):
    emulator = ["qemu-aarch64-static", "-cpu", "cortex-a72", "-L", args.sysroot]
    with Service(fast=False) as service:
        service.add_worker(prefix=emulator, name=f"{args.arm}/int8x-worker")
        service.add_worker()
        result = finish(service, submit(service, model))
        if "aarch64" not in result[2] or "x86_64" not in result[2]:
            raise RuntimeError(f"not both had tasks: {result[2]}")
        return result


def compare(name, cases):
    """True if all cases give the hashes of the first."""
    wanted, good = None, True
    for what, run in cases:
        artifact, result, who = run()
        wanted = wanted or (artifact, result)
        same = (artifact, result) == wanted
        good &= same
        print(f"{name:14} {what:28} {artifact[:16]} {result[:16]} {'same' if same else 'DIFFERENT'}  {who}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", required=True)
    parser.add_argument("--efflite", required=True)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--arm", default="build/aarch64/bin")
    parser.add_argument("--sysroot", default=".cache/sysroot-aarch64")
    args = parser.parse_args()
    os.environ["INT8X_BIN"] = args.bin
    crops = np.load(f"{args.efflite}/img224.npz")
    large = Model(f"{args.efflite}/efflite0.onnx", crops["cal"][:32], crops["ev"][:32])
    calib, test, _ = load_set(f"{args.shared}/data/sets/fashion.npz")
    small = Model(f"{args.shared}/data/models/mbv2_fashion.onnx", calib[:32], test[:64])
    changed = crops["cal"][:32].copy()
    changed[31, 2, 223, 223] += 0.5
    good = compare("efflite0", [("one process, avx512", lambda: local(args, large, "avx512")), ("one process, avx2", lambda: local(args, large, "avx2")),
                                ("1 worker", lambda: fleet(large, 1)), ("4 workers", lambda: fleet(large, 4)),
                                ("4 workers, SIGKILL", lambda: fleet_with_a_death(large))])
    good &= compare("mbv2_fashion", [("one process", lambda: local(args, small)), ("one process, scalar", lambda: local(args, small, "scalar")),
                                     ("x86 and aarch64 workers", lambda: mixed_fleet(args, small))])
    other = local(args, large, calib=npy(changed))[1] != local(args, large)[1]
    print(f"efflite0       one sample changed           result_sha256 {'differs' if other else 'IS THE SAME'}")
    sys.exit(0 if good and other else 1)


if __name__ == "__main__":
    main()
