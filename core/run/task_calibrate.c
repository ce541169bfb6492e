/* SPDX-License-Identifier: Apache-2.0
 *
 * Task kinds calibrate and merge. Calibrate runs its samples through the prepared model once and
 * gives two records: histograms (exact integers) and moments (doubles of this shard alone). Merge
 * puts records of one kind together in the order of its inputs; the role of the inputs says which
 * kind.
 */
#include <string.h>

#include "core/quant/error.h"
#include "core/run/run_graph.h"

i8x_status i8x_task_calibrate(i8x_task_ctx *ctx)
{
    int64_t batch = i8x_run_graph_batch(ctx);
    i8x_graph *graph;
    I8X_TRY(i8x_run_graph_load(ctx, "prepared", &batch, &graph));
    i8x_observer *observer;
    I8X_TRY(i8x_run_graph_observe(ctx, graph, batch, 0, &observer));
    i8x_histograms histograms;
    i8x_moments moments;
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_observer_histograms(observer, ctx->arena, &histograms));
    I8X_TRY(i8x_histograms_encode(&histograms, ctx->arena, &bytes, &size));
    I8X_TRY(i8x_task_output_bytes(ctx, "histograms", bytes, size));
    I8X_TRY(i8x_observer_moments(observer, ctx->arena, &moments));
    I8X_TRY(i8x_moments_encode(&moments, ctx->arena, &bytes, &size));
    return i8x_task_output_bytes(ctx, "moments", bytes, size);
}

/* Merges the inputs of a role into bytes. */
typedef i8x_status (*merge_fn)(i8x_task_ctx *ctx, const char *role, int count,
                               const uint8_t **bytes, size_t *size);

static i8x_status merge_histograms(i8x_task_ctx *ctx, const char *role, int count,
                                   const uint8_t **bytes, size_t *size)
{
    i8x_histograms *parts = i8x_arena_array(ctx->arena, (size_t)count, sizeof *parts);
    I8X_TRY(i8x_alloc_check(parts));
    for (int i = 0; i < count; i++) {
        I8X_TRY(i8x_task_open(ctx, role, i, bytes, size));
        I8X_TRY(i8x_histograms_decode(*bytes, *size, ctx->arena, &parts[i]));
    }
    i8x_histograms merged;
    I8X_TRY(i8x_histograms_merge(parts, count, ctx->arena, &merged));
    return i8x_histograms_encode(&merged, ctx->arena, bytes, size);
}

static i8x_status merge_moments(i8x_task_ctx *ctx, const char *role, int count,
                                const uint8_t **bytes, size_t *size)
{
    i8x_moments *parts = i8x_arena_array(ctx->arena, (size_t)count, sizeof *parts);
    I8X_TRY(i8x_alloc_check(parts));
    for (int i = 0; i < count; i++) {
        I8X_TRY(i8x_task_open(ctx, role, i, bytes, size));
        I8X_TRY(i8x_moments_decode(*bytes, *size, ctx->arena, &parts[i]));
    }
    i8x_moments merged;
    I8X_TRY(i8x_moments_merge(parts, count, ctx->arena, &merged));
    return i8x_moments_encode(&merged, ctx->arena, bytes, size);
}

static i8x_status merge_metrics(i8x_task_ctx *ctx, const char *role, int count,
                                const uint8_t **bytes, size_t *size)
{
    i8x_error_partial *merged = NULL;
    int merged_count = 0;
    for (int i = 0; i < count; i++) {
        i8x_error_partial *part;
        int part_count;
        I8X_TRY(i8x_task_open(ctx, role, i, bytes, size));
        I8X_TRY(i8x_error_decode(*bytes, *size, ctx->arena, &part, &part_count));
        if (i == 0) {
            merged = part;
            merged_count = part_count;
            continue;
        }
        I8X_ENSURE(part_count == merged_count, I8X_EFORMAT,
                   "metrics of %d outputs meet metrics of %d", part_count, merged_count);
        for (int k = 0; k < part_count; k++)
            i8x_error_merge(&merged[k], &part[k]);
    }
    return i8x_error_encode(merged, merged_count, ctx->arena, bytes, size);
}

static const struct {
    const char *role;
    merge_fn merge;
} merge_table[] = {
    {"histograms", merge_histograms},
    {"moments", merge_moments},
    {"metrics", merge_metrics},
};

i8x_status i8x_task_merge(i8x_task_ctx *ctx)
{
    for (size_t i = 0; i < sizeof merge_table / sizeof merge_table[0]; i++) {
        const char *role = merge_table[i].role;
        int count = i8x_task_input_count(ctx, role);
        if (count == 0)
            continue;
        I8X_ENSURE(count == ctx->task->input_count, I8X_EFORMAT,
                   "a merge task mixes '%s' with something else", role);
        const uint8_t *bytes;
        size_t size;
        I8X_TRY(merge_table[i].merge(ctx, role, count, &bytes, &size));
        return i8x_task_output_bytes(ctx, role, bytes, size);
    }
    I8X_FAIL(I8X_EFORMAT, "a merge task has no input that can be merged");
}
