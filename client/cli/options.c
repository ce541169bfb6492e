/* SPDX-License-Identifier: Apache-2.0
 *
 * Options: parsing, help and docs from the tables of commands and from int8x/fields.def.
 */
#include "client/cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands.h"
#include "client/cli/detach.h"
#include "int8x/alloc.h"
#include "proto/json.h"

static const i8x_option common_options[] = {
    {"json", 0, NULL, "result and errors as JSON on standard output", 0},
    {"server", 0, "URL", "the service's address", 0},
    {"context", 0, "NAME", "the service of that name (see context) instead of the current one", 0},
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
    const i8x_option *option;
    if (text[1] == '-') {
        size_t length = strcspn(text + 2, "=");
        option = find_option(command, text + 2, length, 0);
        value = text[2 + length] == '=' ? text + 3 + length : NULL;
    } else {
        option = find_option(command, NULL, 0, text[1]);
        value = text[2] != '\0' ? text + 2 : NULL;
    }
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
        } else {
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

/* ---- help ---- */

static void help_option(const i8x_option *option)
{
    char left[80], letter[8] = "";
    if (option->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name,
             option->value != NULL ? " " : "", option->value != NULL ? option->value : "");
    printf("  %-22s %s%s%s\n", left, option->sentence,
           option->flags & I8X_OPTION_REPEAT ? " (may be repeated)" : "",
           option->flags & I8X_OPTION_REQUIRED ? " (needed)" : "");
}

static void help_fields(void)
{
    int count;
    const i8x_field *fields = i8x_fields(&count);
    printf("\nRecipe fields (--set KEY=VALUE, or members of --recipe):\n");
    for (int i = 0; i < count; i++) {
        printf("  %-18s %s\n", fields[i].name, fields[i].sentence);
        for (int c = 0; c < fields[i].choice_count; c++)
            printf("  %-18s   %-11s %s\n", "", fields[i].choices[c].text,
                   fields[i].choices[c].sentence);
        if (fields[i].type == I8X_FIELD_INT || fields[i].type == I8X_FIELD_FLOAT)
            printf("  %-18s   %g to %g %s\n", "", fields[i].min, fields[i].max, fields[i].unit);
        if (fields[i].def[0] != '\0')
            printf("  %-18s   default %s\n", "", fields[i].def);
    }
}

/* One line for each exit code, with the statuses that share it; Ctrl-C is no status. */
static void help_exit_codes(const char *line)
{
    for (int code = 0; code < 128; code++) {
        char text[512] = "";
        for (int s = 0; s < I8X_STATUS_COUNT; s++) {
            size_t used = strlen(text);
            if (i8x_status_exit_code((i8x_status)s) == code)
                snprintf(text + used, sizeof text - used, "%s%s", used ? "; " : "",
                         i8x_status_sentence((i8x_status)s));
        }
        if (text[0] != '\0')
            printf(line, code, text);
    }
    printf(line, I8X_EXIT_DETACHED, "Ctrl-C; a job that was waited for goes on");
}

static void help_program(void)
{
    printf("int8x: quantizes neural networks to INT8\n\nUsage: int8x [--json] [--server URL] "
           "COMMAND ...\n\n"
           "Commands (int8x COMMAND --help tells more):\n");
    int count;
    const i8x_command *const *commands = i8x_commands(&count);
    for (int i = 0; i < count; i++)
        printf("  %-10s %s\n", commands[i]->name, commands[i]->sentence);
    printf("\nOptions of every command:\n");
    for (int i = 0; i < I8X_COUNT(common_options); i++)
        help_option(&common_options[i]);
    printf("  %-22s %s\n", "--version", "the program's version");
    printf("\nEnvironment:\n  INT8X_CPU_MASK         highest kernel level to use: scalar, neon, "
           "avx2, avx512\n"
           "  INT8X_SERVER           the service's address, if neither --server nor --context is "
           "given\n"
           "  TMPDIR                 where blobs of a running job are kept\n\nExit codes:\n");
    help_exit_codes("  %-3d %s\n");
}

void i8x_options_help(const i8x_command *command)
{
    if (command == NULL) {
        help_program();
        return;
    }
    printf("int8x %s: %s\n\nUsage: int8x %s %s\n\nOptions:\n", command->name, command->sentence,
           command->name, command->usage);
    for (int i = 0; i < command->option_count; i++)
        help_option(&command->options[i]);
    for (int i = 0; i < I8X_COUNT(common_options); i++)
        help_option(&common_options[i]);
    if (command->recipe_help)
        help_fields();
    printf("\nExit codes:\n");
    help_exit_codes("  %-3d %s\n");
}

/* ---- docs ---- */

static void docs_option(const i8x_option *option)
{
    char letter[8] = "";
    if (option->letter != 0)
        snprintf(letter, sizeof letter, "`-%c`, ", option->letter);
    printf("| %s`--%s%s%s` | %s | %s |\n", letter, option->name, option->value != NULL ? " " : "",
           option->value != NULL ? option->value : "", option->sentence,
           option->flags & I8X_OPTION_REQUIRED ? "needed"
           : option->flags & I8X_OPTION_REPEAT ? "repeats"
                                               : "");
}

void i8x_options_docs_cli(void)
{
    printf(
        "# The command line\n\nMade from the tables of `client/cli` by `int8x --dump-docs cli`; a "
        "check "
        "compares them.\n\nResults go to standard output, progress and errors to standard error. "
        "With `--json` the result, or the error, is one JSON document on standard output.\n\n"
        "## Options of every command\n\n| option | meaning | |\n|---|---|---|\n");
    for (int i = 0; i < I8X_COUNT(common_options); i++)
        docs_option(&common_options[i]);
    int count;
    const i8x_command *const *commands = i8x_commands(&count);
    for (int i = 0; i < count; i++) {
        printf("\n## int8x %s\n\n`int8x %s %s`\n\n%s%s.\n\n| option | meaning | |\n|---|---|---|\n",
               commands[i]->name, commands[i]->name, commands[i]->usage, commands[i]->sentence,
               commands[i]->recipe_help ? "; recipe fields: [config.md](config.md)" : "");
        for (int k = 0; k < commands[i]->option_count; k++)
            docs_option(&commands[i]->options[k]);
    }
    printf(
        "\n## Environment\n\n| variable | meaning |\n|---|---|\n"
        "| `INT8X_CPU_MASK` | highest kernel level to use: `scalar`, `neon`, `avx2`, `avx512` |\n"
        "| `INT8X_SERVER` | the service's address, if neither `--server` nor `--context` is given "
        "|\n"
        "| `TMPDIR` | where blobs of a running job are kept |\n"
        "\n## Exit codes\n\n| code | meaning |\n|---|---|\n");
    help_exit_codes("| %d | %s |\n");
}

static void docs_field(const i8x_field *field)
{
    static const char *const reach[] = {"memory and time only", "report", "model"};
    printf("| `%s` | ", field->name);
    for (int c = 0; c < field->choice_count; c++)
        printf("%s`%s`", c ? ", " : "", field->choices[c].text);
    if (field->type == I8X_FIELD_INT || field->type == I8X_FIELD_FLOAT)
        printf("%g to %g %s", field->min, field->max, field->unit);
    if (field->type == I8X_FIELD_TEXT)
        printf("text, at most %g bytes", field->max);
    printf(" | %s | %s | %s |\n", field->def[0] != '\0' ? field->def : "(empty)", field->sentence,
           reach[i8x_field_reach(field)]);
}

void i8x_options_docs_config(void)
{
    int count;
    const i8x_field *fields = i8x_fields(&count);
    printf("# The recipe\n\nMade from `core/include/int8x/fields.def` by `int8x --dump-docs "
           "config`; a check "
           "compares them.\n\nA recipe is a JSON object with any of these members (`--recipe "
           "FILE`), or "
           "`--set KEY=VALUE`. What is left out has its default; the defaults are the best recipe "
           "known.\n\n"
           "| field | values | default | meaning | reaches |\n|---|---|---|---|---|\n");
    for (int i = 0; i < count; i++)
        docs_field(&fields[i]);
    for (int i = 0; i < count; i++) {
        if (fields[i].choice_count == 0)
            continue;
        printf("\n## %s\n\n| value | meaning |\n|---|---|\n", fields[i].name);
        for (int c = 0; c < fields[i].choice_count; c++)
            printf("| `%s` | %s |\n", fields[i].choices[c].text, fields[i].choices[c].sentence);
    }
}
