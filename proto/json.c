/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON over cJSON, which nobody else sees: an i8x_json is a cJSON item. cJSON itself bounds neither
 * size nor the number of values and stops at a depth of 1,000, so a scan of the text comes first;
 * it also finds the depth before any memory is taken. What cJSON lets pass (text behind the value,
 * doubled members, bytes that are no UTF-8, texts with a zero byte, which it would cut there) is
 * refused here. Numbers are written here too: cJSON takes 15 digits for enough if they read back
 * within one part in 2^52, which is not the same number.
 *
 * Failures while writing are kept in a member of the root that printing looks for; cJSON reports no
 * memory by NULL alone.
 */
#include "proto/json.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "int8x/alloc.h"
#include "proto/utf8.h"

struct i8x_json {
    cJSON item; /* never made here: only cast from and to cJSON */
};

static cJSON *item_of(i8x_json *json)
{
    return (cJSON *)(void *)json;
}

static const cJSON *item_of_const(const i8x_json *json)
{
    return (const cJSON *)(const void *)json;
}

static i8x_json *json_of(cJSON *item)
{
    return (i8x_json *)(void *)item;
}

/* ---- reading ---- */

/* The string whose opening quote stands at *at: moves *at to its closing one, or to the end. */
static i8x_status scan_string(const char *text, size_t size, size_t *at)
{
    size_t i = *at + 1;
    while (i < size && text[i] != '"') {
        bool escaped = text[i] == '\\';
        I8X_ENSURE(text[i] != '\0' &&
                       !(escaped && size - i >= 6 && !memcmp(text + i, "\\u0000", 6)),
                   I8X_EFORMAT, "JSON has a zero byte in a text at byte %zu", i);
        size_t length = i8x_utf8_length((const uint8_t *)text + i, size - i);
        I8X_ENSURE(length > 0, I8X_EFORMAT, "JSON is not valid UTF-8 at byte %zu", i);
        i += length;
        if (escaped && i < size && (text[i] == '"' || text[i] == '\\'))
            i++;
    }
    *at = i;
    return I8X_OK;
}

/* Depth and number of values of a text, and its strings. A text that is no JSON is left to the
 * parser. */
static i8x_status scan(const char *text, size_t size)
{
    int depth = 0;
    size_t values = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '"') {
            I8X_TRY(scan_string(text, size, &i));
            continue;
        }
        values += c == ',' || c == '[' || c == '{';
        depth += (c == '[' || c == '{') - (c == ']' || c == '}');
        I8X_ENSURE(depth <= I8X_JSON_DEPTH_MAX, I8X_ELIMIT,
                   "JSON is nested deeper than %d at byte %zu", I8X_JSON_DEPTH_MAX, i);
        I8X_ENSURE(values <= I8X_JSON_VALUES_MAX, I8X_ELIMIT, "JSON has more than %d values",
                   I8X_JSON_VALUES_MAX);
        I8X_ENSURE(c != '\0', I8X_EFORMAT, "JSON has a zero byte at byte %zu", i);
    }
    return I8X_OK;
}

i8x_status i8x_json_parse(const char *text, size_t size_bytes, i8x_json **json)
{
    I8X_ENSURE(size_bytes <= I8X_JSON_SIZE_MAX, I8X_ELIMIT, "JSON of %zu bytes; the limit is %zu",
               size_bytes, I8X_JSON_SIZE_MAX);
    I8X_ENSURE(size_bytes > 0, I8X_EFORMAT, "JSON is empty");
    I8X_TRY(scan(text, size_bytes));
    const char *end = NULL;
    cJSON *item = cJSON_ParseWithLengthOpts(text, size_bytes, &end, 0);
    I8X_ENSURE(item != NULL, I8X_EFORMAT, "JSON is malformed at byte %zu",
               end != NULL ? (size_t)(end - text) : 0);
    while (end < text + size_bytes && (*end == ' ' || *end == '\t' || *end == '\n' || *end == '\r'))
        end++;
    if (end != text + size_bytes) {
        cJSON_Delete(item);
        I8X_FAIL(I8X_EFORMAT, "JSON has text behind its value at byte %zu", (size_t)(end - text));
    }
    *json = json_of(item);
    return I8X_OK;
}

