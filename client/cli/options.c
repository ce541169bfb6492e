/* SPDX-License-Identifier: Apache-2.0
 *
 * Options: parsing, by the tables of the commands and by int8x/fields.def.
 */
#include "client/cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/cli/commands/commands.h"
#include "int8x/alloc.h"
#include "proto/json.h"

static const i8x_option common_options[] = {
    {"json", 0, NULL, "result and errors as JSON on standard output", 0},
    {"server", 0, "URL", "the service's address", 0},
    {"token-file", 0, "FILE", "file of the token that the service wants to see", 0},
    {"ca-file", 0, "FILE", "file of the CA that signed the service's certificate", 0},
    {"context", 0, "CONTEXT", "the service of that name (see context) instead of the current one",
     0},
    {"help", 'h', NULL, "this text", 0},
};

const i8x_option *i8x_options_common(int *count)
{
    *count = I8X_COUNT(common_options);
    return common_options;
}

/* ---- parsing ---- */

static const i8x_option *find_in(const i8x_option *list, int count, const char *name, size_t length,
                                 char letter)
{
    for (int i = 0; i < count; i++) {
        if (name == NULL
                ? list[i].letter == letter && letter != 0
                : strlen(list[i].name) == length && strncmp(list[i].name, name, length) == 0)
            return &list[i];
    }
    return NULL;
}

static const i8x_option *find_option(const i8x_command *command, const char *name, size_t length,
                                     char letter)
{
    const i8x_option *option =
        command == NULL ? NULL
                        : find_in(command->options, command->option_count, name, length, letter);
    return option != NULL
               ? option
               : find_in(common_options, I8X_COUNT(common_options), name, length, letter);
}

const i8x_option *i8x_options_row(const i8x_command *command, const char *word)
{
    return word[1] == '-' ? find_option(command, word + 2, strcspn(word + 2, "="), 0)
                          : find_option(command, NULL, 0, word[1]);
}

static i8x_status unknown_option(const i8x_command *command, const char *text)
{
    const char *names[128];
    int count = 0;
    for (int i = 0; command != NULL && i < command->option_count && count < 120; i++)
        names[count++] = command->options[i].name;
    for (int i = 0; i < I8X_COUNT(common_options); i++)
        names[count++] = common_options[i].name;
    const char *bare = text + strspn(text, "-");
    I8X_FAIL(I8X_EARG, "unknown option '%.60s'; the nearest is '--%s' (see --help)", text,
             i8x_nearest(bare, names, count));
}

/* Values with "|" between: one of them. */
static i8x_status check_choice(const i8x_option *option, const char *value)
{
    size_t length = strlen(value);
    if (strchr(option->value, '|') == NULL)
        return I8X_OK;
    for (const char *word = option->value; *word != 0; word += *word == '|') {
        size_t size = strcspn(word, "|");
        if (size == length && strncmp(word, value, size) == 0)
            return I8X_OK;
        word += size;
    }
    I8X_FAIL(I8X_EARG, "option '--%s' is '%.40s'; it is one of %s", option->name, value,
             option->value);
}

static i8x_status add_given(i8x_options *options, const i8x_option *option, const char *value)
{
    I8X_ENSURE(options->given_count < I8X_OPTION_VALUES_MAX, I8X_ELIMIT, "more than %d options",
               I8X_OPTION_VALUES_MAX);
    for (int i = 0; i < options->given_count; i++)
        I8X_ENSURE(options->given[i].option != option || (option->flags & I8X_OPTION_REPEAT) != 0,
                   I8X_EARG, "option '--%s' is given twice", option->name);
    options->given[options->given_count].option = option;
    options->given[options->given_count++].value = value;
    return I8X_OK;
}

/* The option at argv[*at]; *at moves to its last word. */
static i8x_status parse_option(const i8x_command *command, int argc, char **argv, int *at,
                               i8x_options *options)
{
    const char *text = argv[*at], *value = NULL;
    const i8x_option *option = i8x_options_row(command, text);
    if (text[1] == '-' && strchr(text, '=') != NULL)
        value = strchr(text, '=') + 1;
    else if (text[1] != '-' && text[2] != '\0')
        value = text + 2;
    if (option == NULL)
        return unknown_option(command, text);
    I8X_ENSURE(option->value != NULL || value == NULL, I8X_EARG, "option '--%s' takes no value",
               option->name);
    if (option->value != NULL && value == NULL) {
        I8X_ENSURE(*at + 1 < argc, I8X_EARG, "option '--%s' needs a value: --%s %s", option->name,
                   option->name, option->value);
        value = argv[++*at];
    }
    if (option->value != NULL)
        I8X_TRY(check_choice(option, value));
    return add_given(options, option, value);
}

