/* SPDX-License-Identifier: Apache-2.0
 *
 * The scalar level fills the whole table.
 */
#include "core/kernels/levels.h"
#include "core/kernels/scalar/scalar.h"

void i8x_kernels_init_scalar(i8x_kernels *k)
{
    k->level = I8X_CPU_SCALAR;
#define KERNEL(name, contract, result, parameters) k->name = i8x_scalar_##name;
#define UNIT(name, contract, type) k->name = i8x_scalar_##name;
#include "core/kernels/kernels.def"
#undef KERNEL
#undef UNIT
}
