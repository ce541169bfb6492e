/* SPDX-License-Identifier: Apache-2.0
 *
 * Inference, verification, folding and the executor on small hand-built graphs: what they compute
 * is held against ONNX Runtime elsewhere (tests/interop/test_exec.py); here are lifetimes,
 * observers, refusals, batches.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/graph/dump.h"
#include "core/graph/exec.h"
#include "core/graph/infer.h"
#include "core/graph/op_table.h"
#include "core/graph/pass_fold.h"
#include "core/tensor/tensor.h"
#include "int8x/kernels.h"
#include "tests/support/suite.h"

static i8x_opset opset_17 = {.domain = "", .version = 17};

static i8x_graph *new_graph(void)
{
    i8x_graph *g;
    ck_assert_ok(i8x_graph_new(0, &g));
    g->opsets = &opset_17;
    g->opset_count = 1;
    g->inputs = i8x_arena_array(g->arena, 4, sizeof *g->inputs);
    g->outputs = i8x_arena_array(g->arena, 4, sizeof *g->outputs);
    return g;
}

static int add_input(i8x_graph *g, const char *name, int rank, const int64_t *dims)
{
    int v;
    ck_assert_ok(i8x_graph_add_value(g, name, &v));
    g->values[v].dtype = I8X_DTYPE_F32;
    g->values[v].shape = i8x_shape_make(rank, dims);
    g->values[v].shape_known = true;
    g->values[v].is_input = true;
    g->inputs[g->input_count++] = v;
    return v;
}

static int add_constant(i8x_graph *g, const char *name, i8x_dtype dtype, int rank,
                        const int64_t *dims, const void *data)
{
    int v;
    i8x_shape shape = i8x_shape_make(rank, dims);
    i8x_tensor t = i8x_tensor_make(dtype, &shape, (void *)(uintptr_t)data);
    ck_assert_ok(i8x_graph_add_constant(g, name, &t, true, &v));
    return v;
}

/* Adds op(inputs) -> name; returns the value. Inputs end with -2. */
static int add(i8x_graph *g, const char *op, const char *name, int a, int b, int c)
{
    int v, node, inputs[3] = {a, b, c}, count = c != -2 ? 3 : b != -2 ? 2 : 1;
    ck_assert_ok(i8x_graph_add_value(g, name, &v));
    ck_assert_ok(i8x_graph_add_node(g, op, "", NULL, inputs, count, &v, 1, &node));
    return v;
}

static void set_output(i8x_graph *g, int v)
{
    g->values[v].is_output = true;
    g->outputs[g->output_count++] = v;
}

#define DIMS(...) ((const int64_t[]){__VA_ARGS__})
#define END (-2)

/* x [N,3,8,8] -> Conv 4 -> Relu -> Add itself -> GlobalAveragePool -> Flatten */
static i8x_graph *small_net(void)
{
    static float w[4 * 3 * 3 * 3], bias[4] = {0.1f, -0.2f, 0.3f, 0.0f};
    for (int i = 0; i < 108; i++)
        w[i] = (float)((i * 37) % 19 - 9) / 16.0f;
    i8x_graph *g = new_graph();
    int x = add_input(g, "x", 4, DIMS(I8X_DIM_UNKNOWN, 3, 8, 8));
    int cw = add_constant(g, "w", I8X_DTYPE_F32, 4, DIMS(4, 3, 3, 3), w);
    int cb = add_constant(g, "b", I8X_DTYPE_F32, 1, DIMS(4), bias);
    int conv = add(g, "Conv", "conv", x, cw, cb);
    int relu = add(g, "Relu", "relu", conv, END, END);
    int sum = add(g, "Add", "sum", relu, relu, END);
    int pool = add(g, "GlobalAveragePool", "pool", sum, END, END);
    set_output(g, add(g, "Flatten", "flat", pool, END, END));
    return g;
}

static void fill(float *x, int count)
{
    for (int i = 0; i < count; i++)
        x[i] = (float)((i * 29) % 31 - 15) / 8.0f;
}

static i8x_tensor input_of(const i8x_graph *g, void *data)
{
    const i8x_value *v = &g->values[g->inputs[0]];
    return i8x_tensor_make(v->dtype, &v->shape, data);
}

