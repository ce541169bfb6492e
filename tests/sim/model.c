/* SPDX-License-Identifier: Apache-2.0
 *
 * What the world believes about each task, from the events that went in and the actions that came
 * out, and the rules that hold between the two. The scheduler is asked only afterwards.
 */
#include <string.h>

#include "tests/sim/world.h"

#define REQUIRE(w, condition, ...)                                                                 \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            sim_wrong((w), __VA_ARGS__);                                                           \
            return;                                                                                \
        }                                                                                          \
    } while (0)

#define WORKER_OF(session) ((int)((session)&0xFF))

static i8x_sched_state state_of(const sim_belief *b)
{
    if (b->committing)
        return I8X_SCHED_COMMITTING;
    if (b->audit)
        return b->lease_count != 0 ? I8X_SCHED_AUDITING : I8X_SCHED_AUDIT_WAITING;
    if (b->waiting)
        return I8X_SCHED_WAITING;
    return b->lease_count != 0 ? I8X_SCHED_LEASED : I8X_SCHED_READY;
}

/* The belief about a task that is here; NULL if that very task is not. */
static sim_belief *belief_of(sim_world *w, const i8x_digest *key)
{
    sim_name name = sim_name_of(key);
    const sim_task *task = sim_task_of(w, name);
    if (task == NULL || memcmp(&task->key, key, sizeof *key) != 0)
        return NULL;
    sim_model *m = &w->model;
    if (m->touched_count < (int)(sizeof m->touched / sizeof *m->touched))
        m->touched[m->touched_count++] = name.place;
    return m->tasks[name.place].here ? &m->tasks[name.place] : NULL;
}

/* ---- leases ---- */

static int lease_of(const sim_belief *b, uint64_t session)
{
    for (int i = 0; i < b->lease_count; i++)
        if (b->leases[i].session == session)
            return i;
    return -1;
}

static void end_lease(sim_world *w, sim_belief *b, int index)
{
    sim_model *m = &w->model;
    m->leases[WORKER_OF(b->leases[index].session)]--;
    m->all_leases--;
    m->duplicates -= b->lease_count == 2;
    b->leases[index] = b->leases[--b->lease_count];
}

static void note_debt(sim_debt *debts, int *count, uint64_t session, uint32_t place)
{
    if (*count < SIM_DEBTS_MAX)
        debts[(*count)++] = (sim_debt){session, place, false};
}

/* For another reason than what its worker said: it has to be told. */
static void take_leases(sim_world *w, sim_belief *b)
{
    sim_model *m = &w->model;
    while (b->lease_count > 0) {
        if (b->leases[0].session != m->event.worker)
            note_debt(m->debts, &m->debt_count, b->leases[0].session, (uint32_t)(b - m->tasks));
        end_lease(w, b, 0);
    }
}

static void begin_lease(sim_world *w, sim_belief *b, uint64_t session, uint64_t epoch)
{
    sim_model *m = &w->model;
    b->leases[b->lease_count++] = (sim_belief_lease){session, epoch};
    m->leases[WORKER_OF(session)]++;
    m->all_leases++;
    m->duplicates += b->lease_count == 2;
}

/* Every change of a belief lies between these two, so that the counts follow. */
static void before(sim_world *w, const sim_belief *b)
{
    w->model.counts[state_of(b)] -= b->here;
}

static void after(sim_world *w, const sim_belief *b)
{
    w->model.counts[state_of(b)] += b->here;
}

static void gone(sim_world *w, sim_belief *b)
{
    before(w, b);
    take_leases(w, b);
    b->here = b->committing = b->audit = b->waiting = false;
}

void sim_model_restart(sim_world *w)
{
    uint64_t last_epoch = w->model.last_epoch;
    memset(&w->model, 0, sizeof w->model);
    w->model.last_epoch = last_epoch;
}

/* ---- events ---- */

static void see_add(sim_world *w, const i8x_sched_event *event)
{
    if (belief_of(w, &event->key) != NULL)
        return;
    sim_belief *b = &w->model.tasks[sim_name_of(&event->key).place];
    *b = (sim_belief){.here = true};
    after(w, b);
}

