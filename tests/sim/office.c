/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon in small. What the real one does with an action of the scheduler (hub_actions.c), with
 * a commit (study.c) and at a start is done here in the same order; the ledger keeps what was
 * written before a crash and nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world.h"

#define WRITE_MS 15
#define DISK_FAULT_PER_MILLE 2
#define RESTART_MS 4000

/* ---- steps ---- */

static void act(sim_world *w, const i8x_sched_action *action);

static bool planted(const sim_world *w, sim_plant plant)
{
    return w->opts.plant == plant;
}

/* Faults between the daemon and its scheduler: true if the event does not arrive. */
static bool swallowed(const sim_world *w, const i8x_sched_event *event)
{
    return (planted(w, SIM_PLANT_LEAVE) && event->type == I8X_SCHED_WORKER_LEAVE) ||
           (planted(w, SIM_PLANT_COMMIT) && event->type == I8X_SCHED_COMMITTED) ||
           (planted(w, SIM_PLANT_DROP) && event->type == I8X_SCHED_TASK_DROP) ||
           (planted(w, SIM_PLANT_EXPIRY) && event->type == I8X_SCHED_TICK);
}

static void step_now(sim_world *w, const i8x_sched_event *event)
{
    sim_office *o = &w->office;
    i8x_sched_event given = *event;
    if (planted(w, SIM_PLANT_WANT) && given.type == I8X_SCHED_ASK)
        given.want++;
    if (planted(w, SIM_PLANT_POISON) && given.type == I8X_SCHED_FAIL)
        given.fault = I8X_SCHED_FAULT_FREE;
    if (planted(w, SIM_PLANT_QUARANTINE) && given.type == I8X_SCHED_WORKER_JOIN)
        given.quarantined = false;
    w->outcome->steps++;
    sim_model_event(w, event);
    size_t count = 0;
    const i8x_sched_action *actions = NULL;
    if (!swallowed(w, event)) {
        i8x_sched_step(o->sched, &given, w->now_ms);
        actions = i8x_sched_actions(o->sched, &count);
    }
    for (size_t i = 0; i < count && w->outcome->wrong[0] == 0; i++) {
        i8x_sched_action action = actions[i];
        sim_model_action(w, &action);
        act(w, &action);
        if (planted(w, SIM_PLANT_GRANT) && action.type == I8X_SCHED_DO_GRANT &&
            w->outcome->steps % 64 == 0)
            sim_model_action(w, &action);
    }
    if (w->outcome->wrong[0] == 0)
        sim_model_check(w);
}

void sim_office_step(sim_world *w, const i8x_sched_event *event)
{
    sim_office *o = &w->office;
    if (o->step_count == o->step_capacity) {
        o->step_capacity = o->step_capacity == 0 ? 64 : o->step_capacity * 2;
        o->steps = realloc(o->steps, o->step_capacity * sizeof *o->steps);
        I8X_ASSERT(o->steps != NULL);
    }
    o->steps[o->step_count++] = *event;
    if (o->stepping)
        return;
    o->stepping = true;
    while (o->step_head < o->step_count && w->outcome->wrong[0] == 0) {
        i8x_sched_event next = o->steps[o->step_head++];
        step_now(w, &next);
    }
    o->step_head = o->step_count = 0;
    o->stepping = false;
    int64_t next_ms = i8x_sched_next_ms(o->sched);
    if (next_ms < o->tick_ms) {
        o->tick_ms = next_ms > w->now_ms ? next_ms : w->now_ms;
        sim_plan(w, o->tick_ms, SIM_TICK, 0, o->life, NULL);
    }
}

