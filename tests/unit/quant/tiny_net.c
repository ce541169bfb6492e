/* SPDX-License-Identifier: Apache-2.0
 *
 * The tiny net, node by node.
 */
#include "tests/unit/quant/tiny_net.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/graph/exec.h"
#include "tests/support/suite.h"

#define TINY_SEED 77

static int constant(i8x_graph *g, const char *name, int rank, const int64_t *dims, float spread)
{
    i8x_shape shape = i8x_shape_make(rank, dims);
    int64_t count = 1;
    for (int d = 0; d < rank; d++)
        count *= dims[d];
    float *data = i8x_arena_array(g->arena, (size_t)count, sizeof *data);
    uint64_t seed = i8x_rng_stream(TINY_SEED, (uint64_t)g->value_count);
    for (int64_t i = 0; i < count; i++)
        data[i] = (2 * i8x_rng_f32(seed, (uint64_t)i) - 1) * spread;
    i8x_tensor tensor = {.dtype = I8X_DTYPE_F32, .shape = shape, .data = data};
    int value;
    ck_assert_ok(i8x_graph_add_constant(g, name, &tensor, false, &value));
    return value;
}

static int scalar(i8x_graph *g, const char *name, float x)
{
    i8x_tensor tensor = {.dtype = I8X_DTYPE_F32, .data = &x};
    int value;
    ck_assert_ok(i8x_graph_add_constant(g, name, &tensor, true, &value));
    return value;
}

static int node(i8x_graph *g, const char *op, const char *name, int a, int b, int c)
{
    int inputs[3] = {a, b, c}, count = c >= 0 ? 3 : b >= 0 ? 2 : 1, out, index;
    char text[64];
    snprintf(text, sizeof text, "%s_out", name);
    ck_assert_ok(i8x_graph_add_value(g, text, &out));
    ck_assert_ok(i8x_graph_add_node(g, op, "", name, inputs, count, &out, 1, &index));
    return out;
}

static void ints(i8x_graph *g, const char *name, int count, const int64_t *list)
{
    i8x_attr attr = {.name = name, .kind = I8X_ATTR_INTS, .count = count, .ints = list};
    ck_assert_ok(i8x_graph_set_attr(g, g->node_count - 1, &attr));
}

static void integer(i8x_graph *g, const char *name, int64_t i)
{
    i8x_attr attr = {.name = name, .kind = I8X_ATTR_INT, .count = 1, .i = i};
    ck_assert_ok(i8x_graph_set_attr(g, g->node_count - 1, &attr));
}

static int conv(i8x_graph *g, const char *name, int x, int64_t oc, int64_t ic, int64_t k,
                int64_t group)
{
    char text[64];
    snprintf(text, sizeof text, "%s_w", name);
    int w = constant(g, text, 4, (int64_t[]){oc, ic, k, k}, 0.7f);
    snprintf(text, sizeof text, "%s_b", name);
    int b = constant(g, text, 1, &oc, 0.3f);
    int y = node(g, "Conv", name, x, w, b);
    ints(g, "pads", 4, (int64_t[]){k / 2, k / 2, k / 2, k / 2});
    integer(g, "group", group);
    return y;
}

static int tail(i8x_graph *g, int x)
{
    x = node(g, "MaxPool", "max", x, -1, -1);
    ints(g, "kernel_shape", 2, (int64_t[]){2, 2});
    ints(g, "strides", 2, (int64_t[]){2, 2});
    x = node(g, "Relu", "max_relu", x, -1, -1);
    x = conv(g, "last", x, 8, 6, 1, 1);
    x = node(g, "GlobalAveragePool", "pool", x, -1, -1);
    x = node(g, "Flatten", "flat", x, -1, -1);
    int w = constant(g, "fc_w", 2, (int64_t[]){TINY_CLASSES, 8}, 1.0f);
    int b = constant(g, "fc_b", 1, (int64_t[]){TINY_CLASSES}, 0.2f);
    x = node(g, "Gemm", "fc", x, w, b);
    integer(g, "transB", 1);
    return x;
}

