/* SPDX-License-Identifier: Apache-2.0
 *
 * Task kind evaluate, in two forms told apart by the inputs:
 *   model + artifact      the FP32 model as given against the QDQ model, both in our executor, on a
 * range of samples: one partial for each output; prepared + weights    the per-layer table: the
 * prepared model with one layer's weights quantized against itself, for each layer of the group:
 * one partial a layer, summed over outputs.
 */
#include <string.h>

#include "core/quant/apply.h"
#include "core/quant/error.h"
#include "core/run/recipe.h"
#include "core/run/run_graph.h"
#include "int8x/data.h"

/* ---- model against artifact ---- */

static i8x_status open_labels(i8x_task_ctx *ctx, const int64_t **labels)
{
    *labels = NULL;
    if (ctx->params.label_dtype == I8X_DTYPE_NONE)
        return I8X_OK;
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_task_open(ctx, "labels", 0, &bytes, &size));
    size_t width = (size_t)i8x_dtype_bits(ctx->params.label_dtype) / 8;
    I8X_ENSURE(size == width * (size_t)ctx->params.count, I8X_EFORMAT,
               "%zu bytes of labels for %lld samples", size, (long long)ctx->params.count);
    int64_t *values = i8x_arena_array(ctx->arena, (size_t)ctx->params.count, sizeof *values);
    I8X_TRY(i8x_alloc_check(values));
    *labels = values;
    return i8x_npy_to_s64(ctx->params.label_dtype, bytes, ctx->params.count, values);
}

static i8x_status check_same_outputs(const i8x_graph *model, const i8x_graph *artifact)
{
    I8X_ENSURE(model->output_count == artifact->output_count, I8X_ESHAPE,
               "the quantized model has %d outputs, the float model %d", artifact->output_count,
               model->output_count);
    I8X_ENSURE(model->output_count <= I8X_ERROR_PARTIALS_MAX, I8X_ELIMIT,
               "the model has %d outputs; the limit is %d", model->output_count,
               I8X_ERROR_PARTIALS_MAX);
    return I8X_OK;
}

/* Outputs that are no floats (indices, masks) have no SQNR; their partial stays empty. */
static i8x_status add_outputs(i8x_error_partial *partials, int count, int64_t samples,
                              const i8x_tensor *reference, const i8x_tensor *quantized,
                              const int64_t *labels)
{
    for (int i = 0; i < count; i++)
        if (reference[i].dtype == I8X_DTYPE_F32 && quantized[i].dtype == I8X_DTYPE_F32)
            I8X_TRY(i8x_error_add(&partials[i], samples, &reference[i], &quantized[i],
                                  i == 0 ? labels : NULL));
    return I8X_OK;
}

static i8x_status compare(i8x_task_ctx *ctx)
{
    int64_t batch = i8x_run_graph_batch(ctx);
    i8x_graph *model, *artifact;
    I8X_TRY(i8x_run_graph_load(ctx, "model", &batch, &model));
    I8X_TRY(i8x_run_graph_load(ctx, "artifact", &batch, &artifact));
    I8X_TRY(check_same_outputs(model, artifact));
    const int64_t *labels;
    I8X_TRY(open_labels(ctx, &labels));
    i8x_exec *model_exec, *artifact_exec;
    I8X_TRY(i8x_run_graph_exec(ctx, model, NULL, &model_exec));
    I8X_TRY(i8x_run_graph_exec(ctx, artifact, NULL, &artifact_exec));
    int outputs = model->output_count;
    i8x_error_partial *partials = i8x_arena_array(ctx->arena, (size_t)outputs, sizeof *partials);
    i8x_tensor *views = i8x_arena_array(ctx->arena, (size_t)outputs * 2, sizeof *views);
    i8x_sample_feed *feed = i8x_arena_array(ctx->arena, 1, sizeof *feed);
    I8X_TRY(i8x_alloc_check(partials));
    I8X_TRY(i8x_alloc_check(views));
    I8X_TRY(i8x_alloc_check(feed));
    I8X_TRY(i8x_sample_feed_init(feed, ctx, model, batch));
    for (int64_t at = 0; at < ctx->params.count; at += batch) {
        int64_t count;
        I8X_TRY(i8x_sample_feed_load(feed, at, &count));
        I8X_TRY(i8x_exec_run(model_exec, feed->tensors, views));
        I8X_TRY(i8x_exec_run(artifact_exec, feed->tensors, views + outputs));
        I8X_TRY(add_outputs(partials, outputs, count, views, views + outputs,
                            labels != NULL ? labels + at : NULL));
        I8X_TRY(i8x_task_step(ctx, (uint64_t)(at + count), (uint64_t)ctx->params.count));
    }
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_error_encode(partials, outputs, ctx->arena, &bytes, &size));
    return i8x_task_output_bytes(ctx, "metrics", bytes, size);
}

/* ---- one layer at a time ---- */

/* The samples and the FP32 outputs of all of them, kept for every layer. */
struct table {
    i8x_task_ctx *ctx;
    const uint8_t *model;
    size_t model_size;
    int64_t batch;
    i8x_sample_feed feed;
    i8x_tensor *reference; /* [runs][outputs] */
    int outputs;
    i8x_qspec qspec;
};

static i8x_status read_prepared(struct table *table, i8x_graph **graph)
{
    i8x_model_opts opts = {.external_data_allowed = false};
    I8X_TRY(i8x_task_limit_left(table->ctx, &opts.limit_bytes));
    return i8x_onnx_read(table->model, table->model_size, &opts, graph);
}