void sim_office_tick(sim_world *w)
{
    w->office.tick_ms = INT64_MAX;
    i8x_sched_event tick = {.type = I8X_SCHED_TICK};
    if (i8x_sched_next_ms(w->office.sched) <= w->now_ms && !planted(w, SIM_PLANT_EXPIRY)) {
        sim_office_step(w, &tick);
        return;
    }
    int64_t next_ms = i8x_sched_next_ms(w->office.sched);
    if (next_ms == INT64_MAX || planted(w, SIM_PLANT_EXPIRY))
        return;
    w->office.tick_ms = next_ms;
    sim_plan(w, next_ms, SIM_TICK, 0, w->office.life, NULL);
}

/* ---- answers ---- */

static int worker_of(uint64_t session)
{
    return (int)(session & 0xFF);
}

static uint32_t open_reply(sim_world *w, int worker, const sim_message *question)
{
    for (uint32_t i = 0; i < SIM_REPLIES_MAX; i++) {
        sim_reply *reply = &w->office.replies[i];
        if (reply->open)
            continue;
        *reply = (sim_reply){.open = true,
                             .worker = worker,
                             .session = question->session,
                             .call = question->call,
                             .want = question->want};
        return i;
    }
    sim_wrong(w, "all %d answers are open", SIM_REPLIES_MAX);
    return 0;
}

static void close_reply(sim_world *w, uint32_t number)
{
    sim_reply *reply = &w->office.replies[number];
    sim_message answer = {.type = SIM_GRANTS,
                          .session = reply->session,
                          .call = reply->call,
                          .committed = reply->committed,
                          .count = reply->count};
    memcpy(answer.leases, reply->grants, (size_t)reply->count * sizeof *reply->grants);
    reply->open = reply->asking = false;
    sim_send(w, SIM_TO_AGENT, reply->worker, &answer);
}

static void ask_for(sim_world *w, uint32_t number, int64_t until_ms)
{
    sim_reply *reply = &w->office.replies[number];
    reply->asking = true;
    reply->until_ms = until_ms;
    i8x_sched_event ask = {.type = I8X_SCHED_ASK,
                           .worker = reply->session,
                           .ticket = number,
                           .want = reply->want,
                           .until_ms = until_ms};
    sim_office_step(w, &ask);
}

/* The result is settled: the answer takes along what is ready now. */
static void settle(sim_world *w, uint32_t number)
{
    if (w->office.replies[number].want == 0)
        close_reply(w, number);
    else
        ask_for(w, number, w->now_ms);
}

/* ---- jobs ---- */

static i8x_digest key_of(sim_world *w, sim_name name)
{
    i8x_digest key;
    for (size_t i = 0; i < sizeof key.bytes; i += sizeof(uint64_t)) {
        uint64_t part = sim_random(w);
        memcpy(key.bytes + i, &part, sizeof part);
    }
    memcpy(key.bytes + I8X_DIGEST_SIZE - sizeof name, &name, sizeof name);
    return key;
}

static void add_to_sched(sim_world *w, const sim_task *task)
{
    i8x_sched_event add = {.type = I8X_SCHED_TASK_ADD,
                           .key = task->key,
                           .kind = (i8x_task_kind)task->kind,
                           .order = task->order};
    sim_office_step(w, &add);
}

static sim_nature draw_nature(sim_world *w)
{
    uint64_t drawn = sim_below(w, 100);
    return drawn < 90   ? SIM_NORMAL
           : drawn < 96 ? SIM_FLAKY
           : drawn < 99 ? SIM_POISON
                        : SIM_BAD_INPUT;
}

static void new_task(sim_world *w, uint32_t place, int job, int index, uint64_t priority)
{
    sim_task *task = &w->tasks[place];
    *task = (sim_task){.serial = task->serial + 1,
                       .open = true,
                       .kind = (int)sim_below(w, I8X_TASK_KIND_COUNT),
                       .job = job,
                       .order = I8X_SCHED_ORDER(priority, w->last_job, index),
                       .nature = draw_nature(w)};
    int64_t longest = 100LL << sim_below(w, 12); /* up to some minutes */
    task->work_ms = 1 + (int64_t)sim_below(w, (uint64_t)longest);
    task->key = key_of(w, (sim_name){place, task->serial});
    w->open_tasks++;
    w->jobs[job].left++;
    add_to_sched(w, task);
}

