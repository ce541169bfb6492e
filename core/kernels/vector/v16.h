/* SPDX-License-Identifier: Apache-2.0
 *
 * What a level's simd.h offers to the shared bodies in this folder: blocks of sixteen floats, so
 * that one body serves a level with one register of 16, two of 8 or four of 4, and LANES16 sums
 * come out the same.
 *
 *   THIS(name)                    the level's name of a kernel, i8x_avx2_add_f32
 *   v16f, v16i, v16m              16 floats, 16 int32, 16 truth values
 *   v16f_load(p) v16f_store(p, v) any alignment
 *   v16f_load_n(p, n)             first n < 16 elements, the rest 0; nothing else is read
 *   v16f_store_n(p, n, v)         first n < 16 elements; nothing else is written
 *   v16f_load_s32_n v16f_store_s8_n v16f_load_s8_n ... the same for other types
 *   v16f_set(x) v16i_set(x)
 *   v16f_add sub mul div; v16f_fma(a, b, c) = a * b + c rounded once
 *   v16f_max(a, b) = a > b ? a : b; v16f_min(a, b) = a < b ? a : b    (also for NaN and equal
 * zeros) v16f_round(x)                 to nearest even, kept in float; any x v16f_or_zero(x) x, or
 * 0 where x is NaN v16i_from_f(x) v16f_from_i(x) to nearest even; |x| < 2^22 v16f_even(a, b)
 * elements 0 2 4 ... of the 32 v16i_bits(x) v16f_bits(i)     reinterpret v16i_add sub and or;
 * v16i_shl(i, count) v16i_shr (logical) v16i_sar (arithmetic), constant count v16i_lt(a, b) signed
 *   v16f_lt(a, b) v16f_le(a, b)   false where one is NaN;  v16f_select(m, a, b) = m ? a : b
 *   v16f_sum(v)                   the halving tree of LANES16
 *   v16f_all_zero(v)
 * V16_MASKED says that v16f_load_n and v16f_store_n are masked instructions, not copies through the
 * stack. A header that has doubles (V16_DOUBLE) also gives v16d: v16d_zero() v16d_from_f(x)
 * v16d_load(p) (sixteen floats) v16d_add sub fma sum.
 */
#ifndef CORE_KERNELS_VECTOR_V16_H
#define CORE_KERNELS_VECTOR_V16_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/kernels/kernels.h"

#endif
