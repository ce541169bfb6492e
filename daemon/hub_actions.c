/* SPDX-License-Identifier: Apache-2.0
 *
 * Carries out what the scheduler decides: grants, commits, verdicts on results, losses.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/doubts.h"
#include "daemon/hub_room.h"
#include "daemon/study.h"
#include "int8x/alloc.h"

/* A result on its way to the ledger. */
typedef struct hub_commit {
    i8x_hub *hub;
    uint32_t context;
    size_t item; /* of the RESULT that brought it */
    i8x_digest key;
    i8x_task_result result;
    char worker[I8X_WIRE_NAME_MAX + 1];
} hub_commit;

/* Fields of the log line that tell which task it is. */
static const char *task_fields(i8x_hub *hub, const i8x_digest *key, char *text, size_t size,
                               i8x_task_kind *kind)
{
    const uint8_t *bytes;
    size_t task_size;
    const i8x_task *task;
    const i8x_study_job *job;
    int index;
    *kind = I8X_TASK_INSPECT;
    char hex[I8X_DIGEST_HEX_SIZE];
    if (!i8x_study_task(hub->daemon->study, key, &bytes, &task_size, &task, &job, &index)) {
        snprintf(text, size, "key=%.16s", i8x_digest_to_hex(key, hex));
        return text;
    }
    *kind = task->kind;
    int used = snprintf(text, size, "job=%s task=%d kind=%s", job->id, index,
                        i8x_task_kind_name(task->kind));
    for (int i = 0; i < task->input_count; i++) {
        const i8x_blob_ref *ref = &task->inputs[i].ref;
        if (!ref->whole) {
            snprintf(text + used, size - (size_t)used, " range=%llu+%llu",
                     (unsigned long long)ref->offset, (unsigned long long)ref->size_bytes);
            break;
        }
    }
    return text;
}

static const char *worker_name(const i8x_hub *hub, uint64_t session)
{
    const i8x_hub_worker *worker = i8x_hub_find(hub, session);
    return worker != NULL ? worker->id : "gone";
}

static void do_grant(i8x_hub *hub, const i8x_sched_action *action)
{
    char fields[256];
    i8x_task_kind kind;
    i8x_hub_reply *reply = hub->replies[action->ticket];
    reply->grants[reply->grant_count].key = action->key;
    reply->grants[reply->grant_count++].epoch = action->epoch;
    task_fields(hub, &action->key, fields, sizeof fields, &kind);
    hub->daemon->metrics.tasks[kind][I8X_METRIC_GRANTED]++;
    i8x_log(I8X_LOG_INFO, "lease_granted", "%s worker=%s epoch=%llu again=%s duplicate=%s audit=%s",
            fields, worker_name(hub, action->worker), (unsigned long long)action->epoch,
            action->again ? "yes" : "no", action->duplicate ? "yes" : "no",
            action->audit ? "yes" : "no");
}

static void do_answer(i8x_hub *hub, const i8x_sched_action *action)
{
    i8x_hub_close_reply(hub, (uint32_t)action->ticket);
}

static void on_committed(void *user)
{
    hub_commit *commit = user;
    i8x_hub *hub = commit->hub;
    i8x_daemon *daemon = hub->daemon;
    const uint8_t *bytes;
    size_t size;
    const i8x_task *task;
    const i8x_study_job *job;
    int index;
    i8x_hub_worker *worker = i8x_hub_find(hub, hub->replies[commit->context]->session);
    if (i8x_study_task(daemon->study, &commit->key, &bytes, &size, &task, &job, &index)) {
        daemon->metrics.tasks[task->kind][I8X_METRIC_COMMITTED]++;
        if (worker != NULL)
            i8x_holdings_add_task(&worker->holdings, task, &commit->result);
    }
    i8x_metrics_duration(&daemon->metrics, commit->result.measure.wall_ns);
    i8x_sched_event event = {.type = I8X_SCHED_COMMITTED, .key = commit->key};
    if (!i8x_study_completed(daemon->study, &commit->key)) {
        hub->doubts.committing = &commit->key;
        i8x_daemon_step(daemon, &event);
        if (hub->doubts.committing != NULL)
            i8x_study_committed(daemon->study, &commit->key, &commit->result, commit->worker);
        hub->doubts.committing = NULL;
    }
    worker = i8x_hub_find(hub, hub->replies[commit->context]->session); /* it may have left */
    if (worker != NULL)
        worker->committed++;
    i8x_hub_settle_item(hub, commit->context, commit->item, I8X_WIRE_STATE_COMMITTED);
    i8x_task_result_deinit(&commit->result);
    i8x_alloc_free(i8x_alloc_heap(), commit, sizeof *commit);
    daemon->pending--;
}

