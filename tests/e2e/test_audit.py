#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Workers that compute wrongly: a second opinion catches them, what they made is computed again, and the job's
bytes are right. int8x-worker-faulty flips one bit of what its quantize tasks write."""

import os
import re
import signal
import subprocess
import tempfile
import unittest

from service import ROOT, Service, program, samples, sha256

CALIB = samples((32, 1, 28, 28), 11)
ALONE_MS = 10000  # an audit is dropped when no second worker has been there for so long


def lenet():
    with open(os.path.join(ROOT, "tests", "data", "lenet_mnist.onnx"), "rb") as file:
        return file.read()


def right_artifact():
    """SHA-256 of what the job has to give, from one honest process."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (("m.onnx", lenet()), ("c.npy", CALIB)):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
        subprocess.run([program("int8x"), "quantize", f"{folder}/m.onnx", "-o", f"{folder}/q.onnx", "--calib",
                        f"{folder}/c.npy", "--set", "shard_samples=4"], check=True, capture_output=True)
        with open(f"{folder}/q.onnx", "rb") as file:
            return sha256(file.read())


class Audit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.wanted = right_artifact()

    def service(self, per_mille="1000"):
        return Service("--audit-per-mille", per_mille)

    def submit(self, service, **recipe):
        return service.submit(lenet(), CALIB, shard_samples=4, **recipe)

    def faulty(self, service):
        return service.add_worker(name=program("int8x-worker-faulty"), options=("--name", "bad"))

    def honest(self, service, count=2):
        return [service.add_worker(options=("--name", f"good{i}")) for i in range(count)]

    def wrong_commit(self, service, worker):
        service.daemon.wait_log(rf"event=task_committed .* kind=quantize worker={worker.id} ")

    def check(self, service, job_id, bad):
        job = service.wait(job_id)
        self.assertEqual(job["state"], "done", (job, service.daemon.log()[-6000:]))
        self.assertEqual(job["artifact_sha256"], self.wanted)
        service.daemon.wait_log(rf"event=worker_quarantined \S+ worker={bad.id}")
        self.assertNotIn("suspect", job)
        self.assertEqual(service.metric("int8x_workers_quarantined_total"), 1)
        return job

    def test_flipped_bit_is_outvoted_and_the_job_is_right(self):
        with self.service() as service:
            bad = self.faulty(service)
            job_id = self.submit(service)
            self.wrong_commit(service, bad)
            self.honest(service)
            self.check(service, job_id, bad)
            self.assertRegex(service.daemon.log(), r"event=task_audited .*verdict=wrong")
            # it gets nothing any more
            granted = len(re.findall(rf"event=lease_granted .*worker={bad.id} ", service.daemon.log()))
            other = self.submit(service, clip="kl")
            self.assertEqual(service.wait(other)["state"], "done")
            self.assertEqual(len(re.findall(rf"event=lease_granted .*worker={bad.id} ", service.daemon.log())), granted)

    def test_audit_goes_on_after_the_daemon_was_killed(self):
        with self.service() as service:
            bad = self.faulty(service)
            job_id = self.submit(service)
            self.wrong_commit(service, bad)
            service.daemon.kill()
            service.start()
            self.honest(service)
            self.check(service, job_id, bad)

    def test_alone_it_is_not_caught_and_what_it_made_is_doubted_when_it_is(self):
        with self.service() as service:
            bad = self.faulty(service)
            first = self.submit(service)
            while (job := service.job(first))["done"] < job["tasks"] or job["tasks"] < 10:
                self.assertEqual(job["state"], "running", job)
            self.assertEqual((job["state"], job["stage"]), ("running", "audit"), job)
            self.assertGreater(job["audits"], 0)
            job = service.wait(first)  # nobody else comes: the audits are dropped, aloud
            self.assertEqual(job["state"], "done")
            self.assertNotEqual(job["artifact_sha256"], self.wanted)
            self.assertRegex(service.daemon.log(), r"event=task_audited .*verdict=dropped")
            self.honest(service)
            for seed in range(50):  # until it gets the one task that it does wrongly
                other = service.submit(lenet(), samples((32, 1, 28, 28), 100 + seed), shard_samples=4)
                self.assertEqual(service.wait(other)["state"], "done")
                if "event=worker_quarantined" in service.daemon.log():
                    break
            service.daemon.wait_log(rf"event=job_suspect \S+ job={first}")
            self.assertIn("suspect", service.job(first))
            again = self.submit(service)  # what it made is not in the cache any more
            job = service.wait(again)
            self.assertEqual((job["state"], job["artifact_sha256"]), ("done", self.wanted))

    def test_honest_workers_agree_and_every_task_runs_twice(self):
        with self.service() as service:
            self.honest(service)
            job = service.wait(self.submit(service))
            self.assertEqual((job["state"], job["artifact_sha256"]), ("done", self.wanted))
            log = service.daemon.log()
            committed = len(re.findall(r"event=task_committed ", log))
            audited = len(re.findall(r"event=lease_granted .*audit=yes", log))
            self.assertGreater(committed, 10)
            self.assertEqual(audited, committed)
            self.assertNotIn("event=worker_quarantined", log)
            self.assertNotIn("event=result_conflict", log)

    def test_kill_of_the_auditor_gives_the_audit_to_another(self):
        with self.service() as service:
            first, second = self.honest(service)
            job_id = self.submit(service)
            service.daemon.wait_log(rf"event=lease_granted .*worker={second.id} .*audit=yes")
            second.kill(signal.SIGKILL)
            self.honest(service, 1)
            job = service.wait(job_id)
            self.assertEqual((job["state"], job["artifact_sha256"]), ("done", self.wanted))


if __name__ == "__main__":
    unittest.main()
