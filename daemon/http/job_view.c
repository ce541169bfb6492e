/* SPDX-License-Identifier: Apache-2.0
 *
 * The members of a job.
 */
#include "daemon/http/job_view.h"

#include <stdio.h>
#include <string.h>

#include "daemon/events.h"
#include "int8x/alloc.h"

void i8x_job_view_of(const i8x_study_job *job, i8x_job_view *view)
{
    *view = (i8x_job_view){.id = job->id,
                           .name = job->job.name,
                           .owner = job->owner,
                           .detail = job->detail,
                           .tail = job->tail,
                           .suspect = job->suspect,
                           .sweep = job->sweep,
                           .sequence = job->sequence,
                           .created_ms = job->created_ms,
                           .finished_ms = job->finished_ms,
                           .version = job->version,
                           .state = job->state,
                           .status = job->status,
                           .priority = job->priority,
                           .audits = job->audits,
                           .artifact = job->artifact,
                           .report = job->report};
    memcpy(view->stages, job->stages, sizeof view->stages);
}

i8x_status i8x_job_view_copy(const i8x_job_row *row, i8x_arena *arena, i8x_job_view *view)
{
    *view = (i8x_job_view){.id = i8x_arena_string(arena, row->id),
                           .name = i8x_arena_string(arena, row->name),
                           .owner = i8x_arena_string(arena, row->owner),
                           .detail = i8x_arena_string(arena, row->detail),
                           .tail = i8x_arena_string(arena, row->tail),
                           .suspect = i8x_arena_string(arena, row->suspect),
                           .sweep = i8x_arena_string(arena, row->sweep),
                           .sequence = row->sequence,
                           .created_ms = row->created_ms,
                           .finished_ms = row->finished_ms,
                           .version = row->version,
                           .state = row->state,
                           .status = row->status,
                           .priority = row->priority,
                           .artifact = row->artifact,
                           .report = row->report};
    I8X_ENSURE(view->id != NULL && view->name != NULL && view->owner != NULL &&
                   view->detail != NULL && view->tail != NULL && view->suspect != NULL &&
                   view->sweep != NULL,
               I8X_ENOMEM, "no memory for a page of jobs");
    if (row->stages_size > 0 &&
        row->stages_size <= sizeof view->stages) /* fewer kinds: an older version wrote it */
        memcpy(view->stages, row->stages, row->stages_size);
    return I8X_OK;
}

static void put_stages(i8x_json *json, const i8x_job_view *view)
{
    uint32_t tasks = 0, done = 0, cached = 0;
    const char *running = "";
    i8x_json *list = i8x_json_put_list(json, "stages");
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++) {
        const i8x_study_stage *stage = &view->stages[kind];
        if (stage->tasks == 0)
            continue;
        i8x_json *row = i8x_json_put_object(list, NULL);
        i8x_json_put_text(row, "kind", i8x_task_kind_name((i8x_task_kind)kind));
        i8x_json_put_u64(row, "tasks", stage->tasks);
        i8x_json_put_u64(row, "done", stage->done);
        i8x_json_put_u64(row, "cached", stage->cached);
        if (stage->done < stage->tasks && running[0] == 0)
            running = i8x_task_kind_name((i8x_task_kind)kind);
        tasks += stage->tasks;
        done += stage->done;
        cached += stage->cached;
    }
    bool audit = running[0] == 0 && view->audits > 0 && !i8x_job_state_ended(view->state);
    i8x_json_put_text(json, "stage", audit ? "audit" : running);
    i8x_json_put_u64(json, "tasks", tasks);
    i8x_json_put_u64(json, "done", done);
    i8x_json_put_u64(json, "cached", cached);
    if (view->audits > 0)
        i8x_json_put_u64(json, "audits", (uint64_t)view->audits);
}

static void put_error(i8x_json *json, const i8x_job_view *view)
{
    char type[64];
    snprintf(type, sizeof type, "urn:int8x:status:%s", i8x_status_name(view->status));
    i8x_json *error = i8x_json_put_object(json, "error");
    i8x_json_put_text(error, "type", type);
    i8x_json_put_text(error, "title", i8x_status_sentence(view->status));
    i8x_json_put_u64(error, "status", (uint64_t)i8x_status_http(view->status));
    i8x_json_put_text(error, "detail", view->detail);
    if (view->tail[0] != 0)
        i8x_json_put_text(error, "tail", view->tail);
}

void i8x_job_view_put(i8x_json *json, const i8x_job_view *view)
{
    char text[I8X_TIME_TEXT_SIZE];
    i8x_json_put_text(json, "id", view->id);
    i8x_json_put_text(json, "name", view->name);
    i8x_json_put_text(json, "state", i8x_job_state_name(view->state));
    i8x_json_put_u64(json, "version", (uint64_t)view->version);
    i8x_json_put_u64(json, "priority", (uint64_t)view->priority);
    if (view->owner[0] != 0)
        i8x_json_put_text(json, "owner", view->owner);
    if (view->sweep[0] != 0)
        i8x_json_put_text(json, "sweep", view->sweep);
    i8x_json_put_text(json, "created", i8x_time_text(view->created_ms, text));
    if (i8x_job_state_ended(view->state))
        i8x_json_put_text(json, "finished", i8x_time_text(view->finished_ms, text));
    put_stages(json, view);
    if (view->state == I8X_JOB_FAILED || view->state == I8X_JOB_CANCELED)
        put_error(json, view);
    if (view->state == I8X_JOB_DONE) {
        i8x_json_put_digest(json, "artifact_sha256", &view->artifact.digest);
        i8x_json_put_u64(json, "artifact_bytes", view->artifact.size_bytes);
        i8x_json_put_digest(json, "result_sha256", &view->report.digest);
    }
    if (view->suspect[0] != 0)
        i8x_json_put_text(json, "suspect", view->suspect);
}
