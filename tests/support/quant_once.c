/* SPDX-License-Identifier: Apache-2.0
 *
 * quant_once: model + calibration samples -> QDQ model in one process, by the functions of
 * core/quant directly and without the task graph. For tests: tests/interop/test_qdq.py judges its
 * output in ONNX Runtime.
 *
 *     quant_once MODEL.onnx CALIB.npy OUT.onnx [key=value ...]      recipe fields, and
 *         samples=N   only the first N samples      threads=N      print=1   what was decided
 *         mode=float  OUT is the prepared FP32 model
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph/exec.h"
#include "core/graph/pass_fold.h"
#include "core/quant/apply.h"
#include "core/quant/bias_correct.h"
#include "core/quant/equalize.h"
#include "core/quant/lower.h"
#include "core/quant/select.h"
#include "int8x/clock.h"
#include "int8x/data.h"
#include "int8x/formats.h"

typedef struct once {
    const char *model, *calib, *out;
    i8x_recipe recipe;
    int64_t limit;
    int thread_count;
    bool print, float_only;
    i8x_arena *arena;
    i8x_threads *threads;
    float *samples; /* [count][elements] */
    int64_t count, elements;
    i8x_shape shape; /* of the whole array */
    i8x_histograms histograms;
    i8x_moments moments; /* of the block that correction walks */
    i8x_moments all;
} once;

static double seconds(void)
{
    return (double)i8x_clock_process_cpu_ns() * 1e-9;
}

static void lap(const once *o, const char *what, double *from)
{
    double now = seconds();
    if (o->print)
        fprintf(stderr, "%-10s %.2f s\n", what, now - *from);
    *from = now;
}

static i8x_status samples_read(once *o)
{
    FILE *file = fopen(o->calib, "rb");
    I8X_ENSURE(file != NULL, I8X_ENOENT, "%s", o->calib);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    unsigned char *head = malloc(65536);
    size_t got = fread(head, 1, 65536, file);
    i8x_npy_info info;
    i8x_status status = i8x_npy_parse(head, got, size, &info);
    free(head);
    if (status == I8X_OK) {
        o->count = info.shape.dims[0];
        if (o->limit > 0 && o->limit < o->count)
            o->count = o->limit;
        o->shape = info.shape;
        o->elements = (int64_t)(info.sample_bytes * 8) / i8x_dtype_bits(info.dtype);
        size_t bytes = (size_t)o->count * info.sample_bytes;
        void *raw = malloc(bytes);
        o->samples = malloc((size_t)(o->count * o->elements) * sizeof(float));
        fseek(file, (long)info.data_offset, SEEK_SET);
        if (fread(raw, 1, bytes, file) != bytes)
            status = i8x_fail(I8X_EIO, __FILE__, __LINE__, "%s is short", o->calib);
        if (status == I8X_OK)
            status = i8x_npy_to_f32(info.dtype, raw, o->count * o->elements, o->samples);
        free(raw);
    }
    fclose(file);
    return status;
}

static i8x_tensor samples_view(const once *o, int64_t first, int64_t count)
{
    i8x_tensor tensor = {.dtype = I8X_DTYPE_F32, .shape = o->shape};
    tensor.shape.dims[0] = count;
    tensor.data = o->samples + first * o->elements;
    return tensor;
}

static i8x_status graph_read(const once *o, const char *path, int64_t batch, bool fold,
                             i8x_graph **graph)
{
    (void)o;
    I8X_TRY(i8x_onnx_read_file(path, NULL, graph));
    I8X_TRY(i8x_graph_infer(*graph, batch, NULL, 0));
    if (!fold)
        return I8X_OK;
    I8X_TRY(i8x_pass_fold(*graph));
    return i8x_lower_graph(*graph, NULL);
}

/* Runs samples [first, first + count) through the graph (batch 1) under an observer. */
static i8x_status observe(const once *o, const i8x_graph *graph, int64_t first, int64_t count,
                          unsigned flags, i8x_histograms *histograms, i8x_moments *moments)
{
    i8x_observer *observer;
    I8X_TRY(i8x_observer_new(graph, flags, &observer));
    i8x_exec_opts opts = {.threads = o->threads,
                          .observer = i8x_observer_see,
                          .observer_user = observer,
                          .observed = i8x_observer_observed(observer)};
    i8x_exec *exec;
    I8X_TRY(i8x_exec_new(graph, &opts, &exec));
    i8x_tensor *outputs = i8x_arena_array(o->arena, (size_t)graph->output_count, sizeof *outputs);
    for (int64_t i = first; i < first + count; i++) {
        i8x_tensor input = samples_view(o, i, 1);
        i8x_observer_batch(observer, i, 1, 1);
        I8X_TRY(i8x_exec_run(exec, &input, outputs));
    }
    if (histograms != NULL)
        I8X_TRY(i8x_observer_histograms(observer, o->arena, histograms));
    if (moments != NULL)
        I8X_TRY(i8x_observer_moments(observer, o->arena, moments));
    i8x_exec_free(exec);
    i8x_observer_free(observer);
    return I8X_OK;
}

