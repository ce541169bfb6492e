# SPDX-License-Identifier: Apache-2.0
"""The soak: a daemon and five workers, three of them behind a bad network, under a steady stream of jobs, readers and
uploads, while workers, daemon and connections are killed, stopped and cut at random.

    INT8X_BIN=build/release/bin python3 tests/e2e/soak.py --seconds 3600 --seed 1 --out /tmp/soak

Phases: "kills" (the daemon is killed too), "long" (the daemon lives, so that its memory can be measured; everything else
goes on), "kills" again in runs of 10 minutes and more. Between them it rests, with everything healed, and counts
descriptors and threads. Judged: every job that was answered 2xx ends as it must with the bytes of a local run, nothing
is committed twice, nothing stands still, no descriptor or thread is left over, and in runs that are long enough the
daemon's and a worker's memory does not grow. Checked with less than 10 minutes: all but the memory.

The draws come from the seed; the moments at which they meet the fleet do not. SIGTERM ends the run early, with its
figures. Exit code 0 if all is well.
"""

import argparse
import collections
import csv
import json
import os
import random
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from relay import Relay  # noqa: E402
from service import Service, program  # noqa: E402
from soak_faults import DaemonBreaker, NetworkBreaker, Seat, WorkerBreaker  # noqa: E402
from soak_figures import LogWatch, Meter, descriptors_of, slope, status_of  # noqa: E402
from soak_load import Client, Follower, Reader, Uploader  # noqa: E402

