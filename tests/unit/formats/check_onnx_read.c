/* SPDX-License-Identifier: Apache-2.0
 *
 * The ONNX reader meets files from strangers. The golden vectors hold one broken model each, with
 * the status and the words that its owner must see; beside them: nesting that would exhaust the
 * stack, truncation at every byte, flipped bytes, and every memory limit.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/graph/graph.h"
#include "int8x/formats.h"
#include "tests/support/golden.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"

#define FILE_MAX 65536

/* A heap block of exactly this size: reads beyond it are seen by ASan and valgrind. */
static uint8_t *exact_copy(const void *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    ck_assert_ptr_nonnull(copy);
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

static size_t golden_model(const char *name, uint8_t *bytes)
{
    i8x_golden *golden = i8x_golden_open(I8X_TEST_SOURCE_DIR, "onnx_errors/models.txt");
    char *fields[4];
    size_t size = 0;
    while (i8x_golden_next(golden, fields, 4))
        if (strcmp(fields[0], name) == 0)
            size = i8x_golden_hex(fields[3], bytes, FILE_MAX);
    i8x_golden_close(golden, 1);
    ck_assert_uint_gt(size, 0);
    return size;
}

static void blanks(char *words)
{
    for (; *words != '\0'; words++)
        if (*words == '_')
            *words = ' ';
}

START_TEST(every_golden_model_gives_its_status_and_its_sentence)
{
    static uint8_t bytes[FILE_MAX];
    i8x_golden *golden = i8x_golden_open(I8X_TEST_SOURCE_DIR, "onnx_errors/models.txt");
    char *fields[4], plain_detail[I8X_ERROR_DETAIL_SIZE];
    while (i8x_golden_next(golden, fields, 4)) {
        const size_t size = i8x_golden_hex(fields[3], bytes, sizeof bytes);
        uint8_t *copy = exact_copy(bytes, size);
        i8x_graph *graph = NULL;
        const i8x_status status = i8x_onnx_read(copy, size, NULL, &graph);
        ck_assert_msg(status == i8x_status_from_name(fields[1]), "%s gives %s (%s), wanted %s",
                      fields[0], i8x_status_name(status),
                      status == I8X_OK ? "" : i8x_last_error()->detail, fields[1]);
        if (status != I8X_OK) { /* names with underscores: both sides are compared with blanks */
            memcpy(plain_detail, i8x_last_error()->detail, sizeof plain_detail);
            blanks(plain_detail);
            blanks(fields[2]);
            ck_assert_msg(strstr(plain_detail, fields[2]) != NULL, "%s says '%s', wanted '%s'",
                          fields[0], plain_detail, fields[2]);
        }
        i8x_graph_free(graph);
        free(copy);
    }
    i8x_golden_close(golden, 80);
}
END_TEST

static size_t varint_size(uint64_t value)
{
    size_t size = 1;
    for (; value >= 0x80; value >>= 7)
        size++;
    return size;
}

/* Writes a tag of one byte and a length before what stands at `at`; returns the new start. */
static size_t prepend(uint8_t *bytes, size_t at, uint8_t tag, uint64_t length)
{
    const size_t size = varint_size(length);
    at -= size + 1;
    bytes[at] = tag;
    for (size_t i = 1; i <= size; i++, length >>= 7)
        bytes[at + i] = (uint8_t)((length & 0x7f) | (i < size ? 0x80 : 0));
    return at;
}

START_TEST(nesting_of_twenty_thousand_graphs_is_an_error_and_no_crash)
{
    enum { DEPTH = 20000, SIZE = DEPTH * 16 };
    uint8_t *bytes = malloc(SIZE);
    ck_assert_ptr_nonnull(bytes);
    size_t at = SIZE;
    i8x_graph *graph;
    for (int i = 0; i < DEPTH;
         i++) { /* graph { node { attribute { g { ... } } } }, from the inside */
        at = prepend(bytes, at, 6 << 3 | 2, SIZE - at);
        at = prepend(bytes, at, 5 << 3 | 2, SIZE - at);
        at = prepend(bytes, at, 1 << 3 | 2, SIZE - at);
    }
    at = prepend(bytes, at, 7 << 3 | 2, SIZE - at);
    ck_assert_status(i8x_onnx_read(bytes + at, SIZE - at, NULL, &graph), I8X_ELIMIT);
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "nested deeper than 100"));
    free(bytes);
}
END_TEST

START_TEST(a_model_cut_off_at_any_byte_is_refused)
{
    static uint8_t bytes[FILE_MAX];
    const size_t size = golden_model("plain", bytes);
    for (size_t length = 0; length < size; length++) {
        uint8_t *copy = exact_copy(bytes, length);
        i8x_graph *graph = NULL;
        const i8x_status status = i8x_onnx_read(copy, length, NULL, &graph);
        ck_assert_msg(status != I8X_OK, "%zu of %zu bytes are read as a model", length, size);
        ck_assert_uint_gt(strlen(i8x_last_error()->detail), 0);
        free(copy);
    }
}
END_TEST

