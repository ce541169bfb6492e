#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The commands that talk to a service, as a user runs them: real int8x, real int8xd, real workers. Where the point is
how foreign words are shown (a hostile name, a missing member), a small HTTP server of this file answers instead.

    INT8X_BIN=build/dev/bin python3 tests/e2e/test_cli.py [TestClass.test_name ...]
"""

import csv
import http.server
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import onnx_bytes  # noqa: E402
from service import Service, program, samples  # noqa: E402

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


class WithService(Case):
    """A daemon with one worker and the files of a small job."""

    WORKERS = 1

    @classmethod
    def setUpClass(cls):
        cls.service = Service(workers=cls.WORKERS)
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
        self.assertEqual(set(wide) - set(narrow), {"cached", "finished", "size", "error"})

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

    def test_errors_are_json_where_results_are(self):
        done = self.run_cli("get", "job", NO_JOB, "-o", "json", code=8)
        self.assertEqual(json.loads(done.stdout)["error"]["status"], "ENOENT")

    def test_a_service_that_is_away(self):
        away = self.run_cli("get", "jobs", code=9, env=environment("http://127.0.0.1:1"))
        self.assertIn("is int8xd running there?", away.stderr)


class Waiting(WithService):
    """Jobs that nobody works on: cancel, and Ctrl-C on a wait."""

    WORKERS = 0

    def interrupt(self, *command):
        """Runs a command, presses Ctrl-C once it waits; (exit code, stdout, stderr)."""
        child = subprocess.Popen([program("int8x"), *command], env=self.env, text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE,
                                 preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        seen = ""
        while "done" not in seen:  # the first line of the wait: "inspect: 0 of 1 done"
            line = child.stderr.readline()
            self.assertTrue(line, f"ended without waiting: {seen}")
            seen += line
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
        return child.returncode, out, seen + err

    def test_cancel(self):
        job = self.submit()
        self.assertEqual(self.out("cancel", job), f"job {job} is canceled\n")
        self.assertEqual(self.service.job(job)["state"], "canceled")
        self.err("cancel", job, code=8)
        self.assertIn("no job", self.err("cancel", NO_JOB, code=8))
        self.assertEqual(json.loads(self.out("cancel", self.submit(), "--json"))["state"], "canceled")

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

    ANSWERS = {}

    @classmethod
    def setUpClass(cls):
        answers = cls.ANSWERS

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(answers.get(self.path.split("?")[0], {})).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.env = environment(f"http://127.0.0.1:{cls.server.server_address[1]}")

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()

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

    def test_answers_that_are_no_list(self):
        for wrong in ({}, {"jobs": {}}, {"jobs": "many"}):
            self.ANSWERS["/v1/jobs"] = wrong
            self.assertIn("no list 'jobs'", self.err("get", "jobs", code=3))

    def test_two_workers_of_one_name_want_the_id(self):
        self.ANSWERS["/v1/workers"] = {"workers": [{"id": "a1", "name": "pi"}, {"id": "b2", "name": "pi"}]}
        self.assertIn("2 workers have the name 'pi'", self.err("describe", "worker", "pi", code=2))
        self.assertIn("b2", self.out("describe", "worker", "b2"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