FAILURES_MAX = 50
PREFETCH = 4
HTTP_SOCKETS_MAX = 1 + PREFETCH + 1  # of a worker: one for each lane, one for the rest
MEASURE_S = 180  # a slope is told from so many seconds on
JUDGE_S = 1200  # and held to its goal from so many on; with less it may be ten times as much
GOAL_BYTES = 1000.0  # a second


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Soak:
    def __init__(self, options):
        self.options = options
        self.ended = self.load = self.faults = self.kills = False
        self.cut_short = False
        self.phase, self.life = "start", 0
        self.counts, self.failures = collections.Counter(), []
        self.jobs, self.gone, self.latencies = {}, set(), []
        self.lock = threading.Lock()
        self.changed = threading.Condition()
        self.daemon_stopped, self.daemon_since = False, time.monotonic()
        self.began = time.monotonic()
        self.admin_port = free_port()
        self.service = Service("--admin", f"127.0.0.1:{self.admin_port}", "--audit-per-mille", "20", start=False)
        self.log_watch = LogWatch(self, os.path.join(self.service.folder, "daemon.log"))
        self.service.start()
        self.relays = [Relay(self.service.http if i % 2 else int(self.service.link.rsplit(":", 1)[1]), seed=options.seed + i)
                       for i in range(4)]  # two pairs of link and HTTP
        self.seats = self.make_seats()
        self.meter = Meter(self, options.stall)
        self.askers, self.breakers = self.make_threads()

    def make_seats(self):
        # a small cache, so that it is full, and its table does not grow any more, when memory is measured
        shim = os.path.join(os.path.dirname(program("int8xd")), "detour_shim.so")
        options = ["--probes", "--cache-mb", "2", "--prefetch", str(PREFETCH)]
        pairs = [None, None, self.relays[:2], self.relays[:2], self.relays[2:]]
        return [Seat(self.service, i, options, pair, shim) for i, pair in enumerate(pairs)]

    def make_threads(self):
        def source(name):
            return random.Random(f"{self.options.seed} {name}")
        askers = [Client(self, f"client {i}", source(f"client {i}"), (0.1, 1.2)) for i in range(self.options.clients)]
        askers += [kind(self, name, source(name), (0.05, 1)) for kind, name in (
            (Reader, "reader 0"), (Reader, "reader 1"), (Follower, "follower 0"), (Follower, "follower 1"), (Uploader, "uploader"))]
        breakers = [WorkerBreaker(self, i, source(f"worker {i}"), 12, lives=i == 0) for i in range(len(self.seats))]
        breakers += [NetworkBreaker(self, f"network {i}", source(f"network {i}"), 5, self.relays[2 * i:2 * i + 2]) for i in range(2)]
        breakers.append(DaemonBreaker(self, source("daemon"), min(20, self.options.seconds / 15)))
        return askers, breakers

    # what the threads say and ask

    def fail(self, sentence):
        with self.lock:
            self.counts["failures"] += 1
            if len(self.failures) < FAILURES_MAX:
                self.failures.append(sentence)
                print(f"{time.monotonic() - self.began:7.1f} s  FAILED {sentence}", flush=True)

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def took(self, seconds):
        with self.lock:
            self.latencies.append(seconds)

    def accepted(self, job_id):
        with self.lock:
            self.jobs[job_id] = None

    def finished(self, job):
        with self.lock:
            self.jobs[job["id"]] = (job["state"], job.get("artifact_sha256"))

    def forgotten(self, job_id):
        """It is not to be found any more."""
        with self.lock:
            del self.jobs[job_id]
            self.gone.add(job_id)

    def some_job(self, source):
        """One of the latest."""
        with self.lock:
            last = list(self.jobs)[-100:] if len(self.jobs) < 1000 else [next(reversed(self.jobs))]
        return source.choice(last) if last else None

    def pause(self, seconds):
        """Sleeps, but not over a change of phase."""
        phase = self.phase
        with self.changed:
            self.changed.wait_for(lambda: self.phase != phase or self.ended, seconds)

    def daemon_well(self, seconds):
        return not self.daemon_stopped and self.service.daemon.child.poll() is None and time.monotonic() > self.daemon_since + seconds

    def end_daemon(self, number):
        self.daemon_stopped = True
        code = self.service.daemon.kill(number)
        if code not in (0, -signal.SIGKILL):
            self.fail(f"the daemon ended with {code}:\n{self.service.daemon.log()[-3000:]}")
        self.log_watch.start_anew()

    def start_daemon(self):
        self.service.start()
        self.life += 1
        self.daemon_since, self.daemon_stopped = time.monotonic(), False

    # phases

    def enter(self, phase, load, faults, kills):
        with self.changed:
            self.load, self.faults, self.kills, self.phase = load, faults, kills, phase
            self.changed.notify_all()
        print(f"{time.monotonic() - self.began:7.1f} s  {phase}", flush=True)

    def busy(self, phase, seconds, kills):
        self.enter(phase, load=True, faults=True, kills=kills)
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.cut_short:
            time.sleep(0.2)
            if self.service.daemon.child.poll() is not None and not self.daemon_stopped:
                self.fail(f"the daemon ended by itself:\n{self.service.daemon.log()[-3000:]}")
                raise SystemExit(self.report())

    def until(self, what, test, seconds):
        end = time.monotonic() + seconds
        while not test():
            if time.monotonic() > end:
                self.fail(f"{self.phase}: {what} did not come within {seconds} s")
                return False
            time.sleep(0.1)
        return True

    def rest(self, name):
        """Everything healed, no client: what is left over? Returns descriptors and threads."""
        self.enter(f"rest {name}", load=True, faults=False, kills=False)
        self.until("healing", lambda: all(breaker.idle for breaker in self.breakers), 60)
        self.enter(f"quiet {name}", load=False, faults=False, kills=False)
        self.until("the end of all jobs", lambda: all(asker.idle for asker in self.askers), 300)
        self.until("the last open task", self.is_daemon_idle, 120)
        self.until("all workers", lambda: self.counter("int8x_workers") == len(self.seats), 60)
        self.service.wait(self.service.probe(count=100, ms=10))  # each has the process of its slot again
        time.sleep(1)
        http_ports = [self.service.http, self.admin_port, *(relay.port for relay in self.relays[1::2])]
        figures = {who: self.look_at(child.pid, http_ports) for who, child in self.measured()}
        print(f"{time.monotonic() - self.began:7.1f} s  {figures}", flush=True)
        return figures

    def measured(self):
        return (("daemon", self.service.daemon.child), ("worker", self.seats[0].worker.child))

    @staticmethod
    def look_at(pid, http_ports):
        """What a process has open; of some looks the one with the least. Connections of HTTP that are kept for the next request
        are counted apart, and so are those of a worker that its daemon has cut: it finds out at the next request."""
        looks = []
        for _ in range(5):
            kinds = descriptors_of(pid, http_ports)
            http_sockets = kinds.pop("http", 0) + kinds.pop("closed", 0)
            looks.append({"descriptors": sum(kinds.values()), "http_sockets": http_sockets, "kinds": kinds})
            time.sleep(0.2)
        rss, threads = status_of(pid)
        return {**min(looks, key=lambda look: look["descriptors"]), "threads": threads, "rss_kib": rss}

    def counter(self, name):
        return float((self.meter.counters() or {}).get(name, -1))

    def is_daemon_idle(self):
        counters = self.meter.counters() or {}
        rows = [float(value) for name, value in counters.items() if name.startswith("int8x_tasks{")]
        return bool(rows) and sum(rows) == 0 and counters['int8x_jobs{state="running"}'] == "0"

    def run(self):
        for seat in self.seats:
            seat.start()
        for thread in [self.meter, *self.askers, *self.breakers]:
            thread.start()
        seconds = self.options.seconds
        kills = seconds * 0.15 if seconds >= 600 else seconds * 0.35
        after = kills if seconds >= 600 else 0
        self.busy("kills", kills, kills=True)
        self.rests = [self.rest("before")]
        self.busy("long", seconds - kills - after, kills=False)
        self.rests.append(self.rest("after"))
        # idle connections are kept for 30 s
        self.until("the end of HTTP connections", lambda: self.counter('int8x_http_connections{listener="api"}') == 0, 60)
        if after and not self.cut_short:
            self.busy("kills again", after, kills=True)
            self.rests.append(self.rest("at the end"))
        self.compare_ledger()
        return self.report()

    def end_soon(self, *_):
        """On SIGTERM: what there is gets judged."""
        self.cut_short = True

    def compare_ledger(self):
        """After one more kill: every job that was answered stands in the ledger as it ended."""
        self.enter("ledger", load=False, faults=False, kills=False)
        self.end_daemon(signal.SIGKILL)
        self.start_daemon()
        found, path = {}, "/v1/jobs?limit=1000"
        while path:
            page = self.service.request("GET", path).json()
            found.update({job["id"]: (job["state"], job.get("artifact_sha256")) for job in page["jobs"]})
            path = f"/v1/jobs?limit=1000&cursor={page['next']}" if page["next"] else None
        wrong = [f"{job_id}: was {ended}, is {found.get(job_id)}" for job_id, ended in self.jobs.items() if ended != found.get(job_id)]
        wrong += [f"{job_id}: was forgotten, is {found[job_id]}" for job_id in self.gone if job_id in found]
        if wrong:
            self.fail(f"{len(wrong)} jobs are not as they were answered: {wrong[:5]}")
        self.counts["jobs in the ledger"] = len(found)

    # figures

    def memory(self, column, warm_up_s):
        """Slope of the long phase after the warm-up in bytes a second, and over how many seconds."""
        rows = [row for row in self.meter.rows if row[Meter.ROW.index("phase")] == "long"]
        if not rows:
            return 0.0, 0.0
        points = [(row[0], row[Meter.ROW.index(column)] * 1024) for row in rows if row[0] > rows[0][0] + warm_up_s]
        return slope(points), points[-1][0] - points[0][0] if points else 0.0

    def judge_memory(self, who, column):
        long_s = max((row[0] for row in self.meter.rows if row[2] == "long"), default=0) - \
            min((row[0] for row in self.meter.rows if row[2] == "long"), default=0)
        bytes_a_second, span = self.memory(column, min(600, long_s * 0.4))
        limit = GOAL_BYTES if span >= JUDGE_S else 10 * GOAL_BYTES
        judged = span >= MEASURE_S
        word = f"judged at {limit:.0f}" if judged else "too short, not judged"
        print(f"{who} RSS slope: {bytes_a_second:.0f} B/s over {span:.0f} s after the warm-up (goal < {GOAL_BYTES:.0f}; {word})")
        if judged and bytes_a_second >= limit:
            self.fail(f"{who} grows by {bytes_a_second:.0f} B/s")
        return {"bytes_per_s": bytes_a_second, "span_s": span, "judged": judged}

    def judge_rests(self):
        for later in self.rests[1:]:
            for who in ("daemon", "worker"):
                for what in ("descriptors", "threads"):
                    before, after = self.rests[0][who][what], later[who][what]
                    print(f"{who} {what} at rest: {before} before, {after} after (goal: no more)")
                    if after > before:
                        self.fail(f"{who} {what} at rest: {before} before, {after} after: {self.rests[0][who]} {later[who]}")
            kept = later["worker"]["http_sockets"]
            print(f"worker's HTTP connections at rest: {kept} (goal: at most {HTTP_SOCKETS_MAX}, one for each thread that moves blobs)")
            if kept > HTTP_SOCKETS_MAX:
                self.fail(f"worker's HTTP connections at rest: {later['worker']}")

    def report(self):
        with self.changed:
            self.ended = True
            self.changed.notify_all()
        out = {"seconds": self.options.seconds, "seed": self.options.seed, "cut_short": self.cut_short}
        lasted = time.monotonic() - self.began
        print(f"\nsoak of {self.options.seconds:.0f} s, seed {self.options.seed}; lasted {lasted:.0f} s" + (", cut short" if self.cut_short else ""))
        for what, number in sorted(self.counts.items()):
            print(f"{what}: {number}")
        self.latencies.sort()
        states = collections.Counter(ended[0] if ended else "not ended" for ended in self.jobs.values())
        print(f"jobs answered 2xx: {len(self.jobs) + len(self.gone)}, {len(self.gone)} of them forgotten, the others ended as {dict(states)}; tasks committed: {len(self.log_watch.committed)}, none twice"
              if not any("twice" in sentence for sentence in self.failures) else "tasks were committed twice")
        if self.latencies:
            half, last = self.latencies[len(self.latencies) // 2], self.latencies[-1]
            print(f"a job took {half:.2f} s (p50), {self.latencies[int(len(self.latencies) * .99)]:.1f} s (p99), {last:.1f} s (longest)")
        print(f"stalls: {self.meter.stalls} of more than {self.options.stall:.0f} s (goal 0); longest time without a commit with open "
              f"tasks and a sound worker: {self.meter.longest_s:.1f} s")
        out["daemon_memory"] = self.judge_memory("daemon", "rss_kib")
        out["worker_memory"] = self.judge_memory("worker", "worker_rss_kib")
        rests = getattr(self, "rests", [])
        if rests:
            self.judge_rests()
        wal = max((row[Meter.ROW.index("wal_bytes")] for row in self.meter.rows), default=0)
        peak = max((row[Meter.ROW.index("descriptors")] for row in self.meter.rows), default=0)
        print(f"largest WAL {wal / 1e6:.1f} MB, most descriptors {peak}, daemon's lives {self.life + 1}")
        out.update(counts=dict(self.counts), jobs=len(self.jobs) + len(self.gone), states=dict(states), tasks_committed=len(self.log_watch.committed),
                   stalls=self.meter.stalls, longest_without_commit_s=self.meter.longest_s, largest_wal_bytes=wal,
                   most_descriptors=peak, rests=rests, log_events=self.log_watch.events, failures=self.failures)
        self.write(out)
        checks = 4 + 4 * max(0, len(rests) - 1) + 2
        bad = min(checks, self.counts["failures"])
        for sentence in self.failures[:5]:
            print(f"FAIL: soak\nSoakError: {sentence.splitlines()[0]}")
        print(f"{checks - bad} passed, {bad} failed", flush=True)
        return 1 if bad else 0

    def write(self, out):
        if not self.options.out:
            return
        os.makedirs(self.options.out, exist_ok=True)
        with open(os.path.join(self.options.out, "soak.json"), "w") as file:
            json.dump(out, file, indent=1)
        with open(os.path.join(self.options.out, "soak.csv"), "w", newline="") as file:
            csv.writer(file).writerows([Meter.ROW, *self.meter.rows])

    def close(self):
        self.ended = True
        for breaker in self.breakers:
            breaker.join(30)
        for relay in self.relays:
            relay.heal()
        self.service.close()
        for relay in self.relays:
            relay.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3600, help="of load and faults; rests come on top")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=6, help="that submit jobs")
    parser.add_argument("--stall", type=float, default=10, metavar="S", help="without a commit are a stall")
    parser.add_argument("--out", help="folder for soak.json (figures) and soak.csv (one row a second)")
    options = parser.parse_args()
    soak = Soak(options)
    signal.signal(signal.SIGTERM, soak.end_soon)
    try:
        code = soak.run()
    finally:
        soak.close()
    sys.exit(code)


if __name__ == "__main__":
    main()
