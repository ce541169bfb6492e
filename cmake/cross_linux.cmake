# SPDX-License-Identifier: Apache-2.0
# Common part of the cross toolchain files: a Debian sysroot in .cache (made by deploy/sysroot.sh) and
# qemu-user as the emulator, so that ctest runs what was built. QEMU_CPU picks the emulated core
# (cortex-a53, cortex-a72, cortex-a76, cortex-a7). Expects int8x_arch, int8x_triple, int8x_qemu.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER ${int8x_triple}-gcc)
set(CMAKE_ASM_COMPILER ${int8x_triple}-gcc)
set(CMAKE_AR ${int8x_triple}-gcc-ar)
set(CMAKE_RANLIB ${int8x_triple}-gcc-ranlib)
get_filename_component(int8x_root ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)
set(CMAKE_SYSROOT ${int8x_root}/.cache/sysroot-${int8x_arch})
if(NOT EXISTS ${CMAKE_SYSROOT}/usr/include/${int8x_triple})
  message(FATAL_ERROR "no sysroot for ${int8x_arch}: run deploy/sysroot.sh ${int8x_arch}")
endif()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_LIBRARY_ARCHITECTURE ${int8x_triple})
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${CMAKE_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR}
    ${CMAKE_SYSROOT}/usr/lib/${int8x_triple}/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig)
find_program(int8x_emulator ${int8x_qemu})
if(int8x_emulator)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${int8x_emulator};-L;${CMAKE_SYSROOT})
endif()
