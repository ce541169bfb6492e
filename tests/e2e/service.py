# SPDX-License-Identifier: Apache-2.0
"""Real processes for the end-to-end tests: a daemon and workers in a temporary folder, on free ports of the
loopback, and a small HTTP client. Standard library only. Programs come from INT8X_BIN (build/*/bin)."""

import hashlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def program(name):
    folder = os.environ.get("INT8X_BIN")
    folders = [folder] if folder else [os.path.join(ROOT, "build", b, "bin") for b in ("release", "dev")]
    for place in folders:
        path = os.path.join(place, name)
        if os.path.exists(path):
            return os.path.abspath(path)
    raise SystemExit(f"{name} is not built: set INT8X_BIN")


def npy(shape, values, kind="<f4"):
    """Bytes of a .npy of floats or integers."""
    header = "{'descr': '%s', 'fortran_order': False, 'shape': (%s,), }" % (kind, ", ".join(map(str, shape)))
    header += " " * (-(len(header) + 11) % 64) + "\n"
    code = {"<f4": "f", "<i8": "q", "<f8": "d", "|u1": "B"}[kind]
    body = struct.pack("<%d%s" % (len(values), code), *values)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + body


def samples(shape, seed, low=0.0, high=1.0):
    """Seeded synthetic calibration data."""
    count = 1
    for dim in shape:
        count *= dim
    source = random.Random(seed)
    return npy(shape, [source.uniform(low, high) for _ in range(count)])


def sha256(data):
    return hashlib.sha256(data).hexdigest()


