#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The commands that talk to a service, as a user runs them: real int8x, real int8xd, real workers. Where the point is
how foreign words are shown (a hostile name, a missing member), a small HTTP server of this file answers instead.

    INT8X_BIN=build/dev/bin python3 tests/e2e/test_cli.py [TestClass.test_name ...]
"""

import csv
import fcntl
import http.server
import io
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import onnx_bytes  # noqa: E402
from service import ROOT, Service, program, samples  # noqa: E402

NO_JOB = "j0000000000000000"


def environment(server, **more):
    """The environment of a user who has set nothing but the server's address."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("INT8X_", "XDG_")) and k != "HOME"}
    return {**kept, "HOME": "/nonexistent", "INT8X_SERVER": server, **more}


class Case(unittest.TestCase):
    env = None

    def run_cli(self, *command, code=0, env=None):
        done = subprocess.run([program("int8x"), *command], env=env or self.env, capture_output=True, text=True,
                              timeout=120)
        self.assertEqual(done.returncode, code, (command, done.stdout, done.stderr))
        return done

    def out(self, *command, **more):
        return self.run_cli(*command, **more).stdout

    def err(self, *command, code):
        return self.run_cli(*command, code=code).stderr

    def rows(self, *command):
        """Rows of CSV; every line must end as RFC 4180 says."""
        done = subprocess.run([program("int8x"), *command], env=self.env, capture_output=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        text = done.stdout.decode()
        self.assertTrue(text.endswith("\r\n"), text)
        return list(csv.DictReader(io.StringIO(text, newline="")))


class Fake:
    """An HTTP server that answers with the JSON of a path: a value, or a function of the request that gives one; a
    function that gives None ends the connection without an answer."""

    def __init__(self, answers):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer = answers.get(self.path.split("?")[0], {})
                answer = answer(self) if callable(answer) else answer
                self.close_connection = answer is None
                if answer is None:
                    return
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_):
                pass
            do_POST = do_HEAD = do_GET
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class WithService(Case):
    """A daemon with one worker and the files of a small job."""

    WORKERS = 1
    PROBES = False

    @classmethod
    def setUpClass(cls):
        cls.service = Service(workers=cls.WORKERS, worker_options=("--probes",) if cls.PROBES else ())
        cls.env = environment(f"http://127.0.0.1:{cls.service.http}")
        cls.files = tempfile.TemporaryDirectory(prefix="i8xcli")
        for name, data in (("m.onnx", onnx_bytes.conv()), ("c.npy", samples((8, 3, 8, 8), 9))):
            with open(os.path.join(cls.files.name, name), "wb") as file:
                file.write(data)

    @classmethod
    def tearDownClass(cls):
        cls.files.cleanup()
        cls.service.close()

    def submit(self, *more):
        folder = self.files.name
        return self.out("submit", f"{folder}/m.onnx", "--calib", f"{folder}/c.npy", *more).split()[-1]

    def interrupt(self, *command, ignored=False, after=lambda: None):
        """Runs a command, presses Ctrl-C once it waits; (exit code, stdout, stderr)."""
        start = signal.SIG_IGN if ignored else signal.SIG_DFL
        child = subprocess.Popen([program("int8x"), *command], env=self.env, text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE,
                                 preexec_fn=lambda: signal.signal(signal.SIGINT, start))
        seen = ""
        while "done" not in seen:  # the first line of the wait: "inspect: 0 of 1 done"
            line = child.stderr.readline()
            self.assertTrue(line, f"ended without waiting: {seen}")
            seen += line
        child.send_signal(signal.SIGINT)
        after()
        out, err = child.communicate(timeout=60)
        return child.returncode, out, seen + err


