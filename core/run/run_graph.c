/* SPDX-License-Identifier: Apache-2.0
 *
 * Run graph: samples -> batches -> executor.
 */
#include "core/run/run_graph.h"

#include <string.h>

/* A block of samples and what closes their bytes. */
typedef struct i8x_block {
    i8x_task_ctx *ctx;
    i8x_tensor inputs[I8X_SAMPLE_ARRAYS_MAX];
    int opened[I8X_SAMPLE_ARRAYS_MAX]; /* entry of i8x_task_release; -1: copied, nothing to close */
} i8x_block;

int64_t i8x_run_graph_batch(const i8x_task_ctx *ctx)
{
    int64_t count = ctx->params.count, batch = ctx->params.recipe.batch;
    if (batch > count)
        batch = count;
    while (batch > 1 && count % batch != 0)
        batch--;
    return batch > 0 ? batch : 1;
}

i8x_status i8x_run_graph_load(i8x_task_ctx *ctx, const char *role, int64_t *batch,
                              i8x_graph **graph)
{
    I8X_TRY(i8x_task_graph(ctx, role, *batch, graph));
    I8X_ENSURE((*graph)->input_count >= 1, I8X_EUNSUPPORTED, "the model has no inputs");
    const i8x_value *first = &(*graph)->values[(*graph)->inputs[0]];
    I8X_ENSURE(first->shape_known && first->shape.rank >= 1 && first->shape.dims[0] >= 1,
               I8X_ESHAPE, "input '%.60s' has no sample axis", first->name);
    *batch = first->shape.dims[0];
    I8X_ENSURE(ctx->params.count % *batch == 0, I8X_ESHAPE,
               "the model takes %lld samples at once; the task has %lld", (long long)*batch,
               (long long)ctx->params.count);
    return I8X_OK;
}

static void free_exec(void *owner, void *what)
{
    (void)owner;
    i8x_exec_free(what);
}

i8x_status i8x_run_graph_exec(i8x_task_ctx *ctx, const i8x_graph *graph, i8x_observer *observer,
                              i8x_exec **exec)
{
    /* an empty mask shows nothing; NULL would show everything */
    uint8_t *none = i8x_arena_array(ctx->arena, (size_t)graph->value_count, 1);
    I8X_TRY(i8x_alloc_check(none));
    i8x_exec_opts opts = {.threads = ctx->threads, .observed = none};
    if (observer != NULL) {
        opts.observer = i8x_observer_see;
        opts.observer_user = observer;
        opts.observed = i8x_observer_observed(observer);
    }
    I8X_TRY(i8x_task_limit_left(ctx, &opts.limit_bytes));
    I8X_TRY(i8x_exec_new(graph, &opts, exec));
    return i8x_task_defer(ctx, free_exec, NULL, *exec);
}

static void free_observer(void *owner, void *what)
{
    (void)owner;
    i8x_observer_free(what);
}

i8x_status i8x_run_graph_observe(i8x_task_ctx *ctx, const i8x_graph *graph, int64_t batch,
                                 unsigned flags, i8x_observer **observer)
{
    I8X_TRY(i8x_observer_new(graph, flags, observer));
    I8X_TRY(i8x_task_defer(ctx, free_observer, NULL, *observer));
    i8x_exec *exec;
    I8X_TRY(i8x_run_graph_exec(ctx, graph, *observer, &exec));
    i8x_sample_feed *feed = i8x_arena_array(ctx->arena, 1, sizeof *feed);
    i8x_tensor *outputs = i8x_arena_array(ctx->arena, (size_t)graph->output_count, sizeof *outputs);
    I8X_TRY(i8x_alloc_check(feed));
    I8X_TRY(i8x_alloc_check(outputs));
    I8X_TRY(i8x_sample_feed_init(feed, ctx, graph, batch));
    for (int64_t at = 0; at < ctx->params.count; at += batch) {
        int64_t count;
        I8X_TRY(i8x_sample_feed_load(feed, at, &count));
        i8x_observer_batch(*observer, ctx->params.first + at, count, batch);
        I8X_TRY(i8x_exec_run(exec, feed->tensors, outputs));
        I8X_TRY(i8x_task_step(ctx, (uint64_t)(at + count), (uint64_t)ctx->params.count));
    }
    return I8X_OK;
}

