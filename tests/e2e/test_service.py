# SPDX-License-Identifier: Apache-2.0
"""The service with real processes: same bytes from any fleet, nothing lost when something dies, bad input with
its status and its sentence, and the limits. Every test starts its own daemon on free loopback ports.

    INT8X_BIN=build/dev/bin python3 tests/e2e/test_service.py [TestClass.test_name ...]
"""

import io
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import onnx_bytes  # noqa: E402
from service import ROOT, Process, Service, npy, program, samples, sha256  # noqa: E402

DATA = os.path.join(ROOT, "tests", "data")
IMAGE = (1, 28, 28)


def read(name):
    with open(os.path.join(DATA, name), "rb") as file:
        return file.read()


def lenet():
    return read("lenet_mnist.onnx")


def hashes(job):
    return job["artifact_sha256"], job["result_sha256"]


class SameBytes(unittest.TestCase):
    """Law 5: the artifact and the result do not depend on who computed them."""

    CALIB = samples((32, *IMAGE), 1)
    EVAL = samples((24, *IMAGE), 2)

    def local(self, calib=None):
        with tempfile.TemporaryDirectory() as folder:
            for name, data in (("m.onnx", lenet()), ("c.npy", calib or self.CALIB), ("e.npy", self.EVAL)):
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(data)
            subprocess.run([program("int8x"), "quantize", f"{folder}/m.onnx", "-o", f"{folder}/q.onnx", "--calib",
                            f"{folder}/c.npy", "--eval", f"{folder}/e.npy", "--report", f"{folder}/r.json"],
                           check=True, capture_output=True)
            with open(f"{folder}/r.json") as file:
                report = json.load(file)
            with open(f"{folder}/q.onnx", "rb") as file:
                self.assertEqual(sha256(file.read()), report["artifact_sha256"])
            return hashes(report)

    def fleet(self, workers):
        with Service(workers=workers) as service:
            # shards of 2 samples: enough tasks for every worker
            job_id = service.submit(lenet(), self.CALIB, self.EVAL)
            job = service.wait(job_id)
            self.assertEqual(job["state"], "done", job)
            artifact = service.request("GET", f"/v1/jobs/{job_id}/artifact")
            self.assertEqual(sha256(artifact.body), job["artifact_sha256"])
            report = service.request("GET", f"/v1/jobs/{job_id}/report").json()
            self.assertEqual(hashes(report), hashes(job))
            return hashes(job), report["measured"]["workers"]

    def test_local_one_worker_and_four_workers_give_the_same_bytes(self):
        wanted = self.local()
        one, by_one = self.fleet(1)
        self.assertEqual(one, wanted)
        self.assertEqual(len(by_one), 1)
        four, by_four = self.fleet(4)
        self.assertEqual(four, wanted)
        self.assertEqual(len({row["name"] for row in by_four if row["tasks"] > 0}), 4, by_four)

    def test_another_sample_gives_another_result(self):
        changed = bytearray(self.CALIB)
        changed[-2] ^= 0x40  # exponent of the last sample's last element
        self.assertNotEqual(self.local()[1], self.local(bytes(changed))[1])

    def test_kernel_levels_give_the_same_bytes(self):
        wanted = self.local()
        with Service() as service:
            worker = service.add_worker(options=["--level", "scalar"])
            worker.wait_log("level=scalar")
            job_id = service.submit(lenet(), self.CALIB, self.EVAL)
            self.assertEqual(hashes(service.wait(job_id)), wanted)
            report = service.request("GET", f"/v1/jobs/{job_id}/report").json()
            self.assertEqual({row["level"] for row in report["measured"]["workers"]}, {"scalar"})

    def test_x86_and_aarch64_workers_together_give_the_same_bytes(self):
        emulator = shutil.which("qemu-aarch64-static")
        worker = os.path.join(os.environ.get("INT8X_AARCH64_BIN", os.path.join(ROOT, "build", "aarch64", "bin")),
                              "int8x-worker")
        sysroot = os.environ.get("INT8X_AARCH64_SYSROOT", "")
        if not emulator or not os.path.exists(worker):
            raise unittest.SkipTest("no qemu-aarch64-static, or build/aarch64 is not built")
        if not sysroot:
            cache = os.path.join(os.path.dirname(os.path.dirname(worker)), "CMakeCache.txt")
            with open(cache) as file:
                match = re.search(r"^(?:CMAKE_SYSROOT|INT8X_SYSROOT)[^=]*=(.+)$", file.read(), re.M)
            sysroot = match.group(1) if match else os.path.join(ROOT, ".cache", "sysroot-aarch64")
        wanted = self.local()
        with Service() as service:
            arm = service.add_worker(prefix=[emulator, "-cpu", "cortex-a72", "-L", sysroot], name=worker)
            arm.wait_log("level=neon")  # said beside joining, in either order
            service.add_worker()
            job_id = service.submit(lenet(), self.CALIB, self.EVAL)
            job = service.wait(job_id, 300)
            self.assertEqual(hashes(job), wanted)
            rows = service.request("GET", f"/v1/jobs/{job_id}/report").json()["measured"]["workers"]
            self.assertEqual({row["arch"] for row in rows if row["tasks"] > 0}, {"aarch64", "x86_64"}, rows)

    def test_a_second_job_of_the_same_inputs_is_answered_from_the_cache(self):
        with Service(workers=1) as service:
            first = service.wait(service.submit(lenet(), self.CALIB))
            second = service.wait(service.submit(lenet(), self.CALIB))
            self.assertEqual(hashes(first), hashes(second))
            self.assertEqual(second["cached"], second["tasks"])
            # a recipe that differs late shares what comes before
            third = service.wait(service.submit(lenet(), self.CALIB, bias_correction="none"))
            stages = {stage["kind"]: stage for stage in third["stages"]}
            self.assertEqual(stages["calibrate"]["cached"], stages["calibrate"]["tasks"])

    def test_a_task_costs_one_request_and_a_blob_travels_once(self):
        with Service(workers=1) as service:
            job = service.wait(service.submit(lenet(), self.CALIB, self.EVAL))
            # results that were ready at the same time travelled together
            self.assertLessEqual(service.metric('int8x_link_requests_total{type="result"}'), job["tasks"])
            # one LEASE brings the first task, each RESULT the next; polls of an idle worker come on top
            self.assertLessEqual(service.metric('int8x_link_requests_total{type="lease"}'), 4)

    def test_npz_gives_the_same_bytes_as_npy(self):
        plain = samples((16, 3, 8, 8), 5)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", plain)  # the name of the model's input
        with Service(workers=1) as service:
            artifacts = []
            for calib in (plain, packed.getvalue()):
                job_id = service.submit(onnx_bytes.conv(), calib)
                self.assertEqual(service.wait(job_id)["state"], "done")
                artifact = service.request("GET", f"/v1/jobs/{job_id}/artifact").body
                artifacts.append(artifact.replace(sha256(calib).encode(), b"the calibration set's own name"))
            self.assertEqual(*artifacts)


