/* SPDX-License-Identifier: Apache-2.0
 *
 * Why: a recipe is what users write, so every refusal must name the field, the value and what is
 * allowed; and it is what keys are made of, so its canonical form must come back exactly.
 */
#include "core/run/recipe.h"

#include <string.h>

#include "tests/support/suite.h"

static void assert_told(const char *word)
{
    ck_assert_msg(strstr(i8x_last_error()->detail, word) != NULL, "'%s' is not in '%s'", word,
                  i8x_last_error()->detail);
}

START_TEST(default_recipe_is_the_table)
{
    i8x_recipe recipe;
    i8x_recipe_default(&recipe);
    int count;
    const i8x_field *fields = i8x_fields(&count);
    ck_assert_int_ge(count, 15);
    for (int i = 0; i < count; i++) {
        char value[8192];
        ck_assert_ok(i8x_recipe_get(&recipe, fields[i].name, value, sizeof value));
        ck_assert_str_eq(value, fields[i].def);
    }
    ck_assert_ok(i8x_recipe_check(&recipe));
}
END_TEST

START_TEST(set_and_get_are_inverse)
{
    static const char *const pairs[][2] = {
        {"target", "tensorrt"}, {"clip", "kl"},
        {"percentile", "99.9"}, {"shard_samples", "4096"},
        {"exclude", "a*, b?"},  {"percentile", "50"},
        {"layer_samples", "0"}, {"percentile", "99.12345678901234"}};
    i8x_recipe recipe;
    i8x_recipe_default(&recipe);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char value[8192];
        ck_assert_ok(i8x_recipe_set(&recipe, pairs[i][0], pairs[i][1]));
        ck_assert_ok(i8x_recipe_get(&recipe, pairs[i][0], value, sizeof value));
        ck_assert_str_eq(value, pairs[i][1]);
    }
}
END_TEST

START_TEST(refusals_name_field_value_and_what_is_allowed)
{
    static const struct {
        const char *name, *value;
        i8x_status status;
        const char *word;
    } cases[] = {
        {"clipp", "mse", I8X_EARG, "nearest is 'clip'"},
        {"", "1", I8X_EARG, "unknown recipe field"},
        {"clip", "MSE", I8X_EARG, "percentile"},
        {"clip", "", I8X_EARG, "auto"},
        {"shard_samples", "0", I8X_ERANGE, "1 to 4096 samples"},
        {"shard_samples", "4097", I8X_ERANGE, "4097"},
        {"shard_samples", "99999999999999999999", I8X_ERANGE, "1 to 4096"},
        {"shard_samples", "8x", I8X_EARG, "whole number"},
        {"shard_samples", "", I8X_EARG, "whole number"},
        {"percentile", "nan", I8X_ERANGE, "50 to 100"},
        {"percentile", "inf", I8X_ERANGE, "50 to 100"},
        {"percentile", "49.9", I8X_ERANGE, "50 to 100"},
        {"percentile", "99%", I8X_EARG, "number"},
    };
    i8x_recipe recipe, before;
    i8x_recipe_default(&recipe);
    before = recipe;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_status(i8x_recipe_set(&recipe, cases[i].name, cases[i].value), cases[i].status);
        assert_told(cases[i].word);
    }
    char longer[4200];
    memset(longer, 'a', sizeof longer);
    longer[4199] = '\0';
    ck_assert_status(i8x_recipe_set(&recipe, "exclude", longer), I8X_ERANGE);
    ck_assert_mem_eq(&recipe, &before, sizeof recipe);
    char small[4];
    ck_assert_status(i8x_recipe_get(&recipe, "target", small, sizeof small), I8X_EARG);
    ck_assert_status(i8x_recipe_get(&recipe, "targett", small, sizeof small), I8X_EARG);
}
END_TEST

START_TEST(check_refuses_what_spans_fields)
{
    i8x_recipe recipe;
    i8x_recipe_default(&recipe);
    ck_assert_ok(i8x_recipe_set(&recipe, "exclude", "a"));
    ck_assert_ok(i8x_recipe_set(&recipe, "only", "b"));
    ck_assert_status(i8x_recipe_check(&recipe), I8X_EARG);
    static const char *const wrong[] = {"x",
                                        "x=",
                                        "=1,2",
                                        "x=1,,2",
                                        "x=1,-2",
                                        "x=1,2,",
                                        "x=0",
                                        "x=a",
                                        "x=1;y",
                                        "x=1 ,2",
                                        "x=1,2,3,4,5,6,7,8,9",
                                        "x=99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        i8x_recipe_default(&recipe);
        ck_assert_ok(i8x_recipe_set(&recipe, "shapes", wrong[i]));
        ck_assert_status(i8x_recipe_check(&recipe), I8X_EARG);
    }
}
END_TEST

