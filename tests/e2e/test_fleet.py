# SPDX-License-Identifier: Apache-2.0
"""The fleet with real processes: what workers say of their machines, the limits of their owners, and what
happens when a worker, the daemon or the network between them dies, stalls or lies.

    INT8X_BIN=build/dev/bin python3 tests/e2e/test_fleet.py [TestClass.test_name ...]
"""

import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import onnx_bytes  # noqa: E402
from service import Service, samples  # noqa: E402

CALIB = samples((8, 3, 8, 8), 1)


class MadeMachine:
    """A folder with the proc/ and sys/ of a machine that we do not have (--device-root)."""

    def __init__(self, folder, **files):
        self.folder = folder
        for path, text in files.items():
            self.put(path, text)

    def put(self, path, text):
        full = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full + ".new", "w") as file:
            file.write(text)
        os.rename(full + ".new", full)

    def temperature(self, celsius):
        self.put("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
        self.put("sys/class/thermal/thermal_zone0/temp", f"{int(celsius * 1000)}\n")

    def ticks(self, busy, idle):
        self.put("proc/stat", f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\n")


def worker_row(service, test, seconds=60):
    """The row of the only worker once `test` holds for it."""
    end = time.monotonic() + seconds
    while True:
        rows = service.request("GET", "/v1/workers").json()["workers"]
        if rows and test(rows[0]):
            return rows[0]
        assert time.monotonic() < end, rows
        time.sleep(0.02)


class Machines(unittest.TestCase):
    """HELLO and RENEW say what the machine is and how it is; limits of its owner are kept."""

    def setUp(self):
        self.service = Service()
        self.machine = MadeMachine(os.path.join(self.service.folder, "machine"))
        self.addCleanup(self.service.close)

    def add_worker(self, *options):
        return self.service.add_worker(options=["--device-root", self.machine.folder, *options])

    def test_a_raspberry_pi_is_shown_as_it_is(self):
        self.machine.temperature(61.5)
        self.machine.put("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
        self.machine.put("proc/meminfo", "MemTotal: 3884312 kB\nMemAvailable: 3000000 kB\n")
        for name, khz in (("cpuinfo_max_freq", 1800000), ("scaling_max_freq", 1800000), ("scaling_cur_freq", 600000)):
            self.machine.put("sys/devices/system/cpu/cpufreq/policy0/" + name, f"{khz}\n")
        self.machine.put("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n")
        worker = self.add_worker("--prefetch", "2")
        row = worker_row(self.service, lambda row: row["state"] == "idle")
        self.assertEqual(row["model"], "Raspberry Pi 4 Model B Rev 1.4")
        self.assertEqual(row["machine_memory_bytes"], 3884312 * 1024)
        self.assertEqual(row["memory_available_bytes"], 3000000 * 1024)
        self.assertEqual((row["temperature_celsius"], row["hottest"]), (61.5, "cpu-thermal"))
        self.assertEqual((row["frequency_hertz"], row["frequency_max_hertz"]), (600e6, 1800e6))
        self.assertEqual(row["throttled"], ["under_voltage", "thermal"])
        self.assertEqual(row["tasks"], [])
        self.assertEqual(row["threads"], 1)
        self.assertLess(row["seen_seconds_ago"], 60)
        label = f'{{worker="{worker.id}"}}'
        metric = self.service.metric
        self.assertEqual(metric("int8x_worker_temperature_celsius" + label), 61.5)
        self.assertEqual(metric("int8x_worker_frequency_hertz" + label), 600e6)
        self.assertEqual(metric("int8x_worker_throttled" + label), 1)
        self.assertEqual(metric("int8x_worker_slots" + label), 1)
        self.assertEqual(metric("int8x_worker_leases" + label), 0)

    def test_too_hot_a_worker_takes_no_work_and_says_why_until_it_is_cooler(self):
        self.machine.temperature(85)
        worker = self.add_worker("--temperature-max", "80")
        row = worker_row(self.service, lambda row: row["state"] == "hot")
        self.assertRegex(row["reason"], "cpu-thermal is at 85.0 C, over --temperature-max 80; resumes at 75")
        job_id = self.service.submit(onnx_bytes.conv(), CALIB)
        self.machine.temperature(77)  # cooler, but not by five degrees
        row = worker_row(self.service, lambda row: row["temperature_celsius"] == 77)
        self.assertEqual(row["state"], "hot")
        self.assertEqual(self.service.job(job_id)["done"], 0)
        self.machine.temperature(74.9)
        self.assertEqual(self.service.wait(job_id)["state"], "done")
        self.assertRegex(worker.log(), "event=paused.*reason=.*(?s:.*)event=resumed")
        worker_row(self.service, lambda row: row["state"] == "idle" and "reason" not in row)

    def test_idle_only_leaves_the_machine_to_others(self):
        self.machine.ticks(1000, 1000)
        self.add_worker("--idle-only", "--others-percent", "50")
        job_id = self.service.submit(onnx_bytes.conv(), CALIB)
        busy, idle = 1000, 1000

        def others(share):
            nonlocal busy, idle
            busy, idle = busy + int(1000 * share), idle + int(1000 * (1 - share))
            self.machine.ticks(busy, idle)
        others(0.9)
        worker_row(self.service, lambda row: row["state"] == "busy" and row.get("load_others_ratio") == 0.9)
        self.assertEqual(self.service.job(job_id)["done"], 0)
        end = time.monotonic() + 60
        while self.service.job(job_id)["state"] == "running":
            others(0.1)
            self.assertLess(time.monotonic(), end)
            time.sleep(0.2)
        self.assertEqual(self.service.job(job_id)["state"], "done")

    def test_tasks_run_at_the_niceness_their_owner_set(self):
        self.add_worker("--nice", "7")
        job_id = self.service.submit(onnx_bytes.conv(), CALIB)
        self.assertEqual(self.service.wait(job_id)["state"], "done")
        agent = self.service.workers[0].child.pid
        with open(f"/proc/{agent}/task/{agent}/children") as file:
            zygote = int(file.read().split()[0])
        with open(f"/proc/{zygote}/task/{zygote}/children") as file:
            slot = int(file.read().split()[0])
        self.assertEqual([os.getpriority(os.PRIO_PROCESS, pid) for pid in (agent, zygote, slot)], [0, 7, 7])


if __name__ == "__main__":
    unittest.main(verbosity=2)