/* ---- the word before an id ---- */

static const char *const kinds[] = {"job", "sweep", "worker"};

/* True if the first argument of the usage line is or may be a JOB ... */
static bool takes_kind(const i8x_command *command, const char *kind)
{
    const char *at = command->usage;
    size_t size = strcspn(at, " "), length = strlen(kind);
    for (const char *end = at + size; at < end; at += strcspn(at, "| ") + 1)
        if (strcspn(at, "| ") == length && strncasecmp(at, kind, length) == 0 && *at <= 'Z')
            return true;
    return false;
}

const char *i8x_options_kind(const i8x_command *command, const char *word)
{
    size_t length = strlen(word);
    for (int i = 0; i < I8X_COUNT(kinds); i++) {
        size_t size = strlen(kinds[i]);
        if (strncmp(word, kinds[i], size) == 0 && takes_kind(command, kinds[i]) &&
            (length == size || (length == size + 1 && word[size] == 's')))
            return kinds[i];
    }
    return NULL;
}

/* A word that says what the id behind it is; with no id behind it is the id. */
static bool take_kind(const i8x_command *command, const char *word, bool last, i8x_options *options)
{
    if (last || options->kind != NULL || options->positional_count > 0)
        return false;
    options->kind = i8x_options_kind(command, word);
    return options->kind != NULL;
}

static i8x_status check_needed(const i8x_command *command, const i8x_options *options)
{
    I8X_ENSURE(options->positional_count >= command->positional_min, I8X_EARG,
               "too few arguments; the form is: int8x %s %s", command->name, command->usage);
    for (int i = 0; i < command->option_count; i++)
        I8X_ENSURE((command->options[i].flags & I8X_OPTION_REQUIRED) == 0 ||
                       i8x_options_has(options, command->options[i].name),
                   I8X_EARG, "option '--%s' is missing: %s", command->options[i].name,
                   command->options[i].sentence);
    return I8X_OK;
}

i8x_status i8x_options_parse(const i8x_command *command, int argc, char **argv, int from,
                             i8x_options *options)
{
    bool only_positional = false;
    options->command = command;
    options->argc = argc;
    options->argv = argv;
    for (int at = from; at < argc; at++) {
        const char *text = argv[at];
        if (!only_positional && strcmp(text, "--") == 0) {
            only_positional = true;
        } else if (!only_positional && text[0] == '-' && text[1] != '\0') {
            I8X_TRY(parse_option(command, argc, argv, &at, options));
        } else if (!take_kind(command, text, at + 1 == argc, options)) {
            I8X_ENSURE(options->positional_count < command->positional_max &&
                           options->positional_count < I8X_POSITIONAL_MAX,
                       I8X_EARG, "'%.60s' is one argument too many; the form is: int8x %s %s", text,
                       command->name, command->usage);
            options->positional[options->positional_count++] = text;
        }
    }
    return i8x_options_has(options, "help") ? I8X_OK : check_needed(command, options);
}

i8x_status i8x_options_parse_common(int argc, char **argv, int *at, i8x_options *options)
{
    for (; *at < argc && argv[*at][0] == '-'; ++*at)
        I8X_TRY(parse_option(NULL, argc, argv, at, options));
    return I8X_OK;
}

const char *i8x_options_nth(const i8x_options *options, const char *name, int nth)
{
    for (int i = 0; i < options->given_count; i++)
        if (strcmp(options->given[i].option->name, name) == 0 && nth-- == 0)
            return options->given[i].value != NULL ? options->given[i].value : "";
    return NULL;
}

const char *i8x_options_get(const i8x_options *options, const char *name)
{
    const char *value = NULL, *next;
    for (int nth = 0; (next = i8x_options_nth(options, name, nth)) != NULL; nth++)
        value = next;
    return value;
}

bool i8x_options_has(const i8x_options *options, const char *name)
{
    return i8x_options_nth(options, name, 0) != NULL;
}

i8x_status i8x_options_int(const i8x_options *options, const char *name, long min, long max,
                           long otherwise, long *value)
{
    const char *text = i8x_options_get(options, name);
    *value = otherwise;
    if (text == NULL)
        return I8X_OK;
    char *end = NULL;
    errno = 0;
    long number = strtol(text, &end, 10);
    I8X_ENSURE(end != text && *end == '\0', I8X_EARG,
               "option '--%s' is '%.40s'; it must be a whole number", name, text);
    I8X_ENSURE(errno == 0 && number >= min && number <= max, I8X_ERANGE,
               "option '--%s' is %.40s; it must lie in %ld to %ld", name, text, min, max);
    *value = number;
    return I8X_OK;
}

