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

/* Result of a task: from the cache, or computed and put there. */
static i8x_status get_result(const i8x_task *task, const i8x_task_env *env,
                             const i8x_result_cache *cache, i8x_measured *measured,
                             i8x_task_result *result)
{
    bool found = false;
    i8x_digest key = i8x_task_key(task);
    if (cache != NULL)
        I8X_TRY(cache->get(cache->user, &key, result, &found));
    if (found) {
        if (measured != NULL) {
            measured->stages[task->kind].kind = task->kind;
            measured->stages[task->kind].tasks++;
            measured->stages[task->kind].cached++;
        }
        return I8X_OK;
    }
    I8X_TRY(i8x_task_run(task, env, result));
    measure_task(measured, task->kind, &result->measure);
    i8x_status status = cache != NULL ? cache->put(cache->user, &key, result) : I8X_OK;
    if (status != I8X_OK)
        i8x_task_result_deinit(result);
    return status;
}

static i8x_status run_task(i8x_plan *plan, int index, const i8x_task_env *env,
                           const i8x_result_cache *cache, i8x_measured *measured)
{
    i8x_task_result *result = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *result);
    I8X_TRY(i8x_alloc_check(result));
    i8x_status status = get_result(i8x_plan_task(plan, index), env, cache, measured, result);
    if (status == I8X_OK) {
        status = i8x_plan_complete(plan, index, result);
        i8x_task_result_deinit(result);
    }
    i8x_alloc_free(i8x_alloc_heap(), result, sizeof *result);
    return status;
}

static i8x_status run_plan(i8x_plan *plan, const i8x_task_env *env, const i8x_local_opts *opts,
                           i8x_measured *measured)
{
    /* a task waits for lower numbers only, so nothing before the last one becomes ready again */
    for (int index = -1; !i8x_plan_finished(plan);) {
        index = i8x_plan_next_ready(plan, index + 1);
        I8X_ENSURE(index >= 0, I8X_EINTERNAL, "the plan has no task that can run");
        I8X_TRY(run_task(plan, index, env, opts->cache, measured));
        if (opts->stage != NULL)
            opts->stage(opts->user, plan, index);
    }
    return I8X_OK;
}

i8x_status i8x_local_run(const i8x_job *job, const i8x_task_env *env, const i8x_local_opts *opts,
                         i8x_plan **plan, i8x_measured *measured)
{
    static const i8x_local_opts plain = {0};
    i8x_plan *made = NULL;
    I8X_TRY(i8x_plan_new(job, &made));
    if (measured != NULL)
        memset(measured, 0, sizeof *measured);
    int64_t wall = i8x_clock_now_ns(NULL), cpu = i8x_clock_process_cpu_ns();
    i8x_status status = run_plan(made, env, opts != NULL ? opts : &plain, measured);
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