void sim_office_submit(sim_world *w, int tasks)
{
    int job = 0;
    while (w->jobs[job].open)
        job++;
    w->last_job++;
    w->outcome->jobs++;
    uint64_t priority = sim_below(w, 3);
    sim_tell(w, "job %d of %d tasks", job, tasks);
    uint32_t places[SIM_TASKS_MAX], count = 0;
    for (uint32_t place = 0; place < SIM_TASKS_MAX && count < (uint32_t)tasks; place++)
        if (w->tasks[place].serial == 0 || !w->jobs[w->tasks[place].job].open)
            places[count++] = place;
    w->jobs[job] = (sim_job){.open = true};
    for (uint32_t i = 0; i < count; i++)
        new_task(w, places[i], job, (int)i, priority);
}

/* What was told when the job was called done: every result right, if all were audited. */
static void check_results(sim_world *w, int job)
{
    for (uint32_t place = 0; place < SIM_TASKS_MAX; place++) {
        const sim_task *task = &w->tasks[place];
        if (task->job == job && task->serial != 0 && task->durable &&
            task->on_disk != sim_value_of((sim_name){place, task->serial}))
            sim_wrong(w, "job %d is done with a wrong result of task %u by worker %d", job, place,
                      task->producer);
    }
}

/* Its audits are all that it waits for. */
static void hurry_audits(sim_world *w, int number)
{
    sim_job *job = &w->jobs[number];
    if (!job->open || job->hurried || job->left == 0 || job->left != job->audits)
        return;
    job->hurried = true;
    for (uint32_t place = 0; place < SIM_TASKS_MAX; place++) {
        const sim_task *task = &w->tasks[place];
        if (!task->open || !task->audit || task->job != number)
            continue;
        i8x_sched_event hurry = {.type = I8X_SCHED_AUDIT_HURRY, .key = task->key};
        sim_office_step(w, &hurry);
    }
}

/* Done, dead or dropped. */
static void end_task(sim_world *w, sim_task *task)
{
    sim_job *job = &w->jobs[task->job];
    job->audits -= task->audit;
    task->audit = task->open = false;
    w->open_tasks--;
    if (--job->left == 0) {
        job->open = false;
        if (w->audit_per_mille == 1000 && !job->suspect)
            check_results(w, task->job);
    }
    hurry_audits(w, task->job);
}

static void set_audit(sim_world *w, sim_task *task, bool audit)
{
    sim_job *job = &w->jobs[task->job];
    job->audits += audit - task->audit;
    task->audit = audit;
}

/* The ledger's result of a task is taken back; if its job is open it is computed again. */
static void redo(sim_world *w, sim_task *task)
{
    if (!w->jobs[task->job].open || planted(w, SIM_PLANT_REDO))
        return;
    sim_tell(w, "    task %d.%u is done again", (int)(task - w->tasks), task->serial);
    w->outcome->redone++;
    set_audit(w, task, false);
    task->durable = task->acknowledged = false;
    task->redone = true;
    w->jobs[task->job].hurried = false;
    if (!task->open) {
        task->open = true;
        w->open_tasks++;
        w->jobs[task->job].left++;
    }
    add_to_sched(w, task);
}

void sim_office_cancel(sim_world *w, int job)
{
    sim_tell(w, "job %d is canceled", job);
    w->jobs[job].suspect = true; /* nobody is told that its results are right */
    for (uint32_t place = 0; place < SIM_TASKS_MAX; place++) {
        sim_task *task = &w->tasks[place];
        if (!task->open || task->job != job)
            continue;
        end_task(w, task);
        i8x_sched_event drop = {.type = I8X_SCHED_TASK_DROP, .key = task->key};
        sim_office_step(w, &drop);
    }
}