/* Runs g for a batch and copies output 0. */
static void run(i8x_graph *g, int64_t batch, const i8x_exec_opts *opts, void *x, void *y)
{
    i8x_exec *exec;
    i8x_tensor out;
    ck_assert_ok(i8x_graph_infer(g, batch, NULL, 0));
    ck_assert_ok(i8x_graph_verify(g));
    ck_assert_ok(i8x_exec_new(g, opts, &exec));
    i8x_tensor in = input_of(g, x);
    for (int i = 0; i < 2; i++) /* a second run must not depend on the first */
        ck_assert_ok(i8x_exec_run(exec, &in, &out));
    memcpy(y, out.data, i8x_tensor_size_bytes(&out));
    i8x_exec_free(exec);
}

START_TEST(every_level_thread_count_and_batch_gives_the_same_bits)
{
    static float x[5 * 192], wanted[5 * 4], y[5 * 4];
    fill(x, 5 * 192);
    i8x_graph *g = small_net();
    run(g, 5, NULL, x, wanted);
    for (int level = 0; level < I8X_CPU_LEVEL_COUNT; level++)
        for (int threads = 1; threads <= 3; threads++) {
            i8x_exec_opts opts = {.limit_bytes = 0};
            i8x_kernels_select((i8x_cpu_level)level);
            ck_assert_ok(i8x_threads_new(threads, &opts.threads));
            for (int batch = 1; batch <= 5; batch += batch == 1 ? 1 : 3) {
                run(g, batch, &opts, x, y);
                ck_assert_mem_eq(y, wanted, (size_t)batch * 4 * sizeof *y);
            }
            i8x_threads_free(opts.threads);
        }
    i8x_graph_free(g);
}
END_TEST

START_TEST(another_batch_can_be_inferred_on_the_same_graph)
{
    i8x_graph *g = small_net();
    const int flat = i8x_graph_find_value(g, "flat");
    for (int64_t batch = 1; batch < 4; batch++) {
        ck_assert_ok(i8x_graph_infer(g, batch, NULL, 0));
        ck_assert_int_eq(g->values[flat].shape.dims[0], batch);
        ck_assert_int_eq(g->values[flat].shape.dims[1], 4);
    }
    ck_assert_status(i8x_graph_infer(g, 0, NULL, 0), I8X_EARG);
    i8x_shape_binding binding = {.input = "nobody", .shape = {.rank = 0}};
    ck_assert_status(i8x_graph_infer(g, 1, &binding, 1), I8X_EARG);
    binding = (i8x_shape_binding){.input = "x", .shape = {.rank = 4, .dims = {1, 5, 8, 8}}};
    ck_assert_status(i8x_graph_infer(g, 1, &binding, 1), I8X_ESHAPE);
    i8x_graph_free(g);
}
END_TEST

typedef struct seen {
    const i8x_graph *graph;
    int count;
    double sums[16];
    int values[16];
    int stop_at;
} seen;

static i8x_status look(void *user, int value, const i8x_tensor *tensor)
{
    seen *s = user;
    if (s->count == s->stop_at)
        I8X_FAIL(I8X_ECANCELED, "enough");
    int64_t n = i8x_tensor_elements(tensor);
    s->values[s->count] = value;
    for (int64_t i = 0; i < n; i++)
        s->sums[s->count] += (double)((const float *)tensor->data)[i];
    s->count++;
    return I8X_OK;
}

START_TEST(observers_see_every_value_or_those_they_asked_for)
{
    static float x[192];
    float y[4];
    fill(x, 192);
    i8x_graph *g = small_net();
    seen all = {.stop_at = -1}, some = {.stop_at = -1};
    i8x_exec_opts opts = {.observer = look, .observer_user = &all};
    i8x_exec *exec;
    i8x_tensor out, in;
    ck_assert_ok(i8x_graph_infer(g, 1, NULL, 0));
    ck_assert_ok(i8x_exec_new(g, &opts, &exec));
    in = input_of(g, x);
    ck_assert_ok(i8x_exec_run(exec, &in, &out));
    i8x_exec_free(exec);
    ck_assert_int_eq(all.count, 6); /* x conv relu sum pool flat */
    ck_assert_double_ge(all.sums[2], all.sums[1]);
    ck_assert_double_eq(all.sums[3], 2 * all.sums[2]);
    uint8_t wanted[16] = {0};
    int sum = i8x_graph_find_value(g, "sum");
    wanted[sum] = 1;
    opts = (i8x_exec_opts){.observer = look, .observer_user = &some, .observed = wanted};
    run(g, 1, &opts, x, y);
    ck_assert_int_eq(some.count, 2); /* two runs */
    ck_assert_int_eq(some.values[0], sum);
    ck_assert_double_eq(some.sums[0], all.sums[3]);
    i8x_graph_free(g);
}
END_TEST

