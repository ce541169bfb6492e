/* SPDX-License-Identifier: Apache-2.0
 *
 * Why: JSON comes from anyone who reaches the door. What is too deep, too large, cut, doubled or
 * unknown must be refused with a name and a place, and what was written must come back.
 */
#include <stdio.h>
#include <string.h>

#include "int8x/alloc.h"
#include "proto/json.h"
#include "tests/support/suite.h"

static i8x_status parse(const char *text, i8x_json **json)
{
    return i8x_json_parse(text, strlen(text), json);
}

static void assert_told(const char *word)
{
    ck_assert_msg(strstr(i8x_last_error()->detail, word) != NULL, "'%s' is not in '%s'", word,
                  i8x_last_error()->detail);
}

START_TEST(malformed_texts_are_refused_with_the_place)
{
    static const char *const wrong[] = {"",    "{",          "{\"a\":}", "[1,",    "{\"a\":1} x",
                                        "nul", "{'a':1}",    "[1 2]",    "\"open", "{\"a\" 1}",
                                        "]",   "[\"\\u12\"]"};
    i8x_json *json;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(parse(wrong[i], &json) == I8X_EFORMAT, "'%s' was taken", wrong[i]);
    ck_assert_status(i8x_json_parse("{}\0", 3, &json), I8X_EFORMAT);
}
END_TEST

START_TEST(texts_are_refused_where_they_would_be_cut_or_are_no_utf8)
{
    static const struct {
        const char *text;
        size_t size;
        const char *word;
    } wrong[] = {
        {"[\"a\0b\"]", 7, "zero byte in a text at byte 3"},
        {"[\"a\\u0000b\"]", 12, "zero byte in a text at byte 3"},
        {"{\"clip\\u0000x\": \"kl\"}", 21, "zero byte in a text at byte 6"},
        {"[\"\xff\"]", 5, "UTF-8 at byte 2"},
        {"[\"\xc0\x80\"]", 6, "UTF-8 at byte 2"},
        {"[\"\xed\xa0\x80\"]", 7, "UTF-8 at byte 2"},
        {"[\"\xe2\x82", 4, "UTF-8 at byte 2"},
    };
    i8x_json *json;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_status(i8x_json_parse(wrong[i].text, wrong[i].size, &json), I8X_EFORMAT);
        assert_told(wrong[i].word);
    }
    ck_assert_ok(parse("[\"\\\\u0000 \xf0\x9f\x98\x80\"]", &json)); /* an escaped backslash */
    ck_assert_str_eq(i8x_json_text(i8x_json_item(json, 0)), "\\u0000 \xf0\x9f\x98\x80");
    i8x_json_free(json);
}
END_TEST

START_TEST(depth_and_size_are_bounded_before_parsing)
{
    static char deep[200001];
    i8x_json *json;
    memset(deep, '[', 200000);
    ck_assert_status(parse(deep, &json), I8X_ELIMIT);
    memset(deep, '[', 32);
    memset(deep + 32, ']', 32);
    deep[64] = '\0';
    ck_assert_ok(parse(deep, &json));
    i8x_json_free(json);
    ck_assert_status(i8x_json_parse("x", I8X_JSON_SIZE_MAX + 1, &json), I8X_ELIMIT);
    /* brackets inside texts do not count */
    ck_assert_ok(parse("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[\"", &json));
    i8x_json_free(json);
}
END_TEST

START_TEST(recipe_fields_are_checked_by_the_table)
{
    static const struct {
        const char *text;
        i8x_status status;
        const char *word;
    } wrong[] = {
        {"{\"equalise\": \"none\"}", I8X_EARG, "nearest is 'equalize'"},
        {"{\"clip\": 3}", I8X_EARG, "must be a text"},
        {"{\"percentile\": \"99\"}", I8X_EARG, "must be a number"},
        {"{\"percentile\": 10}", I8X_ERANGE, "50 to 100"},
        {"{\"shard_samples\": 1.5}", I8X_EARG, "whole number"},
        {"{\"shard_samples\": 1e300}", I8X_EARG, "shard_samples"},
        {"{\"clip\": \"mse\", \"clip\": \"kl\"}", I8X_EARG, "given twice"},
        {"{\"only\": \"a\", \"exclude\": \"b\"}", I8X_EARG, "both"},
        {"[]", I8X_EARG, "object"},
    };
    i8x_recipe recipe;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        i8x_json *json;
        ck_assert_ok(parse(wrong[i].text, &json));
        i8x_recipe_default(&recipe);
        ck_assert_status(i8x_json_to_recipe(json, &recipe), wrong[i].status);
        assert_told(wrong[i].word);
        i8x_json_free(json);
    }
}
END_TEST

static char *print(i8x_json *json)
{
    char *text;
    size_t size;
    ck_assert_ok(i8x_json_print(json, false, &text, &size));
    ck_assert_uint_eq(strlen(text), size);
    i8x_json_free(json);
    return text;
}