static void do_commit(i8x_hub *hub, const i8x_sched_action *action)
{
    const i8x_wire_item *item = &hub->message->u.result.items[hub->item];
    const i8x_hub_worker *worker = i8x_hub_find(hub, action->worker);
    const uint8_t *bytes;
    size_t size;
    const i8x_task *task;
    const i8x_study_job *job;
    int index;
    bool known =
        i8x_study_task(hub->daemon->study, &action->key, &bytes, &size, &task, &job, &index);
    I8X_ASSERT(known && worker != NULL); /* both were there when the event went in */
    hub_commit *commit = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *commit);
    I8X_ASSERT(commit != NULL);
    commit->hub = hub;
    commit->context = hub->context;
    commit->item = hub->item;
    commit->key = action->key;
    snprintf(commit->worker, sizeof commit->worker, "%s", worker->id);
    i8x_status status = i8x_task_result_decode(item->result, item->result_size, &commit->result);
    I8X_ASSERT(status == I8X_OK); /* take_result decoded the same bytes */
    i8x_result_row row = {.key = action->key,
                          .kind = i8x_task_kind_name(task->kind),
                          .job = job->id,
                          .worker = worker->id,
                          .arch = worker->arch,
                          .bytes = item->result,
                          .size = item->result_size,
                          .audit = action->audit};
    hub->daemon->pending++;
    status = i8x_study_put_result(hub->daemon->study, &row, commit->result.measure.wall_ns,
                                  on_committed, commit);
    I8X_ASSERT(status == I8X_OK); /* no room for one row: restart and replay */
}

static void alarm_conflict(i8x_hub *hub, const i8x_sched_action *action)
{
    char fields[256];
    i8x_task_kind kind;
    task_fields(hub, &action->key, fields, sizeof fields, &kind);
    hub->daemon->metrics.tasks[kind][I8X_METRIC_CONFLICT]++;
    i8x_log(I8X_LOG_ERROR, "result_conflict", "%s worker=%s", fields,
            worker_name(hub, action->worker));
}

static void do_duplicate(i8x_hub *hub, const i8x_sched_action *action)
{
    char fields[256];
    i8x_task_kind kind;
    task_fields(hub, &action->key, fields, sizeof fields, &kind);
    hub->daemon->metrics.tasks[kind][I8X_METRIC_DUPLICATE]++;
    i8x_hub_settle(hub, I8X_WIRE_STATE_DUPLICATE, "");
}

static void do_conflict(i8x_hub *hub, const i8x_sched_action *action)
{
    alarm_conflict(hub, action);
    i8x_hub_settle(hub, I8X_WIRE_STATE_REFUSED, "another result is committed for this task");
}

/* Not open here: if the ledger has a result, this one has to agree with it. */
static void do_stale(i8x_hub *hub, const i8x_sched_action *action)
{
    if (hub->result == NULL)
        return; /* a FAIL that came late: nothing hangs on it */
    i8x_arena *arena = NULL;
    i8x_result_row row;
    i8x_task_result old = {0};
    i8x_digest mine, theirs;
    bool have = i8x_arena_new(NULL, 2 * I8X_WIRE_RESULT_MAX, &arena) == I8X_OK &&
                i8x_ledger_get_result(i8x_ledger_here(hub->daemon->ledger), &action->key, arena,
                                      &row) == I8X_OK &&
                i8x_task_result_decode(row.bytes, row.size, &old) == I8X_OK &&
                i8x_hub_result_digest(hub->result, &mine) == I8X_OK &&
                i8x_hub_result_digest(&old, &theirs) == I8X_OK;
    bool same = have && i8x_digest_equal(&mine, &theirs);
    i8x_task_result_deinit(&old);
    i8x_arena_free(arena);
    if (have && !same)
        do_conflict(hub, action);
    else
        i8x_hub_settle(hub, same ? I8X_WIRE_STATE_DUPLICATE : I8X_WIRE_STATE_STALE, "");
}

