/* SPDX-License-Identifier: Apache-2.0
 *
 * The AVX2 level (AVX2, FMA, F16C) has every kernel.
 */
#include "core/kernels/avx2/simd.h"
#include "core/kernels/levels.h"

void i8x_kernels_init_avx2(i8x_kernels *k)
{
    k->level = I8X_CPU_AVX2;
#define KERNEL(name, contract, result, parameters) k->name = THIS(name);
#define UNIT(name, contract, type) k->name = THIS(name);
#include "core/kernels/kernels.def"
#undef KERNEL
#undef UNIT
}