START_TEST(flipped_bytes_give_a_status_or_a_graph)
{
    static uint8_t bytes[FILE_MAX];
    const char *names[] = {"plain", "nested_10", "out_of_order", "nan_in_a_constant_node"};
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        const size_t size = golden_model(names[k], bytes);
        for (uint64_t i = 0; i < 4000; i++) {
            uint8_t *copy = exact_copy(bytes, size);
            for (uint64_t flip = 0; flip <= i % 3; flip++)
                copy[i8x_rng_u64(k + 1, 8 * i + 2 * flip) % size] =
                    (uint8_t)i8x_rng_u64(k + 1, 8 * i + 2 * flip + 1);
            i8x_graph *graph = NULL;
            if (i8x_onnx_read(copy, size, NULL, &graph) == I8X_OK)
                i8x_graph_free(graph);
            free(copy);
        }
    }
}
END_TEST

START_TEST(every_memory_limit_gives_a_status_and_leaks_nothing)
{
    static uint8_t bytes[FILE_MAX];
    const size_t size = golden_model("nested_10", bytes);
    i8x_status status = I8X_ELIMIT;
    for (size_t limit = 256; status != I8X_OK; limit += 256) {
        const i8x_model_opts opts = {.limit_bytes = limit};
        i8x_graph *graph = NULL;
        status = i8x_onnx_read(bytes, size, &opts, &graph);
        ck_assert_msg(status == I8X_OK || status == I8X_ELIMIT, "%zu bytes: %s", limit,
                      i8x_last_error()->detail);
        ck_assert_uint_lt(limit, 1 << 20);
        i8x_graph_free(graph);
    }
}
END_TEST

START_TEST(a_graph_holds_what_the_file_says)
{
    static uint8_t bytes[FILE_MAX];
    i8x_graph *graph;
    ck_assert_ok(i8x_onnx_read(bytes, golden_model("out_of_order", bytes), NULL, &graph));
    ck_assert_int_eq(graph->ir_version, 8);
    ck_assert_int_eq(i8x_graph_opset(graph, ""), 17);
    ck_assert_int_eq(graph->node_count, 2);
    ck_assert_str_eq(graph->nodes[0].op_type, "Add"); /* sorted */
    ck_assert_str_eq(graph->nodes[1].op_type, "Relu");
    ck_assert_int_eq(graph->nodes[1].inputs[0], graph->nodes[0].outputs[0]);
    const i8x_value *w = &graph->values[i8x_graph_find_value(graph, "w")];
    ck_assert(i8x_value_is_constant(w));
    ck_assert_int_eq(w->dtype, I8X_DTYPE_F32);
    ck_assert_float_eq(((const float *)w->data)[1], 2);
    ck_assert_uint_eq((uintptr_t)w->data % sizeof(float), 0);
    ck_assert_int_eq(graph->input_count, 1);
    ck_assert(graph->values[graph->inputs[0]].is_input);
    ck_assert_int_eq(graph->values[graph->inputs[0]].shape.dims[0], 2);
    i8x_graph_free(graph);
}
END_TEST

START_TEST(constants_that_are_inputs_too_are_not_fed)
{
    static uint8_t bytes[FILE_MAX];
    i8x_graph *graph;
    ck_assert_ok(i8x_onnx_read(bytes, golden_model("bfloat16_elsewhere", bytes), NULL, &graph));
    const i8x_value *w = &graph->values[i8x_graph_find_value(graph, "w")];
    ck_assert(!i8x_value_is_constant(w));
    ck_assert_uint_gt(w->opaque.size, 0);
    i8x_graph_free(graph);
}
END_TEST

START_TEST(files_that_are_none_give_their_own_status)
{
    i8x_temp_dir dir;
    i8x_graph *graph;
    i8x_temp_dir_init(&dir);
    ck_assert_status(i8x_onnx_read_file(i8x_temp_dir_path(&dir, "none.onnx"), NULL, &graph),
                     I8X_ENOENT);
    ck_assert_status(i8x_onnx_read_file(dir.path, NULL, &graph), I8X_EARG);
    ck_assert_status(i8x_onnx_read_file(i8x_temp_dir_put(&dir, "empty.onnx", "", 0), NULL, &graph),
                     I8X_EFORMAT);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

Suite *check_onnx_read_suite(void)
{
    const TTest *tests[] = {
        every_golden_model_gives_its_status_and_its_sentence,
        nesting_of_twenty_thousand_graphs_is_an_error_and_no_crash,
        a_model_cut_off_at_any_byte_is_refused,
        flipped_bytes_give_a_status_or_a_graph,
        every_memory_limit_gives_a_status_and_leaks_nothing,
        a_graph_holds_what_the_file_says,
        constants_that_are_inputs_too_are_not_fed,
        files_that_are_none_give_their_own_status,
    };
    return i8x_suite("onnx_read", tests, sizeof tests / sizeof tests[0]);
}
