/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as JSON, and what parses as a recipe, as a job and as a sweep. What is taken is printed
 * and read again: a document prints to the same text, a recipe and a job come back as the same
 * values, and a text is never cut at a zero byte. What is refused says why.
 */
#include <stdlib.h>
#include <string.h>

#include "int8x/alloc.h"
#include "proto/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* A refusal without a sentence helps nobody. */
static bool taken(i8x_status status)
{
    if (status != I8X_OK && i8x_last_error()->detail[0] == '\0')
        abort();
    return status == I8X_OK;
}

static char *print(const i8x_json *json, size_t *size)
{
    char *text;
    if (i8x_json_print(json, false, &text, size) != I8X_OK)
        abort();
    return text;
}

/* What the text of json reads as; frees neither. */
static i8x_json *read_again(const i8x_json *json)
{
    size_t size;
    char *text = print(json, &size);
    i8x_json *again;
    if (i8x_json_parse(text, size, &again) != I8X_OK)
        abort();
    i8x_alloc_free(i8x_alloc_heap(), text, size + 1);
    return again;
}

static i8x_json *object(void)
{
    i8x_json *json;
    if (i8x_json_object(&json) != I8X_OK)
        abort();
    return json;
}

static void check_document(const i8x_json *json)
{
    size_t size, size_again;
    i8x_json *again = read_again(json);
    char *text = print(json, &size), *text_again = print(again, &size_again);
    if (size != size_again || memcmp(text, text_again, size) != 0 ||
        i8x_json_count(json) != i8x_json_count(again))
        abort();
    i8x_alloc_free(i8x_alloc_heap(), text, size + 1);
    i8x_alloc_free(i8x_alloc_heap(), text_again, size_again + 1);
    i8x_json_free(again);
}

static void check_recipe(const i8x_json *json)
{
    i8x_recipe recipe, back;
    i8x_recipe_default(&recipe);
    i8x_recipe_default(&back);
    if (!taken(i8x_json_to_recipe(json, &recipe)))
        return;
    i8x_json *out = object();
    i8x_json_put_recipe(out, "recipe", &recipe);
    i8x_json *again = read_again(out);
    if (i8x_json_to_recipe(i8x_json_member(again, "recipe"), &back) != I8X_OK ||
        memcmp(&recipe, &back, sizeof recipe) != 0)
        abort();
    i8x_json_free(again);
    i8x_json_free(out);
}

static bool same_ref(const i8x_blob_ref *a, const i8x_blob_ref *b)
{
    return i8x_digest_equal(&a->digest, &b->digest) && a->size_bytes == b->size_bytes &&
           a->whole == b->whole;
}

static void check_job(const i8x_json *json)
{
    i8x_job job, back;
    if (!taken(i8x_json_to_job(json, &job)))
        return;
    i8x_json *out = object();
    i8x_json_put_job(out, "job", &job);
    i8x_json *again = read_again(out);
    if (i8x_json_to_job(i8x_json_member(again, "job"), &back) != I8X_OK ||
        strcmp(job.name, back.name) != 0 || !same_ref(&job.model, &back.model) ||
        !same_ref(&job.calib, &back.calib) || !same_ref(&job.eval, &back.eval) ||
        !same_ref(&job.labels, &back.labels) ||
        memcmp(&job.recipe, &back.recipe, sizeof job.recipe) != 0)
        abort();
    i8x_json_free(again);
    i8x_json_free(out);
}

/* What is taken as a sweep has trials, each a good recipe, and prints. */
static void check_sweep(const i8x_json *json)
{
    i8x_arena *arena;
    i8x_sweep sweep;
    int count;
    if (i8x_arena_new(NULL, 0, &arena) != I8X_OK)
        abort();
    if (taken(i8x_json_to_sweep(json, arena, &sweep, &count))) {
        i8x_sweep_row *rows = i8x_arena_array(arena, (size_t)count, sizeof *rows);
        if (count < 1 || count > I8X_SWEEP_TRIALS_MAX || rows == NULL)
            abort();
        for (int i = 0; i < count; i++)
            rows[i].state = i % 2 == 0 ? "done" : "waiting";
        i8x_json *out = object();
        if (i8x_json_put_sweep(out, &sweep, rows, count, I8X_SWEEP_METRIC_SQNR) != I8X_OK)
            abort();
        i8x_json_free(read_again(out));
        i8x_json_free(out);
    }
    i8x_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    i8x_json *json;
    if (!taken(i8x_json_parse((const char *)bytes, size, &json)))
        return 0;
    check_document(json);
    check_recipe(json);
    check_job(json);
    check_sweep(json);
    i8x_json_free(json);
    return 0;
}
