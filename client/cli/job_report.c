/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON report carries what the run cost; what it found is read from the canonical record behind
 * result_sha256, so that the table is made of the very bytes that were hashed.
 */
#include "client/cli/job_report.h"

#include <stdio.h>

#include "client/cli/table.h"
#include "int8x/report.h"
#include "proto/json.h"

static i8x_status show(i8x_remote *remote, const i8x_json *json, i8x_arena *arena)
{
    char path[32 + I8X_DIGEST_HEX_SIZE], *record = NULL;
    size_t size = 0;
    i8x_digest digest;
    i8x_report report;
    i8x_measured measured;
    const char *hex = i8x_json_member_text(json, "result_sha256", "");
    I8X_TRY(i8x_digest_from_hex(hex, &digest));
    snprintf(path, sizeof path, "/v1/blobs/%s", hex);
    I8X_TRY(i8x_remote_text(remote, path, &record, &size));
    i8x_digest got = i8x_digest_of(record, size);
    i8x_status status = i8x_report_decode(record, size, arena, &report);
    i8x_alloc_free(i8x_alloc_heap(), record, size + 1);
    I8X_ENSURE(i8x_digest_equal(&got, &digest), I8X_ECORRUPT,
               "the report's record does not match result_sha256 %s", hex);
    I8X_TRY(status);
    I8X_TRY(i8x_json_to_measured(i8x_json_member(json, "measured"), arena, &measured));
    i8x_table_report(&report, &digest, &measured);
    return I8X_OK;
}

i8x_status i8x_job_report_show(i8x_remote *remote, const char *text, size_t size)
{
    i8x_json *json = NULL;
    i8x_arena *arena = NULL;
    I8X_TRY(i8x_json_parse(text, size, &json));
    i8x_status status = i8x_arena_new(NULL, 0, &arena);
    if (status == I8X_OK)
        status = show(remote, json, arena);
    i8x_arena_free(arena);
    i8x_json_free(json);
    return status;
}
