# SPDX-License-Identifier: Apache-2.0
"""A service with trust set up: the fixture of service.py over HTTPS, with workers that were invited. What it does to
set up is what docs/operations.md tells an operator to do."""

import http.client
import json
import os
import re
import ssl
import subprocess

from service import Answer, Process, Service, program


def cli(*words, check=True, env=None):
    """int8x with these words; its standard output."""
    done = subprocess.run([program("int8x"), *map(str, words)], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "HOME": "/nonexistent", **(env or {})})
    if check:
        assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout
    return done


class Secured(Service):
    """admin init, a daemon on all addresses of this machine, and what an admin does with it."""

    def __init__(self, *options, init=(), workers=0, **keywords):
        super().__init__(*options, start=False, **keywords)
        self.secrets = []  # what must never be seen in a log, a command line or an answer that did not make it
        self.started = cli("admin", "init", "--data", self.data, "--advertise", "127.0.0.1", *init)
        self.admin_token = self.read_secret("trust", "admin.token")
        self.http_at, self.link_at = "127.0.0.1:0", "tcp://127.0.0.1:0"
        self.start()
        for _ in range(workers):
            self.add_invited()

    def read_secret(self, *path):
        with open(os.path.join(self.data, *path)) as file:
            self.secrets.append(file.readline().strip())
        return self.secrets[-1]

    @property
    def ca(self):
        return os.path.join(self.data, "trust", "ca.crt")

    @property
    def url(self):
        return f"https://127.0.0.1:{self.http}"

    def start(self, name=None, env=None):
        log_path = os.path.join(self.folder, "daemon.log")
        offset = os.path.getsize(log_path) if os.path.exists(log_path) else 0
        if self.http:  # the same addresses after a restart
            self.http_at, self.link_at = f"127.0.0.1:{self.http}", f"tcp://127.0.0.1:{self.link_port}"
        self.daemon = Process([name or program("int8xd"), "--data", self.data, "--http", self.http_at, "--link",
                               self.link_at, *self.options], log_path, env)
        match = self.daemon.wait_log(r"listening .*http=https://127.0.0.1:(\d+) link=tls\+tcp://[\w.]+:(\d+)",
                                     after=offset)
        self.http, self.link_port = int(match.group(1)), int(match.group(2))
        self.read_secret("trust", "local.token")

    def request(self, method, path, body=None, headers=None, token="admin", close=True):
        context = ssl.create_default_context(cafile=self.ca)
        headers = dict(headers or {})
        if token is not None:
            headers["Authorization"] = "Bearer " + (self.admin_token if token == "admin" else token)
        connection = http.client.HTTPSConnection("127.0.0.1", self.http, timeout=60, context=context)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            if "text/event-stream" in (response.headers.get("Content-Type") or ""):
                response.read = lambda: b""  # it has no end
            return Answer(response)
        finally:
            connection.close()

    def admin(self, *words, check=True):
        return cli("admin", *words, "--data", self.data, check=check)

    def secret_file(self, name):
        return os.path.join(self.folder, name)

    def token(self, role, *options, name="somebody"):
        """A new token; its text and id."""
        path = self.secret_file(f"token{len(self.secrets)}")
        identity = self.admin("token", "create", "--role", role, "--name", name, "--out", path, *options).strip()
        assert os.stat(path).st_mode & 0o777 == 0o600
        with open(path) as file:
            self.secrets.append(file.read().strip())
        return self.secrets[-1], identity

    def invite(self, *options):
        """Path of a new invitation."""
        path = self.secret_file(f"invitation{len(self.secrets)}")
        self.admin("invite", "--out", path, *options)
        with open(path) as file:
            self.secrets.append(file.read().strip().split(",")[2])
        return path

    def add_invited_soon(self, invitation=None, cache=None, env=None, options=()):
        index = len(self.workers)
        cache = cache or os.path.join(self.folder, f"cache{index}")
        words = ["--join-token-file", invitation] if invitation else []
        worker = Process([program("int8x-worker"), *words, "--cache", cache, "--threads", "1", *options],
                         os.path.join(self.folder, f"worker{index}.log"), env)
        worker.cache = cache
        self.workers.append(worker)
        return worker

    def add_invited(self, **keywords):
        worker = self.add_invited_soon(**({"invitation": self.invite()} | keywords))
        worker.wait_log(r"event=joined ")
        with open(os.path.join(worker.cache, "id")) as file:
            worker.id = file.read()
        with open(os.path.join(worker.cache, "trust", "token")) as file:
            self.secrets.append(file.read().strip())
        with open(os.path.join(worker.cache, "trust", "worker.pem")) as file:
            self.secrets.append(file.read().splitlines()[1])  # of the private key
        return worker

    def remote(self, token_path):
        """Options by which int8x reaches the service."""
        return ["--server", self.url, "--ca-file", self.ca, "--token-file", token_path]

    def refused(self, reason):
        for line in self.request("GET", "/metrics").body.decode().splitlines():
            match = re.fullmatch(r'int8x_access_refused_total\{reason="(\w+)"\} (\d+)', line)
            if match and match.group(1) == reason:
                return int(match.group(2))
        raise AssertionError(f"no counter for {reason}")

    def worker_ids(self):
        return {row["id"] for row in self.request("GET", "/v1/workers").json()["workers"]}


def problem(answer):
    """Type of a problem, without its prefix."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.body
    document = json.loads(answer.body)
    assert document["status"] == answer.status
    return document["type"].removeprefix("urn:int8x:status:")