void i8x_json_free(i8x_json *json)
{
    cJSON_Delete(item_of(json));
}

const i8x_json *i8x_json_member(const i8x_json *json, const char *name)
{
    return json_of(cJSON_GetObjectItemCaseSensitive(item_of_const(json), name));
}

int i8x_json_count(const i8x_json *json)
{
    const cJSON *item = item_of_const(json);
    return cJSON_IsArray(item) || cJSON_IsObject(item) ? cJSON_GetArraySize(item) : 0;
}

const i8x_json *i8x_json_item(const i8x_json *json, int index)
{
    return json_of(cJSON_GetArrayItem(item_of_const(json), index));
}

const char *i8x_json_text(const i8x_json *json)
{
    return cJSON_GetStringValue(item_of_const(json));
}

const char *i8x_json_name(const i8x_json *json)
{
    return json != NULL ? item_of_const(json)->string : NULL;
}

bool i8x_json_number(const i8x_json *json, double *number)
{
    const cJSON *item = item_of_const(json);
    if (cJSON_IsRaw(item)) /* one that was put here, and not parsed */
        *number = strtod(item->valuestring, NULL);
    else if (cJSON_IsNumber(item))
        *number = item->valuedouble;
    else
        return false;
    return true;
}

bool i8x_json_bool(const i8x_json *json, bool *value)
{
    *value = cJSON_IsTrue(item_of_const(json)) != 0;
    return cJSON_IsBool(item_of_const(json)) != 0;
}

bool i8x_json_is_list(const i8x_json *json)
{
    return cJSON_IsArray(item_of_const(json)) != 0;
}

bool i8x_json_is_object(const i8x_json *json)
{
    return cJSON_IsObject(item_of_const(json)) != 0;
}

const char *i8x_json_member_text(const i8x_json *json, const char *name, const char *otherwise)
{
    const char *text = i8x_json_text(i8x_json_member(json, name));
    return text != NULL ? text : otherwise;
}

double i8x_json_member_number(const i8x_json *json, const char *name, double otherwise)
{
    double number;
    return i8x_json_number(i8x_json_member(json, name), &number) ? number : otherwise;
}

bool i8x_json_member_bool(const i8x_json *json, const char *name, bool otherwise)
{
    const cJSON *item = item_of_const(i8x_json_member(json, name));
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) != 0 : otherwise;
}

/* ---- writing ---- */

i8x_status i8x_json_object(i8x_json **json)
{
    *json = json_of(cJSON_CreateObject());
    I8X_ENSURE(*json != NULL, I8X_ENOMEM, "no memory for JSON");
    return I8X_OK;
}

i8x_status i8x_json_list(i8x_json **json)
{
    *json = json_of(cJSON_CreateArray());
    I8X_ENSURE(*json != NULL, I8X_ENOMEM, "no memory for JSON");
    return I8X_OK;
}

/* Adds item and gives it back. Without memory for the item or its name the parent becomes a null
 * value, which printing the whole refuses: a document is complete or it is none. */
static cJSON *attach(i8x_json *json, const char *name, cJSON *item)
{
    cJSON *parent = item_of(json);
    if (parent == NULL) {
        cJSON_Delete(item);
        return NULL;
    }
    cJSON_bool added = item == NULL   ? 0
                       : name != NULL ? cJSON_AddItemToObject(parent, name, item)
                                      : cJSON_AddItemToArray(parent, item);
    if (added)
        return item;
    cJSON_Delete(item);
    parent->type = cJSON_Invalid;
    return NULL;
}

