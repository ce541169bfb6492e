/* SPDX-License-Identifier: Apache-2.0
 *
 * Task kind prepare: the model every later task works on: constants and batch norm folded, channels
 * equalised after their ranges on a fixed block of the first calibration samples.
 *
 * The samples are read only for equalisation; the plan leaves them out where the recipe does.
 */
#include "core/graph/pass_fold.h"
#include "core/quant/equalize.h"
#include "core/quant/lower.h"
#include "core/run/run_graph.h"

static i8x_status equalize(i8x_task_ctx *ctx, i8x_graph *graph, int64_t batch)
{
    i8x_observer *observer;
    i8x_moments moments;
    I8X_TRY(i8x_run_graph_observe(ctx, graph, batch,
                                  I8X_OBSERVE_NO_HISTOGRAMS | I8X_OBSERVE_RESULTS, &observer));
    I8X_TRY(i8x_observer_moments(observer, ctx->arena, &moments));
    return i8x_equalize_graph(graph, (i8x_equalize)ctx->params.recipe.equalize, &moments, NULL);
}

i8x_status i8x_task_prepare(i8x_task_ctx *ctx)
{
    bool sampled = ctx->params.count > 0;
    /* One sample at a time: the weights stand here twice, as given and as folded, so this is where
     * memory is dear, and a few samples are all there are. */
    int64_t batch = 1;
    i8x_graph *graph;
    I8X_TRY(i8x_run_graph_load(ctx, "model", &batch, &graph));
    I8X_TRY(i8x_pass_fold(graph));
    I8X_TRY(i8x_lower_graph(graph, NULL));
    if (sampled && ctx->params.recipe.equalize != I8X_EQUALIZE_NONE)
        I8X_TRY(equalize(ctx, graph, batch));
    return i8x_task_output_graph(ctx, "prepared", graph);
}
