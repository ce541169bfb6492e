/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph as a container: names, uses, order, pruning. Every pass and both readers stand on it,
 * so its refusals (names taken, cycles, limits) are tested as much as what it does.
 */
#include <stdio.h>
#include <string.h>

#include "core/graph/graph.h"
#include "tests/support/suite.h"

static i8x_graph *new_graph(void)
{
    i8x_graph *graph;
    ck_assert_ok(i8x_graph_new(0, &graph));
    return graph;
}

static int add_value(i8x_graph *graph, const char *name)
{
    int value;
    ck_assert_ok(i8x_graph_add_value(graph, name, &value));
    return value;
}

static int add_node(i8x_graph *graph, const char *op, int a, int b, int out)
{
    const int inputs[2] = {a, b};
    int node;
    ck_assert_ok(i8x_graph_add_node(graph, op, "", NULL, inputs, b == -2 ? 1 : 2, &out, 1, &node));
    return node;
}

#define ONE (-2) /* no second input */

START_TEST(values_are_found_by_name_and_names_are_unique)
{
    i8x_graph *graph = new_graph();
    char name[32];
    int value;
    for (int i = 0; i < 5000; i++) { /* past several doublings of table and array */
        snprintf(name, sizeof name, "value/%d", i);
        ck_assert_int_eq(add_value(graph, name), i);
    }
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "value/%d", i);
        ck_assert_int_eq(i8x_graph_find_value(graph, name), i);
        ck_assert_str_eq(graph->values[i].name, name);
    }
    ck_assert_int_eq(i8x_graph_find_value(graph, "value/5000"), I8X_GRAPH_NONE);
    ck_assert_status(i8x_graph_add_value(graph, "value/77", &value), I8X_EEXIST);
    ck_assert_status(i8x_graph_add_value(graph, "", &value), I8X_EARG);
    i8x_graph_free(graph);
}
END_TEST

START_TEST(a_renamed_value_is_found_by_its_new_name_alone)
{
    i8x_graph *graph = new_graph();
    const int a = add_value(graph, "a"), b = add_value(graph, "b");
    ck_assert_ok(i8x_graph_rename_value(graph, a, "c"));
    ck_assert_int_eq(i8x_graph_find_value(graph, "a"), I8X_GRAPH_NONE);
    ck_assert_int_eq(i8x_graph_find_value(graph, "c"), a);
    ck_assert_status(i8x_graph_rename_value(graph, b, "c"), I8X_EEXIST);
    ck_assert_ok(i8x_graph_rename_value(graph, b, "a"));
    ck_assert_int_eq(i8x_graph_find_value(graph, "a"), b);
    i8x_graph_free(graph);
}
END_TEST

START_TEST(a_name_beyond_the_limit_is_refused)
{
    i8x_graph *graph = new_graph();
    char name[I8X_GRAPH_NAME_MAX + 2];
    int value;
    memset(name, 'n', sizeof name);
    name[I8X_GRAPH_NAME_MAX + 1] = '\0';
    ck_assert_status(i8x_graph_add_value(graph, name, &value), I8X_ELIMIT);
    ck_assert_ptr_null(i8x_graph_unique_name(graph, name));
    name[I8X_GRAPH_NAME_MAX] = '\0';
    ck_assert_ok(i8x_graph_add_value(graph, name, &value));
    i8x_graph_free(graph);
}
END_TEST

START_TEST(unique_names_avoid_values_and_nodes)
{
    i8x_graph *graph = new_graph();
    const int x = add_value(graph, "x"), y = add_value(graph, "y");
    int node;
    ck_assert_ok(i8x_graph_add_node(graph, "Relu", "", "x_1", &x, 1, &y, 1, &node));
    ck_assert_str_eq(i8x_graph_unique_name(graph, "new"), "new");
    ck_assert_str_eq(i8x_graph_unique_name(graph, "x_1"), "x_1_1");
    for (int i = 0; i < 300; i++) {
        const char *name = i8x_graph_unique_name(graph, "x");
        ck_assert_ptr_nonnull(name);
        (void)add_value(graph, name); /* fails the test if the name is taken */
    }
    i8x_graph_free(graph);
}
END_TEST

START_TEST(nodes_without_a_name_get_one_that_nothing_has)
{
    i8x_graph *graph = new_graph();
    const int x = add_value(graph, "Relu_0"), y = add_value(graph, "y");
    const int node = add_node(graph, "Relu", x, ONE, y);
    ck_assert_str_eq(graph->nodes[node].name, "Relu_0_1");
    ck_assert(graph->nodes[node].name_made);
    ck_assert_int_eq(graph->nodes[node].op, -1);
    i8x_graph_free(graph);
}
END_TEST

