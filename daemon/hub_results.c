/* SPDX-License-Identifier: Apache-2.0
 *
 * What became of tasks, as workers say: results and failures turn into events of the scheduler.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/hub_room.h"
#include "daemon/scrub.h"
#include "daemon/study.h"

i8x_status i8x_hub_result_digest(const i8x_task_result *result, i8x_digest *digest)
{
    i8x_task_result pure = *result;
    pure.measure = (i8x_task_measure){0};
    i8x_arena *arena = NULL;
    I8X_TRY(i8x_arena_new(NULL, 2 * I8X_WIRE_RESULT_MAX, &arena));
    const uint8_t *bytes;
    size_t size;
    i8x_status status = i8x_task_result_encode(&pure, arena, &bytes, &size);
    if (status == I8X_OK)
        *digest = i8x_digest_of(bytes, size);
    i8x_arena_free(arena);
    return status;
}

static i8x_status check_outputs(const i8x_store *store, const i8x_task_result *result)
{
    for (int i = 0; i < result->output_count; i++) {
        const i8x_task_output *output = &result->outputs[i];
        uint64_t size = 0;
        I8X_ENSURE(i8x_store_has(store, &output->ref.digest, &size) &&
                       size == output->ref.size_bytes,
                   I8X_ENOENT, "output '%s' of a result has not been uploaded", output->role);
    }
    return I8X_OK;
}

static void refuse_result(i8x_hub *hub, const i8x_hub_worker *worker)
{
    const i8x_wire_item *item = &hub->message->u.result.items[hub->item];
    char detail[I8X_ERROR_DETAIL_SIZE], quoted[2 * I8X_ERROR_DETAIL_SIZE];
    snprintf(detail, sizeof detail, "%s", i8x_last_error()->detail);
    i8x_log(I8X_LOG_WARN, "result_refused", "worker=%s detail=%s", worker->id,
            i8x_log_quote(detail, quoted, sizeof quoted));
    i8x_sched_event fail = {.type = I8X_SCHED_FAIL,
                            .worker = worker->session,
                            .key = item->key,
                            .epoch = item->epoch,
                            .fault = I8X_SCHED_FAULT_ATTEMPT};
    i8x_daemon_step(hub->daemon, &fail);
    i8x_hub_settle(hub, I8X_WIRE_STATE_REFUSED, detail);
}

static void take_result(i8x_hub *hub, const i8x_hub_worker *worker, const i8x_wire_item *item)
{
    i8x_task_result result = {0};
    i8x_sched_event event = {.type = I8X_SCHED_RESULT,
                             .worker = worker->session,
                             .key = item->key,
                             .epoch = item->epoch};
    i8x_status status = i8x_task_result_decode(item->result, item->result_size, &result);
    if (status == I8X_OK)
        status = check_outputs(hub->daemon->store, &result);
    if (status == I8X_OK)
        status = i8x_hub_result_digest(&result, &event.result);
    if (status == I8X_OK) {
        hub->result = &result;
        i8x_daemon_step(hub->daemon, &event);
        hub->result = NULL;
    } else {
        refuse_result(hub, worker);
    }
    i8x_task_result_deinit(&result);
}

void i8x_hub_on_result(i8x_hub *hub, i8x_hub_worker *worker)
{
    const i8x_wire_result *message = &hub->message->u.result;
    i8x_hub_open_reply(hub, I8X_WIRE_COMMITTED, message->count, message->want);
    for (hub->item = 0; hub->item < message->count; hub->item++)
        take_result(hub, worker, &message->items[hub->item]);
    hub->item = 0;
}

/* Statuses that another try, perhaps elsewhere, may not meet again. */
static i8x_sched_fault fault_of(const i8x_wire_fail *fail)
{
    if (fail->cause == I8X_WIRE_CAUSE_CANCELED)
        return I8X_SCHED_FAULT_FREE;
    if (fail->cause == I8X_WIRE_CAUSE_FETCH)
        return I8X_SCHED_FAULT_TRANSFER;
    if (fail->cause != I8X_WIRE_CAUSE_TASK)
        return I8X_SCHED_FAULT_ATTEMPT;
    static const i8x_status passing[] = {I8X_ENOMEM,   I8X_EIO,          I8X_EBUSY,
                                         I8X_ETIMEOUT, I8X_EUNREACHABLE, I8X_EINTERNAL};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (fail->status == passing[i])
            return I8X_SCHED_FAULT_ATTEMPT;
    return fail->status == I8X_ECANCELED ? I8X_SCHED_FAULT_FREE : I8X_SCHED_FAULT_INPUT;
}

/* Inputs did not arrive whole: is our disk to blame? A blob that is gone will not come back by
 * trying again; then the sentence says what its owner can do. */
static i8x_sched_fault look_at_inputs(i8x_hub *hub, const i8x_study_job *job, const i8x_task *task,
                                      i8x_wire_fail *fail, i8x_sched_fault fault)
{
    if (!i8x_scrub_inputs_there(hub->daemon, &job->job, task, hub->sentence,
                                sizeof hub->sentence)) {
        fail->detail = hub->sentence;
        fail->status = I8X_ECORRUPT;
        return I8X_SCHED_FAULT_INPUT;
    }
    if (fail->status == I8X_ECORRUPT)
        i8x_scrub_task(hub->daemon, task);
    return fault;
}

void i8x_hub_on_fail(i8x_hub *hub, i8x_hub_worker *worker)
{
    i8x_wire_fail *fail = &hub->message->u.fail;
    char detail[2 * I8X_WIRE_DETAIL_MAX], tail[512];
    i8x_sched_fault fault = fault_of(fail);
    const uint8_t *bytes;
    size_t size;
    const i8x_task *task;
    const i8x_study_job *job;
    int index;
    if (i8x_study_task(hub->daemon->study, &fail->key, &bytes, &size, &task, &job, &index)) {
        worker->failed++;
        hub->daemon->metrics.tasks[task->kind][I8X_METRIC_FAILED]++;
        if (fail->cause == I8X_WIRE_CAUSE_FETCH)
            fault = look_at_inputs(hub, job, task, fail, fault);
        i8x_failure_row failure = {.key = fail->key,
                                   .time_ms = i8x_daemon_wall_ms(),
                                   .worker = worker->id,
                                   .cause = i8x_wire_cause_name(fail->cause),
                                   .status = fail->status,
                                   .detail = fail->detail,
                                   .tail = fail->tail};
        i8x_study_failed(hub->daemon->study, &failure);
        i8x_log(I8X_LOG_WARN, "task_failed",
                "job=%s task=%d kind=%s worker=%s cause=%s status=%s detail=%s tail=%s", job->id,
                index, i8x_task_kind_name(task->kind), worker->id, i8x_wire_cause_name(fail->cause),
                i8x_status_name(fail->status), i8x_log_quote(fail->detail, detail, sizeof detail),
                i8x_log_quote(fail->tail, tail, sizeof tail));
    }
    i8x_hub_open_reply(hub, I8X_WIRE_COMMITTED, 1, fail->want);
    i8x_sched_event event = {.type = I8X_SCHED_FAIL,
                             .worker = worker->session,
                             .key = fail->key,
                             .epoch = fail->epoch,
                             .fault = fault};
    i8x_daemon_step(hub->daemon, &event);
    i8x_hub_settle(hub, I8X_WIRE_STATE_COMMITTED, "");
}
