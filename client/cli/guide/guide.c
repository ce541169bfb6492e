/* SPDX-License-Identifier: Apache-2.0
 *
 * Guide: the facts that help, docs and man pages share, and --help itself.
 */
#include "client/cli/guide/guide.h"

#include <stdio.h>
#include <string.h>

#include "client/cli/detach.h"

/* ---- facts ---- */

const i8x_guide_fact *i8x_guide_environment(int *count)
{
    static const i8x_guide_fact facts[] = {
        {"INT8X_CA_FILE", "as --ca-file, of the service that INT8X_SERVER names"},
        {"INT8X_CPU_MASK", "highest kernel level to use: scalar, neon, avx2, avx512"},
        {"INT8X_SERVER", "the service's address, if neither --server nor --context is given"},
        {"INT8X_TOKEN_FILE", "as --token-file, of the service that INT8X_SERVER names"},
        {"TMPDIR", "where blobs of a running job are kept"},
        {"XDG_CONFIG_HOME", "folder of int8x/contexts.json (~/.config)"},
    };
    *count = I8X_COUNT(facts);
    return facts;
}

const i8x_guide_fact *i8x_guide_files(int *count)
{
    static const i8x_guide_fact facts[] = {
        {"~/.config/int8x/contexts.json",
         "named services (int8x context); it is refused if others may read or write it"},
    };
    *count = I8X_COUNT(facts);
    return facts;
}

bool i8x_guide_exit_code(int code, char *text, size_t size_bytes)
{
    text[0] = 0;
    if (code == I8X_EXIT_DETACHED)
        snprintf(text, size_bytes, "Ctrl-C; a job that was waited for goes on");
    for (int s = 0; s < I8X_STATUS_COUNT; s++) {
        size_t used = strlen(text);
        if (i8x_status_exit_code((i8x_status)s) == code)
            snprintf(text + used, size_bytes - used, "%s%s", used > 0 ? "; " : "",
                     i8x_status_sentence((i8x_status)s));
    }
    return text[0] != 0;
}

const char *i8x_guide_notes(const i8x_command *command)
{
    static const struct {
        const char *command, *text;
    } notes[] = {
#define NOTES(command, text) {#command, text},
#include "client/cli/guide/notes.def"
#undef NOTES
    };
    for (int i = 0; i < I8X_COUNT(notes); i++)
        if (strcmp(notes[i].command, command->name) == 0)
            return notes[i].text;
    return NULL;
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

static void help_common(void)
{
    int count;
    const i8x_option *options = i8x_options_common(&count);
    for (int i = 0; i < count; i++)
        help_option(&options[i]);
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

static void help_exit_codes(void)
{
    char text[512];
    printf("\nExit codes:\n");
    for (int code = 0; code < I8X_EXIT_CODES; code++)
        if (i8x_guide_exit_code(code, text, sizeof text))
            printf("  %-3d %s\n", code, text);
}

static void help_facts(const char *title, const i8x_guide_fact *facts, int count)
{
    printf("\n%s:\n", title);
    for (int i = 0; i < count; i++)
        printf("  %-22s %s\n", facts[i].name, facts[i].sentence);
}

static void help_program(void)
{
    int count;
    const i8x_command *const *commands = i8x_commands(&count);
    printf("int8x: quantizes neural networks to INT8\n\nUsage: int8x [--json] [--server URL] "
           "COMMAND ...\n\nCommands (int8x COMMAND --help tells more):\n");
    for (int i = 0; i < count; i++)
        printf("  %-10s %s\n", commands[i]->name, commands[i]->sentence);
    printf("\nOptions of every command:\n");
    help_common();
    printf("  %-22s %s\n", "--version", "the program's version");
    const i8x_guide_fact *facts = i8x_guide_environment(&count);
    help_facts("Environment", facts, count);
    facts = i8x_guide_files(&count);
    help_facts("Files", facts, count);
    help_exit_codes();
}

void i8x_guide_help(const i8x_command *command)
{
    if (command == NULL) {
        help_program();
        return;
    }
    printf("int8x %s: %s\n\nUsage: int8x %s %s\n\n", command->name, command->sentence,
           command->name, command->usage);
    if (i8x_guide_notes(command) != NULL)
        printf("%s\n\n", i8x_guide_notes(command));
    printf("Options:\n");
    for (int i = 0; i < command->option_count; i++)
        help_option(&command->options[i]);
    help_common();
    if (command->recipe_help)
        help_fields();
    help_exit_codes();
}