START_TEST(a_value_has_one_producer)
{
    i8x_graph *graph = new_graph();
    const int x = add_value(graph, "x"), y = add_value(graph, "y");
    const float number = 1;
    const i8x_tensor tensor = {I8X_DTYPE_F32, {0}, (void *)(uintptr_t)&number};
    const int twice[2] = {I8X_GRAPH_NONE, I8X_GRAPH_NONE};
    int node, constant;
    (void)add_node(graph, "Relu", x, ONE, y);
    ck_assert_status(i8x_graph_add_node(graph, "Abs", "", "", &x, 1, &y, 1, &node), I8X_EEXIST);
    ck_assert_ok(i8x_graph_add_constant(graph, "c", &tensor, false, &constant));
    ck_assert_status(i8x_graph_add_node(graph, "Abs", "", "", &x, 1, &constant, 1, &node),
                     I8X_EEXIST);
    const int z = add_value(graph, "z");
    const int same[2] = {z, z};
    ck_assert_status(i8x_graph_add_node(graph, "Split", "", "", &x, 1, same, 2, &node), I8X_EEXIST);
    ck_assert_ok(
        i8x_graph_add_node(graph, "Odd", "d", "", &x, 1, twice, 2, &node)); /* all omitted */
    ck_assert_status(
        i8x_graph_add_node(graph, "Odd", "", "", &x, I8X_GRAPH_NODE_IO_MAX + 1, &z, 1, &node),
        I8X_ELIMIT);
    i8x_graph_free(graph);
}
END_TEST

START_TEST(constants_are_copied_or_borrowed)
{
    i8x_graph *graph = new_graph();
    float numbers[3] = {1, 2, 3};
    const i8x_tensor tensor = {I8X_DTYPE_F32, {1, {3}}, numbers};
    const i8x_tensor nothing = {I8X_DTYPE_S64, {1, {0}}, NULL};
    const i8x_tensor missing = {I8X_DTYPE_S64, {1, {2}}, NULL};
    const i8x_tensor unknown = {I8X_DTYPE_S64, {1, {I8X_DIM_UNKNOWN}}, numbers};
    int copied, borrowed, empty, other;
    ck_assert_ok(i8x_graph_add_constant(graph, "copied", &tensor, true, &copied));
    ck_assert_ok(i8x_graph_add_constant(graph, "borrowed", &tensor, false, &borrowed));
    ck_assert_ok(i8x_graph_add_constant(graph, "empty", &nothing, false, &empty));
    numbers[0] = 9;
    ck_assert_float_eq(((const float *)i8x_value_tensor(&graph->values[copied]).data)[0], 1);
    ck_assert_ptr_eq(graph->values[borrowed].data, numbers);
    ck_assert(i8x_value_is_constant(&graph->values[empty]));
    ck_assert_status(i8x_graph_add_constant(graph, "missing", &missing, false, &other), I8X_EARG);
    ck_assert_status(i8x_graph_add_constant(graph, "unknown", &unknown, false, &other), I8X_ESHAPE);
    i8x_graph_free(graph);
}
END_TEST

START_TEST(inputs_and_outputs_are_listed_once)
{
    i8x_graph *graph = new_graph();
    const int x = add_value(graph, "x"), y = add_value(graph, "y");
    i8x_dtype dtype;
    i8x_shape shape;
    graph->values[x].dtype = I8X_DTYPE_F32;
    graph->values[x].shape = (i8x_shape){2, {I8X_DIM_UNKNOWN, 3}};
    ck_assert_ok(i8x_graph_add_input(graph, x));
    ck_assert_ok(i8x_graph_add_output(graph, y));
    ck_assert_status(i8x_graph_add_input(graph, x), I8X_EEXIST);
    ck_assert_status(i8x_graph_add_output(graph, y), I8X_EEXIST);
    ck_assert_int_eq(i8x_graph_input_count(graph), 1);
    ck_assert_int_eq(i8x_graph_output_count(graph), 1);
    ck_assert_str_eq(i8x_graph_input(graph, 0, &dtype, &shape), "x");
    ck_assert_str_eq(i8x_graph_output(graph, 0, NULL, NULL), "y");
    ck_assert_int_eq(dtype, I8X_DTYPE_F32);
    ck_assert_int_eq(shape.dims[1], 3);
    ck_assert_int_eq(i8x_graph_node_count(graph), 0);
    i8x_graph_free(graph);
}
END_TEST

