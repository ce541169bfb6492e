/* SPDX-License-Identifier: Apache-2.0
 *
 * CPU: which kernel levels this processor has. A level is a named set of features; levels form one
 * ladder per architecture (x86: scalar < avx2 < avx512; ARM: scalar < neon). The only place where a
 * feature is tested. Programs read INT8X_CPU_MASK ("scalar", "avx2", "avx512", "neon") and pass it
 * on.
 */
#ifndef INT8X_CPU_H
#define INT8X_CPU_H

#include <stddef.h>

#include "int8x/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum i8x_cpu_level {
    I8X_CPU_SCALAR = 0,
    I8X_CPU_NEON,   /* Advanced SIMD (aarch64), NEON + VFPv4 (armv7) */
    I8X_CPU_AVX2,   /* AVX2 + FMA + F16C */
    I8X_CPU_AVX512, /* F + BW + DQ + VL + VNNI */
    I8X_CPU_LEVEL_COUNT
} i8x_cpu_level;

/** Highest level of this processor and operating system. */
I8X_EXPORT i8x_cpu_level i8x_cpu_detect(void);
/** "scalar", "neon", "avx2", "avx512". Static string. */
I8X_EXPORT const char *i8x_cpu_level_name(i8x_cpu_level level);
/** Level of that name if this processor has it. Errors: I8X_EARG (no such name), I8X_EUNSUPPORTED.
 */
I8X_FALLIBLE i8x_status i8x_cpu_level_parse(const char *name, i8x_cpu_level *level);
/** Names of the instruction sets that matter here and that this processor has, separated by spaces:
 * "avx avx2 fma ...", "asimd dotprod ..."; "" where there are none. Cut at a name's end if size is
 * too small. Returns text. For humans and for placing work; kernels are chosen by level. */
I8X_EXPORT char *i8x_cpu_features(char *text, size_t size);
/** Number of processors this process may use, at least 1. */
I8X_EXPORT int i8x_cpu_count(void);

#ifdef __cplusplus
}
#endif
#endif
