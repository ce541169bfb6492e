/* SPDX-License-Identifier: Apache-2.0
 *
 * Task kind report: what assemble knows of the model, what evaluate measured, and the warnings, as
 * the record whose digest is result_sha256.
 */
#include "core/quant/error.h"
#include "core/run/inspect.h"
#include "core/run/task.h"
#include "int8x/report.h"

static i8x_status open_inspection(i8x_task_ctx *ctx, i8x_inspection *inspection)
{
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_task_open(ctx, "inspection", 0, &bytes, &size));
    return i8x_inspection_decode(bytes, size, ctx->arena, inspection);
}

static i8x_status open_coverage(i8x_task_ctx *ctx, i8x_report *report)
{
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_task_open(ctx, "coverage", 0, &bytes, &size));
    return i8x_report_decode(bytes, size, ctx->arena, report);
}

static i8x_status add_metrics(i8x_task_ctx *ctx, const i8x_inspection *inspection,
                              i8x_report *report)
{
    if (i8x_task_input_count(ctx, "metrics") == 0)
        return I8X_OK;
    const uint8_t *bytes;
    size_t size;
    i8x_error_partial *partials;
    I8X_TRY(i8x_task_open(ctx, "metrics", 0, &bytes, &size));
    I8X_TRY(i8x_error_decode(bytes, size, ctx->arena, &partials, &report->output_count));
    I8X_ENSURE(report->output_count == inspection->output_count, I8X_EFORMAT,
               "metrics of %d outputs, but the model has %d", report->output_count,
               inspection->output_count);
    report->outputs =
        i8x_arena_array(ctx->arena, (size_t)report->output_count, sizeof *report->outputs);
    I8X_TRY(i8x_alloc_check(report->outputs));
    for (int i = 0; i < report->output_count; i++) {
        i8x_error_result result = i8x_error_finish(&partials[i]);
        report->outputs[i].name = inspection->outputs[i].name;
        report->outputs[i].sqnr_db = result.sqnr_db;
        report->outputs[i].agreement = result.agreement;
        report->outputs[i].top1_float = result.top1_float;
        report->outputs[i].top1_quantized = result.top1_quantized;
    }
    return I8X_OK;
}

/* The groups of the table follow each other in layer order. */
static i8x_status add_layer_metrics(i8x_task_ctx *ctx, i8x_report *report)
{
    int groups = i8x_task_input_count(ctx, "layers"), layer = 0;
    for (int i = 0; i < groups; i++) {
        const uint8_t *bytes;
        size_t size;
        i8x_error_partial *partials;
        int count;
        I8X_TRY(i8x_task_open(ctx, "layers", i, &bytes, &size));
        I8X_TRY(i8x_error_decode(bytes, size, ctx->arena, &partials, &count));
        I8X_ENSURE(count <= report->layer_count - layer, I8X_EFORMAT,
                   "the per-layer table has more rows than layers");
        for (int k = 0; k < count; k++, layer++) {
            report->layers[layer].has_sqnr = partials[k].samples > 0;
            if (report->layers[layer].has_sqnr)
                report->layers[layer].sqnr_db = i8x_error_finish(&partials[k]).sqnr_db;
        }
    }
    return I8X_OK;
}

static i8x_status add_warnings(i8x_task_ctx *ctx, const i8x_inspection *inspection,
                               i8x_report *report)
{
    const char **warnings = i8x_arena_array(
        ctx->arena, (size_t)report->warning_count + (size_t)inspection->problem_count,
        sizeof *warnings);
    I8X_TRY(i8x_alloc_check(warnings));
    int count = 0;
    for (int i = 0; i < inspection->problem_count; i++)
        warnings[count++] = inspection->problems[i];
    for (int i = 0; i < report->warning_count; i++)
        warnings[count++] = report->warnings[i];
    report->warnings = warnings;
    report->warning_count = count;
    return I8X_OK;
}

i8x_status i8x_task_report(i8x_task_ctx *ctx)
{
    i8x_inspection *inspection = i8x_arena_array(ctx->arena, 1, sizeof *inspection);
    i8x_report *report = i8x_arena_array(ctx->arena, 1, sizeof *report);
    I8X_TRY(i8x_alloc_check(inspection));
    I8X_TRY(i8x_alloc_check(report));
    I8X_TRY(open_inspection(ctx, inspection));
    I8X_TRY(open_coverage(ctx, report));
    report->recipe =
        ctx->params.recipe; /* with the fields that reach the report but not the model */
    report->eval_sha256 = ctx->params.eval;
    report->labels_sha256 = ctx->params.labels;
    report->eval_samples = ctx->params.eval_samples;
    I8X_TRY(add_metrics(ctx, inspection, report));
    I8X_TRY(add_layer_metrics(ctx, report));
    I8X_TRY(add_warnings(ctx, inspection, report));
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_report_encode(report, ctx->arena, &bytes, &size));
    return i8x_task_output_bytes(ctx, "report", bytes, size);
}
