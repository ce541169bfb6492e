/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x: finds the command, parses its options, runs it, and says what went wrong.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands/commands.h"
#include "client/cli/guide/guide.h"
#include "client/cli/view/form.h"
#include "client/cli/view/printable.h"
#include "int8x/alloc.h"
#include "int8x/kernels.h"
#include "proto/json.h"

static const i8x_command *const command_table[] = {
#define COMMAND(name) &i8x_cmd_##name,
#include "client/cli/commands/commands.def"
#undef COMMAND
};

const i8x_command *const *i8x_commands(int *count)
{
    *count = I8X_COUNT(command_table);
    return command_table;
}

i8x_status i8x_command_find(const char *name, const i8x_command **command)
{
    const char *names[I8X_COUNT(command_table)];
    for (int i = 0; i < I8X_COUNT(command_table); i++) {
        names[i] = command_table[i]->name;
        if (strcmp(name, names[i]) == 0) {
            *command = command_table[i];
            return I8X_OK;
        }
    }
    I8X_FAIL(I8X_EARG, "unknown command '%.60s'; the nearest is '%s' (see --help)", name,
             i8x_nearest(name, names, I8X_COUNT(names)));
}

static i8x_status select_level(void)
{
    const char *mask = getenv("INT8X_CPU_MASK");
    i8x_cpu_level level;
    if (mask == NULL || mask[0] == '\0')
        return I8X_OK;
    if (i8x_cpu_level_parse(mask, &level) != I8X_OK)
        return i8x_fail_prefix("INT8X_CPU_MASK: ");
    i8x_kernels_select(level);
    return I8X_OK;
}

static i8x_status run(int argc, char **argv, const i8x_command **command, i8x_options *options)
{
    int at = 1;
    I8X_TRY(select_level());
    I8X_TRY(i8x_options_parse_common(argc, argv, &at, options));
    if (at == argc) {
        i8x_guide_help(NULL);
        I8X_ENSURE(i8x_options_has(options, "help"), I8X_EARG, "no command");
        return I8X_OK;
    }
    I8X_TRY(i8x_command_find(argv[at], command));
    I8X_TRY(i8x_options_parse(*command, argc, argv, at + 1, options));
    if (i8x_options_has(options, "help")) {
        i8x_guide_help(*command);
        return I8X_OK;
    }
    return (*command)->run(options);
}

/* The sentence on standard error; with --json the same as a document on standard output. */
static void tell(const i8x_command *command, const i8x_options *options, i8x_status status)
{
    char detail[I8X_ERROR_DETAIL_SIZE];
    snprintf(detail, sizeof detail, "%s", i8x_last_error()->detail);
    i8x_printable(detail);
    fprintf(stderr, "int8x: %s%s%s\n", command != NULL ? command->name : "",
            command != NULL ? ": " : "", detail);
    i8x_json *json = NULL;
    char *text = NULL;
    size_t size;
    if (!i8x_form_is_json(options) || i8x_json_object(&json) != I8X_OK)
        return;
    i8x_json_put_error(json, status, detail);
    if (i8x_json_print(json, true, &text, &size) == I8X_OK) {
        printf("%s\n", text);
        i8x_alloc_free(i8x_alloc_heap(), text, size + 1);
    }
    i8x_json_free(json);
}

/* What the checks, the build and the shells' scripts ask for; not part of the help. */
static bool answer_machine(int argc, char **argv)
{
    const i8x_command *command = NULL;
    bool docs = argc >= 3 && strcmp(argv[1], "--dump-docs") == 0;
    if (argc >= 2 && strcmp(argv[1], "--complete") == 0)
        i8x_guide_complete(argc - 2, (const char *const *)argv + 2);
    else if (argc == 3 && docs && strcmp(argv[2], "cli") == 0)
        i8x_guide_cli();
    else if (argc == 3 && docs && strcmp(argv[2], "config") == 0)
        i8x_guide_config();
    else if (argc == 3 && docs && strcmp(argv[2], "man") == 0)
        i8x_guide_man(NULL);
    else if (argc == 4 && docs && i8x_command_find(argv[3], &command) == I8X_OK)
        i8x_guide_man(command);
    else
        return false;
    return true;
}

/* A result that did not reach standard output (a full disk) is a failure, too. */
static i8x_status end_output(i8x_status status)
{
    bool written = fflush(stdout) == 0 && ferror(stdout) == 0;
    if (written || status != I8X_OK)
        return status;
    fprintf(stderr, "int8x: standard output cannot be written: %s\n", strerror(errno));
    return I8X_EIO;
}

int main(int argc, char **argv)
{
    static i8x_options options;
    const i8x_command *command = NULL;
    i8x_alloc_return_large();
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("int8x %s\n", INT8X_VERSION);
        return 0;
    }
    if (answer_machine(argc, argv))
        return i8x_status_exit_code(end_output(I8X_OK));
    i8x_status status = run(argc, argv, &command, &options);
    if (status != I8X_OK)
        tell(command, &options, status);
    return i8x_status_exit_code(end_output(status));
}