static void see_drop(sim_world *w, const i8x_sched_event *event)
{
    sim_belief *b = belief_of(w, &event->key);
    if (b != NULL)
        gone(w, b);
}

static void see_join(sim_world *w, const i8x_sched_event *event)
{
    int worker = WORKER_OF(event->worker);
    w->model.leases[worker] = 0;
    w->model.draining[worker] = false;
}

static void see_adopt(sim_world *w, const i8x_sched_event *event)
{
    sim_belief *b = belief_of(w, &event->key);
    if (b == NULL || b->committing || b->audit || b->lease_count != 0 ||
        w->office.quarantined[WORKER_OF(event->worker)])
        return;
    before(w, b);
    b->waiting = false;
    begin_lease(w, b, event->worker, event->epoch);
    after(w, b);
}

static void see_drain(sim_world *w, const i8x_sched_event *event)
{
    if (!event->lasting)
        w->model.draining[WORKER_OF(event->worker)] = true;
}

static void see_quarantine(sim_world *w, const i8x_sched_event *event)
{
    for (int i = 0; i < SIM_TASKS_MAX && event->worker != 0; i++) {
        sim_belief *b = &w->model.tasks[i];
        int lease = b->here ? lease_of(b, event->worker) : -1;
        if (lease < 0)
            continue;
        before(w, b);
        end_lease(w, b, lease);
        after(w, b);
    }
}

/* ---- votes ---- */

static bool has_voted(const sim_belief *b, int worker)
{
    for (int i = 0; i < b->voter_count; i++)
        if (b->votes[i].worker == worker)
            return true;
    return false;
}

static void note_vote(sim_belief *b, int worker, uint64_t value)
{
    if (!has_voted(b, worker))
        b->votes[b->voter_count++] = (sim_vote){worker, value};
}

static uint64_t value_of(const i8x_digest *result)
{
    uint64_t value;
    memcpy(&value, result->bytes, sizeof value);
    return value;
}

/* Two equal votes that count decide; NULL = not yet. */
static const sim_vote *winner_of(const sim_world *w, const sim_belief *b)
{
    for (int i = 0; i < b->voter_count; i++)
        for (int k = i + 1; k < b->voter_count; k++)
            if (b->votes[i].value == b->votes[k].value &&
                !w->office.quarantined[b->votes[i].worker] &&
                !w->office.quarantined[b->votes[k].worker])
                return &b->votes[i];
    return NULL;
}

static void see_result(sim_world *w, const i8x_sched_event *event)
{
    sim_belief *b = belief_of(w, &event->key);
    int worker = WORKER_OF(event->worker);
    if (b != NULL && (b->committing || b->audit) && !w->office.quarantined[worker])
        note_vote(b, worker, value_of(&event->result));
}

static void see_fail(sim_world *w, const i8x_sched_event *event)
{
    sim_belief *b = belief_of(w, &event->key);
    int lease = b != NULL ? lease_of(b, event->worker) : -1;
    if (lease < 0 || b->leases[lease].epoch != event->epoch)
        return;
    before(w, b);
    end_lease(w, b, lease);
    if (event->fault != I8X_SCHED_FAULT_FREE && !b->audit) {
        b->attempts++;
        if (event->fault == I8X_SCHED_FAULT_ATTEMPT)
            b->crashed |= (uint64_t)1 << WORKER_OF(event->worker);
        b->failing = true;
    }
    if (event->fault != I8X_SCHED_FAULT_FREE)
        b->failed |= (uint64_t)1 << WORKER_OF(event->worker);
    after(w, b);
}

static void see_tick(sim_world *w, const i8x_sched_event *event)
{
    (void)event;
    for (int i = 0; i < SIM_TASKS_MAX; i++) {
        sim_belief *b = &w->model.tasks[i];
        if (!b->here || !b->waiting || b->due_ms > w->now_ms)
            continue;
        before(w, b);
        b->waiting = false;
        after(w, b);
    }
}