START_TEST(an_observer_can_stop_a_run)
{
    static float x[192];
    i8x_graph *g = small_net();
    seen s = {.stop_at = 2};
    i8x_exec_opts opts = {.observer = look, .observer_user = &s};
    i8x_exec *exec;
    i8x_tensor out;
    ck_assert_ok(i8x_graph_infer(g, 1, NULL, 0));
    ck_assert_ok(i8x_exec_new(g, &opts, &exec));
    i8x_tensor in = input_of(g, x);
    ck_assert_status(i8x_exec_run(exec, &in, &out), I8X_ECANCELED);
    i8x_exec_free(exec);
    i8x_graph_free(g);
}
END_TEST

START_TEST(wrong_inputs_and_small_limits_are_refused)
{
    static float x[192];
    i8x_graph *g = small_net();
    i8x_exec *exec;
    i8x_tensor out;
    i8x_exec_opts tiny = {.limit_bytes = 1000};
    ck_assert_status(i8x_exec_new(g, NULL, &exec), I8X_EARG); /* not inferred */
    ck_assert_ok(i8x_graph_infer(g, 1, NULL, 0));
    ck_assert_status(i8x_exec_new(g, &tiny, &exec), I8X_ELIMIT);
    ck_assert_ok(i8x_exec_new(g, NULL, &exec));
    ck_assert_uint_eq(i8x_exec_macs(exec), (uint64_t)4 * 36 * 27);
    ck_assert_uint_gt(i8x_exec_memory_bytes(exec), 0);
    i8x_tensor in = input_of(g, x);
    in.shape.dims[0] = 2;
    ck_assert_status(i8x_exec_run(exec, &in, &out), I8X_ESHAPE);
    in = input_of(g, x);
    in.dtype = I8X_DTYPE_S32;
    ck_assert_status(i8x_exec_run(exec, &in, &out), I8X_EDTYPE);
    i8x_exec_free(exec);
    i8x_graph_free(g);
}
END_TEST

START_TEST(unknown_operators_and_shapes_are_named)
{
    i8x_graph *g = new_graph();
    int x = add_input(g, "x", 2, DIMS(1, 3));
    set_output(g, add(g, "Einsum", "y", x, END, END));
    ck_assert_status(i8x_graph_infer(g, 1, NULL, 0), I8X_EUNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "Einsum"));
    i8x_graph_free(g);
    g = new_graph();
    x = add_input(g, "x", 3, DIMS(1, 3, I8X_DIM_UNKNOWN));
    set_output(g, add(g, "Relu", "y", x, END, END));
    ck_assert_status(i8x_graph_infer(g, 1, NULL, 0), I8X_ESHAPE);
    i8x_shape_binding binding = {.input = "x", .shape = {.rank = 3, .dims = {1, 3, 7}}};
    ck_assert_ok(i8x_graph_infer(g, 1, &binding, 1));
    ck_assert_int_eq(g->values[g->outputs[0]].shape.dims[2], 7);
    i8x_graph_free(g);
    g = new_graph();
    x = add_input(g, "x", 2, DIMS(1, 3));
    int y = add_input(g, "y", 2, DIMS(1, 4));
    set_output(g, add(g, "Add", "z", x, y, END));
    ck_assert_status(i8x_graph_infer(g, 1, NULL, 0), I8X_ESHAPE);
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "Add_0"));
    i8x_graph_free(g);
}
END_TEST

