#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the commands of the documents meet in test_docs.py, by the name this file is called by:

- int8xd and int8x-worker start in the background, as in a terminal of their own, and return when they are ready;
- systemctl plays systemd with the real unit files (ExecStart, EnvironmentFile, User, folders), journalctl shows the log;
- sudo, install: as the user int8x they are somebody else than root, if the test itself runs as root;
- int8x without a word about an address, curl and scp are told where this test's service is;
- everything else is written down and not run (test_docs.NOT_RUN names it).
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

STATE = os.environ["DOCS_STATE"]
with open(os.path.join(STATE, "machine.json")) as file:
    MACHINE = json.load(file)
READY = {"int8xd": r"event=listening ", "int8x-worker": r"event=joined "}
READY_S = 90


def real(name):
    return os.path.join(MACHINE["programs"], name)


def here(text):
    """The text with the folders, ports and names of this test in the place of the usual ones."""
    for pattern, instead in MACHINE["instead"]:
        text = re.sub(pattern, instead, text)
    return text


def running():
    """(number, facts) of the processes that were started and have not been stopped."""
    for name in sorted(os.listdir(STATE), key=lambda name: (len(name), name)):
        if name.endswith(".process"):
            with open(os.path.join(STATE, name)) as process:
                yield name, json.load(process)


def stop(wanted):
    """Ends what wanted(facts) says, the youngest first; like a service or Ctrl-C."""
    for name, facts in reversed(list(running())):
        if not wanted(facts):
            continue
        try:
            os.kill(facts["pid"], signal.SIGTERM)
            end = time.monotonic() + 60
            while not facts_ended(facts["pid"]):
                if time.monotonic() > end:
                    sys.exit(f"{facts['name']} does not stop:\n{read(facts['log'])[-2000:]}")
                time.sleep(0.01)
        except ProcessLookupError:
            pass
        os.rename(os.path.join(STATE, name), os.path.join(STATE, name + ".ended"))


def facts_ended(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


def read(path):
    with open(path, errors="replace") as text:
        return text.read()


def start(name, command, unit="", **as_whom):
    """Starts a service program, waits until it is ready; its exit code if it ends before."""
    number = 1 + sum(entry.startswith("service") and entry.endswith(".log") for entry in os.listdir(STATE))
    log = os.path.join(STATE, f"service{number}.log")
    with open(log, "wb") as out:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, **as_whom)
    with open(os.path.join(STATE, f"{number}.process"), "w") as process:
        json.dump({"pid": child.pid, "name": name, "unit": unit, "log": log, "words": command}, process)
    end = time.monotonic() + READY_S
    while not re.search(READY[name], read(log)):
        code = child.poll()
        if code is not None or time.monotonic() > end:
            sys.stderr.write(read(log)[-4000:])
            return code or 1
        time.sleep(0.01)
    return 0


def option(words, name, usual):
    return words[words.index(name) + 1] if name in words else usual


def int8xd(words):
    if {"--help", "--version"} & set(words):
        os.execv(real("int8xd"), ["int8xd", *words])
    http, link = (f"127.0.0.1:{port}" for port in MACHINE["ports"][:2])
    if "--http" not in words:
        words += ["--http", http]
    if "--link" not in words:
        words += ["--link", "tcp://" + link]
    port = option(words, "--http", "").rsplit(":", 1)[1]
    for _, facts in running():  # the reader has ended it, and its workers with it
        if facts["name"] == "int8xd" and option(facts["words"], "--http", ":").rsplit(":", 1)[1] == port:
            stop(lambda facts: True)
            break
    return start("int8xd", [real("int8xd"), *words])


def int8x_worker(words):
    if {"--help", "--version", "--task"} & set(words):
        os.execv(real("int8x-worker"), ["int8x-worker", *words])
    return start("int8x-worker", [real("int8x-worker"), *words])


def int8x(words):
    named = {"--server", "--context", "--data"} & set(words) or "INT8X_SERVER" in os.environ
    contexts = os.path.join(os.environ.get("XDG_CONFIG_HOME", os.path.join(os.environ["HOME"], ".config")), "int8x", "contexts.json")
    if not named and not os.path.exists(contexts):  # the address that it takes by itself is not this test's
        os.environ["INT8X_SERVER"] = f"http://127.0.0.1:{MACHINE['ports'][0]}"
    os.execv(real("int8x"), ["int8x", *words])


