/* SPDX-License-Identifier: Apache-2.0
 *
 * The AVX-512 level (F, BW, DQ, VL, VNNI) has every kernel.
 */
#include "core/kernels/avx512/simd.h"
#include "core/kernels/levels.h"

void i8x_kernels_init_avx512(i8x_kernels *k)
{
    k->level = I8X_CPU_AVX512;
#define KERNEL(name, contract, result, parameters) k->name = THIS(name);
#define UNIT(name, contract, type) k->name = THIS(name);
#include "core/kernels/kernels.def"
#undef KERNEL
#undef UNIT
}
