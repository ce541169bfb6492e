# SPDX-License-Identifier: Apache-2.0
"""The API against what it says of itself: /openapi.json is valid OpenAPI 3.1, docs/http-api.md has every operation of
it, schemathesis finds neither a 5xx nor an answer that is not in it, and the JSON Schemas accept what the service
accepts. Packages: requirements.txt. Programs: INT8X_BIN."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
import jsonschema  # noqa: E402
import onnx_bytes  # noqa: E402
import openapi_spec_validator  # noqa: E402
from service import Service, samples  # noqa: E402
from test_http import Events, post  # noqa: E402

CALIB = samples((8, 3, 8, 8), 1)
EXAMPLES = os.environ.get("INT8X_OPENAPI_EXAMPLES", "15")  # requests for each way to break an operation


class Openapi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service(workers=1)
        service = cls.service
        cls.done = service.submit(onnx_bytes.conv(), CALIB)
        service.wait(cls.done)
        cls.document = service.request("GET", "/openapi.json").json()

    @classmethod
    def tearDownClass(cls):
        cls.service.close()

    def schema(self, name):
        """A schema of the document that stands alone."""
        text = json.dumps({"$ref": f"#/$defs/{name}", "$defs": self.document["components"]["schemas"]})
        return json.loads(text.replace("#/components/schemas/", "#/$defs/"))

    def check(self, value, schema):
        jsonschema.Draft202012Validator(schema).validate(value)

    def test_the_document_is_valid(self):
        openapi_spec_validator.validate(self.document)

    def test_the_docs_have_every_operation(self):
        with open(os.path.join(ROOT, "docs", "http-api.md")) as file:
            told = set(re.findall(r"^\| `(GET|PUT|POST|DELETE|HEAD) ([^ `?]+)", file.read(), re.M))
        made = {(method.upper(), path) for path, operations in self.document["paths"].items() for method in operations}
        self.assertEqual(made - told, set(), "not in docs/http-api.md")
        self.assertEqual(told - made, set(), "in docs/http-api.md, but not in the document")

    def test_schemathesis(self):
        """Requests made from the document, right and wrong ones, against the running daemon. Without tokens there is
        no right to miss, so what the document says of security is left out."""
        service = self.service
        idle = Service()  # a job that can be paused, canceled and retried: nobody works on it
        try:
            job = idle.submit(onnx_bytes.conv(), CALIB)
            sweep = post(idle, "/v1/sweeps", json.dumps({
                "job": {"name": "m", **{part: idle.put(data) for part, data in (("model", onnx_bytes.conv()), ("calib", CALIB), ("eval", CALIB))}},
                "sweep": {"space": {"clip": ["minmax", "mse"]}}})).json()["id"]
            self.run_schemathesis(idle, job, sweep, job, {"wait"})  # whose long polls would last
            spare = service.submit(onnx_bytes.conv(), CALIB)  # to be forgotten
            service.wait(spare)
            self.run_schemathesis(service, self.done, "s0123456789abcdef", spare)
            self.assertEqual(service.request("GET", f"/v1/jobs/{spare}").status, 404)
        finally:
            idle.close()

    def run_schemathesis(self, service, job, sweep, forgotten, without=()):
        document = json.loads(json.dumps(self.document))
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["security"] = []
                operation["parameters"] = [row for row in operation["parameters"] if row["$ref"].split("/")[-1] not in without]
        blob = service.put(onnx_bytes.conv())["sha256"]
        worker = service.workers[0].id if service.workers else "nobody"
        with tempfile.TemporaryDirectory() as folder:
            with open(f"{folder}/openapi.json", "w") as file:
                json.dump(document, file)
            with open(f"{folder}/schemathesis.toml", "w") as file:
                for pattern, name, value in (("^/v1/jobs/(?!.*/forget)", "id", job), ("^/v1/jobs/.*/forget", "id", forgotten),
                                             ("^/v1/sweeps/", "id", sweep), ("^/v1/workers/", "id", worker),
                                             ("^/v1/blobs/", "sha256", blob)):
                    file.write(f'[[operations]]\ninclude-path-regex = "{pattern}"\nparameters = {{ "path.{name}" = "{value}" }}\n\n')
            run = subprocess.run(
                [sys.executable, "-m", "schemathesis.cli", "--config-file", f"{folder}/schemathesis.toml", "run",
                 f"{folder}/openapi.json", "--url", f"http://127.0.0.1:{service.http}", "--max-examples", EXAMPLES,
                 "--phases", "examples,coverage,fuzzing", "--header", "Accept: application/json",  # no streams without an end
                 "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,"
                 "response_schema_conformance,response_headers_conformance,unsupported_method,negative_data_rejection",
                 "--request-timeout", "20", "--no-color", "--seed", "1", "--continue-on-failure"],
                capture_output=True, text=True, cwd=folder, timeout=800)
        self.assertEqual(run.returncode, 0, run.stdout[-20000:] + run.stderr[-2000:])
        print(re.search(r"Test cases:\n(.*)", run.stdout).group(1).strip(), flush=True)
        self.assertIsNone(service.daemon.child.poll())

    def test_events_of_a_stream_are_as_the_document_says(self):
        schema = self.schema("Event")
        with Events(self.service, f"/v1/jobs/{self.done}/events") as events:
            rows = events.all()
        self.assertGreater(len(rows), 3)
        for _, _, data in rows:
            self.check(data, schema)

    def test_schemas_of_what_clients_write(self):
        service = self.service
        recipe = service.request("GET", "/v1/schema/recipe.json").json()
        job = service.request("GET", "/v1/schema/job.json").json()
        for schema in (recipe, job):
            jsonschema.Draft202012Validator.check_schema(schema)
        full = service.job(self.done)["job"]["recipe"]
        self.check(full, recipe)
        self.assertEqual(set(recipe["properties"]), set(full), "every field, and no other")
        self.assertEqual({name: field["default"] for name, field in recipe["properties"].items()}, full)
        body = {"name": "m.onnx", "model": service.put(onnx_bytes.conv()), "calib": service.put(CALIB), "priority": 3, "recipe": full}
        self.check(body, job)
        self.assertEqual(post(service, "/v1/jobs", json.dumps(body)).status, 202)
        # what the schema refuses, the service refuses
        for wrong in ({"recipe": {"clipp": "mse"}}, {"recipe": {"clip": "most"}}, {"recipe": {"batch": 0}}, {"recipe": {"batch": 1.5}},
                      {"recipe": {"percentile": 101}}, {"recipe": {"exclude": "x" * 4097}}, {"model": None}, {"priority": 11},
                      {"priority": "3"}, {"name": "x" * 128}, {"calib": {"sha256": "00", "size_bytes": 1}}, {"more": 1}):
            bad = {**body, **wrong}
            with self.assertRaises(jsonschema.ValidationError, msg=wrong):
                self.check(bad, job)
            self.assertIn(post(service, "/v1/jobs", json.dumps(bad)).status, (400, 422), wrong)


if __name__ == "__main__":
    unittest.main(verbosity=2)
