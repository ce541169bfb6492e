#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Status requests a second: GET /v1/jobs/{id} with a token, without TLS, 32 connections, by wrk. Goal: >= 20,000.

    INT8X_BIN=build/release/bin python3 tests/perf/bench_http.py [--seconds S] [--check]

--check fails below a tenth of the goal; without wrk it says so and measures nothing."""

import argparse
import http.client
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import onnx_bytes  # noqa: E402
from service import Process, Service, program, samples  # noqa: E402

GOAL = 20000


class PlainWithToken(Service):
    """Trust is on, HTTP on the loopback is plain: a token is asked for, TLS is not."""

    def start(self):
        subprocess.run([program("int8x"), "admin", "init", "--data", self.data], check=True, capture_output=True)
        with open(os.path.join(self.data, "trust", "admin.token")) as file:
            self.headers = {"Authorization": "Bearer " + file.read().strip()}
        self.daemon = Process([program("int8xd"), "--data", self.data, "--http", "127.0.0.1:0", "--link", "tcp://127.0.0.1:0",
                               "--http-plain", *self.options], os.path.join(self.folder, "daemon.log"))
        self.http = int(self.daemon.wait_log(r"listening .*http=http://127.0.0.1:(\d+)").group(1))

    def request(self, method, path, body=None, headers=None):
        return super().request(method, path, body, {**self.headers, **(headers or {})})


def measure(service, path, seconds):
    url = f"http://127.0.0.1:{service.http}{path}"
    done = subprocess.run(["wrk", "-t1", "-c32", f"-d{seconds}s", "-H", "Authorization: " + service.headers["Authorization"], url],
                          capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in done, done
    return float(re.search(r"Requests/sec:\s+([\d.]+)", done).group(1)), re.search(r"Latency\s+(\S+)", done).group(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("SKIPPED bench_http: wrk is not installed")
        return 0
    with PlainWithToken() as service:
        job = service.submit(onnx_bytes.conv(), samples((8, 3, 8, 8), 1))
        without = http.client.HTTPConnection("127.0.0.1", service.http)
        without.request("GET", f"/v1/jobs/{job}")
        assert without.getresponse().status == 401, "a token is asked for"
        without.close()
        size = len(json.dumps(service.job(job)))
        rate, latency = measure(service, f"/v1/jobs/{job}", options.seconds)
        print(f"GET of a job of {size} bytes with a token, no TLS, 32 connections: {rate:.0f} requests/s, mean {latency} "
              f"(goal {GOAL})", flush=True)
    return 1 if options.check and rate < GOAL / 10 else 0


if __name__ == "__main__":
    sys.exit(main())
