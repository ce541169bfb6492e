/* SPDX-License-Identifier: Apache-2.0
 *
 * The job's marks lead to its results; what each says about its cost is added up.
 */
#include "daemon/measure.h"

#include <string.h>

#include "int8x/alloc.h"

#define SCRATCH_MAX (4u << 20) /* marks and one result */
#define MARKS_AT_ONCE 1024

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

static i8x_status add_result(i8x_ledger_view *view, const char *id, i8x_task_kind kind,
                             const i8x_digest *key, i8x_arena *scratch, i8x_arena *arena,
                             i8x_measured *measured, i8x_task_result *result)
{
    i8x_result_row row;
    I8X_TRY(i8x_ledger_get_result(view, key, scratch, &row));
    I8X_TRY(i8x_task_result_decode(row.bytes, row.size, result));
    return add_task(id, arena, &row, kind, &result->measure, measured);
}

static i8x_status walk_marks(i8x_ledger_view *view, const char *id, i8x_arena *scratch,
                             i8x_arena *arena, i8x_measured *measured, int *total)
{
    for (int first = 0, got = 1; got > 0; first += got) {
        i8x_arena_mark mark = i8x_arena_mark_get(scratch);
        const uint8_t *marks;
        I8X_TRY(i8x_ledger_get_marks(view, id, first, MARKS_AT_ONCE, scratch, &marks, &got, total));
        for (int i = 0; i < got; i++) {
            const uint8_t *at = marks + (size_t)i * I8X_TASK_MARK_SIZE;
            i8x_digest key;
            i8x_task_result result = {0};
            memcpy(key.bytes, at + 1, I8X_DIGEST_SIZE);
            I8X_ENSURE(at[0] < I8X_TASK_KIND_COUNT, I8X_ECORRUPT, "job %s has a task of kind %d",
                       id, at[0]);
            i8x_arena_mark inner = i8x_arena_mark_get(scratch);
            i8x_status status =
                add_result(view, id, (i8x_task_kind)at[0], &key, scratch, arena, measured, &result);
            i8x_task_result_deinit(&result);
            i8x_arena_rewind(scratch, inner);
            if (status != I8X_OK && status != I8X_ENOENT)
                return status;
        }
        i8x_arena_rewind(scratch, mark);
    }
    return I8X_OK;
}

/* A job that ended under the first release has no marks: its plan is made again. */
static i8x_status replay(i8x_ledger_view *view, const char *id, i8x_plan *plan, i8x_arena *scratch,
                         i8x_arena *arena, i8x_measured *measured)
{
    i8x_status status = I8X_OK;
    for (int index; status == I8X_OK && (index = i8x_plan_take_ready(plan)) >= 0;) {
        i8x_digest key = i8x_task_key(i8x_plan_task(plan, index));
        i8x_task_result result = {0};
        i8x_arena_mark mark = i8x_arena_mark_get(scratch);
        status = add_result(view, id, i8x_plan_task_kind(plan, index), &key, scratch, arena,
                            measured, &result);
        if (status == I8X_OK)
            status = i8x_plan_complete(plan, index, &result);
        i8x_task_result_deinit(&result);
        i8x_arena_rewind(scratch, mark);
    }
    return status == I8X_ENOENT ? I8X_OK : status;
}

i8x_status i8x_measure_job(i8x_ledger_view *view, const char *id, const i8x_job *job,
                           i8x_arena *arena, i8x_measured *measured)
{
    *measured = (i8x_measured){0};
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
        measured->stages[kind].kind = (i8x_task_kind)kind;
    i8x_plan *plan = NULL;
    i8x_arena *scratch = NULL;
    int total = 0;
    I8X_TRY(i8x_arena_new(NULL, SCRATCH_MAX, &scratch));
    i8x_status status = walk_marks(view, id, scratch, arena, measured, &total);
    if (status == I8X_OK && total == 0)
        status = i8x_plan_new(job, &plan);
    if (status == I8X_OK && plan != NULL)
        status = replay(view, id, plan, scratch, arena, measured);
    i8x_plan_free(plan);
    i8x_arena_free(scratch);
    return status;
}
