# SPDX-License-Identifier: Apache-2.0
"""The documents tell the truth: every command in them is run, every name in them exists, and what exists is in them.

A block marked ```sh is run; ```text, ```json and the like are not. The blocks of one file are one session, from top to
bottom in one shell, in a folder that holds model.onnx, calib.npy, eval.npy and labels.npy. A command that fails, an
HTTP answer of 400 and more, and an error in a service's log fail the test. docs_shim.py says what stands between the
commands and the machine; NOT_RUN are those that are not run here.

    INT8X_BIN=build/release/bin python3 tests/e2e/test_docs.py [TestClass.test_name ...]
"""

import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from service import ROOT, Service, npy, program, samples  # noqa: E402

DOCUMENTS = ["README.md", "CONTRIBUTING.md"] + sorted(
    os.path.relpath(path, ROOT) for pattern in ("docs/*.md", "docs/decisions/*.md") for path in glob.glob(os.path.join(ROOT, pattern)))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
TAGS = {"sh", "text", "json", "c", "cmake", "python"}
SHIM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "docs_shim.py")
PLAYED = ["int8xd", "int8x-worker", "int8x", "curl", "scp", "sudo", "install", "systemctl", "journalctl"]
USER = 10001  # who int8x is where the test runs as root

# command: (how often the documents have it, why it is not run here)
NOT_RUN = {
    "deploy/quickstart.sh": (1, "downloads a model, builds"),
    "deploy/check.sh": (3, "runs this test, too"),
    "cmake": (2, "builds; check.sh does it"),
    "useradd": (1, "would make a user of this machine"),
    "python3": (2, "tests of their own, an hour and five minutes long; test_soak.py is a minute of it"),
}

# errors in logs that a session provokes: a revoked and a quarantined worker
EXPECTED = {"docs/operations.md": r"event=(not_trusted .*revoked|worker_quarantined )"}


def read(*path):
    with open(os.path.join(ROOT, *path)) as file:
        return file.read()


