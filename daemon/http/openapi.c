/* SPDX-License-Identifier: Apache-2.0
 *
 * The document is text put together from the rows and from the embedded schemas.json, whose marks
 * are replaced on the way.
 */
#include "daemon/http/openapi.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/events.h"
#include "daemon/http/api.h"
#include "int8x/alloc.h"
#include "int8x/recipe.h"
#include "proto/json.h"

extern const unsigned char i8x_embedded_schemas[];

#define WORD_MAX 64
#define CODE_PROBLEM 400

/* ---- lists that schemas.json asks for ---- */

static void print_names(i8x_buffer *text, const char *const *names, int count)
{
    i8x_buffer_text(text, "[");
    for (int i = 0; i < count; i++)
        i8x_buffer_format(text, "%s\"%s\"", i > 0 ? "," : "", names[i]);
    i8x_buffer_text(text, "]");
}

static void print_job_states(i8x_buffer *text)
{
    static const char *const names[] = {
#define X(name, text) text,
        I8X_JOB_STATE_LIST(X)
#undef X
    };
    print_names(text, names, I8X_JOB_STATE_COUNT);
}

static void print_task_states(i8x_buffer *text)
{
    static const char *const names[] = {
#define X(name, text) text,
        I8X_API_TASK_STATE_LIST(X)
#undef X
    };
    print_names(text, names, (int)(sizeof names / sizeof *names));
}

static void print_task_kinds(i8x_buffer *text)
{
    static const char *const names[] = {
#define X(name, text, revision) text,
        I8X_TASK_LIST(X)
#undef X
    };
    print_names(text, names, I8X_TASK_KIND_COUNT);
}

static void print_event_types(i8x_buffer *text)
{
    static const char *const names[] = {
#define X(name, text, sentence) text,
        I8X_EVENT_LIST(X)
#undef X
    };
    print_names(text, names, I8X_EVENT_COUNT);
}

static void print_reasons(i8x_buffer *text)
{
    static const char *const names[] = {
#define X(name, text) text,
        I8X_SCHED_WHY_LIST(X)
#undef X
    };
    print_names(text, names, I8X_SCHED_WHY_COUNT);
}

static void print_standings(i8x_buffer *text)
{
    static const char *const names[] = {
#define X(name, text) text,
        I8X_STANDING_LIST(X)
#undef X
    };
    print_names(text, names + 1, I8X_STANDING_COUNT - 1); /* one without is not shown */
}

static void print_worker_states(i8x_buffer *text)
{
    static const char *const names[] = {
#define X(name, text) text,
        I8X_WIRE_ACTIVITY_LIST(X)
#undef X
    };
    print_names(text, names, I8X_WIRE_ACTIVITY_COUNT);
}

static void print_problem_types(i8x_buffer *text)
{
    static const char *const names[] = {
#define X(name, sentence, http, exit_code) "urn:int8x:status:" #name,
        I8X_STATUS_LIST(X)
#undef X
    };
    print_names(text, names + 1, I8X_STATUS_COUNT - 1); /* OK is none */
}

static void print_field(i8x_buffer *text, const i8x_field *field)
{
    i8x_buffer_json(text, field->name);
    i8x_buffer_text(text, ":{\"description\":");
    i8x_buffer_json(text, field->sentence);
    if (field->type == I8X_FIELD_ENUM) {
        i8x_buffer_text(text, ",\"type\":\"string\",\"enum\":[");
        for (int i = 0; i < field->choice_count; i++)
            i8x_buffer_format(text, "%s\"%s\"", i > 0 ? "," : "", field->choices[i].text);
        i8x_buffer_text(text, "]");
    } else if (field->type == I8X_FIELD_TEXT) {
        i8x_buffer_format(text, ",\"type\":\"string\",\"maxLength\":%.0f", field->max);
    } else {
        i8x_buffer_format(text, ",\"type\":\"%s\",\"minimum\":%.17g,\"maximum\":%.17g",
                          field->type == I8X_FIELD_INT ? "integer" : "number", field->min,
                          field->max);
    }
    i8x_buffer_text(text, ",\"default\":");
    if (field->type == I8X_FIELD_INT || field->type == I8X_FIELD_FLOAT)
        i8x_buffer_text(text, field->def);
    else
        i8x_buffer_json(text, field->def);
    i8x_buffer_text(text, "}");
}