static i8x_status prepare(const once *o, const char *path)
{
    i8x_graph *graph;
    I8X_TRY(graph_read(o, o->model, 1, true, &graph));
    if (o->recipe.equalize != I8X_EQUALIZE_NONE) {
        i8x_moments moments;
        i8x_equalize_report report;
        const char *given = getenv("QUANT_ONCE_EQUALIZE"); /* experiments with the block size */
        int64_t count = given != NULL ? atoi(given) : I8X_EQUALIZE_SAMPLES;
        count = count < o->count ? count : o->count;
        I8X_TRY(observe(o, graph, 0, count, I8X_OBSERVE_NO_HISTOGRAMS | I8X_OBSERVE_RESULTS, NULL,
                        &moments));
        I8X_TRY(i8x_equalize_graph(graph, (i8x_equalize)o->recipe.equalize, &moments, &report));
        if (o->print)
            fprintf(stderr, "equalised %d of %d streams, ratio up to %g\n", report.streams_changed,
                    report.streams, report.largest_ratio);
    }
    i8x_status status = i8x_onnx_write_file(graph, path, NULL, NULL);
    i8x_graph_free(graph);
    return status;
}

static i8x_status calibrate(once *o, const i8x_graph *graph)
{
    int64_t shard = o->recipe.shard_samples, shards = (o->count + shard - 1) / shard;
    int64_t block = (o->recipe.correct_samples + shard - 1) / shard;
    i8x_histograms *h = i8x_arena_array(o->arena, (size_t)shards, sizeof *h);
    i8x_moments *m = i8x_arena_array(o->arena, (size_t)shards, sizeof *m);
    size_t largest = 0, largest_moments = 0;
    for (int64_t s = 0; s < shards; s++) {
        int64_t first = s * shard, count = o->count - first < shard ? o->count - first : shard;
        I8X_TRY(observe(o, graph, first, count, 0, &h[s], &m[s]));
        const uint8_t *bytes;
        size_t size;
        I8X_TRY(i8x_histograms_encode(&h[s], o->arena, &bytes, &size));
        largest = size > largest ? size : largest;
        I8X_TRY(i8x_histograms_decode(bytes, size, o->arena, &h[s]));
        I8X_TRY(i8x_moments_encode(&m[s], o->arena, &bytes, &size));
        largest_moments = size > largest_moments ? size : largest_moments;
    }
    if (o->print)
        fprintf(stderr, "partials: histograms %zu, moments %zu bytes\n", largest, largest_moments);
    I8X_TRY(i8x_histograms_merge(h, (int)shards, o->arena, &o->histograms));
    I8X_TRY(i8x_moments_merge(m, (int)shards, o->arena, &o->all));
    return i8x_moments_merge(m, (int)(block < shards ? block : shards), o->arena, &o->moments);
}

static void print_plan(const i8x_graph *graph, const i8x_qspec *q)
{
    for (int l = 0; l < q->layer_count; l++)
        fprintf(stderr, "layer %s %s: %s\n", graph->nodes[q->layers[l].node].op_type,
                graph->nodes[q->layers[l].node].name,
                q->layers[l].reason == I8X_QREASON_NONE ? "int8"
                                                        : i8x_qreason_text(q->layers[l].reason));
    for (int g = 0; g < q->group_count; g++)
        fprintf(stderr, "group %s: [%g, %g] of [%g, %g] scale %g zero %d\n",
                graph->values[q->groups[g].root].name, (double)q->groups[g].lo,
                (double)q->groups[g].hi, (double)q->groups[g].min, (double)q->groups[g].max,
                (double)q->groups[g].scale, q->groups[g].zero_point);
}

static i8x_status select_ranges(once *o, const i8x_graph *graph, const i8x_qspec *q,
                                i8x_selection *selection)
{
    int64_t count = o->recipe.select_samples < o->count ? o->recipe.select_samples : o->count;
    i8x_tensor input = samples_view(o, 0, count);
    i8x_sample_block block = {.samples = count, .inputs = &input};
    return i8x_select_run(graph, q, &o->recipe, &o->histograms, &block, 0, q->group_count,
                          o->threads, o->arena, selection);
}