class Look(WithService):
    """get and describe, in every form."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.job = cls("submit").submit("--wait", "--set", "percentile=99.99")

    def test_get_jobs_shows_a_line_a_job(self):
        lines = self.out("get", "jobs").splitlines()
        self.assertEqual(lines[0].split(), ["job", "state", "stage", "done", "tasks", "created", "model"])
        self.assertEqual([line.split()[:2] for line in lines[1:] if self.job in line], [[self.job, "done"]])
        self.assertEqual(self.out("jobs"), self.out("get", "jobs"))

    def test_wide_has_more_columns_than_table(self):
        narrow, wide = (self.out("get", "jobs", "-o", form).splitlines()[0].split() for form in ("table", "wide"))
        self.assertEqual([title for title in wide if title in narrow], narrow)
        self.assertEqual(set(wide) - set(narrow), {"cached", "priority", "owner", "sweep", "finished", "size", "error", "suspect"})

    def test_json_is_what_the_service_answers(self):
        answer = self.service.request("GET", f"/v1/jobs/{self.job}").json()
        self.assertEqual(json.loads(self.out("get", "job", self.job, "-o", "json")), answer)
        self.assertEqual(json.loads(self.out("describe", "job", self.job, "--json")), answer)
        self.assertIn(self.job, [row["id"] for row in json.loads(self.out("get", "jobs", "--json"))["jobs"]])

    def test_csv_has_every_column_by_its_path(self):
        row, = (row for row in self.rows("get", "jobs", "-o", "csv") if row["id"] == self.job)
        answer = self.service.job(self.job)
        self.assertEqual(int(row["artifact_bytes"]), answer["artifact_bytes"])
        self.assertEqual(row["finished"], answer["finished"])
        self.assertEqual(row["error.detail"], "")

    def test_describe_csv_has_every_value(self):
        rows = {row["path"]: row["value"] for row in self.rows("describe", "job", self.job, "-o", "csv")}
        answer = self.service.job(self.job)
        self.assertEqual(rows["stages.0.kind"], answer["stages"][0]["kind"])
        self.assertEqual(rows["job.recipe.percentile"], "99.99")
        self.assertEqual(rows["version"], str(answer["version"]))

    def test_describe_shows_what_the_recipe_changes(self):
        text = self.out("describe", "job", self.job)
        for words in (self.job, "artifact", "stages", "calibrate", "inputs", "percentile"):
            self.assertIn(words, text)
        self.assertNotIn("bias_correction", text)
        self.assertIn("bias_correction", self.out("describe", "job", self.job, "-o", "wide"))

    def test_limit_and_name(self):
        newest = self.submit()
        self.assertEqual(self.out("get", "jobs", "--limit", "1", "-o", "name").split(), [newest])
        self.assertEqual(self.out("get", "job", self.job, "-o", "name").split(), [self.job])

    def test_workers_are_found_by_id_and_by_name(self):
        row, = self.rows("get", "workers", "-o", "csv")
        self.assertEqual(row["id"], self.service.workers[0].id)
        for word in (row["id"], row["name"]):
            self.assertIn(row["id"], self.out("describe", "worker", word))
        self.assertEqual(json.loads(self.out("get", "worker", row["name"], "-o", "json"))["id"], row["id"])

    def test_describe_worker_tells_of_the_machine(self):
        answer = json.loads(self.out("describe", "worker", self.service.workers[0].id, "-o", "json"))
        text = self.out("describe", "worker", answer["id"])
        for words in (answer["state"], answer["arch"], answer["kinds"][0], "machine", f"cores              {answer['cores']}\n"):
            self.assertIn(words, text)
        self.assertNotIn("features", text)
        self.assertIn("features", self.out("describe", "worker", answer["id"], "-o", "wide"))

    def test_top_without_a_terminal_is_one_table(self):
        for more in ((), ("--once",)):
            sums, titles, worker = self.out("top", "--interval", "1", *more).splitlines()
            self.assertRegex(sums, r"^1 worker, 1 slot, \d leases?, \d+\.\d tasks/s$")
            self.assertEqual(titles.split()[:6], ["worker", "name", "state", "standing", "slots", "leases"])
            self.assertIn(self.service.workers[0].id, worker)
        row, = self.rows("top", "--interval", "1", "-o", "csv")
        self.assertEqual((row["id"], row["tasks_per_second"]), (self.service.workers[0].id, "0"))
        self.assertEqual(self.out("top", "--interval", "1", "-o", "name").split(), [self.service.workers[0].id])
        self.assertIn("because", self.out("top", "--interval", "1", "-o", "wide"))
        row, = json.loads(self.out("top", "-o", "json", "--interval", "1"))["workers"]
        self.assertEqual((row["slots"], row["tasks_per_second"]), (1, 0))
        self.assertIn("1 to 3600", self.err("top", "--interval", "0", code=3))

    def test_what_is_not_there(self):
        self.assertIn("no job", self.err("get", "job", NO_JOB, code=8))
        self.assertIn("int8x get workers", self.err("describe", "worker", "nobody", code=8))
        self.assertIn("no id of a job", self.err("describe", "job", "../v1/workers", code=2))

    def test_words_that_are_no_resource_and_no_form(self):
        self.assertIn("nearest is 'workers'", self.err("get", "wrokers", code=2))
        self.assertIn("table|wide|json|csv", self.err("get", "jobs", "-o", "xml", code=2))
        self.assertIn("--json", self.err("get", "jobs", "-o", "csv", "--json", code=2))
        self.assertIn("1 to 1000", self.err("get", "jobs", "--limit", "0", code=3))
        self.assertIn("too few", self.err("describe", "job", code=2))
        self.assertIn("whose tasks?", self.err("get", "tasks", code=2))
        self.assertIn("int8x get tasks JOB", self.err("describe", "task", self.job, code=2))

    def test_a_result_that_cannot_be_written_is_a_failure(self):
        for command in (("get", "jobs"), ("get", "jobs", "-o", "csv"), ("describe", "job", self.job), ("--help",),
                        ("logs", self.job), ("completion", "bash"), ("--dump-docs", "man")):
            with open("/dev/full", "w") as full:
                done = subprocess.run([program("int8x"), *command], env=self.env, stdout=full, stderr=subprocess.PIPE,
                                      text=True, timeout=60)
            self.assertEqual(done.returncode, 7, command)
            self.assertIn("standard output cannot be written", done.stderr)

    def test_errors_are_json_where_results_are(self):
        done = self.run_cli("get", "job", NO_JOB, "-o", "json", code=8)
        self.assertEqual(json.loads(done.stdout)["error"]["status"], "ENOENT")

    def test_a_service_that_is_away(self):
        away = self.run_cli("get", "jobs", code=9, env=environment("http://127.0.0.1:1"))
        self.assertIn("is int8xd running there?", away.stderr)


class Sweeps(WithService):
    """A sweep on the service gives the files that a sweep in this process gives."""

    SPEC = {"space": {"clip": ["minmax", "mse"], "only": ["", "nothing_has_this_name"]}}

    def sweep(self, out, *more, spec=None):
        folder = self.files.name
        for name, text in (("spec.json", json.dumps(spec or self.SPEC)), ("e.npy", samples((8, 3, 8, 8), 10))):
            with open(os.path.join(folder, name), "w" if isinstance(text, str) else "wb") as file:
                file.write(text)
        return ("sweep", f"{folder}/spec.json", f"{folder}/m.onnx", "--calib", f"{folder}/c.npy", "--eval", f"{folder}/e.npy",
                *(("-o", f"{folder}/{out}") if out else ()), *more)

    def files_of(self, out):
        contents = {}
        for name in ("trials.csv", "best.recipe.json", "best.int8.onnx"):
            with open(os.path.join(self.files.name, out, name), "rb") as file:
                contents[name] = file.read()
        return contents

    def test_remote_gives_what_local_gives_and_can_be_looked_at(self):
        self.out(*self.sweep("here"))
        done = self.run_cli(*self.sweep("there", "--remote"))
        self.assertIn("best by sqnr: trial ", done.stdout)
        self.assertEqual(self.files_of("there"), self.files_of("here"))
        sweep = re.search(r"^sweep (s[0-9a-f]{16})$", done.stderr, re.M).group(1)
        row, = (row for row in self.rows("get", "sweeps", "-o", "csv") if row["id"] == sweep)
        self.assertEqual((row["state"], row["name"], row["done"], row["count"]), ("done", "m.onnx", "4", "4"))
        described = self.out("describe", "sweep", sweep)
        for words in (sweep, "metric", "best by sqnr", "recipe of the best trial"):
            self.assertIn(words, described)
        self.assertEqual(self.out("watch", sweep), done.stdout)
        self.out("fetch", sweep, "-o", os.path.join(self.files.name, "again"))
        self.assertEqual(self.files_of("again"), self.files_of("here"))
        self.assertIn("is a sweep, and pause is not for sweeps", self.err("pause", sweep, code=2))
        self.err("cancel", sweep, code=8)
        trial = json.loads(self.out("describe", "sweep", sweep, "-o", "json"))["trials"][0]["job"]
        self.assertRegex(self.out("describe", "job", trial), f"sweep +{sweep}")
        self.assertIn(f"a trial of sweep {sweep}", self.err("rm", trial, code=8))
        self.assertEqual(self.out("rm", sweep), f"sweep {sweep} is forgotten\n")
        self.err("describe", "sweep", sweep, code=8)
        self.err("describe", "job", trial, code=8)

    def test_a_sweep_is_left_and_canceled(self):
        with self.subTest("nobody works"):
            worker = self.service.workers[0]
            worker.kill(signal.SIGTERM)
            sweep = self.out(*self.sweep(None, "--remote", "--detach")).strip()
            self.assertEqual(self.service.request("GET", f"/v1/sweeps/{sweep}").json()["state"], "running")
            self.assertIn("still runs", self.err("fetch", sweep, "-o", os.path.join(self.files.name, "none"), code=9))
            code, _, err = self.interrupt("watch", sweep)
            self.assertEqual(code, 130)
            self.assertIn(f"sweep {sweep} goes on. Come back with:\n  int8x watch {sweep}\n", err)
            self.assertEqual(self.out("cancel", sweep), f"sweep {sweep} is canceled\n")
            self.assertIn("is canceled", self.err("watch", sweep, code=10))
            self.out("rm", sweep)
        self.service.workers[0] = self.service.add_worker()
        self.service.workers.pop()

    def test_the_same_key_is_the_same_sweep(self):
        keyed = self.sweep(None, "--remote", "--detach", "--idempotency-key", "night-1")
        sweep = self.out(*keyed)
        self.assertEqual(self.out(*keyed), sweep)
        self.assertNotEqual(self.out(*keyed[:-1], "night-2"), sweep)
        self.assertNotEqual(self.out(*keyed[:-2]), sweep)

    def test_the_word_before_an_id(self):
        """kubectl's way: rm sweep ID. A word that does not fit the id finds nothing."""
        job, sweep = self.submit("--wait"), self.out(*self.sweep(None, "--remote", "--detach")).strip()
        self.out("watch", "sweep", sweep)
        self.assertIn("done artifact", self.out("watch", "job", job))
        self.out("fetch", "sweep", sweep, "-o", os.path.join(self.files.name, "named"))
        for command in ("logs", "explain"):
            self.assertEqual(self.out(command, "job", job), self.out(command, job))
            self.assertIn(f"describe sweep {sweep} -o wide", self.err(command, sweep, code=2))
            self.assertIn("too many", self.err(command, "sweep", sweep, code=2))
        trial = re.search("j[0-9a-f]{16}", self.out("describe", "sweep", sweep, "-o", "wide")).group()
        self.assertEqual(self.service.job(trial)["sweep"], sweep)
        self.assertNotIn(trial, self.out("describe", "sweep", sweep))
        self.assertIn("no sweep", self.err("rm", "sweep", job, code=8))
        self.assertIn("no job", self.err("rm", "job", sweep, code=8))
        self.assertEqual(self.out("rm", "sweeps", sweep), f"sweep {sweep} is forgotten\n")
        self.assertEqual(self.out("rm", "job", job), f"job {job} is forgotten\n")
        self.assertIn("no job", self.err("cancel", "job", code=8))  # one word is the id
        worker = self.service.workers[0].id
        self.assertEqual(self.out("drain", "worker", worker, "--reason", "x"), f"worker {worker} is drained\n")
        self.assertIn("no job", self.err("resume", "job", worker, code=8))
        self.assertEqual(self.out("resume", "workers", worker), f"worker {worker} is resumed\n")

    def test_what_is_wrong_is_said_before_anything_is_sent(self):
        self.assertIn("clipp", self.err(*self.sweep("none", "--remote", spec={"space": {"clipp": ["mse"]}}), code=2))
        self.assertIn("--threads", self.err(*self.sweep("none", "--remote", "--threads", "1"), code=2))
        self.assertIn("--detach", self.err(*self.sweep("none", "--detach"), code=2))
        self.assertIn("leave --output out", self.err(*self.sweep("none", "--remote", "--detach"), code=2))
        self.assertIn("'--output' is missing", self.err(*self.sweep(None, "--remote"), code=2))
        self.assertIn("'--output' is missing", self.err(*self.sweep(None), code=2))
        self.assertIn("--idempotency-key", self.err(*self.sweep("none", "--idempotency-key", "k"), code=2))
        self.assertIn("--threads", self.err(*self.sweep("none", "--server", "http://x", "--threads", "1"), code=2))
        self.assertIn("top2", self.err(*self.sweep("none", "--remote", "--metric", "top2"), code=2))
        self.assertIn("no sweep", self.err("describe", "sweep", "s0000000000000000", code=8))