void sim_office_operate(sim_world *w, int worker, i8x_sched_event_type word)
{
    sim_office *o = &w->office;
    if (!o->up && !w->calm)
        return;
    o->drained[worker] = o->drained[worker] || word == I8X_SCHED_WORKER_DRAIN;
    if (word == I8X_SCHED_WORKER_RESUME)
        o->drained[worker] = o->quarantined[worker] = false;
    sim_tell(w, "worker %d: drained=%d quarantined=%d", worker, o->drained[worker],
             o->quarantined[worker]);
    i8x_sched_event event = {.type = word,
                             .worker = o->sessions[worker],
                             .identity = (uint64_t)worker + 1,
                             .lasting = true};
    if (o->up)
        sim_office_step(w, &event);
}

/* ---- actions ---- */

static void do_grant(sim_world *w, const i8x_sched_action *action)
{
    sim_reply *reply = &w->office.replies[action->ticket];
    reply->grants[reply->count++] =
        (sim_lease){.task = sim_name_of(&action->key), .epoch = action->epoch};
    w->outcome->grants++;
    w->outcome->seconds += action->duplicate;
}

static void do_answer(sim_world *w, const i8x_sched_action *action)
{
    if (!planted(w, SIM_PLANT_ANSWER) || w->outcome->steps % 256 != 0)
        close_reply(w, (uint32_t)action->ticket);
}

static void start_writing(sim_world *w)
{
    sim_office *o = &w->office;
    o->writing = o->commit_count;
    if (o->writing > 0)
        sim_plan(w, w->now_ms + 1 + (int64_t)sim_below(w, WRITE_MS), SIM_LEDGER, 0, o->life, NULL);
}

static void do_commit(sim_world *w, const i8x_sched_action *action)
{
    sim_office *o = &w->office;
    I8X_ASSERT(o->commit_count < SIM_COMMITS_MAX - 1);
    sim_commit commit = {.task = sim_name_of(&action->key), .value = o->value, .reply = o->reply};
    commit.audit = action->audit;
    commit.worker = worker_of(action->worker);
    o->commits[o->commit_count++] = commit;
    if (planted(w, SIM_PLANT_TWICE) && w->outcome->steps % 256 == 0)
        o->commits[o->commit_count++] =
            (sim_commit){.task = commit.task, .value = commit.value, .reply = UINT32_MAX};
    if (planted(w, SIM_PLANT_ACK))
        sim_task_of(w, commit.task)->acknowledged = true;
    if (o->writing == 0)
        start_writing(w);
}

static void do_settle(sim_world *w, const i8x_sched_action *action)
{
    (void)action;
    if (w->office.reply != UINT32_MAX)
        settle(w, w->office.reply);
    w->office.reply = UINT32_MAX;
}

/* Told with the next heartbeat. */
static void stop(sim_world *w, const i8x_sched_action *action, bool even_if_started)
{
    int worker = worker_of(action->worker);
    int *count = &w->office.cancel_count[worker];
    if (*count < SIM_HELD_MAX)
        w->office.cancels[worker][(*count)++] =
            (sim_lease){.task = sim_name_of(&action->key), .started = even_if_started};
}

static void do_cancel(sim_world *w, const i8x_sched_action *action)
{
    stop(w, action, true);
}

static void do_call_back(sim_world *w, const i8x_sched_action *action)
{
    w->outcome->called_back++;
    stop(w, action, false);
}

static void do_dead(sim_world *w, const i8x_sched_action *action)
{
    sim_task *task = sim_task_of(w, sim_name_of(&action->key));
    w->outcome->dead++;
    if (task != NULL && task->open)
        end_task(w, task);
}

static void do_gone(sim_world *w, const i8x_sched_action *action)
{
    w->office.sessions[worker_of(action->worker)] = 0;
}

