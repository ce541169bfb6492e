# SPDX-License-Identifier: Apache-2.0
"""The daemon is killed at any of its dealings with the disk, and the disk is full: nothing that was answered is lost,
nothing is committed twice, and the job's bytes are right.

    INT8X_BIN=build/release/bin python3 tests/e2e/test_crash.py [TestClass.test_name ...]

A preloaded shim (tests/support/crash_shim.c) ends the daemon by SIGKILL before call number N that changes a file.
INT8X_CRASH_SEED and INT8X_CRASH_MOMENTS choose other or more moments than the 20 of the check.
"""

import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import onnx_bytes  # noqa: E402
from service import ROOT, Service, npy, program, samples, sha256  # noqa: E402

SEED = int(os.environ.get("INT8X_CRASH_SEED", "5"))
MOMENTS = int(os.environ.get("INT8X_CRASH_MOMENTS", "20"))
SHIM = os.path.join(os.path.dirname(program("int8xd")), "crash_shim.so")
AWAY = (ConnectionError, http.client.HTTPException, OSError)


def lenet():
    with open(os.path.join(ROOT, "tests", "data", "lenet_mnist.onnx"), "rb") as file:
        return file.read()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Client:
    """Submits one job and remembers every answer with 2xx; a daemon that is away is waited for."""

    def __init__(self, service, model, calib):
        self.service = service
        self.blobs = {"model": model, "calib": calib}
        self.stored, self.accepted = set(), []

    def try_once(self):
        job = {"name": "m.onnx", "recipe": {"shard_samples": 4}}
        for role, data in self.blobs.items():
            digest = sha256(data)
            answer = self.service.request("PUT", "/v1/blobs/" + digest, data)
            assert answer.status in (200, 201), (answer.status, answer.body)
            self.stored.add((digest, len(data)))
            job[role] = {"sha256": digest, "size_bytes": len(data)}
        answer = self.service.request("POST", "/v1/jobs", json.dumps(job))
        assert answer.status == 202, (answer.status, answer.body)
        self.accepted.append(answer.json()["id"])

    def submit(self):
        """True if the job was answered; False if the daemon went away."""
        try:
            self.try_once()
            return True
        except AWAY:
            return False


class Crashing(unittest.TestCase):
    CALIB = samples((16, 1, 28, 28), 3)

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(SHIM):
            raise unittest.SkipTest(f"{SHIM} is not built")

    def run_to_the_end(self, service, client, moment):
        """The crash may come during the upload, the submission or the job; returns the job's hashes."""
        answered = client.submit()
        deadline = time.monotonic() + 60
        while service.daemon.child.poll() is None and time.monotonic() < deadline:
            try:
                if answered and service.job(client.accepted[-1])["state"] != "running":
                    break
            except AWAY:
                break
            time.sleep(0.002)
        if moment is not None:
            try:
                service.daemon.child.wait(5)
            except subprocess.TimeoutExpired:  # the job needed fewer calls this time
                service.daemon.kill()
            self.assertEqual(service.daemon.kill(), -signal.SIGKILL)
            service.start()
            if not answered:
                self.assertTrue(client.submit())
        for digest, size in client.stored:
            answer = service.request("HEAD", "/v1/blobs/" + digest)
            self.assertEqual((answer.status, answer.headers["Content-Length"]), (200, str(size)), f"moment {moment}")
        jobs = [service.wait(job_id) for job_id in client.accepted]
        for job in jobs:
            self.assertEqual(job["state"], "done", (moment, job))
            artifact = service.request("GET", f"/v1/jobs/{job['id']}/artifact")
            self.assertEqual(sha256(artifact.body), job["artifact_sha256"])
        committed = re.findall(r"event=task_committed job=(\S+) task=(\d+) ", service.daemon.log())
        self.assertEqual(len(committed), len(set(committed)), f"moment {moment}: a task was committed twice")
        return jobs[-1]["artifact_sha256"], jobs[-1]["result_sha256"]


