/* SPDX-License-Identifier: Apache-2.0
 *
 * A replay of the plan that adds up what each result says about its cost.
 */
#include "daemon/measure.h"

#include <string.h>

#include "int8x/alloc.h"

#define SCRATCH_MAX (4u << 20) /* one result */

static i8x_status count_worker(i8x_measured *measured, i8x_arena *arena, const i8x_result_row *row,
                               i8x_cpu_level level)
{
    const char *level_name = i8x_cpu_level_name(level);
    for (int i = 0; i < measured->worker_count; i++) {
        i8x_measured_worker *worker = &measured->workers[i];
        if (strcmp(worker->name, row->worker) == 0 && strcmp(worker->level, level_name) == 0) {
            worker->tasks++;
            return I8X_OK;
        }
    }
    if ((measured->worker_count & (measured->worker_count - 1)) ==
        0) { /* room doubles at powers of two */
        size_t room = measured->worker_count == 0 ? 1 : (size_t)measured->worker_count * 2;
        i8x_measured_worker *workers = i8x_arena_array(arena, room, sizeof *workers);
        I8X_TRY(i8x_alloc_check(workers));
        if (measured->worker_count > 0)
            memcpy(workers, measured->workers, (size_t)measured->worker_count * sizeof *workers);
        measured->workers = workers;
    }
    const char *name = i8x_arena_string(arena, row->worker);
    const char *arch = i8x_arena_string(arena, row->arch);
    I8X_ENSURE(name != NULL && arch != NULL, I8X_ENOMEM, "no memory for a worker's name");
    measured->workers[measured->worker_count++] = (i8x_measured_worker){name, level_name, arch, 1};
    return I8X_OK;
}

static i8x_status add_task(const char *id, i8x_arena *arena, const i8x_result_row *row,
                           i8x_task_kind kind, const i8x_task_measure *cost, i8x_measured *measured)
{
    i8x_measured_stage *stage = &measured->stages[kind];
    stage->kind = kind;
    stage->tasks++;
    if (strcmp(row->job, id) != 0) {
        stage->cached++;
        return I8X_OK;
    }
    stage->wall_ns += cost->wall_ns;
    stage->cpu_ns += cost->cpu_ns;
    stage->peak_bytes = cost->peak_bytes > stage->peak_bytes ? cost->peak_bytes : stage->peak_bytes;
    measured->cpu_ns += cost->cpu_ns;
    measured->peak_bytes =
        cost->peak_bytes > measured->peak_bytes ? cost->peak_bytes : measured->peak_bytes;
    return count_worker(measured, arena, row, cost->level);
}

static i8x_status replay(i8x_ledger_view *view, const char *id, i8x_plan *plan, i8x_arena *scratch,
                         i8x_arena *arena, i8x_measured *measured)
{
    i8x_status status = I8X_OK;
    for (int index; status == I8X_OK && (index = i8x_plan_take_ready(plan)) >= 0;) {
        i8x_digest key = i8x_task_key(i8x_plan_task(plan, index));
        i8x_result_row row;
        i8x_task_result result = {0};
        i8x_arena_mark mark = i8x_arena_mark_get(scratch);
        status = i8x_ledger_get_result(view, &key, scratch, &row);
        if (status == I8X_OK)
            status = i8x_task_result_decode(row.bytes, row.size, &result);
        if (status == I8X_OK)
            status = i8x_plan_complete(plan, index, &result);
        if (status == I8X_OK)
            status = add_task(id, arena, &row, i8x_plan_task_kind(plan, index), &result.measure,
                              measured);
        i8x_task_result_deinit(&result);
        i8x_arena_rewind(scratch, mark);
    }
    return status;
}

i8x_status i8x_measure_job(i8x_ledger_view *view, const char *id, const i8x_job *job,
                           i8x_arena *arena, i8x_measured *measured)
{
    *measured = (i8x_measured){0};
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
        measured->stages[kind].kind = (i8x_task_kind)kind;
    i8x_plan *plan = NULL;
    i8x_arena *scratch = NULL;
    I8X_TRY(i8x_plan_new(job, &plan));
    i8x_status status = i8x_arena_new(NULL, SCRATCH_MAX, &scratch);
    if (status == I8X_OK)
        status = replay(view, id, plan, scratch, arena, measured);
    i8x_arena_free(scratch);
    i8x_plan_free(plan);
    return status == I8X_ENOENT ? I8X_OK : status;
}