class Words(WithService):
    """What has happened to a job, in words."""

    PROBES = True

    def test_a_job_that_is_done(self):
        job = self.submit("--wait")
        lines = [line.split("  ", 1)[1] for line in self.out("logs", job).splitlines()]
        self.assertEqual(lines[0], "job submitted: m.onnx, priority 5")
        worker = self.service.workers[0].id
        self.assertRegex(lines[1], rf"^task 0 \(inspect\) done by {worker} in \d+ ms: 1 of \d+$")
        self.assertEqual(lines[-1], f"job done: artifact {self.service.job(job)['artifact_sha256']}")

    def test_the_last_words_of_a_process_that_failed(self):
        job = self.service.probe(mode="crash", seed="cli")
        self.assertEqual(self.service.wait(job)["state"], "failed")
        text = self.out("logs", job)
        self.assertRegex(text, r"task \d+ \(probe\) failed on \w+ \(crash\): ")
        tail = self.service.job(job)["error"]["tail"].splitlines()
        self.assertTrue(tail)
        for line in tail:
            self.assertIn(f"\n    | {line}\n", text)
        dead, = self.rows("get", "tasks", job, "--state", "dead", "-o", "csv")
        self.assertEqual((dead["task"], dead["kind"], dead["error.cause"]), ("1", "probe", "crash"))
        self.assertIn("signal", self.out("get", "tasks", job).splitlines()[2])
        described = self.out("describe", "job", job)
        self.assertIn(f"last words of the process\n    | {tail[0]}\n", described)
        self.assertIn("error ", described)


