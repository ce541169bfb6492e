#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The readers and writers against the packages that define the formats: what goes through int8x must come
out the same.

"The same" is equality of the parsed messages, after both sides are brought to one form: Constant nodes are
initializers, tensors are raw bytes, fields that hold their default are left out. Everything else (names,
documentation, metadata, fields unknown to int8x) is compared as it is.

INT8X_ROUNDTRIP  path of the program onnx_roundtrip (tests/support/onnx_roundtrip.c)
INT8X_NPY_VALUES path of the program npy_values (tests/support/npy_values.c)
INT8X_SHARED     folder with data/models and bench/ptq/models; default: shared beside the checkout
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.environ.get("INT8X_ROUNDTRIP", os.path.join(ROOT, "build", "bin", "onnx_roundtrip"))
NPY_TOOL = os.environ.get("INT8X_NPY_VALUES", os.path.join(ROOT, "build", "bin", "npy_values"))
SHARED = os.environ.get("INT8X_SHARED", os.path.join(os.path.dirname(ROOT), "shared"))
CONSTANT_KINDS = ("value", "value_float", "value_int", "value_floats", "value_ints")


def run_tool(*args):
    done = subprocess.run([TOOL, *args], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout.strip() + done.stderr.strip()


def constant_tensor(node):
    """The tensor of a Constant node, None if it is of a kind that stays a node."""
    attr = node.attribute[0]
    if attr.name not in CONSTANT_KINDS:
        return None
    if attr.name == "value":
        if attr.t.data_type in (TensorProto.STRING, TensorProto.BFLOAT16):
            return None
        tensor = TensorProto()
        tensor.CopyFrom(attr.t)
    else:
        value = helper.get_attribute_value(attr)
        dtype = np.float32 if "float" in attr.name else np.int64
        tensor = numpy_helper.from_array(np.array(value, dtype=dtype))
    tensor.name = node.output[0]
    return plain_tensor(tensor)


def plain_tensor(tensor, keep_texts=True):
    """Raw bytes instead of typed lists, no external data, no defaults."""
    out = TensorProto()
    out.CopyFrom(tensor)
    for field in ("float_data", "int32_data", "int64_data", "double_data"):
        out.ClearField(field)
    if tensor.data_type not in (TensorProto.STRING, TensorProto.BFLOAT16):
        data = numpy_helper.to_array(tensor)
        out.raw_data = numpy_helper.from_array(data).raw_data if data.size else b""
        out.ClearField("external_data")
        out.ClearField("data_location")
    if not keep_texts:
        out.ClearField("name")
        out.ClearField("doc_string")
    return without_defaults(out)


def without_defaults(message):
    for field in list(message.DESCRIPTOR.fields):
        if field.is_repeated or field.message_type or not message.HasField(field.name):
            continue
        if getattr(message, field.name) == field.default_value and field.name not in ("raw_data", "i", "f", "s"):
            message.ClearField(field.name)
    return message


def plain_node(node):
    out = onnx.NodeProto()
    out.CopyFrom(node)
    for attr in out.attribute:
        if attr.type == onnx.AttributeProto.TENSOR and attr.t.data_type != TensorProto.STRING:
            attr.t.CopyFrom(plain_tensor(attr.t, keep_texts=False))
    return without_defaults(out).SerializeToString(deterministic=True)


def plain_form(model):
    """A dictionary that is equal for equal models."""
    graph = model.graph
    tensors = {t.name: plain_tensor(t).SerializeToString(deterministic=True) for t in graph.initializer}
    nodes = []
    for node in graph.node:
        tensor = constant_tensor(node) if node.op_type == "Constant" else None
        if tensor is None:
            nodes.append(plain_node(node))
        else:
            tensors[tensor.name] = tensor.SerializeToString(deterministic=True)
    known = set(tensors) | {v.name for v in list(graph.input) + list(graph.output)}
    info = lambda v: without_defaults(v).SerializeToString(deterministic=True)
    return {
        "tensors": tensors,
        "nodes": nodes,
        "inputs": [info(v) for v in graph.input if v.name not in tensors],
        "outputs": [info(v) for v in graph.output],
        "value_info": {v.name: info(v) for v in graph.value_info if v.name not in known},
        "graph": (graph.name, graph.doc_string, [(p.key, p.value) for p in graph.metadata_props],
                  [a.SerializeToString(deterministic=True) for a in graph.quantization_annotation]),
        "opsets": {o.domain: o.version for o in model.opset_import},
        "metadata": [(p.key, p.value) for p in model.metadata_props],
        "model": (model.ir_version, model.producer_name, model.producer_version, model.domain,
                  model.model_version, model.doc_string),
    }


def small_model(nodes, inputs, outputs, initializers=(), opset=17, ir_version=8, **graph_args):
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializer=list(initializers), **graph_args)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = ir_version
    return model