START_TEST(shapes_and_lists_are_taken_apart)
{
    i8x_recipe recipe;
    i8x_arena *arena;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_recipe_default(&recipe);
    ck_assert_ok(i8x_recipe_set(&recipe, "shapes", "a=b=1,3,224;in:0=7"));
    i8x_shape_binding *bindings;
    int count;
    ck_assert_ok(i8x_recipe_shapes(&recipe, arena, &bindings, &count));
    ck_assert_int_eq(count, 2);
    ck_assert_str_eq(bindings[0].input, "a=b");
    ck_assert_int_eq(bindings[0].shape.rank, 3);
    ck_assert_int_eq((int)bindings[0].shape.dims[2], 224);
    ck_assert_str_eq(bindings[1].input, "in:0");
    ck_assert_int_eq(bindings[1].shape.rank, 1);
    const char *const *entries;
    ck_assert_ok(i8x_recipe_split(" a* ,, b ,", arena, &entries, &count));
    ck_assert_int_eq(count, 2);
    ck_assert_str_eq(entries[0], "a*");
    ck_assert_str_eq(entries[1], "b");
    i8x_arena_free(arena);
}
END_TEST

START_TEST(canonical_form_comes_back_and_holds_just_the_named_fields)
{
    static const char *const names[] = {"clip", "percentile", "exclude"};
    i8x_recipe recipe, back;
    i8x_arena *arena;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_recipe_default(&recipe);
    recipe.clip = I8X_CLIP_KL;
    recipe.percentile = 98.5;
    recipe.batch = 7;
    strcpy(recipe.exclude, "x");
    i8x_canon_writer writer;
    i8x_canon_writer_init(&writer, NULL, 0);
    i8x_recipe_put(&writer, &recipe, names, 3);
    ck_assert_ok(i8x_canon_writer_status(&writer));
    i8x_canon_reader reader;
    i8x_canon_reader_init(&reader, writer.out.bytes, writer.out.size, "recipe");
    ck_assert_ok(i8x_recipe_take(&reader, &back, names, 3, arena));
    ck_assert_ok(i8x_canon_reader_end(&reader));
    ck_assert_int_eq(back.clip, I8X_CLIP_KL);
    ck_assert_double_eq(back.percentile, 98.5);
    ck_assert_str_eq(back.exclude, "x");
    ck_assert_int_ne((int)back.batch, 7);
    i8x_canon_writer_clear(&writer);
    i8x_recipe_put_reach(&writer, &recipe, I8X_REACH_SPEED);
    i8x_canon_reader_init(&reader, writer.out.bytes, writer.out.size, "recipe");
    ck_assert_ok(i8x_recipe_take_reach(&reader, &back, I8X_REACH_SPEED, arena));
    ck_assert_mem_eq(&recipe, &back, sizeof recipe);
    i8x_canon_writer_deinit(&writer);
    i8x_arena_free(arena);
}
END_TEST

START_TEST(speed_fields_do_not_reach_the_artifact)
{
    i8x_recipe a, b;
    i8x_arena *arena;
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_recipe_default(&a);
    b = a;
    b.batch = 1;
    b.layer_samples = 0;
    ck_assert_str_eq(i8x_recipe_text(&a, arena), i8x_recipe_text(&b, arena));
    b.clip = I8X_CLIP_KL;
    ck_assert_str_ne(i8x_recipe_text(&a, arena), i8x_recipe_text(&b, arena));
    ck_assert_ptr_nonnull(strstr(i8x_recipe_text(&b, arena), "clip=kl"));
    i8x_arena_free(arena);
}
END_TEST

START_TEST(nearest_name_is_by_edit_distance)
{
    static const char *const names[] = {"exclude", "equalize", "only"};
    ck_assert_str_eq(i8x_nearest("equalise", names, 3), "equalize");
    ck_assert_str_eq(i8x_nearest("ony", names, 3), "only");
    ck_assert_ptr_null(i8x_nearest("x", names, 0));
    ck_assert_ptr_nonnull(i8x_nearest(
        "a name that is longer than anything a table of options would hold in it", names, 3));
}
END_TEST

Suite *check_recipe_suite(void)
{
    const TTest *tests[] = {default_recipe_is_the_table,
                            set_and_get_are_inverse,
                            refusals_name_field_value_and_what_is_allowed,
                            check_refuses_what_spans_fields,
                            shapes_and_lists_are_taken_apart,
                            canonical_form_comes_back_and_holds_just_the_named_fields,
                            speed_fields_do_not_reach_the_artifact,
                            nearest_name_is_by_edit_distance};
    return i8x_suite("recipe", tests, sizeof tests / sizeof tests[0]);
}