i8x_graph *tiny_net(int64_t batch)
{
    i8x_graph *g;
    ck_assert_ok(i8x_graph_new(0, &g));
    g->ir_version = 8;
    g->opsets = i8x_arena_array(g->arena, 1, sizeof *g->opsets);
    g->opsets[0] = (i8x_opset){.domain = "", .version = 13};
    g->opset_count = 1;
    int input;
    ck_assert_ok(i8x_graph_add_value(g, "input", &input));
    g->values[input].dtype = I8X_DTYPE_F32;
    g->values[input].shape_known = true;
    g->values[input].shape = i8x_shape_make(4, (int64_t[]){I8X_DIM_UNKNOWN, 3, 8, 8});
    ck_assert_ok(i8x_graph_add_input(g, input));
    int x = node(g, "Relu", "stem_relu", conv(g, "stem", input, 8, 3, 3, 1), -1, -1);
    int y = conv(g, "dw", x, 8, 1, 3, 8);
    int lo = scalar(g, "six_lo", 0.0f), hi = scalar(g, "six_hi", 6.0f);
    y = node(g, "Clip", "dw_clip", y, lo, hi);
    y = conv(g, "project", y, 6, 8, 1, 1);
    int side = conv(g, "side", x, 6, 8, 1, 1);
    x = tail(g, node(g, "Add", "add", y, side, -1));
    ck_assert_ok(i8x_graph_add_output(g, x));
    ck_assert_ok(i8x_graph_sort(g));
    ck_assert_ok(i8x_graph_infer(g, batch, NULL, 0));
    return g;
}

float *tiny_samples(i8x_arena *arena, int64_t count)
{
    float *x = i8x_arena_array(arena, (size_t)(count * TINY_SAMPLE), sizeof *x);
    for (int64_t i = 0; i < count * TINY_SAMPLE; i++)
        x[i] = 2 * i8x_rng_f32(TINY_SEED, (uint64_t)i) - 1;
    return x;
}

int tiny_node(const i8x_graph *graph, const char *name)
{
    for (int i = 0; i < graph->node_count; i++) {
        if (strcmp(graph->nodes[i].name, name) == 0)
            return i;
    }
    ck_abort_msg("no node '%s'", name);
    return -1;
}

static i8x_tensor view(const float *samples, int64_t first, int64_t count)
{
    i8x_tensor x = {.dtype = I8X_DTYPE_F32,
                    .shape = i8x_shape_make(4, (int64_t[]){count, 3, 8, 8}),
                    .data = (void *)(uintptr_t)(samples + first * TINY_SAMPLE)};
    return x;
}

void tiny_observe(const i8x_graph *graph, const float *samples, int64_t first, int64_t count,
                  int64_t batch, i8x_arena *arena, i8x_histograms *histograms, i8x_moments *moments)
{
    i8x_observer *observer;
    ck_assert_ok(i8x_observer_new(graph, 0, &observer));
    i8x_exec_opts opts = {.observer = i8x_observer_see,
                          .observer_user = observer,
                          .observed = i8x_observer_observed(observer)};
    i8x_exec *exec;
    ck_assert_ok(i8x_exec_new(graph, &opts, &exec));
    for (int64_t i = 0; i < count; i += batch) {
        int64_t left = count - i < batch ? count - i : batch;
        float *padded = i8x_arena_array(arena, (size_t)(batch * TINY_SAMPLE), sizeof *padded);
        memcpy(padded, samples + (first + i) * TINY_SAMPLE,
               (size_t)(left * TINY_SAMPLE) * sizeof *padded);
        i8x_tensor input = view(padded, 0, batch), output;
        i8x_observer_batch(observer, first + i, left, batch);
        ck_assert_ok(i8x_exec_run(exec, &input, &output));
    }
    ck_assert_ok(i8x_observer_histograms(observer, arena, histograms));
    ck_assert_ok(i8x_observer_moments(observer, arena, moments));
    i8x_exec_free(exec);
    i8x_observer_free(observer);
}

float *tiny_run(const i8x_graph *graph, const float *samples, int64_t count, i8x_arena *arena)
{
    i8x_exec *exec;
    i8x_exec_opts opts = {0};
    ck_assert_ok(i8x_exec_new(graph, &opts, &exec));
    float *y = i8x_arena_array(arena, (size_t)(count * TINY_CLASSES), sizeof *y);
    for (int64_t i = 0; i < count; i++) {
        i8x_tensor input = view(samples, i, 1), output;
        ck_assert_ok(i8x_exec_run(exec, &input, &output));
        memcpy(y + i * TINY_CLASSES, output.data, TINY_CLASSES * sizeof *y);
    }
    i8x_exec_free(exec);
    return y;
}

void tiny_solve(const i8x_graph *graph, const float *samples, int64_t count, i8x_recipe *recipe,
                i8x_arena *arena, i8x_qspec *qspec, i8x_moments *moments)
{
    i8x_histograms histograms;
    tiny_observe(graph, samples, 0, count, 1, arena, &histograms, moments);
    ck_assert_ok(i8x_qspec_plan(graph, recipe, arena, qspec));
    ck_assert_ok(i8x_qspec_solve(qspec, graph, recipe, &histograms, NULL));
}
