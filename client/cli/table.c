/* SPDX-License-Identifier: Apache-2.0
 *
 * Table: cells are kept until all widths are known.
 */
#include "client/cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/view/printable.h"
#include "int8x/alloc.h"

#define ROW_MAX 1024
#define NOTES_MAX 8

struct i8x_table {
    i8x_arena *arena;
    int columns;
    bool right[I8X_TABLE_COLUMNS_MAX];
    int width[I8X_TABLE_COLUMNS_MAX];
    struct row {
        const char *cells[I8X_TABLE_COLUMNS_MAX];
        struct row *next;
    } * first, *last;
};

/* Characters, not bytes, of a UTF-8 text. */
static int text_width(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

void i8x_table_row(i8x_table *table, const char *const *cells)
{
    struct row *row = i8x_arena_array(table->arena, 1, sizeof *row);
    if (row == NULL)
        return;
    for (int i = 0; i < table->columns; i++) {
        char *copy = i8x_arena_string(table->arena, cells[i]);
        if (copy == NULL)
            return;
        row->cells[i] = i8x_printable(copy);
        int width = text_width(copy);
        table->width[i] = width > table->width[i] ? width : table->width[i];
    }
    if (table->last != NULL)
        table->last->next = row;
    else
        table->first = row;
    table->last = row;
}

/* A row whose cells have "|" between; text is cut up. */
static void add_row(i8x_table *table, char *text)
{
    const char *cells[I8X_TABLE_COLUMNS_MAX];
    for (int i = 0; i < table->columns; i++) {
        cells[i] = text != NULL ? text : "";
        char *end = text != NULL ? strchr(text, '|') : NULL;
        if (end != NULL)
            *end++ = 0;
        text = end;
    }
    i8x_table_row(table, cells);
}

i8x_status i8x_table_new(const char *columns, i8x_table **table)
{
    i8x_arena *arena = NULL;
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    i8x_table *made = i8x_arena_array(arena, 1, sizeof *made);
    char names[ROW_MAX];
    if (made == NULL) {
        i8x_arena_free(arena);
        return i8x_alloc_check(NULL);
    }
    made->arena = arena;
    size_t used = 0;
    for (const char *at = columns; *at != '\0' && used + 1 < sizeof names; at++) {
        bool first = at == columns || at[-1] == '|';
        if (first)
            made->columns++;
        if (first && *at == '>')
            made->right[made->columns - 1] = true;
        else
            names[used++] = *at;
    }
    names[used] = '\0';
    add_row(made, names);
    *table = made;
    return I8X_OK;
}

void i8x_table_add(i8x_table *table, const char *format, ...)
{
    char text[ROW_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    add_row(table, text);
}

static void print_cell(const char *text, int width, bool right, bool last)
{
    int fill = width - text_width(text);
    if (right)
        printf("%*s%s", fill, "", text);
    else
        printf("%s%*s", text, last ? 0 : fill, "");
    printf("%s", last ? "\n" : "  ");
}

void i8x_table_print(i8x_table *table)
{
    for (const struct row *row = table->first; row != NULL; row = row->next)
        for (int i = 0; i < table->columns; i++)
            print_cell(row->cells[i], table->width[i], table->right[i], i == table->columns - 1);
    i8x_arena_free(table->arena);
}

/* ---- numbers ---- */

static char *scaled(double value, double step, const char *const *units, int count, char *buffer,
                    size_t size)
{
    int unit = 0;
    while (unit + 1 < count && value >= step * 0.9995) {
        value /= step;
        unit++;
    }
    snprintf(buffer, size, unit == 0 ? "%.0f%s" : "%.3g%s", value, units[unit]);
    return buffer;
}

char *i8x_table_bytes(uint64_t bytes, char *buffer, size_t size)
{
    static const char *const units[] = {" B", " kB", " MB", " GB", " TB"};
    return scaled((double)bytes, 1000, units, 5, buffer, size);
}

char *i8x_table_count(uint64_t count, char *buffer, size_t size)
{
    static const char *const units[] = {"", " k", " M", " G", " T"};
    return scaled((double)count, 1000, units, 5, buffer, size);
}

char *i8x_table_time(uint64_t ns, char *buffer, size_t size)
{
    static const char *const units[] = {" ns", " us", " ms", " s"};
    return scaled((double)ns, 1000, units, 4, buffer, size);
}

/* ---- report ---- */

static const char *share_text(double share, char *buffer, size_t size)
{
    if (share < 0)
        return "-";
    snprintf(buffer, size, "%.4f", share);
    return buffer;
}

static void print_layers(const i8x_report *report)
{
    i8x_table *table;
    if (i8x_table_new("layer|op|>weights|>channels|>MACs|weights are|>SQNR dB alone", &table) !=
        I8X_OK)
        return;
    for (int i = 0; i < report->layer_count; i++) {
        const i8x_report_layer *layer = &report->layers[i];
        char weights[32], macs[32], sqnr[32] = "-";
        if (layer->has_sqnr)
            snprintf(sqnr, sizeof sqnr, "%.2f", layer->sqnr_db);
        i8x_table_add(table, "%s|%s|%s|%lld|%s|%s%s%s|%s", layer->node, layer->op_type,
                      i8x_table_count((uint64_t)layer->weights, weights, sizeof weights),
                      (long long)layer->channels, i8x_table_count(layer->macs, macs, sizeof macs),
                      layer->quantized ? "int8" : "float", layer->quantized ? "" : ": ",
                      layer->reason, sqnr);
    }
    i8x_table_print(table);
}

static void print_outputs(const i8x_report *report)
{
    i8x_table *table;
    if (report->output_count == 0 ||
        i8x_table_new("output|>SQNR dB|>agreement|>top-1 float|>top-1 int8", &table) != I8X_OK)
        return;
    for (int i = 0; i < report->output_count; i++) {
        const i8x_report_output *output = &report->outputs[i];
        char agreement[16], top1[16], top1_quantized[16];
        i8x_table_add(table, "%s|%.2f|%s|%s|%s", output->name, output->sqnr_db,
                      share_text(output->agreement, agreement, sizeof agreement),
                      share_text(output->top1_float, top1, sizeof top1),
                      share_text(output->top1_quantized, top1_quantized, sizeof top1_quantized));
    }
    printf("\n");
    i8x_table_print(table);
}

static void print_measured(const i8x_measured *measured)
{
    i8x_table *table;
    char wall[32], cpu[32], peak[32];
    if (i8x_table_new("stage|>tasks|>time|>CPU|>peak memory", &table) != I8X_OK)
        return;
    for (int i = 0; i < I8X_TASK_KIND_COUNT; i++) {
        const i8x_measured_stage *stage = &measured->stages[i];
        if (stage->tasks > 0)
            i8x_table_add(table, "%s|%d|%s|%s|%s", i8x_task_kind_name((i8x_task_kind)i),
                          stage->tasks, i8x_table_time(stage->wall_ns, wall, sizeof wall),
                          i8x_table_time(stage->cpu_ns, cpu, sizeof cpu),
                          i8x_table_bytes(stage->peak_bytes, peak, sizeof peak));
    }
    i8x_table_add(table, "all||%s|%s|%s", i8x_table_time(measured->wall_ns, wall, sizeof wall),
                  i8x_table_time(measured->cpu_ns, cpu, sizeof cpu),
                  i8x_table_bytes(measured->peak_bytes, peak, sizeof peak));
    printf("\n");
    i8x_table_print(table);
    for (int i = 0; i < measured->worker_count; i++)
        printf("worker %s (%s, %s): %d tasks\n", measured->workers[i].name,
               measured->workers[i].arch, measured->workers[i].level, measured->workers[i].tasks);
}

void i8x_table_report(const i8x_report *report, const i8x_digest *result_sha256,
                      const i8x_measured *measured)
{
    char a[32], b[32], c[32], hex[I8X_DIGEST_HEX_SIZE];
    int quantized = 0;
    for (int i = 0; i < report->layer_count; i++)
        quantized += report->layers[i].quantized;
    print_layers(report);
    print_outputs(report);
    if (measured != NULL)
        print_measured(measured);
    printf("\n%d of %d layers are int8, %s of %s MACs\n", quantized, report->layer_count,
           i8x_table_count(report->macs_quantized, a, sizeof a),
           i8x_table_count(report->macs, b, sizeof b));
    printf("file %s -> %s (%.3f), weights %s\n", i8x_table_bytes(report->model_bytes, a, sizeof a),
           i8x_table_bytes(report->artifact_bytes, b, sizeof b),
           report->model_bytes > 0 ? (double)report->artifact_bytes / (double)report->model_bytes
                                   : 0.0,
           i8x_table_bytes(report->weight_bytes_quantized, c, sizeof c));
    printf("%lld calibration samples, %lld evaluation samples\n", (long long)report->calib_samples,
           (long long)report->eval_samples);
    for (int i = 0; i < report->warning_count && i < NOTES_MAX; i++)
        printf("note: %s\n", report->warnings[i]);
    if (report->warning_count > NOTES_MAX)
        printf("note: and %d more; the report (--report) has all\n",
               report->warning_count - NOTES_MAX);
    printf("artifact_sha256 %s\n", i8x_digest_to_hex(&report->artifact_sha256, hex));
    printf("result_sha256 %s\n", i8x_digest_to_hex(result_sha256, hex));
}

/* ---- inspection ---- */

static void print_values(const char *what, const i8x_inspect_value *values, int count)
{
    char shape[128];
    for (int i = 0; i < count; i++)
        printf("%s %s: %s %s\n", what, values[i].name, i8x_dtype_name(values[i].dtype),
               i8x_shape_text(&values[i].shape, shape, sizeof shape));
}

static void print_inspect_layers(const i8x_inspection *inspection)
{
    i8x_table *table;
    if (inspection->layer_count == 0 ||
        i8x_table_new("layer|op|weight|type|output|>bytes|>MACs|>min|>max|state", &table) != I8X_OK)
        return;
    for (int i = 0; i < inspection->layer_count; i++) {
        const i8x_inspect_layer *layer = &inspection->layers[i];
        char weight[96], output[96], bytes[32], macs[32];
        i8x_table_add(table, "%s|%s|%s|%s|%s|%s|%s|%.4g|%.4g|%s", layer->node, layer->op_type,
                      i8x_shape_text(&layer->weight_shape, weight, sizeof weight),
                      i8x_dtype_name(layer->weight_dtype),
                      i8x_shape_text(&layer->output_shape, output, sizeof output),
                      i8x_table_bytes(layer->weight_bytes, bytes, sizeof bytes),
                      i8x_table_count(layer->macs, macs, sizeof macs), (double)layer->weight_min,
                      (double)layer->weight_max,
                      layer->quantized           ? "quantized"
                      : layer->reason[0] != '\0' ? layer->reason
                                                 : "can be quantized");
    }
    printf("\n");
    i8x_table_print(table);
}

void i8x_table_inspection(const i8x_inspection *inspection)
{
    char bytes[32], weights[32], macs[32];
    printf("opset %lld, IR %lld, %d nodes, file %s, constants %s, %s MACs a sample%s%s\n",
           (long long)inspection->opset, (long long)inspection->ir_version, inspection->node_count,
           i8x_table_bytes(inspection->file_bytes, bytes, sizeof bytes),
           i8x_table_bytes(inspection->weight_bytes, weights, sizeof weights),
           i8x_table_count(inspection->macs, macs, sizeof macs),
           inspection->producer[0] != '\0' ? ", made by " : "", inspection->producer);
    print_values("input", inspection->inputs, inspection->input_count);
    print_values("output", inspection->outputs, inspection->output_count);
    print_inspect_layers(inspection);
    printf("\n%d of %d layers are quantized\n", inspection->quantized_count,
           inspection->layer_count);
    if (inspection->problem_count == 0)
        printf("no problems\n");
    for (int i = 0; i < inspection->problem_count; i++)
        printf("problem: %s\n", inspection->problems[i]);
}
