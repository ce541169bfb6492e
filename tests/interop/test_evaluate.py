#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""int8x quantize and evaluate against ONNX Runtime: the model passes onnx.checker, loads without a
warning, scores the same with the optimisations on and off, and our SQNR and agreement are ONNX Runtime's.

INT8X_CLI  path of int8x"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
import samples  # noqa: E402

INT8X = os.environ.get("INT8X_CLI", os.path.join(ROOT, "build", "release", "bin", "int8x"))
MODELS = ("lenet_mnist", "mbv2_fashion")
COUNT = 128
SQNR_TOLERANCE_DB = 0.1
OPTIMISED_TOLERANCE_DB = 0.3


def run_int8x(*arguments):
    done = subprocess.run([INT8X, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if "--json" in arguments else done.stdout


def run_onnx(path, x, optimised):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 2
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def sqnr(reference, quantized):
    return 10 * np.log10((reference ** 2).sum() / ((reference - quantized) ** 2).sum())


class Evaluate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="int8x-interop-")
        cls.x = np.array(samples.images(11, COUNT), np.float32).reshape(COUNT, 1, 28, 28)
        cls.calib = os.path.join(cls.folder.name, "calib.npy")
        np.save(cls.calib, np.array(samples.images(12, COUNT), np.float32).reshape(COUNT, 1, 28, 28))
        cls.eval = os.path.join(cls.folder.name, "eval.npy")
        np.save(cls.eval, cls.x)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def quantize(self, name, *more):
        out = os.path.join(self.folder.name, name + ".onnx")
        model = os.path.join(ROOT, "tests", "data", name + ".onnx")
        report = run_int8x("quantize", model, "-o", out, "--calib", self.calib, "--eval", self.eval, "--json", *more)
        return model, out, report

    def compare(self, name, *more):
        model, out, report = self.quantize(name, *more)
        onnx.checker.check_model(out, full_check=True)
        reference = run_onnx(model, self.x, True)
        plain, optimised = (run_onnx(out, self.x, on) for on in (False, True))
        ours = report["result"]["outputs"][0]
        self.assertAlmostEqual(ours["sqnr_db"], sqnr(reference, plain), delta=SQNR_TOLERANCE_DB)
        self.assertAlmostEqual(sqnr(reference, plain), sqnr(reference, optimised), delta=OPTIMISED_TOLERANCE_DB)
        agreement = (reference.argmax(1) == plain.argmax(1)).mean()
        self.assertLessEqual(abs(agreement - ours["agreement"]), 1.5 / COUNT)
        again = run_int8x("evaluate", out, model, "--eval", self.eval, "--json")
        self.assertAlmostEqual(again["outputs"][0]["sqnr_db"], ours["sqnr_db"], places=6)

    def test_default_recipe(self):
        for name in MODELS:
            with self.subTest(model=name):
                self.compare(name)

    def test_every_clip_method(self):
        for clip in ("auto", "minmax", "percentile", "mse", "kl"):
            with self.subTest(clip=clip):
                self.compare("mbv2_fashion", "--set", "clip=" + clip)

    def test_arm_target(self):
        self.compare("lenet_mnist", "--target", "ort-arm")

    def test_excluded_layers(self):
        for glob in ("/f/f.0/*", "/f/f.5/*", "/fc/*"):
            with self.subTest(exclude=glob):
                self.compare("mbv2_fashion", "--exclude", glob)

    def test_metadata_carries_recipe_and_digests(self):
        _, out, report = self.quantize("lenet_mnist")
        metadata = {entry.key: entry.value for entry in onnx.load(out).metadata_props}
        self.assertEqual(metadata["int8x.model_sha256"], report["result"]["model_sha256"])
        self.assertEqual(metadata["int8x.calib_sha256"], report["result"]["calib_sha256"])
        self.assertIn("clip=" + report["result"]["recipe"]["clip"], metadata["int8x.recipe"])


if __name__ == "__main__":
    unittest.main()
