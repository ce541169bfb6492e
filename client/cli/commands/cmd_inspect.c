/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x inspect: what is in a model, and what stands in the way of quantizing it.
 */
#include "client/cli/commands/commands.h"
#include "client/cli/output.h"
#include "client/cli/table.h"
#include "int8x/inspect.h"

static const i8x_option inspect_options[] = {
    {"shape", 0, "NAME=DIMS", "shape of an input that the model leaves open: NAME=1,3,224,224",
     I8X_OPTION_REPEAT},
    {"target", 0, "NAME", "runtime whose rules decide what can be quantized", 0},
    {"exclude", 0, "GLOB", "nodes that stay float", I8X_OPTION_REPEAT},
    {"only", 0, "GLOB", "just these nodes are quantized", I8X_OPTION_REPEAT},
    {"op-types", 0, "LIST", "operator types that are quantized, with commas between", 0},
};

static i8x_status print_json(const i8x_inspection *inspection)
{
    i8x_json *json;
    I8X_TRY(i8x_json_object(&json));
    i8x_json_put_inspection(json, inspection);
    i8x_status status = i8x_output_json(json);
    i8x_json_free(json);
    return status;
}

static i8x_status inspect(const i8x_options *options)
{
    i8x_recipe recipe;
    i8x_inspection inspection;
    i8x_arena *arena = NULL;
    I8X_TRY(i8x_options_recipe(options, &recipe));
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    i8x_status status = i8x_inspect_file(options->positional[0], &recipe, arena, &inspection);
    if (status == I8X_OK && i8x_options_has(options, "json"))
        status = print_json(&inspection);
    else if (status == I8X_OK)
        i8x_table_inspection(&inspection);
    i8x_arena_free(arena);
    return status;
}

const i8x_command i8x_cmd_inspect = {"inspect",
                                     "MODEL",
                                     "shows layers, shapes, sizes, ranges and problems of a model",
                                     inspect_options,
                                     I8X_COUNT(inspect_options),
                                     1,
                                     1,
                                     false,
                                     inspect};
