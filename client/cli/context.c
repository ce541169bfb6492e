/* SPDX-License-Identifier: Apache-2.0
 *
 * Context: see context.h.
 */
#include "client/cli/context.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "int8x/alloc.h"
#include "int8x/file.h"
#include "proto/json.h"
#include "proto/trust_file.h"

static const i8x_context_name context_names[I8X_CONTEXT_FIELD_COUNT] = {
    [I8X_CONTEXT_SERVER] = {"server", "server", "INT8X_SERVER", "http://127.0.0.1:8480", false},
    [I8X_CONTEXT_TOKEN_FILE] = {"token_file", "token-file", "INT8X_TOKEN_FILE", NULL, true},
    [I8X_CONTEXT_CA_FILE] = {"ca_file", "ca-file", "INT8X_CA_FILE", NULL, true},
};

const i8x_context_name *i8x_context_names(void)
{
    return context_names;
}

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != 0 ? value : NULL;
}

/* ---- the file ---- */

i8x_status i8x_contexts_path(char *path, size_t size_bytes)
{
    const char *config = variable("XDG_CONFIG_HOME"), *home = variable("HOME");
    I8X_ENSURE(config != NULL || home != NULL, I8X_ENOENT,
               "no place for contexts.json: neither XDG_CONFIG_HOME nor HOME is set");
    int used = config != NULL ? snprintf(path, size_bytes, "%s/int8x/contexts.json", config)
                              : snprintf(path, size_bytes, "%s/.config/int8x/contexts.json", home);
    I8X_ENSURE(used > 0 && (size_t)used < size_bytes, I8X_ELIMIT,
               "the path of contexts.json has %d bytes, more than %zu", used, size_bytes - 1);
    return I8X_OK;
}

static i8x_status copy(const char *what, const char *text, char *to, size_t size_bytes)
{
    I8X_ENSURE(text != NULL && *text != 0, I8X_EARG, "'%s' is no text", what);
    I8X_ENSURE(strlen(text) < size_bytes, I8X_ELIMIT, "'%s' has more than %zu bytes", what,
               size_bytes - 1);
    memcpy(to, text, strlen(text) + 1);
    return I8X_OK;
}

static i8x_status read_context(const i8x_json *json, i8x_context *context)
{
    const char *names[I8X_CONTEXT_FIELD_COUNT];
    memset(context, 0, sizeof *context);
    I8X_TRY(copy("name", i8x_json_name(json), context->name, sizeof context->name));
    for (int field = 0; field < I8X_CONTEXT_FIELD_COUNT; field++)
        names[field] = context_names[field].member;
    I8X_TRY(i8x_json_check(json, context->name, names, I8X_CONTEXT_FIELD_COUNT));
    for (int field = 0; field < I8X_CONTEXT_FIELD_COUNT; field++) {
        const i8x_json *value = i8x_json_member(json, names[field]);
        if (value != NULL)
            I8X_TRY(copy(names[field], i8x_json_text(value), context->values[field],
                         sizeof context->values[field]));
    }
    return I8X_OK;
}

static i8x_status read_contexts(const i8x_json *json, i8x_contexts *contexts)
{
    static const char *const names[] = {"current", "contexts"};
    I8X_TRY(i8x_json_check(json, "the document", names, I8X_COUNT(names)));
    const i8x_json *list = i8x_json_member(json, "contexts");
    const i8x_json *current = i8x_json_member(json, "current");
    I8X_ENSURE(i8x_json_count(list) <= I8X_CONTEXTS_MAX, I8X_ELIMIT, "more than %d contexts",
               I8X_CONTEXTS_MAX);
    for (int i = 0; i < i8x_json_count(list); i++)
        I8X_TRY(read_context(i8x_json_item(list, i), &contexts->list[contexts->count++]));
    return current == NULL ? I8X_OK
                           : copy("current", i8x_json_text(current), contexts->current,
                                  sizeof contexts->current);
}

i8x_status i8x_contexts_read(i8x_contexts *contexts)
{
    char path[PATH_MAX], *text = NULL;
    size_t size = 0;
    i8x_json *json = NULL;
    struct stat info;
    memset(contexts, 0, sizeof *contexts);
    if (i8x_contexts_path(path, sizeof path) != I8X_OK ||
        (stat(path, &info) != 0 && (errno == ENOENT || errno == ENOTDIR)))
        return I8X_OK;
    I8X_TRY(i8x_trust_file_read(path, I8X_CONTEXTS_FILE_MAX, &text, &size));
    i8x_status status = i8x_json_parse(text, size, &json);
    if (status == I8X_OK)
        status = read_contexts(json, contexts);
    i8x_json_free(json);
    i8x_trust_file_free(text, size);
    return status == I8X_OK ? I8X_OK : i8x_fail_prefix("'%.160s': ", path);
}

/* Makes the folders above a file. */
static i8x_status make_folders(const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *at = strchr(folder + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = 0;
        I8X_ENSURE(mkdir(folder, 0700) == 0 || errno == EEXIST, I8X_EIO, "'%.160s': %s", folder,
                   strerror(errno));
        *at = '/';
    }
    return I8X_OK;
}