/* Members of the schema, without the braces around. */
static void print_recipe_members(i8x_buffer *text)
{
    int count;
    const i8x_field *fields = i8x_fields(&count);
    i8x_buffer_text(text, "\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
    for (int i = 0; i < count; i++) {
        i8x_buffer_text(text, i > 0 ? "," : "");
        print_field(text, &fields[i]);
    }
    i8x_buffer_text(text, "}");
}

static void print_recipe(i8x_buffer *text)
{
    i8x_buffer_text(text, "{");
    print_recipe_members(text);
    i8x_buffer_text(text, "}");
}

static const struct {
    const char *mark;
    void (*print)(i8x_buffer *text);
} marks[] = {
    {"job_states", print_job_states},
    {"task_states", print_task_states},
    {"task_kinds", print_task_kinds},
    {"event_types", print_event_types},
    {"worker_states", print_worker_states},
    {"problem_types", print_problem_types},
    {"recipe", print_recipe},
    {"reasons", print_reasons},
    {"standings", print_standings},
};

static i8x_status print_mark(i8x_buffer *text, const char *mark, size_t size)
{
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strlen(marks[i].mark) == size && memcmp(marks[i].mark, mark, size) == 0) {
            marks[i].print(text);
            return I8X_OK;
        }
    I8X_FAIL(I8X_EINTERNAL, "schemas.json asks for '%.*s'", (int)size, mark);
}

/* schemas.json with its marks replaced. */
static i8x_status print_schemas(i8x_buffer *text)
{
    const char *at = (const char *)i8x_embedded_schemas, *mark;
    while ((mark = strstr(at, "\"@")) != NULL) {
        const char *end = strstr(mark, "@\"");
        I8X_ENSURE(end != NULL, I8X_EINTERNAL, "schemas.json has a mark without an end");
        i8x_buffer_put(text, at, (size_t)(mark - at));
        I8X_TRY(print_mark(text, mark + 2, (size_t)(end - mark) - 2));
        at = end + 2;
    }
    i8x_buffer_text(text, at);
    return i8x_buffer_status(text);
}

/* ---- operations ---- */

static const struct {
    int code;
    const char *sentence;
} codes[] = {
    {200, "as asked"},
    {201, "stored"},
    {202, "taken; it is in the ledger"},
    {204, "nothing is left to say"},
    {206, "the range"},
    {304, "not modified"},
    {400, "the request is wrong"},
    {401, "no token, or none that is known"},
    {403, "the token's role does not allow this"},
    {404, "there is no such thing"},
    {409, "not in this state"},
    {410, "not kept any more"},
    {413, "too large"},
    {416, "the range begins beyond the end"},
    {422, "it was read, and cannot be done"},
    {429, "too many requests"},
    {431, "the headers are too large"},
    {500, "a fault inside int8x"},
    {502, "a peer cannot be reached"},
    {503, "busy or stopping: try again later"},
    {504, "it took too long"},
    {507, "no memory or disk"},
};

static const char *sentence_of(int code)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].code == code)
            return codes[i].sentence;
    return NULL;
}

/* The next word of a list with single separators; false at the end. */
static bool next_word(const char **at, const char *separators, char word[WORD_MAX])
{
    *at += strspn(*at, separators);
    size_t size = strcspn(*at, separators);
    I8X_ASSERT(size < WORD_MAX);
    memcpy(word, *at, size);
    word[size] = 0;
    *at += size;
    return size > 0;
}

static void print_content(i8x_buffer *text, const char *schema)
{
    if (strcmp(schema, "bytes") == 0)
        i8x_buffer_text(text, ",\"content\":{\"application/octet-stream\":{}}");
    else if (strcmp(schema, "text") == 0)
        i8x_buffer_text(text, ",\"content\":{\"text/plain\":{\"schema\":{\"type\":\"string\"}}}");
    else if (strcmp(schema, "events") == 0)
        i8x_buffer_text(text, ",\"content\":{\"text/event-stream\":{\"schema\":{\"type\":"
                              "\"string\"}},\"application/json\":{\"schema\":{\"$ref\":"
                              "\"#/components/schemas/EventPage\"}}}");
    else
        i8x_buffer_format(text,
                          ",\"content\":{\"application/%s\":{\"schema\":{\"$ref\":"
                          "\"#/components/schemas/%s\"}}}",
                          strcmp(schema, "Problem") == 0 ? "problem+json" : "json", schema);
}

