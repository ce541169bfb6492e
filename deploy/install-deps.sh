#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing on Debian 12, and nothing if nothing is. Usage: deploy/install-deps.sh GROUP...
#   build       compiler, build tools and the libraries int8x links
#   quickstart  what deploy/quickstart.sh needs beside build
#   check       what deploy/check.sh needs beside build: tests, formats, fuzzing, ARM by cross gcc and qemu
#   full        what deploy/check.sh --full needs beside check
# Needs root or sudo only if something is missing.
set -eu

build="gcc libc6-dev cmake ninja-build pkg-config ca-certificates
    libssl-dev libprotobuf-c-dev protobuf-c-compiler libzip-dev
    libuv1-dev libnng-dev libcjson-dev libmicrohttpd-dev libsqlite3-dev libcurl4-openssl-dev"
quickstart="python3 python3-venv"
check="check git python3 python3-venv g++ clang libclang-rt-dev llvm clang-format shellcheck ccache
    gcc-aarch64-linux-gnu gcc-arm-linux-gnueabihf libc6-dev-arm64-cross libc6-dev-armhf-cross
    qemu-user-static mmdebstrap iproute2 curl jq sqlite3 prometheus wrk systemd valgrind man-db zsh fish"
full="clang-tidy cppcheck gcovr doxygen graphviz"

[ $# -gt 0 ] || set -- build
wanted=""
for group in "$@"; do
    case $group in
    build) wanted="$wanted $build" ;;
    quickstart) wanted="$wanted $quickstart" ;;
    check) wanted="$wanted $check" ;;
    full) wanted="$wanted $full" ;;
    *)
        echo "install-deps: unknown group '$group' (build, quickstart, check, full)" >&2
        exit 2
        ;;
    esac
done

missing=""
for package in $wanted; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    case $status in
    installed*) ;;
    *) missing="$missing $package" ;;
    esac
done
if [ -z "$missing" ]; then
    echo "install-deps: nothing is missing"
    exit 0
fi

echo "install-deps: installing$missing"
sudo=""
if [ "$(id -u)" -ne 0 ]; then
    sudo=$(command -v sudo) || {
        echo "install-deps: not root and no sudo; as root: apt-get install$missing" >&2
        exit 1
    }
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -q
# shellcheck disable=SC2086  # a list of words
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
