# SPDX-License-Identifier: Apache-2.0
"""Three network namespaces as three machines, with only the commands of the documentation: a secured coordinator, a
worker that is invited, a client with a token; a job is done, the worker is removed, and nobody gets in without a token.

    INT8X_BIN=build/release/bin python3 tests/e2e/test_netns.py [TestClass.test_name ...]
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from service import ROOT, Process, program, samples, sha256  # noqa: E402

MACHINES = {"coordinator": "10.77.0.1", "board": "10.77.0.2", "laptop": "10.77.0.3"}


def ip(*arguments):
    return subprocess.run(["ip", *arguments], capture_output=True, text=True)


class Net:
    """Three namespaces on one bridge; names carry the process number, so that runs do not meet."""

    def __init__(self):
        self.tag = f"i8x{os.getpid() % 10000}"
        self.bridge = self.tag + "br"

    def space(self, name):
        return f"{self.tag}{name[:2]}"

    def up(self):
        commands = [["link", "add", self.bridge, "type", "bridge"], ["link", "set", self.bridge, "up"]]
        for name, address in MACHINES.items():
            space, outside = self.space(name), f"{self.tag}{name[0]}"
            commands += [["netns", "add", space], ["link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", space],
                         ["link", "set", outside, "master", self.bridge, "up"], ["-n", space, "link", "set", "lo", "up"],
                         ["-n", space, "addr", "add", address + "/24", "dev", "eth0"], ["-n", space, "link", "set", "eth0", "up"]]
        for command in commands:
            done = ip(*command)
            if done.returncode:
                self.down()
                raise unittest.SkipTest(f"no network namespaces here: ip {' '.join(command)}: {done.stderr.strip()}")

    def down(self):
        for name in MACHINES:
            ip("netns", "del", self.space(name))
        ip("link", "del", self.bridge)

    def on(self, machine):
        return ["ip", "netns", "exec", self.space(machine)]


class Machines(unittest.TestCase):
    def setUp(self):
        if shutil.which("ip") is None or os.geteuid() != 0:
            self.skipTest("network namespaces need root and ip")
        self.net = Net()
        self.net.up()
        self.folder = tempfile.mkdtemp(prefix="i8xnet")
        self.processes = []

    def tearDown(self):
        for process in reversed(self.processes):
            if process.child.poll() is None:
                process.child.send_signal(signal.SIGTERM)
                try:
                    process.child.wait(20)
                except subprocess.TimeoutExpired:
                    process.child.kill()
            process.log_file.close()
        self.net.down()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, machine, name, *arguments):
        process = Process([*self.net.on(machine), program(name), *arguments], self.path(f"{machine}.log"))
        self.processes.append(process)
        return process

    def run_on(self, machine, *arguments, code=0, name="int8x"):
        done = subprocess.run([*self.net.on(machine), program(name), *arguments], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def test_a_secured_fleet_of_three_machines(self):
        data, host = self.path("data"), MACHINES["coordinator"]
        # without trust the coordinator stays on loopback
        refused = subprocess.run([*self.net.on("coordinator"), program("int8xd"), "--data", self.path("open"), "--http", "0.0.0.0:8480",
                                  "--link", "tcp://0.0.0.0:8481"], capture_output=True, text=True, timeout=60)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("int8x admin init", refused.stderr)
        self.run_on("coordinator", "admin", "init", "--data", data, "--advertise", host)
        daemon = self.start("coordinator", "int8xd", "--data", data, "--http", "0.0.0.0:8480", "--link", "tcp://0.0.0.0:8481")
        daemon.wait_log("event=listening .*trust=on")
        self.run_on("coordinator", "admin", "invite", "--data", data, "--name", "board", "--out", self.path("invitation"))
        worker = self.start("board", "int8x-worker", "--join-token-file", self.path("invitation"), "--cache", self.path("cache"))
        worker.wait_log("event=joined")
        self.run_on("coordinator", "admin", "token", "create", "--data", data, "--role", "submit", "--name", "laptop", "--out", self.path("token"))
        client = ["--server", f"https://{host}:8480", "--token-file", self.path("token"), "--ca-file", os.path.join(data, "trust", "ca.crt")]
        with open(self.path("calib.npy"), "wb") as file:
            file.write(samples((16, 1, 28, 28), 5))
        model = os.path.join(ROOT, "tests", "data", "lenet_mnist.onnx")
        job = self.run_on("laptop", *client, "submit", model, "--calib", self.path("calib.npy"), "--wait").strip().splitlines()[-1]
        self.run_on("laptop", *client, "fetch", job, "-o", self.path("result"))
        self.run_on("laptop", "quantize", model, "-o", self.path("here.onnx"), "--calib", self.path("calib.npy"))
        with open(self.path("here.onnx"), "rb") as here, open(self.path("result/lenet_mnist.int8.onnx"), "rb") as there:
            self.assertEqual(sha256(here.read()), sha256(there.read()))
        # nobody gets in: no token, an invitation twice
        with open(self.path("none"), "w") as file:
            file.write("\n")
        os.chmod(self.path("none"), 0o600)
        done = subprocess.run([*self.net.on("laptop"), program("int8x"), "--server", f"https://{host}:8480", "--ca-file",
                               os.path.join(data, "trust", "ca.crt"), "get", "jobs"], capture_output=True, text=True, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        again = subprocess.run([*self.net.on("laptop"), program("int8x-worker"), "--join-token-file", self.path("invitation"), "--cache",
                                self.path("cache2")], capture_output=True, text=True, timeout=60)
        self.assertNotEqual(again.returncode, 0)
        self.assertIn("used", again.stderr)
        # the worker is removed
        workers = json.loads(self.run_on("laptop", *client, "get", "workers", "-o", "json"))
        row = (workers["workers"] if isinstance(workers, dict) else workers)[0]
        self.run_on("coordinator", "admin", "worker", "revoke", row["id"], "--data", data)
        daemon.wait_log("event=worker_left .*reason=not_trusted")
        worker.child.wait(60)
        with open(self.path("token")) as file:
            secret = file.read().strip()
        for log in ("coordinator.log", "board.log"):
            with open(self.path(log)) as file:
                self.assertIsNone(re.search(re.escape(secret), file.read()))


if __name__ == "__main__":
    unittest.main(verbosity=2)