START_TEST(verify_finds_what_a_careless_pass_leaves)
{
    i8x_graph *g = small_net();
    ck_assert_ok(i8x_graph_infer(g, 2, NULL, 0));
    ck_assert_ok(i8x_graph_verify(g));
    int relu = i8x_graph_find_value(g, "relu");
    g->values[relu].shape.dims[1] = 7;
    ck_assert_status(i8x_graph_verify(g), I8X_ESHAPE);
    g->values[relu].shape.dims[1] = 4;
    g->values[relu].producer = 0;
    ck_assert_status(i8x_graph_verify(g), I8X_EFORMAT);
    g->values[relu].producer = 1;
    g->nodes[0].inputs[0] = g->value_count;
    ck_assert_status(i8x_graph_verify(g), I8X_EFORMAT);
    g->nodes[0].inputs[0] = relu; /* computed behind it */
    ck_assert_status(i8x_graph_verify(g), I8X_EFORMAT);
    i8x_graph_free(g);
}
END_TEST

/* y = Relu(x); z = Reshape(y); out = y + Transpose-free view of z: a view keeps its source alive
 * and unchanged */
START_TEST(a_view_keeps_the_memory_it_looks_at)
{
    float x[6] = {-1, 2, -3, 4, 5, -6}, y[6];
    const int64_t flat[1] = {6}, back[2] = {2, 3};
    i8x_graph *g = new_graph();
    int in = add_input(g, "x", 2, DIMS(2, 3));
    int to_flat = add_constant(g, "flat", I8X_DTYPE_S64, 1, DIMS(1), flat);
    int to_back = add_constant(g, "back", I8X_DTYPE_S64, 1, DIMS(2), back);
    int relu = add(g, "Relu", "relu", in, END, END);
    int view = add(g, "Reshape", "view", relu, to_flat, END);
    int neg =
        add(g, "Neg", "neg", relu, END, END); /* must not write over relu: view is read later */
    int again = add(g, "Reshape", "again", view, to_back, END);
    set_output(g, add(g, "Sub", "out", again, neg, END));
    run(g, 2, NULL, x, y);
    for (int i = 0; i < 6; i++)
        ck_assert_float_eq(y[i], x[i] > 0 ? 2 * x[i] : 0);
    i8x_graph_free(g);
}
END_TEST

/* Shape -> Gather -> Concat -> Reshape, as exporters write Flatten */
static i8x_graph *shape_net(void)
{
    static const int64_t zero = 0, rest = -1;
    i8x_graph *g = new_graph();
    int x = add_input(g, "x", 3, DIMS(I8X_DIM_UNKNOWN, 3, 4));
    int shape = add(g, "Shape", "shape", x, END, END);
    int index = add_constant(g, "zero", I8X_DTYPE_S64, 1, DIMS(1), &zero);
    int tail = add_constant(g, "rest", I8X_DTYPE_S64, 1, DIMS(1), &rest);
    int batch = add(g, "Gather", "batch", shape, index, END);
    int list = add(g, "Concat", "list", batch, tail, END);
    i8x_attr axis = {.name = "axis", .kind = I8X_ATTR_INT, .i = 0};
    ck_assert_ok(i8x_graph_set_attr(g, g->values[list].producer, &axis));
    int moved = add(g, "Relu", "moved", x, END, END);
    set_output(g, add(g, "Reshape", "y", moved, list, END));
    return g;
}

START_TEST(shape_arithmetic_is_computed_and_follows_the_batch)
{
    static float x[60], y[60];
    i8x_graph *g = shape_net();
    for (int i = 0; i < 60; i++)
        x[i] = (float)i;
    for (int64_t batch = 1; batch < 5; batch += 2) {
        run(g, batch, NULL, x, y);
        ck_assert_int_eq(g->values[g->outputs[0]].shape.dims[0], batch);
        ck_assert_int_eq(g->values[g->outputs[0]].shape.dims[1], 12);
        ck_assert_mem_eq(x, y, (size_t)batch * 12 * sizeof *x);
    }
    i8x_graph_free(g);
}
END_TEST

START_TEST(folded_shapes_hold_for_every_batch)
{
    i8x_graph *g = new_graph();
    i8x_graph_free(g);
    g = shape_net();
    const int64_t twelve = 12; /* [N, 12] instead of [N, -1]: the moving entry becomes -1 */
    memcpy((void *)(uintptr_t)g->values[i8x_graph_find_value(g, "rest")].data, &twelve,
           sizeof twelve);
    ck_assert_ok(i8x_graph_infer(g, 2, NULL, 0));
    ck_assert_ok(i8x_pass_fold_shapes(g));
    ck_assert_ok(i8x_graph_verify(g));
    ck_assert_int_eq(i8x_graph_node_count(g), 2);
    ck_assert_ok(i8x_graph_infer(g, 5, NULL, 0));
    ck_assert_int_eq(g->values[g->outputs[0]].shape.dims[0], 5);
    i8x_graph_free(g);
}
END_TEST

