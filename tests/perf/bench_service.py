#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a task costs the service, with tasks that do nothing (probe jobs, docs/formats.md):

  round trip   one task at one in flight through the slot's child process, ipc, --ledger-sync off: from the grant
               in the worker's hand to the answer to its result, which brings the next. Goal: median <= 400 us
  throughput   N distinct tasks, two workers, 16 in flight each, durable: from the job's creation to its end

    INT8X_BIN=build/release/bin python3 tests/perf/bench_service.py [--tasks N] [--rounds R] [--json] [--check]

--check fails if the round trip is over ten times its goal or a task was not run exactly once."""

import argparse
import datetime
import json
import os
import re
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
from service import Service  # noqa: E402

GOAL_US = 400
PARTS = ("fetch_us", "slot_us", "upload_us", "answer_us")


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def executed(service):
    return int(service.metric('int8x_tasks_total{kind="probe",result="committed"}'))


def wall_s(job):
    created, finished = (datetime.datetime.fromisoformat(job[k].replace("Z", "+00:00")) for k in ("created", "finished"))
    return (finished - created).total_seconds()


def round_trip(tasks):
    """Microseconds of each task, and of its parts."""
    with Service("--ledger-sync", "off", fast=False, ipc=True) as service:
        worker = service.add_worker(options=["--probes", "--prefetch", "0", "--log-level", "debug"])
        service.wait_quietly(service.probe(count=50))  # warm
        offset = len(worker.log())
        job = service.wait_quietly(service.probe(count=tasks))
        assert job["state"] == "done" and executed(service) == 52 + tasks, job
        rows = [[int(value) for value in match] for match in re.findall(
            r"event=task_times .*" + " ".join(rf"{part}=(\d+)" for part in PARTS), worker.log()[offset:])]
    rows = rows[1:tasks]  # without inspect, and without the last, which gives the artifact
    return [sum(row) for row in rows], {part: [row[i] for row in rows] for i, part in enumerate(PARTS)}


def throughput(tasks, workers=2, in_flight=16):
    with Service(fast=False) as service:
        for _ in range(workers):
            service.add_worker(options=["--probes", "--prefetch", str(in_flight - 1)])
        service.wait_quietly(service.probe(count=50))
        before = executed(service)
        job = service.wait_quietly(service.probe(count=tasks))
        assert job["state"] == "done" and executed(service) - before == tasks + 1, (job, executed(service))
        commits = service.metric("int8x_ledger_commits_total")
        return tasks / wall_s(job), commits


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    trips, parts, rates = [], {part: [] for part in PARTS}, []
    for _ in range(args.rounds):
        some, some_parts = round_trip(min(args.tasks, 2000))
        trips += some
        for part in PARTS:
            parts[part] += some_parts[part]
        rates.append(throughput(args.tasks)[0])
    result = {"round_trip_us_p50": percentile(trips, 0.5), "round_trip_us_p99": percentile(trips, 0.99),
              "parts_us_p50": {part: percentile(values, 0.5) for part, values in parts.items()},
              "tasks_per_second": round(statistics.median(rates)), "tasks_per_second_rounds": [round(rate) for rate in rates]}
    if args.json:
        print(json.dumps(result))
    else:
        print(f"round trip: {result['round_trip_us_p50']} us median, {result['round_trip_us_p99']} us p99 of {len(trips)} "
              f"tasks (goal {GOAL_US}); " + ", ".join(f"{k[:-3]} {v}" for k, v in result["parts_us_p50"].items()))
        print(f"throughput: {result['tasks_per_second']} tasks/s, durable, median of {result['tasks_per_second_rounds']}")
    if args.check and result["round_trip_us_p50"] > 10 * GOAL_US:
        sys.exit(f"round trip over ten times the goal of {GOAL_US} us")


if __name__ == "__main__":
    main()