START_TEST(attributes_are_copied_replaced_and_found)
{
    i8x_graph *graph = new_graph();
    const int x = add_value(graph, "x"), y = add_value(graph, "y");
    const int node = add_node(graph, "Odd", x, ONE, y);
    int64_t ints[2] = {4, 5};
    float floats[1] = {0.5f};
    float cells[2] = {7, 8};
    char word[4] = "abc";
    const char *words[2] = {word, "d"};
    const i8x_attr attrs[] = {
        {.name = "i", .kind = I8X_ATTR_INT, .i = 1},
        {.name = "f", .kind = I8X_ATTR_FLOAT, .f = 2.5f},
        {.name = "s", .kind = I8X_ATTR_STRING, .s = word, .count = 3},
        {.name = "ints", .kind = I8X_ATTR_INTS, .ints = ints, .count = 2},
        {.name = "floats", .kind = I8X_ATTR_FLOATS, .floats = floats, .count = 1},
        {.name = "strings", .kind = I8X_ATTR_STRINGS, .strings = words, .count = 2},
        {.name = "t", .kind = I8X_ATTR_TENSOR, .tensor = {I8X_DTYPE_F32, {1, {2}}, cells}},
        {.name = "o", .kind = I8X_ATTR_OPAQUE, .opaque = {(const uint8_t *)"xyz", 3}},
        {.name = "i", .kind = I8X_ATTR_INT, .i = -3},
    };
    for (size_t i = 0; i < sizeof attrs / sizeof attrs[0]; i++)
        ck_assert_ok(i8x_graph_set_attr(graph, node, &attrs[i]));
    ints[0] = word[0] = 0, floats[0] = cells[0] = 0;
    const i8x_node *n = &graph->nodes[node];
    ck_assert_int_eq(n->attr_count, 8);
    ck_assert_int_eq(i8x_node_attr_int(n, "i", 9), -3);
    ck_assert_int_eq(i8x_node_attr_int(n, "f", 9), 9); /* another kind */
    ck_assert_int_eq(i8x_node_attr_int(n, "none", 9), 9);
    ck_assert_float_eq(i8x_node_attr_float(n, "f", 9), 2.5f);
    ck_assert_float_eq(i8x_node_attr_float(n, "i", 9), 9);
    ck_assert_str_eq(i8x_node_attr(n, "s")->s, "abc");
    ck_assert_int_eq(i8x_node_attr(n, "ints")->ints[0], 4);
    ck_assert_float_eq(i8x_node_attr(n, "floats")->floats[0], 0.5f);
    ck_assert_str_eq(i8x_node_attr(n, "strings")->strings[0], "abc");
    ck_assert_float_eq(((const float *)i8x_node_attr(n, "t")->tensor.data)[0], 7);
    ck_assert_mem_eq(i8x_node_attr(n, "o")->opaque.data, "xyz", 3);
    ck_assert_ptr_null(i8x_node_attr(n, "none"));
    i8x_graph_free(graph);
}
END_TEST

START_TEST(uses_are_counted_and_replaced)
{
    i8x_graph *graph = new_graph();
    const int x = add_value(graph, "x"), h = add_value(graph, "h"), y = add_value(graph, "y"),
              z = add_value(graph, "z");
    const int first = add_node(graph, "Relu", x, ONE, h);
    const int square = add_node(graph, "Mul", h, h, y);
    int counts[4];
    ck_assert_int_eq(i8x_graph_use_count(graph, h), 2);
    ck_assert_int_eq(i8x_graph_single_user(graph, h), I8X_GRAPH_NONE); /* one node, two places */
    ck_assert_int_eq(i8x_graph_single_user(graph, x), first);
    ck_assert_int_eq(i8x_graph_single_user(graph, y), I8X_GRAPH_NONE);
    ck_assert_ok(i8x_graph_add_output(graph, x));
    ck_assert_int_eq(i8x_graph_use_count(graph, x), 2);
    ck_assert_int_eq(i8x_graph_single_user(graph, x), I8X_GRAPH_NONE);
    i8x_graph_count_uses(graph, counts);
    ck_assert_int_eq(counts[x], 2);
    ck_assert_int_eq(counts[h], 2);
    ck_assert_int_eq(counts[z], 0);
    i8x_graph_replace_uses(graph, h, z);
    ck_assert_int_eq(i8x_graph_use_count(graph, h), 0);
    ck_assert_int_eq(i8x_graph_use_count(graph, z), 2);
    i8x_graph_remove_node(graph, square);
    ck_assert(i8x_node_removed(&graph->nodes[square]));
    ck_assert_int_eq(i8x_graph_use_count(graph, z), 0);
    ck_assert_int_eq(graph->values[y].producer, I8X_GRAPH_NONE);
    i8x_graph_free(graph);
}
END_TEST

