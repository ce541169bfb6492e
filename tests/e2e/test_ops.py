# SPDX-License-Identifier: Apache-2.0
"""What operators install: metrics, alert rules, dashboard and units are well formed and speak of things that exist.

    INT8X_BIN=build/release/bin python3 tests/e2e/test_ops.py [TestClass.test_name ...]
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from service import ROOT, Service, program, samples  # noqa: E402

DEPLOY = os.path.join(ROOT, "deploy")
NAME = re.compile(r"\bint8x_[a-z0-9_]+")


def read(*path):
    with open(os.path.join(*path)) as file:
        return file.read()


def tool(name, *arguments, text=None):
    if shutil.which(name) is None:
        raise unittest.SkipTest(f"{name} is not installed")
    return subprocess.run([name, *arguments], input=text, capture_output=True, text=True)


class Ops(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with Service(workers=1) as service:  # every family has been used once
            with open(os.path.join(ROOT, "tests", "data", "lenet_mnist.onnx"), "rb") as file:
                job = service.wait(service.submit(file.read(), samples((16, 1, 28, 28), 1)))
            assert job["state"] == "done", job
            cls.metrics = service.request("GET", "/metrics").body.decode()
        cls.families = dict(re.findall(r"^# TYPE (\S+) (\S+)$", cls.metrics, re.M))

    def known(self, name):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        return name in self.families or self.families.get(base) == "histogram"

    def test_metrics_are_what_prometheus_wants(self):
        done = tool("promtool", "check", "metrics", text=self.metrics)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_every_metric_is_documented(self):
        documented = set(NAME.findall(read(ROOT, "docs", "operations.md")))
        self.assertEqual(sorted(set(self.families) - documented), [])
        self.assertEqual(sorted(name for name in documented if not self.known(name)), [])

    def test_alert_rules_hold(self):
        rules = os.path.join(DEPLOY, "prometheus")
        done = tool("promtool", "check", "rules", os.path.join(rules, "int8x.rules.yml"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = tool("promtool", "test", "rules", os.path.join(rules, "int8x.test.yml"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        names = set(NAME.findall(read(rules, "int8x.rules.yml")))
        self.assertTrue(names)
        self.assertEqual(sorted(name for name in names if not self.known(name)), [])

    def test_every_alert_has_a_test_and_a_page(self):
        alerts = re.findall(r"alert: (\w+)", read(DEPLOY, "prometheus", "int8x.rules.yml"))
        tested, pages = read(DEPLOY, "prometheus", "int8x.test.yml"), read(ROOT, "docs", "operations.md")
        self.assertEqual([name for name in alerts if f"alertname: {name}" not in tested], [])
        self.assertEqual([name for name in alerts if name not in pages], [])

    def test_dashboard_shows_metrics_that_exist(self):
        dashboard = json.loads(read(DEPLOY, "grafana", "int8x.json"))
        expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        self.assertGreater(len(expressions), 8)
        names = {name for expression in expressions for name in NAME.findall(expression)}
        self.assertEqual(sorted(name for name in names if not self.known(name)), [])
        for expression in expressions:  # as Prometheus parses it
            plain = re.sub(r"\$__rate_interval", "5m", expression).replace("$instance", ".*")
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "x.yml")
                with open(path, "w") as file:
                    json.dump({"groups": [{"name": "x", "rules": [{"record": "x", "expr": plain}]}]}, file)
                done = tool("promtool", "check", "rules", path)
                self.assertEqual(done.returncode, 0, (expression, done.stderr))

    def test_units_are_understood_by_systemd(self):
        for unit, name in (("int8xd.service", "int8xd"), ("int8x-worker.service", "int8x-worker")):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, unit)
                with open(path, "w") as file:
                    text = read(DEPLOY, "systemd", unit).replace("/usr/bin/" + name, program(name))
                    file.write(re.sub(r"^(Documentation=man:.*|User=.*|Group=.*)\n", "", text, flags=re.M))
                done = tool("systemd-analyze", "verify", path)
                said = [line for line in done.stderr.splitlines() if unit in line]
                self.assertEqual((done.returncode, said), (0, []))
                done = tool("systemd-analyze", "security", "--offline=true", "--threshold=30", "--no-pager", path)
                self.assertEqual(done.returncode, 0, done.stdout[-300:])

    def test_units_use_options_that_exist(self):
        for unit, name in (("int8xd.service", "int8xd"), ("int8x-worker.service", "int8x-worker")):
            help_text = subprocess.run([program(name), "--help"], capture_output=True, text=True).stdout
            for option in re.findall(r"(?<!\w)--[a-z-]+", read(DEPLOY, "systemd", unit)):
                self.assertIn(f"  {option} ", help_text, unit)


if __name__ == "__main__":
    unittest.main(verbosity=2)