/* The text with U+FFFD for each byte that is no UTF-8; NULL = no memory. */
static cJSON *string_of(const char *text)
{
    static const char unknown[] = "\xEF\xBF\xBD";
    size_t size = 3 * strlen(text) + 1, used = 0;
    char *clean = i8x_alloc_array(i8x_alloc_heap(), size, 1);
    if (clean == NULL)
        return NULL;
    for (const char *at = text; *at != '\0';) {
        size_t length = i8x_utf8_length((const uint8_t *)at, SIZE_MAX);
        size_t wide = length > 0 ? length : sizeof unknown - 1;
        memcpy(clean + used, length > 0 ? at : unknown, wide);
        used += wide;
        at += length > 0 ? length : 1;
    }
    clean[used] = '\0';
    cJSON *item = cJSON_CreateString(clean);
    i8x_alloc_free(i8x_alloc_heap(), clean, size);
    return item;
}

void i8x_json_put_text(i8x_json *json, const char *name, const char *text)
{
    attach(json, name, text != NULL ? string_of(text) : cJSON_CreateNull());
}

/* By the least of 15 to 17 digits that read back as the same number. */
void i8x_json_put_number(i8x_json *json, const char *name, double number)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    attach(json, name, isfinite(number) ? cJSON_CreateRaw(text) : cJSON_CreateNull());
}

void i8x_json_put_u64(i8x_json *json, const char *name, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    attach(json, name, cJSON_CreateRaw(text));
}

void i8x_json_put_bool(i8x_json *json, const char *name, bool value)
{
    attach(json, name, cJSON_CreateBool(value));
}

void i8x_json_put_null(i8x_json *json, const char *name)
{
    attach(json, name, cJSON_CreateNull());
}

void i8x_json_put_digest(i8x_json *json, const char *name, const i8x_digest *digest)
{
    char hex[I8X_DIGEST_HEX_SIZE];
    i8x_json_put_text(json, name, i8x_digest_to_hex(digest, hex));
}

void i8x_json_put_copy(i8x_json *json, const char *name, const i8x_json *value)
{
    attach(json, name,
           value != NULL ? cJSON_Duplicate(item_of_const(value), 1) : cJSON_CreateNull());
}

i8x_json *i8x_json_put_object(i8x_json *json, const char *name)
{
    return json_of(attach(json, name, cJSON_CreateObject()));
}

i8x_json *i8x_json_put_list(i8x_json *json, const char *name)
{
    return json_of(attach(json, name, cJSON_CreateArray()));
}

i8x_status i8x_json_print(const i8x_json *json, bool pretty, char **text, size_t *size_bytes)
{
    char *printed =
        pretty ? cJSON_Print(item_of_const(json)) : cJSON_PrintUnformatted(item_of_const(json));
    I8X_ENSURE(printed != NULL, I8X_ENOMEM, "no memory for JSON");
    size_t size = strlen(printed);
    *text = i8x_alloc_array(i8x_alloc_heap(), size + 1, 1);
    if (*text != NULL)
        memcpy(*text, printed, size + 1);
    cJSON_free(printed);
    *size_bytes = size;
    return i8x_alloc_check(*text);
}

/* ---- members that may stand in an object ---- */

i8x_status i8x_json_check(const i8x_json *json, const char *what, const char *const *names,
                          int count)
{
    const cJSON *object = item_of_const(json);
    I8X_ENSURE(cJSON_IsObject(object), I8X_EARG, "%s must be a JSON object", what);
    const cJSON *member;
    cJSON_ArrayForEach(member, object)
    {
        int found = 0;
        for (int i = 0; i < count; i++)
            found += strcmp(names[i], member->string) == 0;
        I8X_ENSURE(found > 0, I8X_EARG, "unknown %s field '%.60s'; the nearest is '%s'", what,
                   member->string, i8x_nearest(member->string, names, count));
        I8X_ENSURE(cJSON_GetObjectItemCaseSensitive(object, member->string) == member, I8X_EARG,
                   "%s field '%.60s' is given twice", what, member->string);
    }
    return I8X_OK;
}

