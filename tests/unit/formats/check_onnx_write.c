/* SPDX-License-Identifier: Apache-2.0
 *
 * The ONNX writer: the same graph gives the same bytes, what is written is read again as it was,
 * large weights are not copied, and a failing sink or disk leaves nothing behind. Equality with the
 * onnx package is tested in tests/interop.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/graph/graph.h"
#include "int8x/formats.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"

#define WEIGHTS 4096

typedef struct taken {
    uint8_t bytes[256 << 10];
    size_t size;
    int calls;
    int fail_at;         /* call that is refused, -1 = none */
    const void *watched; /* a block that must be handed over in place */
    bool seen;
} taken;

static i8x_status take(void *user, const void *bytes, size_t size)
{
    taken *t = user;
    if (t->calls++ == t->fail_at)
        I8X_FAIL(I8X_EIO, "the sink is full");
    ck_assert_uint_le(size, sizeof t->bytes - t->size);
    memcpy(t->bytes + t->size, bytes, size);
    t->size += size;
    t->seen = t->seen || (bytes == t->watched && size == WEIGHTS * sizeof(float));
    return I8X_OK;
}

static float weights[WEIGHTS];

static i8x_graph *sample_graph(void)
{
    i8x_graph *graph;
    ck_assert_ok(i8x_graph_new(0, &graph));
    int x, w, h, y, node;
    for (int i = 0; i < WEIGHTS; i++)
        weights[i] = (float)i;
    const i8x_tensor tensor = {I8X_DTYPE_F32, {1, {WEIGHTS}}, weights};
    const int64_t axes[2] = {0, -1};
    const i8x_attr attrs[] = {
        {.name = "axes", .kind = I8X_ATTR_INTS, .ints = axes, .count = 2},
        {.name = "alpha", .kind = I8X_ATTR_FLOAT, .f = 0.0f},
        {.name = "beta", .kind = I8X_ATTR_INT, .i = -1},
        {.name = "mode", .kind = I8X_ATTR_STRING, .s = "words", .count = 5},
        {.name = "t", .kind = I8X_ATTR_TENSOR, .tensor = {I8X_DTYPE_F32, {1, {3}}, weights}},
    };
    graph->opsets = i8x_arena_array(graph->arena, 1, sizeof *graph->opsets);
    graph->opsets[0] = (i8x_opset){"", 17};
    graph->opset_count = 1;
    graph->ir_version = 8;
    graph->name = "g";
    ck_assert_ok(i8x_graph_add_value(graph, "x", &x));
    ck_assert_ok(i8x_graph_add_constant(graph, "w", &tensor, false, &w));
    ck_assert_ok(i8x_graph_add_value(graph, "h", &h));
    ck_assert_ok(i8x_graph_add_value(graph, "y", &y));
    graph->values[x].dtype = graph->values[y].dtype = I8X_DTYPE_F32;
    graph->values[x].shape_known = true;
    graph->values[x].shape = (i8x_shape){2, {I8X_DIM_UNKNOWN, WEIGHTS}};
    graph->values[x].dim_names[0] = "N";
    ck_assert_ok(i8x_graph_add_input(graph, x));
    ck_assert_ok(i8x_graph_add_output(graph, y));
    const int inputs[3] = {x, I8X_GRAPH_NONE, w};
    ck_assert_ok(i8x_graph_add_node(graph, "Odd", "", NULL, inputs, 3, &h, 1, &node));
    for (size_t i = 0; i < sizeof attrs / sizeof attrs[0]; i++)
        ck_assert_ok(i8x_graph_set_attr(graph, node, &attrs[i]));
    ck_assert_ok(i8x_graph_add_node(graph, "Relu", "", "last", &h, 1, &y, 1, &node));
    ck_assert_ok(i8x_graph_set_metadata(graph, "key", ""));
    return graph;
}

START_TEST(what_is_written_is_read_again)
{
    taken *t = calloc(1, sizeof *t);
    i8x_graph *graph = sample_graph(), *again;
    t->fail_at = -1;
    t->watched = weights;
    ck_assert_ok(i8x_onnx_write(graph, take, t));
    ck_assert(t->seen); /* in place: no copy of the weights */
    ck_assert_ok(i8x_onnx_read(t->bytes, t->size, NULL, &again));
    ck_assert_int_eq(again->node_count, 2);
    const i8x_node *node = &again->nodes[0];
    ck_assert_str_eq(node->op_type, "Odd");
    ck_assert(node->name_made);
    ck_assert_int_eq(node->inputs[1], I8X_GRAPH_NONE);
    ck_assert_int_eq(node->attr_count, 5);
    ck_assert_int_eq(i8x_node_attr(node, "axes")->ints[1], -1);
    ck_assert_float_eq(i8x_node_attr_float(node, "alpha", 5), 0);
    ck_assert_int_eq(i8x_node_attr_int(node, "beta", 5), -1);
    ck_assert_str_eq(i8x_node_attr(node, "mode")->s, "words");
    ck_assert_float_eq(((const float *)i8x_node_attr(node, "t")->tensor.data)[2], 2);
    ck_assert_str_eq(again->nodes[1].name, "last");
    const i8x_value *w = &again->values[i8x_graph_find_value(again, "w")];
    ck_assert_mem_eq(w->data, weights, sizeof weights);
    const i8x_value *x = &again->values[again->inputs[0]];
    ck_assert_str_eq(x->dim_names[0], "N");
    ck_assert_int_eq(x->shape.dims[0], I8X_DIM_UNKNOWN);
    ck_assert_int_eq(again->metadata_count, 1);
    i8x_graph_free(again);
    i8x_graph_free(graph);
    free(t);
}
END_TEST