/* "200:Job+ETag" */
static i8x_status print_answer(i8x_buffer *text, const char *answer, bool first)
{
    char word[WORD_MAX];
    int code = atoi(answer);
    const char *sentence = sentence_of(code), *at = answer + 3;
    I8X_ENSURE(sentence != NULL, I8X_EINTERNAL, "answer '%s' has an unknown code", answer);
    i8x_buffer_format(text, "%s\"%d\":{\"description\":", first ? "" : ",", code);
    i8x_buffer_json(text, sentence);
    const char *plus = strchr(answer, '+');
    if (plus != NULL) {
        const char *list = plus;
        i8x_buffer_text(text, ",\"headers\":{");
        for (bool more = false; next_word(&list, "+", word); more = true)
            i8x_buffer_format(text, "%s\"%s\":{\"$ref\":\"#/components/headers/%s\"}",
                              more ? "," : "", word, word);
        i8x_buffer_text(text, "}");
    }
    if (*at == ':' && next_word(&at, ":+", word))
        print_content(text, word);
    else if (code >= CODE_PROBLEM && code != 431) /* that one is the library's own, without JSON */
        print_content(text, "Problem");
    i8x_buffer_text(text, "}");
    return I8X_OK;
}

static bool has_code(const char *list, const char *code)
{
    char word[WORD_MAX];
    while (next_word(&list, " ", word))
        if (strncmp(word, code, 3) == 0)
            return true;
    return false;
}

static i8x_status print_answers(i8x_buffer *text, const i8x_http_route *route)
{
    static const char always[] = "400 413 431 500 503+Retry-After 507",
                      closed[] = "401 403 429+Retry-After";
    const char *lists[] = {route->gives, always, route->roles != 0 ? closed : ""};
    char word[WORD_MAX];
    bool first = true;
    i8x_buffer_text(text, ",\"responses\":{");
    for (int i = 0; i < 3; i++)
        for (const char *at = lists[i]; next_word(&at, " ", word); first = false)
            if (i == 0 || !has_code(route->gives, word))
                I8X_TRY(print_answer(text, word, first));
    i8x_buffer_text(text, "}");
    return I8X_OK;
}

static void print_security(i8x_buffer *text, const i8x_http_route *route)
{
    i8x_buffer_text(text, ",\"security\":[");
    if (route->roles != 0) {
        i8x_buffer_text(text, "{\"token\":[");
        for (int role = 0, count = 0; role < I8X_ROLE_COUNT; role++)
            if ((route->roles & I8X_ROLE_BIT(role)) != 0)
                i8x_buffer_format(text, "%s\"%s\"", count++ > 0 ? "," : "",
                                  i8x_role_name((i8x_role)role));
        i8x_buffer_text(text, "]}");
    }
    i8x_buffer_text(text, "]");
}

static void print_request(i8x_buffer *text, const i8x_http_route *route)
{
    char word[WORD_MAX];
    const char *at = route->takes != NULL ? route->takes : "";
    i8x_buffer_text(text, ",\"parameters\":[");
    for (bool more = false; next_word(&at, " ", word); more = true)
        i8x_buffer_format(text, "%s{\"$ref\":\"#/components/parameters/%s\"}", more ? "," : "",
                          word);
    i8x_buffer_text(text, "]");
    if (route->sends == NULL)
        return;
    bool optional = route->sends[0] == '?';
    const char *schema = route->sends + optional;
    i8x_buffer_format(text, ",\"requestBody\":{\"required\":%s,\"content\":{",
                      optional ? "false" : "true");
    if (strcmp(schema, "bytes") == 0)
        i8x_buffer_text(text, "\"application/octet-stream\":{}}}");
    else
        i8x_buffer_format(text,
                          "\"application/json\":{\"schema\":"
                          "{\"$ref\":\"#/components/schemas/%s\"}}}}",
                          schema);
}

static i8x_status print_operation(i8x_buffer *text, const i8x_http_route *route, const char *method,
                                  const char *prefix)
{
    I8X_ENSURE(route->id != NULL && route->gives != NULL, I8X_EINTERNAL,
               "the row of %s %s says not what it gives", route->method, route->path);
    i8x_buffer_format(text, "\"%s\":{\"operationId\":\"%s%s\",\"summary\":", method, prefix,
                      route->id);
    i8x_buffer_json(text, route->sentence);
    print_request(text, route);
    print_security(text, route);
    I8X_TRY(print_answers(text, route));
    i8x_buffer_text(text, "}");
    return I8X_OK;
}

static const char *lower(const char *method)
{
    static const char *const names[] = {"get", "put", "post", "delete"};
    static const char *const upper[] = {"GET", "PUT", "POST", "DELETE"};
    for (int i = 0; i < 4; i++)
        if (strcmp(upper[i], method) == 0)
            return names[i];
    return "?";
}