def value(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


class RoundTrip(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def save(self, model, name="in.onnx"):
        with open(self.path(name), "wb") as file:
            file.write(model.SerializeToString())
        return self.path(name)

    def through(self, path, *options):
        out = self.path("out.onnx")
        code, text = run_tool(*options, path, out)
        self.assertEqual(code, 0, text)
        return onnx.load(out)

    def assert_same(self, path, check=True, *options):
        before, after = onnx.load(path), self.through(path, *options)
        a, b = plain_form(before), plain_form(after)
        for part in a:
            self.assertEqual(a[part], b[part], f"{path}: {part} differ")
        if check:
            onnx.checker.check_model(after, full_check=True)
        again = self.path("again.onnx")
        code, text = run_tool(self.path("out.onnx"), again)
        self.assertEqual(code, 0, text)
        with open(again, "rb") as x, open(self.path("out.onnx"), "rb") as y:
            self.assertEqual(x.read(), y.read(), "writing twice gives other bytes")
        return after

    def test_models_beside_the_checkout(self):
        folders = [os.path.join(SHARED, "data", "models"), os.path.join(SHARED, "bench", "ptq", "models")]
        models = [os.path.join(f, n) for f in folders if os.path.isdir(f)
                  for n in sorted(os.listdir(f)) if n.endswith(".onnx")]
        if not models:
            self.skipTest(f"no models in {SHARED} (INT8X_SHARED)")
        for path in models:
            with self.subTest(model=os.path.basename(path)):
                self.assert_same(path)
        print(f"\nround trip of {len(models)} models", file=sys.stderr)

    def test_outputs_are_bit_equal_in_onnxruntime(self):
        path = os.path.join(SHARED, "data", "models", "har_transformer.onnx")
        if not os.path.exists(path):
            self.skipTest(f"{path} is not there (INT8X_SHARED)")
        feed = {"input": np.random.default_rng(1).standard_normal((3, 6, 128)).astype(np.float32)}
        self.through(path)
        runs = [onnxruntime.InferenceSession(p, providers=["CPUExecutionProvider"]).run(None, feed)[0]
                for p in (path, self.path("out.onnx"))]
        np.testing.assert_array_equal(runs[0], runs[1])

    def test_every_element_type_in_every_field(self):
        types = {
            TensorProto.FLOAT: np.array([1.5, -2, 3e-40], np.float32),
            TensorProto.DOUBLE: np.array([1.5, -2, 3], np.float64),
            TensorProto.FLOAT16: np.array([1.5, -2, 6e-8], np.float16),
            TensorProto.INT8: np.array([-128, 0, 127], np.int8),
            TensorProto.UINT8: np.array([0, 1, 255], np.uint8),
            TensorProto.INT16: np.array([-32768, 0, 32767], np.int16),
            TensorProto.UINT16: np.array([0, 1, 65535], np.uint16),
            TensorProto.INT32: np.array([-2**31, 0, 2**31 - 1], np.int32),
            TensorProto.INT64: np.array([-2**63, 0, 2**63 - 1], np.int64),
            TensorProto.BOOL: np.array([True, False, True]),
        }
        for dtype, values in types.items():
            for length in (3, 3000):  # short data stay in the message, long ones in the file
                for raw in (True, False):
                    data = np.resize(values, length)
                    if raw:
                        tensor = numpy_helper.from_array(data, "w")
                    else:
                        tensor = helper.make_tensor("w", dtype, [length], data.tolist())
                    node = helper.make_node("Identity", ["w"], ["y"])
                    model = small_model([node], [], [value("y", [length], dtype)], [tensor], doc_string="pad" * length)
                    with self.subTest(dtype=dtype, length=length, raw=raw):
                        self.assert_same(self.save(model))

    def test_int4_tensors(self):
        for dtype in (TensorProto.INT4, TensorProto.UINT4):
            low = -8 if dtype == TensorProto.INT4 else 0
            for raw in (False, True):
                for length in (5, 4001):
                    data = [low + i % 16 for i in range(length)]
                    if raw:
                        packed = bytes((data[i] & 15) | ((data[i + 1] & 15) << 4 if i + 1 < length else 0)
                                       for i in range(0, length, 2))
                        tensor = helper.make_tensor("w", dtype, [length], packed, raw=True)
                    else:
                        tensor = helper.make_tensor("w", dtype, [length], data)
                    model = small_model([helper.make_node("Identity", ["w"], ["y"])], [],
                                        [value("y", [length], dtype)], [tensor], opset=21, ir_version=10)
                    after = self.assert_same(self.save(model))
                    np.testing.assert_array_equal(
                        numpy_helper.to_array(after.graph.initializer[0]).astype(np.int32), np.array(data))

    def test_constant_nodes_become_initializers(self):
        constants = [
            helper.make_node("Constant", [], ["a"], value=numpy_helper.from_array(np.ones((2, 3), np.float32))),
            helper.make_node("Constant", [], ["b"], value_float=2.5),
            helper.make_node("Constant", [], ["c"], value_floats=[1.0, 2.0, 3.0]),
            helper.make_node("Constant", [], ["shape"], value_ints=[3, 2]),
            helper.make_node("Constant", [], ["axis"], value_int=-1),
            helper.make_node("Add", ["x", "a"], ["t0"]),
            helper.make_node("Mul", ["t0", "b"], ["t1"]),
            helper.make_node("Add", ["t1", "c"], ["t2"]),
            helper.make_node("Gather", ["t2", "axis"], ["t3"], axis=0),
            helper.make_node("Reshape", ["t2", "shape"], ["y"]),
        ]
        model = small_model(constants, [value("x", [2, 3])], [value("y", [3, 2]), value("t3", [3])])
        after = self.assert_same(self.save(model))
        self.assertEqual(len(after.graph.initializer), 5)
        self.assertNotIn("Constant", [n.op_type for n in after.graph.node])

    def test_all_kinds_of_attributes_survive(self):
        body = helper.make_graph([helper.make_node("Add", ["p", "p"], ["q"])], "body",
                                 [value("p", [1])], [value("q", [1])])
        sparse = helper.make_sparse_tensor(numpy_helper.from_array(np.array([1.0], np.float32), "v"),
                                           numpy_helper.from_array(np.array([2], np.int64), "i"), [5])
        node = helper.make_node(
            "Strange", ["x", "", "x"], ["y"], domain="com.microsoft", i=0, f=0.0, s=b"\xff\x00raw", ints=[1, -2],
            floats=[0.5, 1e30], strings=["a", "b c"], t=numpy_helper.from_array(np.arange(2000.0)), g=body,
            graphs=[body, body], tensors=[numpy_helper.from_array(np.array([1.0]))],
            text=numpy_helper.from_array(np.array(["s"], object)), st=sparse,
            tp=helper.make_tensor_type_proto(TensorProto.FLOAT, [1, None]))
        node.attribute[0].doc_string = "documented"
        node.attribute.append(helper.make_attribute("empty", [], attr_type=onnx.AttributeProto.INTS))
        model = small_model([node], [value("x", ["N", None, 3])], [value("y", None)])
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        self.assert_same(self.save(model), check=False)

    def test_texts_and_unknown_fields_survive(self):
        node = helper.make_node("Relu", ["x"], ["h"], name="first", doc_string="node words")
        last = helper.make_node("Add", ["h", "w"], ["y"])
        tensor = numpy_helper.from_array(np.arange(512, dtype=np.float32), "w")
        tensor.doc_string = "tensor words"
        info = value("h", ["N", 512])
        info.doc_string = "value words"
        model = small_model([node, last], [value("x", ["N", 512])], [value("y", ["N", 512])], [tensor],
                            value_info=[info, value("stray", [3])], doc_string="graph words")
        model.doc_string, model.domain, model.model_version = "model words", "a.b", 7
        helper.set_model_props(model, {"key": "value", "empty": ""})
        for message in (node, tensor, info, model.graph.node[0], model.graph.initializer[0],
                        model.graph.value_info[0], model.graph.input[0], model.graph.output[0], model.graph):
            entry = message.metadata_props.add()
            entry.key, entry.value = "origin", message.DESCRIPTOR.name
        annotation = model.graph.quantization_annotation.add()
        annotation.tensor_name = "h"
        path = self.save(model)
        with open(path, "ab") as file:  # a field of a version to come: number 4000, ten bytes
            file.write(bytes([0x82, 0xFA, 0x01, 10]) + b"0123456789")
        self.assert_same(path)
        with open(self.path("out.onnx"), "rb") as file:
            self.assertTrue(file.read().endswith(b"0123456789"))

    def test_subgraphs_keep_what_they_capture(self):
        then = helper.make_graph([helper.make_node("Add", ["x", "w"], ["then_y"])], "then", [], [value("then_y", [2])])
        other = helper.make_graph([helper.make_node("Identity", ["late"], ["else_y"])], "else", [], [value("else_y", [2])])
        nodes = [helper.make_node("If", ["cond"], ["y"], then_branch=then, else_branch=other),
                 helper.make_node("Relu", ["x"], ["late"])]
        weights = numpy_helper.from_array(np.array([1, 2], np.float32), "w")
        model = small_model(nodes, [value("x", [2]), value("cond", [], TensorProto.BOOL)], [value("y", [2])], [weights])
        after = self.through(self.save(model))
        self.assertEqual([n.op_type for n in after.graph.node], ["Relu", "If"])
        onnx.checker.check_model(after, full_check=True)
        session = onnxruntime.InferenceSession(self.path("out.onnx"), providers=["CPUExecutionProvider"])
        got = session.run(None, {"x": np.array([1, 1], np.float32), "cond": np.array(True)})[0]
        np.testing.assert_array_equal(got, [2, 3])

    def test_old_files_list_initializers_among_the_inputs(self):
        weights = numpy_helper.from_array(np.ones(4, np.float32), "w")
        model = small_model([helper.make_node("Add", ["x", "w"], ["y"])], [value("w", [4]), value("x", [4])],
                            [value("y", [4])], [weights], opset=11, ir_version=3)
        after = self.assert_same(self.save(model))
        self.assertEqual([v.name for v in after.graph.input], ["x", "w"])
        model.ir_version = 8
        after = self.assert_same(self.save(model))
        self.assertEqual([v.name for v in after.graph.input], ["x"])

    def test_external_data(self):
        data = np.arange(3000, dtype=np.float32)
        model = small_model([helper.make_node("Add", ["x", "w"], ["y"])], [value("x", [3000])],
                            [value("y", [3000])], [numpy_helper.from_array(data, "w")])
        os.mkdir(self.path("m"))
        path = self.path("m/in.onnx")
        onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
        code, text = run_tool(path)
        self.assertEqual((code, "EUNSUPPORTED" in text, "'w'" in text), (4, True, True), text)
        after = self.assert_same(path, True, "--external")
        np.testing.assert_array_equal(numpy_helper.to_array(after.graph.initializer[0]), data)
        os.rename(self.path("m/weights.bin"), self.path("outside.bin"))
        self.assertEqual(run_tool("--external", path)[0], 8)  # ENOENT
        os.symlink(self.path("outside.bin"), self.path("m/weights.bin"))
        code, text = run_tool("--external", path)
        self.assertEqual((code, "symbolic link" in text), (3, True), text)
        for location in ("../outside.bin", "/etc/passwd", "a/../../outside.bin", "."):
            model = onnx.load(path, load_external_data=False)
            model.graph.initializer[0].external_data[0].value = location
            code, text = run_tool("--external", self.save(model, "m/in.onnx"))
            self.assertNotEqual(code, 0, text)
            self.assertIn("EFORMAT", text)

    def test_bfloat16_passes_only_through_foreign_operators(self):
        tensor = helper.make_tensor("w", TensorProto.BFLOAT16, [2], [1.0, 2.0])
        good = small_model([helper.make_node("Odd", ["x", "w"], ["y"], domain="com.microsoft")],
                           [value("x", [2])], [value("y", [2])], [tensor])
        good.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        self.assert_same(self.save(good), check=False)
        bad = small_model([helper.make_node("Cast", ["w"], ["y"], to=1)], [], [value("y", [2])], [tensor])
        code, text = run_tool(self.save(bad))
        self.assertEqual((code, "BFLOAT16" in text, "'w'" in text), (4, True, True), text)

    def test_memory_stays_within_twice_the_file(self):
        rng = np.random.default_rng(3)
        nodes, tensors, name = [], [], "x"
        for i in range(24):  # names of several lengths, so that alignment differs
            tensors.append(numpy_helper.from_array(rng.standard_normal((440, 440)).astype(np.float32), "w" + "i" * (i % 7) + str(i)))
            nodes.append(helper.make_node("MatMul", [name, tensors[-1].name], [f"h{i}"]))
            name = f"h{i}"
        model = small_model(nodes, [value("x", [1, 440])], [value(name, [1, 440])], tensors)
        tiny = small_model([helper.make_node("Relu", ["x"], ["y"])], [value("x", [1])], [value("y", [1])])
        floor = dict(re.findall(r"(\w+)=(\d+)", run_tool(self.save(tiny), self.path("out.onnx"))[1]))
        if int(floor["peak_rss"]) > 9 << 20:
            self.skipTest(f"the program itself takes {floor['peak_rss']} bytes: built with a sanitizer")
        path = self.save(model)
        size = os.path.getsize(path)
        code, text = run_tool(path, self.path("out.onnx"))
        self.assertEqual(code, 0, text)
        figures = dict(re.findall(r"(\w+)=(\d+)", text))
        print(f"\nmodel of {size} bytes: peak RSS {figures['read_peak_rss']} after reading, "
              f"{figures['peak_rss']} after writing", file=sys.stderr)
        self.assertLessEqual(int(figures["peak_rss"]), 2 * size)


class Arrays(unittest.TestCase):
    """.npy and .npz as numpy writes them, and as numpy reads what we write."""

    TYPES = (np.float32, np.float16, np.uint8, np.int8, np.int32, np.int64)

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.rng = np.random.default_rng(5)

    def sample(self, dtype, shape):
        if np.issubdtype(dtype, np.floating):
            return self.rng.standard_normal(shape).astype(dtype)
        limits = np.iinfo(dtype)
        return self.rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)

    def through(self, path):
        done = subprocess.run([NPY_TOOL, path, self.folder.name], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return {name: np.load(os.path.join(self.folder.name, name + ".npy")) for name in done.stdout.split()}

    def test_every_type_and_rank_of_npy(self):
        for dtype in self.TYPES:
            for shape in ((7,), (5, 1), (3, 2, 4), (2, 1, 2, 1, 2, 1, 2, 3)):
                path = os.path.join(self.folder.name, "in.npy")
                data = self.sample(dtype, shape)
                np.save(path, data)
                with self.subTest(dtype=dtype, shape=shape):
                    np.testing.assert_array_equal(self.through(path)["array"], data.astype(np.float32))

    def test_npz_stored_and_deflated(self):
        arrays = {f"a{i}": self.sample(dtype, (50, i + 1)) for i, dtype in enumerate(self.TYPES)}
        for save in (np.savez, np.savez_compressed):
            path = os.path.join(self.folder.name, "in.npz")
            save(path, **arrays)
            got = self.through(path)
            self.assertEqual(set(got), set(arrays))
            for name, data in arrays.items():
                np.testing.assert_array_equal(got[name], data.astype(np.float32))


class Schema(unittest.TestCase):
    """Our onnx.proto against the descriptor of the onnx package: field numbers, types and labels."""

    SCALARS = {"int32": 5, "int64": 3, "float": 2, "double": 1, "string": 9, "bytes": 12, "fixed64": 6}

    def test_fields_are_those_of_the_onnx_package(self):
        with open(os.path.join(ROOT, "core", "formats", "onnx.proto")) as file:
            text = re.sub(r"//.*", "", file.read())
        stack, checked = [], 0
        for kind, name, label, type_name, field, number, end in re.findall(
                r"(message|enum|oneof)\s+(\w+)\s*\{|(optional |repeated |)(\w+) (\w+) = (\d+)[^;]*;|(\})", text):
            if kind:
                stack.append((kind, name))
            elif end:
                stack.pop()
            elif field != "int8x_where":
                checked += self.check_field([n for k, n in stack if k == "message"], label, type_name, field, int(number))
        self.assertGreater(checked, 45)

    def check_field(self, path, label, type_name, field, number):
        descriptor = onnx.onnx_ml_pb2.DESCRIPTOR.message_types_by_name[path[0]]
        for name in path[1:]:
            descriptor = descriptor.nested_types_by_name[name]
        theirs = descriptor.fields_by_number.get(number)
        if theirs is None or theirs.name != field:
            self.fail(f"{path}.{field} = {number} is not in {descriptor.full_name}")
        if theirs.enum_type is None and theirs.message_type is None:
            self.assertEqual(theirs.type, self.SCALARS[type_name], field)
        if label:
            self.assertEqual(theirs.is_repeated, label.startswith("repeated"), field)
        return 1


if __name__ == "__main__":
    unittest.main(verbosity=2)
