# SPDX-License-Identifier: Apache-2.0
"""Judge a quantized ONNX model with the real ONNX Runtime: figures against the FP32 parent, and the structure checks."""
import collections
import os
import tempfile

import numpy as np
import onnx
import onnxruntime as ort

LEVELS = {"on": ort.GraphOptimizationLevel.ORT_ENABLE_ALL, "off": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
          "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED}
FLOAT_LAYERS = ("Conv", "Gemm", "MatMul", "ConvTranspose", "FusedConv", "FusedGemm", "FusedMatMul")


def session(path, level="on", dump=None):
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = LEVELS[level]
    options.log_severity_level = 2
    if dump:
        options.optimized_model_filepath = dump
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(path, samples, level="on", batch=1):
    """First output of all samples as float64 [N, ...]."""
    net = session(path, level)
    name = net.get_inputs()[0].name
    return np.concatenate([net.run(None, {name: samples[i:i + batch]})[0] for i in range(0, len(samples), batch)]).astype(np.float64)


def sqnr_db(reference, value):
    error = ((reference - value) ** 2).sum()
    return float("inf") if error == 0 else 10 * np.log10((reference ** 2).sum() / error)


def figures(reference, value, labels=None):
    flat_r, flat_v = reference.reshape(len(reference), -1), value.reshape(len(value), -1)
    top_r, top_v = flat_r.argmax(1), flat_v.argmax(1)
    result = {"sqnr_db": float(sqnr_db(reference, value)), "agree": float((top_r == top_v).mean())}
    if labels is not None:
        result["top1"], result["top1_float"] = float((top_v == labels).mean()), float((top_r == labels).mean())
    return result


def optimized_ops(path, level="extended"):
    """Operator counts after ONNX Runtime's own optimisation."""
    with tempfile.TemporaryDirectory() as folder:
        dump = os.path.join(folder, "optimized.onnx")
        session(path, level, dump)
        return collections.Counter(node.op_type for node in onnx.load(dump).graph.node)


def structure_problems(path, target="ort-x86", float_layers=0):
    """Checks (a) to (c), (f), (i) of a correct QDQ model; returns sentences, empty = none."""
    problems = []
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    producer = {name: node for node in model.graph.node for name in node.output}
    imported = {opset.domain for opset in model.opset_import}
    for node in model.graph.node:
        if node.domain not in imported:
            problems.append(f"{node.name}: domain '{node.domain}' is not imported")
        if node.op_type != "DequantizeLinear":
            continue
        scale, zero_point = constants.get(node.input[1]), constants.get(node.input[2]) if len(node.input) > 2 else None
        if scale is None or not (scale > 0).all() or not np.isfinite(scale).all():
            problems.append(f"{node.name}: scale is not a positive constant")
        data = constants.get(node.input[0])
        if data is None:
            continue
        if zero_point is not None and zero_point.any():
            problems.append(f"{node.name}: weight zero point is not 0")
        if data.dtype == np.int8 and data.size and data.min() < -127:
            problems.append(f"{node.name}: weight code below -127")
    if target == "ort-x86":
        problems += bias_problems(model, constants, producer)
        ops = optimized_ops(path)
        left = sum(ops[name] for name in FLOAT_LAYERS)
        if left > float_layers:
            problems.append(f"{left} float layers after optimisation, {float_layers} expected")
    if target == "tensorrt":
        for node in model.graph.node:
            if node.op_type in ("QuantizeLinear", "DequantizeLinear") and len(node.input) > 2 and constants[node.input[2]].any():
                problems.append(f"{node.name}: zero point is not 0")
    return problems


def bias_problems(model, constants, producer):
    problems = []
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm") or len(node.input) < 3:
            continue
        parts = [producer.get(name) for name in node.input[:3]]
        if any(part is None or part.op_type != "DequantizeLinear" for part in parts):
            continue
        x, w, b = (constants[part.input[1]] for part in parts)
        if constants[parts[2].input[0]].dtype != np.int32:
            problems.append(f"{node.name}: bias is not int32")
        if not np.allclose(b, x * w, rtol=1e-6, atol=0):
            problems.append(f"{node.name}: bias scale is not s_x * s_w")
    return problems