START_TEST(batch_norm_and_scales_fold_into_the_convolution)
{
    static float x[2 * 192], before[2 * 4 * 36], after[2 * 4 * 36], w[108];
    const float scale[4] = {1.5f, -2, 0.5f, 1}, bias[4] = {1, 2, 3, 4},
                mean[4] = {0.1f, 0.2f, -0.3f, 0};
    const float variance[4] = {1, 0.25f, 4, 2}, factor[4] = {2, 3, 0.25f, -1}, shift = 0.75f;
    fill(x, 384);
    fill(w, 108);
    i8x_graph *g = new_graph();
    int in = add_input(g, "x", 4, DIMS(I8X_DIM_UNKNOWN, 3, 8, 8));
    int conv = add(g, "Conv", "conv", in,
                   add_constant(g, "w", I8X_DTYPE_F32, 4, DIMS(4, 3, 3, 3), w), END);
    int v, node;
    const int inputs[5] = {conv, add_constant(g, "s", I8X_DTYPE_F32, 1, DIMS(4), scale),
                           add_constant(g, "b", I8X_DTYPE_F32, 1, DIMS(4), bias),
                           add_constant(g, "m", I8X_DTYPE_F32, 1, DIMS(4), mean),
                           add_constant(g, "v", I8X_DTYPE_F32, 1, DIMS(4), variance)};
    ck_assert_ok(i8x_graph_add_value(g, "norm", &v));
    ck_assert_ok(i8x_graph_add_node(g, "BatchNormalization", "", NULL, inputs, 5, &v, 1, &node));
    int drop = add(g, "Identity", "drop", v, END, END);
    int mul = add(g, "Mul", "mul", add_constant(g, "f", I8X_DTYPE_F32, 3, DIMS(4, 1, 1), factor),
                  drop, END);
    set_output(g,
               add(g, "Add", "y", mul, add_constant(g, "c", I8X_DTYPE_F32, 0, NULL, &shift), END));
    run(g, 2, NULL, x, before);
    ck_assert_ok(i8x_pass_fold(g));
    ck_assert_ok(i8x_graph_verify(g));
    ck_assert_int_eq(i8x_graph_node_count(g), 1);
    ck_assert_str_eq(g->values[g->nodes[0].outputs[0]].name, "y");
    run(g, 2, NULL, x, after);
    for (int i = 0; i < 2 * 4 * 36; i++)
        ck_assert_float_eq_tol(before[i], after[i], 1e-4f);
    i8x_graph_free(g);
}
END_TEST

START_TEST(a_shared_weight_is_copied_before_it_is_folded)
{
    float w[4] = {1, 2, 3, 4};
    const float two = 2;
    i8x_graph *g = new_graph();
    int x = add_input(g, "x", 2, DIMS(I8X_DIM_UNKNOWN, 2));
    int cw = add_constant(g, "w", I8X_DTYPE_F32, 2, DIMS(2, 2), w);
    int a = add(g, "MatMul", "a", x, cw, END), b = add(g, "MatMul", "b", x, cw, END);
    int a2 = add(g, "Mul", "a2", a, add_constant(g, "two", I8X_DTYPE_F32, 0, NULL, &two), END);
    set_output(g, add(g, "Sub", "y", a2, b, END));
    float in[2] = {1, 1}, y[2];
    ck_assert_ok(i8x_graph_infer(g, 1, NULL, 0));
    ck_assert_ok(i8x_pass_fold(g));
    ck_assert_int_eq(i8x_graph_node_count(g), 3);
    run(g, 1, NULL, in, y);
    ck_assert_float_eq(y[0], 4);
    ck_assert_float_eq(y[1], 6);
    i8x_graph_free(g);
}
END_TEST

