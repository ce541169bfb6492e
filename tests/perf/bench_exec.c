/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_exec [--batch N] [--threads N] [--repeat N] [--level NAME] [--nodes] MODEL.onnx: speed of
 * the executor on one model, inputs from a fixed seed. Prints the median time per sample, GMAC/s
 * and memory; --nodes adds the time of every step's results (seen through an observer, which turns
 * the fusions off).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/graph/exec.h"
#include "core/tensor/tensor.h"
#include "int8x/formats.h"
#include "int8x/kernels.h"

#define REPEAT_MAX 1000

typedef struct bench {
    int64_t batch;
    int threads, repeat;
    bool nodes;
    const i8x_graph *graph;
    uint64_t last_ns;
    uint64_t *value_ns; /* [value_count] */
} bench;

/* One thread is timed by its CPU time, which a busy machine changes less; several by the wall
 * clock. */
static uint64_t now_ns(const bench *b)
{
    return (uint64_t)(b->threads == 1 ? i8x_clock_process_cpu_ns()
                                      : i8x_clock_now_ns(i8x_clock_monotonic()));
}

static i8x_status stamp(void *user, int value, const i8x_tensor *tensor)
{
    bench *b = user;
    uint64_t now = now_ns(b);
    (void)tensor;
    b->value_ns[value] += now - b->last_ns;
    b->last_ns = now_ns(b);
    return I8X_OK;
}

static int by_time(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void print_nodes(const bench *b)
{
    for (int v = 0; v < b->graph->value_count; v++) {
        const i8x_value *value = &b->graph->values[v];
        char text[96];
        if (value->producer < 0)
            continue;
        printf("%9.3f us  %-18s %-22s %s\n",
               (double)b->value_ns[v] / 1e3 / (double)(b->repeat * b->batch),
               b->graph->nodes[value->producer].op_type,
               i8x_shape_text(&value->shape, text, sizeof text), value->name);
    }
}

static i8x_status fill_inputs(const i8x_graph *graph, i8x_arena *arena, i8x_tensor *inputs)
{
    for (int i = 0; i < graph->input_count; i++) {
        const i8x_value *v = &graph->values[graph->inputs[i]];
        inputs[i] = i8x_tensor_make(v->dtype, &v->shape, NULL);
        inputs[i].data = i8x_arena_array(arena, i8x_tensor_size_bytes(&inputs[i]), 1);
        I8X_TRY(i8x_alloc_check(inputs[i].data));
        int64_t count = i8x_tensor_elements(&inputs[i]);
        for (int64_t k = 0; v->dtype == I8X_DTYPE_F32 && k < count; k++)
            ((float *)inputs[i].data)[k] = (float)sin((double)k * 0.7 + (double)i);
    }
    return I8X_OK;
}

static i8x_status run(i8x_graph *graph, bench *b)
{
    i8x_arena *arena;
    i8x_threads *threads;
    i8x_exec *exec;
    uint64_t times[REPEAT_MAX];
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    I8X_TRY(i8x_graph_infer(graph, b->batch, NULL, 0));
    b->graph = graph;
    b->value_ns = i8x_arena_array(arena, (size_t)graph->value_count, sizeof *b->value_ns);
    I8X_TRY(i8x_alloc_check(b->value_ns));
    i8x_tensor *inputs = i8x_arena_array(arena, (size_t)graph->input_count, sizeof *inputs);
    I8X_TRY(i8x_alloc_check(inputs));
    i8x_tensor *outputs = i8x_arena_array(arena, (size_t)graph->output_count, sizeof *outputs);
    I8X_TRY(i8x_alloc_check(outputs));
    I8X_TRY(fill_inputs(graph, arena, inputs));
    I8X_TRY(i8x_threads_new(b->threads, &threads));
    i8x_exec_opts opts = {
        .threads = threads, .observer = b->nodes ? stamp : NULL, .observer_user = b};
    I8X_TRY(i8x_exec_new(graph, &opts, &exec));
    b->last_ns = now_ns(b);
    I8X_TRY(i8x_exec_run(exec, inputs, outputs)); /* warm */
    memset(b->value_ns, 0, (size_t)graph->value_count * sizeof *b->value_ns);
    for (int i = 0; i < b->repeat; i++) {
        uint64_t start = b->last_ns = now_ns(b);
        I8X_TRY(i8x_exec_run(exec, inputs, outputs));
        times[i] = now_ns(b) - start;
    }
    qsort(times, (size_t)b->repeat, sizeof *times, by_time);
    if (b->nodes)
        print_nodes(b);
    double median = (double)times[b->repeat / 2], best = (double)times[0],
           macs = (double)i8x_exec_macs(exec);
    printf("%s batch %lld threads %d: median %.3f ms a sample, %.2f GMAC/s (best %.3f ms, %.2f), "
           "%.1f MMAC, %.2f MiB\n",
           i8x_cpu_level_name(i8x_kernels_level()), (long long)b->batch, b->threads,
           median / 1e6 / (double)b->batch, macs / median, best / 1e6 / (double)b->batch,
           macs / best, macs / 1e6 / (double)b->batch,
           (double)i8x_exec_memory_bytes(exec) / 1048576.0);
    i8x_exec_free(exec);
    i8x_threads_free(threads);
    i8x_arena_free(arena);
    return I8X_OK;
}

int main(int argc, char **argv)
{
    bench b = {.batch = 1, .threads = 1, .repeat = 21};
    i8x_graph *graph = NULL;
    i8x_status status = I8X_OK;
    const char *path = NULL;
    for (int i = 1; i < argc && status == I8X_OK; i++) {
        i8x_cpu_level level;
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--nodes") == 0) {
            b.nodes = true;
        } else if (strcmp(argv[i], "--batch") == 0 && more) {
            b.batch = strtoll(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--threads") == 0 && more) {
            b.threads = (int)strtol(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--repeat") == 0 && more) {
            b.repeat = (int)strtol(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--level") == 0 && more) {
            status = i8x_cpu_level_parse(argv[++i], &level);
            if (status == I8X_OK)
                i8x_kernels_select(level);
        } else {
            path = argv[i];
        }
    }
    if (path == NULL || b.repeat < 1 || b.repeat > REPEAT_MAX) {
        printf("usage: bench_exec [--batch N] [--threads N] [--repeat N] [--level NAME] [--nodes] "
               "MODEL.onnx\n");
        return 2;
    }
    if (status == I8X_OK)
        status = i8x_onnx_read_file(path, NULL, &graph);
    if (status == I8X_OK)
        status = run(graph, &b);
    if (status != I8X_OK)
        printf("%s %s\n", i8x_status_name(status), i8x_last_error()->detail);
    i8x_graph_free(graph);
    return i8x_status_exit_code(status);
}
