/* SPDX-License-Identifier: Apache-2.0
 *
 * What a shell offers: the words before the last are walked through as the parser would, then the
 * place of the last one says what fits. What an argument is follows from its name in the usage line
 * or in the option's row ("JOB", "FILE", "a|b").
 */
#include <stdio.h>
#include <string.h>

#include "client/cli/context.h"
#include "client/cli/guide/guide.h"
#include "client/cli/service.h"
#include "client/cli/view/printable.h"
#include "client/cli/view/resource.h"
#include "int8x/alloc.h"

#define TOKEN_SIZE 128

/* Where the last word stands. */
typedef struct place {
    const i8x_command *command;
    const i8x_option *pending; /* the option whose value it is */
    const char *kind;          /* the word before the id: "job" */
    const char *first;         /* first positional, NULL if none has been given */
    int positional;            /* how many positionals stand before it */
    bool plain;                /* behind "--" */
    i8x_options *options;      /* those given so far */
    const char *typed;         /* what of the value is there */
    const char *before;        /* what stands before the value in the word: "--output=" */
} place;

/* ---- the words before ---- */

static void give(place *at, const i8x_option *option, const char *value)
{
    i8x_options *options = at->options;
    if (options->given_count == I8X_OPTION_VALUES_MAX)
        return;
    options->given[options->given_count].option = option;
    options->given[options->given_count++].value = value;
}

static void walk_word(place *at, const char *word)
{
    if (at->pending != NULL) {
        give(at, at->pending, word);
        at->pending = NULL;
    } else if (!at->plain && strcmp(word, "--") == 0) {
        at->plain = true;
    } else if (!at->plain && word[0] == '-' && word[1] != 0) {
        const char *value = strchr(word, '=');
        const i8x_option *option = i8x_options_row(at->command, word);
        if (option != NULL && option->value != NULL && value == NULL)
            at->pending = option;
        else if (option != NULL)
            give(at, option, value != NULL ? value + 1 : NULL);
    } else if (at->command == NULL) {
        int count;
        const i8x_command *const *commands = i8x_commands(&count);
        for (int i = 0; i < count; i++)
            if (strcmp(commands[i]->name, word) == 0)
                at->command = commands[i];
    } else if (at->positional == 0 && at->kind == NULL &&
               i8x_options_kind(at->command, word) != NULL) {
        at->kind = i8x_options_kind(at->command, word);
    } else if (at->positional++ == 0) {
        at->first = word;
    }
}

/* ---- candidates ---- */

static void offer(const place *at, const char *word, size_t length, const char *sentence)
{
    if (length >= strlen(at->typed) && strncmp(word, at->typed, strlen(at->typed)) == 0)
        printf("%s%.*s\t%s\n", at->before, (int)length, word, sentence);
}

static void offer_words(const place *at, const char *words)
{
    while (*words != 0) {
        size_t length = strcspn(words, "|");
        offer(at, words, length, "");
        words += length + (words[length] == '|');
    }
}

static void offer_ids(place *at, const char *what)
{
    const i8x_resource *resource;
    i8x_remote *remote = NULL;
    i8x_json *answer = NULL;
    const i8x_json *rows;
    if (i8x_resource_find(what, &resource) != I8X_OK ||
        i8x_service_open(at->options, &remote) != I8X_OK)
        return;
    i8x_selection newest = {.limit = I8X_RESOURCE_LIMIT};
    if (i8x_resource_list(resource, remote, &newest, &answer, &rows) == I8X_OK)
        for (int i = 0; i < i8x_json_count(rows); i++) {
            const i8x_json *row = i8x_json_item(rows, i);
            const char *id = i8x_json_member_text(row, "id", "");
            char name[TOKEN_SIZE], path[2 * TOKEN_SIZE]; /* what can be no id is not offered */
            snprintf(name, sizeof name, "%s", i8x_json_member_text(row, "name", ""));
            if (i8x_resource_path(resource, id, "", path, sizeof path) == I8X_OK)
                offer(at, id, strlen(id), i8x_printable(name));
        }
    i8x_json_free(answer);
    i8x_remote_free(remote);
}