class Waiting(WithService):
    """Jobs that nobody works on: cancel, and Ctrl-C on a wait."""

    WORKERS = 0

    def test_cancel(self):
        job = self.submit()
        self.assertEqual(self.out("cancel", job), f"job {job} is canceled\n")
        self.assertEqual(self.service.job(job)["state"], "canceled")
        self.err("cancel", job, code=8)
        self.assertIn("no job", self.err("cancel", NO_JOB, code=8))
        self.assertEqual(json.loads(self.out("cancel", self.submit(), "--json"))["state"], "canceled")

    def test_explain_says_that_nobody_is_there(self):
        done = self.run_cli("submit", f"{self.files.name}/m.onnx", "--calib", f"{self.files.name}/c.npy")
        self.assertIn("warning: no worker is connected", done.stderr)
        job = done.stdout.strip()
        text = self.out("explain", job)
        self.assertIn("inspect  no_worker", text)
        answer = json.loads(self.out("explain", job, "-o", "json"))
        self.assertIn(answer["summary"], text)
        self.assertIn(answer["reasons"][0]["text"], text)
        rows = {row["path"]: row["value"] for row in self.rows("explain", job, "-o", "csv")}
        self.assertEqual(rows["reasons.0.reason"], "no_worker")
        self.out("pause", job)
        self.assertIn("paused", self.out("explain", job))
        self.out("cancel", job)
        self.assertIn("canceled", self.out("explain", job))
        self.assertIn("no job", self.err("explain", NO_JOB, code=8))
        self.assertIn("no job id", self.err("explain", "a/b", code=2))
        self.assertIn("has no id", self.err("explain", job, "-o", "name", code=2))

    def test_pause_resume_and_retry(self):
        job = self.submit("--priority", "7")
        self.assertEqual(self.service.job(job)["priority"], 7)
        self.assertEqual(self.out("pause", job), f"job {job} is paused\n")
        self.assertEqual(self.out("get", "jobs", "--state", "paused", "-o", "name").split(), [job])
        self.assertIn("paused", self.err("pause", job, code=8))
        self.assertIn("paused and has no model yet", self.err("fetch", job, "-o", "/nonexistent", code=9))
        self.assertEqual(self.out("resume", job), f"job {job} is running\n")
        self.err("resume", job, code=8)
        self.err("retry", job, code=8)
        self.out("cancel", job)
        self.assertEqual(self.out("retry", job), f"job {job} is running\n")
        self.out("cancel", job)
        for verb in ("pause", "resume", "retry"):
            self.assertIn("no job", self.err(verb, NO_JOB, code=8))
        self.assertIn("0 to 9", self.err("submit", f"{self.files.name}/m.onnx", "--calib", f"{self.files.name}/c.npy",
                                        "--priority", "10", code=3))

    def test_rm(self):
        job = self.submit()
        self.assertIn("cancel it first", self.err("rm", job, code=8))
        self.out("cancel", job)
        self.assertEqual(self.out("rm", job), f"job {job} is forgotten\n")
        self.assertIn("no job", self.err("rm", job, code=8))
        self.assertIn("no job", self.err("describe", "job", job, code=8))
        self.assertNotIn(job, self.out("get", "jobs", "-o", "name"))
        job = self.submit()
        self.out("cancel", job)
        self.assertEqual(json.loads(self.out("rm", job, "--json")), {"id": job, "forgotten": True})

    def test_logs_follow_a_job_to_its_end(self):
        job = self.submit()
        follow = subprocess.Popen([program("int8x"), "logs", job, "--follow"], env=self.env, text=True,
                                  stdout=subprocess.PIPE)
        self.assertIn("job submitted: m.onnx, priority 5", follow.stdout.readline())
        self.out("pause", job)
        self.assertIn("job paused", follow.stdout.readline())
        self.out("cancel", job)
        self.assertIn("job canceled: ", follow.stdout.readline())
        self.assertEqual((follow.stdout.read(), follow.wait(60)), ("", 0))
        follow.stdout.close()
        lines = [json.loads(line) for line in self.out("logs", "-f", job, "--json").splitlines()]
        self.assertEqual([line["type"] for line in lines], ["job_created", "job_paused", "job_canceled"])
        self.assertEqual(json.loads(self.out("logs", job, "--json"))["events"], lines)
        self.assertIn("no job", self.err("logs", NO_JOB, code=8))

    def test_the_same_key_is_the_same_job(self):
        job = self.submit("--idempotency-key", "night-1")
        self.assertEqual(self.submit("--idempotency-key", "night-1"), job)
        self.assertNotEqual(self.submit("--idempotency-key", "night-2"), job)
        folder = self.files.name
        again = ("submit", f"{folder}/m.onnx", "--calib", f"{folder}/c.npy", "--idempotency-key")
        self.err(*again, "night-1", "--set", "percentile=99", code=8)
        for key in ("", "a b", "x" * 256, "\u00e4"):
            self.assertIn("1 to 255", self.err(*again, key, code=2))

    def test_control_c_leaves_the_job_and_tells_how_to_come_back(self):
        folder = self.files.name
        server = self.env["INT8X_SERVER"]
        for more in ((), ("--server", server)):
            code, out, err = self.interrupt("submit", f"{folder}/m.onnx", "--calib", f"{folder}/c.npy", "--wait", *more)
            self.assertEqual(code, 130, err)
            job = out.split()[-1]
            self.assertIn("int8x watch " + " ".join((job, *more)) + "\n", err)
            self.assertEqual(self.service.job(job)["state"], "running")
            code, out, err = self.interrupt("watch", job)
            self.assertEqual((code, out), (130, ""), err)
            self.assertIn(f"int8x watch {job}", err)
            self.assertEqual(self.service.job(job)["state"], "running")
            self.out("cancel", job)

    def test_where_control_c_is_ignored_it_stays_so(self):
        """A command in the background of a shell, or under nohup."""
        job = self.submit()
        code, _, err = self.interrupt("watch", job, ignored=True, after=lambda: self.out("cancel", job))
        self.assertEqual(code, 10, err)
        self.assertNotIn("Come back", err)


class Standing(WithService):
    """drain, quarantine and resume of a worker."""

    def standing(self, worker):
        return self.service.request("GET", f"/v1/workers/{worker}").json().get("standing")

    def test_a_worker_is_drained_and_resumed_by_id_and_by_name(self):
        worker = self.service.workers[0].id
        name, = self.rows("get", "worker", worker, "-o", "csv")
        self.assertEqual(self.out("drain", worker, "--reason", "new fan"), f"worker {worker} is drained\n")
        self.assertEqual(self.standing(worker)["reason"], "new fan")
        job = self.submit()
        self.assertIn(f"; {worker} is drained: new fan", self.out("explain", job))
        titles, line = self.out("get", "workers").splitlines()
        self.assertEqual(line.split()[titles.split().index("standing")], "drained")
        self.assertNotIn("new fan", line)
        self.assertIn("new fan", self.out("get", "workers", "-o", "wide"))
        row, = self.rows("get", "workers", "-o", "csv")
        self.assertEqual((row["standing.state"], row["standing.reason"]), ("drained", "new fan"))
        self.assertRegex(self.out("describe", "worker", worker), r"standing    drained\nbecause     new fan\ndecided  ")
        self.assertIn("drained", self.out("top", "--interval", "1"))
        top, = json.loads(self.out("top", "--interval", "1", "--json"))["workers"]
        self.assertEqual(top["standing"], self.standing(worker))
        self.assertEqual(self.out("resume", name["name"]), f"worker {worker} is resumed\n")
        self.assertIsNone(self.standing(worker))
        self.assertEqual(self.service.wait(job)["state"], "done")
        self.assertEqual(json.loads(self.out("quarantine", worker, "--reason", "hot", "--json"))["standing"]["state"], "quarantined")
        worker_process = self.service.workers.pop()
        worker_process.kill(signal.SIGTERM)
        with self.subTest("and while it is away"):
            self.assertEqual(self.out("get", "workers").splitlines()[1].split()[:4], [worker, "-", "away", "quarantined"])
            self.assertEqual(json.loads(self.out("top", "--interval", "1", "--json"))["workers"], [])
            self.assertIn(worker, self.out("--complete", "resume", ""))
            text = self.out("describe", "worker", worker)
            self.assertRegex(text, r"connected   no\nstanding    quarantined\nbecause     hot\n")
            self.assertNotIn("machine", text)
            self.assertEqual(self.out("drain", worker, "--reason", "repair"), f"worker {worker} is drained\n")
            self.out("resume", worker, "--reason", "repaired")
            self.assertEqual(self.out("get", "workers", "-o", "name"), "")
            self.assertIn("state       away", self.out("describe", "worker", worker))
        self.service.add_worker()

    def test_wrong_words(self):
        worker = self.service.workers[0].id
        self.assertIn("'--reason' is missing", self.err("drain", worker, code=2))
        self.assertIn("say why", self.err("drain", worker, "--reason", "", code=2))
        self.assertIn("at most 255", self.err("drain", worker, "--reason", "x" * 256, code=2))
        for verb in ("drain", "quarantine"):
            self.assertIn("no worker 'nobody'", self.err(verb, "nobody", "--reason", "x", code=8))
            self.assertIn(f"is a job, and {verb} is not for jobs", self.err(verb, NO_JOB, "--reason", "x", code=2))
        self.assertIn("no worker '../jobs'", self.err("resume", "../jobs", code=8))
        self.assertIn("--reason is for workers", self.err("resume", NO_JOB, "--reason", "x", code=2))
        self.assertIsNone(self.standing(worker))