void sim_model_event(sim_world *w, const i8x_sched_event *event)
{
    static void (*const seers[I8X_SCHED_EVENT_COUNT])(sim_world *, const i8x_sched_event *) = {
        [I8X_SCHED_TASK_ADD] = see_add,       [I8X_SCHED_TASK_DROP] = see_drop,
        [I8X_SCHED_COMMITTED] = see_drop,     [I8X_SCHED_RESULT] = see_result,
        [I8X_SCHED_WORKER_JOIN] = see_join,   [I8X_SCHED_WORKER_ADOPT] = see_adopt,
        [I8X_SCHED_WORKER_DRAIN] = see_drain, [I8X_SCHED_WORKER_QUARANTINE] = see_quarantine,
        [I8X_SCHED_FAIL] = see_fail,          [I8X_SCHED_TICK] = see_tick};
    w->model.touched_count = w->model.debt_count = w->model.told_count = 0;
    w->model.event = *event;
    if (seers[event->type] != NULL)
        seers[event->type](w, event);
}

/* ---- actions ---- */

static bool is_eligible(const sim_world *w, int worker, int kind)
{
    return w->office.sessions[worker] != 0 && !w->model.draining[worker] &&
           !w->office.drained[worker] && !w->office.quarantined[worker] &&
           (w->agents[worker].kinds >> kind & 1) != 0;
}

/* A worker that failed gets it again only if there is no other. */
static void check_failed(sim_world *w, const sim_belief *b, uint32_t place, int worker)
{
    if ((b->failed >> worker & 1) == 0)
        return;
    for (int i = 0; i < w->opts.workers; i++)
        REQUIRE(w, (b->failed >> i & 1) != 0 || !is_eligible(w, i, w->tasks[place].kind),
                "task %u goes to worker %d again, which failed; worker %d has not tried", place,
                worker, i);
}

/* An idle worker gets the first task that it can do. Looks at everything, so only now and then. */
static void check_order(sim_world *w, const i8x_sched_action *a, int worker)
{
    const sim_task *granted = &w->tasks[sim_name_of(&a->key).place];
    const sim_belief *its = &w->model.tasks[sim_name_of(&a->key).place];
    if (a->audit || a->duplicate || its->failed != 0 || w->outcome->grants % 16 != 0 ||
        w->model.leases[worker] >= (size_t)w->agents[worker].slots)
        return;
    for (int place = 0; place < SIM_TASKS_MAX; place++) {
        const sim_belief *b = &w->model.tasks[place];
        const sim_task *task = &w->tasks[place];
        REQUIRE(w,
                !b->here || b->failed != 0 || state_of(b) != I8X_SCHED_READY ||
                    (w->agents[worker].kinds >> task->kind & 1) == 0 ||
                    task->order >= granted->order,
                "task %d goes first", place);
    }
}

