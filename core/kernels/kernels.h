/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels: the inner loops, as a table of functions made from kernels.def.
 *
 *     const i8x_kernels *kernels = i8x_kernels_get();
 *     kernels->add_f32(a, 1, b, 1, y, n);
 *
 * Kernels take raw pointers, sizes and derived numbers; they cannot fail, allocate or log. Callers
 * have checked everything. Pointers need the alignment of their element only, unless said
 * otherwise; n may be 0; nothing outside the named elements is read or written. Input and output
 * must not overlap, except where "in place" is said: there y may equal an input exactly.
 *
 * Contracts: what makes every level give the same bits (docs/kernels.md).
 *   EXACT      one correctly rounded IEEE operation after another, or integers: bit-equal by
 * itself. FMA_CHAIN  each output is one chain acc = fmaf(a, b, acc) in ascending index from a
 * stated start. LANES16    partial[l] collects the elements with index % 16 == l in ascending
 * order, from +0; then partial[l] += partial[l + 8] for l < 8, += [l + 4] for l < 4, += [l + 2], +=
 * [l + 1]. POLY       the operations of core/base/fmath.h in that order; accuracy in ULP is stated
 * there. Which NaN comes out of an operation on NaNs (sign, payload) is not promised; that it is
 * one, is. ARMv7 NEON flushes denormals to zero: see int8x/kernels.h for how a task notices and
 * repeats.
 */
#ifndef CORE_KERNELS_KERNELS_H
#define CORE_KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "int8x/kernels.h"

/* Bins of loghist_f32: sign, 8 bits of exponent, 10 bits of mantissa. */
#define I8X_LOGHIST_BINS ((size_t)1 << 19)
#define I8X_LOGHIST_SHIFT 13

/* Largest mr * nr and mr, nr of any level: for buffers on the stack. */
#define I8X_GEMM_MR_MAX 16
#define I8X_GEMM_NR_MAX 64

/**
 * One tile of c += a b, FMA_CHAIN: for r < rows, j < cols
 *     acc = c[r * c_stride + j]; for t = 0 .. k-1: acc = fmaf(a[t * mr + r], b[t * nr + j], acc)
 * rows in 1..mr, cols in 1..nr; full tiles are the fast path. Elements of c outside rows x cols are
 * neither read nor written; a [k][mr] and b [k][nr] are read whole (what lies beyond rows or cols
 * must be readable, its values do not matter). b and packed b: 64-byte aligned; k = 0 leaves c as
 * it is.
 *
 * pack_a: packed[t * mr + r] = r < rows ? a[r * a_stride + t] : 0      (a is [rows][k], row-major)
 * pack_a_transposed:            r < rows ? a[t * a_stride + r] : 0     (a is [k][rows])
 * pack_b: packed[t * nr + j] = j < cols ? b[t * b_stride + j] : 0      (b is [k][cols])
 * pack_b_transposed:            j < cols ? b[j * b_stride + t] : 0     (b is [cols][k])
 */
typedef struct i8x_gemm_f32 {
    size_t mr, nr;
    void (*kernel)(size_t k, const float *a, const float *b, float *c, size_t c_stride, size_t rows,
                   size_t cols);
    void (*pack_a)(size_t k, const float *a, size_t a_stride, size_t rows, float *packed);
    void (*pack_a_transposed)(size_t k, const float *a, size_t a_stride, size_t rows,
                              float *packed);
    void (*pack_b)(size_t k, const float *b, size_t b_stride, size_t cols, float *packed);
    void (*pack_b_transposed)(size_t k, const float *b, size_t b_stride, size_t cols,
                              float *packed);
} i8x_gemm_f32;

/*
 * add sub mul div max min   y[i] = a[i * a_step] op b[i * b_step]; steps are 0 (one element for
 * all) or 1; in place. max is a > b ? a : b, min is a < b ? a : b: a NaN in either operand gives b,
 * equal zeros give b. So a ReLU that lets NaN through is max(a = 0 with step 0, b = x). clip t = lo
 * > x ? lo : x; y = hi < t ? hi : t; NaN stays NaN, -0 stays -0; lo <= hi. In place. scale_shift y
 * = fmaf(x, scale, shift). In place.
 * copy_rows     y[r * y_row + i] = x[r * x_row + i * x_step] for r < rows, i < cols; x_step >= 1.
 * Row after row, ascending, so that with x_step 1 rows may slide down within one buffer: y <= x and
 * y_row <= x_row.
 *
 * exp log tanh erf sigmoid   fmath.h, element by element; NaN gives NaN. In place.
 *
 * dot           LANES16, partial = fmaf(a[i], b[i], partial).
 * sum           LANES16 in float.
 * moments       LANES16 in double: sum of x, sum of x * x (exact products).
 * sq_error      LANES16 in double: d = (double)a - (double)b, error = fma(d, d, .), reference = sum
 * of a * a. minmax        returns the index of the first NaN or infinity, or n. *min and *max are
 * those of the elements before it (+inf and -inf if there are none); -0 counts as +0. sum_s8_s64,
 * sum_u8_s64   sum of the codes, exact for n < 2^55. loghist       bins[bits(x) >> 13] += 1; -0
 * counts in bins[0]. Counters are 32 bit: the caller stops before 2^32 - 1 values. NaN and infinity
 * go to the bins of their bits (check with minmax).
 *
 * Quantization. round() is to nearest, ties to even; code range [qmin, qmax] is that of the type;
 * zero_point lies in it. NaN gives zero_point, +-inf and what overflows saturate.
 *   quantize       q = clamp(round(x / scale) + zero_point): weights, ONNX QuantizeLinear. scale >
 * 0, finite. quantize_rcp   q = clamp(round(x * inv_scale) + zero_point): run-time activations.
 *   requant_f32    q = clamp(round(acc * multiplier) + zero_point), acc an integer held in a float:
 * what ONNX Runtime does behind QLinearConv and QLinearMatMul. Same arithmetic as quantize_rcp.
 *   requant_s32    the same from acc = (float)s32, itself rounded to nearest even.
 *   dequantize     y = scale * (float)(q - zero_point).
 *   fakequant      quantize to [qmin, qmax] (division contract), then dequantize: y = scale *
 * (float)(q - zero_point), never -0 unless scale is negative. |qmin - zero_point| and |qmax -
 * zero_point|
 *                  <= 2^24, qmin <= zero_point <= qmax. In place.
 *
 * fir           y[p] = chain from init over t = 0 .. taps-1 of acc = fmaf(x[offset[t] + p], w[t],
 * acc), p < n. fir_max       acc = -inf; for t ascending: acc = acc > v ? acc : v with v =
 * x[offset[t] + p]. Both read x only at offset[t] + p with p < n; offsets may be negative. taps = 0
 * is allowed.
 */
typedef struct i8x_kernels {
    i8x_cpu_level level;
#define KERNEL(name, contract, result, parameters) result(*name) parameters;
#define UNIT(name, contract, type) type name;
#include "core/kernels/kernels.def"
#undef KERNEL
#undef UNIT
} i8x_kernels;

/** Fills k with the kernels of the highest level <= max_level that this processor has: scalar
 * first, then each level overwrites what it has. I8X_CPU_LEVEL_COUNT = no limit. */
void i8x_kernels_init(i8x_kernels *k, i8x_cpu_level max_level);
/** The process-wide table, made at first use; thread-safe. */
const i8x_kernels *i8x_kernels_get(void);

#endif