def curl(words):
    """An answer of 400 and more is a failure; a stream that has no end is followed for a while."""
    endless = any(word.endswith("/v1/events") for word in words)
    add = [] if any(re.fullmatch(r"-\w*[If]\w*", word) for word in words) else ["--fail-with-body"]
    code = subprocess.run([shutil.which("curl", path=os.environ["DOCS_PATH"]), *add, *["--max-time", "3" if endless else "100"], *words]).returncode
    return 0 if endless and code == 28 else code


def scp(words):
    for path in words[:-1]:
        shutil.copy(path, os.environ["HOME"])
    return 0


def become(user):
    """Words before a command that make it another user's, or none where that cannot be."""
    if user != "int8x" or os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={MACHINE['user']}", f"--regid={MACHINE['user']}", "--clear-groups"]


def sudo(words):
    user = "root"
    if words[0] == "-u":
        user, words = words[1], words[2:]
    words = become(user) + words
    os.execvp(words[0], words)


def install(words):
    kept, at = [], 0
    while at < len(words):
        owner = words[at] in ("-o", "-g")
        if not owner:
            kept.append(words[at])
        elif os.geteuid() == 0:
            kept += [words[at], str(MACHINE["user"])]
        at += 1 + owner
    os.execv(shutil.which("install", path=os.environ["DOCS_PATH"]), ["install", *kept])


class Unit:
    """A unit file as systemd reads it, as far as ours go."""

    def __init__(self, name):
        self.name = name.removesuffix(".service")
        text = here(read(here(f"/etc/systemd/system/{self.name}.service")))
        self.rows = [line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#")]

    def values(self, key):
        return [value for row, value in self.rows if row == key]

    def environment(self):
        lines = self.values("Environment")
        for path in self.values("EnvironmentFile"):
            if os.path.exists(path.lstrip("-")) or not path.startswith("-"):
                lines += read(path.lstrip("-")).splitlines()
        return dict(shlex.split(line)[0].split("=", 1) for line in lines if "=" in line)

    def folder(self, key, base):
        for name in self.values(key):
            path = here(base) + name
            os.makedirs(path, mode=0o700, exist_ok=True)
            if os.geteuid() == 0:
                os.chown(path, MACHINE["user"], MACHINE["user"])

    def start(self):
        self.folder("StateDirectory", "/var/lib/")
        self.folder("CacheDirectory", "/var/cache/")
        environment = self.environment()
        command = re.sub(r"\$(\w+)", lambda match: environment[match.group(1)], self.values("ExecStart")[0])
        as_whom = {"umask": int(self.values("UMask")[0], 8)}
        if os.geteuid() == 0 and self.values("User") == ["int8x"]:
            as_whom.update(user=MACHINE["user"], group=MACHINE["user"], extra_groups=[])
        words = shlex.split(here(command))
        if not os.access(words[0], os.X_OK):
            return f"{words[0]} is not installed"
        return start(self.name, [real(self.name), *words[1:]], unit=self.name, **as_whom)


def systemctl(words):
    names = [word.removesuffix(".service") for word in words[1:] if not word.startswith("-")]
    for name in names:
        if words[0] in ("stop", "restart"):
            stop(lambda facts: facts["unit"] == name)
        if words[0] in ("start", "restart") or (words[0] == "enable" and "--now" in words):
            code = Unit(name).start()
            if code:
                return code
    known = {"start", "stop", "restart", "enable", "daemon-reload"}
    return 0 if words[0] in known else f"systemctl {words[0]} is not played"


def journalctl(words):
    unit = option(words, "-u", "").removesuffix(".service")
    logs = [facts["log"] for _, facts in running() if facts["unit"] == unit]
    print(read(logs[-1]))
    return 0 if logs else 1


def not_run(name, words):
    with open(os.path.join(STATE, "not_run"), "a") as record:
        record.write(json.dumps([name, *words]) + "\n")
    return 0


PLAYED = {"int8xd": int8xd, "int8x-worker": int8x_worker, "int8x": int8x, "curl": curl, "scp": scp, "sudo": sudo,
          "install": install, "systemctl": systemctl, "journalctl": journalctl}

if __name__ == "__main__":
    called = os.path.basename(sys.argv[0])
    sys.exit(PLAYED[called](sys.argv[1:]) if called in PLAYED else not_run(called, sys.argv[1:]))