static void check_grant(sim_world *w, const i8x_sched_action *a)
{
    sim_belief *b = belief_of(w, &a->key);
    uint32_t place = sim_name_of(&a->key).place;
    REQUIRE(w, b != NULL, "a task is granted that is not here");
    const sim_task *task = &w->tasks[place];
    int worker = WORKER_OF(a->worker);
    REQUIRE(w, task->open && w->jobs[task->job].open, "task %u of an ended job is granted", place);
    REQUIRE(w, a->audit == b->audit && (!b->audit || !has_voted(b, worker)),
            "task %u goes to worker %d, audit %d, should be %d", place, worker, a->audit, b->audit);
    REQUIRE(w, !b->committing && !b->waiting, "task %u is granted while %s", place,
            i8x_sched_state_name(state_of(b)));
    REQUIRE(w, a->duplicate ? b->lease_count == 1 : b->lease_count == 0, "task %u is granted twice",
            place);
    REQUIRE(w, lease_of(b, a->worker) < 0, "task %u is granted to worker %d, which has it", place,
            worker);
    REQUIRE(w, a->epoch > w->model.last_epoch, "epoch %llx of task %u does not grow",
            (unsigned long long)a->epoch, place);
    REQUIRE(w, a->ticket < SIM_REPLIES_MAX, "ticket %llu", (unsigned long long)a->ticket);
    const sim_reply *reply = &w->office.replies[a->ticket];
    REQUIRE(w, reply->open && reply->asking && reply->session == a->worker,
            "task %u is granted to who did not ask", place);
    REQUIRE(w, (uint32_t)reply->count < reply->want, "worker %d gets more than it wants", worker);
    REQUIRE(w, w->office.sessions[worker] == a->worker,
            "task %u is granted to a session that ended", place);
    REQUIRE(w, !w->model.draining[worker], "task %u is granted to worker %d, which is draining",
            place, worker);
    REQUIRE(w, (w->agents[worker].kinds >> task->kind & 1) != 0,
            "task %u is granted to worker %d, which cannot do it", place, worker);
    REQUIRE(w, !w->office.drained[worker] && !w->office.quarantined[worker],
            "task %u is granted to worker %d, which must get nothing", place, worker);
    check_failed(w, b, place, worker);
    if (!a->duplicate && w->model.event.type != I8X_SCHED_WORKER_ADOPT)
        check_order(w, a, worker);
    size_t most = w->model.all_leases / 20 > 1 ? w->model.all_leases / 20 : 1;
    before(w, b);
    begin_lease(w, b, a->worker, a->epoch);
    w->model.last_epoch = a->epoch;
    after(w, b);
    REQUIRE(w, w->model.duplicates <= most || !a->duplicate, "%zu second runs of %zu leases",
            w->model.duplicates, w->model.all_leases);
}

static void check_answer(sim_world *w, const i8x_sched_action *a)
{
    REQUIRE(w, a->ticket < SIM_REPLIES_MAX && w->office.replies[a->ticket].asking,
            "ticket %llu is answered and was not asked", (unsigned long long)a->ticket);
}

static void check_commit(sim_world *w, const i8x_sched_action *a)
{
    sim_belief *b = belief_of(w, &a->key);
    REQUIRE(w, b != NULL && !b->committing, "task %u is committed and should not be",
            sim_name_of(&a->key).place);
    before(w, b);
    take_leases(w, b);
    b->committing = true;
    b->waiting = false;
    b->voter_count = 0;
    note_vote(b, WORKER_OF(a->worker), value_of(&w->model.event.result));
    after(w, b);
}

static void check_again(sim_world *w, const i8x_sched_action *a)
{
    sim_belief *b = belief_of(w, &a->key);
    REQUIRE(w, b != NULL && (b->committing || b->audit),
            "a result is called a second one and is the first");
    int lease = lease_of(b, a->worker);
    if (!b->audit || lease < 0)
        return;
    before(w, b);
    end_lease(w, b, lease);
    after(w, b);
}

static void check_audit(sim_world *w, const i8x_sched_action *a)
{
    uint32_t place = sim_name_of(&a->key).place;
    sim_belief *b = &w->model.tasks[place];
    belief_of(w, &a->key); /* touched */
    REQUIRE(w, w->tasks[place].durable && !b->here, "task %u is audited and not committed", place);
    if (w->model.event.type == I8X_SCHED_AUDIT_ADD) {
        *b = (sim_belief){0};
        note_vote(b, w->tasks[place].producer, w->tasks[place].on_disk);
    }
    b->here = b->audit = true;
    after(w, b);
}

static void check_audited(sim_world *w, const i8x_sched_action *a)
{
    sim_belief *b = belief_of(w, &a->key);
    REQUIRE(w, b != NULL && b->audit, "an audit of task %u ends that was not begun",
            sim_name_of(&a->key).place);
    const sim_vote *winner = winner_of(w, b);
    bool agreed = winner != NULL && winner->value == b->votes[0].value;
    REQUIRE(w, agreed == (a->verdict == I8X_SCHED_VERDICT_AGREED), "verdict %s, should be %d",
            i8x_sched_verdict_name(a->verdict), agreed);
    REQUIRE(w, (winner != NULL && !agreed) == (a->verdict == I8X_SCHED_VERDICT_WRONG),
            "verdict %s, should not be", i8x_sched_verdict_name(a->verdict));
    for (int i = 0; winner != NULL && i < b->voter_count; i++)
        if (b->votes[i].value != winner->value)
            w->model.losers |= (uint64_t)1 << b->votes[i].worker;
    gone(w, b);
}

