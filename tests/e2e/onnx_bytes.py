# SPDX-License-Identifier: Apache-2.0
"""Small ONNX files byte by byte, good and bad ones, with nothing but the standard library."""

import struct


def varint(n):
    out = b""
    n &= (1 << 64) - 1
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def number(field, value):
    return varint(field << 3) + varint(value)


def block(field, data):
    if isinstance(data, str):
        data = data.encode()
    return varint(field << 3 | 2) + varint(len(data)) + data


def tensor(name, dims, values=None, external=None):
    body = b"".join(number(1, d) for d in dims) + number(2, 1) + block(8, name)
    if values is not None:
        body += block(9, struct.pack("<%df" % len(values), *values))
    if external is not None:
        body += block(13, block(1, "location") + block(2, external)) + number(14, 1)
    return body


def value_info(name, dims):
    shape = b"".join(block(1, number(1, d) if isinstance(d, int) else block(2, d)) for d in dims)
    return block(1, name) + block(2, block(1, number(1, 1) + block(2, shape)))


def ints(name, values):
    return block(5, block(1, name) + b"".join(number(8, v) for v in values) + number(20, 7))


def node(op, inputs, outputs, name="", attributes=b""):
    return (b"".join(block(1, i) for i in inputs) + b"".join(block(2, o) for o in outputs)
            + block(3, name or op.lower()) + block(4, op) + attributes)


def model(nodes, initializers, inputs, outputs, opset=13):
    graph = (b"".join(block(1, n) for n in nodes) + block(2, "g") + b"".join(block(5, t) for t in initializers)
             + b"".join(block(11, v) for v in inputs) + b"".join(block(12, v) for v in outputs))
    return number(1, 8) + block(7, graph) + block(8, block(1, "") + number(2, opset))


def conv(weights=None, op="Conv", external=None, dims=(1, 3, 8, 8), weight_dims=(4, 3, 3, 3)):
    """One 3x3 convolution with padding; input "x" [N,3,8,8], output "y"."""
    if weights is None:
        weights = [((i * 37) % 101 - 50) / 100 for i in range(108)]
    attributes = ints("pads", [1, 1, 1, 1]) + ints("kernel_shape", [3, 3])
    return model([node(op, ["x", "w", "b"], ["y"], "stem", attributes)],
                 [tensor("w", weight_dims, None if external else weights, external), tensor("b", [4], [0.1, 0.2, -0.1, 0])],
                 [value_info("x", dims)], [value_info("y", [dims[0], 4, dims[2], dims[3]])])


def cyclic():
    return model([node("Relu", ["b"], ["a"], "first"), node("Relu", ["a"], ["b"], "second")], [],
                 [value_info("x", [1, 3, 8, 8])], [value_info("b", [1, 3, 8, 8])])


def nested(depth):
    """Graphs within attributes of nodes of graphs."""
    inner = block(2, "leaf")
    for _ in range(depth):
        inner = block(1, block(4, "If") + block(5, block(1, "then_branch") + block(6, inner) + number(20, 5))) + block(2, "g")
    return number(1, 8) + block(7, inner) + block(8, block(1, "") + number(2, 13))