os.environ["TSAN_OPTIONS"] = "suppressions=%s %s" % (os.path.join(ROOT, "tests", "support", "tsan.supp"),
                                                    os.environ.get("TSAN_OPTIONS", ""))


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class Process:
    """A child whose log lines (standard error) go to a file that can be searched."""

    def __init__(self, command, log_path, env=None):
        self.log_path = log_path
        self.log_file = open(log_path, "ab")
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log_file,
                                      stderr=self.log_file, env={**os.environ, **(env or {})})

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def wait_log(self, pattern, seconds=150, after=0):
        """Match of the pattern in the log behind offset `after`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            match = re.search(pattern, self.log()[after:])
            if match:
                return match
            if self.child.poll() is not None:
                match = re.search(pattern, self.log()[after:])
                if match:
                    return match
                raise AssertionError(f"process ended with {self.child.returncode}:\n{self.log()[-4000:]}")
            time.sleep(0.01)
        raise AssertionError(f"no '{pattern}' within {seconds} s:\n{self.log()[-6000:]}")

    def kill(self, number=signal.SIGKILL):
        if self.child.poll() is None:
            self.child.send_signal(number)
        code = self.child.wait(120)  # a drain waits for the running task, which may be slow under a sanitizer
        self.log_file.close()
        return code


class Service:
    """A daemon and its workers."""

    def __init__(self, *options, workers=0, slots=1, worker_options=(), fast=True, ipc=False, start=True):
        self.folder = tempfile.mkdtemp(prefix="i8xe2e")
        self.options = list(options)
        if fast:  # short leases, so that lost workers show soon
            self.options += ["--heartbeat-ms", "200", "--lease-ms", "2000"]
        self.http = None
        self.link = f"ipc://{self.folder}/link" if ipc else None
        self.workers = []
        self.daemon = None
        self.data = os.path.join(self.folder, "data")
        if start:
            self.start()
        for _ in range(workers):
            self.add_worker(slots=slots, options=worker_options)

    def start(self, name=None, env=None):
        log_path = os.path.join(self.folder, "daemon.log")
        offset = os.path.getsize(log_path) if os.path.exists(log_path) else 0
        # tests count tasks; those of audits say so. Programs of earlier versions do not know the option
        audits = [] if name or "--audit-per-mille" in self.options else ["--audit-per-mille", "0"]
        self.daemon = Process([name or program("int8xd"), "--data", self.data,
                               "--http", f"127.0.0.1:{self.http or 0}",
                               "--link", self.link or "tcp://127.0.0.1:0"] + self.options + audits, log_path, env)
        match = self.daemon.wait_log(r"event=listening.* http=http://127.0.0.1:(\d+) link=(\S+)"
                                     r"|listening .*http=http://127.0.0.1:(\d+) link=(\S+)", after=offset)
        self.http = int(match.group(1) or match.group(3))
        self.link = match.group(2) or match.group(4)

    def add_worker_soon(self, slots=1, options=(), prefix=(), env=None, name=None, cache=None, join=None):
        """A worker that need not have joined yet."""
        index = len(self.workers)
        cache = cache or os.path.join(self.folder, f"cache{index}")
        worker = Process([*prefix, name or program("int8x-worker"), "--join", join or self.link, "--cache", cache,
                          "--slots", str(slots), "--threads", "1", *options],
                         os.path.join(self.folder, f"worker{index}.log"), env)
        self.workers.append(worker)
        worker.cache = cache
        return worker

    def add_worker(self, **keywords):
        worker = self.add_worker_soon(**keywords)
        worker.wait_log(r"joined ")
        with open(os.path.join(worker.cache, "id")) as file:
            worker.id = file.read()
        return worker

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def put(self, data):
        digest = sha256(data)
        answer = self.request("PUT", "/v1/blobs/" + digest, data)
        assert answer.status in (200, 201), (answer.status, answer.body)
        return {"sha256": digest, "size_bytes": len(data)}

    def submit(self, model, calib, evaluate=None, labels=None, name="model.onnx", **recipe):
        job = {"name": name, "model": self.put(model), "calib": self.put(calib), "recipe": recipe}
        if evaluate is not None:
            job["eval"] = self.put(evaluate)
        if labels is not None:
            job["labels"] = self.put(labels)
        answer = self.request("POST", "/v1/jobs", json.dumps(job))
        assert answer.status == 202, (answer.status, answer.body)
        return answer.json()["id"]

    def probe(self, count=1, seed=None, **lines):
        """Submits a job that tries the service (docs/formats.md, Probe); workers need --probes."""
        seed = os.urandom(8).hex() if seed is None else seed
        text = "int8x probe\n" + "".join(f"{k} {v}\n" for k, v in {"count": count, **lines, "seed": seed}.items())
        return self.submit(text.encode(), text.encode(), name="probe")

    def job(self, job_id):
        return self.request("GET", f"/v1/jobs/{job_id}").json()

    def wait(self, job_id, seconds=120):
        end = time.monotonic() + seconds
        job = self.job(job_id)
        while job["state"] == "running":
            assert time.monotonic() < end, f"the job still runs: {job}\n{self.daemon.log()[-4000:]}"
            job = self.request("GET", f"/v1/jobs/{job_id}?wait=5&version={job['version']}").json()
        return job

    def wait_quietly(self, job_id, seconds=300):
        """Waits with few requests, so that the figures are the tasks' alone."""
        end = time.monotonic() + seconds
        job = self.job(job_id)
        while job["state"] == "running":
            assert time.monotonic() < end, job
            time.sleep(0.05)
            job = self.job(job_id)
        return job

    def metric(self, name):
        for line in self.request("GET", "/metrics").body.decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0.0

    def stop(self):
        codes = [worker.kill(signal.SIGTERM) for worker in self.workers if worker.child.poll() is None]
        codes.append(self.daemon.kill(signal.SIGTERM))
        return codes

    @staticmethod
    def end(process):
        try:
            process.child.wait(20)
        except subprocess.TimeoutExpired:
            process.child.kill()
            process.child.wait()

    def close(self):
        processes = [p for p in [*self.workers, self.daemon] if p is not None]
        for group in (self.workers, [self.daemon]):  # a worker that holds a result waits for a coordinator to take it
            running = [p for p in group if p is not None and p.child.poll() is None]
            for process in running:
                process.child.send_signal(signal.SIGTERM)
            for process in running:
                self.end(process)
        for process in processes:
            process.log_file.close()
        faults = [line for p in processes for line in p.log().splitlines() if "Sanitizer" in line or "runtime error:" in line]
        if faults and os.environ.get("INT8X_KEEP"):
            shutil.copytree(self.folder, os.environ["INT8X_KEEP"], dirs_exist_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        assert not faults, faults

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
