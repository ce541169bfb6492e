/* SPDX-License-Identifier: Apache-2.0
 *
 * Levels: what dispatch.c calls, lowest first. Which of them are built is decided by CMake, which
 * passes I8X_KERNEL_LEVELS as a list of LEVEL(enum name, function suffix).
 */
#ifndef CORE_KERNELS_LEVELS_H
#define CORE_KERNELS_LEVELS_H

#include "core/kernels/kernels.h"

void i8x_kernels_init_scalar(i8x_kernels *k);
#define LEVEL(name, suffix) void i8x_kernels_init_##suffix(i8x_kernels *k);
I8X_KERNEL_LEVELS
#undef LEVEL

/* FPSCR of ARMv7 (neon/fpscr_armv7.c) or nothing (scalar/fpscr_none.c). */
void i8x_fpscr_clear(void);
bool i8x_fpscr_flushed(void);

#endif