/* Its leases ended before. */
static void check_quarantine(sim_world *w, const i8x_sched_action *a)
{
    i8x_sched_event event = {.worker = a->worker};
    see_quarantine(w, &event);
}

static void check_lost(sim_world *w, const i8x_sched_action *a)
{
    sim_belief *b = belief_of(w, &a->key);
    uint32_t place = sim_name_of(&a->key).place;
    int lease = b != NULL ? lease_of(b, a->worker) : -1;
    REQUIRE(w, lease >= 0 && b->leases[lease].epoch == a->epoch,
            "the lease of task %u is lost and did not exist", place);
    before(w, b);
    end_lease(w, b, lease);
    b->lost++;
    after(w, b);
}

static void check_call_back(sim_world *w, const i8x_sched_action *a)
{
    sim_belief *b = belief_of(w, &a->key);
    int lease = b != NULL ? lease_of(b, a->worker) : -1;
    REQUIRE(w, lease >= 0, "the lease of task %u is taken back and did not exist",
            sim_name_of(&a->key).place);
    before(w, b);
    end_lease(w, b, lease);
    after(w, b);
}

/* Workers that may get the task. */
static int eligible(const sim_world *w, int kind)
{
    int count = 0;
    for (int i = 0; i < w->opts.workers; i++)
        count += is_eligible(w, i, kind);
    return count;
}

static int count_bits(uint64_t mask)
{
    int count = 0;
    for (; mask != 0; mask &= mask - 1)
        count++;
    return count;
}

static bool is_poison(const sim_world *w, const sim_belief *b, uint32_t place)
{
    int enough = eligible(w, w->tasks[place].kind);
    enough = enough < 2 ? 2 : enough > SIM_FAILED_MAX ? SIM_FAILED_MAX : enough;
    return count_bits(b->crashed) >= enough;
}

static void check_dead(sim_world *w, const i8x_sched_action *a)
{
    sim_belief *b = belief_of(w, &a->key);
    uint32_t place = sim_name_of(&a->key).place;
    REQUIRE(w, b != NULL && !b->committing, "task %u dies while it lives", place);
    bool input = b->failing && w->model.event.fault == I8X_SCHED_FAULT_INPUT;
    REQUIRE(w,
            input || b->attempts >= SIM_ATTEMPTS_MAX || is_poison(w, b, place) ||
                b->lost >= SIM_LOST_MAX,
            "task %u is given up after %d attempts, %d workers, %d losses", place, b->attempts,
            count_bits(b->crashed), b->lost);
    b->failing = false;
    gone(w, b);
}

static void check_retry(sim_world *w, const i8x_sched_action *a)
{
    sim_belief *b = belief_of(w, &a->key);
    uint32_t place = sim_name_of(&a->key).place;
    REQUIRE(w, b != NULL && b->failing && a->attempts == b->attempts,
            "task %u waits for another try and has not failed", place);
    REQUIRE(w, b->lease_count == 0 && b->attempts < SIM_ATTEMPTS_MAX && !is_poison(w, b, place),
            "task %u is tried again after %d attempts on %d workers", place, b->attempts,
            count_bits(b->crashed));
    int64_t most = (int64_t)SIM_BACKOFF_FIRST_MS << (b->attempts - 1), wait = a->at_ms - w->now_ms;
    REQUIRE(w, wait >= most / 2 && wait <= most, "task %u waits %lld ms after attempt %d", place,
            (long long)wait, b->attempts);
    before(w, b);
    b->failing = false;
    b->waiting = true;
    b->due_ms = a->at_ms;
    after(w, b);
}

