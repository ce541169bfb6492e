# SPDX-License-Identifier: Apache-2.0
"""A fleet on a bad network: a relay (relay.py) between workers and daemon delays, stalls, loses, cuts and
partitions, both ways and one way; results stay right, and what can finish finishes.

    INT8X_BIN=build/dev/bin python3 tests/e2e/test_network.py [TestClass.test_name ...]
"""

import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from relay import Relay  # noqa: E402
from service import Service  # noqa: E402
from test_fleet import PROBES, Fleet  # noqa: E402


class Network(Fleet):
    """A relay between worker and daemon makes the network worse; results stay right."""

    LINES = {"count": 24, "ms": 60, "bytes": 20_000, "seed": "network"}

    def setUp(self):
        self.wanted_sha = self.wanted(**self.LINES)
        self.http_relay = Relay(0)
        self.service = Service("--advertise", f"http://127.0.0.1:{self.http_relay.port}")
        self.http_relay.target = self.service.http
        self.link_relay = Relay(int(self.service.link.rsplit(":", 1)[1]))
        for close in (self.http_relay.close, self.link_relay.close, self.service.close):
            self.addCleanup(close)  # the last one comes first

    def add_worker(self, *options):
        return self.service.add_worker(options=[*PROBES, *options], join=f"tcp://127.0.0.1:{self.link_relay.port}")

    def run_through(self, worse, heal_after=None, workers=2, direct=0):
        """Runs the job while `worse` holds; heals after so many seconds. Returns seconds to the end after healing."""
        for _ in range(workers):
            self.add_worker("--prefetch", "1")
        for _ in range(direct):
            self.service.add_worker(options=PROBES)
        job_id = self.service.probe(**self.LINES)
        self.lease_of(self.service, job_id)
        worse()
        start = time.monotonic()
        if heal_after is not None:
            time.sleep(heal_after)
            for relay in (self.link_relay, self.http_relay):
                relay.heal()
            start = time.monotonic()
        self.assertDone(self.service, job_id, self.wanted_sha)
        return time.monotonic() - start

    def both(self, name, **arguments):
        return lambda: [getattr(relay, name)(**arguments) for relay in (self.link_relay, self.http_relay)]

    def set_both(self, **values):
        def run():
            for relay in (self.link_relay, self.http_relay):
                for name, value in values.items():
                    setattr(relay, name, value)
        return run

    def test_partition_of_all_workers_and_heal(self):
        took = self.run_through(self.both("block", up=True, down=True), 4)
        print(f"partition of all workers for 4 s: done {took:.2f} s after healing", flush=True)

    def test_partition_of_some_workers_moves_their_tasks(self):
        took = self.run_through(lambda: self.link_relay.block(up=True, down=True), workers=1, direct=1)
        print(f"partition of one worker of two: done {took:.2f} s after it, not healed", flush=True)

    def test_one_way_partition_towards_the_daemon(self):
        took = self.run_through(self.both("block", up=True), 4)
        print(f"workers could not be heard for 4 s: done {took:.2f} s after healing", flush=True)

    def test_one_way_partition_towards_the_workers(self):
        took = self.run_through(self.both("block", down=True), 4)
        print(f"workers could not hear for 4 s: done {took:.2f} s after healing", flush=True)

    def test_one_way_partition_of_one_worker_moves_its_tasks(self):
        took = self.run_through(lambda: self.link_relay.block(down=True), workers=1, direct=1)
        print(f"one worker of two could not hear: done {took:.2f} s after it, not healed", flush=True)

    def test_five_percent_loss(self):
        took = self.run_through(self.set_both(loss=0.05))
        print(f"5 % loss both ways: done after {took:.2f} s; {self.link_relay.lost} + {self.http_relay.lost} pieces lost", flush=True)

    def test_thirty_percent_loss_and_heal(self):
        took = self.run_through(self.set_both(loss=0.3), 6)
        print(f"30 % loss both ways for 6 s: done {took:.2f} s after healing; "
              f"{self.link_relay.lost} + {self.http_relay.lost} pieces lost", flush=True)

    def test_delay(self):
        took = self.run_through(self.set_both(delay=0.05))
        print(f"50 ms delay each way: done after {took:.2f} s", flush=True)

    def test_low_bandwidth(self):
        took = self.run_through(self.set_both(bandwidth=200_000))
        print(f"200 kB/s each way: done after {took:.2f} s", flush=True)

    def test_stall_and_heal(self):
        took = self.run_through(self.both("stall"), 4)
        print(f"everything stalled for 4 s: done {took:.2f} s after healing", flush=True)

    def test_half_open_connections_and_heal(self):
        took = self.run_through(self.both("half_open"), 4)
        print(f"half-open for 4 s: done {took:.2f} s after healing", flush=True)

    def test_connections_that_lead_nowhere_are_given_up(self):
        took = self.run_through(self.link_relay.forget)
        print(f"a router forgot the connections: done {took:.2f} s later", flush=True)
        for worker in self.service.workers:
            self.assertIn("event=link_silent", worker.log())
        self.assertEqual(self.open_links(), 2)

    def open_links(self):
        """Connections of the daemon on its link port, once that many are left or 10 s are over."""
        port = int(self.service.link.rsplit(":", 1)[1])
        end = time.monotonic() + 10
        while True:
            with open("/proc/net/tcp") as file:
                rows = [line.split() for line in file.readlines()[1:]]
            count = sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)
            if count <= 2 or time.monotonic() > end:
                return count
            time.sleep(0.05)

    def test_resets_again_and_again(self):
        def worse():
            for _ in range(10):
                self.link_relay.reset()
                self.http_relay.reset()
                time.sleep(0.2)
        took = self.run_through(worse, 0)
        print(f"ten resets: done {took:.2f} s after the last", flush=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
