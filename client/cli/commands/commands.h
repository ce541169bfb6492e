/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands: the list of commands.def. A new command is a file cmd_<name>.c and a line there.
 */
#ifndef CLIENT_CLI_COMMANDS_H
#define CLIENT_CLI_COMMANDS_H

#include "client/cli/options.h"

#define COMMAND(name) extern const i8x_command i8x_cmd_##name;
#include "client/cli/commands/commands.def"
#undef COMMAND

/** All commands in the order of --help. Static. */
const i8x_command *const *i8x_commands(int *count);

/** Command of that name. Errors: I8X_EARG with the nearest. */
i8x_status i8x_command_find(const char *name, const i8x_command **command)
    __attribute__((warn_unused_result));

#endif
