#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The executor against ONNX Runtime: whole models, quantized models, and single operators over their attributes.

Bars: FP32 outputs differ by at most 1e-4 of the largest output; what comes behind a QuantizeLinear differs by at
most one code on 0.1 % of the elements. Every model also runs with several threads, with an observer (no
fusions) and on the scalar level: those must give the same bytes.

INT8X_RUN     path of the program onnx_run (tests/support/onnx_run.c)
INT8X_SHARED  folder with data/models and bench/ptq/models; default: shared beside the checkout
INT8X_MODELS  more models or folders of models, separated by colons
"""
import glob
import os
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.environ.get("INT8X_RUN", os.path.join(ROOT, "build", "bin", "onnx_run"))
SHARED = os.environ.get("INT8X_SHARED", os.path.join(os.path.dirname(ROOT), "shared"))
DTYPES = {"f32": np.float32, "s64": np.int64, "s32": np.int32, "u8": np.uint8, "s8": np.int8, "bool": np.bool_,
          "f64": np.float64, "f16": np.float16, "u16": np.uint16, "s16": np.int16}


def run_ours(model_path, inputs, folder, *options):
    """Outputs of onnx_run, or the line of its failure."""
    paths = []
    for i, x in enumerate(inputs):
        paths.append(os.path.join(folder, f"in{i}.bin"))
        np.ascontiguousarray(x).tofile(paths[-1])
    prefix = os.path.join(folder, "out")
    done = subprocess.run([TOOL, *options, model_path, prefix, *paths], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        return (done.stdout.strip() + done.stderr.strip()) or f"exit {done.returncode}"
    outputs = []
    for line in done.stdout.splitlines():
        if not line.startswith("OUT"):
            continue
        _, index, dtype, shape = line.split()
        dims = [int(d) for d in shape[1:-1].split(",") if d]
        outputs.append(np.fromfile(f"{prefix}.{index}.bin", dtype=DTYPES[dtype]).reshape(dims))
    return outputs


def run_ort(model, inputs, optimised=False):
    opts = onnxruntime.SessionOptions()
    opts.log_severity_level = 4
    opts.intra_op_num_threads = 1
    if not optimised:
        opts.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, opts, providers=["CPUExecutionProvider"])
    return session.run(None, {i.name: x for i, x in zip(session.get_inputs(), inputs)})


def relative_error(ours, theirs):
    if ours.shape != theirs.shape:
        return np.inf
    if theirs.size == 0:
        return 0.0
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    same = (np.isnan(a) & np.isnan(b)) | (a == b)
    scale = max(float(np.max(np.abs(b[np.isfinite(b)]), initial=0.0)), 1e-6)
    return float(np.max(np.where(same, 0.0, np.abs(np.where(same, 0, a) - np.where(same, 0, b))))) / scale


def model_inputs(model, batch, rng):
    initializers = {t.name for t in model.graph.initializer}
    inputs = []
    for value in model.graph.input:
        if value.name in initializers:
            continue
        dims = [d.dim_value if d.dim_value > 0 else batch for d in value.type.tensor_type.shape.dim]
        inputs.append(rng.standard_normal(dims).astype(np.float32))
    return inputs


def models():
    folders = [os.path.join(SHARED, "data", "models"), os.path.join(SHARED, "bench", "ptq", "models")]
    found = []
    for item in folders + [p for p in os.environ.get("INT8X_MODELS", "").split(":") if p]:
        found += [item] if item.endswith(".onnx") else sorted(glob.glob(os.path.join(item, "*.onnx")))
    return found


class WholeModels(unittest.TestCase):
    def check(self, path):
        model = onnx.load(path)
        quantized = any(n.op_type == "DequantizeLinear" for n in model.graph.node)
        inputs = model_inputs(model, 3, np.random.default_rng(5))
        batch = str(inputs[0].shape[0])
        theirs = run_ort(path, inputs, optimised=quantized)
        with tempfile.TemporaryDirectory() as folder:
            ours = run_ours(path, inputs, folder, "--batch", batch)
            self.assertIsInstance(ours, list, ours)
            for a, b in zip(ours, theirs):
                error = relative_error(a, b)
                print(f"  {os.path.basename(path):32s} max difference / max output {error:.2e}", flush=True)
                self.assertLessEqual(error, 0.05 if quantized else 1e-4)
                if quantized:
                    equal = np.mean(np.argmax(a.reshape(a.shape[0], -1), 1) == np.argmax(b.reshape(b.shape[0], -1), 1))
                    self.assertGreaterEqual(equal, 0.66)
            for options in (["--threads", "3"], ["--observe"], ["--level", "scalar"]):
                again = run_ours(path, inputs, folder, "--batch", batch, *options)
                self.assertIsInstance(again, list, again)
                for a, b in zip(ours, again):
                    if quantized and "--observe" in options:
                        self.assertLessEqual(relative_error(b, a), 0.05)
                    else:
                        self.assertEqual(a.tobytes(), b.tobytes(), (path, options))
            if not quantized:
                folded = run_ours(path, inputs, folder, "--batch", batch, "--fold")
                self.assertIsInstance(folded, list, folded)
                for a, b in zip(ours, folded):
                    self.assertLessEqual(relative_error(b, a), 1e-5, path)
            alone = [run_ours(path, [x[i:i + 1] for x in inputs], folder, "--batch", "1")[0]
                     for i in range(inputs[0].shape[0])]
            self.assertEqual(np.concatenate(alone).tobytes(), ours[0].tobytes(), path)

    def test_models_give_the_outputs_of_onnx_runtime(self):
        found = models()
        if not found:
            self.skipTest("no models")
        for path in found:
            with self.subTest(model=os.path.basename(path)):
                self.check(path)

    def test_folded_batch_norms_give_the_model_without_them(self):
        plain, with_norms = (os.path.join(SHARED, "data", "models", name + ".onnx") for name in ("mbv2_fashion", "mbv2_fashion_bn"))
        if not os.path.exists(with_norms):
            self.skipTest(f"{with_norms} is not there (INT8X_SHARED)")
        inputs = model_inputs(onnx.load(plain), 3, np.random.default_rng(6))
        with tempfile.TemporaryDirectory() as folder:
            wanted = run_ours(plain, inputs, folder, "--batch", "3")
            folded = run_ours(with_norms, inputs, folder, "--batch", "3", "--fold")
        error = relative_error(folded[0], wanted[0])
        print(f"  mbv2_fashion_bn folded against mbv2_fashion: {error:.2e}", flush=True)
        self.assertLessEqual(error, 1e-5)


class SingleOperators(unittest.TestCase):
    """Models of one node, made for an opset and compared; `cases` collects them, one run per case."""

    def setUp(self):
        self.rng = np.random.default_rng(11)
        self.failures_seen = []
        self.count = 0
        self.folder = tempfile.TemporaryDirectory()

    def tearDown(self):
        self.folder.cleanup()
        self.assertEqual(self.failures_seen, [], f"{len(self.failures_seen)} of {self.count} cases failed")
        self.assertGreater(self.count, 0)

    def f32(self, *shape):
        return self.rng.standard_normal(shape).astype(np.float32)

    def case(self, op, inputs, opset=17, constants=None, outputs=1, refuse=False, tolerance=1e-5, **attrs):
        """inputs: arrays fed; constants: {position: array or None (left out)}."""
        self.count += 1
        constants = constants or {}
        names, fed, initializers, feed = [], [], [], list(inputs)
        for position in range(len(feed) + len(constants)):
            name = f"in{position}"
            if position in constants:
                value = constants[position]
                names.append("" if value is None else name)
                if value is not None:
                    initializers.append(numpy_helper.from_array(np.asarray(value), name))
                continue
            value = feed[len(fed)]
            names.append(name)
            fed.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape))
        outs = [f"out{i}" for i in range(outputs)]
        node = helper.make_node(op, names, outs, name="the_node", **attrs)
        graph = helper.make_graph([node], "g", fed, [helper.make_empty_tensor_value_info(o) for o in outs], initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        path = os.path.join(self.folder.name, "m.onnx")
        what = f"{op}-{opset} {attrs} {[x.shape for x in inputs]} {constants if op != 'Conv' else ''}"
        try:
            theirs = run_ort(model.SerializeToString(), inputs)
        except Exception as error:  # not what this test is about
            if not refuse:
                self.failures_seen.append(f"{what}: ONNX Runtime: {str(error)[:200]}")
                return
            theirs = None
        onnx.save(model, path)
        ours = run_ours(path, inputs, self.folder.name, "--batch", "1")
        if refuse:
            if not isinstance(ours, str) or "EUNSUPPORTED" not in ours or "the_node" not in ours:
                self.failures_seen.append(f"{what}: not refused as it should be: {ours}")
            return
        if isinstance(ours, str):
            self.failures_seen.append(f"{what}: {ours}")
            return
        for a, b in zip(ours, theirs):
            b = np.asarray(b)
            error = relative_error(a, b) if a.dtype == b.dtype else np.inf
            if error > tolerance:
                self.failures_seen.append(f"{what}: error {error} {a.shape} {a.dtype} {b.shape} {b.dtype}")

    def test_conv(self):
        for opset in (11, 13, 17, 21):
            self.case("Conv", [self.f32(2, 3, 9, 8), self.f32(4, 3, 3, 3), self.f32(4)], opset, pads=[1, 1, 1, 1])
        for group, ic, oc in ((1, 3, 5), (2, 4, 6), (4, 4, 4), (6, 6, 12), (3, 48, 48)):
            for kernel, stride, dilation in (((3, 3), (1, 1), (1, 1)), ((5, 3), (2, 1), (1, 1)), ((3, 3), (2, 2), (2, 1)),
                                             ((1, 1), (1, 1), (1, 1)), ((1, 1), (2, 2), (1, 1)), ((2, 4), (3, 2), (1, 2))):
                x, w = self.f32(2, ic, 13, 11), self.f32(oc, ic // group, *kernel)
                common = dict(group=group, strides=stride, dilations=dilation)
                self.case("Conv", [x, w], **common)
                self.case("Conv", [x, w, self.f32(oc)], pads=[1, 0, 2, 1], **common)
                if dilation == (1, 1):
                    self.case("Conv", [x, w], auto_pad="SAME_UPPER", **common)
                    self.case("Conv", [x, w], auto_pad="SAME_LOWER", **common)
                    self.case("Conv", [x, w], auto_pad="VALID", **common)
        for group, ic, oc in ((1, 3, 7), (5, 5, 5), (2, 8, 64)):
            x, w = self.f32(3, ic, 40), self.f32(oc, ic // group, 5)
            self.case("Conv", [x, w, self.f32(oc)], group=group, pads=[2, 2], strides=[2])
            self.case("Conv", [x, w], group=group, pads=[4, 1], dilations=[2])
            self.case("Conv", [x, w], group=group, auto_pad="SAME_LOWER", strides=[3])
        self.case("Conv", [self.f32(1, 130, 17, 19), self.f32(35, 130, 3, 3)], pads=[1, 1, 1, 1])
        self.case("Conv", [self.f32(5, 100, 7, 7), self.f32(70, 100, 1, 1), self.f32(70)])
        self.case("Conv", [self.f32(1, 2, 4, 4, 4), self.f32(3, 2, 2, 2, 2)], refuse=True)

    def test_conv_transpose(self):
        for group in (1, 2):
            for stride, pads, extra in (((1, 1), [0, 0, 0, 0], (0, 0)), ((2, 2), [1, 1, 1, 1], (1, 1)),
                                        ((3, 2), [0, 1, 1, 0], (2, 0))):
                x, w = self.f32(2, 4, 5, 6), self.f32(4, 3, 3, 4)
                self.case("ConvTranspose", [x, w, self.f32(3 * group)], group=group, strides=stride, pads=pads,
                          output_padding=extra)
        self.case("ConvTranspose", [self.f32(1, 3, 9), self.f32(3, 2, 4)], strides=[2])
        self.case("ConvTranspose", [self.f32(1, 3, 5, 5), self.f32(3, 2, 3, 3)], strides=[2, 2], auto_pad="SAME_UPPER")
        self.case("ConvTranspose", [self.f32(1, 3, 5, 5), self.f32(3, 2, 3, 3)], strides=[2, 2], output_shape=[10, 10])
        self.case("ConvTranspose", [self.f32(1, 3, 5, 5), self.f32(3, 2, 3, 3)], dilations=[2, 1])

    def test_gemm_and_matmul(self):
        for opset in (11, 13, 21):
            for ta in (0, 1):
                for tb in (0, 1):
                    a = self.f32(*((7, 33) if not ta else (33, 7)))
                    b = self.f32(*((33, 40) if not tb else (40, 33)))
                    self.case("Gemm", [a, b], opset, transA=ta, transB=tb)
                    for c in ((40,), (1, 40), (7, 1), (7, 40), (1,), ()):
                        self.case("Gemm", [a, b, self.f32(*c)], opset, transA=ta, transB=tb)
                        self.case("Gemm", [a, b, self.f32(*c)], opset, transA=ta, transB=tb, alpha=0.5, beta=2.0)
        for a, b in (((4, 5), (5, 6)), ((5,), (5, 6)), ((4, 5), (5,)), ((5,), (5,)), ((2, 4, 5), (5, 6)),
                     ((2, 4, 5), (2, 5, 6)), ((2, 3, 4, 5), (3, 5, 6)), ((1, 4, 5), (7, 5, 6)), ((3, 1, 4, 5), (2, 5, 6)),
                     ((4, 5), (3, 5, 6)), ((2, 3, 70, 300), (2, 3, 300, 45)), ((5,), (2, 5, 6))):
            self.case("MatMul", [self.f32(*a), self.f32(*b)], 13)
            self.case("MatMul", [self.f32(*a)], 13, {1: self.f32(*b)})

    def test_elementwise(self):
        pairs = (((2, 3, 4), (2, 3, 4)), ((2, 3, 4), (4,)), ((2, 3, 4, 5), (3, 1, 1)), ((1,), (2, 3)), ((), (2, 3)),
                 ((2, 1, 4), (1, 3, 1)), ((3, 1), (1, 5)), ((2, 0, 3), (1, 1, 3)))
        for op in ("Add", "Sub", "Mul", "Div", "Equal", "Less", "Greater"):
            for a, b in pairs:
                self.case(op, [self.f32(*a), self.f32(*b)], 13)
                ints = [self.rng.integers(1, 9, s).astype(np.int64) for s in (a, b)]
                self.case(op, ints, 13)
        for op in ("Max", "Min", "Sum"):
            self.case(op, [self.f32(2, 3), self.f32(3), self.f32(2, 1)], 13)
            self.case(op, [self.f32(2, 3)], 13)
        for op in ("Relu", "Sigmoid", "Tanh", "Erf", "Exp", "Neg", "Abs", "Reciprocal", "HardSwish", "LeakyRelu",
                   "HardSigmoid", "Floor", "Ceil", "Round"):
            for opset in (14, 17, 21):
                self.case(op, [4 * self.f32(3, 700)], opset, tolerance=2e-6)
        self.case("LeakyRelu", [self.f32(50)], alpha=0.3)
        self.case("HardSigmoid", [self.f32(50)], alpha=0.3, beta=0.4)
        self.case("Gelu", [3 * self.f32(50)], 20)
        self.case("Gelu", [3 * self.f32(50)], 20, approximate="tanh")
        for op in ("Sqrt", "Log"):
            self.case(op, [np.abs(self.f32(300)) + 1e-3])
        for p in (2.0, 0.5, 3.0, -1.0, 1.7):
            self.case("Pow", [np.abs(self.f32(60)) + 0.1], 13, {1: np.float32(p)})
        self.case("Clip", [self.f32(40)], 11)
        self.case("Clip", [self.f32(40)], 13, {1: np.float32(-0.5), 2: np.float32(0.25)})
        self.case("Clip", [self.f32(40)], 13, {1: None, 2: np.float32(0.25)})
        self.case("Clip", [self.f32(40)], 13, {1: np.float32(0.5), 2: np.float32(0.25)})
        cond = self.rng.integers(0, 2, (2, 3, 1)).astype(bool)
        self.case("Where", [cond, self.f32(3, 4), self.f32(2, 1, 1)])
        self.case("Not", [cond])
        for op in ("And", "Or"):
            self.case(op, [cond, self.rng.integers(0, 2, (4,)).astype(bool)])
        for to in (TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL, TensorProto.DOUBLE,
                   TensorProto.FLOAT16):
            self.case("Cast", [5 * self.f32(30)], to=to)
            self.case("Cast", [self.rng.integers(-5, 9, 20)], to=to)
        x = self.f32(2, 5, 3, 4)
        self.case("BatchNormalization", [x, self.f32(5), self.f32(5), self.f32(5), np.abs(self.f32(5)) + 0.1], 15)
        self.case("BatchNormalization", [x, self.f32(5), self.f32(5), self.f32(5), np.abs(self.f32(5)) + 0.1], 11,
                  epsilon=1e-3)

    def test_pools(self):
        for opset in (11, 13, 19):
            for kernel, stride, pads in (((2, 2), (2, 2), [0, 0, 0, 0]), ((3, 3), (2, 2), [1, 1, 1, 1]),
                                         ((3, 2), (1, 3), [1, 0, 0, 1]), ((5, 5), (1, 1), [2, 2, 2, 2])):
                x = self.f32(2, 3, 11, 13)
                for ceil_mode in (0, 1):
                    self.case("MaxPool", [x], opset, kernel_shape=kernel, strides=stride, pads=pads, ceil_mode=ceil_mode)
                    for count in (0, 1):
                        if not (ceil_mode and count):
                            self.case("AveragePool", [x], opset, kernel_shape=kernel, strides=stride, pads=pads,
                                      ceil_mode=ceil_mode, count_include_pad=count)
            self.case("MaxPool", [self.f32(1, 2, 12, 12)], opset, kernel_shape=[3, 3], dilations=[2, 3])
            self.case("MaxPool", [self.f32(2, 2, 17)], opset, kernel_shape=[3], strides=[2], auto_pad="SAME_UPPER")
            self.case("AveragePool", [self.f32(2, 2, 17)], opset, kernel_shape=[4], strides=[2], pads=[1, 1])
            for op in ("GlobalAveragePool", "GlobalMaxPool"):
                self.case(op, [self.f32(2, 5, 7, 7)], opset)
                self.case(op, [self.f32(2, 5, 9)], opset)
        self.case("MaxPool", [self.f32(1, 1, 4, 4)], outputs=2, kernel_shape=[2, 2], refuse=True)

    def test_reductions(self):
        x = self.f32(2, 3, 4, 5)
        for op in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceProd"):
            for axes in ([1], [2, 3], [0, 2], [-1], [1, 3], [0, 1, 2, 3]):
                for keep in (0, 1):
                    old = 11 if op == "ReduceSum" else 13
                    self.case(op, [x], old, axes=axes, keepdims=keep)
                    self.case(op, [x], 18, {1: np.array(axes, np.int64)}, keepdims=keep)
            self.case(op, [x], 13)
            self.case(op, [x], 18, noop_with_empty_axes=1)
        self.case("ReduceMean", [self.f32(3, 1000)], 13, axes=[1])
        for opset in (11, 13):
            for axis in (0, 1, 2, -1):
                self.case("Softmax", [3 * self.f32(2, 3, 50)], opset, axis=axis)
            self.case("Softmax", [3 * self.f32(2, 3, 50)], opset)
        for axis in (-1, 1, 2):
            shape = (2, 6, 30)[axis:] if axis > 0 else (30,)
            self.case("LayerNormalization", [self.f32(2, 6, 30), self.f32(*shape), self.f32(*shape)], 17, axis=axis)
            self.case("LayerNormalization", [self.f32(2, 6, 30), self.f32(*shape)], 17, axis=axis, epsilon=1e-3)

    def test_shapes_and_moves(self):
        x = self.f32(2, 3, 4, 5)
        i64 = lambda *v: np.array(v, np.int64)
        for axis in (0, 1, 2, 4, -1):
            self.case("Flatten", [x], 13, axis=axis)
        for shape in ((6, 20), (-1, 5), (0, -1), (2, 0, 20), (120,), (1, 2, 3, 4, 5)):
            self.case("Reshape", [x], 13, {1: i64(*shape)})
        self.case("Reshape", [self.f32(0, 3)], 14, {1: i64(3, 0)}, allowzero=1)
        for perm in ([0, 2, 3, 1], [3, 2, 1, 0], [0, 1, 3, 2], [1, 0, 2, 3]):
            self.case("Transpose", [x], perm=perm)
            self.case("Transpose", [self.rng.integers(0, 9, (2, 3, 4, 5))], perm=perm)
        self.case("Transpose", [x])
        y = self.f32(1, 3, 1, 5)
        self.case("Squeeze", [y], 11, axes=[0, -2])
        self.case("Squeeze", [y], 13, {1: i64(0, 2)})
        self.case("Squeeze", [y], 13)
        self.case("Unsqueeze", [x], 11, axes=[0, -1])
        self.case("Unsqueeze", [x], 13, {1: i64(2, -1)})
        for axis in (0, 2, -1):
            parts = [self.f32(*[2 + i if d == axis % 3 else 3 for d in range(3)]) for i in range(3)]
            self.case("Concat", parts, axis=axis)
        self.case("Split", [x], 13, {1: i64(1, 4)}, outputs=2, axis=3)
        self.case("Split", [x], 11, outputs=2, axis=3, split=[2, 3])
        self.case("Split", [x], 13, outputs=2, axis=2)
        self.case("Split", [self.f32(7, 2)], 18, outputs=3, axis=0, num_outputs=3)
        for starts, ends, axes, steps in (([1], [3], [2], [1]), ([0, -2], [2, 99], [1, 3], [1, 1]), ([-1], [-9], [3], [-1]),
                                          ([3], [0], [2], [-2]), ([0, 0], [4, 5], [2, 3], [2, 3]), ([-99], [99], [0], [1]),
                                          ([4], [-99], [3], [-2]), ([2], [1], [2], [1]), ([99], [-99], [2], [-1])):
            self.case("Slice", [x], 13, {1: i64(*starts), 2: i64(*ends), 3: i64(*axes), 4: i64(*steps)})
        self.case("Slice", [x], 13, {1: i64(0, 1), 2: i64(1, 3)})
        for axis in (0, 1, -1):
            self.case("Gather", [x], 13, {1: i64(1, 0, -1)}, axis=axis)
            self.case("Gather", [x], 13, {1: np.array([[0, 1], [1, 0]], np.int32)}, axis=axis)
            self.case("Gather", [x], 13, {1: np.array(1, np.int64)}, axis=axis)
        self.case("Expand", [self.f32(3, 1)], 13, {1: i64(2, 3, 4)})
        self.case("Expand", [self.f32(3, 1)], 13, {1: i64(1)})
        for mode in ("constant", "edge", "reflect"):
            self.case("Pad", [x], 13, {1: i64(0, 0, 1, 2, 0, 1, 2, 3) if mode != "reflect" else i64(0, 0, 1, 2, 0, 1, 2, 3)},
                      mode=mode)
        self.case("Pad", [x], 13, {1: i64(0, 1, 0, -1, 0, 0, 2, 1), 2: np.float32(1.5)})
        self.case("Pad", [x], 18, {1: i64(1, 2), 2: None, 3: i64(-1)})
        for op in ("Shape", "Size"):
            self.case(op, [x], 13)
        self.case("Shape", [x], 15, start=1, end=-1)
        self.case("ConstantOfShape", [], 13, {0: i64(2, 3)})
        self.case("ConstantOfShape", [], 13, {0: i64(2, 3)}, value=numpy_helper.from_array(np.array([7], np.int64)))
        self.case("Range", [], 13, {0: np.int64(2), 1: np.int64(11), 2: np.int64(3)})
        self.case("Range", [], 13, {0: np.float32(1), 1: np.float32(-2), 2: np.float32(-0.5)})
        self.case("Identity", [x], 13)
        self.case("Dropout", [x], 13)
        self.case("NonZero", [x], 13, refuse=True)

    def test_resize(self):
        x = self.f32(2, 3, 5, 6)
        empty = np.array([], np.float32)
        for mode in ("nearest", "linear"):
            for coordinates in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"):
                for scales in ((1, 1, 2, 2), (1, 1, 1.5, 0.6), (1, 1, 3, 1)):
                    self.case("Resize", [x], 13, {1: empty, 2: np.array(scales, np.float32)}, mode=mode,
                              coordinate_transformation_mode=coordinates)
                self.case("Resize", [x], 13, {1: empty, 2: empty, 3: np.array([2, 3, 9, 4], np.int64)}, mode=mode,
                          coordinate_transformation_mode=coordinates)
        for rule in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
            self.case("Resize", [x], 13, {1: empty, 2: np.array([1, 1, 2.5, 1.5], np.float32)}, nearest_mode=rule,
                      coordinate_transformation_mode="asymmetric")

    def test_quantize(self):
        x = 3 * self.f32(2, 5, 4)
        for dtype in (np.uint8, np.int8):
            zero = dtype(7)
            q = self.rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (2, 5, 4)).astype(dtype)
            for opset in (11, 13, 21):
                self.case("QuantizeLinear", [x], opset, {1: np.float32(0.03), 2: zero}, tolerance=0)
                self.case("DequantizeLinear", [q], opset, {1: np.float32(0.03), 2: zero}, tolerance=0)
            scales, zeros = (np.abs(self.f32(5)) + 0.01), np.arange(5).astype(dtype)
            self.case("QuantizeLinear", [x], 13, {1: scales, 2: zeros}, tolerance=0, axis=1)
            self.case("DequantizeLinear", [q], 13, {1: scales, 2: zeros}, tolerance=0, axis=1)
        self.case("QuantizeLinear", [x], 13, {1: np.float32(0.03)}, tolerance=0)
        self.case("DequantizeLinear", [self.rng.integers(-999, 999, 6).astype(np.int32)], 13, {1: np.float32(0.03)})
        for dtype in (np.uint16, np.int16):
            self.case("QuantizeLinear", [x], 21, {1: np.float32(0.0003), 2: dtype(5)}, tolerance=0)


class QuantizedLayers(unittest.TestCase):
    """Q -> DQ -> layer -> Q against ONNX Runtime with its optimisations on: the codes must be equal."""

    def layer(self, op, x_shape, w_shape, axis, codes, weight_size, bias=True, **attrs):
        rng = np.random.default_rng(3)
        x = rng.standard_normal(x_shape).astype(np.float32)
        channels = w_shape[axis]
        w = rng.integers(-weight_size, weight_size + 1, w_shape).astype(np.int8)
        s_x, s_w = np.float32(0.02), (rng.random(channels) * 0.01 + 0.001).astype(np.float32)
        z = codes(100) if codes is np.uint8 else codes(-5)
        const = {"s_x": s_x, "z_x": z, "w": w, "s_w": s_w, "z_w": np.zeros(channels, np.int8),
                 "s_y": np.float32(0.05 * weight_size / 10), "z_y": codes(3)}
        nodes = [helper.make_node("QuantizeLinear", ["x", "s_x", "z_x"], ["x_q"]),
                 helper.make_node("DequantizeLinear", ["x_q", "s_x", "z_x"], ["x_d"]),
                 helper.make_node("DequantizeLinear", ["w", "s_w", "z_w"], ["w_d"], axis=axis)]
        names = ["x_d", "w_d"]
        if bias:
            const["b"] = rng.integers(-20000, 20000, channels).astype(np.int32)
            const["s_b"], const["z_b"] = s_x * s_w, np.zeros(channels, np.int32)
            nodes.append(helper.make_node("DequantizeLinear", ["b", "s_b", "z_b"], ["b_d"], axis=0))
            names.append("b_d")
        nodes += [helper.make_node(op, names, ["y"], **attrs),
                  helper.make_node("QuantizeLinear", ["y", "s_y", "z_y"], ["y_q"]),
                  helper.make_node("DequantizeLinear", ["y_q", "s_y", "z_y"], ["out"])]
        graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *x_shape[1:]])],
                                  [helper.make_empty_tensor_value_info("out")],
                                  [numpy_helper.from_array(np.asarray(v), k) for k, v in const.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        theirs = run_ort(model.SerializeToString(), [x], optimised=True)[0]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "m.onnx")
            onnx.save(model, path)
            for options in ([], ["--threads", "2"], ["--level", "scalar"]):
                ours = run_ours(path, [x], folder, "--batch", str(x_shape[0]), *options)
                self.assertIsInstance(ours, list, ours)
                steps = np.abs(np.rint((ours[0] - theirs) / const["s_y"]))
                self.assertLessEqual(steps.max(initial=0), 1)
                self.assertLessEqual(float(np.mean(steps != 0)), 0.001, (op, x_shape, w_shape))

    def test_conv_codes_equal_those_of_onnx_runtime(self):
        for codes in (np.uint8, np.int8):
            self.layer("Conv", (3, 8, 9, 9), (12, 8, 3, 3), 0, codes, 127, pads=[1, 1, 1, 1])
            self.layer("Conv", (2, 16, 9, 9), (16, 1, 3, 3), 0, codes, 127, group=16, strides=[2, 2])
            self.layer("Conv", (2, 700, 5, 5), (20, 700, 3, 3), 0, codes, 127)  # sums beyond 2^24: several chunks
            self.layer("Conv", (2, 600, 8, 8), (20, 600, 1, 1), 0, codes, 40, bias=False)
            self.layer("Conv", (2, 8, 50), (6, 8, 5), 0, codes, 127, pads=[2, 2])

    def test_matrix_codes_equal_those_of_onnx_runtime(self):
        for codes in (np.uint8, np.int8):
            self.layer("Gemm", (5, 300), (40, 300), 0, codes, 127, transB=1)
            self.layer("MatMul", (5, 300), (300, 40), 1, codes, 127, bias=False)
            self.layer("MatMul", (2, 9, 1500), (1500, 33), 1, codes, 127, bias=False)


if __name__ == "__main__":
    if not os.path.exists(TOOL):
        print(f"{TOOL} is not built", file=sys.stderr)
        sys.exit(77)
    unittest.main(verbosity=2)