class Seeded(Crashing):
    """Moments drawn by a seed."""

    def run_with(self, moment, env):
        with Service(start=False) as service:
            service.http, service.link = free_port(), f"tcp://127.0.0.1:{free_port()}"  # known before it may die
            try:
                service.start(env=dict(env, LD_PRELOAD=SHIM))
            except AssertionError:
                self.assertEqual(service.daemon.kill(), -signal.SIGKILL)  # before it listened
            service.add_worker_soon()
            client = Client(service, lenet(), self.CALIB)
            hashes = self.run_to_the_end(service, client, moment)
            if moment is None:
                self.assertEqual(service.daemon.kill(signal.SIGTERM), 0)
            return hashes

    def test_killed_at_any_moment_nothing_is_lost(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "count")
            wanted = self.run_with(None, {"INT8X_CRASH_COUNT": path})
            with open(path) as file:
                calls = int(file.read())
        self.assertGreater(calls, 100)
        moments = sorted(random.Random(SEED).sample(range(1, calls), MOMENTS))
        print(f"{calls} calls that change files; killed before number {moments}", flush=True)
        for moment in moments:
            with self.subTest(moment=moment):
                self.assertEqual(self.run_with(moment, {"INT8X_CRASH_CALL": str(moment)}), wanted)


class Named(Crashing):
    """The moments that matter most, by name. What has been answered is there afterwards, what was not is sent again."""

    def setUp(self):
        self.service = Service(start=False)
        self.addCleanup(self.service.close)
        self.order = os.path.join(self.service.folder, "order")
        self.service.http, self.service.link = free_port(), f"tcp://127.0.0.1:{free_port()}"
        self.service.start(env={"LD_PRELOAD": SHIM, "INT8X_CRASH_ORDER": self.order})
        self.client = Client(self.service, lenet(), self.CALIB)

    def die_at(self, part_of_path):
        with open(self.order + ".new", "w") as file:
            file.write(part_of_path)
        os.rename(self.order + ".new", self.order)

    def finish(self):
        """Starts the daemon again; the job has the bytes of an undisturbed run."""
        self.assertEqual(self.service.daemon.child.wait(60), -signal.SIGKILL)
        self.service.daemon.kill()
        start = time.monotonic()
        self.service.start()
        print(f"answers again {time.monotonic() - start:.3f} s after its start", flush=True)
        if not self.client.accepted:
            self.assertTrue(self.client.submit())
        self.service.add_worker()
        self.assertEqual(self.run_to_the_end(self.service, self.client, None), self.wanted())

    def wanted(self):
        with Service(workers=1) as service:
            job = service.wait(service.submit(lenet(), self.CALIB, shard_samples=4))
            return job["artifact_sha256"], job["result_sha256"]

    def test_a_blob_is_stored_and_the_ledger_does_not_know_yet(self):
        self.die_at("ledger")
        self.assertFalse(self.client.submit())
        digest = sha256(lenet())
        found = [name for _, _, names in os.walk(self.service.data) for name in names if digest in name]
        self.assertEqual((found, self.client.stored), ([digest], set()))
        self.finish()

    def test_a_job_is_taken_and_not_answered_yet(self):
        for data in self.client.blobs.values():
            self.service.put(data)
        self.die_at("ledger")
        self.assertFalse(self.client.submit())
        self.assertEqual((len(self.client.stored), self.client.accepted), (2, []))
        self.finish()

    def test_during_assemble(self):
        artifact, _ = self.wanted()
        self.die_at(artifact)  # its file gets its name
        self.assertTrue(self.client.submit())
        self.service.add_worker_soon()
        self.service.daemon.child.wait(60)
        self.assertRegex(self.service.daemon.log(), "event=lease_granted .*kind=assemble")
        self.assertNotRegex(self.service.daemon.log(), "event=task_committed .*kind=assemble")
        self.finish()

