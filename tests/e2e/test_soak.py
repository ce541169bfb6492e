# SPDX-License-Identifier: Apache-2.0
"""A minute of the soak (soak.py), and that what it judges by finds what it is made to find.

    INT8X_BIN=build/release/bin python3 tests/e2e/test_soak.py [TestClass.test_name ...]
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import types
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from service import ROOT, Service, sha256  # noqa: E402
from soak_figures import LogWatch, Meter, descriptors_of, slope  # noqa: E402
from soak_load import noise, probe_artifact  # noqa: E402

SEED = os.environ.get("INT8X_SOAK_SEED", "1")
SECONDS = os.environ.get("INT8X_SOAK_SECONDS", "60")


class Told:
    """In the place of the soak: remembers what was told."""

    def __init__(self):
        self.failures, self.daemon_stopped, self.began = [], False, time.monotonic()
        self.seats = [types.SimpleNamespace(direct=True, sound=lambda seconds: self.is_sound)]
        self.is_sound = self.is_well = True

    def daemon_well(self, seconds):
        return self.is_well

    def fail(self, sentence):
        self.failures.append(sentence)


class Figures(unittest.TestCase):
    """What is judged by."""

    def look(self, meter, ready, progress, seconds=0.3):
        states = {"ready": ready, "leased": 0, "committing": 0}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            meter.look_for_stall({**{'int8x_tasks{state="%s"}' % name: str(count) for name, count in states.items()}, "progress": progress})
            time.sleep(0.01)

    def test_a_stall_is_found_and_its_like_is_not_taken_for_one(self):
        told = Told()
        meter = Meter(told, stall_s=0.2)
        self.look(meter, ready=0, progress=5)  # nothing to do
        for progress in range(6, 12):
            self.look(meter, ready=3, progress=progress, seconds=0.1)  # it goes on
        told.is_sound = False
        self.look(meter, ready=3, progress=11)  # nobody could work
        self.assertEqual((told.failures, meter.stalls), ([], 0))
        told.is_sound = True
        self.look(meter, ready=3, progress=11)
        self.assertEqual((len(told.failures), meter.stalls), (1, 1))
        self.look(meter, ready=3, progress=12, seconds=0.1)
        told.failures.clear()
        for _ in range(30):
            meter.look_for_stall(None)  # the daemon does not answer
            time.sleep(0.01)
        self.assertEqual(len(told.failures), 1)

    def test_the_log_tells_of_tasks_committed_twice_and_of_alarms(self):
        told = Told()
        line = "time=t level=info event=task_committed thread=1 job=j1 task=%d kind=probe worker=w wall_ms=1\n"
        with tempfile.NamedTemporaryFile("w", suffix=".log") as file:
            watch = LogWatch(told, file.name)
            for text in (line % 1, line % 2, (line % 3)[:40], (line % 3)[40:]):
                file.write(text)
                file.flush()
                watch.read()
            self.assertEqual((len(watch.committed), told.failures), (3, []))
            file.write(line % 2 + "time=t level=error event=result_conflict job=j1\n")
            file.flush()
            watch.read()
            self.assertEqual(len(told.failures), 2, told.failures)

    def test_descriptors_are_counted_by_kind(self):
        before = descriptors_of(os.getpid(), [1])
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            with socket.create_connection(server.getsockname()), open(os.devnull):
                after = descriptors_of(os.getpid(), [server.getsockname()[1]])
        grown = {kind: after.get(kind, 0) - before.get(kind, 0) for kind in after if after[kind] != before.get(kind, 0)}
        self.assertEqual(grown, {"socket": 1, "http": 1, "file": 1})  # listener, connection, file

    def test_slope(self):
        self.assertAlmostEqual(slope([(x, 7 + 2.5 * x) for x in range(10)]), 2.5)
        self.assertEqual(slope([(1, 1)]), 0)

    def test_the_bytes_of_a_probe_are_those_of_the_service(self):
        with Service() as service:
            service.add_worker(options=["--probes"])
            for count, size in ((1, 0), (3, 1001), (2, 70_000)):
                job = service.wait(service.probe(count=count, bytes=size, seed="soak"))
                text = f"int8x probe\ncount {count}\nbytes {size}\nseed soak\n".encode()
                self.assertEqual(job["artifact_sha256"], sha256(probe_artifact(text, count, size)))
        self.assertNotEqual(noise(1, 100), noise(2, 100))


class Soak(unittest.TestCase):
    def test_a_minute_of_random_kills_and_partitions(self):
        script = os.path.join(ROOT, "tests", "e2e", "soak.py")
        done = subprocess.run([sys.executable, script, "--seconds", SECONDS, "--seed", SEED], check=False)
        self.assertEqual(done.returncode, 0, "what failed stands above")


if __name__ == "__main__":
    unittest.main(verbosity=2)