static void offer_contexts(place *at, const char *what)
{
    (void)what;
    i8x_contexts *contexts = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *contexts);
    if (contexts == NULL)
        return;
    if (i8x_contexts_read(contexts) == I8X_OK)
        for (int i = 0; i < contexts->count; i++)
            offer(at, contexts->list[i].name, strlen(contexts->list[i].name),
                  contexts->list[i].values[I8X_CONTEXT_SERVER]);
    i8x_alloc_free(i8x_alloc_heap(), contexts, sizeof *contexts);
}

static void offer_choices(const place *at, const i8x_field *field)
{
    for (int i = 0; i < field->choice_count; i++)
        offer(at, field->choices[i].text, strlen(field->choices[i].text),
              field->choices[i].sentence);
}

/* KEY=VALUE: the fields, then the choices of one. */
static void offer_fields(place *at, const char *what)
{
    (void)what;
    int count;
    char before[TOKEN_SIZE];
    place value = *at;
    const i8x_field *fields = i8x_fields(&count);
    size_t length = strcspn(at->typed, "=");
    for (int i = 0; i < count; i++) {
        char name[TOKEN_SIZE];
        snprintf(name, sizeof name, "%s=", fields[i].name);
        if (at->typed[length] == 0)
            offer(at, name, strlen(name), fields[i].sentence);
        else if (strncmp(name, at->typed, length + 1) == 0) {
            snprintf(before, sizeof before, "%s%s", at->before, name);
            value.before = before;
            value.typed += length + 1;
            offer_choices(&value, &fields[i]);
        }
    }
}

/* ---- by the name of an argument ---- */

/* "jobs|sweeps" */
static void offer_ids_of(place *at, const char *what)
{
    char name[TOKEN_SIZE];
    for (; *what != 0; what += *what == '|') {
        size_t length = strcspn(what, "|");
        snprintf(name, sizeof name, "%.*s", (int)length, what);
        offer_ids(at, name);
        what += length;
    }
}

/* Ids of the resource that stands before; of a thing inside a job, the jobs'. */
static void offer_chosen(place *at, const char *what)
{
    (void)what;
    const i8x_resource *resource;
    if (at->first != NULL && i8x_resource_find(at->first, &resource) == I8X_OK)
        offer_ids(at, resource->inside ? "jobs" : resource->many);
}

static void offer_commands(place *at, const char *what)
{
    (void)what;
    int count;
    const i8x_command *const *commands = i8x_commands(&count);
    for (int i = 0; i < count; i++)
        offer(at, commands[i]->name, strlen(commands[i]->name), commands[i]->sentence);
}

static void offer_states(place *at, const char *what)
{
    (void)what;
    const i8x_resource *resource;
    if (at->first != NULL && i8x_resource_find(at->first, &resource) == I8X_OK &&
        resource->states != NULL)
        offer_words(at, resource->states);
}

/* What fits an argument, with the ending that tells the shell which paths fit. A name that is not
 * listed is a choice of words ("a|b") or a file. */
static const char *offer_argument(place *at, const char *token)
{
    static const struct {
        const char *token;
        void (*offer)(place *at, const char *what);
        const char *what, *ending;
    } rows[] = {
        {"JOB", offer_ids_of, "jobs", ":"},
        {"WORKER", offer_ids_of, "workers", ":"},
        {"JOB|WORKER", offer_ids_of, "jobs|workers", ":"},
        {"JOB|SWEEP", offer_ids_of, "jobs|sweeps", ":"},
        {"ID", offer_chosen, NULL, ":"},
        {"STATE", offer_states, NULL, ":"},
        {"COMMAND", offer_commands, NULL, ":"},
        {"CONTEXT", offer_contexts, NULL, ":"},
        {"KEY=VALUE", offer_fields, NULL, ":"},
        {"DIR", NULL, NULL, ":folders"},
        {"N", NULL, NULL, ":"},
        {"S", NULL, NULL, ":"},
        {"URL", NULL, NULL, ":"},
        {"KEY", NULL, NULL, ":"},
        {"SPAN", NULL, NULL, ":"},
        {"HOST", NULL, NULL, ":"},
        {"GLOB", NULL, NULL, ":"},
        {"TEXT", NULL, NULL, ":"},
        {"LIST", NULL, NULL, ":"},
        {"NAME", NULL, NULL, ":"},
        {"NAME=DIMS", NULL, NULL, ":"},
    };
    for (int i = 0; i < I8X_COUNT(rows); i++) {
        if (strcmp(rows[i].token, token) != 0)
            continue;
        if (rows[i].offer != NULL)
            rows[i].offer(at, rows[i].what);
        return rows[i].ending;
    }
    if (strchr(token, '|') == NULL)
        return ":files";
    offer_words(at, token);
    return ":";
}