START_TEST(sort_is_stable_and_drops_removed_nodes)
{
    i8x_graph *graph = new_graph();
    const int x = add_value(graph, "x"), a = add_value(graph, "a"), b = add_value(graph, "b"),
              c = add_value(graph, "c"), d = add_value(graph, "d");
    (void)add_node(graph, "Last", b, c, d); /* 0: must move behind both */
    (void)add_node(graph, "B", x, ONE, b);
    const int gone = add_node(graph, "Gone", x, ONE, a);
    (void)add_node(graph, "C", x, ONE, c);
    i8x_graph_remove_node(graph, gone);
    ck_assert_ok(i8x_graph_sort(graph));
    ck_assert_int_eq(graph->node_count, 3);
    ck_assert_str_eq(graph->nodes[0].op_type, "B");
    ck_assert_str_eq(graph->nodes[1].op_type, "C");
    ck_assert_str_eq(graph->nodes[2].op_type, "Last");
    ck_assert_int_eq(graph->values[d].producer, 2);
    ck_assert_int_eq(graph->values[a].producer, I8X_GRAPH_NONE);
    i8x_graph_free(graph);
}
END_TEST

START_TEST(sort_names_a_node_on_the_cycle_and_not_one_behind_it)
{
    i8x_graph *graph = new_graph();
    const int a = add_value(graph, "a"), b = add_value(graph, "b"), c = add_value(graph, "c"),
              d = add_value(graph, "d");
    const int of_c[1] = {c}, to_d[1] = {d};
    int node;
    ck_assert_ok(i8x_graph_add_node(graph, "Behind", "", "behind", of_c, 1, to_d, 1, &node));
    (void)add_node(graph, "P", a, ONE, b);
    (void)add_node(graph, "Q", b, ONE, c);
    (void)add_node(graph, "R", c, ONE, a);
    ck_assert_status(i8x_graph_sort(graph), I8X_EFORMAT);
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "cycle"));
    ck_assert_ptr_null(strstr(i8x_last_error()->detail, "behind"));
    i8x_graph_free(graph);
}
END_TEST

START_TEST(captured_values_are_uses_and_order_nodes)
{
    i8x_graph *graph = new_graph();
    const int x = add_value(graph, "x"), late = add_value(graph, "late"), y = add_value(graph, "y");
    const int outer = add_node(graph, "If", x, ONE, y);
    (void)add_node(graph, "Relu", x, ONE, late);
    int captured[1] = {late};
    graph->nodes[outer].captured = captured;
    graph->nodes[outer].captured_count = 1;
    ck_assert_ok(i8x_graph_add_output(graph, y));
    ck_assert_int_eq(i8x_graph_use_count(graph, late), 1);
    ck_assert_ok(i8x_graph_prune(graph));
    ck_assert_int_eq(graph->node_count, 2);
    ck_assert_str_eq(graph->nodes[0].op_type, "Relu");
    i8x_graph_free(graph);
}
END_TEST

START_TEST(prune_drops_what_reaches_no_output_and_renumbers)
{
    i8x_graph *graph = new_graph();
    const float number = 1;
    const i8x_tensor tensor = {I8X_DTYPE_F32, {0}, (void *)(uintptr_t)&number};
    int unused, used;
    ck_assert_ok(i8x_graph_add_constant(graph, "unused", &tensor, true, &unused));
    const int idle = add_value(graph, "idle_input"), x = add_value(graph, "x"),
              dead = add_value(graph, "dead"), y = add_value(graph, "y");
    ck_assert_ok(i8x_graph_add_constant(graph, "used", &tensor, true, &used));
    ck_assert_ok(i8x_graph_add_input(graph, idle));
    ck_assert_ok(i8x_graph_add_input(graph, x));
    ck_assert_ok(i8x_graph_add_output(graph, y));
    (void)add_node(graph, "Dead", x, unused, dead);
    (void)add_node(graph, "Add", x, used, y);
    ck_assert_ok(i8x_graph_prune(graph));
    ck_assert_int_eq(graph->node_count, 1);
    ck_assert_int_eq(graph->value_count, 4);
    ck_assert_int_eq(i8x_graph_find_value(graph, "unused"), I8X_GRAPH_NONE);
    ck_assert_int_eq(i8x_graph_find_value(graph, "dead"), I8X_GRAPH_NONE);
    ck_assert_int_eq(graph->input_count, 2);
    ck_assert_str_eq(i8x_graph_input(graph, 0, NULL, NULL), "idle_input");
    const i8x_node *node = &graph->nodes[0];
    ck_assert_str_eq(graph->values[node->inputs[1]].name, "used");
    ck_assert_int_eq(node->outputs[0], i8x_graph_find_value(graph, "y"));
    ck_assert_int_eq(graph->values[node->outputs[0]].producer, 0);
    ck_assert_int_eq(add_value(graph, "unused"), 4); /* the name is free again */
    i8x_graph_free(graph);
}
END_TEST