static void check_gone(sim_world *w, const i8x_sched_action *a)
{
    REQUIRE(w, w->model.event.type == I8X_SCHED_TICK, "worker %d is gone for no reason",
            WORKER_OF(a->worker));
}

void sim_model_action(sim_world *w, const i8x_sched_action *action)
{
    static void (*const checkers[I8X_SCHED_ACTION_COUNT])(sim_world *, const i8x_sched_action *) = {
        [I8X_SCHED_DO_GRANT] = check_grant,
        [I8X_SCHED_DO_ANSWER] = check_answer,
        [I8X_SCHED_DO_COMMIT] = check_commit,
        [I8X_SCHED_DO_DUPLICATE] = check_again,
        [I8X_SCHED_DO_CONFLICT] = check_again,
        [I8X_SCHED_DO_LOST] = check_lost,
        [I8X_SCHED_DO_DEAD] = check_dead,
        [I8X_SCHED_DO_RETRY] = check_retry,
        [I8X_SCHED_DO_GONE] = check_gone,
        [I8X_SCHED_DO_CALL_BACK] = check_call_back,
        [I8X_SCHED_DO_AUDIT] = check_audit,
        [I8X_SCHED_DO_AUDITED] = check_audited,
        [I8X_SCHED_DO_QUARANTINE] = check_quarantine};
    if (action->type == I8X_SCHED_DO_CANCEL)
        note_debt(w->model.told, &w->model.told_count, action->worker,
                  sim_name_of(&action->key).place);
    if (checkers[action->type] != NULL)
        checkers[action->type](w, action);
}

/* ---- comparing ---- */

static void check_task(sim_world *w, uint32_t place)
{
    const sim_belief *b = &w->model.tasks[place];
    i8x_sched_task_view view;
    bool here =
        w->tasks[place].serial != 0 && i8x_sched_task(w->office.sched, &w->tasks[place].key, &view);
    REQUIRE(w, here == b->here, "task %u is %s with the scheduler", place, here ? "still" : "not");
    if (!here)
        return;
    REQUIRE(w, view.state == state_of(b), "task %u is %s, should be %s", place,
            i8x_sched_state_name(view.state), i8x_sched_state_name(state_of(b)));
    REQUIRE(w, view.lease_count == b->lease_count, "task %u has %d leases, should have %d", place,
            view.lease_count, b->lease_count);
    for (int i = 0; i < view.lease_count; i++) {
        int lease = lease_of(b, view.leases[i].worker);
        REQUIRE(w, lease >= 0 && view.leases[i].epoch == b->leases[lease].epoch,
                "task %u is held by %llx under %llx", place,
                (unsigned long long)view.leases[i].worker,
                (unsigned long long)view.leases[i].epoch);
    }
    REQUIRE(w, view.attempts == b->attempts, "task %u has had %d attempts, should be %d", place,
            view.attempts, b->attempts);
    REQUIRE(w, !b->failing || b->lease_count > 0, "task %u has failed and nothing followed", place);
}

/* A TICK does a limited number of things: not all that is due may be done yet. */
static bool is_between_ticks(const sim_world *w)
{
    return w->model.event.type == I8X_SCHED_TICK && i8x_sched_next_ms(w->office.sched) <= w->now_ms;
}

static void check_worker(sim_world *w, int worker)
{
    uint64_t session = w->office.sessions[worker];
    size_t leases = session != 0 ? i8x_sched_lease_count(w->office.sched, session) : 0;
    REQUIRE(w, leases == (session != 0 ? w->model.leases[worker] : 0),
            "worker %d has %zu leases, should have %zu", worker, leases, w->model.leases[worker]);
    REQUIRE(w, session != 0 || w->model.leases[worker] == 0, "worker %d left and keeps %zu leases",
            worker, w->model.leases[worker]);
}

