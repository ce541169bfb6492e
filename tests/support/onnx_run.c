/* SPDX-License-Identifier: Apache-2.0
 *
 * onnx_run [options] MODEL.onnx OUT_PREFIX IN0.bin IN1.bin ...: runs a model on raw little-endian
 * inputs in the order and with the types and shapes of the graph's inputs, and writes the raw
 * outputs to OUT_PREFIX.0.bin ...; prints a line "OUT index dtype shape" each. A failure prints
 * status and sentence and exits with the status's code.
 * --batch N (1)  --threads N (1)  --level NAME  --shape NAME=1,3,8  --fold (all passes of
 * pass_fold.h)
 * --observe: an observer on every value, which turns the fusions off   --memory: prints bytes
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph/exec.h"
#include "core/graph/pass_fold.h"
#include "core/tensor/tensor.h"
#include "int8x/file.h"
#include "int8x/formats.h"
#include "int8x/kernels.h"

#define INPUTS_MAX 16

typedef struct options {
    int64_t batch;
    int threads;
    bool fold, observe, memory;
    i8x_shape_binding bindings[INPUTS_MAX];
    int binding_count;
} options;

static i8x_status parse_shape(char *text, i8x_shape_binding *binding)
{
    char *equal = strchr(text, '=');
    I8X_ENSURE(equal != NULL, I8X_EARG, "--shape NAME=1,2,3");
    *equal = 0;
    binding->input = text;
    binding->shape = (i8x_shape){.rank = 0};
    for (char *at = equal + 1; *at && binding->shape.rank < I8X_RANK_MAX; at += *at == ',')
        binding->shape.dims[binding->shape.rank++] = strtoll(at, &at, 10);
    return I8X_OK;
}

static i8x_status parse(int argc, char **argv, options *o, int *at)
{
    *o = (options){.batch = 1, .threads = 1};
    for (*at = 1; *at < argc && strncmp(argv[*at], "--", 2) == 0; ++*at) {
        const char *name = argv[*at];
        if (strcmp(name, "--fold") == 0) {
            o->fold = true;
        } else if (strcmp(name, "--observe") == 0) {
            o->observe = true;
        } else if (strcmp(name, "--memory") == 0) {
            o->memory = true;
        } else {
            I8X_ENSURE(*at + 1 < argc, I8X_EARG, "%s needs a value", name);
            char *value = argv[++*at];
            i8x_cpu_level level;
            if (strcmp(name, "--batch") == 0) {
                o->batch = strtoll(value, NULL, 10);
            } else if (strcmp(name, "--threads") == 0) {
                o->threads = (int)strtol(value, NULL, 10);
            } else if (strcmp(name, "--level") == 0) {
                I8X_TRY(i8x_cpu_level_parse(value, &level));
                i8x_kernels_select(level);
            } else {
                I8X_ENSURE(strcmp(name, "--shape") == 0 && o->binding_count < INPUTS_MAX, I8X_EARG,
                           "%s", name);
                I8X_TRY(parse_shape(value, &o->bindings[o->binding_count++]));
            }
        }
    }
    I8X_ENSURE(*at + 1 < argc, I8X_EARG,
               "usage: onnx_run [options] MODEL.onnx OUT_PREFIX IN.bin ...");
    return I8X_OK;
}

static i8x_status look(void *user, int value, const i8x_tensor *tensor)
{
    (void)value;
    *(int64_t *)user += i8x_tensor_elements(tensor);
    return I8X_OK;
}

static i8x_status read_inputs(const i8x_graph *graph, char **paths, int count, i8x_arena *arena,
                              i8x_tensor *inputs)
{
    I8X_ENSURE(count == graph->input_count && count <= INPUTS_MAX, I8X_EARG,
               "%d inputs, the model has %d", count, graph->input_count);
    for (int i = 0; i < count; i++) {
        const i8x_value *v = &graph->values[graph->inputs[i]];
        i8x_file_view view;
        inputs[i] = i8x_tensor_make(v->dtype, &v->shape, NULL);
        I8X_TRY(i8x_file_map(paths[i], &view));
        size_t size = i8x_tensor_size_bytes(&inputs[i]);
        I8X_ENSURE(view.size == size, I8X_ESHAPE, "%s has %zu bytes, '%s' takes %zu", paths[i],
                   view.size, v->name, size);
        inputs[i].data = i8x_arena_copy(arena, view.bytes, size);
        i8x_file_unmap(&view);
        I8X_TRY(i8x_alloc_check(inputs[i].data));
    }
    return I8X_OK;
}

static i8x_status write_outputs(const i8x_graph *graph, const i8x_tensor *outputs,
                                const char *prefix)
{
    for (int i = 0; i < graph->output_count; i++) {
        char path[4096], text[128];
        (void)snprintf(path, sizeof path, "%s.%d.bin", prefix, i);
        I8X_TRY(i8x_file_write_atomic(path, outputs[i].data, i8x_tensor_size_bytes(&outputs[i])));
        printf("OUT %d %s %s\n", i, i8x_dtype_name(outputs[i].dtype),
               i8x_shape_text(&outputs[i].shape, text, sizeof text));
    }
    return I8X_OK;
}

static i8x_status run(i8x_graph *graph, const options *o, char **args, int arg_count)
{
    i8x_arena *arena;
    i8x_threads *threads = NULL;
    i8x_exec *exec;
    i8x_tensor inputs[INPUTS_MAX];
    int64_t seen = 0;
    I8X_TRY(i8x_graph_verify(graph));
    I8X_TRY(i8x_graph_infer(graph, o->batch, o->bindings, o->binding_count));
    I8X_TRY(i8x_graph_verify(graph));
    if (o->fold) {
        I8X_TRY(i8x_pass_fold(graph));
        I8X_TRY(i8x_graph_verify(graph));
    }
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    i8x_tensor *outputs = i8x_arena_array(arena, (size_t)graph->output_count, sizeof *outputs);
    I8X_TRY(i8x_alloc_check(outputs));
    I8X_TRY(read_inputs(graph, args + 1, arg_count - 1, arena, inputs));
    I8X_TRY(i8x_threads_new(o->threads, &threads));
    i8x_exec_opts opts = {
        .threads = threads, .observer = o->observe ? look : NULL, .observer_user = &seen};
    I8X_TRY(i8x_exec_new(graph, &opts, &exec));
    I8X_TRY(i8x_exec_run(exec, inputs, outputs));
    if (o->memory)
        printf("MEMORY %zu MACS %llu NODES %d\n", i8x_exec_memory_bytes(exec),
               (unsigned long long)i8x_exec_macs(exec), graph->node_count);
    I8X_TRY(write_outputs(graph, outputs, args[0]));
    i8x_exec_free(exec);
    i8x_threads_free(threads);
    i8x_arena_free(arena);
    return I8X_OK;
}

int main(int argc, char **argv)
{
    options o;
    int at;
    i8x_graph *graph = NULL;
    i8x_status status = parse(argc, argv, &o, &at);
    if (status == I8X_OK)
        status = i8x_onnx_read_file(argv[at], NULL, &graph);
    if (status == I8X_OK)
        status = run(graph, &o, argv + at + 1, argc - at - 1);
    if (status != I8X_OK)
        printf("%s %s\n", i8x_status_name(status), i8x_last_error()->detail);
    i8x_graph_free(graph);
    return i8x_status_exit_code(status);
}
