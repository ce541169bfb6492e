/* SPDX-License-Identifier: Apache-2.0
 *
 * The blocked product. a is packed into panels [depth][mr]: once per call, shared by all threads,
 * or where all columns are one group, each panel just before its only use, so that weights pass the
 * caches once and no packed copy of them comes back from memory. A work item is a group of columns
 * times a part of the rows. An item packs its columns of b over the whole depth (some 600 KiB, so
 * that they stay in the second-level cache), then walks the row panels; for each, blocks of the
 * depth keep the piece of a in the first-level cache while the panels of b stream by, and the strip
 * of accumulators [mr][cols] is finished (stored, clipped, requantised) while it is hot. Packing
 * weights once per graph instead was left out: it costs the model's size in memory for good, and a
 * batch of some samples hides it.
 */
#include "core/ops/product.h"

#include <string.h>

#include "core/kernels/kernels.h"

#define DEPTH_BLOCK 384u
#define GROUP_FLOATS (168u * 1024u)

typedef struct blocking {
    const i8x_product *p;
    const i8x_gemm_f32 *gemm;
    size_t group_cols, groups, row_panels, row_parts;
    float *packed_a;      /* NULL: panels are packed where they are used */
    float *thread_floats; /* per thread: panels of b, strip of accumulators, one panel of a */
    int32_t *thread_sums; /* per thread: strip of s32 sums */
    size_t floats_per_thread, strip, packed_floats;
} blocking;

static size_t round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

static void plan_init(blocking *plan, const i8x_product *p, int threads)
{
    const i8x_gemm_f32 *gemm = &i8x_kernels_get()->gemm_f32;
    size_t depth = p->depth ? p->depth : 1;
    size_t cols = GROUP_FLOATS / depth / gemm->nr * gemm->nr;
    size_t most = I8X_PRODUCT_COLS_MAX / gemm->nr * gemm->nr;
    cols = cols < gemm->nr ? gemm->nr : cols;
    cols = cols > most ? most : cols;
    if (cols > round_up(p->cols, gemm->nr))
        cols = round_up(p->cols, gemm->nr);
    *plan = (blocking){.p = p, .gemm = gemm, .group_cols = cols};
    plan->groups = (p->cols + cols - 1) / cols;
    plan->row_panels = (p->rows + gemm->mr - 1) / gemm->mr;
    size_t parts = plan->groups ? ((size_t)threads + plan->groups - 1) / plan->groups : 1;
    plan->row_parts = parts < plan->row_panels ? parts : plan->row_panels;
    plan->strip = gemm->mr * cols;
    plan->packed_floats = plan->groups > 1 ? plan->row_panels * gemm->mr * p->depth : 0;
    plan->floats_per_thread = round_up(depth * cols + plan->strip, 16) +
                              (plan->groups > 1 ? 0 : round_up(depth * gemm->mr, 16));
}

static void pack_panel(const blocking *plan, size_t row, float *packed)
{
    const i8x_product *p = plan->p;
    const i8x_gemm_f32 *gemm = plan->gemm;
    size_t rows = p->rows - row < gemm->mr ? p->rows - row : gemm->mr;
    if (p->a_transposed)
        gemm->pack_a_transposed(p->depth, p->a + row, p->a_stride, rows, packed);
    else
        gemm->pack_a(p->depth, p->a + row * p->a_stride, p->a_stride, rows, packed);
}

static void pack_rows(void *user, int64_t begin, int64_t end, int thread_index)
{
    const blocking *plan = user;
    size_t mr = plan->gemm->mr;
    (void)thread_index;
    for (size_t panel = (size_t)begin; panel < (size_t)end; panel++)
        pack_panel(plan, panel * mr, plan->packed_a + panel * mr * plan->p->depth);
}

typedef struct strip {
    size_t row, rows, col, cols;
    const float *a, *b;
    float *acc;
    int32_t *sum; /* NULL: one chunk, which needs no sums */
} strip;

/* acc += a b over k in [from, to), cut into blocks of the depth. */
static void strip_depth(const blocking *plan, const strip *s, size_t from, size_t to)
{
    size_t mr = plan->gemm->mr, nr = plan->gemm->nr, depth = plan->p->depth;
    for (size_t k = from; k < to; k += DEPTH_BLOCK) {
        size_t count = to - k < DEPTH_BLOCK ? to - k : DEPTH_BLOCK;
        for (size_t j = 0; j < s->cols; j += nr)
            plan->gemm->kernel(count, s->a + k * mr, s->b + j * depth + k * nr, s->acc + j,
                               plan->group_cols, s->rows, s->cols - j < nr ? s->cols - j : nr);
    }
}

