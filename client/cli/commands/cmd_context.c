/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x context: names for services, so that their addresses need not be typed.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/commands/commands.h"
#include "client/cli/context.h"
#include "client/cli/output.h"
#include "client/cli/view/columns.h"
#include "int8x/alloc.h"

static const i8x_option context_options[] = {I8X_OPTION_FORM};

static const i8x_column columns[] = {
    {"context", "id", I8X_CELL_PLAIN, 0},
    {"current", "current", I8X_CELL_PLAIN, 0},
    {"server", "server", I8X_CELL_PLAIN, 0},
    {"token file", "token_file", I8X_CELL_PLAIN, I8X_COLUMN_WIDE},
    {"ca file", "ca_file", I8X_CELL_PLAIN, I8X_COLUMN_WIDE},
};

static i8x_status put_list(const i8x_contexts *contexts, i8x_json *json)
{
    i8x_json *list = i8x_json_put_list(json, "contexts");
    for (int i = 0; i < contexts->count; i++) {
        const i8x_context *context = &contexts->list[i];
        i8x_json *row = i8x_json_put_object(list, NULL);
        i8x_json_put_text(row, "id", context->name);
        i8x_json_put_bool(row, "current", strcmp(context->name, contexts->current) == 0);
        for (int field = 0; field < I8X_CONTEXT_FIELD_COUNT; field++)
            if (context->values[field][0] != 0)
                i8x_json_put_text(row, i8x_context_names()[field].member, context->values[field]);
    }
    return I8X_OK;
}

static i8x_status list(const i8x_options *options, const char *name, i8x_contexts *contexts)
{
    i8x_form form;
    i8x_json *json = NULL;
    I8X_ENSURE(name == NULL, I8X_EARG, "'%.60s' is one argument too many", name);
    I8X_TRY(i8x_form_of(options, &form));
    I8X_TRY(i8x_json_object(&json));
    i8x_status status = put_list(contexts, json);
    if (status == I8X_OK)
        status = form == I8X_FORM_JSON ? i8x_output_json(json)
                                       : i8x_columns_list(columns, I8X_COUNT(columns),
                                                          i8x_json_member(json, "contexts"), form);
    i8x_json_free(json);
    return status;
}

static i8x_status use(const i8x_options *options, const char *name, i8x_contexts *contexts)
{
    (void)options;
    i8x_context *context;
    I8X_TRY(i8x_contexts_need(contexts, name, &context));
    snprintf(contexts->current, sizeof contexts->current, "%s", context->name);
    return i8x_contexts_write(contexts);
}

/* A path is kept so that it means the same from every folder. */
static i8x_status set_value(const char *text, const i8x_context_name *name, char *value)
{
    char folder[PATH_MAX] = "";
    bool relative = name->is_path && text[0] != '/';
    I8X_ENSURE(text[0] != 0, I8X_EARG, "option '--%s' is empty", name->option);
    I8X_ENSURE(!relative || getcwd(folder, sizeof folder) != NULL, I8X_EIO,
               "the path of this folder is not known; give --%s from /", name->option);
    int used = snprintf(value, I8X_CONTEXT_VALUE_SIZE, "%s%s%s", folder, relative ? "/" : "", text);
    I8X_ENSURE(used < I8X_CONTEXT_VALUE_SIZE, I8X_ELIMIT, "option '--%s' has more than %d bytes",
               name->option, I8X_CONTEXT_VALUE_SIZE - 1);
    return I8X_OK;
}

static i8x_status add(i8x_contexts *contexts, const char *name, i8x_context **context)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    I8X_ENSURE(
        *name != 0 && strspn(name, allowed) == strlen(name) && strlen(name) < I8X_CONTEXT_NAME_SIZE,
        I8X_EARG, "'%.60s' is no name of a context: at most %d letters, digits, '.', '_' and '-'",
        name, I8X_CONTEXT_NAME_SIZE - 1);
    I8X_ENSURE(contexts->count < I8X_CONTEXTS_MAX, I8X_ELIMIT, "there are %d contexts already",
               I8X_CONTEXTS_MAX);
    *context = &contexts->list[contexts->count++];
    snprintf((*context)->name, sizeof(*context)->name, "%s", name);
    if (contexts->current[0] == 0)
        snprintf(contexts->current, sizeof contexts->current, "%s", name);
    return I8X_OK;
}

static i8x_status set(const i8x_options *options, const char *name, i8x_contexts *contexts)
{
    i8x_context *context = i8x_contexts_find(contexts, name);
    if (context == NULL)
        I8X_TRY(add(contexts, name, &context));
    for (int field = 0; field < I8X_CONTEXT_FIELD_COUNT; field++) {
        const i8x_context_name *names = &i8x_context_names()[field];
        const char *text = i8x_options_get(options, names->option);
        if (text != NULL)
            I8X_TRY(set_value(text, names, context->values[field]));
    }
    I8X_ENSURE(context->values[I8X_CONTEXT_SERVER][0] != 0, I8X_EARG,
               "context '%s' needs an address: int8x context set %s --server URL", name, name);
    return i8x_contexts_write(contexts);
}

static i8x_status forget(const i8x_options *options, const char *name, i8x_contexts *contexts)
{
    (void)options;
    i8x_context *context;
    I8X_TRY(i8x_contexts_need(contexts, name, &context));
    if (strcmp(contexts->current, name) == 0)
        contexts->current[0] = 0;
    *context = contexts->list[--contexts->count];
    return i8x_contexts_write(contexts);
}

static i8x_status change(const i8x_options *options, i8x_contexts *contexts)
{
    static const struct {
        const char *word;
        i8x_status (*run)(const i8x_options *options, const char *name, i8x_contexts *contexts);
    } verbs[] = {{"list", list}, {"use", use}, {"set", set}, {"rm", forget}};
    const char *words[I8X_COUNT(verbs)];
    const char *word = options->positional[0];
    const char *name = options->positional_count > 1 ? options->positional[1] : NULL;
    I8X_TRY(i8x_contexts_read(contexts));
    for (int i = 0; i < I8X_COUNT(verbs); i++) {
        words[i] = verbs[i].word;
        if (strcmp(word, words[i]) != 0)
            continue;
        I8X_ENSURE(i == 0 || name != NULL, I8X_EARG, "int8x context %s wants a name", word);
        return verbs[i].run(options, name, contexts);
    }
    I8X_FAIL(I8X_EARG, "'%.60s' is none of list, use, set, rm; the nearest is '%s'", word,
             i8x_nearest(word, words, I8X_COUNT(words)));
}

static i8x_status context(const i8x_options *options)
{
    i8x_contexts *contexts = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *contexts);
    I8X_TRY(i8x_alloc_check(contexts));
    i8x_status status = change(options, contexts);
    i8x_alloc_free(i8x_alloc_heap(), contexts, sizeof *contexts);
    return status;
}

const i8x_command i8x_cmd_context = {
    "context",
    "list|use|set|rm [CONTEXT] [--server URL] [--token-file FILE] [--ca-file FILE] [-o FORM]",
    "keeps names and addresses of services",
    context_options,
    I8X_COUNT(context_options),
    1,
    2,
    false,
    context};