START_TEST(recipe_comes_back)
{
    i8x_recipe recipe, back;
    i8x_recipe_default(&recipe);
    recipe.clip = I8X_CLIP_KL;
    recipe.percentile = 99.12345678901234;
    recipe.batch = 3;
    strcpy(recipe.exclude, "\"quoted\\\" \xc3\xa9*");
    i8x_json *json;
    ck_assert_ok(i8x_json_object(&json));
    i8x_json_put_recipe(json, "recipe", &recipe);
    char *text = print(json);
    ck_assert_ok(parse(text, &json));
    i8x_recipe_default(&back);
    ck_assert_ok(i8x_json_to_recipe(i8x_json_member(json, "recipe"), &back));
    ck_assert_mem_eq(&recipe, &back, sizeof recipe);
    i8x_json_free(json);
    i8x_alloc_free(i8x_alloc_heap(), text, strlen(text) + 1);
}
END_TEST

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

START_TEST(job_comes_back)
{
    i8x_json *json;
    i8x_job job, back;
    ck_assert_ok(parse("{\"name\": \"m.onnx\", \"model\": {\"sha256\": \"" HEX
                       "\", \"size_bytes\": 5}, \"calib\": "
                       "{\"sha256\": \"" HEX
                       "\", \"size_bytes\": 9007199254740991}, \"eval\": null, "
                       "\"recipe\": {\"clip\": \"mse\"}}",
                       &json));
    ck_assert_ok(i8x_json_to_job(json, &job));
    i8x_json_free(json);
    ck_assert_str_eq(job.name, "m.onnx");
    ck_assert_uint_eq(job.model.size_bytes, 5);
    ck_assert(job.model.whole);
    ck_assert_uint_eq(job.calib.size_bytes, 9007199254740991u);
    ck_assert_uint_eq(job.eval.size_bytes, 0);
    ck_assert_int_eq(job.recipe.clip, I8X_CLIP_MSE);
    ck_assert_ok(i8x_json_object(&json));
    i8x_json_put_job(json, "job", &job);
    char *text = print(json);
    ck_assert_ok(parse(text, &json));
    ck_assert_ok(i8x_json_to_job(i8x_json_member(json, "job"), &back));
    ck_assert(i8x_digest_equal(&job.calib.digest, &back.calib.digest));
    ck_assert_uint_eq(back.calib.size_bytes, job.calib.size_bytes);
    i8x_json_free(json);
    i8x_alloc_free(i8x_alloc_heap(), text, strlen(text) + 1);
}
END_TEST

START_TEST(broken_jobs_are_refused_by_member)
{
#define REF "{\"sha256\": \"" HEX "\", \"size_bytes\": 5}"
    static const struct {
        const char *text, *word;
    } wrong[] = {
        {"{}", "'model'"},
        {"{\"model\": " REF "}", "'calib'"},
        {"{\"model\": " REF ", \"calib\": " REF ", \"evaluation\": " REF "}", "'evaluation'"},
        {"{\"model\": " REF ", \"calib\": {\"sha256\": \"xyz\", \"size_bytes\": 5}}",
         "'calib', sha256"},
        {"{\"model\": " REF ", \"calib\": {\"sha256\": \"" HEX "\", \"size_bytes\": 0}}",
         "size_bytes"},
        {"{\"model\": " REF ", \"calib\": {\"sha256\": \"" HEX "\", \"size_bytes\": -1}}",
         "size_bytes"},
        {"{\"model\": " REF ", \"calib\": {\"sha256\": \"" HEX "\", \"size_bytes\": 1.5}}",
         "size_bytes"},
        {"{\"model\": " REF ", \"calib\": {\"sha\": 1}}", "nearest is 'sha256'"},
        {"{\"model\": 1, \"calib\": 2}", "object"},
        {"{\"name\": 3, \"model\": " REF ", \"calib\": " REF "}", "'name'"},
        {"{\"model\": " REF ", \"calib\": " REF ", \"recipe\": {\"x\": 1}}",
         "unknown recipe field 'x'"},
    };
    i8x_job job;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        i8x_json *json;
        ck_assert_ok(parse(wrong[i].text, &json));
        ck_assert_status(i8x_json_to_job(json, &job), I8X_EARG);
        assert_told(wrong[i].word);
        i8x_json_free(json);
    }
}
END_TEST