class Guides(Case):
    """Man pages, and what a shell offers when Tab is pressed: words of the tables, ids of a service."""

    JOBS = ["j1", "j22", "bad\nid; rm", ""]

    @classmethod
    def setUpClass(cls):
        cls.fake = Fake({"/v1/jobs": {"jobs": [{"id": id, "name": "a\tb\n;c"} for id in cls.JOBS]},
                         "/v1/workers": {"workers": [{"id": "w1", "name": "pi"}]}})
        cls.env = environment(cls.fake.url)

    @classmethod
    def tearDownClass(cls):
        cls.fake.close()

    def offered(self, *words, env=None):
        """(candidates, ending) for the last word."""
        *lines, ending = self.out("--complete", *words, env=env).split("\n")[:-1]
        return [line.split("\t")[0] for line in lines], ending

    def test_commands_and_options(self):
        names, ending = self.offered("")
        self.assertIn("describe", names)
        self.assertEqual(ending, ":")
        self.assertEqual(self.offered("de"), (["describe"], ":"))
        self.assertEqual(self.offered("help", "de"), (["describe"], ":"))
        self.assertEqual(self.out("help", "describe"), self.out("describe", "--help"))
        self.assertEqual(self.out("help"), self.out("--help"))
        self.assertIn("the nearest is 'describe'", self.err("help", "descrbe", code=2))
        self.assertEqual(self.offered("get", "--l"), (["--limit"], ":"))
        self.assertNotIn("--output", self.offered("get", "jobs", "-o", "csv", "--")[0])
        self.assertIn("--set", self.offered("submit", "--set", "clip=mse", "--")[0])
        self.assertEqual(self.offered("--server", "http://x", "wat"), (["watch"], ":"))
        self.assertEqual(self.offered("nothing-of-ours", "--j"), (["--json"], ":"))

    def test_values(self):
        forms = ["table", "wide", "json", "csv", "name"]
        self.assertEqual(self.offered("get", "jobs", "-o", "")[0], forms)
        self.assertEqual(self.offered("get", "jobs", "--output=c")[0], ["--output=csv"])
        self.assertEqual(self.offered("quantize", "--target", "ort")[0], ["ort-x86", "ort-arm"])
        self.assertEqual(self.offered("submit", "--set", "cli")[0], ["clip="])
        self.assertEqual(self.offered("submit", "--set", "clip=m")[0], ["clip=minmax", "clip=mse"])
        self.assertEqual(self.offered("submit", "--set=clip=m")[0], ["--set=clip=minmax", "--set=clip=mse"])
        self.assertEqual(self.offered("submit", "m.onnx", "--calib", ""), ([], ":files"))
        self.assertEqual(self.offered("fetch", "j1", "-o", ""), ([], ":folders"))
        self.assertEqual(self.offered("get", "jobs", "--limit", ""), ([], ":"))

    def test_arguments(self):
        self.assertEqual(self.offered("get", ""), (["jobs", "workers", "sweeps", "tasks"], ":"))
        self.assertEqual(self.offered("describe", "w"), (["worker"], ":"))
        self.assertEqual(self.offered("inspect", ""), ([], ":files"))
        self.assertEqual(self.offered("inspect", "m.onnx", ""), ([], ":"))
        self.assertEqual(self.offered("completion", "z"), (["zsh"], ":"))
        self.assertEqual(self.offered("inspect", "--", "--x"), ([], ":files"))

    def test_ids_come_from_the_service_and_only_what_can_be_one(self):
        self.assertEqual(self.offered("watch", ""), (["j1", "j22"], ":"))
        self.assertEqual(self.offered("get", "job", "j2"), (["j22"], ":"))
        self.assertEqual(self.offered("get", "tasks", "j2"), (["j22"], ":"))
        self.assertEqual(self.offered("describe", "worker", ""), (["w1"], ":"))
        self.assertEqual(self.offered("drain", ""), (["w1"], ":"))
        self.assertEqual(self.offered("drain", "w1", "--reason", ""), ([], ":"))
        self.assertEqual(self.offered("resume", ""), (["j1", "j22", "w1"], ":"))
        self.assertEqual(self.offered("resume", "worker", ""), (["w1"], ":"))
        self.assertEqual(self.offered("resume", "jobs", "j2"), (["j22"], ":"))
        self.assertEqual(self.offered("resume", "job", "j22", ""), ([], ":"))
        self.assertEqual(self.offered("get", "jobs", "--state", "d")[0], ["done"])
        self.assertEqual(self.offered("get", "tasks", "--state", "d")[0], ["done", "dead", "dropped"])
        self.assertEqual(self.out("--complete", "watch", "j1"), "j1\ta?b?;c\n:\n")
        self.assertEqual(self.offered("watch", "", env=environment("http://127.0.0.1:1")), ([], ":"))
        self.assertEqual(self.offered("--server", self.fake.url, "watch", "j1", env=environment("http://127.0.0.1:1"))[0],
                         ["j1"])

    def test_contexts(self):
        with tempfile.TemporaryDirectory() as folder:
            env = environment("", XDG_CONFIG_HOME=folder)
            self.out("context", "set", "lab", "--server", self.fake.url, env=env)
            self.assertEqual(self.offered("context", "use", "l", env=env)[0], ["lab"])
            self.assertEqual(self.offered("get", "--context", "", env=env)[0], ["lab"])

    def shell(self, shell, script, *arguments):
        """Words that a script prints, without what stands behind a tab."""
        if shutil.which(shell) is None:
            self.skipTest(f"{shell} is not installed")
        env = {**self.env, "PATH": os.path.dirname(program("int8x")) + ":" + os.environ["PATH"], "HOME": "/tmp"}
        done = subprocess.run([shell, "-c", script, *arguments], env=env, capture_output=True, text=True, timeout=60, cwd="/")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [line.split("\t")[0] for line in done.stdout.splitlines()]

    def bash(self, line):
        return self.shell("bash", "source <(int8x completion bash); COMP_LINE=$1; COMP_POINT=${#1}; _int8x; "
                          "printf '%s\\n' \"${COMPREPLY[@]}\"", "bash", line)

    def test_bash(self):
        self.assertEqual(self.bash("int8x get jobs -o "), ["table", "wide", "json", "csv", "name"])
        self.assertEqual(self.bash("int8x watch j2"), ["j22"])
        self.assertEqual(self.bash("int8x submit --set clip=m"), ["minmax", "mse"])  # bash has "clip=" by itself
        self.assertEqual(self.bash("int8x inspect /us"), ["/usr"])

    def test_fish(self):
        def fish(line):
            return self.shell("fish", f"int8x completion fish | source; complete -C '{line}'")
        self.assertEqual(sorted(fish("int8x get jobs -o ")), ["csv", "json", "name", "table", "wide"])
        self.assertEqual(fish("int8x watch j2"), ["j22"])
        self.assertEqual(fish("int8x submit --set clip=m"), ["clip=minmax", "clip=mse"])
        self.assertIn("/usr/", fish("int8x inspect /us"))

    def test_zsh(self):
        def zsh(*words):
            return self.shell("zsh", "compdef() {}; _files() { print files }; "
                              "_describe() { print -rl -- ${${(P)2}%%:*} }; source <(int8x completion zsh); words=("
                              + " ".join(f"'{word}'" for word in ("int8x", *words)) + "); CURRENT=$#words; _int8x")
        self.assertEqual(zsh("get", "jobs", "-o", ""), ["table", "wide", "json", "csv", "name"])
        self.assertEqual(zsh("watch", "j2"), ["j22"])
        self.assertEqual(zsh("submit", "--set", "cli"), ["clip="])
        self.assertEqual(zsh("inspect", ""), ["files"])

    def test_a_shell_that_is_not_known(self):
        self.assertIn("bash, zsh, fish", self.err("completion", "tcsh", code=2))

    def test_man_pages_are_clean_and_name_every_option(self):
        pages = {"int8x": [program("int8x"), "--dump-docs", "man"], "int8xd": [program("int8xd"), "--dump-man"],
                 "int8x-worker": [program("int8x-worker"), "--dump-man"]}
        for line in self.out("--help").split("tells more):\n")[1].split("\n\n")[0].splitlines():
            name = line.split()[0]
            pages[f"int8x-{name}"] = [program("int8x"), "--dump-docs", "man", name]
        self.assertGreater(len(pages), 15)
        with open(os.path.join(ROOT, "client", "cli", "guide", "notes.def")) as file:
            for noted in re.findall(r"^NOTES\((\w+)", file.read(), re.M):
                self.assertIn(f"int8x-{noted}", pages)
        if shutil.which("man") is None:
            self.skipTest("man is not installed")
        for name, command in pages.items():
            roff = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
            with tempfile.NamedTemporaryFile(suffix=".1") as file:
                file.write(roff)
                file.flush()
                shown = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", file.name], check=True, text=True,
                                       capture_output=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8",
                                                                             "MANWIDTH": "500", "MAN_KEEP_FORMATTING": ""})
            self.assertEqual(shown.stderr, "", name)
            self.assertIn(f"{name} - ", shown.stdout)
            asked = [command[0], "--help"] if "dump-man" in command[-1] or len(command) == 3 else [*command[:1], command[-1],
                                                                                                   "--help"]
            words = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split("Recipe fields")[0]
            for option in re.findall(r"^  (?:-\w, )?(--[a-z-]+)", words, re.M):
                self.assertIn(option, shown.stdout.replace("\u2010", "-"), (name, option))


