/* SPDX-License-Identifier: Apache-2.0
 *
 * Man pages of int8x and of each of its commands.
 */
#include <stdio.h>

#include "client/cli/guide/guide.h"
#include "proto/roff.h"

#define NAME_SIZE 80

static void put_options(const i8x_option *options, int count)
{
    for (int i = 0; i < count; i++) {
        char name[NAME_SIZE], sentence[512];
        char letter[] = {'-', options[i].letter, ',', ' ', 0};
        snprintf(name, sizeof name, "%s--%s", options[i].letter != 0 ? letter : "",
                 options[i].name);
        snprintf(sentence, sizeof sentence, "%s%s%s", options[i].sentence,
                 options[i].flags & I8X_OPTION_REPEAT ? " (may be repeated)" : "",
                 options[i].flags & I8X_OPTION_REQUIRED ? " (needed)" : "");
        i8x_roff_item(stdout, name, options[i].value, sentence);
    }
}

static void put_facts(const char *title, const i8x_guide_fact *facts, int count)
{
    i8x_roff_section(stdout, title);
    for (int i = 0; i < count; i++)
        i8x_roff_item(stdout, facts[i].name, NULL, facts[i].sentence);
}

static void put_fields(void)
{
    int count;
    const i8x_field *fields = i8x_fields(&count);
    i8x_roff_section(stdout, "recipe fields");
    for (int i = 0; i < count; i++) {
        char values[512] = "", sentence[1024];
        size_t used = 0;
        for (int c = 0; c < fields[i].choice_count && used < sizeof values; c++)
            used += (size_t)snprintf(values + used, sizeof values - used, "%s%s", c > 0 ? "|" : "",
                                     fields[i].choices[c].text);
        if (fields[i].type == I8X_FIELD_INT || fields[i].type == I8X_FIELD_FLOAT)
            snprintf(values, sizeof values, "%g to %g", fields[i].min, fields[i].max);
        snprintf(sentence, sizeof sentence, "%s%s%s%s%s", fields[i].sentence,
                 fields[i].unit[0] != 0 ? ", " : "", fields[i].unit,
                 fields[i].def[0] != 0 ? "; default " : "", fields[i].def);
        i8x_roff_item(stdout, fields[i].name, values[0] != 0 ? values : "text", sentence);
    }
}

static void put_ending(const i8x_command *command)
{
    int count;
    char text[512], number[16], name[NAME_SIZE];
    const i8x_guide_fact *facts = i8x_guide_environment(&count);
    put_facts("environment", facts, count);
    facts = i8x_guide_files(&count);
    put_facts("files", facts, count);
    i8x_roff_section(stdout, "exit status");
    for (int code = 0; code < I8X_EXIT_CODES; code++) {
        if (!i8x_guide_exit_code(code, text, sizeof text))
            continue;
        snprintf(number, sizeof number, "%d", code);
        i8x_roff_item(stdout, number, NULL, text);
    }
    const i8x_command *const *commands = i8x_commands(&count);
    i8x_roff_section(stdout, "see also");
    if (command != NULL)
        i8x_roff_reference(stdout, "int8x", 1);
    for (int i = 0; i < count && command == NULL; i++) {
        snprintf(name, sizeof name, "int8x-%s", commands[i]->name);
        i8x_roff_reference(stdout, name, 1);
    }
    i8x_roff_reference(stdout, "int8xd", 1);
    i8x_roff_reference(stdout, "int8x-worker", 1);
}

static void put_program(void)
{
    int count;
    const i8x_command *const *commands = i8x_commands(&count);
    i8x_roff_title(stdout, "int8x", 1, INT8X_VERSION, "quantizes neural networks to INT8");
    i8x_roff_section(stdout, "synopsis");
    i8x_roff_form(stdout, "int8x", "[--json] [--server URL] COMMAND ...");
    i8x_roff_section(stdout, "description");
    i8x_roff_paragraph(
        stdout, "Quantizes a model in this process, or has the service int8xd and its workers "
                "do it. Results go to standard output, progress and errors to standard error. "
                "With --json the result, or the error, is one JSON document.");
    i8x_roff_paragraph(stdout, I8X_GUIDE_NAMES);
    i8x_roff_section(stdout, "commands");
    for (int i = 0; i < count; i++)
        i8x_roff_item(stdout, commands[i]->name, commands[i]->usage, commands[i]->sentence);
}

static void put_command(const i8x_command *command)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "int8x-%s", command->name);
    i8x_roff_title(stdout, name, 1, INT8X_VERSION, command->sentence);
    i8x_roff_section(stdout, "synopsis");
    snprintf(name, sizeof name, "int8x %s", command->name);
    i8x_roff_form(stdout, name, command->usage);
    if (i8x_guide_notes(command) != NULL) {
        i8x_roff_section(stdout, "description");
        i8x_roff_paragraph(stdout, i8x_guide_notes(command));
    }
}

void i8x_guide_man(const i8x_command *command)
{
    int count;
    const i8x_option *common = i8x_options_common(&count);
    if (command == NULL)
        put_program();
    else
        put_command(command);
    i8x_roff_section(stdout, "options");
    if (command != NULL)
        put_options(command->options, command->option_count);
    put_options(common, count);
    if (command == NULL)
        i8x_roff_item(stdout, "--version", NULL, "the program's version");
    if (command != NULL && command->recipe_help)
        put_fields();
    put_ending(command);
}