/* ---- recipe ---- */

enum { FIELDS_MAX = 256 };

static int field_names(const char *names[FIELDS_MAX])
{
    int count;
    const i8x_field *fields = i8x_fields(&count);
    I8X_ASSERT(count <= FIELDS_MAX);
    for (int i = 0; i < count; i++)
        names[i] = fields[i].name;
    return count;
}

/* The value of a JSON member as the text that i8x_recipe_set takes. */
static i8x_status field_from(const cJSON *member, const i8x_field *field, i8x_recipe *recipe)
{
    char number[40];
    const char *text = cJSON_GetStringValue(member);
    bool numeric = field->type == I8X_FIELD_INT || field->type == I8X_FIELD_FLOAT;
    I8X_ENSURE(numeric ? cJSON_IsNumber(member) : text != NULL, I8X_EARG,
               "recipe field '%s' must be %s", field->name, numeric ? "a number" : "a text");
    if (numeric) {
        bool whole =
            member->valuedouble == floor(member->valuedouble) && fabs(member->valuedouble) < 1e15;
        snprintf(number, sizeof number, whole ? "%.0f" : "%.17g", member->valuedouble);
        text = number;
    }
    return i8x_recipe_set(recipe, field->name, text);
}

i8x_status i8x_json_to_recipe(const i8x_json *json, i8x_recipe *recipe)
{
    const char *names[FIELDS_MAX];
    int count = field_names(names);
    const cJSON *object = item_of_const(json);
    I8X_TRY(i8x_json_check(json, "recipe", names, count));
    const i8x_field *fields = i8x_fields(&count);
    for (int i = 0; i < count; i++) {
        const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, fields[i].name);
        if (member != NULL)
            I8X_TRY(field_from(member, &fields[i], recipe));
    }
    return i8x_recipe_check(recipe);
}

static void put_fields(i8x_json *json, const i8x_recipe *recipe, i8x_reach reach)
{
    char value[sizeof *recipe];
    int count;
    const i8x_field *fields = i8x_fields(&count);
    for (int i = 0; i < count; i++) {
        const void *at = (const char *)recipe + fields[i].offset;
        if (i8x_field_reach(&fields[i]) < reach)
            continue;
        if (fields[i].type == I8X_FIELD_INT)
            i8x_json_put_number(json, fields[i].name, (double)*(const int64_t *)at);
        else if (fields[i].type == I8X_FIELD_FLOAT)
            i8x_json_put_number(json, fields[i].name, *(const double *)at);
        else if (i8x_recipe_get(recipe, fields[i].name, value, sizeof value) == I8X_OK)
            i8x_json_put_text(json, fields[i].name, value);
    }
}

void i8x_json_put_recipe(i8x_json *json, const char *name, const i8x_recipe *recipe)
{
    put_fields(i8x_json_put_object(json, name), recipe, I8X_REACH_SPEED);
}

/* ---- job ---- */

static i8x_status ref_from(const i8x_json *job, const char *name, bool needed, i8x_blob_ref *ref)
{
    static const char *const names[] = {"sha256", "size_bytes"};
    memset(ref, 0, sizeof *ref);
    const i8x_json *json = i8x_json_member(job, name);
    I8X_ENSURE(json != NULL || !needed, I8X_EARG,
               "job field '%s' is missing; give {\"sha256\": ..., \"size_bytes\": ...}", name);
    if (json == NULL || cJSON_IsNull(item_of_const(json)))
        return I8X_OK;
    I8X_TRY(i8x_json_check(json, name, names, 2));
    const char *hex = i8x_json_member_text(json, "sha256", "");
    if (i8x_digest_from_hex(hex, &ref->digest) != I8X_OK)
        return i8x_fail_prefix("job field '%s', sha256: ", name);
    double size = i8x_json_member_number(json, "size_bytes", 0);
    I8X_ENSURE(size >= 1 && size <= 9007199254740992.0 && size == floor(size), I8X_EARG,
               "job field '%s': size_bytes must be a whole number above 0", name);
    ref->size_bytes = (uint64_t)size;
    ref->whole = true;
    return I8X_OK;
}

