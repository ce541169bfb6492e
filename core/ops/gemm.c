/* SPDX-License-Identifier: Apache-2.0
 *
 * Gemm on the blocked product: rows are rows of a, columns are columns of b.
 */
#include "core/ops/gemm.h"

#include <math.h>
#include <string.h>

#include "core/kernels/kernels.h"
#include "core/ops/product.h"

static void pack(const void *user, size_t col, size_t count, size_t nr, float *panels)
{
    const i8x_gemm_args *args = user;
    const i8x_gemm_f32 *gemm = &i8x_kernels_get()->gemm_f32;
    size_t k = (size_t)args->params->k, n = (size_t)args->params->n;
    for (size_t j = 0; j < count; j += nr) {
        size_t cols = count - j < nr ? count - j : nr;
        if (args->params->b_transposed)
            gemm->pack_b_transposed(k, args->b + (col + j) * k, k, cols, panels + j * k);
        else
            gemm->pack_b(k, args->b + col + j, n, cols, panels + j * k);
    }
}

static float addend(const i8x_gemm_args *args, size_t row, size_t col)
{
    const i8x_gemm_params *p = args->params;
    float c = args->c[(int64_t)row * p->c_row_step + (int64_t)col * p->c_col_step];
    return p->beta == 1.0f ? c : p->beta * c;
}

static void start(const void *user, size_t row, size_t col, size_t count, float *acc)
{
    const i8x_gemm_args *args = user;
    if (args->c == NULL || args->params->alpha != 1.0f)
        memset(acc, 0, count * sizeof *acc);
    else
        for (size_t j = 0; j < count; j++)
            acc[j] = addend(args, row, col + j);
}

static void finish(const void *user, size_t row, size_t col, size_t count, float *acc,
                   const int32_t *sum)
{
    const i8x_gemm_args *args = user;
    float alpha = args->params->alpha;
    for (size_t j = 0; j < count && alpha != 1.0f; j++)
        acc[j] = args->c ? fmaf(acc[j], alpha, addend(args, row, col + j)) : acc[j] * alpha;
    if (args->sink)
        args->sink(args->user, (int64_t)row, (int64_t)col, (int64_t)count, acc, sum);
    else
        memcpy(args->y + row * (size_t)args->params->n + col, acc, count * sizeof *acc);
}

static i8x_product product_of(const i8x_gemm_params *p)
{
    return (i8x_product){.rows = (size_t)p->m,
                         .cols = (size_t)p->n,
                         .depth = (size_t)p->k,
                         .a_stride = (size_t)(p->a_transposed ? p->m : p->k),
                         .a_transposed = p->a_transposed,
                         .pack = pack,
                         .start = start,
                         .finish = finish};
}

size_t i8x_gemm_scratch_bytes(const i8x_gemm_params *params, size_t chunk_count, int threads)
{
    i8x_product p = product_of(params);
    p.chunk_count = chunk_count;
    return i8x_product_scratch_bytes(&p, threads);
}

i8x_status i8x_gemm_run(const i8x_gemm_args *args, i8x_arena *scratch, i8x_threads *threads)
{
    i8x_product p = product_of(args->params);
    p.a = args->a;
    p.user = args;
    p.chunk_ends = args->chunk_ends;
    p.chunk_count = args->chunk_count;
    return i8x_product_run(&p, scratch, threads);
}
