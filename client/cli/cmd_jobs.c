/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x jobs: the jobs of a service, newest first.
 */
#include <stdio.h>

#include "client/cli/commands.h"
#include "client/cli/output.h"
#include "client/cli/service.h"
#include "client/cli/table.h"

static const i8x_option jobs_options[] = {
    {"limit", 0, "N", "so many at most (100)", 0},
};

static i8x_status print_table(const i8x_json *answer)
{
    i8x_table *table = NULL;
    I8X_TRY(i8x_table_new("job|state|stage|>done|>tasks|created|model", &table));
    const i8x_json *jobs = i8x_json_member(answer, "jobs");
    for (int i = 0; i < i8x_json_count(jobs); i++) {
        const i8x_json *job = i8x_json_item(jobs, i);
        i8x_table_add(
            table, "%s|%s|%s|%.0f|%.0f|%s|%s", i8x_json_member_text(job, "id", ""),
            i8x_json_member_text(job, "state", ""), i8x_json_member_text(job, "stage", ""),
            i8x_json_member_number(job, "done", 0), i8x_json_member_number(job, "tasks", 0),
            i8x_json_member_text(job, "created", ""), i8x_json_member_text(job, "name", ""));
    }
    i8x_table_print(table);
    return I8X_OK;
}

static i8x_status jobs(const i8x_options *options)
{
    long limit;
    char path[64];
    i8x_remote *remote = NULL;
    i8x_json *answer = NULL;
    I8X_TRY(i8x_options_int(options, "limit", 1, 1000, 100, &limit));
    I8X_TRY(i8x_service_open(options, &remote));
    snprintf(path, sizeof path, "/v1/jobs?limit=%ld", limit);
    i8x_status status = i8x_remote_call(remote, "GET", path, NULL, &answer);
    if (status == I8X_OK)
        status = i8x_options_has(options, "json") ? i8x_output_json(answer) : print_table(answer);
    i8x_json_free(answer);
    i8x_remote_free(remote);
    return status;
}

const i8x_command i8x_cmd_jobs = {"jobs",
                                  "[--limit N]",
                                  "lists the jobs of the service",
                                  jobs_options,
                                  I8X_COUNT(jobs_options),
                                  0,
                                  0,
                                  false,
                                  jobs};
