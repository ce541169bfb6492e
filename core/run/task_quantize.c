/* SPDX-License-Identifier: Apache-2.0
 *
 * Task kinds select, solve, quantize and correct: from statistics to integer numbers. Each one
 * reads the prepared model and small records, and gives one record.
 */
#include "core/quant/bias_correct.h"
#include "core/quant/select.h"
#include "core/quant/weights.h"
#include "core/run/run_graph.h"

static i8x_status open_histograms(i8x_task_ctx *ctx, i8x_histograms *histograms)
{
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_task_open(ctx, "histograms", 0, &bytes, &size));
    return i8x_histograms_decode(bytes, size, ctx->arena, histograms);
}

static i8x_status open_moments(i8x_task_ctx *ctx, i8x_moments *moments)
{
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_task_open(ctx, "moments", 0, &bytes, &size));
    return i8x_moments_decode(bytes, size, ctx->arena, moments);
}

i8x_status i8x_task_open_solved(i8x_task_ctx *ctx, const i8x_graph *graph, i8x_qspec *qspec)
{
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_task_open(ctx, "solved", 0, &bytes, &size));
    I8X_TRY(i8x_qspec_decode(bytes, size, ctx->arena, qspec));
    I8X_ENSURE(qspec->solved, I8X_EFORMAT, "the ranges are not solved");
    return i8x_qspec_check(qspec, graph);
}

i8x_status i8x_task_open_weights(i8x_task_ctx *ctx, i8x_qweights_set *merged)
{
    int count = i8x_task_input_count(ctx, "weights");
    i8x_qweights_set *parts = i8x_arena_array(ctx->arena, (size_t)count, sizeof *parts);
    I8X_TRY(i8x_alloc_check(parts));
    for (int i = 0; i < count; i++) {
        const uint8_t *bytes;
        size_t size;
        I8X_TRY(i8x_task_open(ctx, "weights", i, &bytes, &size));
        I8X_TRY(i8x_weights_decode(bytes, size, ctx->arena, &parts[i]));
    }
    return i8x_weights_merge(parts, count, ctx->arena, merged);
}

i8x_status i8x_task_select(i8x_task_ctx *ctx)
{
    i8x_graph *graph;
    i8x_qspec qspec;
    i8x_histograms histograms;
    i8x_sample_block block;
    i8x_selection selection;
    int begin, end;
    I8X_TRY(i8x_task_graph(ctx, "prepared", 1, &graph));
    I8X_TRY(open_histograms(ctx, &histograms));
    I8X_TRY(i8x_qspec_plan(graph, &ctx->params.recipe, ctx->arena, &qspec));
    I8X_TRY(i8x_run_graph_block(ctx, graph, &block));
    i8x_task_group(ctx, qspec.group_count, &begin, &end);
    I8X_TRY(i8x_select_run(graph, &qspec, &ctx->params.recipe, &histograms, &block, begin, end,
                           ctx->threads, ctx->arena, &selection));
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_selection_encode(&selection, ctx->arena, &bytes, &size));
    return i8x_task_output_bytes(ctx, "selection", bytes, size);
}

static i8x_status open_selection(i8x_task_ctx *ctx, int count, i8x_selection *selection)
{
    i8x_selection *parts = i8x_arena_array(ctx->arena, (size_t)count, sizeof *parts);
    I8X_TRY(i8x_alloc_check(parts));
    for (int i = 0; i < count; i++) {
        const uint8_t *bytes;
        size_t size;
        I8X_TRY(i8x_task_open(ctx, "selection", i, &bytes, &size));
        I8X_TRY(i8x_selection_decode(bytes, size, ctx->arena, &parts[i]));
    }
    return i8x_selection_merge(parts, count, ctx->arena, selection);
}

i8x_status i8x_task_solve(i8x_task_ctx *ctx)
{
    i8x_graph *graph;
    i8x_qspec qspec;
    i8x_histograms histograms;
    i8x_selection selection;
    I8X_TRY(i8x_task_graph(ctx, "prepared", 1, &graph));
    I8X_TRY(open_histograms(ctx, &histograms));
    I8X_TRY(i8x_qspec_plan(graph, &ctx->params.recipe, ctx->arena, &qspec));
    int selections = i8x_task_input_count(ctx, "selection");
    if (selections > 0)
        I8X_TRY(open_selection(ctx, selections, &selection));
    I8X_TRY(i8x_qspec_solve(&qspec, graph, &ctx->params.recipe, &histograms,
                            selections > 0 ? &selection : NULL));
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_qspec_encode(&qspec, ctx->arena, &bytes, &size));
    return i8x_task_output_bytes(ctx, "solved", bytes, size);
}

static i8x_status output_weights(i8x_task_ctx *ctx, const i8x_qweights_set *set)
{
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_weights_encode(set, ctx->arena, &bytes, &size));
    return i8x_task_output_bytes(ctx, "weights", bytes, size);
}

i8x_status i8x_task_quantize(i8x_task_ctx *ctx)
{
    i8x_graph *graph;
    i8x_qspec qspec;
    i8x_moments moments;
    i8x_qweights_set set;
    int begin, end;
    I8X_TRY(i8x_task_graph(ctx, "prepared", 1, &graph));
    I8X_TRY(i8x_task_open_solved(ctx, graph, &qspec));
    bool weighted = i8x_task_input_count(ctx, "moments") > 0;
    if (weighted)
        I8X_TRY(open_moments(ctx, &moments));
    i8x_task_group(ctx, qspec.layer_count, &begin, &end);
    I8X_TRY(i8x_weights_quantize(graph, &qspec, &ctx->params.recipe, weighted ? &moments : NULL,
                                 begin, end, ctx->threads, ctx->arena, &set));
    return output_weights(ctx, &set);
}

i8x_status i8x_task_correct(i8x_task_ctx *ctx)
{
    i8x_graph *graph;
    i8x_qspec qspec;
    i8x_moments moments;
    i8x_qweights_set weights, corrected;
    i8x_sample_block block;
    I8X_TRY(i8x_task_graph(ctx, "prepared", 1, &graph));
    I8X_TRY(i8x_task_open_solved(ctx, graph, &qspec));
    I8X_TRY(open_moments(ctx, &moments));
    I8X_TRY(i8x_task_open_weights(ctx, &weights));
    I8X_TRY(i8x_run_graph_block(ctx, graph, &block));
    I8X_TRY(i8x_bias_correct_run(graph, &qspec, &ctx->params.recipe, &weights, &moments, &block,
                                 ctx->threads, ctx->arena, &corrected));
    return output_weights(ctx, &corrected);
}
