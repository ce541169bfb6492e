/* SPDX-License-Identifier: Apache-2.0
 *
 * Report: canonical bytes of the result part. result_sha256 is the digest of these bytes, so every
 * field here must be a function of the job alone (docs/formats.md).
 */
#include "int8x/report.h"

#include <string.h>

#include "core/base/canon.h"
#include "core/run/recipe.h"
#include "core/run/task.h"

#define REPORT_VERSION 1
#define TEXT_MAX 4096
#define ROWS_MAX 1000000

static void put_layers(i8x_canon_writer *writer, const i8x_report *report)
{
    i8x_canon_put_s64(writer, report->layer_count);
    for (int i = 0; i < report->layer_count; i++) {
        const i8x_report_layer *layer = &report->layers[i];
        i8x_canon_put_text(writer, layer->node);
        i8x_canon_put_text(writer, layer->op_type);
        i8x_canon_put_bool(writer, layer->quantized);
        i8x_canon_put_text(writer, layer->reason);
        i8x_canon_put_s64(writer, layer->bits);
        i8x_canon_put_s64(writer, layer->channels);
        i8x_canon_put_s64(writer, layer->weights);
        i8x_canon_put_u64(writer, layer->macs);
        i8x_canon_put_bool(writer, layer->has_sqnr);
        i8x_canon_put_f64(writer, layer->has_sqnr ? layer->sqnr_db : 0);
    }
}

static void put_tensors(i8x_canon_writer *writer, const i8x_report *report)
{
    i8x_canon_put_s64(writer, report->tensor_count);
    for (int i = 0; i < report->tensor_count; i++) {
        const i8x_report_tensor *tensor = &report->tensors[i];
        i8x_canon_put_text(writer, tensor->name);
        i8x_canon_put_s64(writer, tensor->dtype);
        i8x_canon_put_f32(writer, tensor->scale);
        i8x_canon_put_s64(writer, tensor->zero_point);
        i8x_canon_put_f32(writer, tensor->lo);
        i8x_canon_put_f32(writer, tensor->hi);
        i8x_canon_put_f32(writer, tensor->min);
        i8x_canon_put_f32(writer, tensor->max);
        i8x_canon_put_s64(writer, tensor->clip);
    }
}

static void put_outputs(i8x_canon_writer *writer, const i8x_report *report)
{
    i8x_canon_put_s64(writer, report->output_count);
    for (int i = 0; i < report->output_count; i++) {
        const i8x_report_output *output = &report->outputs[i];
        i8x_canon_put_text(writer, output->name);
        i8x_canon_put_f64(writer, output->sqnr_db);
        i8x_canon_put_f64(writer, output->agreement);
        i8x_canon_put_f64(writer, output->top1_float);
        i8x_canon_put_f64(writer, output->top1_quantized);
    }
}

i8x_status i8x_report_encode(const i8x_report *report, i8x_arena *arena, const uint8_t **bytes,
                             size_t *size_bytes)
{
    i8x_canon_writer writer;
    i8x_canon_writer_init(&writer, NULL, I8X_TASK_RECORD_MAX);
    i8x_canon_put_text(&writer, "int8x.report");
    i8x_canon_put_s64(&writer, REPORT_VERSION);
    i8x_recipe_put_reach(&writer, &report->recipe, I8X_REACH_REPORT);
    i8x_canon_put_digest(&writer, &report->model_sha256);
    i8x_canon_put_digest(&writer, &report->calib_sha256);
    i8x_canon_put_digest(&writer, &report->eval_sha256);
    i8x_canon_put_digest(&writer, &report->labels_sha256);
    i8x_canon_put_digest(&writer, &report->artifact_sha256);
    i8x_canon_put_u64(&writer, report->model_bytes);
    i8x_canon_put_u64(&writer, report->artifact_bytes);
    i8x_canon_put_u64(&writer, report->weight_bytes_float);
    i8x_canon_put_u64(&writer, report->weight_bytes_quantized);
    i8x_canon_put_u64(&writer, report->macs);
    i8x_canon_put_u64(&writer, report->macs_quantized);
    i8x_canon_put_s64(&writer, report->calib_samples);
    i8x_canon_put_s64(&writer, report->eval_samples);
    put_layers(&writer, report);
    put_tensors(&writer, report);
    put_outputs(&writer, report);
    i8x_canon_put_s64(&writer, report->warning_count);
    for (int i = 0; i < report->warning_count; i++)
        i8x_canon_put_text(&writer, report->warnings[i]);
    return i8x_task_record(&writer, arena, bytes, size_bytes);
}

static i8x_status take_rows(i8x_canon_reader *reader, i8x_arena *arena, size_t row_bytes,
                            void **rows, int *count)
{
    *count = (int)i8x_canon_get_s64_in(reader, 0, ROWS_MAX);
    I8X_TRY(i8x_canon_reader_status(reader));
    I8X_ENSURE((size_t)*count <= i8x_reader_left(&reader->in), I8X_EFORMAT,
               "a report announces %d rows in %zu bytes", *count, i8x_reader_left(&reader->in));
    *rows = i8x_arena_array(arena, (size_t)*count, row_bytes);
    return i8x_alloc_check(*rows);
}

