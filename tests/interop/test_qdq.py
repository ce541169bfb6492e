#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The QDQ models of core/quant, judged by the onnx checker and by ONNX Runtime itself.

For every model and target: full check, loads without a warning, no float layer left among those reported as
quantized, one QuantizeLinear for each graph input and one DequantizeLinear for each output, biases of scale s_x * s_w, accuracy bars, the same result
with optimisations on and off, the same bytes again. Models of ../shared/data/models are judged on their test
split; without that folder only the committed models run, on seeded noise, and that is said aloud.

INT8X_QUANT_ONCE  path of the program quant_once (tests/support/quant_once.c)
INT8X_SHARED      folder with data/models and data/sets; default: shared beside the checkout
"""
import collections
import hashlib
import os
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.environ.get("INT8X_QUANT_ONCE", os.path.join(ROOT, "build", "bin", "quant_once"))
SHARED = os.environ.get("INT8X_SHARED", os.path.join(os.path.dirname(ROOT), "shared"))
FLOAT_LAYERS = ("Conv", "FusedConv", "Gemm", "FusedGemm", "ConvTranspose")
LEVELS = onnxruntime.GraphOptimizationLevel

# model: (set, least SQNR in dB, least agreement) with the default recipe; measured values lie 0.3 dB or more above
BARS = {
    "lenet_mnist": ("mnist5k", 38.0, 0.996),
    "mbv2_fashion": ("fashion", 35.0, 0.995),
    "mbv2_fashion_bn": ("fashion", 35.0, 0.995),
    "dwsep_fashion": ("fashion", 35.8, 0.992),
    "dwsep_fashion_imb": ("fashion", 34.8, 0.992),
    "har_cnn1d": ("uci_har6", 37.6, 0.992),
    "ecg_cnn1d": ("mitdb_id", 24.0, 0.995),
    "ecg5000_cnn1d": ("ecg5000_500", 33.0, 0.988),
    "har_transformer": ("uci_har6", 28.0, 0.985),
    "ecg_layernorm": ("mitdb_id", 26.5, 0.990),
}
WITH_FLOAT_PARTS = ("har_transformer", "ecg_layernorm")


def quantize(model, calib, out, *options):
    done = subprocess.run([TOOL, model, calib, out, *options], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stderr


def session(path, level=LEVELS.ORT_ENABLE_ALL, dump=None, severity=2):
    opts = onnxruntime.SessionOptions()
    opts.intra_op_num_threads = 1
    opts.log_severity_level = severity
    opts.graph_optimization_level = level
    if dump:
        opts.optimized_model_filepath = dump
    return onnxruntime.InferenceSession(path, opts, providers=["CPUExecutionProvider"])


def run(path, x, level=LEVELS.ORT_ENABLE_ALL):
    s = session(path, level)
    name = s.get_inputs()[0].name
    return np.concatenate([s.run(None, {name: x[i:i + 16]})[0] for i in range(0, len(x), 16)]).astype(np.float64)


def sqnr(reference, value):
    return 10 * np.log10((reference**2).sum() / max(((reference - value)**2).sum(), 1e-30))


def agreement(reference, value):
    return (reference.reshape(len(reference), -1).argmax(1) == value.reshape(len(value), -1).argmax(1)).mean()


def optimized_ops(path, folder):
    dump = os.path.join(folder, "optimized.onnx")
    session(path, LEVELS.ORT_ENABLE_EXTENDED, dump, severity=3)
    return collections.Counter(node.op_type for node in onnx.load(dump).graph.node)


def loads_silently(path):
    code = ("import onnxruntime as o, sys; s = o.SessionOptions(); s.log_severity_level = 2; "
            "o.InferenceSession(sys.argv[1], s, providers=['CPUExecutionProvider'])")
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=120)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    # a machine without a GPU device file makes the package speak of it whatever the model
    return done.returncode, [line for line in lines if "device_discovery" not in line]


class Qdq(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def samples(self, set_name, part):
        data = np.load(os.path.join(SHARED, "data", "sets", set_name + ".npz"))
        x, scale = data["x_" + part], data["scale"].astype(np.float32).reshape(-1)
        return x.astype(np.float32) * scale.reshape((1, -1) + (1,) * (x.ndim - 2))

    def check_structure(self, path, symmetric=False, bias=True):
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        self.assertGreaterEqual(max(o.version for o in model.opset_import if o.domain == ""), 13)
        constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        producer = {name: node for node in model.graph.node for name in node.output}
        for node in model.graph.node:
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                scale, zero = constants[node.input[1]], constants[node.input[2]]
                self.assertTrue((scale > 0).all() and np.isfinite(scale).all(), node.name)
                if symmetric or node.input[0] in constants:
                    self.assertFalse(zero.any(), node.name)
                codes = constants.get(node.input[0])
                if codes is not None and codes.dtype == np.int8:
                    self.assertGreaterEqual(int(codes.min()), -127)
                if codes is None:
                    self.assertEqual(scale.shape, ())
            if bias and node.op_type in ("Conv", "Gemm") and len(node.input) > 2:
                parts = [producer.get(name) for name in node.input[:3]]
                if all(p is not None and p.op_type == "DequantizeLinear" for p in parts):
                    x, w, b = (constants[p.input[1]] for p in parts)
                    self.assertTrue(np.allclose(b, x * w, rtol=1e-6, atol=0), node.name)
                    self.assertEqual(constants[parts[2].input[0]].dtype, np.int32)
        self.assertTrue(any(m.key.startswith("int8x.") for m in model.metadata_props))
        code, lines = loads_silently(path)
        self.assertEqual((code, lines), (0, []))
        return model

    def check_again(self, model, calib, path, *options):
        again = self.path("again.onnx")
        self.assertEqual(quantize(model, calib, again, "threads=3", *options)[0], 0)
        digests = []
        for p in (path, again):
            with open(p, "rb") as file:
                digests.append(hashlib.sha256(file.read()).hexdigest())
        self.assertEqual(*digests)

    def test_shared_models(self):
        if not os.path.isdir(os.path.join(SHARED, "data", "models")):
            print("SKIPPED test_shared_models: no", os.path.join(SHARED, "data", "models"))
            self.skipTest("no shared models")
        for name, (set_name, least, agrees) in BARS.items():
            with self.subTest(name):
                model, calib, out = os.path.join(SHARED, "data", "models", name + ".onnx"), self.path("c.npy"), self.path("q.onnx")
                np.save(calib, self.samples(set_name, "calib"))
                code, text = quantize(model, calib, out)
                self.assertEqual(code, 0, text)
                self.check_structure(out)
                x = self.samples(set_name, "test")
                reference, value = run(model, x), run(out, x)
                print(f"{name:18} {sqnr(reference, value):6.2f} dB, agreement {agreement(reference, value):.4f}")
                self.assertGreaterEqual(sqnr(reference, value), least)
                self.assertGreaterEqual(agreement(reference, value), agrees)
                plain = run(out, x[:256], LEVELS.ORT_DISABLE_ALL)
                self.assertLess(abs(sqnr(reference[:256], value[:256]) - sqnr(reference[:256], plain)), 0.3)
                ops = optimized_ops(out, self.folder.name)
                self.assertEqual([op for op in FLOAT_LAYERS if ops[op]], [])
                if name not in WITH_FLOAT_PARTS:
                    self.assertEqual(ops["QuantizeLinear"], 1)
                    self.assertEqual(ops["DequantizeLinear"], 1)
                self.check_again(model, calib, out)

    def test_committed_models(self):
        rng = np.random.default_rng(4)
        for name in ("lenet_mnist", "mbv2_fashion"):
            model, calib, out = os.path.join(ROOT, "tests", "data", name + ".onnx"), self.path("c.npy"), self.path("q.onnx")
            x = rng.random((96, 1, 28, 28), dtype=np.float32) * (rng.random((96, 1, 1, 1), dtype=np.float32) + 0.2)
            np.save(calib, x[:64])
            reference = run(model, x[64:])
            for target in ("ort-x86", "ort-arm", "tensorrt"):
                with self.subTest(name=name, target=target):
                    code, text = quantize(model, calib, out, "target=" + target)
                    self.assertEqual(code, 0, text)
                    self.check_structure(out, symmetric=target == "tensorrt", bias=target != "tensorrt")
                    self.assertGreater(sqnr(reference, run(out, x[64:])), 20)
                    self.assertLess(os.path.getsize(out), 0.6 * os.path.getsize(model))  # names weigh in nets this small
            for option in ("clip=auto", "clip=percentile", "clip=mse", "clip=kl", "rounding=nearest", "bias_correction=none",
                           "equalize=none", "weight_scale=mse"):
                with self.subTest(name=name, option=option):
                    code, text = quantize(model, calib, out, option)
                    self.assertEqual(code, 0, text)
                    onnx.checker.check_model(onnx.load(out), full_check=True)
                    self.assertGreater(sqnr(reference, run(out, x[64:])), 15)

    def test_a_layer_left_in_float_stays_exact(self):
        """DQ -> float Conv -> Q is quantized per tensor by ONNX Runtime; the guard must keep it from that."""
        model, calib, out = os.path.join(ROOT, "tests", "data", "mbv2_fashion.onnx"), self.path("c.npy"), self.path("q.onnx")
        x = np.random.default_rng(5).random((96, 1, 28, 28), dtype=np.float32)
        np.save(calib, x[:64])
        names = [n.name for n in onnx.load(model).graph.node if n.op_type == "Conv"]
        reference = run(model, x[64:])
        for name in (names[1], names[4]):
            code, text = quantize(model, calib, out, "exclude=" + name.replace(",", "?"))
            self.assertEqual(code, 0, text)
            with_all, without = run(out, x[64:]), run(out, x[64:], LEVELS.ORT_DISABLE_ALL)
            self.assertLess(abs(sqnr(reference, with_all) - sqnr(reference, without)), 0.3)
            ops = optimized_ops(out, self.folder.name)
            self.assertEqual(sum(ops[op] for op in FLOAT_LAYERS), 1)

    def test_what_quantizes_nothing_is_refused(self):
        model, calib, out = os.path.join(ROOT, "tests", "data", "lenet_mnist.onnx"), self.path("c.npy"), self.path("q.onnx")
        np.save(calib, np.zeros((4, 1, 28, 28), np.float32) + 0.5)
        code, text = quantize(model, calib, out, "exclude=*")
        self.assertNotEqual(code, 0)
        self.assertIn("nothing would be quantized", text)
        code, text = quantize(model, calib, out, "exclude=no-such-node")
        self.assertNotEqual(code, 0)
        self.assertIn("no-such-node", text)


if __name__ == "__main__":
    unittest.main()