i8x_status i8x_json_to_job(const i8x_json *json, i8x_job *job)
{
    static const char *const names[] = {
        "name",   "model",  "calib",   "eval",
        "labels", "recipe", "priority"}; /* of the service, not of the job */
    memset(job, 0, sizeof *job);
    i8x_recipe_default(&job->recipe);
    I8X_TRY(i8x_json_check(json, "job", names, (int)(sizeof names / sizeof names[0])));
    const i8x_json *name = i8x_json_member(json, "name");
    if (name != NULL) {
        const char *text = i8x_json_text(name);
        I8X_ENSURE(text != NULL && strlen(text) < sizeof job->name, I8X_EARG,
                   "job field 'name' must be a text of at most %zu bytes", sizeof job->name - 1);
        memcpy(job->name, text, strlen(text) + 1);
    }
    I8X_TRY(ref_from(json, "model", true, &job->model));
    I8X_TRY(ref_from(json, "calib", true, &job->calib));
    I8X_TRY(ref_from(json, "eval", false, &job->eval));
    I8X_TRY(ref_from(json, "labels", false, &job->labels));
    const i8x_json *recipe = i8x_json_member(json, "recipe");
    return recipe != NULL ? i8x_json_to_recipe(recipe, &job->recipe) : I8X_OK;
}

static void put_ref(i8x_json *json, const char *name, const i8x_blob_ref *ref)
{
    if (ref->size_bytes == 0)
        return;
    i8x_json *object = i8x_json_put_object(json, name);
    i8x_json_put_digest(object, "sha256", &ref->digest);
    i8x_json_put_u64(object, "size_bytes", ref->size_bytes);
}

void i8x_json_put_job(i8x_json *json, const char *name, const i8x_job *job)
{
    i8x_json *object = i8x_json_put_object(json, name);
    i8x_json_put_text(object, "name", job->name);
    put_ref(object, "model", &job->model);
    put_ref(object, "calib", &job->calib);
    put_ref(object, "eval", &job->eval);
    put_ref(object, "labels", &job->labels);
    i8x_json_put_recipe(object, "recipe", &job->recipe);
}

/* ---- report ---- */

static const char *clip_name(int clip)
{
    static const char *const names[] = {
#define X(name, text, sentence) text,
        I8X_CLIP_LIST(X)
#undef X
    };
    return clip >= 0 && clip < I8X_CLIP_COUNT ? names[clip] : NULL;
}

/* -1 stands for "was not measured" and becomes null. */
static void put_share(i8x_json *json, const char *name, double share)
{
    if (share < 0)
        i8x_json_put_null(json, name);
    else
        i8x_json_put_number(json, name, share);
}

static void put_layers(i8x_json *result, const i8x_report *report)
{
    i8x_json *list = i8x_json_put_list(result, "layers");
    for (int i = 0; i < report->layer_count; i++) {
        const i8x_report_layer *layer = &report->layers[i];
        i8x_json *row = i8x_json_put_object(list, NULL);
        i8x_json_put_text(row, "node", layer->node);
        i8x_json_put_text(row, "op_type", layer->op_type);
        i8x_json_put_bool(row, "quantized", layer->quantized);
        i8x_json_put_text(row, "reason", layer->reason);
        i8x_json_put_number(row, "bits", layer->bits);
        i8x_json_put_number(row, "channels", (double)layer->channels);
        i8x_json_put_number(row, "weights", (double)layer->weights);
        i8x_json_put_u64(row, "macs", layer->macs);
        if (layer->has_sqnr)
            i8x_json_put_number(row, "sqnr_db", layer->sqnr_db);
    }
}

