/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x help: what --help says, for those who type it as a word.
 */
#include <string.h>

#include "client/cli/commands/commands.h"
#include "client/cli/guide/guide.h"

static i8x_status help(const i8x_options *options)
{
    const i8x_command *command = NULL;
    if (options->positional_count > 0)
        I8X_TRY(i8x_command_find(options->positional[0], &command));
    i8x_guide_help(command);
    return I8X_OK;
}

const i8x_command i8x_cmd_help = {
    "help", "[COMMAND]", "says what int8x or one of its commands does", NULL, 0, 0, 1, false, help};