static void do_audit(sim_world *w, const i8x_sched_action *action)
{
    sim_task *task = sim_task_of(w, sim_name_of(&action->key));
    w->outcome->audits++;
    set_audit(w, task, true);
    hurry_audits(w, task->job);
}

static void do_audited(sim_world *w, const i8x_sched_action *action)
{
    sim_task *task = sim_task_of(w, sim_name_of(&action->key));
    sim_tell(w, "    verdict %s", i8x_sched_verdict_name(action->verdict));
    w->outcome->verdicts[action->verdict]++;
    if (planted(w, SIM_PLANT_VERDICT) || task == NULL || !task->open || !task->audit)
        return;
    w->jobs[task->job].suspect |= action->verdict == I8X_SCHED_VERDICT_DROPPED ||
                                  action->verdict == I8X_SCHED_VERDICT_FAILED ||
                                  action->verdict == I8X_SCHED_VERDICT_UNDECIDED;
    end_task(w, task);
}

static void do_redo(sim_world *w, const i8x_sched_action *action)
{
    sim_task *task = sim_task_of(w, sim_name_of(&action->key));
    if (task != NULL)
        redo(w, task);
}

static void do_quarantine(sim_world *w, const i8x_sched_action *action)
{
    int worker = (int)action->identity - 1;
    w->office.quarantined[worker] = true;
    w->outcome->quarantines++;
    for (uint32_t place = 0; place < SIM_TASKS_MAX; place++) {
        sim_task *task = &w->tasks[place];
        if (task->serial != 0 && task->durable && task->producer == worker && !task->audit)
            redo(w, task);
    }
}

static void do_lost(sim_world *w, const i8x_sched_action *action)
{
    (void)action;
    w->outcome->lost++;
}

static void do_retry(sim_world *w, const i8x_sched_action *action)
{
    (void)action;
    w->outcome->retries++;
}

static void do_duplicate(sim_world *w, const i8x_sched_action *action)
{
    w->outcome->duplicates++;
    do_settle(w, action);
}

static const char *const action_names[I8X_SCHED_ACTION_COUNT] = {
#define X(name, text) text,
    I8X_SCHED_ACTION_LIST(X)
#undef X
};

static void act(sim_world *w, const i8x_sched_action *action)
{
    static void (*const doers[I8X_SCHED_ACTION_COUNT])(sim_world *, const i8x_sched_action *) = {
        [I8X_SCHED_DO_GRANT] = do_grant,
        [I8X_SCHED_DO_ANSWER] = do_answer,
        [I8X_SCHED_DO_COMMIT] = do_commit,
        [I8X_SCHED_DO_DUPLICATE] = do_duplicate,
        [I8X_SCHED_DO_CONFLICT] = do_settle,
        [I8X_SCHED_DO_STALE] = do_settle,
        [I8X_SCHED_DO_LOST] = do_lost,
        [I8X_SCHED_DO_RETRY] = do_retry,
        [I8X_SCHED_DO_DEAD] = do_dead,
        [I8X_SCHED_DO_CANCEL] = do_cancel,
        [I8X_SCHED_DO_GONE] = do_gone,
        [I8X_SCHED_DO_CALL_BACK] = do_call_back,
        [I8X_SCHED_DO_REFUSE] = do_settle,
        [I8X_SCHED_DO_AUDIT] = do_audit,
        [I8X_SCHED_DO_AUDITED] = do_audited,
        [I8X_SCHED_DO_REDO] = do_redo,
        [I8X_SCHED_DO_QUARANTINE] = do_quarantine,
    };
    sim_name name = sim_name_of(&action->key);
    sim_tell(w, "    %s worker=%d task=%u.%u epoch=%llx ticket=%llu", action_names[action->type],
             worker_of(action->worker), name.place, name.serial, (unsigned long long)action->epoch,
             (unsigned long long)action->ticket);
    doers[action->type](w, action);
}

/* ---- what workers say ---- */

