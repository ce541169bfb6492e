/* SPDX-License-Identifier: Apache-2.0
 *
 * Task kind assemble: the artifact (the QDQ model) and the first half of the report: sizes, layers
 * and tensors. The metadata of the model carries the recipe and the digests of model and
 * calibration data, and neither version, host nor time, so that the same job gives the same bytes.
 */
#include <string.h>

#include "core/quant/apply.h"
#include "core/run/inspect.h"
#include "core/run/recipe.h"
#include "core/run/task.h"
#include "int8x/report.h"

static i8x_status add_warning(i8x_report *report, const char *text)
{
    I8X_TRY(i8x_alloc_check(text));
    report->warnings[report->warning_count++] = text;
    return I8X_OK;
}

/* Names are copied: the graph's own ones go when apply rebuilds it. */
static i8x_status report_layers(i8x_task_ctx *ctx, const i8x_graph *graph, const i8x_qspec *qspec,
                                const i8x_qweights_set *weights, i8x_report *report)
{
    report->layers =
        i8x_arena_array(ctx->arena, (size_t)qspec->layer_count, sizeof *report->layers);
    report->warnings =
        i8x_arena_array(ctx->arena, (size_t)qspec->layer_count, sizeof *report->warnings);
    I8X_TRY(i8x_alloc_check(report->layers));
    I8X_TRY(i8x_alloc_check(report->warnings));
    for (int i = 0; i < qspec->layer_count; i++) {
        const i8x_qlayer *from = &qspec->layers[i];
        const i8x_qweights *numbers = i8x_weights_find(weights, i);
        i8x_report_layer *layer = &report->layers[report->layer_count++];
        layer->node = i8x_arena_string(ctx->arena, graph->nodes[from->node].name);
        layer->op_type = i8x_arena_string(ctx->arena, graph->nodes[from->node].op_type);
        I8X_TRY(i8x_alloc_check(layer->node));
        I8X_TRY(i8x_alloc_check(layer->op_type));
        layer->quantized = from->reason == I8X_QREASON_NONE;
        layer->reason = i8x_qreason_text(from->reason);
        layer->bits = layer->quantized ? 8 : 32;
        layer->channels = from->channels;
        layer->weights = from->elements;
        layer->macs = i8x_inspect_macs(graph, from->node);
        report->macs += layer->macs;
        report->macs_quantized += layer->quantized ? layer->macs : 0;
        report->weight_bytes_float += (uint64_t)from->elements * 4;
        report->weight_bytes_quantized +=
            layer->quantized ? (uint64_t)from->elements + (uint64_t)from->channels * 4
                             : (uint64_t)from->elements * 4;
        if (numbers != NULL && numbers->scale_raised > 0)
            I8X_TRY(add_warning(
                report, i8x_arena_format(ctx->arena,
                                         "%s '%s': the scale of %u channels was enlarged so that "
                                         "their bias fits",
                                         layer->op_type, layer->node, numbers->scale_raised)));
    }
    return I8X_OK;
}

static i8x_status report_tensors(i8x_task_ctx *ctx, const i8x_graph *graph, const i8x_qspec *qspec,
                                 i8x_report *report)
{
    const i8x_target_info *target = i8x_target_info_get(qspec->target);
    report->tensors =
        i8x_arena_array(ctx->arena, (size_t)qspec->group_count, sizeof *report->tensors);
    I8X_TRY(i8x_alloc_check(report->tensors));
    for (int i = 0; i < qspec->group_count; i++) {
        const i8x_qgroup *group = &qspec->groups[i];
        i8x_report_tensor *tensor = &report->tensors[report->tensor_count++];
        tensor->name = i8x_arena_string(ctx->arena, graph->values[group->root].name);
        I8X_TRY(i8x_alloc_check(tensor->name));
        tensor->dtype = target->activation_dtype;
        tensor->scale = group->scale;
        tensor->zero_point = group->zero_point;
        tensor->lo = group->lo;
        tensor->hi = group->hi;
        tensor->min = group->min;
        tensor->max = group->max;
        tensor->clip = group->clip;
    }
    return I8X_OK;
}

static void report_job(const i8x_task_params *params, i8x_report *report)
{
    report->recipe = params->recipe;
    report->model_sha256 = params->model;
    report->calib_sha256 = params->calib;
    report->model_bytes = params->model_bytes;
    report->calib_samples = params->calib_samples;
}

static i8x_status apply(i8x_task_ctx *ctx, i8x_graph *graph, const i8x_qspec *qspec,
                        const i8x_qweights_set *weights)
{
    char *model = i8x_arena_alloc(ctx->arena, I8X_DIGEST_HEX_SIZE);
    char *calib = i8x_arena_alloc(ctx->arena, I8X_DIGEST_HEX_SIZE);
    const char *recipe = i8x_recipe_text(&ctx->params.recipe, ctx->arena);
    I8X_TRY(i8x_alloc_check(model));
    I8X_TRY(i8x_alloc_check(calib));
    I8X_TRY(i8x_alloc_check(recipe));
    i8x_metadata metadata[] = {
        {"int8x.recipe", recipe},
        {"int8x.model_sha256", i8x_digest_to_hex(&ctx->params.model, model)},
        {"int8x.calib_sha256", i8x_digest_to_hex(&ctx->params.calib, calib)},
    };
    return i8x_apply_qdq(graph, qspec, weights, metadata,
                         (int)(sizeof metadata / sizeof metadata[0]));
}

static i8x_status produce_artifact(void *user, i8x_sink_fn sink, void *sink_user)
{
    return i8x_onnx_write(user, sink, sink_user);
}

i8x_status i8x_task_assemble(i8x_task_ctx *ctx)
{
    i8x_graph *graph;
    i8x_qspec qspec;
    i8x_qweights_set weights;
    I8X_TRY(i8x_task_graph(ctx, "prepared", 1, &graph));
    I8X_TRY(i8x_task_open_solved(ctx, graph, &qspec));
    I8X_TRY(i8x_task_open_weights(ctx, &weights));
    i8x_report *report = i8x_arena_array(ctx->arena, 1, sizeof *report);
    I8X_TRY(i8x_alloc_check(report));
    report_job(&ctx->params, report);
    I8X_TRY(report_layers(ctx, graph, &qspec, &weights, report));
    I8X_TRY(report_tensors(ctx, graph, &qspec, report));
    I8X_TRY(apply(ctx, graph, &qspec, &weights));
    i8x_blob_ref artifact;
    I8X_TRY(i8x_task_output_stream(ctx, "artifact", produce_artifact, graph, &artifact));
    report->artifact_sha256 = artifact.digest;
    report->artifact_bytes = artifact.size_bytes;
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_report_encode(report, ctx->arena, &bytes, &size));
    return i8x_task_output_bytes(ctx, "coverage", bytes, size);
}
