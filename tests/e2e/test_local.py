#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""int8x quantize, evaluate and inspect as a user runs them: real files, real processes, no package needed.

    INT8X_BIN=build/release/bin python3 tests/e2e/test_local.py [TestClass.test_name ...]

Why: the laws "same bytes out" (threads, CPU levels, batch), "a changed sample changes the result", and one
sentence with the right status for each kind of bad input."""
import csv
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import samples  # noqa: E402
from service import ROOT, program  # noqa: E402

INT8X, MODELS = program("int8x"), os.path.join(ROOT, "tests", "data")
LENET, MBV2 = os.path.join(MODELS, "lenet_mnist.onnx"), os.path.join(MODELS, "mbv2_fashion.onnx")
COUNT, SIZE = 20, 28
SHAPE = (COUNT, 1, SIZE, SIZE)


def run(*arguments, **environment):
    env = dict(os.environ, **environment)
    return subprocess.run([INT8X, *arguments], capture_output=True, text=True, env=env, timeout=300)


class Local(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="int8x-e2e-")
        cls.values = samples.images(7, COUNT)
        cls.calib = cls.path("calib.npy")
        samples.write_npy(cls.calib, cls.values, SHAPE)
        cls.eval = cls.path("eval.npy")
        samples.write_npy(cls.eval, samples.images(8, COUNT), SHAPE)
        cls.labels = cls.path("labels.npy")
        samples.write_npy(cls.labels, [i % 10 for i in range(COUNT)], (COUNT,), "<i8")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder.name, name)

    def quantize(self, *more, model=LENET, calib=None, out="out.onnx", **environment):
        return run("quantize", model, "-o", self.path(out), "--calib", calib or self.calib, *more, **environment)

    def digests(self, *more, **keywords):
        done = self.quantize("--eval", self.eval, "--labels", self.labels, "--json", *more, **keywords)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        return report["artifact_sha256"], report["result_sha256"]

    def refused(self, code, words, *more, **keywords):
        done = self.quantize(*more, **keywords)
        self.assertEqual(done.returncode, code, done.stderr)
        last = done.stderr.strip().splitlines()[-1]
        self.assertTrue(last.startswith("int8x: quantize: "), last)
        for word in words:
            self.assertIn(word, last)
        return last

    # ---- same bytes out ----

    def test_threads_batch_and_levels_give_the_same_bytes(self):
        first = self.digests("--threads", "1", model=MBV2)
        self.assertEqual(first, self.digests("--threads", "2", model=MBV2))
        self.assertEqual(first, self.digests("--set", "batch=1", model=MBV2))
        tried = 0
        for level in ("scalar", "avx2", "avx512", "neon"):
            probe = run("--help", INT8X_CPU_MASK=level)
            if probe.returncode != 0:
                print("no level %s here: %s" % (level, probe.stderr.strip()), file=sys.stderr)
                continue
            self.assertEqual(first, self.digests(model=MBV2, INT8X_CPU_MASK=level), level)
            tried += 1
        self.assertGreater(tried, 0)

    def test_changed_sample_changes_the_result(self):
        changed = list(self.values)
        changed[5 * SIZE * SIZE + 300] += 0.5
        other = self.path("other.npy")
        samples.write_npy(other, changed, SHAPE)
        self.assertNotEqual(self.digests()[1], self.digests(calib=other)[1])

    def test_artifact_does_not_depend_on_the_evaluation(self):
        done = self.quantize("--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["artifact_sha256"], self.digests()[0])

    def test_npz_gives_the_model_of_the_npy(self):
        packed = self.path("calib.npz")
        samples.write_npz(packed, {"input": samples.npy_bytes(self.values, SHAPE)})
        report = json.loads(self.quantize("--json", calib=packed).stdout)
        plain = json.loads(self.quantize("--json").stdout)
        self.assertEqual(report["result"]["layers"], plain["result"]["layers"])
        self.assertEqual(report["result"]["tensors"], plain["result"]["tensors"])

    # ---- the report ----

    def test_report_says_what_was_done(self):
        where = self.path("report.json")
        done = self.quantize("--eval", self.eval, "--labels", self.labels, "--report", where)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(where) as file:
            report = json.load(file)
        self.assertEqual(set(report), {"result", "result_sha256", "artifact_sha256", "measured", "command"})
        self.assertIn("artifact_sha256 " + report["artifact_sha256"], done.stdout)
        self.assertIn("result_sha256 " + report["result_sha256"], done.stdout)
        with open(self.path("out.onnx"), "rb") as file:
            self.assertEqual(hashlib.sha256(file.read()).hexdigest(), report["artifact_sha256"])
        result = report["result"]
        self.assertEqual(len(result["layers"]), 4)
        self.assertTrue(all(layer["quantized"] and "sqnr_db" in layer for layer in result["layers"]))
        self.assertGreater(result["outputs"][0]["sqnr_db"], 20)  # other images than those that gave the ranges
        self.assertGreaterEqual(result["outputs"][0]["agreement"], 0.9)
        self.assertIsNotNone(result["outputs"][0]["top1_float"])
        self.assertIn("calibrate", done.stderr)
        self.assertNotIn("batch", result["recipe"])
        self.assertGreater(report["measured"]["peak_bytes"], 0)

    def test_evaluate_agrees_with_the_report(self):
        done = self.quantize("--eval", self.eval, "--json")
        result = json.loads(done.stdout)["result"]["outputs"][0]
        seen = run("evaluate", self.path("out.onnx"), LENET, "--eval", self.eval, "--json")
        self.assertEqual(seen.returncode, 0, seen.stderr)
        output = json.loads(seen.stdout)["outputs"][0]
        self.assertAlmostEqual(output["sqnr_db"], result["sqnr_db"], places=6)
        self.assertEqual(output["agreement"], result["agreement"])

    def test_inspect_tells_float_from_quantized(self):
        self.assertEqual(self.quantize().returncode, 0)
        before = json.loads(run("inspect", LENET, "--json").stdout)
        after = json.loads(run("inspect", self.path("out.onnx"), "--json").stdout)
        self.assertEqual((before["quantized_layers"], after["quantized_layers"]), (0, 4))
        self.assertEqual(before["macs"], after["macs"])

    def test_every_clip_method_and_target_works(self):
        for clip in ("auto", "minmax", "percentile", "mse", "kl"):
            done = self.quantize("--set", "clip=" + clip, "--json")
            self.assertEqual(done.returncode, 0, clip + ": " + done.stderr)
        for target in ("ort-x86", "ort-arm", "tensorrt"):
            done = self.quantize("--target", target, "--json")
            self.assertEqual(done.returncode, 0, target + ": " + done.stderr)

    def test_excluded_layers_are_listed_with_the_reason(self):
        done = self.quantize("--exclude", "/3/*", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        layers = {layer["node"]: layer for layer in json.loads(done.stdout)["result"]["layers"]}
        self.assertFalse(layers["/3/Conv"]["quantized"])
        self.assertIn("excluded", layers["/3/Conv"]["reason"])

    # ---- bad input: one sentence, the right code, no file left ----

    def test_wrong_layout_is_named(self):
        wrong = self.path("nhwc.npy")
        samples.write_npy(wrong, self.values, (COUNT, SIZE, SIZE, 1))
        self.refused(3, ["Conv '/0/Conv'", "calibration is NHWC [28,28,1]", "the model wants NCHW [1,28,28]"], calib=wrong)

    def test_wrong_shape_is_named(self):
        wrong = self.path("shape.npy")
        samples.write_npy(wrong, self.values, (COUNT, 1, SIZE * 2, SIZE // 2))
        self.refused(3, ["[1,56,14]", "[1,28,28]"], calib=wrong)

    def test_wrong_types_are_named(self):
        wrong = self.path("type.npy")
        samples.write_npy(wrong, [1] * len(self.values), SHAPE, "<i8")
        self.refused(3, ["s64", "f32"], calib=wrong)
        samples.write_npy(wrong, self.values, SHAPE, "<f8")
        self.refused(4, ["f8"], calib=wrong)

    def test_empty_set_is_refused(self):
        empty = self.path("empty.npy")
        samples.write_npy(empty, [], (0, 1, SIZE, SIZE))
        self.refused(3, ["empty"], calib=empty)

    def test_nan_and_infinity_name_tensor_and_sample(self):
        for bad, word in ((float("nan"), "NaN"), (float("inf"), "infinite")):
            values = list(self.values)
            values[17 * SIZE * SIZE + 5] = bad
            wrong = self.path("bad.npy")
            samples.write_npy(wrong, values, SHAPE)
            self.refused(3, ["'input'", "sample 17", word], calib=wrong)

    def test_label_count_must_match(self):
        short = self.path("short.npy")
        samples.write_npy(short, [1, 2, 3], (3,), "<i8")
        self.refused(3, ["3 labels", "%d evaluation samples" % COUNT], "--eval", self.eval, "--labels", short)

    def test_truncated_files_are_refused(self):
        with open(LENET, "rb") as file:
            data = file.read()
        broken = self.path("broken.onnx")
        with open(broken, "wb") as file:
            file.write(data[:len(data) // 2])
        self.refused(3, [], model=broken)
        cut = self.path("cut.npy")
        with open(self.calib, "rb") as file:
            data = file.read()
        with open(cut, "wb") as file:
            file.write(data[:-100])
        self.refused(3, ["calibration"], calib=cut)

    def test_unknown_names_come_with_the_nearest(self):
        self.refused(2, ["'clipp'", "'clip'"], "--set", "clipp=mse")
        self.refused(2, ["'clip'", "minmax"], "--set", "clip=best")
        recipe = self.path("recipe.json")
        with open(recipe, "w") as file:
            json.dump({"equalise": "none"}, file)
        self.refused(2, ["'equalise'", "'equalize'"], "--recipe", recipe)
        self.refused(2, ["--calibb", "--calib"], "--calibb", "x")
        self.refused(3, ["shard_samples", "1 to 4096"], "--set", "shard_samples=0")

    def test_globs_that_match_nothing_are_errors(self):
        self.refused(2, ["nothing_like_this"], "--exclude", "nothing_like_this*")
        self.refused(2, ["nothing_like_this"], "--only", "nothing_like_this*")

    def test_quantized_model_is_refused_as_input(self):
        self.assertEqual(self.quantize(out="first.onnx").returncode, 0)
        self.refused(2, ["quantized already"], model=self.path("first.onnx"))

    def test_missing_files_and_folders(self):
        self.refused(8, ["nowhere.npy"], calib=self.path("nowhere.npy"))
        self.refused(8, ["nowhere"], out="nowhere/out.onnx")

    def test_failures_leave_nothing_behind(self):
        temporary = self.path("tmp")
        os.makedirs(temporary, exist_ok=True)
        wrong = self.path("nan.npy")
        values = list(self.values)
        values[3] = float("nan")
        samples.write_npy(wrong, values, SHAPE)
        done = self.quantize(calib=wrong, out="never.onnx", TMPDIR=temporary)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(os.listdir(temporary), [])
        self.assertFalse(os.path.exists(self.path("never.onnx")))
        self.assertEqual(self.quantize(TMPDIR=temporary).returncode, 0)
        self.assertEqual(os.listdir(temporary), [])

    # ---- sweeps ----

    def sweep(self, out, spec, *more, **keywords):
        path = self.path("spec.json")
        with open(path, "w") as file:
            json.dump(spec, file)
        return ["sweep", path, LENET, "--calib", self.calib, "--eval", self.eval, "--labels", self.labels, "-o", self.path(out), *more]

    SPEC = {"space": {"clip": ["minmax", "mse"], "bias_correction": ["none", "sequential"], "shard_samples": [5]}}

    def test_a_sweep_gives_what_single_jobs_give(self):
        done = run(*self.sweep("sweep", self.SPEC, "--json"))
        self.assertEqual(done.returncode, 0, done.stderr)
        result = json.loads(done.stdout)
        self.assertEqual([trial["state"] for trial in result["trials"]], ["done"] * 4)
        for trial in result["trials"]:
            fields = [word for name, value in trial["recipe"].items() for word in ("--set", f"{name}={value}")]
            self.assertEqual(self.digests(*fields), (trial["artifact_sha256"], trial["result_sha256"]))
        best = max(result["trials"], key=lambda trial: trial["sqnr_db"])
        self.assertEqual(result["trials"][result["best"]]["sqnr_db"], best["sqnr_db"])
        self.assertTrue(result["trials"][result["best"]]["front"])
        again = self.digests("--recipe", self.path("sweep/best.recipe.json"))
        self.assertEqual(again[0], result["trials"][result["best"]]["artifact_sha256"])
        with open(self.path("sweep/best.int8.onnx"), "rb") as model:
            self.assertEqual(hashlib.sha256(model.read()).hexdigest(), again[0])
        with open(self.path("sweep/trials.csv"), newline="") as table:
            rows = list(csv.DictReader(table))
        self.assertEqual([row["artifact_sha256"] for row in rows], [trial["artifact_sha256"] for trial in result["trials"]])

    def test_a_killed_sweep_goes_on_without_repeating(self):
        command = self.sweep("killed", dict(self.SPEC, search="random", seed=3, trials=4))
        child = subprocess.Popen([INT8X, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in child.stderr:
            if "trial 3/4" in line:
                child.kill()
                break
        child.communicate()
        self.assertNotEqual(child.returncode, 0)
        kept = os.listdir(self.path("killed/work/results"))
        first = run(*command, "--json")
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertLess(len(kept), len(os.listdir(self.path("killed/work/results"))))
        times = {name: os.stat(self.path("killed/work/results/" + name)).st_mtime_ns for name in kept}
        self.assertTrue(times)
        again = run(*command, "--json")
        self.assertEqual(again.stdout, first.stdout)
        self.assertEqual(times, {name: os.stat(self.path("killed/work/results/" + name)).st_mtime_ns for name in kept})

    def test_sweeps_that_make_no_sense_are_named(self):
        for spec, words in (({}, "wants the object 'space'"), ({"space": {"clipp": ["mse"]}}, "nearest is 'clip'"),
                            ({"space": {"clip": ["mse"]}, "search": "random", "trials": 9}, "9 trials of a space of 1")):
            done = run(*self.sweep("none", spec))
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(words, done.stderr)
            self.assertIn("spec.json", done.stderr)

    def test_an_impossible_trial_is_a_row_and_not_the_end(self):
        done = run(*self.sweep("partly", {"space": {"only": ["", "nothing_has_this_name"]}}, "--json"))
        self.assertEqual(done.returncode, 0, done.stderr)
        states = [trial["state"] for trial in json.loads(done.stdout)["trials"]]
        self.assertEqual(states, ["done", "failed"])
        self.assertIn("nothing_has_this_name", json.loads(done.stdout)["trials"][1]["detail"])

    def test_json_errors_are_documents(self):
        done = self.quantize("--json", "--set", "clipp=1")
        self.assertEqual(json.loads(done.stdout)["error"]["status"], "EARG")

    def test_help_names_every_field_and_exit_code(self):
        text = run("quantize", "--help").stdout
        for word in ("--calib", "percentile", "bias_correction", "tensorrt", "Exit codes"):
            self.assertIn(word, text)
        self.assertEqual(run("--help").returncode, 0)
        self.assertEqual(run().returncode, 2)


if __name__ == "__main__":
    unittest.main()
