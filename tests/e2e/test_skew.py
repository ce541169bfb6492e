# SPDX-License-Identifier: Apache-2.0
"""Programs of different ages together: workers and a ledger of the first release (built here from the repository's
history) with today's daemon. Kinds whose revision is the same are shared; nothing is lost.

    INT8X_BIN=build/release/bin python3 tests/e2e/test_skew.py [TestClass.test_name ...]
"""

import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from service import ROOT, Service, samples  # noqa: E402

FIRST = "846755e550239628bc90be63dccaa3106cde6d32"  # the commit that closed the first release
PLACE = os.path.join(ROOT, "build", "skew")


def build_first():
    """Folder of the programs of the first release; skips aloud where there is no history or no compiler."""
    programs = os.path.join(PLACE, "build", "bin")
    stamp = os.path.join(PLACE, "stamp")
    if os.path.exists(stamp):
        with open(stamp) as file:
            if file.read() == FIRST:
                return programs
    if shutil.which("git") is None or subprocess.run(["git", "-C", ROOT, "cat-file", "-e", FIRST + "^{commit}"],
                                                    capture_output=True).returncode:
        raise unittest.SkipTest(f"commit {FIRST[:12]} is not in this checkout's history")
    shutil.rmtree(PLACE, ignore_errors=True)
    source = os.path.join(PLACE, "source")
    os.makedirs(source)
    archive = subprocess.run(["git", "-C", ROOT, "archive", FIRST], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", source], input=archive, check=True)
    for command in (["cmake", "-S", source, "-B", os.path.join(PLACE, "build"), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DINT8X_WERROR=OFF",
                     "-DINT8X_TESTS=OFF", "-DCMAKE_RUNTIME_OUTPUT_DIRECTORY=" + programs],
                    ["cmake", "--build", os.path.join(PLACE, "build"), "--target", "int8xd", "int8x-worker"]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"{command}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    with open(stamp, "w") as file:
        file.write(FIRST)
    return programs


class Skew(unittest.TestCase):
    CALIB = samples((32, 1, 28, 28), 1)

    @classmethod
    def setUpClass(cls):
        cls.first = build_first()
        with open(os.path.join(ROOT, "tests", "data", "lenet_mnist.onnx"), "rb") as file:
            cls.model = file.read()

    def old_worker(self, service):
        return service.add_worker(name=os.path.join(self.first, "int8x-worker"))

    def revisions(self, service):
        return {row["name"]: row["revision"] for row in service.request("GET", "/v1/version").json()["kinds"]}

    def test_workers_of_the_first_release_get_the_kinds_of_their_revision(self):
        with Service(workers=1) as service:
            wanted = service.wait(service.submit(self.model, self.CALIB))
            self.assertEqual(wanted["state"], "done", wanted)
        with Service() as service:
            old = self.old_worker(service)
            rows = service.request("GET", "/v1/workers").json()["workers"]
            shared = set(next(row for row in rows if row["id"] == old.id)["kinds"])
            today = set(self.revisions(service))
            print(f"kinds shared with the first release: {len(shared)} of {len(today)}; not: {sorted(today - shared)}", flush=True)
            service.add_worker()
            job = service.wait(service.submit(self.model, self.CALIB), 300)
            self.assertEqual(job["state"], "done", job)
            self.assertEqual(job["artifact_sha256"], wanted["artifact_sha256"])
            given = set(re.findall(r"event=lease_granted.* kind=(\w+) .*worker=%s" % old.id, service.daemon.log()))
            self.assertLessEqual(given, shared)

    def test_a_ledger_of_the_first_release_is_brought_up_to_date(self):
        with Service(start=False) as service:
            service.start(name=os.path.join(self.first, "int8xd"))
            old = self.old_worker(service)
            done = service.wait(service.submit(self.model, self.CALIB))
            self.assertEqual(done["state"], "done", done)
            old.kill()
            waiting = service.submit(self.model, samples((16, 1, 28, 28), 9))
            service.daemon.kill()
            service.start()
            self.assertEqual(service.job(done["id"])["artifact_sha256"], done["artifact_sha256"])
            service.add_worker()
            job = service.wait(waiting, 300)
            self.assertEqual(job["state"], "done", job)
            artifact = service.request("GET", f"/v1/jobs/{done['id']}/artifact")
            self.assertEqual(artifact.status, 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
