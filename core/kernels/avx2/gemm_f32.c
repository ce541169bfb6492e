/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix product, AVX2: tiles of 6 rows x 16 columns, 12 accumulators, two loads of b and six
 * broadcasts of a per step. Accumulators have names: GCC 12 keeps an array of them on the stack. A
 * tile that is not full is computed in a buffer on the stack and copied.
 */
#include "core/kernels/avx2/simd.h"

enum { MR = 6, NR = 16 };

#define ROWS(f) f(0) f(1) f(2) f(3) f(4) f(5)
#define LOAD(r)                                                                                    \
    __m256 c##r##0 = _mm256_loadu_ps(c + r * c_stride);                                            \
    __m256 c##r##1 = _mm256_loadu_ps(c + r * c_stride + 8);
#define STEP(r)                                                                                    \
    {                                                                                              \
        __m256 v = _mm256_broadcast_ss(a + r);                                                     \
        c##r##0 = _mm256_fmadd_ps(v, b0, c##r##0);                                                 \
        c##r##1 = _mm256_fmadd_ps(v, b1, c##r##1);                                                 \
    }
#define STORE(r)                                                                                   \
    _mm256_storeu_ps(c + r * c_stride, c##r##0);                                                   \
    _mm256_storeu_ps(c + r * c_stride + 8, c##r##1);

static void tile(size_t k, const float *a, const float *b, float *c, size_t c_stride)
{
    ROWS(LOAD)
#pragma GCC unroll 2
    for (size_t t = 0; t < k; ++t, a += MR, b += NR) {
        __m256 b0 = _mm256_load_ps(b), b1 = _mm256_load_ps(b + 8);
        ROWS(STEP)
    }
    ROWS(STORE)
}

#include "core/kernels/vector/transpose_avx.h"

#include "core/kernels/vector/gemm_pack.h"
#include "core/kernels/vector/gemm_rest.h"

const i8x_gemm_f32 i8x_avx2_gemm_f32 = {.mr = MR,
                                        .nr = NR,
                                        .kernel = kernel,
                                        .pack_a = pack_a,
                                        .pack_a_transposed = pack_a_transposed,
                                        .pack_b = pack_b,
                                        .pack_b_transposed = pack_b_transposed};