START_TEST(single_nodes_run_on_given_tensors_of_any_batch)
{
    static float x[3 * 192], y[3 * 4 * 36];
    i8x_graph *g = small_net();
    i8x_arena *scratch;
    fill(x, 576);
    ck_assert_ok(i8x_graph_infer(g, 1, NULL, 0));
    ck_assert_ok(i8x_arena_new(NULL, 0, &scratch));
    i8x_shape shape = {.rank = 4, .dims = {3, 3, 8, 8}};
    i8x_tensor inputs[3] = {i8x_tensor_make(I8X_DTYPE_F32, &shape, x),
                            i8x_value_tensor(&g->values[g->nodes[0].inputs[1]]),
                            {.dtype = I8X_DTYPE_NONE}};
    i8x_tensor out = {.data = y};
    ck_assert_ok(i8x_exec_node(g, 0, inputs, &out, scratch, NULL)); /* the bias is left out */
    ck_assert_int_eq(out.shape.dims[0], 3);
    ck_assert_int_eq(out.shape.dims[2], 6);
    out.data = NULL;
    ck_assert_status(i8x_exec_node(g, 0, inputs, &out, scratch, NULL), I8X_EARG);
    i8x_arena_free(scratch);
    i8x_graph_free(g);
}
END_TEST

START_TEST(the_table_is_sorted_and_its_flags_make_sense)
{
    for (int i = 0; i < I8X_OP_COUNT; i++) {
        const i8x_op *op = i8x_op_get((i8x_op_id)i);
        ck_assert_int_eq(op->id, i);
        ck_assert(op->infer != NULL && op->run != NULL && op->since >= 1);
        ck_assert_ptr_eq(i8x_op_find(op->name), op);
        if (i > 0)
            ck_assert_msg(strcmp(i8x_op_get((i8x_op_id)(i - 1))->name, op->name) < 0 ||
                              i == I8X_OP_MATMUL + 1 || op->id == I8X_OP_MATMUL,
                          "%s", op->name);
        ck_assert(!(op->flags & I8X_OP_LINEAR) ||
                  (op->macs && op->scratch_bytes && op->weight_input == 1));
    }
    ck_assert_ptr_null(i8x_op_find("conv"));
}
END_TEST

START_TEST(graphs_are_shown_as_text)
{
    i8x_writer writer;
    i8x_graph *g = small_net();
    i8x_writer_init(&writer, NULL, 0);
    ck_assert_ok(i8x_graph_infer(g, 2, NULL, 0));
    ck_assert_ok(i8x_graph_dump(g, &writer));
    i8x_writer_put_u8(&writer, 0);
    const char *wanted =
        "input  x f32 [2,3,8,8]\n"
        "const  w f32 [4,3,3,3]\n"
        "const  b f32 [4]\n"
        "node   conv f32 [2,4,6,6] = Conv(x, w, b) \"Conv_0\"\n"
        "node   relu f32 [2,4,6,6] = Relu(conv) \"Relu_1\"\n"
        "node   sum f32 [2,4,6,6] = Add(relu, relu) \"Add_2\"\n"
        "node   pool f32 [2,4,1,1] = GlobalAveragePool(sum) \"GlobalAveragePool_3\"\n"
        "node   flat f32 [2,4] = Flatten(pool) \"Flatten_4\"\n"
        "output flat\n";
    ck_assert_str_eq((const char *)writer.bytes, wanted);
    i8x_writer_deinit(&writer);
    i8x_graph_free(g);
}
END_TEST

Suite *check_exec_suite(void)
{
    const TTest *tests[] = {
        every_level_thread_count_and_batch_gives_the_same_bits,
        another_batch_can_be_inferred_on_the_same_graph,
        observers_see_every_value_or_those_they_asked_for,
        an_observer_can_stop_a_run,
        wrong_inputs_and_small_limits_are_refused,
        unknown_operators_and_shapes_are_named,
        verify_finds_what_a_careless_pass_leaves,
        a_view_keeps_the_memory_it_looks_at,
        shape_arithmetic_is_computed_and_follows_the_batch,
        folded_shapes_hold_for_every_batch,
        batch_norm_and_scales_fold_into_the_convolution,
        a_shared_weight_is_copied_before_it_is_folded,
        single_nodes_run_on_given_tensors_of_any_batch,
        the_table_is_sorted_and_its_flags_make_sense,
        graphs_are_shown_as_text,
    };
    return i8x_suite("exec", tests, sizeof tests / sizeof tests[0]);
}
