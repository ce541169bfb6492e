/* SPDX-License-Identifier: Apache-2.0
 *
 * Inspect record: canonical bytes of an inspection (a blob that the report reads) and of the
 * summary that the plan reads (docs/formats.md).
 */
#include <string.h>

#include "core/run/inspect.h"

#define SUMMARY_VERSION 1
#define INSPECTION_VERSION 1
#define PROBE_NAME "int8x.probe"
#define TEXT_MAX 4096
#define ROWS_MAX 1000000

void i8x_inspect_summary_put(i8x_canon_writer *writer, const i8x_inspect_summary *summary)
{
    if (summary->probe.count > 0) { /* a record of its own: other summaries keep their bytes */
        i8x_canon_put_text(writer, PROBE_NAME);
        i8x_probe_put(writer, &summary->probe);
        return;
    }
    i8x_canon_put_text(writer, "int8x.summary");
    i8x_canon_put_s64(writer, SUMMARY_VERSION);
    i8x_sample_set_put(writer, &summary->calib);
    i8x_sample_set_put(writer, &summary->eval);
    i8x_sample_set_put(writer, &summary->labels);
    i8x_canon_put_s64(writer, summary->batch_step);
    i8x_canon_put_s64(writer, summary->layers);
}

static i8x_status check_version(i8x_canon_reader *reader, int64_t version)
{
    int64_t found = i8x_canon_get_s64(reader);
    I8X_TRY(i8x_canon_reader_status(reader));
    I8X_ENSURE(found == version, I8X_EVERSION,
               "a record of inspect has version %lld; this build reads %lld", (long long)found,
               (long long)version);
    return I8X_OK;
}

i8x_status i8x_inspect_summary_decode(const void *bytes, size_t size_bytes,
                                      i8x_inspect_summary *summary)
{
    i8x_canon_reader reader;
    memset(summary, 0, sizeof *summary);
    i8x_canon_reader_init(&reader, bytes, size_bytes, "summary of a probe");
    i8x_canon_expect_text(&reader, PROBE_NAME);
    if (i8x_canon_reader_status(&reader) == I8X_OK) {
        i8x_probe_take(&reader, &summary->probe);
        return i8x_canon_reader_end(&reader);
    }
    i8x_canon_reader_init(&reader, bytes, size_bytes, "summary of inspect");
    i8x_canon_expect_text(&reader, "int8x.summary");
    I8X_TRY(check_version(&reader, SUMMARY_VERSION));
    I8X_TRY(i8x_sample_set_take(&reader, &summary->calib));
    I8X_TRY(i8x_sample_set_take(&reader, &summary->eval));
    I8X_TRY(i8x_sample_set_take(&reader, &summary->labels));
    summary->batch_step = i8x_canon_get_s64_in(&reader, 1, 1 << 20);
    summary->layers = i8x_canon_get_s64_in(&reader, 0, INT32_MAX);
    return i8x_canon_reader_end(&reader);
}

static void put_shape(i8x_canon_writer *writer, const i8x_shape *shape)
{
    i8x_canon_begin_list(writer);
    for (int i = 0; i < shape->rank; i++)
        i8x_canon_put_s64(writer, shape->dims[i]);
    i8x_canon_end_list(writer);
}

static void take_shape(i8x_canon_reader *reader, i8x_shape *shape)
{
    memset(shape, 0, sizeof *shape);
    i8x_canon_get_begin_list(reader);
    while (i8x_canon_more(reader) && shape->rank < I8X_RANK_MAX)
        shape->dims[shape->rank++] =
            i8x_canon_get_s64_in(reader, I8X_DIM_UNKNOWN, I8X_ELEMENTS_MAX);
    i8x_canon_get_end_list(reader);
}

static void put_values(i8x_canon_writer *writer, const i8x_inspect_value *values, int count)
{
    i8x_canon_put_s64(writer, count);
    for (int i = 0; i < count; i++) {
        i8x_canon_put_text(writer, values[i].name);
        i8x_canon_put_s64(writer, values[i].dtype);
        put_shape(writer, &values[i].shape);
    }
}

static void put_layer(i8x_canon_writer *writer, const i8x_inspect_layer *layer)
{
    i8x_canon_put_text(writer, layer->node);
    i8x_canon_put_text(writer, layer->op_type);
    put_shape(writer, &layer->weight_shape);
    put_shape(writer, &layer->output_shape);
    i8x_canon_put_s64(writer, layer->weight_dtype);
    i8x_canon_put_s64(writer, layer->weights);
    i8x_canon_put_u64(writer, layer->weight_bytes);
    i8x_canon_put_u64(writer, layer->macs);
    i8x_canon_put_f32(writer, layer->weight_min);
    i8x_canon_put_f32(writer, layer->weight_max);
    i8x_canon_put_s64(writer, layer->channels);
    i8x_canon_put_s64(writer, layer->dead_channels);
    i8x_canon_put_bool(writer, layer->quantized);
    i8x_canon_put_text(writer, layer->reason);
}