static void strip_collect(const blocking *plan, const strip *s, bool first)
{
    for (size_t r = 0; r < s->rows; r++) {
        float *acc = s->acc + r * plan->group_cols;
        int32_t *sum = s->sum + r * plan->group_cols;
        for (size_t j = 0; j < s->cols; j++) {
            sum[j] = (first ? 0 : sum[j]) + (int32_t)acc[j];
            acc[j] = 0;
        }
    }
}

static void strip_run(const blocking *plan, const strip *s)
{
    const i8x_product *p = plan->p;
    bool several = s->sum != NULL;
    for (size_t r = 0; r < s->rows; r++)
        p->start(p->user, s->row + r, s->col, s->cols, s->acc + r * plan->group_cols);
    if (!several)
        strip_depth(plan, s, 0, p->depth);
    for (size_t chunk = 0; several && chunk < p->chunk_count; chunk++) {
        strip_depth(plan, s, chunk ? p->chunk_ends[chunk - 1] : 0, p->chunk_ends[chunk]);
        strip_collect(plan, s, chunk == 0);
    }
    for (size_t r = 0; r < s->rows; r++)
        p->finish(p->user, s->row + r, s->col, s->cols, s->acc + r * plan->group_cols,
                  several ? s->sum + r * plan->group_cols : NULL);
}

static void work(void *user, int64_t begin, int64_t end, int thread_index)
{
    const blocking *plan = user;
    const i8x_product *p = plan->p;
    size_t mr = plan->gemm->mr;
    float *floats = plan->thread_floats + (size_t)thread_index * plan->floats_per_thread;
    strip s = {.b = floats, .acc = floats + p->depth * plan->group_cols};
    float *panel_a = floats + round_up(p->depth * plan->group_cols + plan->strip, 16);
    s.sum = plan->thread_sums ? plan->thread_sums + (size_t)thread_index * plan->strip : NULL;
    size_t packed_group = SIZE_MAX;
    for (size_t item = (size_t)begin; item < (size_t)end; item++) {
        size_t group = item / plan->row_parts, part = item % plan->row_parts;
        s.col = group * plan->group_cols;
        s.cols = p->cols - s.col < plan->group_cols ? p->cols - s.col : plan->group_cols;
        if (group != packed_group)
            p->pack(p->user, s.col, s.cols, plan->gemm->nr, floats);
        packed_group = group;
        size_t last = plan->row_panels * (part + 1) / plan->row_parts;
        for (size_t panel = plan->row_panels * part / plan->row_parts; panel < last; panel++) {
            s.row = panel * mr;
            s.rows = p->rows - s.row < mr ? p->rows - s.row : mr;
            s.a = plan->packed_a ? plan->packed_a + s.row * p->depth : panel_a;
            if (!plan->packed_a)
                pack_panel(plan, s.row, panel_a);
            strip_run(plan, &s);
        }
    }
}

size_t i8x_product_scratch_bytes(const i8x_product *product, int threads)
{
    blocking plan;
    plan_init(&plan, product, threads);
    size_t packed = plan.packed_floats * sizeof(float);
    size_t per_thread = plan.floats_per_thread * sizeof(float);
    if (product->chunk_count > 1)
        per_thread += plan.strip * sizeof(int32_t);
    return packed + (size_t)threads * per_thread + (size_t)4 * I8X_ALIGNMENT;
}

i8x_status i8x_product_run(const i8x_product *product, i8x_arena *scratch, i8x_threads *threads)
{
    int thread_count = i8x_threads_count(threads);
    blocking plan;
    if (product->rows == 0 || product->cols == 0)
        return I8X_OK;
    plan_init(&plan, product, thread_count);
    i8x_arena_mark mark = i8x_arena_mark_get(scratch);
    if (plan.packed_floats > 0) {
        plan.packed_a = i8x_arena_alloc(scratch, plan.packed_floats * sizeof(float));
        I8X_TRY(i8x_alloc_check(plan.packed_a));
    }
    plan.thread_floats =
        i8x_arena_alloc(scratch, (size_t)thread_count * plan.floats_per_thread * sizeof(float));
    I8X_TRY(i8x_alloc_check(plan.thread_floats));
    if (product->chunk_count > 1) {
        plan.thread_sums =
            i8x_arena_alloc(scratch, (size_t)thread_count * plan.strip * sizeof(int32_t));
        I8X_TRY(i8x_alloc_check(plan.thread_sums));
    }
    if (plan.packed_floats > 0)
        i8x_threads_for(threads, 0, (int64_t)plan.row_panels, 1, pack_rows, &plan);
    i8x_threads_for(threads, 0, (int64_t)(plan.groups * plan.row_parts), 1, work, &plan);
    i8x_arena_rewind(scratch, mark);
    return I8X_OK;
}