static void end_session(sim_world *w, int worker)
{
    sim_office *o = &w->office;
    if (o->sessions[worker] == 0)
        return;
    i8x_sched_event leave = {.type = I8X_SCHED_WORKER_LEAVE, .worker = o->sessions[worker]};
    o->sessions[worker] = 0;
    sim_office_step(w, &leave);
}

static void on_hello(sim_world *w, int worker, const sim_message *message)
{
    sim_office *o = &w->office;
    const sim_agent *agent = &w->agents[worker];
    end_session(w, worker);
    uint64_t session = (uint64_t)o->starts << 40 | ++o->last_session << 8 | (uint64_t)worker;
    o->sessions[worker] = session;
    o->cancel_count[worker] = 0;
    i8x_sched_event join = {.type = I8X_SCHED_WORKER_JOIN,
                            .worker = session,
                            .identity = (uint64_t)worker + 1,
                            .kinds = agent->kinds,
                            .slots = (uint32_t)agent->slots,
                            .host = 1 + (uint64_t)worker / 2,
                            .machine = 1 + (uint64_t)worker % 3,
                            .drained = o->drained[worker],
                            .quarantined = o->quarantined[worker]};
    sim_office_step(w, &join);
    for (int i = 0; i < message->count; i++) {
        const sim_task *task = sim_task_of(w, message->leases[i].task);
        if (task == NULL)
            continue;
        i8x_sched_event adopt = {.type = I8X_SCHED_WORKER_ADOPT,
                                 .worker = session,
                                 .key = task->key,
                                 .epoch = message->leases[i].epoch};
        sim_office_step(w, &adopt);
    }
    sim_message welcome = {.type = SIM_WELCOME, .session = session, .call = message->call};
    sim_send(w, SIM_TO_AGENT, worker, &welcome);
}

static void on_lease(sim_world *w, int worker, const sim_message *message)
{
    ask_for(w, open_reply(w, worker, message), w->now_ms + message->wait_ms);
}

/* What messages name has a key even when the place belongs to another task by now. */
static i8x_digest key_named(sim_world *w, sim_name name)
{
    const sim_task *task = sim_task_of(w, name);
    i8x_digest key = {{0}};
    memcpy(key.bytes + I8X_DIGEST_SIZE - sizeof name, &name, sizeof name);
    return task != NULL ? task->key : key;
}

static void on_renew(sim_world *w, int worker, const sim_message *message)
{
    sim_office *o = &w->office;
    i8x_sched_event event = {
        .type = I8X_SCHED_RENEW, .worker = message->session, .key_absent = true};
    sim_office_step(w, &event);
    event.key_absent = false;
    for (int i = 0; i < message->count; i++) {
        event.key = key_named(w, message->leases[i].task);
        event.epoch = message->leases[i].epoch;
        event.started = message->leases[i].started;
        event.done = message->leases[i].done;
        event.total = message->leases[i].total;
        sim_office_step(w, &event);
    }
    if (message->draining) {
        event.type = I8X_SCHED_WORKER_DRAIN;
        sim_office_step(w, &event);
    }
    sim_message control = {.type = SIM_CONTROL,
                           .session = message->session,
                           .call = message->call,
                           .count = o->cancel_count[worker]};
    memcpy(control.leases, o->cancels[worker], sizeof control.leases);
    o->cancel_count[worker] = 0;
    sim_send(w, SIM_TO_AGENT, worker, &control);
}

static i8x_digest digest_of(uint64_t value)
{
    i8x_digest digest = {{0}};
    memcpy(digest.bytes, &value, sizeof value);
    return digest;
}

static void on_result(sim_world *w, int worker, const sim_message *message)
{
    sim_office *o = &w->office;
    o->reply = open_reply(w, worker, message);
    o->value = message->value;
    i8x_sched_event event = {.type = I8X_SCHED_RESULT,
                             .worker = message->session,
                             .key = key_named(w, message->about.task),
                             .epoch = message->about.epoch,
                             .result = digest_of(message->value)};
    sim_office_step(w, &event);
}

