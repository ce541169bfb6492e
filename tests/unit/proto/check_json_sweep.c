/* SPDX-License-Identifier: Apache-2.0
 *
 * A sweep as JSON: what is left out has its default, values are texts or numbers, and what is wrong
 * is named with its member.
 */
#include <string.h>

#include "int8x/alloc.h"
#include "proto/json.h"
#include "tests/support/suite.h"

static i8x_arena *arena;
static i8x_sweep sweep;
static int count;

static i8x_status read(const char *text)
{
    i8x_json *json;
    ck_assert_ok(i8x_json_parse(text, strlen(text), &json));
    i8x_status status = i8x_json_to_sweep(json, arena, &sweep, &count);
    i8x_json_free(json);
    return status;
}

START_TEST(a_sweep_is_read_with_its_defaults)
{
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    ck_assert_ok(read("{\"space\":{\"clip\":[\"mse\",\"kl\"],\"percentile\":[99,99.5]}}"));
    ck_assert_int_eq(count, 4);
    ck_assert_int_eq(sweep.search, I8X_SEARCH_GRID);
    i8x_recipe recipe;
    ck_assert_ok(i8x_sweep_trial(&sweep, 3, &recipe));
    ck_assert(recipe.clip == I8X_CLIP_KL && recipe.percentile == 99.5);
    ck_assert_ok(
        read("{\"search\":\"random\",\"seed\":9007199254740991,\"trials\":7,\"base\":{\"clip\":"
             "\"kl\"},\"space\":{\"shard_samples\":{\"low\":1,\"high\":64,\"log\":true}}}"));
    ck_assert_int_eq(count, 7);
    ck_assert(sweep.seed == 9007199254740991u && sweep.axes[0].log);
    ck_assert_ok(i8x_sweep_trial(&sweep, 0, &recipe));
    ck_assert(recipe.clip == I8X_CLIP_KL);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(what_is_wrong_is_named_with_its_member)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"[]", "sweep must be a JSON object"},
        {"{}", "wants the object 'space'"},
        {"{\"space\":{}}", "wants an axis"},
        {"{\"spaces\":{}}", "nearest is 'space'"},
        {"{\"space\":{\"clip\":\"mse\"}}", "'clip' must be a list"},
        {"{\"space\":{\"clip\":[]}}", "'clip' has 0 values"},
        {"{\"space\":{\"clip\":[null]}}", "'clip': a value is a text or a number"},
        {"{\"space\":{\"clip\":[\"most\"]}}", "sweep axis 'clip'"},
        {"{\"space\":{\"clipp\":[\"mse\"]}}", "nearest is 'clip'"},
        {"{\"space\":{\"percentile\":{\"low\":99}}}", "numbers low and high"},
        {"{\"space\":{\"percentile\":{\"low\":99,\"hihg\":1}}}", "nearest is 'high'"},
        {"{\"search\":\"best\",\"space\":{\"clip\":[\"mse\"]}}", "'search' must be"},
        {"{\"seed\":-1,\"space\":{\"clip\":[\"mse\"]}}", "'seed' must be a whole number"},
        {"{\"trials\":1.5,\"space\":{\"clip\":[\"mse\"]}}", "'trials' must be a whole number"},
        {"{\"base\":{\"clipp\":1},\"space\":{\"clip\":[\"mse\"]}}", "nearest is 'clip'"},
    };
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        i8x_status status = read(cases[i].text);
        ck_assert_msg(status == I8X_EARG || status == I8X_ELIMIT, "%s", cases[i].text);
        ck_assert_msg(strstr(i8x_last_error()->detail, cases[i].words) != NULL, "%s: %s",
                      cases[i].text, i8x_last_error()->detail);
    }
    i8x_arena_free(arena);
}
END_TEST

Suite *check_json_sweep_suite(void)
{
    const TTest *tests[] = {a_sweep_is_read_with_its_defaults,
                            what_is_wrong_is_named_with_its_member};
    return i8x_suite("json_sweep", tests, sizeof tests / sizeof tests[0]);
}