void i8x_inspection_put(i8x_canon_writer *writer, const i8x_inspection *inspection)
{
    i8x_canon_put_text(writer, "int8x.inspection");
    i8x_canon_put_s64(writer, INSPECTION_VERSION);
    i8x_canon_put_text(writer, inspection->producer);
    i8x_canon_put_s64(writer, inspection->ir_version);
    i8x_canon_put_s64(writer, inspection->opset);
    i8x_canon_put_s64(writer, inspection->node_count);
    put_values(writer, inspection->inputs, inspection->input_count);
    put_values(writer, inspection->outputs, inspection->output_count);
    i8x_canon_put_s64(writer, inspection->layer_count);
    for (int i = 0; i < inspection->layer_count; i++)
        put_layer(writer, &inspection->layers[i]);
    i8x_canon_put_s64(writer, inspection->problem_count);
    for (int i = 0; i < inspection->problem_count; i++)
        i8x_canon_put_text(writer, inspection->problems[i]);
    i8x_canon_put_s64(writer, inspection->quantized_count);
    i8x_canon_put_u64(writer, inspection->file_bytes);
    i8x_canon_put_u64(writer, inspection->weight_bytes);
    i8x_canon_put_u64(writer, inspection->macs);
}

/* Reads a count and makes room for as many rows; a count that the bytes cannot hold fails in the
 * reader. */
static i8x_status take_rows(i8x_canon_reader *reader, i8x_arena *arena, size_t row_bytes,
                            void **rows, int *count)
{
    *count = (int)i8x_canon_get_s64_in(reader, 0, ROWS_MAX);
    I8X_TRY(i8x_canon_reader_status(reader));
    I8X_ENSURE((size_t)*count <= i8x_reader_left(&reader->in), I8X_EFORMAT,
               "a record of inspect announces %d rows in %zu bytes", *count,
               i8x_reader_left(&reader->in));
    *rows = i8x_arena_array(arena, (size_t)*count, row_bytes);
    return i8x_alloc_check(*rows);
}

static i8x_status take_values(i8x_canon_reader *reader, i8x_arena *arena,
                              i8x_inspect_value **values, int *count)
{
    void *rows;
    I8X_TRY(take_rows(reader, arena, sizeof **values, &rows, count));
    *values = rows;
    for (int i = 0; i < *count; i++) {
        (*values)[i].name = i8x_canon_get_text(reader, arena, TEXT_MAX);
        (*values)[i].dtype = (i8x_dtype)i8x_canon_get_s64_in(reader, 0, I8X_DTYPE_COUNT - 1);
        take_shape(reader, &(*values)[i].shape);
    }
    return i8x_canon_reader_status(reader);
}

static void take_layer(i8x_canon_reader *reader, i8x_arena *arena, i8x_inspect_layer *layer)
{
    layer->node = i8x_canon_get_text(reader, arena, TEXT_MAX);
    layer->op_type = i8x_canon_get_text(reader, arena, TEXT_MAX);
    take_shape(reader, &layer->weight_shape);
    take_shape(reader, &layer->output_shape);
    layer->weight_dtype = (i8x_dtype)i8x_canon_get_s64_in(reader, 0, I8X_DTYPE_COUNT - 1);
    layer->weights = i8x_canon_get_s64_in(reader, 0, I8X_ELEMENTS_MAX);
    layer->weight_bytes = i8x_canon_get_u64(reader);
    layer->macs = i8x_canon_get_u64(reader);
    layer->weight_min = i8x_canon_get_f32(reader);
    layer->weight_max = i8x_canon_get_f32(reader);
    layer->channels = i8x_canon_get_s64_in(reader, 0, I8X_ELEMENTS_MAX);
    layer->dead_channels = i8x_canon_get_s64_in(reader, 0, I8X_ELEMENTS_MAX);
    layer->quantized = i8x_canon_get_bool(reader);
    layer->reason = i8x_canon_get_text(reader, arena, TEXT_MAX);
}

i8x_status i8x_inspection_decode(const void *bytes, size_t size_bytes, i8x_arena *arena,
                                 i8x_inspection *inspection)
{
    i8x_canon_reader reader;
    memset(inspection, 0, sizeof *inspection);
    i8x_canon_reader_init(&reader, bytes, size_bytes, "inspection");
    i8x_canon_expect_text(&reader, "int8x.inspection");
    I8X_TRY(check_version(&reader, INSPECTION_VERSION));
    inspection->producer = i8x_canon_get_text(&reader, arena, TEXT_MAX);
    inspection->ir_version = i8x_canon_get_s64(&reader);
    inspection->opset = i8x_canon_get_s64(&reader);
    inspection->node_count = (int)i8x_canon_get_s64_in(&reader, 0, INT32_MAX);
    I8X_TRY(take_values(&reader, arena, &inspection->inputs, &inspection->input_count));
    I8X_TRY(take_values(&reader, arena, &inspection->outputs, &inspection->output_count));
    void *rows;
    I8X_TRY(take_rows(&reader, arena, sizeof *inspection->layers, &rows, &inspection->layer_count));
    inspection->layers = rows;
    for (int i = 0; i < inspection->layer_count; i++)
        take_layer(&reader, arena, &inspection->layers[i]);
    I8X_TRY(
        take_rows(&reader, arena, sizeof *inspection->problems, &rows, &inspection->problem_count));
    inspection->problems = rows;
    for (int i = 0; i < inspection->problem_count; i++)
        inspection->problems[i] = i8x_canon_get_text(&reader, arena, TEXT_MAX);
    inspection->quantized_count = (int)i8x_canon_get_s64_in(&reader, 0, INT32_MAX);
    inspection->file_bytes = i8x_canon_get_u64(&reader);
    inspection->weight_bytes = i8x_canon_get_u64(&reader);
    inspection->macs = i8x_canon_get_u64(&reader);
    return i8x_canon_reader_end(&reader);
}
