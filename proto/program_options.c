/* SPDX-License-Identifier: Apache-2.0
 *
 * Program options: see program_options.h.
 */
#include "proto/program_options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "proto/roff.h"

#define COLUMN 28

static void help_row(FILE *to, const char *name, const char *value, const char *sentence)
{
    int width = fprintf(to, "  %s%s%s", name, value != NULL ? " " : "", value != NULL ? value : "");
    fprintf(to, "%*s%s\n", width < COLUMN + 2 ? COLUMN + 2 - width : 1, "", sentence);
}

void i8x_program_help(const i8x_program *program, FILE *to)
{
    fprintf(to, "usage: %s\n\n", program->usage);
    for (int i = 0; i < program->option_count; i++) {
        const i8x_program_option *option = &program->options[i];
        help_row(to, option->name, option->value, option->sentence);
    }
    help_row(to, "--help", NULL, "this text");
    help_row(to, "--version", NULL, "version");
    fprintf(to, "\n%s\n", program->ending);
}

/* "usage" has the forms, an empty line, and what the program does: "Takes jobs. And more." */
void i8x_program_man(const i8x_program *program, FILE *to)
{
    const char *about = strstr(program->usage, "\n\n");
    about = about != NULL ? about + 2 : program->usage;
    char phrase[256], forms[512];
    snprintf(phrase, sizeof phrase, "%c%.*s", tolower((unsigned char)about[0]),
             (int)strcspn(about + (about[0] != 0), ".\n"), about + (about[0] != 0));
    i8x_roff_title(to, program->name, 1, program->version, phrase);
    i8x_roff_section(to, "synopsis");
    snprintf(forms, sizeof forms, "%.*s", (int)(about - program->usage), program->usage);
    for (char *form = strtok(forms, "\n"); form != NULL; form = strtok(NULL, "\n")) {
        form += strspn(form, " ");
        size_t name = strcspn(form, " ");
        i8x_roff_form(to, program->name, form + name + strspn(form + name, " "));
    }
    i8x_roff_section(to, "description");
    i8x_roff_paragraph(to, about);
    i8x_roff_section(to, "options");
    for (int i = 0; i < program->option_count; i++)
        i8x_roff_item(to, program->options[i].name, program->options[i].value,
                      program->options[i].sentence);
    i8x_roff_item(to, "--help", NULL, "this text");
    i8x_roff_item(to, "--version", NULL, "version");
    i8x_roff_section(to, "notes");
    i8x_roff_paragraph(to, program->ending);
}

/* A cell of a table: a bar in it would end it. */
static void docs_cell(FILE *to, const char *text)
{
    for (; *text != 0; text++)
        fprintf(to, "%s%c", *text == '|' ? "\\" : "", *text);
}

void i8x_program_docs(const i8x_program *program, FILE *to)
{
    const char *about = strstr(program->usage, "\n\n");
    int forms = (int)(about != NULL ? (size_t)(about - program->usage) : strlen(program->usage));
    fprintf(to, "\n## %s\n\n```text\nusage: %.*s\n```\n\n", program->name, forms, program->usage);
    fprintf(to, "| option | meaning |\n|---|---|\n");
    for (int i = 0; i < program->option_count; i++) {
        const i8x_program_option *option = &program->options[i];
        fprintf(to, "| `%s%s", option->name, option->value != NULL ? " " : "");
        docs_cell(to, option->value != NULL ? option->value : "");
        fprintf(to, "` | ");
        docs_cell(to, option->sentence);
        fprintf(to, " |\n");
    }
    fprintf(to, "| `--help`, `--version` | the options; the version |\n\n%s\n", program->ending);
}

static i8x_status set_number(const i8x_program_option *option, const char *value)
{
    char *end = NULL;
    long number = strtol(value, &end, 10); /* out of range: LONG_MIN or LONG_MAX, out of bounds */
    I8X_ENSURE(*value != 0 && *end == 0 && number >= option->min && number <= option->max, I8X_EARG,
               "%s %s: a whole number from %ld to %ld is wanted", option->name, value, option->min,
               option->max);
    *option->number = number;
    return I8X_OK;
}

static const i8x_program_option *find(const i8x_program *program, const char *name)
{
    for (int i = 0; i < program->option_count; i++)
        if (strcmp(program->options[i].name, name) == 0)
            return &program->options[i];
    return NULL;
}

i8x_status i8x_program_parse(const i8x_program *program, int argc, char **argv, FILE *to,
                             bool *done)
{
    *done = false;
    for (int i = 1; i < argc; i++) {
        *done = strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "--version") == 0 ||
                strcmp(argv[i], "--dump-man") == 0 || strcmp(argv[i], "--dump-docs") == 0;
        if (strcmp(argv[i], "--dump-man") == 0)
            i8x_program_man(program, to);
        if (strcmp(argv[i], "--dump-docs") == 0)
            i8x_program_docs(program, to);
        if (strcmp(argv[i], "--help") == 0)
            i8x_program_help(program, to);
        if (strcmp(argv[i], "--version") == 0)
            fprintf(to, "%s %s\n", program->name, program->version);
        if (*done)
            return I8X_OK;
        const i8x_program_option *option = find(program, argv[i]);
        I8X_ENSURE(option != NULL, I8X_EARG, "option '%s' is not known: %s --help lists all",
                   argv[i], program->name);
        if (option->flag != NULL) {
            *option->flag = true;
            continue;
        }
        const char *value = ++i < argc ? argv[i] : NULL;
        I8X_ENSURE(value != NULL, I8X_EARG, "%s wants a value: %s", option->name, option->value);
        if (option->text != NULL)
            *option->text = value;
        else
            I8X_TRY(set_number(option, value));
    }
    return I8X_OK;
}