/* Who lost a lease through no word of its own was told to stop. */
static void check_debts(sim_world *w)
{
    sim_model *m = &w->model;
    for (int i = 0; i < m->debt_count; i++) {
        bool paid = false;
        for (int k = 0; k < m->told_count && !paid; k++)
            paid =
                m->told[k].session == m->debts[i].session && m->told[k].place == m->debts[i].place;
        REQUIRE(w, paid || m->told_count == SIM_DEBTS_MAX,
                "worker %d works on task %u for nothing and is not told",
                WORKER_OF(m->debts[i].session), m->debts[i].place);
    }
}

void sim_model_check(sim_world *w)
{
    sim_model *m = &w->model;
    w->outcome->checks++;
    check_debts(w);
    for (int i = 0; m->losers != 0 && i < w->opts.workers; i++)
        REQUIRE(w, (m->losers >> i & 1) == 0 || w->office.quarantined[i],
                "worker %d was outvoted and is not in quarantine", i);
    m->losers = 0;
    if (is_between_ticks(w))
        return;
    for (int i = 0; i < m->touched_count; i++) {
        check_task(w, m->touched[i]);
        m->tasks[m->touched[i]].failing = false;
    }
    for (int state = 0; state < I8X_SCHED_STATE_COUNT; state++) {
        size_t count = i8x_sched_task_count(w->office.sched, (i8x_sched_state)state);
        REQUIRE(w, count == m->counts[state], "%zu tasks are %s, should be %zu", count,
                i8x_sched_state_name((i8x_sched_state)state), m->counts[state]);
    }
    if (m->event.worker != 0)
        check_worker(w, WORKER_OF(m->event.worker));
}

static void check_tasks(sim_world *w)
{
    size_t counts[I8X_SCHED_STATE_COUNT] = {0};
    int open = 0;
    for (uint32_t place = 0; place < SIM_TASKS_MAX; place++) {
        const sim_task *task = &w->tasks[place];
        const sim_belief *b = &w->model.tasks[place];
        if (task->serial == 0)
            continue;
        check_task(w, place);
        open += task->open;
        if (b->here)
            counts[state_of(b)]++;
        REQUIRE(w, b->here == task->open, "task %u: wanted %d, here %d", place, task->open,
                b->here);
        REQUIRE(w, !b->audit || winner_of(w, b) == NULL,
                "the audit of task %u is decided and goes on", place);
        REQUIRE(w, !b->audit || !w->office.quarantined[b->votes[0].worker],
                "the audit of task %u goes on although worker %d is in quarantine", place,
                b->votes[0].worker);
        REQUIRE(w, !task->acknowledged || task->durable,
                "the result of task %u is acknowledged and not on disk", place);
    }
    REQUIRE(w, open == w->open_tasks, "%d open tasks, counted %d", w->open_tasks, open);
    for (int state = 0; state < I8X_SCHED_STATE_COUNT; state++)
        REQUIRE(w, counts[state] == w->model.counts[state], "%zu tasks are %s, counted %zu",
                w->model.counts[state], i8x_sched_state_name((i8x_sched_state)state),
                counts[state]);
}

static void check_asks(sim_world *w)
{
    size_t asks = 0;
    for (int i = 0; i < SIM_REPLIES_MAX; i++) {
        const sim_reply *reply = &w->office.replies[i];
        asks += reply->open && reply->asking;
        REQUIRE(w, !reply->open || !reply->asking || reply->until_ms + SIM_HEARTBEAT_MS > w->now_ms,
                "ticket %d should have been answered at %lld", i, (long long)reply->until_ms);
    }
    size_t parked = i8x_sched_ask_count(w->office.sched);
    REQUIRE(w, asks == parked, "%zu asks wait, should be %zu", parked, asks);
}

void sim_model_check_all(sim_world *w)
{
    if (w->outcome->wrong[0] != 0)
        return;
    check_tasks(w);
    check_asks(w);
    for (int worker = 0; worker < w->opts.workers; worker++)
        check_worker(w, worker);
    const char *fault = sim_verify(w->office.sched);
    if (fault != NULL)
        sim_wrong(w, "the scheduler's tables: %s", fault);
}
