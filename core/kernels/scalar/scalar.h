/* SPDX-License-Identifier: Apache-2.0
 *
 * The scalar level: the specification that every other level is tested against. It holds all
 * kernels.
 */
#ifndef CORE_KERNELS_SCALAR_SCALAR_H
#define CORE_KERNELS_SCALAR_SCALAR_H

#include "core/kernels/kernels.h"

#define KERNEL(name, contract, result, parameters) result i8x_scalar_##name parameters;
#define UNIT(name, contract, type) extern const type i8x_scalar_##name;
#include "core/kernels/kernels.def"
#undef KERNEL
#undef UNIT

#endif