static const char *offer_value(place *at, const i8x_option *option)
{
    int count;
    const i8x_field *fields = i8x_fields(&count);
    for (int i = 0; i < count; i++)
        if (strcmp(fields[i].name, option->name) == 0 && fields[i].choice_count > 0) {
            offer_choices(at, &fields[i]); /* --target */
            return ":";
        }
    return offer_argument(at, option->value);
}

/* The usage line's argument of that number: "JOB", without brackets; "" if there are fewer. */
static void argument_of(const i8x_command *command, int number, char *token)
{
    const char *at = command->usage;
    for (token[0] = 0; *at != 0 && *at != '-' && strncmp(at, "[-", 2) != 0; number--) {
        size_t length = strcspn(at, " ");
        if (number == 0) {
            at += *at == '[';
            snprintf(token, TOKEN_SIZE, "%.*s", (int)strcspn(at, "] ."), at);
            return;
        }
        at += length + strspn(at + length, " ");
    }
}

/* ---- all together ---- */

static void offer_options(const place *at, const i8x_option *options, int count)
{
    for (int i = 0; i < count; i++) {
        char name[TOKEN_SIZE];
        bool given = i8x_options_has(at->options, options[i].name);
        snprintf(name, sizeof name, "--%s", options[i].name);
        if (!given || (options[i].flags & I8X_OPTION_REPEAT) != 0)
            offer(at, name, strlen(name), options[i].sentence);
    }
}

static const char *offer_option(place *at)
{
    const char *equals = strchr(at->typed, '=');
    const i8x_option *option = equals != NULL ? i8x_options_row(at->command, at->typed) : NULL;
    int count;
    const i8x_option *common = i8x_options_common(&count);
    if (equals == NULL) {
        if (at->command != NULL)
            offer_options(at, at->command->options, at->command->option_count);
        offer_options(at, common, count);
        return ":";
    }
    if (option == NULL || option->value == NULL)
        return ":";
    char before[TOKEN_SIZE];
    snprintf(before, sizeof before, "%.*s", (int)(equals + 1 - at->typed), at->typed);
    at->before = before;
    at->typed = equals + 1;
    const char *ending = offer_value(at, option);
    at->before = "";
    return ending;
}

static const char *offer_positional(place *at)
{
    char token[TOKEN_SIZE];
    if (at->command == NULL) {
        offer_commands(at, NULL);
        return ":";
    }
    if (at->positional >= at->command->positional_max)
        return ":";
    if (at->positional == 0 && at->kind != NULL) {
        offer_ids(at, at->kind);
        return ":";
    }
    argument_of(at->command, at->positional, token);
    return token[0] != 0 ? offer_argument(at, token) : ":";
}

void i8x_guide_complete(int count, const char *const *words)
{
    static i8x_options options;
    place at = {.options = &options, .typed = count > 0 ? words[count - 1] : "", .before = ""};
    for (int i = 0; i + 1 < count; i++)
        walk_word(&at, words[i]);
    const char *ending = at.pending != NULL                ? offer_value(&at, at.pending)
                         : !at.plain && at.typed[0] == '-' ? offer_option(&at)
                                                           : offer_positional(&at);
    printf("%s\n", ending);
}