class ManyTasks(unittest.TestCase):
    """A restart with about a hundred thousand open tasks: one job of 97,000 shards."""

    SAMPLES = 97000

    def test_first_lease_after_a_restart_with_many_open_tasks(self):
        attributes = onnx_bytes.ints("pads", [1, 1, 1, 1]) + onnx_bytes.ints("kernel_shape", [3, 3])
        node = onnx_bytes.node("Conv", ["x", "w"], ["y"], "only", attributes)
        weights = onnx_bytes.tensor("w", (2, 1, 3, 3), [(i * 7 % 19 - 9) / 10 for i in range(18)])
        model = onnx_bytes.model([node], [weights], [onnx_bytes.value_info("x", ("N", 1, 4, 4))],
                                 [onnx_bytes.value_info("y", ("N", 2, 4, 4))])
        calib = npy((self.SAMPLES, 1, 4, 4), [(i * 31 % 97) / 97 for i in range(16)] * self.SAMPLES)
        with Service(workers=1) as service:
            service.submit(model, calib, shard_samples=1)
            end = time.monotonic() + 120
            while service.metric('int8x_tasks{state="ready"}') < 0.9 * self.SAMPLES:
                self.assertLess(time.monotonic(), end, service.daemon.log()[-3000:])
                time.sleep(0.02)
            service.workers[0].kill()
            tasks = sum(service.metric('int8x_tasks{state="%s"}' % state) for state in ("ready", "leased", "waiting"))
            self.assertGreater(tasks, 0.9 * self.SAMPLES)
            service.daemon.kill()
            offset = len(service.daemon.log())
            service.add_worker_soon()
            start = time.monotonic()
            service.start()
            service.daemon.wait_log("event=lease_granted", after=offset)
            seconds = time.monotonic() - start
            if os.environ.get("INT8X_SHOW"):
                print(service.daemon.log()[offset:][:1500])
            print(f"{tasks:.0f} open tasks: first lease {seconds:.3f} s after the start", flush=True)
            self.assertLess(seconds, 10)

class FullDisk(unittest.TestCase):
    """Data folders on a small file system of their own."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="i8xfull")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", self.folder], capture_output=True, text=True)
        if done.returncode:
            os.rmdir(self.folder)
            self.skipTest(f"no tmpfs can be mounted here: {done.stderr.strip()}")

    def tearDown(self):
        subprocess.run(["umount", self.folder], check=True)
        os.rmdir(self.folder)

    def fill(self, leave):
        stat = os.statvfs(self.folder)
        with open(os.path.join(self.folder, "filler"), "wb") as file:
            file.write(bytes(max(0, stat.f_bavail * stat.f_frsize - leave)))

    def free(self):
        os.unlink(os.path.join(self.folder, "filler"))

    def test_a_full_disk_of_the_daemon_is_told_and_survived(self):
        calib = samples((64, 1, 28, 28), 3)
        with Service(start=False) as service:
            service.data = os.path.join(self.folder, "data")
            service.start()
            service.put(lenet())
            self.fill(leave=60000)
            answer = service.request("PUT", "/v1/blobs/" + sha256(calib), calib)
            self.assertEqual(answer.status, 507, answer.body)
            self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
            self.assertEqual(service.request("HEAD", "/v1/blobs/" + sha256(calib)).status, 404)
            self.assertEqual(service.request("GET", "/healthz").status, 200)
            self.free()
            service.add_worker()
            job = service.wait(service.submit(lenet(), calib))
            self.assertEqual(job["state"], "done", job)

    def test_a_full_disk_of_a_worker_fails_the_attempt_and_another_worker_does_the_job(self):
        with Service() as service:
            self.fill(leave=100000)
            service.add_worker(cache=os.path.join(self.folder, "cache"))
            job_id = service.submit(lenet(), samples((64, 1, 28, 28), 4))
            service.daemon.wait_log("event=task_failed")
            service.add_worker()
            job = service.wait(job_id)
            self.assertEqual(job["state"], "done", job)

if __name__ == "__main__":
    unittest.main(verbosity=2)