START_TEST(the_same_graph_gives_the_same_bytes)
{
    taken *first = calloc(1, sizeof *first), *second = calloc(1, sizeof *second);
    i8x_graph *graph = sample_graph(), *again;
    first->fail_at = second->fail_at = -1;
    ck_assert_ok(i8x_onnx_write(graph, take, first));
    ck_assert_ok(i8x_onnx_read(first->bytes, first->size, NULL, &again));
    ck_assert_ok(i8x_onnx_write(again, take, second));
    ck_assert_uint_eq(first->size, second->size);
    ck_assert_mem_eq(first->bytes, second->bytes, first->size);
    i8x_graph_free(again);
    i8x_graph_free(graph);
    free(first);
    free(second);
}
END_TEST

START_TEST(a_bound_symbolic_dimension_keeps_its_name)
{
    taken *t = calloc(1, sizeof *t);
    i8x_graph *graph = sample_graph(), *again;
    t->fail_at = -1;
    graph->values[graph->inputs[0]].shape.dims[0] = 4; /* as inference does for a batch of four */
    ck_assert_ok(i8x_onnx_write(graph, take, t));
    ck_assert_ok(i8x_onnx_read(t->bytes, t->size, NULL, &again));
    ck_assert_str_eq(again->values[again->inputs[0]].dim_names[0], "N");
    i8x_graph_free(again);
    i8x_graph_free(graph);
    free(t);
}
END_TEST

START_TEST(removed_nodes_are_not_written)
{
    taken *t = calloc(1, sizeof *t);
    i8x_graph *graph = sample_graph(), *again;
    const int y = i8x_graph_find_value(graph, "y");
    t->fail_at = -1;
    i8x_graph_remove_node(graph, 0);
    i8x_graph_replace_uses(graph, i8x_graph_find_value(graph, "h"), graph->inputs[0]);
    ck_assert_ok(i8x_onnx_write(graph, take, t));
    ck_assert_ok(i8x_onnx_read(t->bytes, t->size, NULL, &again));
    ck_assert_int_eq(again->node_count, 1);
    ck_assert_str_eq(graph->values[y].name, "y");
    i8x_graph_free(again);
    i8x_graph_free(graph);
    free(t);
}
END_TEST

START_TEST(a_refusing_sink_ends_the_writing_with_its_status)
{
    i8x_graph *graph = sample_graph();
    for (int fail_at = 0;; fail_at++) {
        taken *t = calloc(1, sizeof *t);
        t->fail_at = fail_at;
        const i8x_status status = i8x_onnx_write(graph, take, t);
        ck_assert_int_le(t->calls, fail_at + 1);
        free(t);
        if (status == I8X_OK)
            break;
        ck_assert_int_eq(status, I8X_EIO);
    }
    i8x_graph_free(graph);
}
END_TEST

START_TEST(files_are_whole_or_not_there)
{
    i8x_temp_dir dir;
    i8x_graph *graph = sample_graph(), *again;
    uint64_t size = 0, on_disk = 1;
    i8x_digest digest;
    i8x_file_view view;
    i8x_temp_dir_init(&dir);
    const char *path = i8x_temp_dir_path(&dir, "m.onnx");
    ck_assert_ok(i8x_onnx_write_file(graph, path, &size, &digest));
    ck_assert_ok(i8x_file_size(path, &on_disk));
    ck_assert_uint_eq(size, on_disk);
    ck_assert_ok(i8x_file_map(path, &view));
    const i8x_digest content = i8x_digest_of(view.bytes, view.size);
    ck_assert(i8x_digest_equal(&digest, &content));
    i8x_file_unmap(&view);
    ck_assert_ok(i8x_onnx_read_file(path, NULL, &again));
    ck_assert_ok(
        i8x_onnx_write_file(again, path, NULL, NULL)); /* over the file that its weights lie in */
    i8x_graph_free(again);
    ck_assert_status(i8x_onnx_write_file(graph, i8x_temp_dir_path(&dir, "none/m.onnx"), NULL, NULL),
                     I8X_ENOENT);
    ck_assert_int_eq(i8x_temp_dir_count(&dir), 1);
    i8x_graph_free(graph);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

Suite *check_onnx_write_suite(void)
{
    const TTest *tests[] = {
        what_is_written_is_read_again,
        the_same_graph_gives_the_same_bytes,
        a_bound_symbolic_dimension_keeps_its_name,
        removed_nodes_are_not_written,
        a_refusing_sink_ends_the_writing_with_its_status,
        files_are_whole_or_not_there,
    };
    return i8x_suite("onnx_write", tests, sizeof tests / sizeof tests[0]);
}
