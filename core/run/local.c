/* SPDX-License-Identifier: Apache-2.0
 *
 * Local: runs a plan in this process, task after task in plan order, each on all threads. That is
 * slower than tasks side by side where tasks are small, and it keeps memory at that of one task,
 * which is what a board has. Keys, blobs and bytes are those of any fleet.
 */
#include <string.h>

#include "int8x/clock.h"
#include "int8x/report.h"
#include "int8x/task.h"

static void measure_task(i8x_measured *measured, i8x_task_kind kind,
                         const i8x_task_measure *measure)
{
    if (measured == NULL)
        return;
    i8x_measured_stage *stage = &measured->stages[kind];
    stage->kind = kind;
    stage->tasks++;
    stage->wall_ns += measure->wall_ns;
    stage->cpu_ns += measure->cpu_ns;
    if (measure->peak_bytes > stage->peak_bytes)
        stage->peak_bytes = measure->peak_bytes;
    if (measure->peak_bytes > measured->peak_bytes)
        measured->peak_bytes = measure->peak_bytes;
    measured->level = measure->level;
}

static i8x_status run_task(i8x_plan *plan, int index, const i8x_task_env *env,
                           i8x_measured *measured)
{
    i8x_task_result *result = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *result);
    I8X_TRY(i8x_alloc_check(result));
    i8x_task_kind kind = i8x_plan_task_kind(plan, index);
    i8x_status status = i8x_task_run(i8x_plan_task(plan, index), env, result);
    if (status == I8X_OK) {
        measure_task(measured, kind, &result->measure);
        status = i8x_plan_complete(plan, index, result);
        i8x_task_result_deinit(result);
    }
    i8x_alloc_free(i8x_alloc_heap(), result, sizeof *result);
    return status;
}

static i8x_status run_plan(i8x_plan *plan, const i8x_task_env *env, i8x_measured *measured,
                           i8x_local_progress_cb stage, void *user)
{
    /* a task waits for lower numbers only, so nothing before the last one becomes ready again */
    for (int index = -1; !i8x_plan_finished(plan);) {
        index = i8x_plan_next_ready(plan, index + 1);
        I8X_ENSURE(index >= 0, I8X_EINTERNAL, "the plan has no task that can run");
        I8X_TRY(run_task(plan, index, env, measured));
        if (stage != NULL)
            stage(user, plan, index);
    }
    return I8X_OK;
}

i8x_status i8x_local_run(const i8x_job *job, const i8x_task_env *env, i8x_plan **plan,
                         i8x_measured *measured, i8x_local_progress_cb stage, void *user)
{
    i8x_plan *made = NULL;
    I8X_TRY(i8x_plan_new(job, &made));
    if (measured != NULL)
        memset(measured, 0, sizeof *measured);
    int64_t wall = i8x_clock_now_ns(NULL), cpu = i8x_clock_process_cpu_ns();
    i8x_status status = run_plan(made, env, measured, stage, user);
    if (status != I8X_OK) {
        i8x_plan_free(made);
        return status;
    }
    if (measured != NULL) {
        measured->wall_ns = (uint64_t)(i8x_clock_now_ns(NULL) - wall);
        measured->cpu_ns = (uint64_t)(i8x_clock_process_cpu_ns() - cpu);
    }
    *plan = made;
    return I8X_OK;
}
