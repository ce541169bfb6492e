# SPDX-License-Identifier: Apache-2.0
"""Nobody gets in: no, foreign and expired certificates, wrong names; no, wrong, revoked and expired tokens; wrong
roles, for every route; used, expired and unknown invitations. All of it is refused, logged and counted, and the service
stays alive. And who was let in works as ever. Real processes on the loopback.

    INT8X_BIN=build/dev/bin python3 tests/e2e/test_trust.py [TestClass.test_name ...]
"""

import glob
import os
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import time
import unittest
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from secured import Secured, cli, problem  # noqa: E402
from service import ROOT, program, samples, sha256  # noqa: E402

CALIB = samples((16, 1, 28, 28), 1)
ROLES = ("read", "submit", "worker", "admin")


def lenet():
    with open(os.path.join(ROOT, "tests", "data", "lenet_mnist.onnx"), "rb") as file:
        return file.read()


def read(*path):
    with open(os.path.join(*path), errors="replace") as file:
        return file.read()


def contents(folder):
    return {name: read(folder, name) for name in os.listdir(folder)}


def until(condition, seconds=60):
    """Waits for a condition that must come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)


class SetUp(unittest.TestCase):
    """int8x admin init, and a daemon that has not been set up."""

    def test_init_makes_private_files_and_says_what_to_do(self):
        with tempfile.TemporaryDirectory() as folder:
            data = os.path.join(folder, "data")
            said = cli("admin", "init", "--data", data, "--advertise", "box.example").splitlines()
            self.assertEqual(len(said), 2)
            self.assertIn("int8xd --data", said[0])
            self.assertIn("int8x admin invite --data", said[1])
            trust = os.path.join(data, "trust")
            self.assertEqual(stat.S_IMODE(os.stat(trust).st_mode), 0o700)
            for name in ("ca.key", "server.key", "tokens", "admin.token"):
                self.assertEqual(stat.S_IMODE(os.stat(os.path.join(trust, name)).st_mode), 0o600, name)
            before = contents(trust)
            again = cli("admin", "init", "--data", data, check=False)
            self.assertEqual(again.returncode, 8, again.stderr)
            self.assertEqual(contents(trust), before)

    def test_what_it_makes_is_what_openssl_takes_it_for(self):
        if not shutil.which("openssl"):
            raise unittest.SkipTest("no openssl program")
        with tempfile.TemporaryDirectory() as folder:
            cli("admin", "init", "--data", folder, "--advertise", "box.example", "--advertise", "10.9.8.7")
            trust = os.path.join(folder, "trust")
            for options in (["-purpose", "sslserver"], ["-verify_hostname", "box.example"], ["-verify_ip", "10.9.8.7"],
                            ["-verify_hostname", "localhost"], ["-x509_strict"]):
                subprocess.run(["openssl", "verify", "-CAfile", f"{trust}/ca.crt", *options, f"{trust}/server.crt"],
                               check=True, capture_output=True)
            for options in (["-purpose", "sslclient"], ["-verify_hostname", "other.example"]):
                done = subprocess.run(["openssl", "verify", "-CAfile", f"{trust}/ca.crt", *options,
                                       f"{trust}/server.crt"], capture_output=True)
                self.assertNotEqual(done.returncode, 0, options)

    def test_a_key_that_others_may_read_stops_the_daemon(self):
        with tempfile.TemporaryDirectory() as folder:
            cli("admin", "init", "--data", folder)
            for name in ("ca.key", "server.key", "tokens"):
                path = os.path.join(folder, "trust", name)
                os.chmod(path, 0o644)
                done = subprocess.run([program("int8xd"), "--data", folder, "--http", "127.0.0.1:0", "--link",
                                       "tcp://127.0.0.1:0"], capture_output=True, text=True, timeout=30)
                self.assertEqual(done.returncode, 11, done.stderr)
                self.assertRegex(done.stderr, f"trust/{name}.*may be read by others.*chmod 600")
                os.chmod(path, 0o600)


class Tokens(unittest.TestCase):
    """Every request but those for everybody shows a token of the right role."""

    def setUp(self):  # a service each: what is logged of refusals has a budget
        self.service = Secured("--log-level", "debug")
        self.addCleanup(self.service.close)
        self.tokens = {role: self.service.token(role, *(["--worker", "w1"] if role == "worker" else []))
                       for role in ROLES}

    def expect(self, token, status, kind, reason, headers=None):
        before = self.service.refused(reason)
        answer = self.service.request("GET", "/v1/jobs", token=token, headers=headers)
        self.assertEqual((answer.status, problem(answer)), (status, kind))
        self.assertRegex(answer.headers["WWW-Authenticate"], "^Bearer ")
        self.assertEqual(self.service.refused(reason), before + 1)
        self.service.daemon.wait_log(f"event=access_refused .*reason={reason} address=127.0.0.1:\\d+ .*/v1/jobs")

    def test_no_token(self):
        self.expect(None, 401, "EAUTH", "no_token")
        self.expect(None, 401, "EAUTH", "no_token", headers={"Authorization": "Basic eDp5"})

    def test_wrong_tokens(self):
        good = self.tokens["read"][0]
        for bad in ("", "i8x_r", good[:-1], good + "0", good.upper(), "i8x_r" + "0" * 64, "x" * 4000):
            self.expect(bad, 401, "EAUTH", "unknown_token")
        self.assertEqual(self.service.request("GET", "/v1/jobs", token=good).status, 200)

    def test_a_revoked_token(self):
        token, identity = self.service.token("read")
        self.assertEqual(self.service.request("GET", "/v1/jobs", token=token).status, 200)
        self.service.admin("token", "revoke", identity)
        self.expect(token, 401, "EAUTH", "revoked_token")

    def test_an_expired_token(self):
        token, _ = self.service.token("read", "--ttl", "1s")
        until(lambda: self.service.request("GET", "/v1/jobs", token=token).status == 401)
        self.expect(token, 401, "EAUTH", "expired_token")

    def test_every_route_keeps_to_its_roles(self):
        """Walks the table of routes as openapi.json tells it."""
        document = self.service.request("GET", "/openapi.json", token=None).json()
        values = {"{sha256}": "0" * 64, "{id}": "t0123456789ab"}
        closed = opened = 0
        for path, methods in document["paths"].items():
            for value in values.items():
                path = path.replace(*value)
            for method, operation in methods.items():
                allowed = {role for way in operation["security"] for role in way["token"]}
                for role in ROLES:
                    answer = self.service.request(method.upper(), path, body=b"" if method in ("post", "put") else None,
                                                  token=self.tokens[role][0])
                    if allowed and role not in allowed:
                        self.assertEqual(answer.status, 403, (method, path, role))
                        if method != "head":
                            self.assertEqual(problem(answer), "EDENIED")
                        closed += 1
                    else:
                        self.assertNotIn(answer.status, (401, 403) if path != "/v1/join" else (403,),
                                         (method, path, role, answer.body))
                        opened += 1
                answer = self.service.request(method.upper(), path, token=None)
                self.assertEqual(answer.status == 401, bool(allowed), (method, path))
        print(f"\nroutes: {closed} refused, {opened} allowed")
        self.assertGreater(closed, 30)
        self.assertGreater(opened, 60)

    def test_a_refused_upload_is_not_read(self):
        data = os.urandom(1 << 20)
        answer = self.service.request("PUT", "/v1/blobs/" + sha256(data), data, token=self.tokens["read"][0])
        self.assertEqual(answer.status, 403)
        answer = self.service.request("HEAD", "/v1/blobs/" + sha256(data))
        self.assertEqual(answer.status, 404)

    def test_tokens_over_http(self):
        """The routes behind int8x admin, from plain requests."""
        for body in (b"", b"[]", b"{}", b'{"role":"king","name":"x"}', b'{"role":"read"}', b'{"role":"read","name":"a b"}',
                     b'{"role":"read","name":"x","life":"1w"}', b'{"role":"read","name":"x","life":5}',
                     b'{"role":"worker","name":"x"}', b'{"role":"read","name":"x","worker":"w1"}',
                     b'{"role":"read","name":"x","more":1}', b'{"role":"join","name":"x"}'):
            answer = self.service.request("POST", "/v1/tokens", body)
            self.assertEqual(answer.status, 400, (body, answer.body))
        made = self.service.request("POST", "/v1/tokens", b'{"role":"read","name":"by-hand","life":"1h"}')
        self.assertEqual((made.status, made.headers["Cache-Control"]), (201, "no-store"))
        token, row = made.json()["token"], made.json()
        self.service.secrets.append(token)
        self.assertRegex(token, "^i8x_r[0-9a-f]{64}$")
        rows = {r["id"]: r for r in self.service.request("GET", "/v1/tokens").json()["tokens"]}
        self.assertEqual(rows[row["id"]], {k: v for k, v in row.items() if k != "token"})
        self.assertEqual(rows[row["id"]]["state"], "good")
        self.assertEqual(self.service.request("DELETE", "/v1/tokens/" + row["id"]).json()["state"], "revoked")
        self.assertEqual(self.service.request("DELETE", "/v1/tokens/t000000000000").status, 404)

    def test_a_token_survives_a_restart_and_a_revocation_does(self):
        kept, _ = self.service.token("read")
        ended, identity = self.service.token("read")
        self.service.admin("token", "revoke", identity)
        self.service.daemon.kill(signal.SIGKILL)
        self.service.start()
        self.assertEqual(self.service.request("GET", "/v1/jobs", token=kept).status, 200)
        self.assertEqual(self.service.request("GET", "/v1/jobs", token=ended).status, 401)

    def test_a_flood_of_attempts_is_counted_and_hardly_logged(self):
        start = time.monotonic()
        for _ in range(200):
            self.service.request("GET", "/v1/jobs", token="guess")
        seconds = time.monotonic() - start
        self.assertEqual(self.service.refused("unknown_token"), 200)
        written = len(re.findall("event=access_refused", self.service.daemon.log()))
        print(f"\n200 attempts in {seconds:.1f} s, {written} lines")
        self.assertLessEqual(written, 20 + seconds + 1)
        until(lambda: self.service.request("GET", "/v1/jobs", token="guess") and
              re.search("unlogged=[1-9]", self.service.daemon.log()))

    def test_the_command_line_shows_its_token(self):
        good = self.service.secret_file("read")
        with open(good, "w") as file:
            file.write(self.tokens["read"][0] + "\n")
        self.assertIn('"jobs"', cli("--json", "get", "jobs", *self.service.remote(good)))
        none = cli("get", "jobs", "--server", self.service.url, "--ca-file", self.service.ca, check=False)
        self.assertEqual((none.returncode, "wants a token" in none.stderr), (11, True), none.stderr)
        self.assertIn("--token-file FILE", none.stderr)
        env = {"INT8X_SERVER": self.service.url, "INT8X_TOKEN_FILE": good, "INT8X_CA_FILE": self.service.ca}
        self.assertIn('"jobs"', cli("--json", "get", "jobs", env=env))
        plain = cli("get", "jobs", "--server", "http://10.1.2.3:1", "--token-file", good, check=False)
        self.assertEqual((plain.returncode, "https:// only" in plain.stderr), (2, True), plain.stderr)
        wrong = self.service.secret_file("no-token")
        with open(wrong, "w") as file:
            file.write(self.tokens["read"][0][:-1] + "\n")
        bad = cli("get", "jobs", *self.service.remote(wrong), check=False)
        self.assertEqual(bad.returncode, 3, bad.stderr)
        self.assertNotIn(self.tokens["read"][0][8:40], bad.stderr)


class Certificates(unittest.TestCase):
    """TLS of both doors."""

    @classmethod
    def setUpClass(cls):
        cls.service = Secured("--log-level", "debug")
        cls.worker = cls.service.add_invited()
        cls.foreign = tempfile.mkdtemp(prefix="i8xforeign")
        cli("admin", "init", "--data", cls.foreign)

    @classmethod
    def tearDownClass(cls):
        cls.service.close()
        shutil.rmtree(cls.foreign)

    def token_path(self):
        return os.path.join(self.service.data, "trust", "admin.token")

    def jobs(self, server, ca):
        return cli("get", "jobs", "--server", server, "--ca-file", ca, "--token-file", self.token_path(), check=False)

    def test_https_of_another_ca_or_under_another_name_is_refused_by_the_client(self):
        self.assertEqual(self.jobs(self.service.url, self.service.ca).returncode, 0)
        foreign = self.jobs(self.service.url, os.path.join(self.foreign, "trust", "ca.crt"))
        self.assertEqual(foreign.returncode, 9, foreign.stderr)
        self.assertRegex(foreign.stderr, "certificate is not good here: .*. --ca-file FILE names the CA")
        named = self.jobs(f"https://127.0.0.1.nip.invalid:{self.service.http}", self.service.ca)
        self.assertEqual(named.returncode, 9, named.stderr)
        context = ssl.create_default_context(cafile=self.service.ca)
        for name, good in (("127.0.0.1", True), ("localhost", True), ("other.example", False), ("127.0.0.2", False)):
            with socket.create_connection(("127.0.0.1", self.service.http)) as raw:
                try:
                    context.wrap_socket(raw, server_hostname=name).close()
                    self.assertTrue(good, name)
                except ssl.SSLCertVerificationError:
                    self.assertFalse(good, name)

    def test_old_tls_and_no_tls_are_refused_and_harm_nothing(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", self.service.http)) as raw:
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(raw)
        for junk in (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff", b"\0" * 4096, b""):
            with socket.create_connection(("127.0.0.1", self.service.http)) as raw:
                raw.sendall(junk)
        self.assertEqual(self.service.request("GET", "/healthz", token=None).status, 200)

    def handshake(self, cert=None, key=None, ca=None, version=ssl.TLSVersion.TLSv1_3):
        """What comes of a TLS connection to the link: "open", or why it ended."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = context.maximum_version = version
        context.load_verify_locations(ca or self.service.ca)
        context.check_hostname = False
        if cert:
            context.load_cert_chain(cert, key)
        with socket.create_connection(("127.0.0.1", self.service.link_port), timeout=20) as raw:
            try:
                with context.wrap_socket(raw) as link:
                    self.port = link.getsockname()[1]
                    greeting = link.recv(8)  # nng's, if the certificate was taken
                    return "open" if greeting == b"\0SP\0\0\x31\0\0" else f"closed {greeting}"
            except (ssl.SSLError, ConnectionError) as fault:
                return str(fault)

    def expect_handshake_refused(self, reason, **keywords):
        before = self.service.refused("link_handshake")
        offset = len(self.service.daemon.log())
        self.assertNotEqual(self.handshake(**keywords), "open")
        until(lambda: self.service.refused("link_handshake") > before)
        self.service.daemon.wait_log(
            f'event=access_refused .*reason=link_handshake address=127.0.0.1:\\d+ .*{reason}', after=offset)

    def test_the_link_wants_a_workers_certificate(self):
        own = os.path.join(self.worker.cache, "trust", "worker.pem")
        self.assertEqual(self.handshake(cert=own), "open")
        self.expect_handshake_refused("peer did not return a certificate")
        with Secured() as other:
            stranger = os.path.join(other.add_invited().cache, "trust", "worker.pem")
            self.expect_handshake_refused("issuer certificate|signature failure", cert=stranger)
        trust = os.path.join(self.service.data, "trust")
        self.expect_handshake_refused("unsuitable certificate purpose", cert=f"{trust}/server.crt",
                                      key=f"{trust}/server.key")
        self.expect_handshake_refused("unsupported protocol", cert=own, version=ssl.TLSVersion.TLSv1_2)
        for junk in (b"\0SP\0\0\x30\0\0", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05\x01"):
            with socket.create_connection(("127.0.0.1", self.service.link_port)) as raw:
                raw.sendall(junk)
        self.assertEqual(self.handshake(cert=own), "open")  # and the door still opens

    def test_an_expired_certificate_does_not_open_the_link(self):
        with Secured("--worker-life", "3s") as other:
            worker = other.add_invited()
            worker.child.send_signal(signal.SIGSTOP)  # it cannot renew
            pem = shutil.copy(os.path.join(worker.cache, "trust", "worker.pem"), other.folder)
            identity = worker.id
            until(lambda: identity not in other.worker_ids())  # its token has expired, too
            self.service, mine = other, self.service
            try:
                until(lambda: self.handshake(cert=pem) != "open")
                self.expect_handshake_refused("certificate has expired", cert=pem)
            finally:
                self.service = mine
            worker.child.send_signal(signal.SIGCONT)
            self.assertEqual(worker.child.wait(60), 11)
            self.assertIn("event=not_trusted", worker.log())

    def test_a_worker_refuses_a_coordinator_of_another_fleet(self):
        """The link's address leads elsewhere: nobody there has a certificate of our CA."""
        cache = os.path.join(self.service.folder, "astray")
        shutil.copytree(os.path.join(self.worker.cache, "trust"), os.path.join(cache, "trust"),
                        ignore=shutil.ignore_patterns("link"))
        with Secured() as other:
            worker = self.service.add_invited_soon(cache=cache,
                                                   options=["--join", f"tls+tcp://127.0.0.1:{other.link_port}"])
            worker.wait_log("event=link_refused .*address=127.0.0.1:%d reason=.*certificate" % other.link_port)
            self.assertNotIn("event=joined", worker.log())
            worker.kill(signal.SIGTERM)

    def test_an_expired_certificate_of_the_service_is_refused(self):
        with Secured(init=["--certificate-life", "2s"]) as other:
            def ends():
                done = cli("get", "jobs", *other.remote(os.path.join(other.data, "trust", "admin.token")), check=False)
                return done.returncode == 9 and re.search("(?i)certificate|SSL", done.stderr)
            until(ends)


class Joining(unittest.TestCase):
    """Invitations, and who a worker is."""

    @classmethod
    def setUpClass(cls):
        cls.service = Secured("--log-level", "debug")

    @classmethod
    def tearDownClass(cls):
        cls.service.close()

    def join_fails(self, invitation, reason, **keywords):
        before = self.service.refused(reason) if reason else 0
        worker = self.service.add_invited_soon(invitation=invitation, **keywords)
        self.assertEqual(worker.child.wait(60), 11, worker.log())
        if reason:
            self.assertEqual(self.service.refused(reason), before + 1)
            self.service.daemon.wait_log(f"event=access_refused .*reason={reason} address=127.0.0.1:\\d+ .*what=join")
        self.assertFalse(os.path.exists(os.path.join(worker.cache, "trust", "worker.pem")))
        return worker

    def test_an_invitation_is_good_once(self):
        invitation = self.service.invite("--name", "kitchen-pi")
        worker = self.service.add_invited(invitation=invitation)
        self.assertIn(worker.id, self.service.worker_ids())
        for name, mode in (("worker.pem", 0o600), ("token", 0o600), ("", 0o700)):
            path = os.path.join(worker.cache, "trust", name)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), mode, path)
        second = self.join_fails(invitation, "used_join")
        self.assertIn("has been used", second.log())
        worker.kill(signal.SIGTERM)  # the same worker starts again with what it has, invitation or not
        for words in ({"invitation": invitation}, {}):
            again = self.service.add_invited_soon(cache=worker.cache, **words)
            again.wait_log("event=joined ")
            again.kill(signal.SIGTERM)
        row = [r for r in self.service.request("GET", "/v1/tokens").json()["tokens"] if r.get("worker") == worker.id]
        self.assertEqual([(r["name"], r["role"], r["state"]) for r in row], [("kitchen-pi", "worker", "good")])

    def test_expired_unknown_and_malformed_invitations(self):
        invitation = self.service.invite("--ttl", "1s")
        time.sleep(1.1)  # its life
        self.join_fails(invitation, "expired_join")
        with open(self.service.invite()) as file:
            address, fingerprint, secret = file.read().strip().split(",")
        path = self.service.secret_file("forged")
        with open(path, "w") as file:
            file.write(",".join((address, fingerprint, "i8x_j" + "0" * 64)))
        self.join_fails(path, "unknown_join")
        with open(path, "w") as file:  # another token is no join token
            file.write(",".join((address, fingerprint, self.service.admin_token)))
        worker = self.service.add_invited_soon(invitation=path)
        self.assertNotEqual(worker.child.wait(60), 0)
        self.assertIn("no join token", worker.log())
        answer = self.service.request("POST", "/v1/join", b'{"secret":"%s","worker":"w1","request":"x"}'
                                      % self.service.admin_token.encode(), token=None)
        self.assertEqual((answer.status, problem(answer)), (401, "EAUTH"))
        for body in (b"", b"{}", b'{"secret":1,"worker":"w","request":"x"}', b'{"secret":"%s","worker":"W 1","request":"x"}'
                     % secret.encode(), b'{"secret":"%s","worker":"w1","request":"x"}' % secret.encode()):
            answer = self.service.request("POST", "/v1/join", body, token=None)
            self.assertEqual(answer.status, 400, (body, answer.body))
        with open(path, "w") as file:  # none of that has used it up
            file.write(",".join((address, fingerprint, secret)))
        self.service.add_invited(invitation=path).kill(signal.SIGTERM)

    def test_another_ca_than_the_invitations_gets_no_secret(self):
        with open(self.service.invite()) as file:
            address, fingerprint, secret = file.read().strip().split(",")
        path = self.service.secret_file("misled")
        with open(path, "w") as file:
            file.write(",".join((address, fingerprint[:-4] + ("0000" if fingerprint[-4:] != "0000" else "1111"), secret)))
        worker = self.join_fails(path, None)
        self.assertIn("shows another CA", worker.log())
        with open(path, "w") as file:
            file.write(",".join((address, fingerprint, secret)))
        self.service.add_invited(invitation=path).kill(signal.SIGTERM)

    def test_an_invitation_from_the_environment_is_gone_from_there(self):
        with open(self.service.invite()) as file:
            text = file.read().strip()
        worker = self.service.add_invited(invitation=None, env={"INT8X_JOIN_TOKEN": text})
        secret = text.split(",")[2].encode()
        found = 0
        for process in family(worker.child.pid):
            with open(f"/proc/{process}/environ", "rb") as file:
                environment = file.read()
            self.assertNotIn(secret, environment)
            found += b"INT8X_JOIN_TOKEN=" in environment
        self.assertGreater(found, 1)  # the agent and its zygote were looked at
        worker.kill(signal.SIGTERM)

    def test_a_worker_waits_for_its_coordinator(self):
        invitation = self.service.invite()
        self.service.daemon.kill(signal.SIGTERM)
        worker = self.service.add_invited_soon(invitation=invitation)
        worker.wait_log("event=coordinator_away")
        self.service.start()
        worker.wait_log("event=joined ")
        worker.kill(signal.SIGTERM)

    def denied(self, reason, cache):
        before = self.service.refused(reason)
        worker = self.service.add_invited_soon(cache=cache)
        self.assertEqual(worker.child.wait(60), 11, worker.log())
        self.assertIn("event=not_trusted", worker.log())
        self.assertEqual(self.service.refused(reason), before + 1)
        self.service.daemon.wait_log(f"event=access_refused .*reason={reason} address=127.0.0.1:\\d+ .*what=hello")

    def test_hello_wants_the_workers_own_token_and_certificate(self):
        one, two = (self.service.add_invited() for _ in range(2))
        for worker in (one, two):
            worker.kill(signal.SIGTERM)
        stolen = os.path.join(self.service.folder, "stolen")

        def steal(token=None, pem=None, text=None):
            shutil.rmtree(stolen, ignore_errors=True)
            shutil.copytree(one.cache, stolen, ignore=shutil.ignore_patterns("link"))
            if token:
                shutil.copy(os.path.join(token.cache, "trust", "token"), os.path.join(stolen, "trust"))
            if pem:
                shutil.copy(os.path.join(pem.cache, "trust", "worker.pem"), os.path.join(stolen, "trust"))
            if text:
                with open(os.path.join(stolen, "trust", "token"), "w") as file:
                    file.write(text)
            return stolen

        self.denied("wrong_worker", steal(token=two))
        self.denied("unknown_token", steal(text="i8x_w" + "0" * 64))
        self.denied("wrong_role", steal(text=self.service.admin_token))
        # a good token, and another worker's certificate
        before = self.service.refused("wrong_worker")
        worker = self.service.add_invited_soon(cache=steal(pem=two))
        self.assertEqual(worker.child.wait(60), 11, worker.log())
        self.assertEqual(self.service.refused("wrong_worker"), before + 1)
        # the id of a worker that is trusted cannot be taken by an invitation
        with open(os.path.join(one.cache, "id")) as file:
            identity = file.read()
        taken = os.path.join(self.service.folder, "taken")
        os.mkdir(taken)
        with open(os.path.join(taken, "id"), "w") as file:
            file.write(identity)
        worker = self.service.add_invited_soon(invitation=self.service.invite(), cache=taken)
        self.assertEqual(worker.child.wait(60), 8, worker.log())
        self.assertIn("is known already", worker.log())
        # and none of it has hurt the worker itself
        again = self.service.add_invited_soon(cache=one.cache)
        again.wait_log("event=joined ")
        again.kill(signal.SIGTERM)