static void do_lost(i8x_hub *hub, const i8x_sched_action *action)
{
    char fields[256];
    i8x_task_kind kind;
    task_fields(hub, &action->key, fields, sizeof fields, &kind);
    hub->daemon->metrics.tasks[kind][I8X_METRIC_LOST]++;
    i8x_log(I8X_LOG_WARN, "lease_lost", "%s worker=%s epoch=%llu", fields,
            worker_name(hub, action->worker), (unsigned long long)action->epoch);
}

static void do_retry(i8x_hub *hub, const i8x_sched_action *action)
{
    char fields[256];
    i8x_task_kind kind;
    task_fields(hub, &action->key, fields, sizeof fields, &kind);
    i8x_log(I8X_LOG_INFO, "task_waits", "%s attempts=%d wait_ms=%lld", fields, action->attempts,
            (long long)(action->at_ms - i8x_daemon_now_ms(hub->daemon)));
}

static void do_dead(i8x_hub *hub, const i8x_sched_action *action)
{
    char fields[256];
    i8x_task_kind kind;
    task_fields(hub, &action->key, fields, sizeof fields, &kind);
    hub->daemon->metrics.tasks[kind][I8X_METRIC_DEAD]++;
    i8x_log(I8X_LOG_WARN, "task_dead", "%s attempts=%d workers=%d", fields, action->attempts,
            action->workers);
    const i8x_wire_message *message = hub->message;
    bool told = message != NULL && message->type == I8X_WIRE_FAIL &&
                i8x_digest_equal(&message->u.fail.key, &action->key);
    i8x_status status = told ? message->u.fail.status : I8X_EINTERNAL;
    i8x_study_dead(hub->daemon->study, &action->key, status,
                   told ? message->u.fail.detail
                        : "the workers that tried a task of this job went away or gave rubbish",
                   told ? message->u.fail.tail : "");
}

static void do_cancel(i8x_hub *hub, const i8x_sched_action *action)
{
    i8x_hub_worker *worker = i8x_hub_find(hub, action->worker);
    if (worker != NULL)
        i8x_control_cancel(&worker->control, &action->key);
}

static void do_call_back(i8x_hub *hub, const i8x_sched_action *action)
{
    i8x_hub_worker *worker = i8x_hub_find(hub, action->worker);
    if (worker != NULL)
        i8x_control_call_back(&worker->control, &action->key);
}

static void do_refuse(i8x_hub *hub, const i8x_sched_action *action)
{
    (void)action;
    i8x_hub_settle(hub, I8X_WIRE_STATE_REFUSED,
                   "this worker is quarantined: its results do not count");
}

static void do_doubt(i8x_hub *hub, const i8x_sched_action *action)
{
    i8x_doubts_act(&hub->doubts, action);
}

static void do_gone(i8x_hub *hub, const i8x_sched_action *action)
{
    i8x_hub_worker *worker = i8x_hub_find(hub, action->worker);
    if (worker == NULL)
        return;
    uint32_t pipe = worker->pipe;
    i8x_hub_part(hub, worker, "silent");
    i8x_link_server_drop(hub->daemon->link, pipe); /* or it would stand for ever */
}

typedef void (*action_fn)(i8x_hub *hub, const i8x_sched_action *action);
static const action_fn doers[I8X_SCHED_ACTION_COUNT] = {
    [I8X_SCHED_DO_GRANT] = do_grant,         [I8X_SCHED_DO_ANSWER] = do_answer,
    [I8X_SCHED_DO_COMMIT] = do_commit,       [I8X_SCHED_DO_DUPLICATE] = do_duplicate,
    [I8X_SCHED_DO_CONFLICT] = do_conflict,   [I8X_SCHED_DO_STALE] = do_stale,
    [I8X_SCHED_DO_LOST] = do_lost,           [I8X_SCHED_DO_RETRY] = do_retry,
    [I8X_SCHED_DO_DEAD] = do_dead,           [I8X_SCHED_DO_CANCEL] = do_cancel,
    [I8X_SCHED_DO_CALL_BACK] = do_call_back, [I8X_SCHED_DO_REFUSE] = do_refuse,
    [I8X_SCHED_DO_AUDIT] = do_doubt,         [I8X_SCHED_DO_AUDITED] = do_doubt,
    [I8X_SCHED_DO_REDO] = do_doubt,          [I8X_SCHED_DO_QUARANTINE] = do_doubt,
    [I8X_SCHED_DO_GONE] = do_gone,
};

void i8x_hub_act(i8x_hub *hub, const i8x_sched_action *action)
{
    doers[action->type](hub, action);
}
