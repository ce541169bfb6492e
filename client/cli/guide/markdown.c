/* SPDX-License-Identifier: Apache-2.0
 *
 * docs/cli.md and docs/config.md from the tables.
 */
#include <stdio.h>
#include <string.h>

#include "client/cli/guide/guide.h"

/* A cell of a table: a bar in it would end it. */
static void put_cell(const char *text)
{
    for (; *text != 0; text++)
        printf("%s%c", *text == '|' ? "\\" : "", *text);
}

static void put_options(const i8x_option *options, int count)
{
    if (count > 0)
        printf("\n| option | meaning | |\n|---|---|---|\n");
    for (int i = 0; i < count; i++) {
        char name[160];
        printf("| ");
        if (options[i].letter != 0)
            printf("`-%c`, ", options[i].letter);
        snprintf(name, sizeof name, "`--%s%s%s`", options[i].name,
                 options[i].value != NULL ? " " : "",
                 options[i].value != NULL ? options[i].value : "");
        put_cell(name);
        printf(" | %s | %s |\n", options[i].sentence,
               options[i].flags & I8X_OPTION_REQUIRED ? "needed"
               : options[i].flags & I8X_OPTION_REPEAT ? "repeats"
                                                      : "");
    }
}

static void put_facts(const char *title, const char *column, const i8x_guide_fact *facts, int count)
{
    printf("\n## %s\n\n| %s | meaning |\n|---|---|\n", title, column);
    for (int i = 0; i < count; i++)
        printf("| `%s` | %s |\n", facts[i].name, facts[i].sentence);
}

/* A line end stays one by the two blanks before it. */
static void put_notes(const char *notes)
{
    if (notes == NULL)
        return;
    printf("\n");
    while (*notes != 0) {
        size_t length = strcspn(notes, "\n");
        bool line = notes[length] == '\n' && notes[length + 1] != '\n';
        printf("%.*s%s\n", (int)length, notes, line && length > 0 ? "  " : "");
        notes += length + (notes[length] == '\n');
    }
}

static void put_command(const i8x_command *command)
{
    printf("\n## int8x %s\n\n`int8x %s %s`\n\n%s%s.\n", command->name, command->name,
           command->usage, command->sentence,
           command->recipe_help ? "; recipe fields: [config.md](config.md)" : "");
    put_notes(i8x_guide_notes(command));
    put_options(command->options, command->option_count);
}

/* tests/e2e/test_docs.py runs them. */
static const char examples[] =
    "## Examples\n\n```sh\n"
    "int8xd --data data --local-workers 2            # a service to try it on, in another "
    "terminal\n"
    "int8x context set here --server http://127.0.0.1:8480\n"
    "int8x quantize model.onnx -o small.onnx --calib calib.npy --set clip=mse --exclude '/9/*'\n"
    "job=$(int8x submit model.onnx --calib calib.npy --eval eval.npy --labels labels.npy)\n"
    "int8x watch \"$job\"\n"
    "int8x fetch \"$job\" -o result\n"
    "int8x get jobs --state done -o name\n"
    "int8x get tasks \"$job\" -o csv > tasks.csv\n"
    "int8x describe job \"$job\" -o json | jq -r .artifact_sha256\n"
    "int8x logs \"$job\" --json > events.json\n"
    "echo '{\"space\": {\"clip\": [\"minmax\", \"mse\"]}}' > sweep.json\n"
    "sweep=$(int8x sweep sweep.json model.onnx --calib calib.npy --eval eval.npy --remote "
    "--detach)\n"
    "int8x watch \"$sweep\"\n"
    "int8x fetch \"$sweep\" -o swept\n"
    "int8x get jobs --state failed -o name | xargs -rn1 int8x rm\n"
    "int8x completion bash > int8x.bash\n"
    "int8x help sweep\n"
    "```\n";

void i8x_guide_cli(void)
{
    int count;
    printf(
        "# The command line\n\nMade from the tables of `client/cli` by `int8x --dump-docs cli`; "
        "a check compares them. `int8x --dump-docs man [COMMAND]` gives the same as a man page.\n\n"
        "Results go to standard output, progress and errors to standard error. With `--json` the "
        "result, or the error, is one JSON document on standard output.\n\n" I8X_GUIDE_NAMES
        "\n\n%s\n## Options of every command\n",
        examples);
    const i8x_option *options = i8x_options_common(&count);
    put_options(options, count);
    const i8x_command *const *commands = i8x_commands(&count);
    for (int i = 0; i < count; i++)
        put_command(commands[i]);
    const i8x_guide_fact *facts = i8x_guide_environment(&count);
    put_facts("Environment", "variable", facts, count);
    facts = i8x_guide_files(&count);
    put_facts("Files", "file", facts, count);
    printf("\n## Exit codes\n\n| code | meaning |\n|---|---|\n");
    char text[512];
    for (int code = 0; code < I8X_EXIT_CODES; code++)
        if (i8x_guide_exit_code(code, text, sizeof text))
            printf("| %d | %s |\n", code, text);
}

static void put_field(const i8x_field *field)
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

void i8x_guide_config(void)
{
    int count;
    const i8x_field *fields = i8x_fields(&count);
    printf(
        "# Configuration\n\nMade from the tables of the programs by `int8x --dump-docs config`, "
        "`int8xd --dump-docs` and `int8x-worker --dump-docs`; a check compares them. Options of "
        "`int8x`: [cli.md](cli.md).\n\n## The recipe\n\nA recipe is a JSON object with any of "
        "these members (`--recipe FILE`), or `--set KEY=VALUE`. What is left out has its default; "
        "the defaults are the best recipe known.\n\n"
        "| field | values | default | meaning | reaches |\n|---|---|---|---|---|\n");
    for (int i = 0; i < count; i++)
        put_field(&fields[i]);
    for (int i = 0; i < count; i++) {
        if (fields[i].choice_count == 0)
            continue;
        printf("\n### %s\n\n| value | meaning |\n|---|---|\n", fields[i].name);
        for (int c = 0; c < fields[i].choice_count; c++)
            printf("| `%s` | %s |\n", fields[i].choices[c].text, fields[i].choices[c].sentence);
    }
}