static void put_tensors(i8x_json *result, const i8x_report *report)
{
    i8x_json *list = i8x_json_put_list(result, "tensors");
    for (int i = 0; i < report->tensor_count; i++) {
        const i8x_report_tensor *tensor = &report->tensors[i];
        i8x_json *row = i8x_json_put_object(list, NULL);
        i8x_json_put_text(row, "name", tensor->name);
        i8x_json_put_text(row, "dtype", i8x_dtype_name(tensor->dtype));
        i8x_json_put_number(row, "scale", (double)tensor->scale);
        i8x_json_put_number(row, "zero_point", tensor->zero_point);
        i8x_json_put_number(row, "lo", (double)tensor->lo);
        i8x_json_put_number(row, "hi", (double)tensor->hi);
        i8x_json_put_number(row, "min", (double)tensor->min);
        i8x_json_put_number(row, "max", (double)tensor->max);
        i8x_json_put_text(row, "clip", clip_name(tensor->clip));
    }
}

static void put_outputs(i8x_json *result, const i8x_report *report)
{
    i8x_json *list = i8x_json_put_list(result, "outputs");
    for (int i = 0; i < report->output_count; i++) {
        const i8x_report_output *output = &report->outputs[i];
        i8x_json *row = i8x_json_put_object(list, NULL);
        i8x_json_put_text(row, "name", output->name);
        i8x_json_put_number(row, "sqnr_db", output->sqnr_db);
        put_share(row, "agreement", output->agreement);
        put_share(row, "top1_float", output->top1_float);
        put_share(row, "top1_quantized", output->top1_quantized);
    }
}

static void put_result(i8x_json *json, const i8x_report *report)
{
    static const i8x_digest absent;
    const struct {
        const char *name;
        const i8x_digest *digest;
    } digests[] = {{"model_sha256", &report->model_sha256},
                   {"calib_sha256", &report->calib_sha256},
                   {"eval_sha256", &report->eval_sha256},
                   {"labels_sha256", &report->labels_sha256}};
    i8x_json *result = i8x_json_put_object(json, "result");
    put_fields(i8x_json_put_object(result, "recipe"), &report->recipe, I8X_REACH_REPORT);
    for (size_t i = 0; i < sizeof digests / sizeof digests[0]; i++) {
        if (i8x_digest_equal(digests[i].digest, &absent))
            i8x_json_put_null(result, digests[i].name);
        else
            i8x_json_put_digest(result, digests[i].name, digests[i].digest);
    }
    i8x_json_put_u64(result, "model_bytes", report->model_bytes);
    i8x_json_put_u64(result, "artifact_bytes", report->artifact_bytes);
    i8x_json_put_u64(result, "weight_bytes_float", report->weight_bytes_float);
    i8x_json_put_u64(result, "weight_bytes_quantized", report->weight_bytes_quantized);
    i8x_json_put_u64(result, "macs", report->macs);
    i8x_json_put_u64(result, "macs_quantized", report->macs_quantized);
    i8x_json_put_number(result, "calib_samples", (double)report->calib_samples);
    i8x_json_put_number(result, "eval_samples", (double)report->eval_samples);
    put_outputs(result, report);
    put_layers(result, report);
    put_tensors(result, report);
    i8x_json *warnings = i8x_json_put_list(result, "warnings");
    for (int i = 0; i < report->warning_count; i++)
        i8x_json_put_text(warnings, NULL, report->warnings[i]);
}

