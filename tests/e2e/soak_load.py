# SPDX-License-Identifier: Apache-2.0
"""What the soak (soak.py) asks of the service: clients with jobs whose bytes are known, and visitors who read, follow
events, upload and go away in the middle of it. Each draws from a random source of its own."""

import http.client
import json
import os
import socket
import subprocess
import tempfile
import threading
import time

import onnx_bytes
from service import ROOT, Answer, program, samples, sha256

AWAY = (ConnectionError, http.client.HTTPException, OSError)
AWAY_SECONDS = 120  # so long a client asks again before it gives up
MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def noise(seed, size):
    words = (mix((seed + (i + 1) * GOLDEN) & MASK) for i in range((size + 7) // 8))
    return b"".join(word.to_bytes(8, "little") for word in words)[:size]


def probe_artifact(text, count, size):
    """The artifact of a probe job, made here from docs/formats.md and core/run/task_probe.c."""
    seed = int.from_bytes(bytes.fromhex(sha256(text))[:8], "big")
    parts = []
    for i in range(count if size else 0):
        stream = mix(mix((i + GOLDEN) & MASK) ^ mix(seed))
        parts.append(f"part {sha256(noise(stream, size))}\n")
    return text + "".join(parts).encode()


class Asker(threading.Thread):
    """A thread that asks the service again and again until the soak ends."""

    def __init__(self, soak, name, source, think):
        super().__init__(name=name, daemon=True)
        self.soak, self.source, self.think = soak, source, think
        self.idle = False

    def run(self):
        while not self.soak.ended:
            self.idle = True
            self.soak.pause(self.source.uniform(*self.think))
            if not self.soak.load:
                time.sleep(0.05)
                continue
            self.idle = False
            try:
                self.act()
            except AWAY:
                self.soak.count("broken connections")
            except Exception as error:  # pylint: disable=broad-except
                self.soak.fail(f"{self.name}: {type(error).__name__}: {error}"[:500])
        self.idle = True

    def ask(self, method, path, body=None, headers=None):
        """Asks until the daemon answers; other errors than "busy" are faults of the service. The answer knows whether
        it was the first try: one whose answer got lost may have been carried out."""
        end, tries = time.monotonic() + AWAY_SECONDS, 0
        while True:
            tries += 1
            try:
                answer = self.soak.service.request(method, path, body, headers)
                if answer.status < 500:
                    answer.first = tries == 1
                    return answer
                if answer.status != 503:
                    raise AssertionError(f"{method} {path}: {answer.status} {answer.body[:300]}")
                self.soak.count("answers 503")
            except AWAY:
                self.soak.count("broken requests")
            if time.monotonic() > end:
                raise AssertionError(f"{method} {path}: no answer in {AWAY_SECONDS} s")
            time.sleep(0.1)


class Client(Asker):
    """Submits jobs and sees that each ends as it must, with the bytes it must have."""

    KINDS = {"probe": 40, "quantize": 30, "cancel": 10, "pause": 8, "sweep": 3, "poison": 3, "twice": 6, "forget": 5}
    local = {}  # results of this machine's own runs by what was asked
    local_lock = threading.Lock()

    def act(self):
        kind = self.source.choices(list(self.KINDS), list(self.KINDS.values()))[0]
        getattr(self, kind)()
        self.soak.count(f"scenarios: {kind}")

    # what to ask for, and what must come of it

    def draw_probe(self, count=30, ms=60, **lines):
        lines = {"count": self.source.randint(1, count), "ms": self.source.randint(0, ms),
                 "bytes": self.source.choice([0, 0, 100, 5000]), "seed": f"{self.source.getrandbits(64):x}", **lines}
        text = ("int8x probe\n" + "".join(f"{name} {value}\n" for name, value in lines.items())).encode()
        return text, text, {}, sha256(probe_artifact(text, lines["count"], lines["bytes"]))

    def draw_model(self):
        source = self.source
        if source.random() < 0.3:
            with open(os.path.join(ROOT, "tests", "data", "lenet_mnist.onnx"), "rb") as file:
                model = file.read()
            calib = samples((16, 1, 28, 28), source.randrange(40))
        else:
            model = onnx_bytes.conv([source.uniform(-0.5, 0.5) for _ in range(108)])
            calib = samples((8, 3, 8, 8), source.randrange(1000))
        return model, calib

    def draw_quantize(self):
        source = self.source
        model, calib = self.draw_model()
        recipe = {"clip": source.choice(["minmax", "mse", "percentile", "kl"]), "rounding": source.choice(["nearest", "adaptive"]),
                  "shard_samples": source.choice([1, 4, 8]), "target": source.choice(["ort-x86", "ort-arm", "tensorrt"])}
        return model, calib, recipe, self.local_sha(model, calib, recipe)

    def local_sha(self, model, calib, recipe):
        key = sha256(model + calib + json.dumps(recipe, sort_keys=True).encode())
        with self.local_lock:
            if key in self.local:
                return self.local[key]
        with tempfile.TemporaryDirectory(prefix="i8xsoak") as folder:
            for name, data in (("m.onnx", model), ("c.npy", calib), ("r.json", json.dumps(recipe).encode())):
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(data)
            done = subprocess.run([program("int8x"), "quantize", "m.onnx", "-o", "q.onnx", "--calib", "c.npy", "--recipe", "r.json",
                                   "--threads", "1"], cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            with open(os.path.join(folder, "q.onnx"), "rb") as file:
                digest = sha256(file.read())
        with self.local_lock:
            self.local[key] = digest
        return digest

    # what one does with a job

    def put(self, data):
        answer = self.ask("PUT", "/v1/blobs/" + sha256(data), data)
        assert answer.status in (200, 201), (answer.status, answer.body)
        return {"sha256": sha256(data), "size_bytes": len(data)}

    def submit(self, model, calib, recipe, key=None, **members):
        job = {"name": "soak.onnx", "model": self.put(model), "calib": self.put(calib), "recipe": recipe,
               "priority": self.source.randint(0, 9), **members}
        answer = self.ask("POST", "/v1/jobs", json.dumps(job), {"Idempotency-Key": key} if key else None)
        assert answer.status == 202, (answer.status, answer.body)
        job_id = answer.json()["id"]
        self.soak.accepted(job_id)
        return job_id

    def wait(self, job_id):
        """The job at its end; within AWAY_SECONDS, whatever happens to the fleet meanwhile."""
        start = time.monotonic()
        job = self.ask("GET", f"/v1/jobs/{job_id}").json()
        while job["state"] in ("running", "paused"):
            assert time.monotonic() < start + AWAY_SECONDS, f"{job_id} answered 202 and is {job['state']} after {AWAY_SECONDS} s: {job}"
            job = self.ask("GET", f"/v1/jobs/{job_id}?wait=5&version={job['version']}").json()
        self.soak.took(time.monotonic() - start)
        self.soak.finished(job)
        return job

    def must_be_done(self, job_id, wanted):
        job = self.wait(job_id)
        assert job["state"] == "done", f"{job_id} must be done: {job}"
        assert job["artifact_sha256"] == wanted, f"{job_id} has other bytes than a local run: {job}"
        if self.source.random() < 0.2:
            got = sha256(self.ask("GET", f"/v1/jobs/{job_id}/artifact").body)
            assert got == wanted, f"{job_id}: the artifact that was sent is {got}, not {wanted}"
        self.soak.count("jobs with the right SHA-256")

    # kinds

    def probe(self):
        *job, wanted = self.draw_probe()
        self.must_be_done(self.submit(*job), wanted)

    def quantize(self):
        *job, wanted = self.draw_quantize()
        self.must_be_done(self.submit(*job), wanted)

    def twice(self):
        """An answer that got lost: the same key again is the same job."""
        *job, wanted = self.draw_probe(count=3)
        priority, key = self.source.randint(0, 9), f"{self.source.getrandbits(64):x}"
        first, second = (self.submit(*job, key=key, priority=priority) for _ in range(2))
        assert first == second, f"one Idempotency-Key made {first} and {second}"
        self.must_be_done(first, wanted)

    def cancel(self):
        *job, wanted = self.draw_probe(ms=200)
        job_id = self.submit(*job)
        time.sleep(self.source.uniform(0, 1.5))
        answer = self.ask("DELETE", f"/v1/jobs/{job_id}")
        assert answer.status in (200, 409), (answer.status, answer.body)
        ended = self.wait(job_id)
        if answer.status == 200:
            assert ended["state"] == "canceled", f"the cancel of {job_id} was answered 200: {ended}"
        if ended["state"] == "canceled" and self.source.random() < 0.5:
            answer = self.ask("POST", f"/v1/jobs/{job_id}/retry", "")
            assert answer.status == 200 or not answer.first, (answer.status, answer.body)
            self.must_be_done(job_id, wanted)

    def pause(self):
        *job, wanted = self.draw_probe()
        job_id = self.submit(*job)
        answer = self.ask("POST", f"/v1/jobs/{job_id}/pause", "")
        assert answer.status in (200, 409), (answer.status, answer.body)
        time.sleep(self.source.uniform(0, 2))
        answer = self.ask("POST", f"/v1/jobs/{job_id}/resume", "")
        assert answer.status in (200, 409), (answer.status, answer.body)
        self.must_be_done(job_id, wanted)

    def forget(self):
        """What was forgotten stays so; what it had computed is still the cache of others."""
        *job, wanted = self.draw_probe()
        job_id = self.submit(*job)
        self.must_be_done(job_id, wanted)
        answer = self.ask("POST", f"/v1/jobs/{job_id}/forget", "")
        assert answer.status == 204 or answer.status == 404 and not answer.first, (answer.status, answer.body)
        self.soak.forgotten(job_id)
        answer = self.ask("GET", f"/v1/jobs/{job_id}")
        assert answer.status == 404, (answer.status, answer.body)
        self.must_be_done(self.submit(*job), wanted)

    def poison(self):
        *job, _ = self.draw_probe(count=3, mode=self.source.choice(["fail", "fail", "crash"]))
        job_id = self.submit(*job)
        for again in (True, False):
            ended = self.wait(job_id)
            assert ended["state"] == "failed", f"{job_id} must fail: {ended}"
            if again:
                answer = self.ask("POST", f"/v1/jobs/{job_id}/retry", "")
                assert answer.status == 200 or not answer.first, (answer.status, answer.body)

    def sweep(self):
        model, calib = self.draw_model()
        clips = self.source.sample(["minmax", "mse", "percentile", "kl"], 2)
        job = {"name": "sweep.onnx", "model": self.put(model), "calib": self.put(calib), "eval": self.put(calib)}
        body = {"job": job, "sweep": {"space": {"clip": clips, "equalize": ["none", "full"]}}}
        answer = self.ask("POST", "/v1/sweeps", json.dumps(body))
        assert answer.status == 202, (answer.status, answer.body)
        sweep_id, end = answer.json()["id"], time.monotonic() + AWAY_SECONDS
        while True:
            sweep = self.ask("GET", f"/v1/sweeps/{sweep_id}").json()
            if sweep["state"] != "running":
                break
            assert time.monotonic() < end, f"{sweep_id} answered 202 and is running after {AWAY_SECONDS} s"
            time.sleep(0.5)
        assert sweep["state"] == "done" and len(sweep["trials"]) == 4, sweep
        trial = self.source.choice(sweep["trials"])
        wanted = self.local_sha(model, calib, trial["recipe"])
        assert trial["artifact_sha256"] == wanted, f"trial {trial} of {sweep_id} has other bytes than a local run, {wanted}"


class Reader(Asker):
    """Reads this and that, and goes away in the middle of some answers."""

    PATHS = ("/v1/jobs?limit=50", "/v1/jobs?state=failed&limit=20", "/v1/workers", "/metrics", "/v1/sweeps", "/openapi.json",
             "/v1/schema/recipe.json", "/v1/version", "/healthz", "/v1/jobs/j0000000000000000", "/v1/blobs/" + "0" * 64)

    def act(self):
        path = self.source.choice(self.PATHS)
        job_id = self.soak.some_job(self.source)
        if job_id and self.source.random() < 0.6:
            tail = self.source.choice(["", "/explain", "/tasks", "/artifact", "/report", "/events?limit=256", "?wait=2&version=99999999999"])
            path = f"/v1/jobs/{job_id}{tail}"
        headers = {"Accept": "application/json"} if "/events" in path else {}
        if "/artifact" in path and self.source.random() < 0.5:
            headers["Range"] = self.source.choice(["bytes=0-99", "bytes=50-", "bytes=-10"])
        connection = http.client.HTTPConnection("127.0.0.1", self.soak.service.http, timeout=30)
        try:
            connection.request("GET", path, headers=headers)
            if self.source.random() < 0.2:
                return  # goes away
            answer = Answer(connection.getresponse())
            assert answer.status < 500 or answer.status == 503, f"GET {path}: {answer.status} {answer.body[:300]}"
            self.soak.count("reads")
        finally:
            connection.close()


class Follower(Asker):
    """Follows events for a while; some read nothing."""

    def act(self):
        job_id = self.soak.some_job(self.source)
        path = f"/v1/jobs/{job_id}/events" if job_id and self.source.random() < 0.4 else "/v1/events" + self.source.choice(["", "?after=0"])
        deaf = self.source.random() < 0.2
        until = time.monotonic() + self.source.uniform(0, 8)
        connection = http.client.HTTPConnection("127.0.0.1", self.soak.service.http, timeout=1)
        try:
            connection.request("GET", path, headers={"Accept": "text/event-stream"})
            answer = connection.getresponse()
            assert answer.status in (200, 204, 410, 503), (path, answer.status)
            last = 0
            while answer.status == 200 and time.monotonic() < until and self.soak.load:
                if deaf:
                    time.sleep(0.2)
                    continue
                line = answer.readline()
                if not line:
                    break
                if line.startswith(b"id: "):
                    number = int(line[4:])
                    assert number > last, f"{path}: event {number} came after {last}"
                    last = number
                    self.soak.count("events followed")
        except TimeoutError:
            pass  # a quiet stream
        finally:
            connection.close()


class Uploader(Asker):
    """Uploads in parts, breaks off, goes on, lies about the bytes, keeps sockets open and says nothing."""

    def act(self):
        data = self.source.randbytes(self.source.randint(1000, 60_000))
        path = "/v1/blobs/" + sha256(data)
        getattr(self, self.source.choice(["parts", "broken", "lie", "silent"]))(data, path)

    def parts(self, data, path):
        offset = 0
        while offset < len(data):
            last = min(len(data), offset + self.source.randint(500, 30_000)) - 1
            answer = self.ask("PUT", path, data[offset:last + 1], {"Content-Range": f"bytes {offset}-{last}/{len(data)}"})
            assert answer.status in (200, 201, 202, 409), (answer.status, answer.body)
            if answer.status in (200, 201):
                break
            offset = int(answer.headers["Upload-Offset"])
        got = self.ask("GET", path).body
        assert got == data, f"{path} has other bytes after an upload in parts"
        self.soak.count("uploads in parts")

    def broken(self, data, path):
        with socket.create_connection(("127.0.0.1", self.soak.service.http), timeout=20) as sock:
            sock.sendall(f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n".encode())
            sock.sendall(data[:self.source.randrange(len(data))])
        if self.source.random() < 0.5:
            answer = self.ask("HEAD", path)
            offset = int(answer.headers["Upload-Offset"] or 0)
            if answer.status == 404 and 0 < offset < len(data):
                self.ask("PUT", path, data[offset:], {"Content-Range": f"bytes {offset}-{len(data) - 1}/{len(data)}"})

    def lie(self, data, path):
        answer = self.ask("PUT", path, data[1:] + b"x")
        assert answer.status == 422, (answer.status, answer.body)

    def silent(self, data, path):
        sockets = [socket.create_connection(("127.0.0.1", self.soak.service.http), timeout=20) for _ in range(self.source.randint(1, 20))]
        sockets[0].sendall(b"GET /v1/jo")
        self.soak.pause(self.source.uniform(0, 7))
        for sock in sockets:
            sock.close()