START_TEST(long_chains_in_reverse_order_are_sorted)
{
    enum { LENGTH = 20000 };
    i8x_graph *graph = new_graph();
    char name[16];
    for (int i = 0; i <= LENGTH; i++) {
        snprintf(name, sizeof name, "v%d", i);
        (void)add_value(graph, name);
    }
    for (int i = LENGTH - 1; i >= 0; i--)
        (void)add_node(graph, "Relu", i, ONE, i + 1);
    ck_assert_ok(i8x_graph_sort(graph));
    for (int i = 0; i < LENGTH; i++)
        ck_assert_int_eq(graph->nodes[i].inputs[0], i);
    i8x_graph_free(graph);
}
END_TEST

START_TEST(metadata_is_set_and_replaced)
{
    i8x_graph *graph = new_graph();
    ck_assert_ok(i8x_graph_set_metadata(graph, "a", "1"));
    ck_assert_ok(i8x_graph_set_metadata(graph, "b", "2"));
    ck_assert_ok(i8x_graph_set_metadata(graph, "a", "3"));
    ck_assert_int_eq(graph->metadata_count, 2);
    ck_assert_str_eq(graph->metadata[0].value, "3");
    ck_assert_int_eq(i8x_graph_opset(graph, ""), 0);
    i8x_graph_free(graph);
}
END_TEST

START_TEST(a_memory_limit_gives_a_status_at_every_step)
{
    i8x_graph *graph;
    for (size_t limit = 64; limit < 200000; limit += 4096) {
        if (i8x_graph_new(limit, &graph) != I8X_OK)
            continue;
        i8x_status status = I8X_OK;
        char name[40];
        for (int i = 0, value, node; i < 300 && status == I8X_OK; i++) {
            snprintf(name, sizeof name, "a rather long name %d", i);
            status = i8x_graph_add_value(graph, name, &value);
            if (status == I8X_OK && i > 0)
                status =
                    i8x_graph_add_node(graph, "Relu", "", NULL, &(int){i - 1}, 1, &value, 1, &node);
        }
        if (status == I8X_OK)
            status = i8x_graph_sort(graph);
        ck_assert(status == I8X_OK || status == I8X_ELIMIT);
        i8x_graph_free(graph);
    }
    i8x_graph_free(NULL);
}
END_TEST

START_TEST(what_is_kept_is_released_once)
{
    i8x_graph *graph = new_graph();
    i8x_arena *arena;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    graph->keep = arena; /* any object with a release function: the leak check sees a second or
                            missing call */
    graph->keep_release = (void (*)(void *))i8x_arena_free;
    i8x_graph_free(graph);
}
END_TEST

Suite *check_graph_suite(void)
{
    const TTest *tests[] = {
        values_are_found_by_name_and_names_are_unique,
        a_renamed_value_is_found_by_its_new_name_alone,
        a_name_beyond_the_limit_is_refused,
        unique_names_avoid_values_and_nodes,
        nodes_without_a_name_get_one_that_nothing_has,
        a_value_has_one_producer,
        constants_are_copied_or_borrowed,
        inputs_and_outputs_are_listed_once,
        attributes_are_copied_replaced_and_found,
        uses_are_counted_and_replaced,
        sort_is_stable_and_drops_removed_nodes,
        sort_names_a_node_on_the_cycle_and_not_one_behind_it,
        captured_values_are_uses_and_order_nodes,
        prune_drops_what_reaches_no_output_and_renumbers,
        long_chains_in_reverse_order_are_sorted,
        metadata_is_set_and_replaced,
        a_memory_limit_gives_a_status_at_every_step,
        what_is_kept_is_released_once,
    };
    return i8x_suite("graph", tests, sizeof tests / sizeof tests[0]);
}