void i8x_json_put_measured(i8x_json *json, const char *name, const i8x_measured *measured)
{
    i8x_json *object = i8x_json_put_object(json, name);
    i8x_json_put_u64(object, "wall_ns", measured->wall_ns);
    i8x_json_put_u64(object, "cpu_ns", measured->cpu_ns);
    i8x_json_put_u64(object, "peak_bytes", measured->peak_bytes);
    i8x_json *stages = i8x_json_put_list(object, "stages");
    for (int i = 0; i < I8X_TASK_KIND_COUNT; i++) {
        const i8x_measured_stage *stage = &measured->stages[i];
        if (stage->tasks == 0)
            continue;
        i8x_json *row = i8x_json_put_object(stages, NULL);
        i8x_json_put_text(row, "stage", i8x_task_kind_name((i8x_task_kind)i));
        i8x_json_put_number(row, "tasks", stage->tasks);
        i8x_json_put_number(row, "cached", stage->cached);
        i8x_json_put_u64(row, "wall_ns", stage->wall_ns);
        i8x_json_put_u64(row, "cpu_ns", stage->cpu_ns);
        i8x_json_put_u64(row, "peak_bytes", stage->peak_bytes);
    }
    i8x_json *workers = i8x_json_put_list(object, "workers");
    for (int i = 0; i < measured->worker_count; i++) {
        i8x_json *row = i8x_json_put_object(workers, NULL);
        i8x_json_put_text(row, "name", measured->workers[i].name);
        i8x_json_put_text(row, "level", measured->workers[i].level);
        i8x_json_put_text(row, "arch", measured->workers[i].arch);
        i8x_json_put_number(row, "tasks", measured->workers[i].tasks);
    }
}

static uint64_t member_u64(const i8x_json *json, const char *name)
{
    double number = i8x_json_member_number(json, name, 0);
    return number > 0 && number < 9007199254740992.0 ? (uint64_t)number : 0;
}

static void to_stage(const i8x_json *row, i8x_measured *measured)
{
    const char *name = i8x_json_member_text(row, "stage", "");
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++) {
        if (strcmp(name, i8x_task_kind_name((i8x_task_kind)kind)) != 0)
            continue;
        i8x_measured_stage *stage = &measured->stages[kind];
        stage->kind = (i8x_task_kind)kind;
        stage->tasks = (int)(member_u64(row, "tasks") & INT_MAX);
        stage->cached = (int)(member_u64(row, "cached") & INT_MAX);
        stage->wall_ns = member_u64(row, "wall_ns");
        stage->cpu_ns = member_u64(row, "cpu_ns");
        stage->peak_bytes = member_u64(row, "peak_bytes");
    }
}

i8x_status i8x_json_to_measured(const i8x_json *json, i8x_arena *arena, i8x_measured *measured)
{
    *measured = (i8x_measured){.wall_ns = member_u64(json, "wall_ns"),
                               .cpu_ns = member_u64(json, "cpu_ns"),
                               .peak_bytes = member_u64(json, "peak_bytes")};
    const i8x_json *stages = i8x_json_member(json, "stages");
    for (int i = 0; i < i8x_json_count(stages); i++)
        to_stage(i8x_json_item(stages, i), measured);
    const i8x_json *workers = i8x_json_member(json, "workers");
    int count = i8x_json_count(workers);
    measured->workers = i8x_arena_array(arena, (size_t)count, sizeof *measured->workers);
    I8X_TRY(i8x_alloc_check(measured->workers));
    for (int i = 0; i < count; i++) {
        const i8x_json *row = i8x_json_item(workers, i);
        i8x_measured_worker *worker = &measured->workers[measured->worker_count++];
        worker->name = i8x_arena_string(arena, i8x_json_member_text(row, "name", ""));
        worker->level = i8x_arena_string(arena, i8x_json_member_text(row, "level", ""));
        worker->arch = i8x_arena_string(arena, i8x_json_member_text(row, "arch", ""));
        worker->tasks = (int)(member_u64(row, "tasks") & INT_MAX);
        I8X_TRY(i8x_alloc_check(worker->name));
        I8X_TRY(i8x_alloc_check(worker->level));
        I8X_TRY(i8x_alloc_check(worker->arch));
    }
    return I8X_OK;
}