static i8x_status take_layers(i8x_canon_reader *reader, i8x_arena *arena, i8x_report *report)
{
    void *rows;
    I8X_TRY(take_rows(reader, arena, sizeof *report->layers, &rows, &report->layer_count));
    report->layers = rows;
    for (int i = 0; i < report->layer_count; i++) {
        i8x_report_layer *layer = &report->layers[i];
        layer->node = i8x_canon_get_text(reader, arena, TEXT_MAX);
        layer->op_type = i8x_canon_get_text(reader, arena, TEXT_MAX);
        layer->quantized = i8x_canon_get_bool(reader);
        layer->reason = i8x_canon_get_text(reader, arena, TEXT_MAX);
        layer->bits = (int)i8x_canon_get_s64_in(reader, 0, 64);
        layer->channels = i8x_canon_get_s64_in(reader, 0, I8X_ELEMENTS_MAX);
        layer->weights = i8x_canon_get_s64_in(reader, 0, I8X_ELEMENTS_MAX);
        layer->macs = i8x_canon_get_u64(reader);
        layer->has_sqnr = i8x_canon_get_bool(reader);
        layer->sqnr_db = i8x_canon_get_f64(reader);
    }
    return i8x_canon_reader_status(reader);
}

static i8x_status take_tensors(i8x_canon_reader *reader, i8x_arena *arena, i8x_report *report)
{
    void *rows;
    I8X_TRY(take_rows(reader, arena, sizeof *report->tensors, &rows, &report->tensor_count));
    report->tensors = rows;
    for (int i = 0; i < report->tensor_count; i++) {
        i8x_report_tensor *tensor = &report->tensors[i];
        tensor->name = i8x_canon_get_text(reader, arena, TEXT_MAX);
        tensor->dtype = (i8x_dtype)i8x_canon_get_s64_in(reader, 0, I8X_DTYPE_COUNT - 1);
        tensor->scale = i8x_canon_get_f32(reader);
        tensor->zero_point = (int32_t)i8x_canon_get_s64_in(reader, INT32_MIN, INT32_MAX);
        tensor->lo = i8x_canon_get_f32(reader);
        tensor->hi = i8x_canon_get_f32(reader);
        tensor->min = i8x_canon_get_f32(reader);
        tensor->max = i8x_canon_get_f32(reader);
        tensor->clip = (int)i8x_canon_get_s64_in(reader, -1, I8X_CLIP_COUNT - 1);
    }
    return i8x_canon_reader_status(reader);
}

static i8x_status take_outputs(i8x_canon_reader *reader, i8x_arena *arena, i8x_report *report)
{
    void *rows;
    I8X_TRY(take_rows(reader, arena, sizeof *report->outputs, &rows, &report->output_count));
    report->outputs = rows;
    for (int i = 0; i < report->output_count; i++) {
        i8x_report_output *output = &report->outputs[i];
        output->name = i8x_canon_get_text(reader, arena, TEXT_MAX);
        output->sqnr_db = i8x_canon_get_f64(reader);
        output->agreement = i8x_canon_get_f64(reader);
        output->top1_float = i8x_canon_get_f64(reader);
        output->top1_quantized = i8x_canon_get_f64(reader);
    }
    return i8x_canon_reader_status(reader);
}

static i8x_status take_head(i8x_canon_reader *reader, i8x_arena *arena, i8x_report *report)
{
    i8x_canon_expect_text(reader, "int8x.report");
    int64_t version = i8x_canon_get_s64(reader);
    I8X_TRY(i8x_canon_reader_status(reader));
    I8X_ENSURE(version == REPORT_VERSION, I8X_EVERSION,
               "the report has version %lld; this build reads %d", (long long)version,
               REPORT_VERSION);
    I8X_TRY(i8x_recipe_take_reach(reader, &report->recipe, I8X_REACH_REPORT, arena));
    report->model_sha256 = i8x_canon_get_digest(reader);
    report->calib_sha256 = i8x_canon_get_digest(reader);
    report->eval_sha256 = i8x_canon_get_digest(reader);
    report->labels_sha256 = i8x_canon_get_digest(reader);
    report->artifact_sha256 = i8x_canon_get_digest(reader);
    report->model_bytes = i8x_canon_get_u64(reader);
    report->artifact_bytes = i8x_canon_get_u64(reader);
    report->weight_bytes_float = i8x_canon_get_u64(reader);
    report->weight_bytes_quantized = i8x_canon_get_u64(reader);
    report->macs = i8x_canon_get_u64(reader);
    report->macs_quantized = i8x_canon_get_u64(reader);
    report->calib_samples = i8x_canon_get_s64_in(reader, 0, INT64_MAX);
    report->eval_samples = i8x_canon_get_s64_in(reader, 0, INT64_MAX);
    return i8x_canon_reader_status(reader);
}

i8x_status i8x_report_decode(const void *bytes, size_t size_bytes, i8x_arena *arena,
                             i8x_report *report)
{
    i8x_canon_reader reader;
    i8x_canon_reader_init(&reader, bytes, size_bytes, "report");
    memset(report, 0, sizeof *report);
    I8X_TRY(take_head(&reader, arena, report));
    I8X_TRY(take_layers(&reader, arena, report));
    I8X_TRY(take_tensors(&reader, arena, report));
    I8X_TRY(take_outputs(&reader, arena, report));
    void *rows;
    I8X_TRY(take_rows(&reader, arena, sizeof *report->warnings, &rows, &report->warning_count));
    report->warnings = rows;
    for (int i = 0; i < report->warning_count; i++)
        report->warnings[i] = i8x_canon_get_text(&reader, arena, TEXT_MAX);
    return i8x_canon_reader_end(&reader);
}