START_TEST(values_are_read_and_written)
{
    i8x_json *json;
    ck_assert_ok(i8x_json_object(&json));
    i8x_json_put_u64(json, "big", UINT64_C(9007199254740993));
    i8x_json_put_number(json, "none", 1.0 / 0.0);
    i8x_json_put_bool(json, "yes", true);
    i8x_json *list = i8x_json_put_list(json, "list");
    i8x_json_put_text(list, NULL, "a\"b\n");
    i8x_json_put_number(i8x_json_put_object(list, NULL), "x", 0.1);
    char *text = print(json);
    ck_assert_str_eq(text, "{\"big\":9007199254740993,\"none\":null,\"yes\":true,\"list\":["
                           "\"a\\\"b\\n\",{\"x\":0.1}]}");
    ck_assert_ok(parse(text, &json));
    i8x_json *copy;
    ck_assert_ok(i8x_json_list(&copy));
    i8x_json_put_copy(copy, NULL, i8x_json_member(json, "list"));
    i8x_json_put_copy(i8x_json_put_object(copy, NULL), "big", i8x_json_member(json, "yes"));
    i8x_json_put_copy(copy, NULL, NULL);
    char *copied = print(copy);
    ck_assert_str_eq(copied, "[[\"a\\\"b\\n\",{\"x\":0.1}],{\"big\":true},null]");
    i8x_alloc_free(i8x_alloc_heap(), copied, strlen(copied) + 1);
    ck_assert(i8x_json_member_bool(json, "yes", false));
    bool truth = false;
    ck_assert(i8x_json_bool(i8x_json_member(json, "yes"), &truth) && truth);
    ck_assert(!i8x_json_bool(i8x_json_member(json, "none"), &truth) && !truth);
    ck_assert(!i8x_json_bool(NULL, &truth));
    ck_assert(i8x_json_member_bool(json, "no", true));
    ck_assert_double_eq(i8x_json_member_number(json, "none", -2), -2);
    const i8x_json *back = i8x_json_member(json, "list");
    ck_assert_int_eq(i8x_json_count(back), 2);
    ck_assert_str_eq(i8x_json_text(i8x_json_item(back, 0)), "a\"b\n");
    ck_assert_ptr_null(i8x_json_item(back, 2));
    ck_assert_ptr_null(i8x_json_member(back, "x"));
    ck_assert_ptr_null(i8x_json_member(NULL, "x"));
    ck_assert_int_eq(i8x_json_count(NULL), 0);
    ck_assert_str_eq(i8x_json_member_text(json, "list", "other"), "other");
    i8x_json_free(json);
    i8x_json_free(NULL);
    i8x_alloc_free(i8x_alloc_heap(), text, strlen(text) + 1);
}
END_TEST

START_TEST(what_is_written_is_utf8_and_the_same_number)
{
    const double number = 98.26872848822481; /* its 15 digits are the neighbour */
    i8x_json *json;
    ck_assert_ok(i8x_json_object(&json));
    i8x_json_put_text(json, "name", "a\xff\xe2\x82");
    i8x_json_put_number(json, "number", number);
    ck_assert(i8x_json_member_number(json, "number", 0) == number);
    char *text = print(json);
    ck_assert_ok(parse(text, &json));
    ck_assert_str_eq(i8x_json_member_text(json, "name", ""),
                     "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    ck_assert(i8x_json_member_number(json, "number", 0) == number);
    i8x_json_free(json);
    i8x_alloc_free(i8x_alloc_heap(), text, strlen(text) + 1);
}
END_TEST

START_TEST(report_has_its_parts)
{
    i8x_report report;
    i8x_measured measured;
    memset(&report, 0, sizeof report);
    memset(&measured, 0, sizeof measured);
    i8x_recipe_default(&report.recipe);
    i8x_report_layer layer = {"n", "Conv", true, "", 8, 4, 36, 100, true, 31.5};
    i8x_report_output output = {"y", 20.5, -1, -1, -1};
    report.layers = &layer;
    report.layer_count = 1;
    report.outputs = &output;
    report.output_count = 1;
    measured.stages[I8X_TASK_MERGE].tasks = 2;
    i8x_json *json;
    ck_assert_ok(i8x_json_object(&json));
    i8x_json_put_report(json, &report, &report.model_sha256, &measured, "int8x quantize");
    const i8x_json *result = i8x_json_member(json, "result");
    ck_assert_ptr_null(i8x_json_member(i8x_json_member(result, "recipe"), "batch"));
    ck_assert_ptr_nonnull(i8x_json_member(i8x_json_member(result, "recipe"), "layer_samples"));
    const i8x_json *row = i8x_json_item(i8x_json_member(result, "layers"), 0);
    ck_assert_double_eq(i8x_json_member_number(row, "sqnr_db", 0), 31.5);
    row = i8x_json_item(i8x_json_member(result, "outputs"), 0);
    ck_assert_double_eq(i8x_json_member_number(row, "agreement", -7), -7);
    ck_assert_int_eq(i8x_json_count(i8x_json_member(i8x_json_member(json, "measured"), "stages")),
                     1);
    ck_assert_str_eq(i8x_json_member_text(json, "command", ""), "int8x quantize");
    i8x_json_free(json);
}
END_TEST

Suite *check_json_suite(void)
{
    const TTest *tests[] = {malformed_texts_are_refused_with_the_place,
                            texts_are_refused_where_they_would_be_cut_or_are_no_utf8,
                            depth_and_size_are_bounded_before_parsing,
                            recipe_fields_are_checked_by_the_table,
                            recipe_comes_back,
                            job_comes_back,
                            broken_jobs_are_refused_by_member,
                            values_are_read_and_written,
                            what_is_written_is_utf8_and_the_same_number,
                            report_has_its_parts};
    return i8x_suite("json", tests, sizeof tests / sizeof tests[0]);
}
