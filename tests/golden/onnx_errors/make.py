#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile and broken ONNX models: <name> <status> <words of the sentence, _ for a blank> <hex of the file>.

The files are packed here by hand from the public field numbers, without any ONNX or protobuf library.
The first vectors are sound models (status OK), so that each broken one differs in one place from a model
that is read. Writes into the folder given as the argument."""
import pathlib
import struct
import sys

ATTR_TYPES = {"f": 1, "i": 2, "s": 3, "t": 4, "g": 5, "floats": 6, "ints": 7, "strings": 8}


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, payload):
    """An integer as varint, a float as fixed32, text and bytes with their length."""
    if isinstance(payload, float):
        return varint(number << 3 | 5) + struct.pack("<f", payload)
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    if isinstance(payload, str):
        payload = payload.encode()
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def fields(number, payloads):
    return b"".join(field(number, p) for p in payloads)


def tensor(name="w", dims=(2,), dtype=1, raw=None, **lists):
    out = fields(1, dims) + field(2, dtype)
    numbers = {"float_data": 4, "int32_data": 5, "int64_data": 7}
    for key, payload in lists.items():
        if key in numbers:
            out += field(numbers[key], payload)
    if name is not None:
        out += field(8, name)
    if raw is not None:
        out += field(9, raw)
    for key, value in lists.get("external", {}).items():
        out += field(13, field(1, key) + field(2, value))
    if "external" in lists:
        out += field(14, 1)
    return out + lists.get("more", b"")


def attr(name, kind, payload, more=b""):
    numbers = {"f": 2, "i": 3, "s": 4, "t": 5, "g": 6, "floats": 7, "ints": 8, "strings": 9}
    many = kind in ("floats", "ints", "strings")
    return field(1, name) + fields(numbers[kind], payload if many else [payload]) + field(20, ATTR_TYPES[kind]) + more


def node(op="Add", inputs=("x", "w"), outputs=("y",), attrs=(), name="", domain=""):
    out = fields(1, inputs) + fields(2, outputs)
    out += field(3, name) if name else b""
    out += field(4, op) if op is not None else b""
    return out + fields(5, attrs) + (field(7, domain) if domain else b"")


def value(name="x", dims=(2,), dtype=1):
    shape = b"".join(field(1, field(2, d) if isinstance(d, str) else field(1, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, dtype) + field(2, shape)))


W = tensor(raw=struct.pack("<2f", 1, 2))


def graph(nodes=None, tensors=(W,), inputs=None, outputs=None, more=b""):
    nodes = [node()] if nodes is None else nodes
    inputs = [value("x")] if inputs is None else inputs
    outputs = [value("y")] if outputs is None else outputs
    return fields(1, nodes) + field(2, "g") + fields(5, tensors) + fields(11, inputs) + fields(12, outputs) + more


def opset(version, domain=""):
    return (field(1, domain) if domain else b"") + field(2, version)


def model(g=None, ir=8, opsets=(opset(17),), more=b""):
    return (field(1, ir) if ir is not None else b"") + field(7, graph() if g is None else g) + fields(8, opsets) + more


def nested(depth):
    """A graph in an attribute of a node of a graph in an attribute ..."""
    inner = graph()
    for _ in range(depth):
        inner = graph([node("If", ("x",), ("y",), [attr("then_branch", "g", inner)])], ())
    return model(inner)


def f32(*values):
    return struct.pack(f"<{len(values)}f", *values)


NAN, INF = float("nan"), float("inf")
GOOD = model()
MS = (opset(17), opset(1, "com.microsoft"))
CASES = [
    ("plain", "OK", "-", GOOD),
    ("nested_10", "OK", "-", nested(10)),
    ("opset_11", "OK", "-", model(opsets=(opset(11),))),
    ("opset_22_domain_named", "OK", "-", model(opsets=(opset(22, "ai.onnx"),))),
    ("float_data", "OK", "-", model(graph(tensors=[tensor(float_data=f32(1, 2))]))),
    ("scalar_infinity", "OK", "-", model(graph(tensors=[tensor(dims=(), raw=f32(INF))]))),
    ("empty_tensor", "OK", "-", model(graph(tensors=[tensor(dims=(0,))]))),
    ("negative_one_is_unknown", "OK", "-", model(graph(inputs=[value(dims=(-1,))]))),
    ("out_of_order", "OK", "-", model(graph([node("Relu", ("t",), ("y",)), node("Add", ("x", "w"), ("t",))]))),
    ("unknown_operator_elsewhere", "OK", "-", model(graph([node("Odd", domain="com.microsoft")]), opsets=MS)),
    ("bfloat16_elsewhere", "OK", "-",
     model(graph([node("Odd", domain="com.microsoft")], [tensor(dtype=16, raw=b"1234")]), opsets=MS)),

    ("empty_file", "EFORMAT", "empty", b""),
    ("zeros", "EFORMAT", "field_number", bytes(16)),
    ("text", "EFORMAT", "byte", b"this is a text, not a model"),
    ("group_wire_type", "EFORMAT", "wire_type", model(more=bytes([26 << 3 & 0x7F | 3 | 0x80, 1]))),
    ("truncated_in_tag", "EFORMAT", "cut_off", GOOD + b"\x80"),
    ("truncated_in_number", "EFORMAT", "cut_off", GOOD + b"\x28\xff\xff"),
    ("number_too_long", "EFORMAT", "too_long", GOOD + b"\x28" + b"\xff" * 12),
    ("length_beyond_the_end", "EFORMAT", "2_are_left", GOOD + b"\x32\x7f12"),
    ("length_of_2_to_63", "EFORMAT", "0_are_left", GOOD + b"\x32" + varint(1 << 63)),
    ("graph_as_number", "EFORMAT", "no_message", field(1, 8) + field(7, 5) + field(8, opset(17))),
    ("number_as_text", "EFORMAT", "schema", model(more=field(5, "x"))),
    ("kept_field_number", "EFORMAT", "internal_use",
     model(graph(tensors=[tensor(raw=f32(1, 2), more=field(536870001, bytes(24)))]))),
    ("name_is_no_utf8", "EFORMAT", "UTF-8", model(graph([node(name=b"\xc3\x28")]))),
    ("name_with_zero_byte", "EFORMAT", "UTF-8", model(graph([node(name=b"a\0b")]))),
    ("name_with_surrogate", "EFORMAT", "UTF-8", model(graph([node(name=b"\xed\xa0\x80")]))),
    ("nested_60", "ELIMIT", "nested_deeper", nested(60)),
    ("sequence_types_nested", "ELIMIT", "nested_deeper",
     model(graph(inputs=[value(), field(1, "s") + field(2, (lambda f: f(f, 120))(
         lambda f, n: field(4, field(1, f(f, n - 1) if n else b"")) ))]))),

    ("no_ir_version", "EFORMAT", "ir_version", model(ir=None)),
    ("ir_version_2", "EVERSION", "ir_version_2", model(ir=2)),
    ("ir_version_99", "EVERSION", "ir_version_99", model(ir=99)),
    ("opset_10", "EVERSION", "opset_10", model(opsets=(opset(10),))),
    ("opset_23", "EVERSION", "opset_23", model(opsets=(opset(23),))),
    ("opset_missing", "EVERSION", "opset_0", model(opsets=())),
    ("opset_twice", "EFORMAT", "twice", model(opsets=(opset(17), opset(18, "ai.onnx")))),
    ("functions", "EUNSUPPORTED", "functions", model(more=field(25, field(1, "f")))),
    ("no_graph", "EFORMAT", "no_graph", field(1, 8) + field(8, opset(17))),
    ("no_nodes", "EFORMAT", "no_nodes", model(graph([], ()))),
    ("no_outputs", "EFORMAT", "no_outputs", model(graph(outputs=[]))),
    ("sparse_initializer", "EUNSUPPORTED", "sparse", model(graph(more=field(15, field(3, 2))))),

    ("cycle", "EFORMAT", "cycle_through_Relu_node_'b'",
     model(graph([node("Add", ("x", "c1"), ("y",), name="a"), node("Relu", ("c2",), ("c1",), name="b"),
                  node("Abs", ("c1",), ("c2",), name="c")]))),
    ("cycle_on_itself", "EFORMAT", "cycle_through_Add_node_'n'", model(graph([node("Add", ("x", "y"), name="n")]))),
    ("missing_input", "EFORMAT", "'ghost',_which_nothing_gives", model(graph([node("Add", ("x", "ghost"))]))),
    ("missing_output", "EFORMAT", "nothing_gives_the_graph_output_'z'", model(graph(outputs=[value("z")]))),
    ("output_twice", "EFORMAT", "twice", model(graph(outputs=[value("y"), value("y")]))),
    ("two_producers", "EFORMAT", "the_name_'y'", model(graph([node(), node("Relu", ("x",), ("y",))]))),
    ("node_writes_an_initializer", "EFORMAT", "the_name_'w'", model(graph([node("Relu", ("x",), ("w",)), node()]))),
    ("node_writes_an_input", "EFORMAT", "the_name_'x'", model(graph([node("Relu", ("w",), ("x",)), node()]))),
    ("duplicate_initializer", "EFORMAT", "the_name_'w'", model(graph(tensors=[W, W]))),
    ("duplicate_input", "EFORMAT", "the_name_'x'", model(graph(inputs=[value("x"), value("x")]))),
    ("initializer_without_name", "EFORMAT", "no_name", model(graph(tensors=[W, tensor(None, raw=f32(1, 2))]))),
    ("long_name", "ELIMIT", "1025_bytes", model(graph([node("Add", ("x", "w"), ("y", "n" * 1025))]))),
    ("node_without_operator", "EFORMAT", "no_operator", model(graph([node(None)]))),
    ("domain_not_imported", "EFORMAT", "does_not_import", model(graph([node("Odd", domain="com.microsoft")]))),
    ("attribute_twice", "EFORMAT", "'axis'_twice", model(graph([node(attrs=[attr("axis", "i", 1), attr("axis", "i", 2)])]))),
    ("attribute_without_name", "EFORMAT", "empty", model(graph([node(attrs=[attr("", "i", 1)])]))),
    ("attribute_without_tensor", "EFORMAT", "no_tensor", model(graph([node(attrs=[field(1, "t") + field(20, 4)])]))),
    ("subgraph_reads_ghost", "EFORMAT", "'ghost'",
     model(graph([node("If", ("x",), ("y",), [attr("then_branch", "g", graph([node("Relu", ("ghost",), ("q",))], (), [], [value("q")]))])]))),
    ("constant_without_value", "EFORMAT", "exactly_one", model(graph([node("Constant", (), ("c",)), node()]))),

    ("raw_too_short", "EFORMAT", "'w'_has_4_bytes", model(graph(tensors=[tensor(raw=f32(1))]))),
    ("raw_too_long", "EFORMAT", "'w'_has_12_bytes", model(graph(tensors=[tensor(raw=f32(1, 2, 3))]))),
    ("no_data", "EFORMAT", "'w'_has_0_bytes", model(graph(tensors=[tensor()]))),
    ("data_twice", "EFORMAT", "two_fields", model(graph(tensors=[tensor(raw=f32(1, 2), float_data=f32(1, 2))]))),
    ("data_in_the_wrong_list", "EFORMAT", "wrong_field", model(graph(tensors=[tensor(int32_data=b"\1\2")]))),
    ("list_too_short", "EFORMAT", "'w'", model(graph(tensors=[tensor(dtype=7, int64_data=b"\1")]))),
    ("long_list_too_short", "EFORMAT", "'w'", model(graph(tensors=[tensor(dims=(1200,), dtype=7, int64_data=b"\1" * 1199)]))),
    ("long_list_too_long", "EFORMAT", "packed_data", model(graph(tensors=[tensor(dims=(1200,), dtype=7, int64_data=b"\1" * 1201)]))),
    ("entry_does_not_fit", "ERANGE", "does_not_fit", model(graph(tensors=[tensor(dtype=3, int32_data=b"\1" + varint(128))]))),
    ("negative_dimension", "EFORMAT", "negative", model(graph(tensors=[tensor(dims=(-2,), raw=f32(1, 2))]))),
    ("overflowing_dimensions", "ELIMIT", "overflow", model(graph(tensors=[tensor(dims=(1 << 40, 1 << 40), raw=f32(1, 2))]))),
    ("overflow_to_a_small_product", "ELIMIT", "overflow",
     model(graph(tensors=[tensor(dims=(1 << 32, 1 << 32, 1 << 32), raw=f32(1, 2))]))),
    ("rank_9", "ELIMIT", "9_dimensions", model(graph(tensors=[tensor(dims=(1,) * 9, raw=f32(1))]))),
    ("negative_input_dimension", "EFORMAT", "negative", model(graph(inputs=[value(dims=(-5,))]))),
    ("bfloat16", "EUNSUPPORTED", "'w'_has_elements_of_type_BFLOAT16", model(graph(tensors=[tensor(dtype=16, raw=b"1234")]))),
    ("string_tensor", "EUNSUPPORTED", "STRING", model(graph(tensors=[tensor(dtype=8, more=fields(6, ["a", "b"]))]))),
    ("unknown_element_type", "EUNSUPPORTED", "unknown", model(graph(tensors=[tensor(dtype=77, raw=b"12345678")]))),
    ("nan_weight", "ERANGE", "'w':_element_1_is_NaN", model(graph(tensors=[tensor(raw=f32(1, NAN))]))),
    ("infinite_weight", "ERANGE", "'w':_element_0_is_infinite", model(graph(tensors=[tensor(raw=f32(-INF, 1))]))),
    ("nan_scalar", "ERANGE", "NaN", model(graph(tensors=[tensor(dims=(), raw=f32(NAN))]))),
    ("nan_half", "ERANGE", "NaN", model(graph(tensors=[tensor(dtype=10, raw=b"\0\0\1\x7c")]))),
    ("nan_double", "ERANGE", "NaN", model(graph(tensors=[tensor(dtype=11, raw=struct.pack("<2d", NAN, 0))]))),
    ("nan_in_a_constant_node", "ERANGE", "'c'",
     model(graph([node("Constant", (), ("c",), [attr("value", "t", tensor(None, raw=f32(1, NAN)))]), node()]))),
    ("bool_is_2", "ERANGE", "neither", model(graph(tensors=[tensor(dtype=9, raw=b"\1\2")]))),
    ("external_data", "EUNSUPPORTED", "external", model(graph(tensors=[tensor(external={"location": "w.bin"})]))),
]

lines = ["# name, status, words of the sentence (_ is a blank), file"]
lines += [f"{name} {status} {words} {data.hex() or '-'}" for name, status, words, data in CASES]
pathlib.Path(sys.argv[1], "models.txt").write_text("\n".join(lines) + "\n")
