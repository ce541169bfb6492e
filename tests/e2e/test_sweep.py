# SPDX-License-Identifier: Apache-2.0
"""Sweeps on the service: the same bytes as single jobs, nothing computed twice, nothing repeated after a kill.

    INT8X_BIN=build/release/bin python3 tests/e2e/test_sweep.py [TestClass.test_name ...]
"""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from service import ROOT, Service, npy, program, samples  # noqa: E402

SPACE = {"clip": ["minmax", "mse", "percentile"], "equalize": ["none", "full"], "bias_correction": ["none", "sequential"]}


class Sweeps(unittest.TestCase):
    CALIB, EVAL = samples((32, 1, 28, 28), 1), samples((24, 1, 28, 28), 2)
    LABELS = npy((24,), [i % 10 for i in range(24)], "<i8")

    @classmethod
    def setUpClass(cls):
        with open(os.path.join(ROOT, "tests", "data", "lenet_mnist.onnx"), "rb") as file:
            cls.model = file.read()

    def submit(self, service, **sweep):
        job = {"name": "m.onnx", "model": service.put(self.model), "calib": service.put(self.CALIB), "eval": service.put(self.EVAL),
               "labels": service.put(self.LABELS)}
        answer = service.request("POST", "/v1/sweeps", json.dumps({"job": job, "sweep": sweep}))
        self.assertEqual(answer.status, 202, answer.body)
        self.assertEqual(answer.headers["Location"], "/v1/sweeps/" + answer.json()["id"])
        return answer.json()["id"]

    def wait(self, service, sweep_id):
        end = time.monotonic() + 120
        while True:
            sweep = service.request("GET", f"/v1/sweeps/{sweep_id}").json()
            if sweep["state"] != "running":
                return sweep
            self.assertLess(time.monotonic(), end, sweep)
            time.sleep(0.05)

    def hashes(self, sweep):
        self.assertEqual(sweep["state"], "done")
        self.assertEqual({trial["state"] for trial in sweep["trials"]}, {"done"})
        return [(trial["artifact_sha256"], trial["result_sha256"]) for trial in sweep["trials"]]

    def test_twelve_trials_are_twelve_single_jobs(self):
        with Service(workers=3) as service:
            sweep = self.wait(service, self.submit(service, space=SPACE))
            got = self.hashes(sweep)
            self.assertEqual(len(got), 12)
            # two distinct prepared models (equalize none, full), 32 samples in shards of 8
            self.assertEqual(service.metric('int8x_tasks_total{kind="calibrate",result="committed"}'), 2 * 4)
            self.assertEqual(service.metric('int8x_tasks_total{kind="prepare",result="committed"}'), 2)
            best = max(sweep["trials"], key=lambda trial: trial["sqnr_db"])
            self.assertEqual(sweep["trials"][sweep["best"]]["sqnr_db"], best["sqnr_db"])
            recipe = service.request("GET", f"/v1/sweeps/{sweep['id']}/best").json()
            self.assertEqual(recipe, sweep["best_recipe"])
            listed = service.request("GET", "/v1/sweeps").json()
            self.assertEqual([(row["id"], row["state"]) for row in listed["sweeps"]], [(sweep["id"], "done")])
        with Service(workers=1) as service:  # a fresh folder
            for trial, wanted in zip(sweep["trials"], got):
                job = service.wait(service.submit(self.model, self.CALIB, self.EVAL, self.LABELS, name="m.onnx", **trial["recipe"]))
                self.assertEqual((job["artifact_sha256"], job["result_sha256"]), wanted, trial)

    def test_a_sweep_goes_on_after_kills_of_the_daemon_and_repeats_no_trial(self):
        with Service(workers=2) as service:
            wanted = self.hashes(self.wait(service, self.submit(service, space=SPACE)))
        with Service(workers=2) as service:
            sweep_id = self.submit(service, space=SPACE)
            for wait in (0.1, 0.3, 0.5):
                time.sleep(wait)  # any moment has to do
                service.daemon.kill()
                service.start()
            sweep = self.wait(service, sweep_id)
            self.assertEqual(self.hashes(sweep), wanted)
            jobs = service.request("GET", "/v1/jobs?limit=1000").json()["jobs"]
            self.assertEqual(sorted(job["id"] for job in jobs), sorted(trial["job"] for trial in sweep["trials"]))
            committed = re.findall(r"event=task_committed job=(\S+) task=(\d+) ", service.daemon.log())
            self.assertEqual(len(committed), len(set(committed)))

    def test_cancel_ends_the_trials_too(self):
        with Service() as service:  # nobody works
            sweep_id = self.submit(service, space=SPACE)
            sweep = service.request("GET", f"/v1/sweeps/{sweep_id}").json()
            self.assertEqual((sweep["state"], sweep["count"], sweep["best"]), ("running", 12, None))
            self.assertEqual(service.request("GET", f"/v1/sweeps/{sweep_id}/best").status, 409)
            service.request("POST", f"/v1/jobs/{sweep['trials'][0]['job']}/pause", "")
            self.assertEqual(service.request("GET", f"/v1/sweeps/{sweep_id}").json()["done"], 0, "paused is not done")

            def listed():
                row, = service.request("GET", "/v1/sweeps").json()["sweeps"]
                return row["state"], row["done"], row["count"]
            self.assertEqual(listed(), ("running", 0, 12))
            service.request("DELETE", f"/v1/jobs/{sweep['trials'][1]['job']}")
            self.assertEqual(listed(), ("running", 1, 12))
            answer = service.request("DELETE", f"/v1/sweeps/{sweep_id}")
            self.assertEqual((answer.status, answer.json()["state"]), (200, "canceled"))
            self.assertEqual(listed(), ("canceled", 12, 12))
            again = service.request("DELETE", f"/v1/sweeps/{sweep_id}")
            self.assertEqual((again.status, again.json()["detail"]), (409, f"sweep {sweep_id} has ended (canceled)"))
            self.assertEqual(service.request("DELETE", "/v1/sweeps/s0123456789abcdef").status, 404)
            end = time.monotonic() + 20
            while any(job["state"] != "canceled" for job in service.request("GET", "/v1/jobs").json()["jobs"]):
                self.assertLess(time.monotonic(), end)
                time.sleep(0.02)

    def test_the_same_key_makes_one_sweep(self):
        """Also over a kill; another body, or a job with that key, is refused; a forgotten one is not made again."""
        with Service(workers=1) as service:
            body = {"job": {"name": "m.onnx", "model": service.put(self.model), "calib": service.put(self.CALIB),
                            "eval": service.put(self.EVAL)}, "sweep": {"space": {"clip": ["minmax", "mse"]}}}

            def post(path="/v1/sweeps", key="once", body=body):
                return service.request("POST", path, json.dumps(body), {"Idempotency-Key": key})
            first = post()
            self.assertEqual(first.status, 202)
            for _ in range(2):
                again = post()
                self.assertEqual((again.status, again.headers["Location"]), (202, first.headers["Location"]))
                service.daemon.kill(signal.SIGKILL)
                service.start()
            self.assertEqual(post(body={**body, "metric": "agreement"}).status, 422)
            self.assertEqual(post("/v1/jobs", body=body["job"]).status, 422)
            self.assertEqual(post(key="x" * 256).status, 400)
            connections = [http.client.HTTPConnection("127.0.0.1", service.http, timeout=60) for _ in range(8)]
            for connection in connections:
                connection.request("POST", "/v1/sweeps", json.dumps(body), {"Idempotency-Key": "many"})
            answers = [connection.getresponse() for connection in connections]
            self.assertLessEqual({answer.status for answer in answers}, {202, 503})
            self.assertEqual(len({json.loads(answer.read())["id"] for answer in answers if answer.status == 202}), 1)
            for connection in connections:
                connection.close()
            self.assertEqual(len(service.request("GET", "/v1/sweeps").json()["sweeps"]), 2)
            sweep_id = first.json()["id"]
            self.wait(service, sweep_id)
            self.assertEqual(post().json(), {"id": sweep_id, "state": "done"})
            self.assertEqual(service.request("POST", f"/v1/sweeps/{sweep_id}/forget", "").status, 204)
            self.assertEqual(post().status, 410)

    def test_an_ended_sweep_is_forgotten_with_its_jobs(self):
        with Service(workers=2) as service:
            def post(path):
                return service.request("POST", path, "")
            kept = self.submit(service, space={"clip": ["minmax"]})
            sweep_id = self.submit(service, space={"clip": ["minmax", "mse"], "equalize": ["none", "full"]})
            self.assertEqual(post(f"/v1/sweeps/{sweep_id}/forget").status, 409)
            self.wait(service, kept)
            jobs = [trial["job"] for trial in self.wait(service, sweep_id)["trials"]]
            self.assertEqual({service.job(job)["sweep"] for job in jobs}, {sweep_id})
            refused = post(f"/v1/jobs/{jobs[0]}/forget")
            self.assertEqual(refused.status, 409)
            self.assertIn(sweep_id, refused.json()["detail"])
            before = service.request("GET", "/v1/jobs").json()["jobs"]
            self.assertEqual(len(before), 5)
            self.assertEqual(post(f"/v1/sweeps/{sweep_id}/forget").status, 204)
            for _ in range(2):
                self.assertEqual(service.request("GET", f"/v1/sweeps/{sweep_id}").status, 404)
                self.assertEqual(post(f"/v1/sweeps/{sweep_id}/forget").status, 404)
                self.assertEqual({service.request("GET", f"/v1/jobs/{job}").status for job in jobs}, {404})
                self.assertEqual([row["id"] for row in service.request("GET", "/v1/sweeps").json()["sweeps"]], [kept])
                self.assertEqual(service.request("GET", "/v1/jobs").json()["jobs"], [row for row in before if row["id"] not in jobs])
                self.assertEqual(service.metric('int8x_jobs{state="done"}'), 1)
                self.assertEqual(service.request("GET", f"/v1/sweeps/{kept}/best").status, 200)
                service.daemon.kill(signal.SIGKILL)
                service.start()
            events = service.request("GET", "/v1/events?limit=256", headers={"Accept": "application/json"}).json()["events"]
            told = [row for row in events if row["type"].endswith("_forgotten")]
            self.assertEqual([row["job"] for row in told], [*jobs, ""])
            self.assertEqual({row["body"]["sweep"] for row in told}, {sweep_id})

    def test_a_sweep_is_forgotten_while_its_jobs_are_retried(self):
        """Jobs that left memory: either one of them runs again and the sweep stays, or all of it is gone."""
        with Service() as service:
            sweeps = [self.submit(service, space={"clip": ["minmax", "mse"]}) for _ in range(40)]
            jobs = {}
            for sweep_id in sweeps:
                ended = service.request("DELETE", f"/v1/sweeps/{sweep_id}").json()
                jobs[sweep_id] = [trial["job"] for trial in ended["trials"]]
            body = json.dumps({"name": "m", "model": service.put(self.model), "calib": service.put(self.CALIB)})
            for _ in range(260):  # more than are kept in memory
                job_id = service.request("POST", "/v1/jobs", body).json()["id"]
                service.request("DELETE", f"/v1/jobs/{job_id}")
            for sweep_id in sweeps:
                paths = [f"/v1/sweeps/{sweep_id}/forget", *[f"/v1/jobs/{job}/retry" for job in jobs[sweep_id]] * 4]
                connections = [http.client.HTTPConnection("127.0.0.1", service.http, timeout=60) for _ in paths]
                for connection, path in zip(connections, paths):
                    connection.request("POST", path)
                forget, *retries = [connection.getresponse().status for connection in connections]
                for connection in connections:
                    connection.close()
                self.assertIn(forget, (204, 409, 503))
                self.assertLessEqual(set(retries), {200, 404, 409, 503})
                gone = forget == 204
                self.assertNotEqual(gone, 200 in retries, (forget, retries))
                for job in jobs[sweep_id]:
                    self.assertEqual(service.request("GET", f"/v1/jobs/{job}").status, 404 if gone else 200, (forget, retries))

    def test_the_command_line_gives_the_same_here_and_on_the_service(self):
        with tempfile.TemporaryDirectory() as folder, Service(workers=2) as service:
            spec = {"search": "random", "seed": 4, "trials": 5, "space": SPACE}
            for name, data in (("m.onnx", self.model), ("c.npy", self.CALIB), ("e.npy", self.EVAL), ("s.json", json.dumps(spec).encode())):
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(data)
            command = [program("int8x"), "sweep", f"{folder}/s.json", f"{folder}/m.onnx", "--calib", f"{folder}/c.npy", "--eval", f"{folder}/e.npy"]
            url = f"http://127.0.0.1:{service.http}"
            for place in (["-o", f"{folder}/here"], ["-o", f"{folder}/there", "--server", url]):
                done = subprocess.run(command + place, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("best by sqnr", done.stdout)
            for name in ("trials.csv", "best.recipe.json", "best.int8.onnx"):
                with open(f"{folder}/here/{name}", "rb") as here, open(f"{folder}/there/{name}", "rb") as there:
                    self.assertEqual(here.read(), there.read(), name)
            done = subprocess.run(command + ["--server", url, "--detach"], capture_output=True, text=True)
            self.assertEqual(self.wait(service, done.stdout.strip())["state"], "done")
            self.assertEqual(subprocess.run(command + ["--detach"], capture_output=True).returncode, 2)

    def test_what_is_wrong_is_named(self):
        with Service() as service:
            job = {"model": service.put(self.model), "calib": service.put(self.CALIB), "eval": service.put(self.EVAL)}
            spec = {"space": {"clip": ["mse"]}}
            cases = [
                ({"job": job}, 400, "'sweep'"), ({"job": job, "sweep": {}}, 400, "'space'"),
                ({"job": job, "sweep": {"space": {"clipp": ["mse"]}}}, 400, "nearest is 'clip'"),
                ({"job": dict(job, recipe={}), "sweep": spec}, 400, "sweep.base"),
                ({"job": {k: v for k, v in job.items() if k != "eval"}, "sweep": spec}, 400, "'eval'"),
                ({"job": dict(job, model={"sha256": "0" * 64, "size_bytes": 5}), "sweep": spec}, 404, "PUT it first"),
                ({"job": job, "sweep": spec, "metric": "speed"}, 400, "sqnr, agreement or top1"),
                ({"job": job, "sweep": {"space": {"batch": {"low": 1, "high": 64, "steps": 64}, "shard_samples": {"low": 1, "high": 256, "steps": 128}}}},
                 413, "limit is 4096"),
            ]
            for body, status, words in cases:
                answer = service.request("POST", "/v1/sweeps", json.dumps(body))
                self.assertEqual(answer.status, status, answer.body)
                self.assertIn(words, answer.json()["detail"])
            self.assertEqual(service.request("POST", "/v1/sweeps", "{").status, 400)
            self.assertEqual(service.request("GET", "/v1/sweeps/s0000000000000000").status, 404)


if __name__ == "__main__":
    unittest.main(verbosity=2)