/* ---- recipe ---- */

static i8x_status read_recipe(const char *path, i8x_recipe *recipe)
{
    FILE *file = fopen(path, "rb");
    I8X_ENSURE(file != NULL, errno == ENOENT ? I8X_ENOENT : I8X_EIO,
               "recipe '%s' cannot be opened: %s", path, strerror(errno));
    char *text = i8x_alloc_array(i8x_alloc_heap(), I8X_JSON_REQUEST_MAX + 1, 1);
    i8x_status status = i8x_alloc_check(text);
    size_t size = status == I8X_OK ? fread(text, 1, I8X_JSON_REQUEST_MAX + 1, file) : 0;
    fclose(file);
    i8x_json *json = NULL;
    if (status == I8X_OK && size > I8X_JSON_REQUEST_MAX)
        status =
            i8x_fail(I8X_ELIMIT, __FILE__, __LINE__, "more than %zu bytes", I8X_JSON_REQUEST_MAX);
    if (status == I8X_OK)
        status = i8x_json_parse(text, size, &json);
    if (status == I8X_OK)
        status = i8x_json_to_recipe(json, recipe);
    i8x_json_free(json);
    i8x_alloc_free(i8x_alloc_heap(), text, I8X_JSON_REQUEST_MAX + 1);
    return status == I8X_OK ? I8X_OK : i8x_fail_prefix("recipe '%s': ", path);
}

static i8x_status set_pair(i8x_recipe *recipe, const char *pair)
{
    char name[64];
    size_t length = strcspn(pair, "=");
    I8X_ENSURE(pair[length] == '=' && length > 0 && length < sizeof name, I8X_EARG,
               "'--set %.60s': write --set KEY=VALUE", pair);
    memcpy(name, pair, length);
    name[length] = '\0';
    return i8x_recipe_set(recipe, name, pair + length + 1);
}

/* All values of a repeated option as one list field; nothing is changed if the option is absent. */
static i8x_status set_list(const i8x_options *options, const char *option, const char *field,
                           char separator, i8x_recipe *recipe)
{
    char text[4097] = "";
    size_t used = 0;
    const char *value;
    for (int nth = 0; (value = i8x_options_nth(options, option, nth)) != NULL; nth++) {
        int wrote = snprintf(text + used, sizeof text - used, "%s%s",
                             nth ? (char[]){separator, 0} : "", value);
        I8X_ENSURE(wrote >= 0 && used + (size_t)wrote < sizeof text, I8X_ELIMIT,
                   "the options '--%s' together have more than %zu bytes", option, sizeof text - 1);
        used += (size_t)wrote;
    }
    return used > 0 ? i8x_recipe_set(recipe, field, text) : I8X_OK;
}

i8x_status i8x_options_recipe(const i8x_options *options, i8x_recipe *recipe)
{
    static const struct {
        const char *option, *field;
        char separator;
    } lists[] = {{"target", "target", ','},
                 {"shape", "shapes", ';'},
                 {"exclude", "exclude", ','},
                 {"only", "only", ','},
                 {"op-types", "op_types", ','}};
    i8x_recipe_default(recipe);
    const char *path = i8x_options_get(options, "recipe"), *pair;
    if (path != NULL)
        I8X_TRY(read_recipe(path, recipe));
    for (int i = 0; i < I8X_COUNT(lists); i++)
        I8X_TRY(set_list(options, lists[i].option, lists[i].field, lists[i].separator, recipe));
    for (int nth = 0; (pair = i8x_options_nth(options, "set", nth)) != NULL; nth++)
        I8X_TRY(set_pair(recipe, pair));
    return i8x_recipe_check(recipe);
}

/* Bytes that need no quotes in a shell. */
static bool is_plain(const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%";
    return word[0] != '\0' && strspn(word, plain) == strlen(word);
}

const char *i8x_options_command(const i8x_options *options, char *buffer, size_t size_bytes)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (int i = 0; i < options->argc && used < size_bytes; i++) {
        const char *word = i == 0 ? "int8x" : options->argv[i];
        const char *format = is_plain(word) ? "%s%s" : "%s'%s'";
        int wrote = snprintf(buffer + used, size_bytes - used, format, i ? " " : "", word);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return buffer;
}