static void on_fail(sim_world *w, int worker, const sim_message *message)
{
    sim_office *o = &w->office;
    uint32_t reply = open_reply(w, worker, message);
    o->reply = UINT32_MAX;
    i8x_sched_event event = {.type = I8X_SCHED_FAIL,
                             .worker = message->session,
                             .key = key_named(w, message->about.task),
                             .epoch = message->about.epoch,
                             .fault = message->fault};
    sim_office_step(w, &event);
    settle(w, reply);
}

static void on_bye(sim_world *w, int worker, const sim_message *message)
{
    (void)message;
    end_session(w, worker);
}

void sim_office_hear(sim_world *w, int worker, uint32_t life, const sim_message *message)
{
    static void (*const hearers[])(sim_world *, int, const sim_message *) = {
        [SIM_HELLO] = on_hello,   [SIM_LEASE] = on_lease, [SIM_RENEW] = on_renew,
        [SIM_RESULT] = on_result, [SIM_FAIL] = on_fail,   [SIM_BYE] = on_bye};
    sim_office *o = &w->office;
    if (!o->up) {
        if (sim_chance(w, 700)) /* refused; else nobody says a word */
            sim_plan(w, w->now_ms + 1, SIM_CALL_FAILED, worker, life, NULL);
        return;
    }
    if (life <= o->closed_life[worker])
        return;
    sim_tell(w, "  from worker %d: message %d call %llu", worker, message->type,
             (unsigned long long)message->call);
    if (message->type == SIM_HELLO) {
        on_hello(w, worker, message);
    } else if (o->sessions[worker] == 0 || o->sessions[worker] != message->session) {
        sim_message unknown = {
            .type = SIM_UNKNOWN, .session = message->session, .call = message->call};
        sim_send(w, SIM_TO_AGENT, worker, &unknown);
    } else {
        hearers[message->type](w, worker, message);
    }
}

void sim_office_pipe_closed(sim_world *w, int worker, uint32_t life)
{
    sim_office *o = &w->office;
    if (!o->up || life <= o->closed_life[worker])
        return;
    o->closed_life[worker] = life;
    sim_tell(w, "  worker %d: connection closed", worker);
    end_session(w, worker);
}

/* ---- the ledger ---- */

static void commit_done(sim_world *w, const sim_commit *commit)
{
    sim_task *task = sim_task_of(w, commit->task);
    w->outcome->commits++;
    if (task != NULL) {
        i8x_sched_event event = {.type = I8X_SCHED_COMMITTED, .key = task->key};
        task->redone = false;
        bool doubted = w->office.quarantined[commit->worker];
        sim_office_step(w, &event);
        if (doubted && task->open && !task->redone)
            sim_wrong(w, "the result of worker %d, in quarantine, counts", commit->worker);
        if (task->open && !task->redone && !task->audit)
            end_task(w, task);
        task->acknowledged = !task->redone;
    }
    if (commit->reply == UINT32_MAX)
        return;
    w->office.replies[commit->reply].committed = true;
    settle(w, commit->reply);
}

void sim_office_written(sim_world *w)
{
    sim_office *o = &w->office;
    if (sim_chance(w, DISK_FAULT_PER_MILLE)) {
        sim_tell(w, "the disk fails");
        sim_office_crash(w);
        return;
    }
    sim_commit done[SIM_COMMITS_MAX];
    int count = o->writing;
    memcpy(done, o->commits, (size_t)count * sizeof *done);
    o->commit_count -= count;
    memmove(o->commits, o->commits + count, (size_t)o->commit_count * sizeof *o->commits);
    for (int i = 0; i < count; i++) {
        sim_task *task = sim_task_of(w, done[i].task);
        if (task == NULL)
            continue;
        if (task->durable)
            sim_wrong(w, "task %u is committed twice", done[i].task.place);
        task->durable = true;
        task->on_disk = done[i].value;
        task->producer = done[i].worker;
        set_audit(w, task, task->open && done[i].audit);
    }
    start_writing(w);
    if (sim_chance(w, DISK_FAULT_PER_MILLE)) { /* on disk, and nobody knows */
        sim_office_crash(w);
        return;
    }
    for (int i = 0; i < count; i++)
        commit_done(w, &done[i]);
}

