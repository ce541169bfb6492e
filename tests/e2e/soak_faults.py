# SPDX-License-Identifier: Apache-2.0
"""What the soak (soak.py) does to the service: a thread for each worker, each relay and the daemon draws what happens to
it next. While the soak rests, everything is healed and whoever was killed is started."""

import os
import signal
import subprocess
import threading
import time


class Breaker(threading.Thread):
    """Waits for a while, does something bad to its target, undoes it, again and again."""

    def __init__(self, soak, name, source, mean_s):
        super().__init__(name=name, daemon=True)
        self.soak, self.source, self.mean_s = soak, source, mean_s
        self.idle = False

    def run(self):
        while not self.soak.ended:
            self.idle = True
            self.soak.pause(self.source.expovariate(1 / self.mean_s))
            if not self.soak.faults:
                time.sleep(0.05)
                continue
            self.idle = False
            try:
                self.break_and_mend()
            except Exception as error:  # pylint: disable=broad-except
                self.soak.fail(f"{self.name}: {type(error).__name__}: {error}"[:2000])
        self.idle = True

    def draw(self, table):
        what = self.source.choices(list(table), list(table.values()))[0]
        self.soak.count(f"faults: {what}")
        return what


class WorkerBreaker(Breaker):
    """Of one worker; the one that is to live is not killed."""

    def __init__(self, soak, index, source, mean_s, lives):
        super().__init__(soak, f"worker {index}", source, mean_s)
        self.index = index
        self.table = {"worker stopped": 3, "task's process killed": 1}
        if not lives:
            self.table.update({"worker killed": 4, "worker terminated": 2})

    def break_and_mend(self):
        what = self.draw(self.table)
        seat = self.soak.seats[self.index]
        if what == "worker stopped":
            seat.stopped = True
            seat.worker.child.send_signal(signal.SIGSTOP)
            self.soak.pause(self.source.uniform(0.2, 6))
            seat.worker.child.send_signal(signal.SIGCONT)
            seat.since, seat.stopped = time.monotonic(), False
        elif what == "task's process killed":
            self.kill_slot(seat.worker.child.pid)
        else:
            seat.end(what == "worker killed")
            self.soak.pause(self.source.uniform(0, 3))
            seat.start()

    def kill_slot(self, pid):
        try:
            for zygote in children(pid):
                for slot in children(zygote):
                    os.kill(slot, signal.SIGKILL)
        except (OSError, ValueError):
            pass  # it has ended by itself


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


class NetworkBreaker(Breaker):
    """Of the relays between some workers and the daemon: link, HTTP or both."""

    TABLE = {"partition": 3, "partition of the way up": 2, "partition of the way down": 2, "loss 5 %": 2, "loss 30 %": 1, "delay": 1,
             "low bandwidth": 1, "stall": 2, "half-open": 2, "resets": 3, "connections forgotten": 1}

    def __init__(self, soak, name, source, mean_s, relays):
        super().__init__(soak, name, source, mean_s)
        self.relays = relays

    def break_and_mend(self):
        relays = self.source.choice([self.relays, self.relays, self.relays[:1], self.relays[1:]])
        what = self.draw(self.TABLE)
        for relay in relays:
            self.harm(relay, what)
        self.soak.pause(self.source.uniform(0.3, 7))
        for relay in relays:
            relay.heal()

    @staticmethod
    def harm(relay, what):
        if what.startswith("partition"):
            relay.block(up="down" not in what, down="up" not in what)
        elif what.startswith("loss"):
            relay.loss = 0.05 if "5 %" in what else 0.3
        elif what == "delay":
            relay.delay = 0.05
        elif what == "low bandwidth":
            relay.bandwidth = 100_000
        else:
            {"stall": relay.stall, "half-open": relay.half_open, "resets": relay.reset, "connections forgotten": relay.forget}[what]()


class DaemonBreaker(Breaker):
    """Stops the daemon for a while and, in the phases in which it may die, kills it."""

    def __init__(self, soak, source, mean_s):
        super().__init__(soak, "daemon", source, mean_s)

    def break_and_mend(self):
        if not self.soak.kills:
            if self.source.random() < 0.2:
                self.stop_for_a_while()
            return
        what = self.draw({"daemon killed": 3, "daemon terminated": 1, "daemon stopped": 1})
        if what == "daemon stopped":
            self.stop_for_a_while()
            return
        self.soak.end_daemon(signal.SIGKILL if what == "daemon killed" else signal.SIGTERM)
        self.soak.pause(self.source.uniform(0, 2))
        self.soak.start_daemon()

    def stop_for_a_while(self):
        child = self.soak.service.daemon.child
        self.soak.daemon_stopped = True
        child.send_signal(signal.SIGSTOP)
        self.soak.pause(self.source.uniform(0.1, 3))
        child.send_signal(signal.SIGCONT)
        self.soak.daemon_since, self.soak.daemon_stopped = time.monotonic(), False
        self.soak.count("faults: daemon stopped, not ended")


class Seat:
    """A place in the fleet: the worker that sits there, killed and started again, with one cache."""

    def __init__(self, service, index, options, relays=None, shim=None):
        self.service, self.options = service, options
        self.cache = os.path.join(service.folder, f"seat{index}")
        self.join, self.env = None, None
        if relays:
            link, http = relays
            self.join = f"tcp://127.0.0.1:{link.port}"
            self.env = {"LD_PRELOAD": shim, "INT8X_DETOUR": f"{service.http}:{http.port}"}
        self.direct = not relays
        self.stopped, self.since = False, 0
        self.worker = None

    def start(self):
        self.worker = self.service.add_worker_soon(options=self.options, cache=self.cache, join=self.join, env=self.env)
        self.since = time.monotonic()

    def end(self, hard):
        child = self.worker.child
        if not hard:
            child.send_signal(signal.SIGTERM)
            try:  # drains; with its coordinator out of reach it waits with what it has
                child.wait(8)
            except subprocess.TimeoutExpired:
                pass
        self.worker.kill()

    @property
    def id(self):
        try:
            with open(os.path.join(self.cache, "id")) as file:
                return file.read()
        except OSError:
            return ""

    def sound(self, seconds):
        """Lives and was not disturbed for so long."""
        return self.worker.child.poll() is None and not self.stopped and time.monotonic() > self.since + seconds
