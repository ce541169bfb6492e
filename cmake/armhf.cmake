# SPDX-License-Identifier: Apache-2.0
# 32-bit ARM (Raspberry Pi 2 and later with a 32-bit system): ARMv7-A, VFPv3-D16 as Debian's baseline;
# NEON and VFPv4 are compiled into their kernel level alone.
set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(int8x_arch armhf)
set(int8x_triple arm-linux-gnueabihf)
set(int8x_qemu qemu-arm-static)
include(${CMAKE_CURRENT_LIST_DIR}/cross_linux.cmake)
