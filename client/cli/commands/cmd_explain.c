/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x explain: why a job does not run, or what it waits for, in the service's words.
 */
#include "client/cli/commands/commands.h"
#include "client/cli/service.h"
#include "client/cli/view/resource.h"

static const i8x_option explain_options[] = {I8X_OPTION_FORM};

static const i8x_column facts[] = {
    {"job", "job", I8X_CELL_PLAIN, 0},
    {"state", "state", I8X_CELL_PLAIN, 0},
    {"why", "summary", I8X_CELL_PLAIN, 0},
    {"workers", "workers", I8X_CELL_PLAIN, 0},
    {"tasks done", "tasks.done", I8X_CELL_PLAIN, 0},
    {"open", "tasks.open", I8X_CELL_PLAIN, 0},
    {"blocked", "tasks.blocked", I8X_CELL_PLAIN, 0},
    {"held", "tasks.held", I8X_CELL_PLAIN, 0},
    {"looked at", "tasks.looked_at", I8X_CELL_PLAIN, I8X_COLUMN_WIDE},
};

static const i8x_column reasons[] = {
    {"tasks", "count", I8X_CELL_PLAIN, I8X_COLUMN_RIGHT},
    {"kind", "kind", I8X_CELL_PLAIN, 0},
    {"reason", "reason", I8X_CELL_PLAIN, 0},
    {"the first", "tasks", I8X_CELL_PLAIN, I8X_COLUMN_WIDE},
    {"in words", "text", I8X_CELL_PLAIN, 0},
};

static const i8x_section sections[] = {
    {NULL, NULL, I8X_SECTION_FACTS, facts, I8X_COUNT(facts)},
    {"reasons", "reasons", I8X_SECTION_LIST, reasons, I8X_COUNT(reasons)},
};

static const i8x_resource explanation = {
    .one = "explanation", .sections = sections, .section_count = I8X_COUNT(sections)};

static i8x_status explain(const i8x_options *options)
{
    char path[160];
    i8x_form form;
    i8x_remote *remote = NULL;
    i8x_json *answer = NULL;
    I8X_TRY(i8x_form_of(options, &form));
    I8X_ENSURE(form != I8X_FORM_NAME, I8X_EARG,
               "an explanation has no id: leave --output name out");
    I8X_TRY(i8x_service_job_path(options->positional[0], "/explain", path, sizeof path));
    I8X_TRY(i8x_service_open(options, &remote));
    i8x_status status = i8x_remote_call(remote, "GET", path, NULL, &answer);
    if (status == I8X_OK)
        status = i8x_resource_describe(&explanation, answer, form);
    i8x_json_free(answer);
    i8x_remote_free(remote);
    return status;
}

const i8x_command i8x_cmd_explain = {"explain",
                                     "JOB [-o FORM]",
                                     "says why a job does not run, or what it waits for",
                                     explain_options,
                                     I8X_COUNT(explain_options),
                                     1,
                                     1,
                                     false,
                                     explain};
