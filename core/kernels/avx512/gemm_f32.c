/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix product, AVX-512: tiles of 8 rows x 48 columns, 24 accumulators, three loads of b and
 * eight broadcasts of a per step: 11 loads for 24 fused multiply-adds.
 *
 * Accumulators have names: GCC 12 keeps an array of them on the stack, which costs two thirds of
 * the speed. 12 x 32 was left out: rows (output channels) are mostly multiples of 8. Narrow tiles
 * (up to 16 or 32 columns) and short ones (1, or up to 4 rows) have their own instances; b keeps
 * its stride.
 */
#include "core/kernels/avx512/simd.h"

enum { MR = 8, NR = 48 };

#define ROWS_1(f) f(0)
#define ROWS_4(f) f(0) f(1) f(2) f(3)
#define ROWS_8(f) ROWS_4(f) f(4) f(5) f(6) f(7)

/* Rows beyond `rows` are computed from the padding of a and not stored. */
#define LOAD_1(r) __m512 c##r##0 = r < rows ? _mm512_maskz_loadu_ps(last, c + r * c_stride) : zero;
#define LOAD_2(r)                                                                                  \
    __m512 c##r##0 = r < rows ? _mm512_loadu_ps(c + r * c_stride) : zero;                          \
    __m512 c##r##1 = r < rows ? _mm512_maskz_loadu_ps(last, c + r * c_stride + 16) : zero;
#define LOAD_3(r)                                                                                  \
    __m512 c##r##0 = r < rows ? _mm512_loadu_ps(c + r * c_stride) : zero;                          \
    __m512 c##r##1 = r < rows ? _mm512_loadu_ps(c + r * c_stride + 16) : zero;                     \
    __m512 c##r##2 = r < rows ? _mm512_maskz_loadu_ps(last, c + r * c_stride + 32) : zero;

#define STEP_1(r) c##r##0 = _mm512_fmadd_ps(_mm512_set1_ps(a[r]), b0, c##r##0);
#define STEP_2(r)                                                                                  \
    {                                                                                              \
        __m512 v = _mm512_set1_ps(a[r]);                                                           \
        c##r##0 = _mm512_fmadd_ps(v, b0, c##r##0);                                                 \
        c##r##1 = _mm512_fmadd_ps(v, b1, c##r##1);                                                 \
    }
#define STEP_3(r)                                                                                  \
    {                                                                                              \
        __m512 v = _mm512_set1_ps(a[r]);                                                           \
        c##r##0 = _mm512_fmadd_ps(v, b0, c##r##0);                                                 \
        c##r##1 = _mm512_fmadd_ps(v, b1, c##r##1);                                                 \
        c##r##2 = _mm512_fmadd_ps(v, b2, c##r##2);                                                 \
    }

#define STORE_1(r)                                                                                 \
    if (r < rows)                                                                                  \
        _mm512_mask_storeu_ps(c + r * c_stride, last, c##r##0);
#define STORE_2(r)                                                                                 \
    if (r < rows) {                                                                                \
        _mm512_storeu_ps(c + r * c_stride, c##r##0);                                               \
        _mm512_mask_storeu_ps(c + r * c_stride + 16, last, c##r##1);                               \
    }
#define STORE_3(r)                                                                                 \
    if (r < rows) {                                                                                \
        _mm512_storeu_ps(c + r * c_stride, c##r##0);                                               \
        _mm512_storeu_ps(c + r * c_stride + 16, c##r##1);                                          \
        _mm512_mask_storeu_ps(c + r * c_stride + 32, last, c##r##2);                               \
    }

#define B_1 __m512 b0 = _mm512_load_ps(b);
#define B_2 B_1 __m512 b1 = _mm512_load_ps(b + 16);
#define B_3 B_2 __m512 b2 = _mm512_load_ps(b + 32);

#define TILE(ROWS, VECTORS)                                                                        \
    static void tile_##ROWS##_##VECTORS(size_t k, const float *a, const float *b, float *c,        \
                                        size_t c_stride, size_t rows, __mmask16 last)              \
    {                                                                                              \
        const __m512 zero = _mm512_setzero_ps();                                                   \
        ROWS_##ROWS(LOAD_##VECTORS)                                                                \
            _Pragma("GCC unroll 2") for (size_t t = 0; t < k; ++t, a += MR, b += NR){              \
                B_##VECTORS ROWS_##ROWS(STEP_##VECTORS)} ROWS_##ROWS(STORE_##VECTORS)(void) zero;  \
    }

TILE(1, 1)
TILE(1, 2)
TILE(1, 3)
TILE(4, 1)
TILE(4, 2)
TILE(4, 3)
TILE(8, 1)
TILE(8, 2)
TILE(8, 3)

static void kernel(size_t k, const float *a, const float *b, float *c, size_t c_stride, size_t rows,
                   size_t cols)
{
    static void (*const tiles[3][3])(size_t, const float *, const float *, float *, size_t, size_t,
                                     __mmask16) = {{tile_1_1, tile_1_2, tile_1_3},
                                                   {tile_4_1, tile_4_2, tile_4_3},
                                                   {tile_8_1, tile_8_2, tile_8_3}};
    size_t vectors = (cols - 1) / 16;
    __mmask16 last = first(cols - 16 * vectors);
    tiles[rows > 4 ? 2 : rows > 1][vectors](k, a, b, c, c_stride, rows, last);
}

#include "core/kernels/vector/transpose_avx.h"

#include "core/kernels/vector/gemm_pack.h"

const i8x_gemm_f32 i8x_avx512_gemm_f32 = {.mr = MR,
                                          .nr = NR,
                                          .kernel = kernel,
                                          .pack_a = pack_a,
                                          .pack_a_transposed = pack_a_transposed,
                                          .pack_b = pack_b,
                                          .pack_b_transposed = pack_b_transposed};
