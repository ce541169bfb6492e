# SPDX-License-Identifier: Apache-2.0
# 64-bit ARM (Raspberry Pi 3 to 5, Jetson): ARMv8-A, from Debian's cross gcc.
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(int8x_arch aarch64)
set(int8x_triple aarch64-linux-gnu)
set(int8x_qemu qemu-aarch64-static)
include(${CMAKE_CURRENT_LIST_DIR}/cross_linux.cmake)