i8x_status i8x_contexts_write(const i8x_contexts *contexts)
{
    char path[PATH_MAX], *text = NULL;
    size_t size = 0;
    i8x_json *json = NULL;
    I8X_TRY(i8x_contexts_path(path, sizeof path));
    I8X_TRY(make_folders(path));
    I8X_TRY(i8x_json_object(&json));
    if (contexts->current[0] != 0)
        i8x_json_put_text(json, "current", contexts->current);
    i8x_json *list = i8x_json_put_object(json, "contexts");
    for (int i = 0; i < contexts->count; i++) {
        const i8x_context *context = &contexts->list[i];
        i8x_json *row = i8x_json_put_object(list, context->name);
        for (int field = 0; field < I8X_CONTEXT_FIELD_COUNT; field++)
            if (context->values[field][0] != 0)
                i8x_json_put_text(row, context_names[field].member, context->values[field]);
    }
    i8x_status status = i8x_json_print(json, true, &text, &size);
    i8x_json_free(json);
    I8X_TRY(status);
    status = i8x_file_write_private(path, text, size);
    i8x_alloc_free(i8x_alloc_heap(), text, size + 1);
    return status;
}

i8x_context *i8x_contexts_find(i8x_contexts *contexts, const char *name)
{
    for (int i = 0; i < contexts->count; i++)
        if (strcmp(contexts->list[i].name, name) == 0)
            return &contexts->list[i];
    return NULL;
}

i8x_status i8x_contexts_need(i8x_contexts *contexts, const char *name, i8x_context **context)
{
    const char *names[I8X_CONTEXTS_MAX];
    *context = i8x_contexts_find(contexts, name);
    if (*context != NULL)
        return I8X_OK;
    I8X_ENSURE(contexts->count > 0, I8X_ENOENT,
               "no context '%.60s', nor any other; `int8x context set NAME --server URL` makes one",
               name);
    for (int i = 0; i < contexts->count; i++)
        names[i] = contexts->list[i].name;
    I8X_FAIL(I8X_ENOENT, "no context '%.60s'; the nearest is '%s' (see int8x context list)", name,
             i8x_nearest(name, names, contexts->count));
}

/* ---- which service ---- */

/* Where facts come from, strongest first; a value that a layer does not have is NULL. */
typedef struct layer {
    const char *values[I8X_CONTEXT_FIELD_COUNT];
    const char *context;
} layer;

enum { OPTIONS, NAMED, ENVIRONMENT, CURRENT, DEFAULT, LAYERS };

static void from_context(const i8x_context *context, layer *to)
{
    to->context = context->name;
    for (int field = 0; field < I8X_CONTEXT_FIELD_COUNT; field++)
        to->values[field] = context->values[field][0] != 0 ? context->values[field] : NULL;
}

static i8x_status fill_layers(const i8x_options *options, i8x_contexts *contexts, layer *layers)
{
    const char *name = i8x_options_get(options, "context");
    i8x_context *context;
    for (int field = 0; field < I8X_CONTEXT_FIELD_COUNT; field++) {
        layers[OPTIONS].values[field] = i8x_options_get(options, context_names[field].option);
        layers[ENVIRONMENT].values[field] = variable(context_names[field].variable);
        layers[DEFAULT].values[field] = context_names[field].otherwise;
    }
    I8X_TRY(i8x_contexts_read(contexts));
    if (name == NULL && contexts->current[0] == 0)
        return I8X_OK;
    I8X_TRY(i8x_contexts_need(contexts, name != NULL ? name : contexts->current, &context));
    from_context(context, &layers[name != NULL ? NAMED : CURRENT]);
    return I8X_OK;
}

/* A layer that names another address than the chosen one has nothing to say about the rest. */
static bool speaks_of(const layer *from, const char *server)
{
    const char *own = from->values[I8X_CONTEXT_SERVER];
    if (own == NULL)
        return true;
    size_t length = strlen(own), other = strlen(server);
    while (length > 0 && own[length - 1] == '/')
        length--;
    while (other > 0 && server[other - 1] == '/')
        other--;
    return length == other && strncmp(own, server, length) == 0;
}

static i8x_status pick_values(const layer *layers, i8x_context *target)
{
    const char *server = NULL;
    for (int i = 0; i < LAYERS && server == NULL; i++)
        server = layers[i].values[I8X_CONTEXT_SERVER];
    for (int i = LAYERS - 1; i >= 0; i--) { /* the strongest comes last and stays */
        if (!speaks_of(&layers[i], server))
            continue;
        for (int field = 0; field < I8X_CONTEXT_FIELD_COUNT; field++)
            if (layers[i].values[field] != NULL)
                I8X_TRY(copy(context_names[field].option, layers[i].values[field],
                             target->values[field], sizeof target->values[field]));
        if (layers[i].context != NULL)
            I8X_TRY(copy("context", layers[i].context, target->name, sizeof target->name));
    }
    return I8X_OK;
}

i8x_status i8x_context_of(const i8x_options *options, i8x_context *target)
{
    layer layers[LAYERS] = {0};
    i8x_contexts *contexts = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *contexts);
    I8X_TRY(i8x_alloc_check(contexts));
    memset(target, 0, sizeof *target);
    i8x_status status = fill_layers(options, contexts, layers);
    if (status == I8X_OK)
        status = pick_values(layers, target);
    i8x_alloc_free(i8x_alloc_heap(), contexts, sizeof *contexts);
    return status;
}
