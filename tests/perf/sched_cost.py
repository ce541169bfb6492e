#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions of the scheduler per event, counted by callgrind: at most 20,000 with 100,000 open tasks, and
at most 1.5 times what the same events cost with 1,000. Usage: sched_cost.py BENCH_SCHED [--rounds N]
Each figure is the difference between a run with and a run without the events."""
import re
import shutil
import subprocess
import sys

EVENT_MAX, GROWTH_MAX = 20000, 1.5
SMALL, LARGE = 1000, 100000
MIXES = ["work", "heartbeat", "fail", "churn", "idle", "audit"]


def count(program, mix, tasks, workers, rounds):
    """Instructions and events of one run."""
    run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, "--mix", mix,
                          "--tasks", str(tasks), "--workers", str(workers), "--rounds", str(rounds)],
                         capture_output=True, text=True, check=True)
    return (int(re.search(r"Collected : (\d+)", run.stderr).group(1)),
            int(re.search(r"events=(\d+)", run.stdout).group(1)))


def per_event(program, mix, tasks, workers, rounds):
    base, _ = count(program, mix, tasks, workers, 0)
    full, events = count(program, mix, tasks, workers, rounds)
    return (full - base) / events


def main():
    if shutil.which("valgrind") is None:
        print("SKIPPED sched_cost: valgrind is not installed")
        return 0
    program = sys.argv[1]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3000
    bad = []
    print(f"{'mix':10} {'workers':>7} {SMALL:>9} {LARGE:>9}  growth   (instructions an event)")
    for mix, workers in [(mix, 100) for mix in MIXES] + [("work", 10000), ("idle", 10000)]:
        small = per_event(program, mix, SMALL, workers, rounds)
        large = per_event(program, mix, LARGE, workers, rounds)
        growth = large / small
        print(f"{mix:10} {workers:7} {small:9.0f} {large:9.0f}  {growth:.2f}")
        if large > EVENT_MAX or (growth > GROWTH_MAX and workers == 100):
            bad.append(f"{mix} with {workers} workers: {large:.0f} an event, {growth:.2f} times as many as with {SMALL} tasks")
    for line in bad:
        print(f"too many: {line}")
    print(f"{len(MIXES) + 2 - len(bad)} passed, {len(bad)} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