static i8x_status keep_reference(struct table *table, const i8x_graph *graph)
{
    i8x_task_ctx *ctx = table->ctx;
    int64_t runs = ctx->params.count / table->batch;
    table->outputs = graph->output_count;
    table->reference =
        i8x_arena_array(ctx->arena, (size_t)(runs * table->outputs), sizeof *table->reference);
    I8X_TRY(i8x_alloc_check(table->reference));
    i8x_exec *exec;
    I8X_TRY(i8x_run_graph_exec(ctx, graph, NULL, &exec));
    for (int64_t run = 0; run < runs; run++) {
        int64_t count;
        i8x_tensor *views = table->reference + run * table->outputs;
        I8X_TRY(i8x_sample_feed_load(&table->feed, run * table->batch, &count));
        I8X_TRY(i8x_exec_run(exec, table->feed.tensors, views));
        for (int i = 0; i < table->outputs; i++) {
            views[i].data =
                i8x_arena_copy(ctx->arena, views[i].data, i8x_tensor_size_bytes(&views[i]));
            I8X_TRY(i8x_alloc_check(views[i].data));
        }
    }
    return I8X_OK;
}

static i8x_status run_layer(struct table *table, const i8x_graph *graph, i8x_exec **exec,
                            i8x_error_partial *sum)
{
    i8x_task_ctx *ctx = table->ctx;
    uint8_t *none = i8x_arena_array(ctx->arena, (size_t)graph->value_count, 1);
    i8x_tensor *views = i8x_arena_array(ctx->arena, (size_t)table->outputs, sizeof *views);
    i8x_error_partial *partials =
        i8x_arena_array(ctx->arena, (size_t)table->outputs, sizeof *partials);
    I8X_TRY(i8x_alloc_check(none));
    I8X_TRY(i8x_alloc_check(views));
    I8X_TRY(i8x_alloc_check(partials));
    i8x_exec_opts opts = {.threads = ctx->threads, .observed = none};
    I8X_TRY(i8x_task_limit_left(ctx, &opts.limit_bytes));
    I8X_TRY(i8x_exec_new(graph, &opts, exec));
    for (int64_t run = 0; run * table->batch < ctx->params.count; run++) {
        int64_t count;
        I8X_TRY(i8x_sample_feed_load(&table->feed, run * table->batch, &count));
        I8X_TRY(i8x_exec_run(*exec, table->feed.tensors, views));
        I8X_TRY(add_outputs(partials, table->outputs, count,
                            table->reference + run * table->outputs, views, NULL));
    }
    for (int i = 0; i < table->outputs; i++)
        i8x_error_merge(sum, &partials[i]);
    return I8X_OK;
}

static i8x_status prepare_layer(struct table *table, const i8x_qweights *weights, i8x_graph *graph)
{
    i8x_shape_binding *bindings;
    int count;
    I8X_TRY(i8x_recipe_shapes(&table->ctx->params.recipe, table->ctx->arena, &bindings, &count));
    I8X_TRY(i8x_graph_infer(graph, table->batch, bindings, count));
    I8X_TRY(i8x_apply_single(graph, &table->qspec, weights));
    I8X_TRY(i8x_graph_infer(graph, table->batch, bindings, count));
    return i8x_graph_verify(graph);
}

/* Each layer has its own graph and executor, given back before the next one. */
static i8x_status try_layer(struct table *table, const i8x_qweights *weights,
                            i8x_error_partial *sum)
{
    i8x_arena_mark mark = i8x_arena_mark_get(table->ctx->arena);
    i8x_graph *graph = NULL;
    i8x_exec *exec = NULL;
    i8x_status status = read_prepared(table, &graph);
    if (status == I8X_OK)
        status = prepare_layer(table, weights, graph);
    if (status == I8X_OK)
        status = run_layer(table, graph, &exec, sum);
    i8x_exec_free(exec);
    i8x_graph_free(graph);
    i8x_arena_rewind(table->ctx->arena, mark);
    return status;
}

static i8x_status tabulate(i8x_task_ctx *ctx)
{
    struct table *table = i8x_arena_array(ctx->arena, 1, sizeof *table);
    I8X_TRY(i8x_alloc_check(table));
    table->ctx = ctx;
    table->batch = i8x_run_graph_batch(ctx);
    i8x_graph *graph;
    i8x_qweights_set weights;
    int begin, end;
    I8X_TRY(i8x_task_open(ctx, "prepared", 0, &table->model, &table->model_size));
    I8X_TRY(i8x_run_graph_load(ctx, "prepared", &table->batch, &graph));
    I8X_TRY(i8x_task_open_solved(ctx, graph, &table->qspec));
    I8X_TRY(i8x_task_open_weights(ctx, &weights));
    I8X_TRY(i8x_sample_feed_init(&table->feed, ctx, graph, table->batch));
    I8X_TRY(keep_reference(table, graph));
    i8x_task_group(ctx, table->qspec.layer_count, &begin, &end);
    i8x_error_partial *sums = i8x_arena_array(ctx->arena, (size_t)(end - begin), sizeof *sums);
    I8X_TRY(i8x_alloc_check(sums));
    for (int layer = begin; layer < end; layer++) {
        const i8x_qweights *numbers = i8x_weights_find(&weights, layer);
        if (numbers != NULL)
            I8X_TRY(try_layer(table, numbers, &sums[layer - begin]));
        I8X_TRY(i8x_task_step(ctx, (uint64_t)(layer - begin + 1), (uint64_t)(end - begin)));
    }
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_error_encode(sums, end - begin, ctx->arena, &bytes, &size));
    return i8x_task_output_bytes(ctx, "layers", bytes, size);
}

i8x_status i8x_task_evaluate(i8x_task_ctx *ctx)
{
    return i8x_task_input_count(ctx, "artifact") > 0 ? compare(ctx) : tabulate(ctx);
}
