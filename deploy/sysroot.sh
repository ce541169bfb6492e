#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes .cache/sysroot-<arch>: Debian 12's libraries for a cross build, unpacked and not configured; the
# machine's own packages are left alone. Usage: deploy/sysroot.sh aarch64|armhf [MIRROR]
# Takes about 10 s and 150 MB. Only the suite "bookworm" is used, so that a sysroot of one day equals
# that of another.
set -eu

arch=${1:?usage: deploy/sysroot.sh aarch64|armhf [MIRROR]}
mirror=${2:-${INT8X_DEBIAN_MIRROR:-http://deb.debian.org/debian}}
case $arch in
aarch64) debian_arch=arm64 ;;
armhf) debian_arch=armhf ;;
*)
    echo "sysroot: unknown architecture '$arch' (aarch64 or armhf)" >&2
    exit 2
    ;;
esac

cd "$(dirname "$0")/.."
target=.cache/sysroot-$arch
packages=libc6-dev,libgcc-12-dev,libssl-dev,libprotobuf-c-dev,libzip-dev,libuv1-dev,libnng-dev
packages=$packages,libcjson-dev,libmicrohttpd-dev,libsqlite3-dev,libcurl4-openssl-dev,check
stamp=$target/.int8x-packages
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$packages" ]; then
    echo "sysroot: $target is there"
    exit 0
fi

rm -rf "$target" "$target.part"
mkdir -p .cache
# the foreign packages are only unpacked: nothing of them runs, so no emulation is needed
mode=root
[ "$(id -u)" -eq 0 ] || mode=unshare
mmdebstrap --quiet --mode=$mode --variant=extract --architectures="$debian_arch" \
    --include="$packages" --skip=check/qemu bookworm "$target.part" "deb $mirror bookworm main"
printf '%s\n' "$packages" >"$target.part/.int8x-packages"
mv "$target.part" "$target"
echo "sysroot: $target made, $(du -sh "$target" | cut -f1)"