/* ---- start and end ---- */

void sim_office_crash(sim_world *w)
{
    sim_office *o = &w->office;
    sim_tell(w, "the daemon dies");
    w->outcome->restarts++;
    i8x_sched_free(o->sched);
    o->sched = NULL;
    o->up = false;
    o->life++;
    o->commit_count = o->writing = 0;
    for (uint32_t i = 0; i < SIM_REPLIES_MAX; i++)
        o->replies[i].open = false;
    for (int i = 0; i < w->opts.workers; i++) {
        o->sessions[i] = 0;
        if (sim_chance(w, 700))
            sim_plan(w, w->now_ms + 1 + (int64_t)sim_below(w, 50), SIM_CALL_FAILED, i,
                     w->agents[i].life, NULL);
    }
    sim_plan(w, w->now_ms + 1 + (int64_t)sim_below(w, RESTART_MS), SIM_OFFICE_STARTS, 0, 0, NULL);
}

static void add_audit(sim_world *w, sim_task *task)
{
    i8x_sched_event add = {.type = I8X_SCHED_AUDIT_ADD,
                           .key = task->key,
                           .kind = (i8x_task_kind)task->kind,
                           .order = task->order,
                           .identity = (uint64_t)task->producer + 1,
                           .result = digest_of(task->on_disk)};
    if (w->office.quarantined[task->producer])
        redo(w, task);
    else
        sim_office_step(w, &add);
}

static void recover(sim_world *w)
{
    for (int job = 0; job < SIM_TASKS_MAX; job++)
        w->jobs[job].hurried = false;
    for (uint32_t place = 0; place < SIM_TASKS_MAX; place++) {
        sim_task *task = &w->tasks[place];
        if (task->acknowledged && !task->durable)
            sim_wrong(w, "the result of task %u was acknowledged and is lost", place);
        if (!task->open)
            continue;
        if (task->durable && task->audit)
            add_audit(w, task);
        else if (task->durable)
            end_task(w, task);
        else if (!planted(w, SIM_PLANT_RECOVERY) || place % 8 != 0)
            add_to_sched(w, task);
    }
}

void sim_office_start(sim_world *w)
{
    sim_office *o = &w->office;
    o->starts++;
    uint64_t start = planted(w, SIM_PLANT_EPOCH) ? 1 : o->starts;
    i8x_sched_opts opts = {.lease_life_ms = SIM_LIFE_MS,
                           .backoff_first_ms = SIM_BACKOFF_FIRST_MS,
                           .backoff_max_ms = SIM_BACKOFF_MAX_MS,
                           .attempts_max = SIM_ATTEMPTS_MAX,
                           .workers_max = SIM_FAILED_MAX,
                           .lost_max = SIM_LOST_MAX,
                           .first_epoch = start << 32,
                           .seed = w->opts.seed,
                           .audit_per_mille = w->audit_per_mille,
                           .audit_wait_ms = SIM_AUDIT_WAIT_MS};
    if (i8x_sched_new(&opts, &o->sched) != I8X_OK)
        abort();
    o->up = true;
    o->tick_ms = INT64_MAX;
    o->reply = UINT32_MAX;
    sim_tell(w, "the daemon starts");
    sim_model_restart(w);
    recover(w);
}

void sim_office_end(sim_world *w)
{
    i8x_sched_free(w->office.sched);
    free(w->office.steps);
}