/* One input of the block as it lies in the blob, or NULL if it needs a conversion. */
static i8x_status block_in_place(i8x_task_ctx *ctx, i8x_block *b, int index)
{
    b->opened[index] = ctx->cleanup_count;
    if (ctx->params.arrays[index].dtype != b->inputs[index].dtype)
        return I8X_OK;
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_task_open(ctx, "samples", index, &bytes, &size));
    size_t width = (size_t)i8x_dtype_bits(b->inputs[index].dtype) / 8;
    if ((uintptr_t)bytes % width == 0)
        b->inputs[index].data = (void *)(uintptr_t)bytes;
    return I8X_OK;
}

/* Reads every sample once: checks that its numbers are finite, and copies what is not in place. */
static i8x_status block_fill(i8x_task_ctx *ctx, i8x_sample_feed *feed, i8x_block *b)
{
    bool copied[I8X_SAMPLE_ARRAYS_MAX] = {false};
    for (int i = 0; i < feed->array_count; i++) {
        copied[i] = b->inputs[i].data == NULL;
        if (copied[i])
            b->inputs[i].data = i8x_arena_alloc(ctx->arena, i8x_tensor_size_bytes(&b->inputs[i]));
        I8X_TRY(i8x_alloc_check(b->inputs[i].data));
    }
    for (int64_t at = 0; at < ctx->params.count; at++) {
        int64_t count;
        I8X_TRY(i8x_sample_feed_load(feed, at, &count));
        for (int i = 0; i < feed->array_count; i++) {
            size_t bytes = i8x_tensor_size_bytes(&feed->tensors[i]);
            if (copied[i])
                memcpy((uint8_t *)b->inputs[i].data + (size_t)at * bytes, feed->tensors[i].data,
                       bytes);
        }
    }
    for (int i = 0; i < feed->array_count; i++)
        if (copied[i])
            b->opened[i] = -1;
    return I8X_OK;
}

static void close_samples(void *user, int index)
{
    i8x_block *b = user;
    if (b->opened[index] >= 0)
        i8x_task_release(b->ctx, b->opened[index]);
}

i8x_status i8x_run_graph_block(i8x_task_ctx *ctx, const i8x_graph *graph, i8x_sample_block *block)
{
    i8x_sample_feed *feed = i8x_arena_array(ctx->arena, 1, sizeof *feed);
    i8x_block *b = i8x_arena_array(ctx->arena, 1, sizeof *b);
    I8X_TRY(i8x_alloc_check(feed));
    I8X_TRY(i8x_alloc_check(b));
    I8X_TRY(i8x_sample_feed_init(feed, ctx, graph, 1));
    b->ctx = ctx;
    for (int i = 0; i < graph->input_count; i++) {
        I8X_ENSURE(feed->tensors[i].shape.dims[0] == 1, I8X_EUNSUPPORTED,
                   "the model takes %lld samples at once; clip=auto and bias_correction need a "
                   "model that takes one",
                   (long long)feed->tensors[i].shape.dims[0]);
        b->inputs[i] = feed->tensors[i];
        b->inputs[i].shape.dims[0] = ctx->params.count;
        b->inputs[i].data = NULL;
        I8X_TRY(block_in_place(ctx, b, i));
    }
    I8X_TRY(block_fill(ctx, feed, b));
    *block = (i8x_sample_block){
        .samples = ctx->params.count, .inputs = b->inputs, .taken = close_samples, .user = b};
    return I8X_OK;
}