def blocks(document):
    """(line, tag, text) of each block."""
    text = read(document)
    return [(text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)) for match in BLOCK.finditer(text)]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Machine:
    """A folder that stands for the machines of a document."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="i8xdocs")
        os.chmod(self.folder, 0o711)  # int8x is another user if this one is root
        for name in ("shims", "programs", "state", "home", "etc/default", "etc/systemd/system", "usr/bin", "var/lib", "var/cache", "srv"):
            os.makedirs(self.path(name))
        os.chmod(self.path("state"), 0o777)
        for name in ("int8xd", "int8x-worker", "int8x"):
            shutil.copy(program(name), self.path("programs", name))
        for name in PLAYED + [name for name in NOT_RUN if "/" not in name]:
            self.shim("shims", name)
        self.sources()
        self.samples()
        ports = free_ports(3)
        places = "|".join(("etc", "usr/bin", "var/lib", "var/cache", "srv"))
        instead = [[rf"(?<![\w./])/({places})(?=/)", rf"{self.folder}/\1"], [r"\bbox\.example\b", "localhost"]]
        instead += [[rf"\b{usual}\b", str(port)] for usual, port in zip((8480, 8481, 8482), ports)]
        self.instead = instead
        with open(self.path("state", "machine.json"), "w") as file:
            json.dump({"programs": self.path("programs"), "ports": ports, "instead": instead, "user": USER}, file)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def shim(self, *place):
        with open(SHIM) as source, open(self.path(*place), "w") as file:
            file.write(source.read().replace("#!/usr/bin/env python3", "#!" + sys.executable, 1))
        os.chmod(self.path(*place), 0o755)

    def sources(self):
        """The source tree, as far as the documents walk in it."""
        os.makedirs(self.path("home", "build", "release"))
        os.symlink(self.path("shims"), self.path("home", "build", "release", "bin"))
        os.makedirs(self.path("home", "deploy"))
        for name in os.listdir(os.path.join(ROOT, "deploy")):
            if f"deploy/{name}" in NOT_RUN:
                self.shim("home", "deploy", name)
            else:
                os.symlink(os.path.join(ROOT, "deploy", name), self.path("home", "deploy", name))

    def samples(self):
        shutil.copy(os.path.join(ROOT, "tests", "data", "lenet_mnist.onnx"), self.path("home", "model.onnx"))
        files = {"calib.npy": samples((16, 1, 28, 28), 1), "eval.npy": samples((16, 1, 28, 28), 2),
                 "labels.npy": npy((16,), [number % 10 for number in range(16)], "<i8")}
        for name, data in files.items():
            with open(self.path("home", name), "wb") as file:
                file.write(data)

    def run(self, document):
        """Runs the sh blocks of a document; (exit code, what it said, place of the last block)."""
        script = ["set -euo pipefail\n"]
        for line, tag, text in blocks(document):
            if tag == "sh":
                for pattern, instead in self.instead:
                    text = re.sub(pattern, instead, text)
                script.append(f"echo {document}:{line} > {self.path('state', 'at')}\n{text}")
        with open(self.path("state", "script"), "w") as file:
            file.write("".join(script))
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("INT8X", "XDG_"))}
        environment.update(HOME=self.path("home"), DOCS_STATE=self.path("state"), DOCS_PATH=os.environ["PATH"],
                           PATH=self.path("shims") + ":" + os.environ["PATH"], TMPDIR="/tmp")
        done = subprocess.run(["bash", self.path("state", "script")], cwd=self.path("home"), env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=240)
        with open(self.path("state", "at")) as file:
            return done.returncode, done.stdout, file.read().strip()

    def not_run(self):
        path = self.path("state", "not_run")
        if not os.path.exists(path):
            return []
        with open(path) as file:
            return [json.loads(line)[0] for line in file]

    def logs(self):
        for path in sorted(glob.glob(self.path("state", "service*.log"))):
            with open(path, errors="replace") as file:
                yield path, file.read()

    def close(self):
        for path in glob.glob(self.path("state", "*.process")):
            with open(path) as file:
                pid = json.load(file)["pid"]
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.folder, ignore_errors=True)


class Commands(unittest.TestCase):
    """Each file is a session."""

    ran, left = 0, {}

    def session(self, document):
        machine = Machine()
        try:
            code, said, place = machine.run(document)
            logs = "".join(f"\n--- {path}\n{text[-3000:]}" for path, text in machine.logs())
            self.assertEqual(code, 0, f"{place} failed:\n{said[-6000:]}{logs}")
            errors = [line for _, text in machine.logs() for line in text.splitlines() if "level=error" in line]
            self.assertEqual([line for line in errors if not re.search(EXPECTED.get(document, "^$"), line)], [], place)
            for name in machine.not_run():
                name = next((full for full in NOT_RUN if os.path.basename(full) == name), name)
                Commands.left[name] = Commands.left.get(name, 0) + 1
        finally:
            machine.close()
        Commands.ran += sum(tag == "sh" for _, tag, _ in blocks(document))

    def test_sessions(self):
        for document in DOCUMENTS:
            if any(tag == "sh" for _, tag, _ in blocks(document)):
                with self.subTest(document):
                    self.session(document)
        print(f"{Commands.ran} blocks of commands ran; not run: {Commands.left}", flush=True)
        self.assertEqual(Commands.left, {name: count for name, (count, _) in NOT_RUN.items()})

    def test_every_block_says_what_it_is(self):
        strange = [(document, line, tag) for document in DOCUMENTS for line, tag, _ in blocks(document) if tag not in TAGS]
        self.assertEqual(strange, [])


def section(document, title):
    """Text below a heading, to the next one of its rank or above."""
    match = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,2}} |\Z)", read(document), re.M | re.S)
    assert match, (document, title)
    return match.group(2)


def cells(text):
    """Rows of the tables of a text, without their heads."""
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return [row for number, row in enumerate(rows) if not all(re.fullmatch(r":?-+:?", cell) for cell in row)
            and not (number + 1 < len(rows) and all(re.fullmatch(r":?-+:?", cell) for cell in rows[number + 1]))]


def coded(text):
    """What stands in backquotes between the lines."""
    return re.findall(r"`([^`]+)`", BLOCK.sub("", text))


def listed(path, name):
    """Second argument of each X(...) of a list macro."""
    body = re.search(rf"#define {name}\(X\)(.*?)\n\n", read(path), re.S).group(1)
    return re.findall(r'X\(\w+, "(\w+)"', body)


def sources(*folders):
    for folder in folders:
        for path in glob.glob(os.path.join(ROOT, folder, "**", "*.[ch]"), recursive=True):
            with open(path) as file:
                yield os.path.relpath(path, ROOT), file.read()


def help_of(*command):
    return subprocess.run([program(command[0]), *command[1:], "--help"], capture_output=True, text=True, timeout=60).stdout


def options_of(text):
    return set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", text, re.M))


class Names(unittest.TestCase):
    """What stands in a document exists, and what exists stands in its document."""

    @classmethod
    def setUpClass(cls):
        with Service() as service:
            cls.openapi = service.request("GET", "/openapi.json").json()
        cls.text = {document: read(document) for document in DOCUMENTS}

    def schema(self, name):
        return self.openapi["components"]["schemas"][name]

    def members(self, name):
        own = dict(self.schema(name).get("properties", {}))
        for part in self.schema(name).get("allOf", []):
            own.update(self.members(part["$ref"].rsplit("/", 1)[1]) if "$ref" in part else part.get("properties", {}))
        return set(own)

    def same(self, documented, real, what):
        self.assertTrue(real, what)
        self.assertEqual((sorted(set(real) - set(documented)), sorted(set(documented) - set(real))), ([], []),
                         f"{what}: (not in the document, not in the program)")

    def test_cli_and_config_are_made_from_the_tables(self):
        made = subprocess.run([program("int8x"), "--dump-docs", "cli"], capture_output=True, text=True).stdout
        self.assertEqual(self.text["docs/cli.md"], made, "docs/cli.md is old: int8x --dump-docs cli > docs/cli.md")
        made = "".join(subprocess.run([program(name), "--dump-docs", *words], capture_output=True, text=True).stdout
                       for name, *words in (["int8x", "config"], ["int8xd"], ["int8x-worker"]))
        self.assertEqual(self.text["docs/config.md"][:len(made)], made, "docs/config.md is old; its first lines say what it is made from")
        self.assertTrue(self.text["docs/config.md"][len(made):].startswith("\n## Environment\n"))

    def test_limits_have_the_values_of_the_source(self):
        real = dict(re.findall(r"#define (I8X_\w+)\s+(\([^/\n]*?\)|[\w(]+)\s*(?:/\*|\n)", read("proto/limits.h")))
        rows = cells(section("docs/config.md", "Limits"))
        self.assertGreater(len(rows), 20)
        for name, value, _ in rows:
            expression = re.sub(r"\(uint\d+_t\)|(?<=\d)(ll|u)\b", "", real[name.strip("`")])
            self.assertEqual(int(value.split()[0]), eval(expression, {"__builtins__": {}}), name)  # digits and operators of our own header

    def test_variables_are_read_by_somebody(self):
        known = {name for _, text in sources("client", "worker", "daemon", "core", "proto") for name in re.findall(r'"(INT8X_\w+)"', text)}
        known |= set(re.findall(r"\b(INT8XD?_\w+)=", read("deploy/systemd/int8xd.service") + read("deploy/systemd/int8x-worker.service")))
        named = {name for text in self.text.values() for name in re.findall(r"\bINT8XD?_[A-Z_]+\b", text)}
        for path in glob.glob(os.path.join(ROOT, "tests", "**", "*.py"), recursive=True):
            with open(path) as file:
                known |= set(re.findall(r'environ(?:\.get\(|\[)"(INT8X_\w+)"', file.read()))
        self.assertEqual(sorted(named - known), [])
        read_from = {name for _, text in sources("client", "worker", "daemon", "core", "proto") for name in re.findall(r'getenv\("(INT8X_\w+)"', text)}
        documented = set(coded(section("docs/config.md", "Environment")) + coded(section("docs/cli.md", "Environment")))
        self.assertEqual(sorted(read_from - documented), [])

    def test_commands_in_the_text_have_these_options(self):
        """`int8x submit --wait` and the like, between the lines."""
        commands = re.findall(r"^  (\w+) ", help_of("int8x").split("tells more):\n")[1].split("\n\n")[0], re.M)
        everywhere = options_of(help_of("int8x")) | {"--dump-docs", "--dump-man"}
        options = {("int8x", name): options_of(help_of("int8x", name)) | everywhere for name in commands}
        options[("int8x", None)] = everywhere
        for name in ("int8xd", "int8x-worker"):
            options[(name, None)] = options_of(help_of(name)) | {"--dump-docs"}
        tried = 0
        for document, text in self.text.items():
            for code in coded(text):
                words = code.split()
                if words[0] not in ("int8x", "int8xd", "int8x-worker") or code == "int8x probe":  # the head of a file
                    continue
                command = next((word for word in words[1:] if not word.startswith("-")), None) if words[0] == "int8x" else None
                if (words[0], command) not in options:
                    self.assertTrue(len(words) > 1 and words[1].startswith("-"), (document, code))  # a command that is none
                    command = None
                wrong = [word for word in re.findall(r"(?<![\w-])--[a-z-]+", code) if word not in options[(words[0], command)]]
                self.assertEqual(wrong, [], (document, code))
                tried += 1
        self.assertGreater(tried, 30)

    def test_every_command_is_tried(self):
        tried = set()
        for document in DOCUMENTS:
            for _, tag, text in blocks(document):
                if tag == "sh":
                    tried |= set(re.findall(r"\bint8x (?:--\w+ [\w./:-]+ )*(\w+)", text))
        commands = re.findall(r"^  (\w+) ", help_of("int8x").split("tells more):\n")[1].split("\n\n")[0], re.M)
        self.assertEqual(sorted(set(commands) - tried - {"jobs"}), [])  # jobs: the old name of get jobs

    def test_options_in_the_text_exist(self):
        known = {"--quick", "--full", "--step", "--build-arg"} | options_of(help_of("int8xd")) | options_of(help_of("int8x-worker")) | options_of(help_of("int8x"))
        for name in re.findall(r"^  (\w+) ", help_of("int8x").split("tells more):\n")[1].split("\n\n")[0], re.M):
            known |= options_of(help_of("int8x", name))
        for document in ("README.md", "docs/http-api.md", "docs/operations.md", "docs/security.md", "docs/config.md", "docs/cli.md"):
            named = {word for code in coded(self.text[document]) for word in re.findall(r"^--[a-z-]+", code)}
            self.assertEqual(sorted(named - known), [], document)

    def test_places_exist(self):
        places, links = 0, 0
        for document, text in self.text.items():
            for place in re.findall(r"(?<![\w./~])(?:docs|core|proto|daemon|worker|client|deploy|tests)/[\w./-]+\.[a-z]+\b", text):
                self.assertTrue(os.path.exists(os.path.join(ROOT, place)), (document, place))
                places += 1
            for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
                path, _, anchor = target.partition("#")
                full = os.path.normpath(os.path.join(ROOT, os.path.dirname(document), path)) if path else os.path.join(ROOT, document)
                self.assertTrue(os.path.exists(full), (document, target))
                if anchor:
                    heads = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)$", read(full), re.M)}
                    self.assertIn(anchor, heads, (document, target))
                links += 1
        self.assertGreater(min(places, links), 15)

    def test_routes_and_roles(self):
        documented = {}
        for place, role, *_ in cells(section("docs/http-api.md", "Routes")):
            for route in coded(place)[:1]:
                method, path = route.split()
                documented[method, re.sub(r"\?.*", "", path)] = role
        real = {}
        for path, methods in self.openapi["paths"].items():
            for method, about in methods.items():
                if method in ("parameters",):
                    continue
                roles = [role for way in about.get("security", []) for role in way.get("token", [])]
                least = [role for role in ("read", "submit") if role in roles][:1] + [role for role in ("worker",) if role in roles]
                real[method.upper(), path] = ", ".join(least or (["admin"] if roles else ["everybody"]))
        self.same({(*route, role) for route, role in documented.items()}, {(*route, role) for route, role in real.items()}, "routes")

    def test_error_types(self):
        real = {name: http for name, http in re.findall(r'X\((E\w+), "[^"]*", (\d+), \d+\)', read("core/include/int8x/status.h"))}
        rows = cells(section("docs/http-api.md", "Errors"))
        documented = {name: re.match(r"\d+", row[1]).group() for row in rows for name in row[0].split(", ")}
        self.assertEqual(documented, real)
        self.assertEqual([row for row in rows if not all(row)], [])

    def test_events_reasons_and_states(self):
        api = "docs/http-api.md"
        self.same(sum((coded(row[0]) for row in cells(section(api, "Events"))), []), listed("daemon/events.h", "I8X_EVENT_LIST"), "events")
        self.same(sum((coded(row[0]) for row in cells(section(api, "Why does it not run?"))), []),
                  listed("daemon/sched/sched.h", "I8X_SCHED_WHY_LIST"), "reasons")
        rows = [row for row in cells(section(api, "A job as it is shown")) if len(row) == 3]
        self.same(sum((coded(row[0]) for row in rows), []), self.schema("JobState")["enum"], "states of jobs")
        self.same(sum((coded(row[0]) for row in cells(section(api, "Tasks and dead letters"))), []), self.schema("TaskState")["enum"], "states of tasks")
        rows = [row for row in cells(section("docs/operations.md", "What a worker tells of itself")) if "sign" not in row]
        self.assertLessEqual(set(self.schema("Worker")["properties"]["state"]["enum"]), set(sum((coded(row[0]) for row in rows), [])))
        refused = next(row for row in cells(section("docs/operations.md", "Log events")) if coded(row[0]) == ["access_refused"])
        reasons = re.search(r"reason: (.*?)\. token is", refused[3]).group(1)
        self.same(re.findall(r"\b[a-z]+_[a-z]+\b", reasons), listed("daemon/auth.h", "I8X_REFUSAL_LIST"), "refusals")

    def test_members_are_told(self):
        """Each member of what the API shows stands in its section."""
        for schema, title in (("JobRow", "A job as it is shown"), ("Stage", "A job as it is shown"), ("Worker", "A worker as it is shown"),
                              ("WorkerDetail", "A worker as it is shown"), ("Standing", "A worker as it is shown"),
                              ("Task", "Tasks and dead letters"), ("Explanation", "Why does it not run?"), ("Event", "Events"),
                              ("Sweep", "A sweep"), ("Trial", "A sweep")):
            words = set(re.findall(r"\w+", section("docs/http-api.md", title)))
            members = self.members(schema)
            self.assertTrue(members, schema)
            self.assertEqual(sorted(members - words), [], (schema, title))

    def test_log_events(self):
        """Names both ways; of each event of the source every field stands in its row."""
        real = {}
        for path, text in sources("daemon", "worker", "proto"):
            for match in re.finditer(r"\bi8x_log\(([^;]*?)\);", text):
                arguments = re.match(r"\s*[^,]+,\s*([^,]+),\s*((?:\"(?:[^\"\\]|\\.)*\"\s*)+)", match.group(1))
                self.assertTrue(arguments and '"' in arguments.group(1), (path, match.group(1)[:80]))
                for name in re.findall(r'"(\w+)"', arguments.group(1)):
                    real.setdefault(name, set()).update(re.findall(r"(\w+)=", arguments.group(2)))
        self.assertGreater(len(real), 50)
        documented = {}
        for row in cells(section("docs/operations.md", "Log events")):
            self.assertEqual(len(row), 4, row)
            for name in coded(row[0]):
                documented[name] = set(re.findall(r"\w+", row[2] + " " + row[3]))
        self.same(documented, real, "log events")
        missing = {name: sorted(fields - documented[name]) for name, fields in real.items() if fields - documented[name]}
        self.assertEqual(missing, {})


if __name__ == "__main__":
    unittest.main(verbosity=2)