def family(pid):
    """A process and all below it."""
    found = [pid]
    for parent in found:
        for path in glob.glob(f"/proc/{parent}/task/*/children"):
            with open(path) as file:
                found += [int(child) for child in file.read().split()]
    return found


class Fleet(unittest.TestCase):
    """Who was let in works as ever, until it is revoked."""

    @staticmethod
    def local_hash():
        with tempfile.TemporaryDirectory() as folder:
            for name, data in (("m.onnx", lenet()), ("c.npy", CALIB)):
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(data)
            cli("quantize", f"{folder}/m.onnx", "-o", f"{folder}/q.onnx", "--calib", f"{folder}/c.npy")
            with open(f"{folder}/q.onnx", "rb") as file:
                return sha256(file.read())

    def submit_by_command(self, service, role="submit"):
        token, _ = service.token(role)
        path = service.secret_file("submitter")
        with open(path, "w") as file:
            file.write(token)
        for name, data in (("m.onnx", lenet()), ("c.npy", CALIB)):
            with open(service.secret_file(name), "wb") as file:
                file.write(data)
        job = cli("submit", service.secret_file("m.onnx"), "--calib", service.secret_file("c.npy"), "--wait",
                  *service.remote(path)).strip()
        cli("fetch", job, "-o", service.secret_file("got"), *service.remote(path))
        with open(glob.glob(service.secret_file("got/*.onnx"))[0], "rb") as file:
            return job, sha256(file.read())

    def test_two_invited_workers_give_the_same_bytes_and_one_is_cut_off(self):
        with Secured("--log-level", "debug", workers=2) as service:
            job, got = self.submit_by_command(service)
            self.assertEqual(got, self.local_hash())
            report = service.request("GET", f"/v1/jobs/{job}/report").json()
            self.assertEqual(len([row for row in report["measured"]["workers"] if row["tasks"] > 0]), 2, report["measured"])
            gone, stays = service.workers
            start = time.monotonic()
            service.admin("worker", "revoke", gone.id)
            self.assertEqual(gone.child.wait(60), 11, gone.log())
            print(f"\nrevoked worker ended after {(time.monotonic() - start) * 1000:.0f} ms")
            self.assertEqual(service.worker_ids(), {stays.id})
            with open(os.path.join(gone.cache, "trust", "token")) as file:
                token = file.read().strip()
            self.assertEqual(service.request("GET", "/v1/blobs/" + "0" * 64, token=token).status, 401)
            again = service.add_invited_soon(cache=gone.cache)
            self.assertEqual(again.child.wait(60), 11, again.log())
            self.assertEqual(service.wait(service.submit(lenet(), CALIB, clip="minmax"))["state"], "done")
            self.assertEqual(service.admin("worker", "revoke", gone.id, check=False).returncode, 8)
            back = service.add_invited(invitation=service.invite(), cache=gone.cache)  # until it is invited again
            self.assertEqual(back.id, gone.id)
            named = service.add_invited(invitation=service.invite(), options=("--name", "kitchen"))
            self.assertEqual(service.admin("worker", "revoke", "kitchen"), f"{named.id} is revoked\n")
            self.assertEqual(named.child.wait(60), 11, named.log())
            self.nothing_secret_is_seen(service)

    def nothing_secret_is_seen(self, service):
        """Every secret of the test, in every log, command line and public answer."""
        service.read_secret("trust", "admin.token")
        for name in ("ca.key", "server.key"):
            with open(os.path.join(service.data, "trust", name)) as file:
                service.secrets.append(file.read().splitlines()[1])
        texts = {path: read(path) for path in glob.glob(service.folder + "/*.log")}
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                texts[path] = read(path)
            except OSError:
                pass  # it has ended
        job = service.request("GET", "/v1/jobs").json()["jobs"][-1]["id"]
        for path in ("/metrics", "/v1/tokens", "/v1/workers", f"/v1/jobs/{job}", f"/v1/jobs/{job}/report"):
            texts[path] = service.request("GET", path).body.decode()
        with open(os.path.join(service.data, "trust", "tokens")) as file:
            texts["tokens"] = file.read()
        self.assertGreater(len(service.secrets), 8)
        for secret in service.secrets:
            self.assertGreater(len(secret), 40)
            for where, text in texts.items():
                self.assertNotIn(secret, text, where)
                self.assertNotIn(secret[5:], text, where)
        for process in [service.daemon, *service.workers]:
            if process.child.poll() is not None:
                continue
            for pid in family(process.child.pid):
                with open(f"/proc/{pid}/limits") as file:
                    self.assertRegex(file.read(), r"Max core file size +0 +0 ")

    def test_local_workers_need_no_ceremony(self):
        with Secured("--local-workers", "2") as service:
            until(lambda: len(service.worker_ids()) == 2)
            self.assertEqual(self.submit_by_command(service)[1], self.local_hash())
            service.daemon.kill(signal.SIGKILL)  # its workers die with it, and new ones get a new token
            service.start()
            until(lambda: len(service.worker_ids()) == 2)
            self.assertEqual(service.wait(service.submit(lenet(), CALIB, clip="minmax"))["state"], "done")

    def test_invited_workers_survive_the_daemon(self):
        with Secured(workers=2) as service:
            job = service.submit(lenet(), CALIB)
            for _ in range(2):
                service.daemon.kill(signal.SIGKILL)
                service.start()
            self.assertEqual(service.wait(job)["artifact_sha256"], self.local_hash())
            until(lambda: len(service.worker_ids()) == 2)

    def test_certificates_are_renewed_before_they_end(self):
        with Secured("--worker-life", "6s") as service:
            worker = service.add_invited()
            first = read(worker.cache, "trust", "worker.pem")
            for _ in range(2):  # beyond the life of the first one
                worker.wait_log("event=certificate_renewed", after=len(worker.log()))
            self.assertIsNone(worker.child.poll())
            self.assertNotEqual(read(worker.cache, "trust", "worker.pem"), first)
            service.daemon.kill(signal.SIGKILL)  # the next connection shows the new one
            offset = len(worker.log())
            service.start()
            worker.wait_log("event=joined ", after=offset)
            self.assertEqual(service.wait(service.submit(lenet(), CALIB))["state"], "done")
            worker.wait_log("event=certificate_renewed", after=offset)

    def test_the_daemons_certificate_follows_its_names(self):
        with Secured() as service:
            worker = service.add_invited()
            service.daemon.kill(signal.SIGTERM)
            service.options += ["--advertise", "localhost"]
            offset = len(worker.log())
            service.start()
            match = worker.wait_log(r"event=joined .*http=(\S+)", after=offset)
            self.assertEqual(match.group(1), f"https://localhost:{service.http}")
            self.assertEqual(service.wait(service.submit(lenet(), CALIB))["state"], "done")


if __name__ == "__main__":
    unittest.main()
