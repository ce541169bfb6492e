/* SPDX-License-Identifier: Apache-2.0
 *
 * Task kinds calibrate and merge. Calibrate runs its samples through the prepared model once and
 * gives two records: histograms (exact integers) and moments (doubles of this shard alone). Merge
 * puts records of one kind together in the order of its inputs; the role of the inputs says which
 * kind.
 */
#include <stdint.h>
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

/* Parts are folded one after another, so that memory does not grow with their number: `sum` holds
 * what is merged so far, `next` takes the part and the new sum. Merging is exact (histograms) or in
 * order (moments), so the bytes are those of merging all at once. */
typedef struct fold {
    i8x_arena *sum, *next;
} fold;

static i8x_status fold_step(i8x_task_ctx *ctx, fold *f)
{
    size_t limit;
    i8x_arena_free(f->sum);
    f->sum = f->next;
    f->next = NULL;
    I8X_TRY(i8x_task_limit_left(ctx, &limit));
    return i8x_arena_new(NULL, limit, &f->next);
}

static void fold_end(fold *f)
{
    i8x_arena_free(f->sum);
    i8x_arena_free(f->next);
}

/* decode(bytes, size, arena, part) of one input; the blob is closed again. */
static i8x_status part_read(i8x_task_ctx *ctx, const char *role, int nth, i8x_arena *arena,
                            i8x_status (*decode)(const void *, size_t, i8x_arena *, void *),
                            void *part)
{
    const i8x_task_input *input = i8x_task_input_find(ctx, role, nth);
    const i8x_blob_io *io = ctx->env->io;
    const void *bytes = NULL;
    void *handle = NULL;
    I8X_ENSURE(input != NULL, I8X_EFORMAT, "the task has no input '%s' number %d", role, nth);
    I8X_ENSURE(input->ref.size_bytes <= SIZE_MAX, I8X_ELIMIT,
               "input '%s' has more bytes than this machine can address", role);
    I8X_TRY(io->open(io->user, &input->ref, &bytes, &handle));
    i8x_status status = decode(bytes, (size_t)input->ref.size_bytes, arena, part);
    io->close(io->user, handle);
    return status;
}

static i8x_status histograms_decode(const void *bytes, size_t size, i8x_arena *arena, void *part)
{
    return i8x_histograms_decode(bytes, size, arena, part);
}

static i8x_status histograms_fold(i8x_task_ctx *ctx, const char *role, int count, fold *f,
                                  i8x_histograms *merged)
{
    for (int i = 0; i < count; i++) {
        i8x_histograms pair[2] = {*merged};
        I8X_TRY(fold_step(ctx, f));
        I8X_TRY(part_read(ctx, role, i, f->next, histograms_decode, &pair[1]));
        I8X_TRY(i8x_histograms_merge(i > 0 ? pair : pair + 1, i > 0 ? 2 : 1, f->next, merged));
    }
    return I8X_OK;
}

static i8x_status merge_histograms(i8x_task_ctx *ctx, const char *role, int count,
                                   const uint8_t **bytes, size_t *size)
{
    fold f = {0};
    i8x_histograms merged = {0};
    i8x_status status = histograms_fold(ctx, role, count, &f, &merged);
    if (status == I8X_OK)
        status = i8x_histograms_encode(&merged, ctx->arena, bytes, size);
    fold_end(&f);
    return status;
}

static i8x_status moments_decode(const void *bytes, size_t size, i8x_arena *arena, void *part)
{
    return i8x_moments_decode(bytes, size, arena, part);
}

static i8x_status moments_fold(i8x_task_ctx *ctx, const char *role, int count, fold *f,
                               i8x_moments *merged)
{
    for (int i = 0; i < count; i++) {
        i8x_moments pair[2] = {*merged};
        I8X_TRY(fold_step(ctx, f));
        I8X_TRY(part_read(ctx, role, i, f->next, moments_decode, &pair[1]));
        I8X_TRY(i8x_moments_merge(i > 0 ? pair : pair + 1, i > 0 ? 2 : 1, f->next, merged));
    }
    return I8X_OK;
}

static i8x_status merge_moments(i8x_task_ctx *ctx, const char *role, int count,
                                const uint8_t **bytes, size_t *size)
{
    fold f = {0};
    i8x_moments merged = {0};
    i8x_status status = moments_fold(ctx, role, count, &f, &merged);
    if (status == I8X_OK)
        status = i8x_moments_encode(&merged, ctx->arena, bytes, size);
    fold_end(&f);
    return status;
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
