#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tasks per second of the service beside Ray and Dask, in turn (A B A B) in one run; prints the median of the pairs' ratios.

usage: compare_service.py --shared DIR --venv DIR [--bin build/release/bin] [--pairs 5] [--tasks 5000] [--slots 16]

--shared: the folder with bench/service/peer_ray.py and peer_dask.py; --venv: Python with ray and dask[distributed].
Ours: one job of so many distinct probe tasks, two workers with --slots tasks in flight each, durable (every result
committed with fsync before its reply), from submit to the job's end after the last commit; executions are counted. The
peers compute nothing twice, so audits are off; --audits runs with the default (docs/decisions/0061). Theirs: two
workers, the same number of no-op functions, not durable. Ray runs in a network namespace of its own (it ignores
127.0.0.1 otherwise).
"""
import argparse
import datetime
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))


def peer(command, pattern):
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, NO_KILL="1", RAY_USAGE_STATS_ENABLED="0"), timeout=600)
    rates = [float(rate) for rate in re.findall(pattern, done.stdout)]
    if not rates:
        raise RuntimeError(f"{command}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return statistics.median(rates)


def ours(args, seed):
    from service import Service
    audits = ["--audit-per-mille", "10"] if args.audits else []  # else the tests' own: none
    with Service(*audits, fast=False) as service:
        for _ in range(2):
            service.add_worker(slots=args.slots, options=["--probes"])
        service.wait_quietly(service.probe(2 * args.slots, seed=f"warm {seed}"))
        committed = 'int8x_tasks_total{kind="probe",result="committed"}'
        before = service.metric(committed)
        start = time.time()
        job = service.wait_quietly(service.probe(args.tasks, seed=seed), 600)  # few requests while it runs
        seconds = datetime.datetime.fromisoformat(job["finished"].replace("Z", "+00:00")).timestamp() - start
        executed = service.metric(committed) - before
        if job["state"] != "done" or executed < args.tasks:
            raise RuntimeError(f"{executed} of {args.tasks} tasks: {job}")
        return args.tasks / seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", required=True)
    parser.add_argument("--venv", required=True)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--audits", action="store_true")
    args = parser.parse_args()
    os.environ["INT8X_BIN"] = args.bin
    python, drivers = f"{args.venv}/bin/python", f"{args.shared}/bench/service"
    peers = {
        "ray": (["unshare", "-n", "sh", "-c", f"ip link set lo up; exec {python} {drivers}/peer_ray.py {args.tasks}"], r"ray noop batch: (\d+) tasks/s", 3),
        "dask": ([python, f"{drivers}/peer_dask.py", str(args.tasks)], r"dask noop batch: (\d+) tasks/s", 10),
    }
    ratios = {name: [] for name in peers}
    for pair in range(args.pairs):
        for name, (command, pattern, _) in peers.items():
            mine, theirs = ours(args, f"{name} {pair}"), peer(command, pattern)
            ratios[name].append(mine / theirs)
            print(f"pair {pair + 1}: int8x {mine:6.0f} tasks/s, {name} {theirs:6.0f}, ratio {mine / theirs:.2f} "
                  f"(load {os.getloadavg()[0]:.1f})", flush=True)
    for name, (_, _, target) in peers.items():
        print(f"int8x / {name}: median {statistics.median(ratios[name]):.2f} (target >= {target})")


if __name__ == "__main__":
    main()