static i8x_status quantize(once *o, const char *prepared)
{
    i8x_graph *graph;
    double at = seconds();
    I8X_TRY(graph_read(o, prepared, 1, false, &graph));
    I8X_TRY(calibrate(o, graph));
    lap(o, "calibrate", &at);
    i8x_qspec q;
    i8x_selection selection;
    I8X_TRY(i8x_qspec_plan(graph, &o->recipe, o->arena, &q));
    bool selects = o->recipe.clip == I8X_CLIP_AUTO;
    if (selects)
        I8X_TRY(select_ranges(o, graph, &q, &selection));
    lap(o, "select", &at);
    I8X_TRY(i8x_qspec_solve(&q, graph, &o->recipe, &o->histograms, selects ? &selection : NULL));
    if (o->print)
        print_plan(graph, &q);
    i8x_qweights_set sets[2], merged;
    I8X_TRY(i8x_weights_quantize(graph, &q, &o->recipe, &o->all, 0, q.layer_count, o->threads,
                                 o->arena, &sets[0]));
    lap(o, "quantize", &at);
    int parts = 1;
    if (o->recipe.bias_correction != I8X_BIAS_CORRECTION_NONE ||
        o->recipe.rounding != I8X_ROUNDING_NEAREST) {
        int64_t count = (int64_t)o->moments.samples;
        i8x_tensor input = samples_view(o, 0, count);
        i8x_sample_block block = {.samples = count, .inputs = &input};
        I8X_TRY(i8x_bias_correct_run(graph, &q, &o->recipe, &sets[0], &o->moments, &block,
                                     o->threads, o->arena, &sets[1]));
        parts = 2;
    }
    lap(o, "correct", &at);
    I8X_TRY(i8x_weights_merge(sets, parts, o->arena, &merged));
    i8x_graph_free(graph);
    I8X_TRY(i8x_onnx_read_file(prepared, NULL, &graph));
    I8X_TRY(i8x_graph_infer(graph, 1, NULL, 0));
    i8x_metadata metadata = {.key = "int8x.recipe", .value = "quant_once"};
    I8X_TRY(i8x_apply_qdq(graph, &q, &merged, &metadata, 1));
    I8X_TRY(i8x_onnx_write_file(graph, o->out, NULL, NULL));
    i8x_graph_free(graph);
    lap(o, "apply", &at);
    return I8X_OK;
}

static i8x_status option(once *o, char *text)
{
    char *value = strchr(text, '=');
    I8X_ENSURE(value != NULL, I8X_EARG, "'%s' is no key=value", text);
    *value++ = '\0';
    if (strcmp(text, "samples") == 0)
        o->limit = atoll(value);
    else if (strcmp(text, "threads") == 0)
        o->thread_count = atoi(value);
    else if (strcmp(text, "print") == 0)
        o->print = atoi(value) != 0;
    else if (strcmp(text, "mode") == 0)
        o->float_only = strcmp(value, "float") == 0;
    else
        return i8x_recipe_set(&o->recipe, text, value);
    return I8X_OK;
}

static i8x_status run(once *o, int argc, char **argv)
{
    I8X_ENSURE(argc >= 4, I8X_EARG, "usage: quant_once MODEL CALIB OUT [key=value ...]");
    o->model = argv[1];
    o->calib = argv[2];
    o->out = argv[3];
    i8x_recipe_default(&o->recipe);
    for (int i = 4; i < argc; i++)
        I8X_TRY(option(o, argv[i]));
    I8X_TRY(i8x_arena_new(NULL, 0, &o->arena));
    I8X_TRY(i8x_threads_new(o->thread_count > 0 ? o->thread_count : 1, &o->threads));
    I8X_TRY(samples_read(o));
    char *prepared = i8x_arena_format(o->arena, "%s%s", o->out, o->float_only ? "" : ".prepared");
    double at = seconds();
    I8X_TRY(prepare(o, prepared));
    lap(o, "prepare", &at);
    if (o->float_only)
        return I8X_OK;
    i8x_status status = quantize(o, prepared);
    remove(prepared);
    return status;
}

int main(int argc, char **argv)
{
    once o = {0};
    i8x_status status = run(&o, argc, argv);
    if (status != I8X_OK)
        fprintf(stderr, "%s: %s (%s:%d)\n", i8x_status_name(status), i8x_last_error()->detail,
                i8x_last_error()->file, i8x_last_error()->line);
    i8x_threads_free(o.threads);
    i8x_arena_free(o.arena);
    free(o.samples);
    return i8x_status_exit_code(status);
}