class Deaths(unittest.TestCase):
    """Law 8, and leases of the dead."""

    CALIB = samples((64, *IMAGE), 7)
    # long tasks on the scalar kernels, so that one can be met in the middle
    SLOW = {"shard_samples": 32, "correct_samples": 32}

    def wanted(self):
        with Service(workers=1) as service:
            job = service.wait(service.submit(read("mbv2_fashion.onnx"), self.CALIB, **self.SLOW))
            self.assertEqual(job["state"], "done", job)
            return hashes(job)

    @staticmethod
    def lease_of(service, kind, after=0):
        match = service.daemon.wait_log(r"event=lease_granted.* kind=%s.* worker=(\S+)" % kind, after=after)
        return next(worker for worker in service.workers if worker.id == match.group(1))

    def test_job_survives_the_kill_of_a_worker_that_holds_a_calibrate_lease(self):
        wanted = self.wanted()
        with Service(workers=4, worker_options=["--level", "scalar"]) as service:
            job_id = service.submit(read("mbv2_fashion.onnx"), self.CALIB, **self.SLOW)
            worker = self.lease_of(service, "calibrate")
            worker.kill(signal.SIGKILL)
            start = time.monotonic()
            service.daemon.wait_log(r"event=lease_lost.* kind=calibrate.* worker=%s" % worker.id)
            service.daemon.wait_log(r"event=lease_granted.* kind=calibrate.* again=yes")
            print(f"lease granted again {time.monotonic() - start:.3f} s after the kill", flush=True)
            job = service.wait(job_id)
            self.assertEqual(job["state"], "done", job)
            self.assertEqual(hashes(job), wanted)
            self.assertNoProcess(worker)

    def assertNoProcess(self, worker):
        """The slots of a killed worker are gone too."""
        cache = worker.log_path.replace("worker", "cache").replace(".log", "")
        for _ in range(200):
            left = []
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/cmdline", "rb") as file:
                        if cache.encode() in file.read():
                            left.append(pid)
                except OSError:
                    pass
            if not left:
                return
            time.sleep(0.02)
        self.fail(f"processes {left} of the killed worker still run")

    def test_job_survives_the_kill_of_the_daemon_during_calibrate(self):
        wanted = self.wanted()
        with Service(workers=2, worker_options=["--level", "scalar"]) as service:
            job_id = service.submit(read("mbv2_fashion.onnx"), self.CALIB, **self.SLOW)
            self.lease_of(service, "calibrate")
            before = len(re.findall("event=task_committed", service.daemon.log()))
            service.daemon.kill(signal.SIGKILL)
            service.start()
            service.daemon.wait_log("event=job_recovered.* done=[1-9]")
            job = service.wait(job_id)
            self.assertEqual(job["state"], "done", job)
            self.assertEqual(hashes(job), wanted)
            log = service.daemon.log()
            self.assertGreaterEqual(before, 1)
            committed = re.findall(r"event=task_committed.* task=(\d+) ", log)
            self.assertEqual(len(committed), len(set(committed)), "a task was committed twice")

    def test_job_survives_kills_of_the_daemon_at_many_moments(self):
        wanted = self.wanted()
        with Service(workers=2) as service:
            job_id = service.submit(read("mbv2_fashion.onnx"), self.CALIB, **self.SLOW)
            for moment in (0.0, 0.05, 0.1, 0.2, 0.3):
                time.sleep(moment)  # not for luck: any moment has to do
                service.daemon.kill(signal.SIGKILL)
                service.start()
                self.assertEqual(service.job(job_id)["id"], job_id)
            self.assertEqual(hashes(service.wait(job_id)), wanted)

    def test_worker_drains_on_sigterm_and_says_bye(self):
        with Service(workers=2, worker_options=["--level", "scalar"]) as service:
            job_id = service.submit(read("mbv2_fashion.onnx"), self.CALIB, **self.SLOW)
            worker = self.lease_of(service, "calibrate")
            self.assertEqual(worker.kill(signal.SIGTERM), 0)
            service.daemon.wait_log(r"event=worker_left.* worker=%s reason=bye" % worker.id)
            self.assertNotIn("event=lease_lost", service.daemon.log())
            self.assertEqual(service.wait(job_id)["state"], "done")

    def test_frozen_worker_loses_its_lease_and_its_late_result_does_no_harm(self):
        wanted = self.wanted()
        with Service(workers=2, worker_options=["--level", "scalar"]) as service:
            job_id = service.submit(read("mbv2_fashion.onnx"), self.CALIB, **self.SLOW)
            worker = self.lease_of(service, "calibrate")
            worker.child.send_signal(signal.SIGSTOP)
            service.daemon.wait_log(r"event=worker_left.* worker=%s reason=silent" % worker.id)
            worker.child.send_signal(signal.SIGCONT)
            self.assertEqual(hashes(service.wait(job_id)), wanted)
            self.assertNotIn("result_conflict", service.daemon.log())

    def test_local_workers_are_restarted_and_end_with_the_daemon(self):
        with Service("--local-workers", "2") as service:
            service.daemon.wait_log(r"(?s)event=worker_joined.*event=worker_joined")
            pid = int(service.daemon.wait_log(r"event=local_worker_started.* pid=(\d+)").group(1))
            os.kill(pid, signal.SIGKILL)
            service.daemon.wait_log(r"event=local_worker_ended.* signal=9")
            service.daemon.wait_log(r"(?s)(event=local_worker_started.*){3}")
            job = service.wait(service.submit(lenet(), samples((16, *IMAGE), 3)))
            self.assertEqual(job["state"], "done", job)
            pids = [int(p) for p in re.findall(r"event=local_worker_started.* pid=(\d+)", service.daemon.log())]
            start = time.monotonic()
            self.assertEqual(service.daemon.kill(signal.SIGTERM), 0)
            print(f"daemon with two local workers stopped in {time.monotonic() - start:.2f} s", flush=True)
            for pid in pids:
                self.assertRaises(ProcessLookupError, os.kill, pid, 0)
            ends = re.findall(r"event=local_worker_ended.* exit=(\d+) signal=(\d+)", service.daemon.log().split("event=stopping")[1])
            self.assertEqual(ends, [("0", "0")] * 2)  # they said goodbye