class Contexts(Case):
    """Which service a command means, and the file of their names. Nobody answers at the addresses: the sentence that
    says so names the one that was tried."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="i8xcontext")
        self.addCleanup(self.folder.cleanup)
        self.file = os.path.join(self.folder.name, "int8x", "contexts.json")
        self.env = environment("", XDG_CONFIG_HOME=self.folder.name)

    def set(self, name, port, *more):
        self.out("context", "set", name, "--server", f"http://127.0.0.1:{port}", *more)

    def tried(self, *more, server=""):
        done = self.run_cli("get", "jobs", *more, code=9, env={**self.env, "INT8X_SERVER": server})
        return done.stderr.split("127.0.0.1:")[1].split(":")[0]

    def test_the_first_one_is_current_until_another_is_used(self):
        self.set("lab", 1)
        self.set("pi.field-2", 2)
        self.assertEqual(self.out("context", "list", "-o", "name").split(), ["lab", "pi.field-2"])
        self.assertEqual(self.tried(), "1")
        self.out("context", "use", "pi.field-2")
        self.assertEqual(self.tried(), "2")
        self.assertEqual([(row["id"], row["current"]) for row in self.rows("context", "list", "-o", "csv")],
                         [("lab", "false"), ("pi.field-2", "true")])
        self.set("lab", 3)
        self.assertEqual(json.loads(self.out("context", "list", "--json"))["contexts"][0]["server"], "http://127.0.0.1:3")

    def test_option_before_context_option_before_environment_before_current_before_default(self):
        self.assertEqual(self.tried(), "8480")
        self.set("lab", 1)
        self.set("other", 2)
        self.assertEqual(self.tried(), "1")
        self.assertEqual(self.tried(server="http://127.0.0.1:3"), "3")
        self.assertEqual(self.tried("--context", "other", server="http://127.0.0.1:3"), "2")
        self.assertEqual(self.tried("--context", "other", "--server", "http://127.0.0.1:4"), "4")

    def test_a_token_goes_to_its_service_alone(self):
        """Two services; who gets which token is seen by the services themselves."""
        seen = []
        fakes = [Fake({"/v1/jobs": lambda request, n=n: seen.append((n, request.headers["Authorization"])) or {"jobs": []}})
                 for n in "AB"]
        tokens = {}
        for name, letter in (("lab", "a"), ("env", "b"), ("option", "c")):
            tokens[name] = "i8x_s" + letter * 64
            with open(os.path.join(self.folder.name, name), "w") as file:
                file.write(tokens[name] + "\n")
            os.chmod(file.name, 0o600)
        lab, env, option = (os.path.join(self.folder.name, name) for name in tokens)
        self.out("context", "set", "lab", "--server", fakes[0].url, "--token-file", lab)

        def asked(*more, **variables):
            seen.clear()
            self.out("get", "jobs", *more, env={**self.env, **variables})
            (who, header), = seen
            words = {f"Bearer {token}": name for name, token in tokens.items()}
            return who, words[header] if header else None
        a, b = (fake.url for fake in fakes)
        self.assertEqual(asked(), ("A", "lab"))
        self.assertEqual(asked("--server", a), ("A", "lab"))
        self.assertEqual(asked("--server", a + "/"), ("A", "lab"))
        self.assertEqual(asked("--server", b), ("B", None))
        self.assertEqual(asked(INT8X_SERVER=b), ("B", None))
        self.assertEqual(asked(INT8X_SERVER=b, INT8X_TOKEN_FILE=env), ("B", "env"))
        self.assertEqual(asked("--context", "lab", INT8X_SERVER=b, INT8X_TOKEN_FILE=env), ("A", "lab"))
        self.assertEqual(asked("--server", a, INT8X_SERVER=b, INT8X_TOKEN_FILE=env), ("A", "lab"))
        self.assertEqual(asked(INT8X_TOKEN_FILE=env), ("A", "env"))
        self.assertEqual(asked("--server", b, INT8X_TOKEN_FILE=env), ("B", "env"))
        self.assertEqual(asked("--token-file", option, INT8X_TOKEN_FILE=env), ("A", "option"))
        for host in ("example.com", "127.example.com", "127.0.0.1.example.com", "localhost.example.com",
                     "127.0.0.1@example.com", "127.0.0.1:80@example.com"):
            self.assertIn("https:// only", self.err("get", "jobs", "--token-file", option, "--server", f"http://{host}", code=2))
        for fake in fakes:
            fake.close()

    def test_files_are_kept_by_their_whole_path(self):
        done = subprocess.run([program("int8x"), "context", "set", "lab", "--server", "http://127.0.0.1:1", "--ca-file", "ca.crt"],
                              env=self.env, cwd=self.folder.name, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        row, = self.rows("context", "list", "-o", "csv")
        self.assertEqual((row["ca_file"], row["token_file"]), (os.path.join(self.folder.name, "ca.crt"), ""))

    def test_rm_and_names_that_are_not_there(self):
        self.set("lab", 1)
        self.assertIn("nearest is 'lab'", self.err("context", "use", "lba", code=8))
        self.assertIn("nearest is 'lab'", self.err("get", "jobs", "--context", "lba", code=8))
        self.out("context", "rm", "lab")
        self.assertEqual(self.tried(), "8480")
        self.assertIn("int8x context set", self.err("context", "rm", "lab", code=8))

    def test_wrong_words(self):
        self.assertIn("nearest is 'list'", self.err("context", "lst", code=2))
        self.assertIn("wants a name", self.err("context", "use", code=2))
        self.assertIn("needs an address", self.err("context", "set", "lab", code=2))
        self.assertIn("no name of a context", self.err("context", "set", "a b", "--server", "http://x", code=2))
        self.assertIn("one argument too many", self.err("context", "list", "lab", code=2))

    def test_the_file_belongs_to_its_user_alone(self):
        self.set("lab", 1)
        self.assertEqual(os.stat(self.file).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(os.path.dirname(self.file)).st_mode & 0o777, 0o700)
        for mode in (0o640, 0o604, 0o620):
            os.chmod(self.file, mode)
            self.assertIn("chmod 600", self.err("get", "jobs", code=11))
            self.assertIn("chmod 600", self.err("context", "list", code=11))

    def test_a_broken_file_is_named(self):
        self.set("lab", 1)
        for text, code, words in (("{", 3, "contexts.json"), ('{"contextz": {}}', 2, "contextz"),
                                  ('{"contexts": {"a": {"servr": "x"}}}', 2, "servr"),
                                  ('{"contexts": {"a": {"server": 5}}}', 2, "'server' is no text"),
                                  ('{"current": "gone", "contexts": {}}', 8, "no context 'gone'")):
            with open(self.file, "w") as file:
                file.write(text)
            self.assertIn(words, self.err("get", "jobs", code=code))

    def test_without_a_home_there_are_no_contexts(self):
        self.env = environment("http://127.0.0.1:1")
        del self.env["HOME"]
        self.assertIn("is int8xd running there?", self.err("get", "jobs", code=9))
        self.assertIn("HOME", self.err("context", "set", "lab", "--server", "http://127.0.0.1:1", code=8))


class Foreign(Case):
    """What a service says that means harm, or leaves out."""

    @classmethod
    def setUpClass(cls):
        cls.ANSWERS = {}
        cls.fake = Fake(cls.ANSWERS)
        cls.env = environment(cls.fake.url)

    @classmethod
    def tearDownClass(cls):
        cls.fake.close()

    def jobs(self, *jobs):
        self.ANSWERS["/v1/jobs"] = {"jobs": list(jobs)}

    def test_control_characters_do_not_reach_the_terminal(self):
        self.jobs({"id": "j1", "name": "a\x1b[2J\x07\u009bm.onnx", "state": "done"})
        for form in ("table", "wide"):
            text = self.out("get", "jobs", "-o", form)
            self.assertIn("a?[2J???m.onnx", text)
            self.assertFalse([c for c in text if c < " " and c != "\n"])

    def test_bars_commas_and_quotes_stay_in_their_cell(self):
        name = 'a|b,"c"\r\nd'
        self.jobs({"id": "j1", "name": name, "state": "done"}, {"id": "j2", "name": "plain"})
        self.assertIn('a|b,"c"??d', self.out("get", "jobs"))
        self.assertEqual([row["name"] for row in self.rows("get", "jobs", "-o", "csv")], [name, "plain"])

    def test_columns_stand_under_each_other_also_beyond_ascii(self):
        self.jobs({"id": "j1", "name": "Größe", "state": "läuft", "done": 5}, {"id": "j22", "state": "x", "done": 12345})
        head, first, second = self.out("get", "jobs").splitlines()
        for line, word in ((first, "5"), (second, "12345")):
            self.assertEqual(line.index(word) + len(word), head.index("done") + 4)
        self.assertEqual(first.index("läuft"), head.index("state"))

    def test_what_is_missing_or_null_is_a_dash_and_an_empty_cell(self):
        self.jobs({"id": "j1", "state": None})
        self.assertEqual(self.out("get", "jobs").splitlines()[1].split(), ["j1"] + ["-"] * 6)
        row, = self.rows("get", "jobs", "-o", "csv")
        self.assertEqual({value for name, value in row.items() if name != "id"}, {""})

    def test_pages_are_put_together(self):
        asked = []

        def jobs(request):
            query = dict(pair.split("=") for pair in request.path.split("?")[1].split("&"))
            asked.append(query)
            first = int(query.get("cursor", "c0")[1:])
            count = int(query["limit"])
            return {"jobs": [{"id": f"j{i}"} for i in range(first, first + count)], "next": f"c{first + count}"}
        self.ANSWERS["/v1/jobs"] = jobs
        done = self.run_cli("get", "jobs", "--limit", "2500", "--state", "failed", "-o", "name")
        self.assertEqual(done.stdout.split(), [f"j{i}" for i in range(2500)])
        self.assertEqual(done.stderr, "the first 2500; --limit N shows more\n")
        self.assertEqual([(query["limit"], query.get("cursor"), query["state"]) for query in asked],
                         [("1000", None, "failed"), ("1000", "c1000", "failed"), ("500", "c2000", "failed")])
        answer = json.loads(self.out("get", "jobs", "--limit", "1001", "--json"))
        self.assertEqual((len(answer["jobs"]), answer["next"]), (1001, "c1001"))
        self.assertIn("workers cannot be picked", self.err("get", "workers", "--state", "done", code=2))
        self.assertIn("for jobs it is one of running|", self.err("get", "jobs", "--state", "dead", code=2))

    def test_an_empty_page_may_promise_more(self):
        pages = {"": ([], "c1"), "c1": ([], "c2"), "c2": ([{"task": 7}], None)}

        def tasks(request):
            rows, cursor = pages[request.path.partition("cursor=")[2]]
            return {"tasks": rows, "next": cursor}
        self.ANSWERS["/v1/jobs/j1/tasks"] = tasks
        self.assertEqual([row["task"] for row in self.rows("get", "tasks", "j1", "--state", "dead", "-o", "csv")], ["7"])
        self.ANSWERS["/v1/jobs/j2/tasks"] = {"tasks": [], "next": "c1"}  # for ever: an end is found all the same
        self.assertEqual(self.rows("get", "tasks", "j2", "-o", "csv"), [])

    def test_a_submission_whose_answer_is_lost_is_sent_again_with_its_key(self):
        keys = []

        def post(request):
            keys.append(request.headers["Idempotency-Key"])
            return None if len(keys) % 3 else {"id": f"j{len(keys)}", "state": "running", "version": 1,
                                               "warnings": ["no worker has kind\x07 solve"]}
        self.ANSWERS["/v1/jobs"] = post
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"x")
            file.flush()
            for job in ("j3", "j6"):
                done = self.run_cli("submit", file.name, "--calib", file.name)
                self.assertEqual(done.stdout, job + "\n")
                self.assertIn("warning: no worker has kind? solve\n", done.stderr)
        self.assertEqual(len(set(keys[:3])), 1)
        self.assertEqual(len(set(keys[3:])), 1)
        self.assertNotEqual(keys[0], keys[3])
        self.assertRegex(keys[0], "^[0-9a-f]{32}$")

    def test_events_of_a_later_version_are_named(self):
        tail = "first\x1b[31m\n\nlast"
        self.ANSWERS["/v1/jobs/j1/events"] = {"events": [
            {"sequence": 1, "time": "T", "type": "job_polished", "body": {}},
            {"sequence": 2, "time": "T", "type": "task_failed", "body": {"task": 4, "kind": "probe", "tail": tail}}]}
        self.assertEqual(self.out("logs", "j1").splitlines(),
                         ["T  job_polished", "T  task 4 (probe) failed on - (-): -", "    | first?[31m", "    | ",
                          "    | last"])

    def test_answers_that_are_no_list(self):
        for wrong in ({}, {"jobs": {}}, {"jobs": "many"}):
            self.ANSWERS["/v1/jobs"] = wrong
            self.assertIn("no list 'jobs'", self.err("get", "jobs", code=3))

    def worker(self, number, **more):
        return {"id": f"w{number}", "name": f"pi{number}", "state": "working", "slots": 4, "leases": 3, "committed": 0,
                "load_ratio": 0.5, "temperature_celsius": 61.25, "throttled": ["heat"], **more}

    def test_rates_of_top_come_from_two_answers(self):
        """A worker that did 10 tasks, one that has rejoined (its count starts anew), one that has just come."""
        first = [self.worker(1, committed=5), self.worker(2, committed=50)]
        second = [self.worker(3, committed=7), self.worker(1, committed=15), self.worker(2, committed=2)]
        answers = iter([first, second])
        self.ANSWERS["/v1/workers"] = lambda _: {"workers": next(answers)}
        rows = {row["id"]: row for row in json.loads(self.out("top", "--json", "--interval", "1"))["workers"]}
        self.assertTrue(1 < rows["w1"]["tasks_per_second"] <= 10, rows)
        self.assertNotIn("tasks_per_second", rows["w2"])
        self.assertNotIn("tasks_per_second", rows["w3"])

    def test_top_shows_heat_and_draws_again_on_a_terminal(self):
        """On a terminal of 10 lines and 60 columns: what does not fit is counted, lines do not wrap."""
        self.ANSWERS["/v1/workers"] = {"workers": [self.worker(i) for i in range(20)]}
        self.assertIn("working  -             4       3      0.0   50%     61.2  heat", self.out("top", "--interval", "1"))
        screen, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 60, 0, 0))
        child = subprocess.Popen([program("int8x"), "top", "--interval", "1"], env=self.env, stdout=terminal,
                                 stderr=terminal, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        os.close(terminal)
        seen = b""
        while seen.count(b"\x1b[?7h") < 2:
            seen += os.read(screen, 65536)
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(60), -signal.SIGINT)
        os.close(screen)
        first, second = seen.decode().split("\x1b[H\x1b[J\x1b[?7l")[1:3]
        self.assertIn("-", first.splitlines()[2].split())  # no rate yet
        lines = second.split("\x1b[?7h")[0].splitlines()
        self.assertLess(len(lines), 10)
        self.assertIn("80 slots, 60 leases", lines[0])
        self.assertEqual(lines[-1], "and 14 more; `int8x get workers` lists all")

    def test_two_workers_of_one_name_want_the_id(self):
        self.ANSWERS["/v1/workers"] = {"workers": [{"id": "a1", "name": "pi"}, {"id": "b2", "name": "pi"}]}
        self.assertIn("2 workers have the name 'pi'", self.err("describe", "worker", "pi", code=2))
        self.assertIn("b2", self.out("describe", "worker", "b2"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