/* All operations of the path of row `first`, unless an earlier row has that path. */
static i8x_status print_path(i8x_buffer *text, const i8x_http_route *routes, int count, int first)
{
    for (int i = 0; i < first; i++)
        if (strcmp(routes[i].path, routes[first].path) == 0)
            return I8X_OK;
    i8x_buffer_format(text, "%s\n\"%s\":{", first > 0 ? "," : "", routes[first].path);
    bool more = false;
    for (int i = first; i < count; i++) {
        if (strcmp(routes[i].path, routes[first].path) != 0)
            continue;
        i8x_buffer_text(text, more ? "," : "");
        I8X_TRY(print_operation(text, &routes[i], lower(routes[i].method), ""));
        more = true;
        if (routes[i].has_head) {
            i8x_buffer_text(text, ",");
            I8X_TRY(print_operation(text, &routes[i], "head", "head_"));
        }
    }
    i8x_buffer_text(text, "}");
    return I8X_OK;
}

i8x_status i8x_openapi_print(const i8x_http_route *routes, int count, const char *version,
                             i8x_buffer *text)
{
    i8x_buffer_format(text,
                      "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"int8x\",\"version\":\"%s\","
                      "\"description\":\"Distributed quantization service for edge fleets: "
                      "docs/http-api.md\",\"license\":{\"name\":\"Apache-2.0\",\"identifier\":"
                      "\"Apache-2.0\"}},\n\"paths\":{",
                      version);
    for (int i = 0; i < count; i++)
        I8X_TRY(print_path(text, routes, count, i));
    i8x_buffer_text(text, "},\n\"components\":{\"securitySchemes\":{\"token\":{\"type\":\"http\","
                          "\"scheme\":\"bearer\",\"description\":\"the names behind it are the "
                          "roles that may call the operation; a daemon that listens on loopback "
                          "only may be set up to ask for none\"}},");
    i8x_buffer schemas;
    i8x_buffer_init(&schemas, 0);
    i8x_status status = print_schemas(&schemas);
    if (status == I8X_OK) /* without its opening brace; its closing one closes components */
        i8x_buffer_text(text, i8x_buffer_cstr(&schemas) + 1);
    i8x_buffer_deinit(&schemas);
    I8X_TRY(status);
    i8x_buffer_text(text, "}\n");
    return i8x_buffer_status(text);
}

/* ---- schemas of their own ---- */

#define SCHEMA_HEAD                                                                                \
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$id\":\"urn:int8x:schema:%s"  \
    "\",\"title\":\"%s\","

i8x_status i8x_openapi_print_recipe(i8x_buffer *text)
{
    i8x_buffer_format(text, SCHEMA_HEAD, "recipe", "recipe of a quantization job");
    print_recipe_members(text);
    i8x_buffer_text(text, "}\n");
    return i8x_buffer_status(text);
}

/* One schema of schemas.json, with references that point into $defs. */
static i8x_status print_definition(const i8x_json *schemas, const char *name, i8x_buffer *text)
{
    static const char old[] = "#/components/schemas/";
    char *json = NULL;
    size_t size = 0;
    I8X_TRY(i8x_json_print(i8x_json_member(schemas, name), false, &json, &size));
    const char *at = json, *found;
    while ((found = strstr(at, old)) != NULL) {
        i8x_buffer_put(text, at, (size_t)(found - at));
        i8x_buffer_text(text, "#/$defs/");
        at = found + sizeof old - 1;
    }
    i8x_buffer_text(text, at);
    i8x_alloc_free(i8x_alloc_heap(), json, size + 1);
    return I8X_OK;
}

static i8x_status print_definitions(const i8x_json *schemas, i8x_buffer *text)
{
    static const char *const names[] = {"JobRequest", "BlobRef", "Digest", "Recipe"};
    i8x_buffer_format(text, SCHEMA_HEAD "\"$ref\":\"#/$defs/JobRequest\",\"$defs\":{", "job",
                      "body of POST /v1/jobs");
    for (int i = 0; i < 4; i++) {
        i8x_buffer_format(text, "%s\"%s\":", i > 0 ? "," : "", names[i]);
        I8X_TRY(print_definition(schemas, names[i], text));
    }
    i8x_buffer_text(text, "}}\n");
    return i8x_buffer_status(text);
}

i8x_status i8x_openapi_print_job(i8x_buffer *text)
{
    i8x_buffer all;
    i8x_json *json = NULL;
    i8x_buffer_init(&all, 0);
    i8x_status status = print_schemas(&all);
    if (status == I8X_OK)
        status = i8x_json_parse(i8x_buffer_cstr(&all), all.size, &json);
    i8x_buffer_deinit(&all);
    I8X_TRY(status);
    status = print_definitions(i8x_json_member(json, "schemas"), text);
    i8x_json_free(json);
    return status;
}