void i8x_json_put_report(i8x_json *json, const i8x_report *report, const i8x_digest *result_sha256,
                         const i8x_measured *measured, const char *command)
{
    put_result(json, report);
    i8x_json_put_digest(json, "result_sha256", result_sha256);
    i8x_json_put_digest(json, "artifact_sha256", &report->artifact_sha256);
    if (measured != NULL)
        i8x_json_put_measured(json, "measured", measured);
    if (command != NULL)
        i8x_json_put_text(json, "command", command);
}

/* ---- inspection ---- */

static void put_shape(i8x_json *json, const char *name, const i8x_shape *shape)
{
    i8x_json *list = i8x_json_put_list(json, name);
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dims[i] == I8X_DIM_UNKNOWN)
            i8x_json_put_null(list, NULL);
        else
            i8x_json_put_number(list, NULL, (double)shape->dims[i]);
    }
}

static void put_values(i8x_json *json, const char *name, const i8x_inspect_value *values, int count)
{
    i8x_json *list = i8x_json_put_list(json, name);
    for (int i = 0; i < count; i++) {
        i8x_json *row = i8x_json_put_object(list, NULL);
        i8x_json_put_text(row, "name", values[i].name);
        i8x_json_put_text(row, "dtype", i8x_dtype_name(values[i].dtype));
        put_shape(row, "shape", &values[i].shape);
    }
}

static void put_inspect_layer(i8x_json *row, const i8x_inspect_layer *layer)
{
    i8x_json_put_text(row, "node", layer->node);
    i8x_json_put_text(row, "op_type", layer->op_type);
    put_shape(row, "weight_shape", &layer->weight_shape);
    put_shape(row, "output_shape", &layer->output_shape);
    i8x_json_put_text(row, "weight_dtype", i8x_dtype_name(layer->weight_dtype));
    i8x_json_put_number(row, "weights", (double)layer->weights);
    i8x_json_put_u64(row, "weight_bytes", layer->weight_bytes);
    i8x_json_put_u64(row, "macs", layer->macs);
    i8x_json_put_number(row, "weight_min", (double)layer->weight_min);
    i8x_json_put_number(row, "weight_max", (double)layer->weight_max);
    i8x_json_put_number(row, "channels", (double)layer->channels);
    i8x_json_put_number(row, "dead_channels", (double)layer->dead_channels);
    i8x_json_put_bool(row, "quantized", layer->quantized);
    i8x_json_put_text(row, "reason", layer->reason);
}

void i8x_json_put_inspection(i8x_json *json, const i8x_inspection *inspection)
{
    i8x_json_put_text(json, "producer", inspection->producer);
    i8x_json_put_number(json, "ir_version", (double)inspection->ir_version);
    i8x_json_put_number(json, "opset", (double)inspection->opset);
    i8x_json_put_number(json, "nodes", inspection->node_count);
    i8x_json_put_u64(json, "file_bytes", inspection->file_bytes);
    i8x_json_put_u64(json, "weight_bytes", inspection->weight_bytes);
    i8x_json_put_u64(json, "macs", inspection->macs);
    i8x_json_put_number(json, "quantized_layers", inspection->quantized_count);
    put_values(json, "inputs", inspection->inputs, inspection->input_count);
    put_values(json, "outputs", inspection->outputs, inspection->output_count);
    i8x_json *layers = i8x_json_put_list(json, "layers");
    for (int i = 0; i < inspection->layer_count; i++)
        put_inspect_layer(i8x_json_put_object(layers, NULL), &inspection->layers[i]);
    i8x_json *problems = i8x_json_put_list(json, "problems");
    for (int i = 0; i < inspection->problem_count; i++)
        i8x_json_put_text(problems, NULL, inspection->problems[i]);
}

void i8x_json_put_error(i8x_json *json, i8x_status status, const char *detail)
{
    i8x_json *error = i8x_json_put_object(json, "error");
    i8x_json_put_text(error, "status", i8x_status_name(status));
    i8x_json_put_text(error, "detail", detail);
}