class BadInput(unittest.TestCase):
    """Each bad file has its status and a clear sentence, and the service lives on."""

    @classmethod
    def setUpClass(cls):
        cls.service = Service("--blob-mb", "64", workers=1)
        cls.good = onnx_bytes.conv()
        cls.calib = samples((16, 3, 8, 8), 1)

    @classmethod
    def tearDownClass(cls):
        cls.service.close()

    def expect(self, status, http, words, model=None, calib=None, **recipe):
        job_id = self.service.submit(model or self.good, calib or self.calib, **recipe)
        job = self.service.wait(job_id)
        self.assertEqual(job["state"], "failed", job)
        self.assertEqual(job["error"]["type"], "urn:int8x:status:" + status, job["error"])
        self.assertEqual(job["error"]["status"], http)
        self.assertRegex(job["error"]["detail"], words)
        answer = self.service.request("GET", f"/v1/jobs/{job_id}/artifact")
        self.assertEqual(answer.status, http)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        self.assertRegex(answer.json()["detail"], words)
        self.assertEqual(self.service.request("GET", "/healthz").status, 200)

    @staticmethod
    def calib_with(value):
        values = [0.5] * (16 * 192)
        values[3 * 192 + 7] = value
        return npy((16, 3, 8, 8), values)

    def test_truncated_model(self):
        self.expect("EFORMAT", 422, "byte", model=self.good[: len(self.good) // 2])

    def test_model_nested_twenty_thousand_deep(self):
        self.expect("ELIMIT", 413, "nested deeper than 100", model=onnx_bytes.nested(20000))

    def test_cyclic_graph(self):
        self.expect("EFORMAT", 422, "cycle.*first", model=onnx_bytes.cyclic())

    def test_negative_dimension(self):
        self.expect("EFORMAT", 422, "'w'.*negative", model=onnx_bytes.conv(weight_dims=(4, 3, 3, -3)))

    def test_overflowing_dimensions(self):
        self.expect("ELIMIT", 413, "'w'.*overflow", model=onnx_bytes.conv(weight_dims=(1 << 40, 1 << 40, 3, 3)))

    def test_unknown_operator(self):
        self.expect("EUNSUPPORTED", 422, "Frobnicate.*stem", model=onnx_bytes.conv(op="Frobnicate"))

    def test_external_data_over_http(self):
        self.expect("EUNSUPPORTED", 422, "'w'.*external data", model=onnx_bytes.conv(external="../../etc/passwd"))

    def test_nan_in_weights(self):
        self.expect("ERANGE", 422, "'w'.*NaN", model=onnx_bytes.conv(weights=[math.nan] + [0.1] * 107))

    def test_nan_in_a_sample(self):
        self.expect("ERANGE", 422, "'x'.*sample 3.*NaN", calib=self.calib_with(math.nan))

    def test_infinity_in_a_sample(self):
        self.expect("ERANGE", 422, "'x'.*sample 3.*infinite", calib=self.calib_with(math.inf))

    def test_wrong_calibration_shape(self):
        self.expect("ESHAPE", 422, r"NHWC \[8,8,3\].*NCHW \[3,8,8\]", calib=samples((16, 8, 8, 3), 1))

    def test_wrong_calibration_type(self):
        self.expect("EUNSUPPORTED", 422, "<f8", calib=npy((4, 3, 8, 8), [0.5] * 768, "<f8"))

    def test_empty_set(self):
        self.expect("ESHAPE", 422, "empty", calib=npy((0, 3, 8, 8), []))

    def test_zip_bomb(self):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", npy((1, 3, 8, 8), [0.0] * 192) + b"\0" * (64 << 20))
        self.expect("ELIMIT", 413, "more than 200 times", calib=packed.getvalue())

    def test_glob_that_matches_nothing(self):
        self.expect("EARG", 400, "nothing", exclude="nothing*")

    def problem(self, answer, status, http, words):
        self.assertEqual(answer.status, http, answer.body)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        self.assertEqual(answer.json()["type"], "urn:int8x:status:" + status)
        self.assertRegex(answer.json()["detail"], words)

    def test_unknown_recipe_field_is_named(self):
        job = {"model": self.service.put(self.good), "calib": self.service.put(self.calib), "recipe": {"clipp": "mse"}}
        self.problem(self.service.request("POST", "/v1/jobs", json.dumps(job)), "EARG", 400, "clipp.*clip")

    def test_requests_that_are_no_jobs(self):
        for body, words in ((b"", "empty"), (b"{", "JSON"), (b"[]", ""), (b"{}", "model"), (b'{"model": 3}', "model")):
            answer = self.service.request("POST", "/v1/jobs", body)
            self.assertEqual(answer.status, 400, answer.body)
            self.assertIn(words, answer.json()["detail"])

    def test_job_of_a_blob_that_is_not_stored(self):
        ref = {"sha256": "1" * 64, "size_bytes": 5}
        answer = self.service.request("POST", "/v1/jobs", json.dumps({"model": ref, "calib": ref}))
        self.problem(answer, "ENOENT", 404, "model.*1111.*PUT")

    def test_digest_mismatch(self):
        answer = self.service.request("PUT", "/v1/blobs/" + "0" * 64, b"other bytes")
        self.problem(answer, "ECORRUPT", 422, sha256(b"other bytes"))
        self.assertEqual(self.service.request("HEAD", "/v1/blobs/" + "0" * 64).status, 404)

    def test_body_over_the_limit(self):
        answer = self.service.request("PUT", "/v1/blobs/" + "0" * 64, None,
                                      {"Content-Length": str(65 << 20), "Expect": "100-continue"})
        self.problem(answer, "ELIMIT", 413, "at most 67108864")
        answer = self.service.request("POST", "/v1/jobs", None, {"Content-Length": str(1 << 30), "Expect": "100-continue"})
        self.problem(answer, "ELIMIT", 413, "at most")

    def test_chunked_body_over_the_limit(self):
        with socket.create_connection(("127.0.0.1", self.service.http), 30) as client:
            client.sendall(b"PUT /v1/blobs/" + b"0" * 64 + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            chunk = b"100000\r\n" + b"\0" * (1 << 20) + b"\r\n"
            try:
                for _ in range(65):
                    client.sendall(chunk)
                client.sendall(b"0\r\n\r\n")
                answer = client.recv(4096)
                self.assertIn(b" 413 ", answer)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the service may hang up on who goes on sending
        self.assertEqual(self.service.request("GET", "/healthz").status, 200)


class Limits(unittest.TestCase):
    """Tasks that take too much are ended, and said so."""

    def test_memory(self):
        side = 2048
        model = onnx_bytes.conv(dims=(1, 3, side, side))
        calib = npy((1, 3, side, side), [0.0] * (3 * side * side))
        with Service("--task-memory-mb", "16", workers=1) as service:
            job = service.wait(service.submit(model, calib))
            self.assertEqual(job["state"], "failed", job)
            self.assertEqual(job["error"]["type"], "urn:int8x:status:ELIMIT", job["error"])
            self.assertEqual(job["error"]["status"], 413)
            self.assertRegex(job["error"]["detail"], "MiB|bytes|memory|limit")
            self.assertEqual(service.wait(service.submit(onnx_bytes.conv(), samples((8, 3, 8, 8), 1)))["state"], "done")

    def test_time(self):
        with Service("--task-seconds", "1", workers=1, worker_options=["--level", "scalar"]) as service:
            calib = samples((512, *IMAGE), 3)
            job = service.wait(service.submit(read("mbv2_fashion.onnx"), calib, shard_samples=512))
            self.assertEqual(job["state"], "failed", job)
            self.assertEqual(job["error"]["type"], "urn:int8x:status:ETIMEOUT", job["error"])
            self.assertRegex(job["error"]["detail"], "longer than 1 s")
            self.assertIn("task_waits", service.daemon.log())
            self.assertEqual(service.wait(service.submit(onnx_bytes.conv(), samples((8, 3, 8, 8), 1)))["state"], "done")


class Api(unittest.TestCase):
    """HTTP as docs/http-api.md has it."""

    @classmethod
    def setUpClass(cls):
        cls.service = Service()

    @classmethod
    def tearDownClass(cls):
        cls.service.close()

    def raw(self, text):
        with socket.create_connection(("127.0.0.1", self.service.http), 10) as client:
            client.sendall(text)
            answer = b""
            while b"\r\n\r\n" not in answer:
                got = client.recv(4096)
                if not got:
                    break
                answer += got
            return answer

    def test_blobs(self):
        data = bytes(range(256)) * 300
        path = "/v1/blobs/" + sha256(data)
        self.assertEqual(self.service.request("HEAD", path).status, 404)
        self.assertEqual(self.service.request("PUT", path, data).status, 201)
        self.assertEqual(self.service.request("PUT", path, data).status, 200)
        whole = self.service.request("GET", path)
        self.assertEqual((whole.status, whole.body), (200, data))
        self.assertEqual(whole.headers["ETag"], f'"{sha256(data)}"')
        self.assertEqual(self.service.request("HEAD", path).headers["Content-Length"], str(len(data)))
        self.assertEqual(self.service.request("GET", path, headers={"If-None-Match": whole.headers["ETag"]}).status, 304)
        import base64
        import hashlib
        for text, want in (("bytes=10-19", data[10:20]), ("bytes=76790-", data[76790:]), ("bytes=-5", data[-5:]),
                           ("bytes=76000-99999999", data[76000:])):
            part = self.service.request("GET", path, headers={"Range": text})
            self.assertEqual((part.status, part.body), (206, want))
            digest = base64.b64encode(hashlib.sha256(want).digest()).decode()
            self.assertEqual(part.headers["Content-Digest"], f"sha-256=:{digest}:")
        beyond = self.service.request("GET", path, headers={"Range": "bytes=76800-"})
        self.assertEqual(beyond.status, 416)
        self.assertEqual(self.service.request("GET", path, headers={"Range": "bytes=9-2"}).status, 200)

    def test_chunked_upload(self):
        data = os.urandom(3_000_000)
        answer = self.service.request("PUT", "/v1/blobs/" + sha256(data), iter([data[:1000], data[1000:]]))
        self.assertEqual(answer.status, 201)

    def test_framing_that_could_fool_a_proxy_is_refused(self):
        head = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\n"
        for text in (head + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     head + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
                     head + b"Transfer-Encoding: gzip\r\n\r\n",
                     b"GET /heal\0thz HTTP/1.1\r\nHost: x\r\n\r\n"):
            answer = self.raw(text)
            self.assertIn(b" 400 ", answer.split(b"\r\n")[0], (text, answer))
        self.assertIn(b" 404 ", self.raw(b"GET /healthz%00 HTTP/1.1\r\nHost: x\r\n\r\n").split(b"\r\n")[0])
        self.assertEqual(self.service.request("GET", "/healthz").status, 200)

    def test_errors(self):
        for method, path, status in (("GET", "/nothing", 404), ("DELETE", "/healthz", 405), ("GET", "/v1/jobs/j00", 404),
                                     ("GET", "/v1/blobs/zz", 400), ("PUT", "/v1/blobs/zz", 400),
                                     ("GET", "/v1/jobs?limit=x", 400), ("GET", "/v1/blobs/../../etc/passwd", 404)):
            answer = self.service.request(method, path)
            self.assertEqual(answer.status, status, (method, path, answer.body))
            self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
            self.assertEqual(answer.json()["status"], status)

    def test_job_without_workers_waits_and_can_be_canceled(self):
        with Service() as service:
            job_id = service.submit(onnx_bytes.conv(), samples((8, 3, 8, 8), 1))
            start = time.monotonic()
            job = service.job(job_id)
            same = service.request("GET", f"/v1/jobs/{job_id}?wait=1&version={job['version']}").json()
            self.assertEqual(same["version"], job["version"])
            self.assertGreater(time.monotonic() - start, 0.9)
            self.assertEqual(service.request("GET", f"/v1/jobs/{job_id}/artifact").status, 409)
            self.assertIn(job_id, [row["id"] for row in service.request("GET", "/v1/jobs").json()["jobs"]])
            canceled = service.request("DELETE", f"/v1/jobs/{job_id}")
            self.assertEqual((canceled.status, canceled.json()["state"]), (200, "canceled"))
            self.assertEqual(service.request("DELETE", f"/v1/jobs/{job_id}").status, 409)

    def test_metrics_and_version(self):
        text = self.service.request("GET", "/metrics").body.decode()
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) int8x_\w+ .+|int8x_\w+(\{[^}]*\})? [0-9.e+-]+)$')
        self.assertEqual(self.service.request("GET", "/v1/version").json()["protocol"], 1)

    def test_only_loopback(self):
        for option, address in (("--http", "0.0.0.0:0"), ("--link", "tcp://0.0.0.0:0")):
            with tempfile.TemporaryDirectory() as folder:
                other = {"--http": "127.0.0.1:0", "--link": "tcp://127.0.0.1:0", option: address}
                run = subprocess.run([program("int8xd"), "--data", folder, *[x for pair in other.items() for x in pair]],
                                     capture_output=True, text=True, timeout=30)
                self.assertEqual(run.returncode, 2)
                self.assertRegex(run.stderr, "reaches beyond this machine.*int8x admin init --data")

    def test_junk_on_the_link_does_no_harm(self):
        host, port = re.match(r"tcp://([\d.]+):(\d+)", self.service.link).groups()
        junk = [b"", b"GET / HTTP/1.1\r\n\r\n", b"\0SP\0\0\x30\0\0", b"\0SP\0\0\x30\0\0" + b"\xff" * 16,
                b"\0SP\0\0\x30\0\0" + (12).to_bytes(8, "big") + b"\x80\0\0\1" + b"\xff" * 8]
        for piece in junk * 10:
            with socket.create_connection((host, int(port)), 5) as client:
                client.sendall(piece)
        worker = self.service.add_worker()
        self.assertIsNone(worker.child.poll())
        self.assertEqual(self.service.request("GET", "/healthz").status, 200)

    def test_command_line(self):
        env = {**os.environ, "INT8X_SERVER": f"http://127.0.0.1:{self.service.http}"}
        self.service.add_worker()
        with tempfile.TemporaryDirectory() as folder:
            for name, data in (("m.onnx", onnx_bytes.conv()), ("c.npy", samples((8, 3, 8, 8), 9))):
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(data)

            def run(*command, code=0):
                done = subprocess.run([program("int8x"), *command], env=env, capture_output=True, text=True, timeout=120)
                self.assertEqual(done.returncode, code, (command, done.stdout, done.stderr))
                return done
            job_id = run("submit", f"{folder}/m.onnx", "--calib", f"{folder}/c.npy", "--wait").stdout.split()[-1]
            again = json.loads(run("submit", f"{folder}/m.onnx", "--calib", f"{folder}/c.npy", "--json").stdout)
            self.assertNotEqual(again["id"], job_id)
            run("watch", again["id"])
            run("fetch", job_id, "-o", f"{folder}/out")
            with open(f"{folder}/out/report.json") as file:
                report = json.load(file)
            with open(f"{folder}/out/m.int8.onnx", "rb") as file:
                self.assertEqual(sha256(file.read()), report["artifact_sha256"])
            self.assertIn(job_id, run("jobs").stdout)
            self.assertIn("clipp", run("submit", f"{folder}/m.onnx", "--calib", f"{folder}/c.npy", "--set", "clipp=mse",
                                       code=2).stderr)
            self.assertIn("no job", run("watch", "j0000000000000000", code=8).stderr)
        env["INT8X_SERVER"] = "http://127.0.0.1:1"
        self.assertIn("int8xd", subprocess.run([program("int8x"), "jobs"], env=env, capture_output=True, text=True).stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
