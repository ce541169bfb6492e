# SPDX-License-Identifier: Apache-2.0
"""What the soak (soak.py) measures: memory, descriptors and threads of processes, the daemon's log, its counters, and
whether it stands still."""

import http.client
import os
import re
import threading
import time


def status_of(pid):
    """VmRSS in KiB and the number of threads."""
    with open(f"/proc/{pid}/status") as file:
        rows = dict(line.split(":", 1) for line in file.read().splitlines())
    return int(rows["VmRSS"].split()[0]), int(rows["Threads"])


def sockets_of():
    """What is behind the inodes of sockets: the ports at both ends of TCP, nothing for the others."""
    ports = {}
    with open("/proc/net/tcp") as file:
        for row in map(str.split, file.readlines()[1:]):
            listens = row[3] == "0A"
            ports[row[9]] = set() if listens else {int(end.rsplit(":", 1)[1], 16) for end in row[1:3]}
    with open("/proc/net/unix") as file:
        ports.update((line.split()[6], set()) for line in file.readlines()[1:])
    return ports


def descriptors_of(pid, http_ports=()):
    """Descriptors by kind: socket, pipe, file ...; http: connections with one of those ports; closed: sockets of connections
    that the other side has cut."""
    kinds = {}
    folder = f"/proc/{pid}/fd"
    names = os.listdir(folder)
    sockets = sockets_of() if http_ports else None
    for name in names:
        try:
            target = os.readlink(os.path.join(folder, name))
        except OSError:
            continue
        kind, _, inode = target.partition(":")
        if target.startswith("/"):
            kind = "file"
        elif kind == "socket" and sockets is not None:
            ports = sockets.get(inode.strip("[]"))
            kind = "closed" if ports is None else "http" if ports & set(http_ports) else "socket"
        kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


def size_of(path):
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def slope(points):
    """Of the line with the least squares through (x, y)."""
    count = len(points)
    if count < 2:
        return 0.0
    mean_x, mean_y = (sum(values) / count for values in zip(*points))
    square = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / square if square else 0.0


class LogWatch:
    """Reads the daemon's log as it grows: commits counted twice, alarms. A finished file is removed."""

    ALARM = re.compile(r"event=(result_conflict|worker_quarantined|ledger_failed|blob_damaged|job_suspect|task_redone)")
    COMMITTED = re.compile(r"event=task_committed.* job=(\S+) task=(\d+) ")

    def __init__(self, soak, path):
        self.soak, self.path = soak, path
        self.offset, self.rest = 0, ""
        self.committed, self.events = set(), {}
        self.lock = threading.Lock()

    def read(self):
        with self.lock, open(self.path, errors="replace") as file:
            file.seek(self.offset)
            text = self.rest + file.read()
            self.offset = file.tell()
            *lines, self.rest = text.split("\n")
        for line in lines:
            self.look_at(line)

    def look_at(self, line):
        match = self.COMMITTED.search(line)
        if match:
            key = f"{match.group(1)} {match.group(2)}"
            if key in self.committed:
                self.soak.fail(f"a task was committed twice: {line}")
            self.committed.add(key)
        if self.ALARM.search(line) or "Sanitizer" in line or "runtime error:" in line:
            self.soak.fail(f"the daemon's log: {line}")
        event = re.search(r"event=(\w+)", line)
        if event:
            self.events[event.group(1)] = self.events.get(event.group(1), 0) + 1

    def start_anew(self):
        """The daemon has ended; the next one begins with an empty log."""
        self.read()
        with self.lock:
            os.truncate(self.path, 0)
            self.offset, self.rest = 0, ""


class Meter(threading.Thread):
    """Looks once a second. What it keeps of each look: seconds, life of the daemon, and the members of ROW."""

    ROW = ("seconds", "life", "phase", "rss_kib", "threads", "descriptors", "wal_bytes", "ledger_bytes", "worker_rss_kib",
           "worker_descriptors", "committed", "ready", "connections", "streams", "keys")
    PROGRESS = re.compile(r'int8x_tasks_total\{kind="\w+",result="(?:committed|failed|cached)"\} (\d+)')

    def __init__(self, soak, stall_s):
        super().__init__(name="meter", daemon=True)
        self.soak, self.stall_s = soak, stall_s
        self.rows, self.longest_s, self.stalls = [], 0.0, 0
        self.progress, self.since, self.told = None, time.monotonic(), False

    def counters(self):
        """/metrics of the second listener as a dict, or None while the daemon does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.soak.admin_port, timeout=2)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        rows = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        rows["progress"] = sum(map(int, self.PROGRESS.findall(text)))
        return rows

    def run(self):
        while not self.soak.ended:
            start = time.monotonic()
            try:
                counters = self.counters()
                self.look_for_stall(counters)
                if counters:
                    self.keep(counters)
                self.soak.log_watch.read()
            except (OSError, ValueError, KeyError):
                pass  # a process ended while it was looked at
            time.sleep(max(0.05, 1 - (time.monotonic() - start)))

    def keep(self, counters):
        soak = self.soak
        rss, threads = status_of(soak.service.daemon.child.pid)
        worker = soak.seats[0].worker.child.pid
        self.rows.append((round(time.monotonic() - soak.began, 2), soak.life, soak.phase, rss, threads,
                          sum(descriptors_of(soak.service.daemon.child.pid).values()),
                          size_of(os.path.join(soak.service.data, "ledger.db-wal")), size_of(os.path.join(soak.service.data, "ledger.db")),
                          status_of(worker)[0], sum(descriptors_of(worker).values()), counters["progress"],
                          int(counters['int8x_tasks{state="ready"}']), int(counters['int8x_http_connections{listener="api"}']),
                          int(counters["int8x_event_streams"]), soak.counts["scenarios: twice"]))

    def look_for_stall(self, counters):
        """A stall: for so long nothing was committed, failed or taken from the cache, while tasks were ready or leased, the
        daemon was well, and so was a worker that reaches it directly. A daemon that does not answer stalls, too."""
        now, soak = time.monotonic(), self.soak
        if counters is None:
            waits, progress = soak.daemon_well(seconds=3), self.progress
        else:
            tasks = sum(float(counters['int8x_tasks{state="%s"}' % state]) for state in ("ready", "leased", "committing"))
            waits, progress = tasks > 0 and any(seat.direct and seat.sound(seconds=3) for seat in soak.seats), counters["progress"]
        if not waits or progress != self.progress or soak.daemon_stopped:
            self.since, self.told = now, False
        self.progress = progress
        self.longest_s = max(self.longest_s, now - self.since)
        if now - self.since > self.stall_s and not self.told:
            self.told = True
            self.stalls += 1
            soak.fail(f"stall: nothing was committed for {now - self.since:.1f} s at {now - soak.began:.0f} s with open tasks and a sound worker")
