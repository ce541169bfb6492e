/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of the scheduler's actions matters: REDO and AUDITED of what a worker made come before
 * its QUARANTINE in the same step, and no job may end in between; i8x_study_audited sees to that.
 */
#include "daemon/doubts.h"

#include <stdio.h>
#include <string.h>

#include "daemon/standing.h"
#include "daemon/study.h"
#include "int8x/alloc.h"
#include "proto/limits.h"

static const char reason[] = "a worker that had a part in it gave wrong results elsewhere";

/* ---- names ---- */

uint64_t i8x_doubts_identity(const char *worker)
{
    i8x_digest digest = i8x_digest_of(worker, strlen(worker));
    uint64_t identity;
    memcpy(&identity, digest.bytes, sizeof identity);
    return identity != 0 ? identity : 1;
}

static i8x_digest name_key(uint64_t identity)
{
    i8x_digest key = {{0}};
    memcpy(key.bytes, &identity, sizeof identity);
    return key;
}

const char *i8x_doubts_name(const i8x_doubts *doubts, uint64_t identity)
{
    i8x_digest key = name_key(identity);
    return i8x_keymap_get(&doubts->names, &key);
}

void i8x_doubts_deinit(i8x_doubts *doubts)
{
    for (size_t i = 0; i < doubts->names.size; i++) {
        char *name = doubts->names.rows[i].value;
        if (name != NULL)
            i8x_alloc_free(i8x_alloc_heap(), name, strlen(name) + 1);
    }
    i8x_keymap_deinit(&doubts->names);
    doubts->names = (i8x_keymap){0};
}

void i8x_doubts_remember(i8x_doubts *doubts, const char *worker)
{
    uint64_t identity = i8x_doubts_identity(worker);
    if (i8x_doubts_name(doubts, identity) != NULL)
        return;
    if (doubts->names.used >= I8X_WORKERS_MAX + I8X_WORKERS_AWAY_MAX)
        i8x_doubts_deinit(doubts);
    size_t size = strlen(worker) + 1;
    char *copy = i8x_alloc_array(i8x_alloc_heap(), size, 1);
    I8X_ASSERT(copy != NULL);
    memcpy(copy, worker, size);
    i8x_digest key = name_key(identity);
    i8x_keymap_put(&doubts->names, &key, copy);
}

/* ---- actions ---- */

typedef struct task_name {
    char text[128];
    i8x_task_kind kind;
} task_name;

static task_name name_task(const i8x_doubts *doubts, const i8x_digest *key)
{
    const uint8_t *bytes;
    size_t size;
    const i8x_task *task;
    const i8x_study_job *job;
    int index;
    task_name name = {.kind = I8X_TASK_INSPECT};
    char hex[I8X_DIGEST_HEX_SIZE];
    if (!i8x_study_task(doubts->daemon->study, key, &bytes, &size, &task, &job, &index)) {
        snprintf(name.text, sizeof name.text, "key=%.16s", i8x_digest_to_hex(key, hex));
        return name;
    }
    name.kind = task->kind;
    snprintf(name.text, sizeof name.text, "job=%s task=%d kind=%s", job->id, index,
             i8x_task_kind_name(task->kind));
    return name;
}

static void do_audit(i8x_doubts *doubts, const i8x_sched_action *action)
{
    task_name task = name_task(doubts, &action->key);
    doubts->daemon->metrics.tasks[task.kind][I8X_METRIC_AUDITED]++;
    i8x_study_audit(doubts->daemon->study, &action->key);
}

/* A worker whose name was forgotten: the ledger knows whose result it is. */
static void distrust_maker(i8x_doubts *doubts, const i8x_digest *key)
{
    i8x_daemon *daemon = doubts->daemon;
    i8x_arena *arena = NULL;
    i8x_result_row row;
    if (i8x_arena_new(NULL, 2 * I8X_WIRE_RESULT_MAX, &arena) == I8X_OK &&
        i8x_ledger_get_result(i8x_ledger_here(daemon->ledger), key, arena, &row) == I8X_OK)
        i8x_study_distrust(daemon->study, row.worker, reason);
    i8x_arena_free(arena);
}

static void do_audited(i8x_doubts *doubts, const i8x_sched_action *action)
{
    task_name task = name_task(doubts, &action->key);
    const char *worker = i8x_doubts_name(doubts, action->identity);
    bool agreed = action->verdict == I8X_SCHED_VERDICT_AGREED;
    i8x_log(agreed ? I8X_LOG_DEBUG : I8X_LOG_WARN, "task_audited", "%s worker=%s verdict=%s",
            task.text, worker != NULL ? worker : "gone", i8x_sched_verdict_name(action->verdict));
    bool trusted =
        action->verdict != I8X_SCHED_VERDICT_WRONG && action->verdict != I8X_SCHED_VERDICT_VOID;
    if (!trusted && worker == NULL)
        distrust_maker(doubts, &action->key);
    i8x_study_audited(doubts->daemon->study, &action->key, trusted,
                      action->verdict == I8X_SCHED_VERDICT_UNDECIDED
                          ? "workers gave different results for one of its tasks, and nobody was "
                            "left who could decide"
                          : NULL);
}

/* Its worker is quarantined in the same step, or was while the result was being written: then it
 * does not count, and its jobs begin again when that worker's results have left the ledger. */
static void do_redo(i8x_doubts *doubts, const i8x_sched_action *action)
{
    i8x_log(I8X_LOG_WARN, "task_redone", "%s", name_task(doubts, &action->key).text);
    if (doubts->committing != NULL && i8x_digest_equal(doubts->committing, &action->key))
        doubts->committing = NULL;
}

static void do_quarantine(i8x_doubts *doubts, const i8x_sched_action *action)
{
    const char *worker = i8x_doubts_name(doubts, action->identity);
    i8x_log(I8X_LOG_ERROR, "worker_quarantined", "worker=%s", worker != NULL ? worker : "gone");
    if (worker == NULL)
        return;
    i8x_study_distrust(doubts->daemon->study, worker, reason);
    const i8x_standing_entry *standing = i8x_standing_find(doubts->daemon->standing, worker);
    if (standing != NULL && standing->kind == I8X_STANDING_QUARANTINED)
        return; /* somebody's decision, and this is how it is carried out */
    i8x_status status =
        i8x_standing_set(doubts->daemon->standing, worker, I8X_STANDING_QUARANTINED,
                         "an audit: its results differ from those of others", "int8xd", NULL, NULL);
    if (status != I8X_OK)
        i8x_log(I8X_LOG_ERROR, "worker_standing", "worker=%s error=%s", worker,
                i8x_last_error()->detail);
}

void i8x_doubts_act(i8x_doubts *doubts, const i8x_sched_action *action)
{
    static void (*const doers[I8X_SCHED_ACTION_COUNT])(i8x_doubts *, const i8x_sched_action *) = {
        [I8X_SCHED_DO_AUDIT] = do_audit,
        [I8X_SCHED_DO_AUDITED] = do_audited,
        [I8X_SCHED_DO_REDO] = do_redo,
        [I8X_SCHED_DO_QUARANTINE] = do_quarantine,
    };
    doers[action->type](doubts, action);
}
