/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix product, one tile: c[r][j] += sum over t of a[t][r] * b[t][j], one rounding per product.
 */
#include <math.h>

#include "core/kernels/scalar/scalar.h"

enum { MR = 4, NR = 8 };

static void kernel(size_t k, const float *a, const float *b, float *c, size_t c_stride, size_t rows,
                   size_t cols)
{
    for (size_t r = 0; r < rows; ++r)
        for (size_t j = 0; j < cols; ++j) {
            float acc = c[r * c_stride + j];
            for (size_t t = 0; t < k; ++t)
                acc = fmaf(a[t * MR + r], b[t * NR + j], acc);
            c[r * c_stride + j] = acc;
        }
}

#include "core/kernels/vector/gemm_pack.h"

const i8x_gemm_f32 i8x_scalar_gemm_f32 = {.mr = MR,
                                          .nr = NR,
                                          .kernel = kernel,
                                          .pack_a = pack_a,
                                          .pack_a_transposed = pack_a_transposed,
                                          .pack_b = pack_b,
                                          .pack_b_transposed = pack_b_transposed};
