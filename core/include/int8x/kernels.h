/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels, seen by programs: which CPU level the inner loops run on. Results do not depend on it
 * (each kernel's contract makes all levels bit-equal); speed does. By default the highest level of
 * the processor is taken at first use; a program that reads INT8X_CPU_MASK calls i8x_kernels_select
 * once, before it starts threads.
 *
 *     i8x_cpu_level level; I8X_TRY(i8x_cpu_level_parse(getenv("INT8X_CPU_MASK"), &level));
 *     i8x_kernels_select(level);
 *
 * ARMv7 only: its NEON unit flushes denormal numbers, which can change a result. The two flush
 * functions tell a task whether that happened on this thread, so that it can be repeated at
 * I8X_CPU_SCALAR, whose VFP instructions do not flush. On every other processor they cost nothing.
 */
#ifndef INT8X_KERNELS_H
#define INT8X_KERNELS_H

#include <stdbool.h>

#include "int8x/cpu.h"
#include "int8x/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Takes the highest level that is built in, that this processor has, and that is <= max_level on
 * its ladder (I8X_CPU_LEVEL_COUNT = no limit). Must not run while another thread is inside a
 * kernel. */
I8X_EXPORT void i8x_kernels_select(i8x_cpu_level max_level);
/** The level in use. Thread-safe. */
I8X_EXPORT i8x_cpu_level i8x_kernels_level(void);
/** Clears this thread's denormal-input and underflow flags (FPSCR.IDC, UFC). A task calls it first
 * on every thread it computes on. */
I8X_EXPORT void i8x_kernels_fpscr_clear(void);
/** True if since then an input or result on this thread was denormal while the level in use
 * flushes: the task must be repeated after i8x_kernels_select(I8X_CPU_SCALAR). Always false except
 * on ARMv7. */
I8X_EXPORT bool i8x_kernels_flushed(void);

#ifdef __cplusplus
}
#endif
#endif
