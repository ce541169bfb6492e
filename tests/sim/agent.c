/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker: asks for as many leases as it would like to hold, works on some of them at once,
 * reports, renews. Its `life` is the number of its connection: what was said in an earlier life is
 * void once the end of that connection has been noticed.
 */
#include <string.h>

#include "tests/sim/world.h"

#define REJOIN_MS 500
#define LEASE_WAIT_MS 5000
#define DOWN_MS 8000

void sim_agent_init(sim_world *w, int worker)
{
    sim_agent *a = &w->agents[worker];
    *a = (sim_agent){.life = 1,
                     .up_ms = (int64_t)sim_below(w, 2000),
                     .speed = 100 + (int64_t)sim_below(w, 900),
                     .slots = 1 + (int)sim_below(w, 4),
                     .kinds = (1u << I8X_TASK_KIND_COUNT) - 1,
                     .timer_ms = INT64_MAX};
    a->depth = a->slots + (int)sim_below(w, 6);
    if (worker % 5 == 4) /* a board that computes wrongly */
        a->wrong = 1 + (int)sim_below(w, 300);
    if (worker % 4 == 3) /* an older program */
        a->kinds &= (uint32_t)sim_random(w);
    sim_agent_wake(w, worker);
}

static void set_timer(sim_world *w, int worker, int64_t at_ms)
{
    sim_agent *a = &w->agents[worker];
    if (at_ms >= a->timer_ms)
        return;
    a->timer_ms = at_ms > w->now_ms ? at_ms : w->now_ms + 1;
    sim_plan(w, a->timer_ms, SIM_AGENT_TIMER, worker, 0, NULL);
}

static void forget(sim_agent *a, int index)
{
    memmove(&a->held[index], &a->held[index + 1],
            (size_t)(--a->held_count - index) * sizeof *a->held);
}

/* ---- the work itself ---- */

static void end_work(sim_world *w, const sim_agent *a, sim_held *held)
{
    const sim_task *task = sim_task_of(w, held->lease.task);
    sim_message *report = &held->report;
    report->type = SIM_RESULT;
    report->about = held->lease;
    report->count = 0;
    report->value = sim_value_of(held->lease.task);
    if (sim_chance(w, a->wrong))
        report->value ^= 1 + sim_random(w) % 1000000;
    held->state = SIM_REPORTING;
    held->asked_ms = -1;
    sim_nature nature = task != NULL ? task->nature : SIM_NORMAL;
    bool crash = nature == SIM_POISON || (nature == SIM_FLAKY && sim_below(w, 3) == 0);
    if (!crash && nature != SIM_BAD_INPUT && !sim_chance(w, 10))
        return;
    report->type = SIM_FAIL;
    report->fault = nature == SIM_BAD_INPUT ? I8X_SCHED_FAULT_INPUT
                    : crash                 ? I8X_SCHED_FAULT_ATTEMPT
                    : sim_below(w, 2) == 0  ? I8X_SCHED_FAULT_TRANSFER
                                            : I8X_SCHED_FAULT_FREE;
}

static void begin_work(sim_world *w, sim_agent *a, sim_held *held)
{
    const sim_task *task = sim_task_of(w, held->lease.task);
    int64_t work = task != NULL ? task->work_ms : 100;
    held->state = SIM_RUNNING;
    held->begin_ms = w->now_ms;
    held->until_ms = w->now_ms + 1 + work * (80 + (int64_t)sim_below(w, 41)) / a->speed;
}

static void work(sim_world *w, sim_agent *a)
{
    int running = 0;
    for (int i = 0; i < a->held_count; i++) {
        if (a->held[i].state == SIM_RUNNING && a->held[i].until_ms <= w->now_ms)
            end_work(w, a, &a->held[i]);
        running += a->held[i].state == SIM_RUNNING;
    }
    for (int i = 0; i < a->held_count && running < a->slots; i++) {
        if (a->held[i].state != SIM_QUEUED)
            continue;
        begin_work(w, a, &a->held[i]);
        running++;
    }
}

/* ---- talking ---- */

static void ask(sim_world *w, int worker, sim_message *message)
{
    sim_agent *a = &w->agents[worker];
    message->call = ++a->last_call;
    message->session = a->session;
    sim_send(w, SIM_TO_OFFICE, worker, message);
}

static int held_leases(const sim_world *w, const sim_agent *a, sim_lease *leases)
{
    for (int i = 0; i < a->held_count; i++) {
        const sim_held *held = &a->held[i];
        leases[i] = held->lease;
        leases[i].started = held->state != SIM_QUEUED;
        leases[i].total = held->state == SIM_RUNNING && held->lease.task.place % 2 == 0
                              ? (uint32_t)(held->until_ms - held->begin_ms)
                              : 0;
        leases[i].done = leases[i].total != 0 ? (uint32_t)(w->now_ms - held->begin_ms) : 0;
    }
    return a->held_count;
}

static void say_hello(sim_world *w, int worker)
{
    sim_agent *a = &w->agents[worker];
    if (a->hello_call != 0 && w->now_ms - a->hello_ms < SIM_CALL_MS)
        return;
    sim_message hello = {.type = SIM_HELLO};
    hello.count = held_leases(w, a, hello.leases);
    a->session = 0;
    ask(w, worker, &hello);
    a->hello_call = a->last_call;
    a->hello_ms = w->now_ms;
}

/* Leases that it would like to have, beyond those it has or has asked for. */
static uint32_t room(const sim_agent *a)
{
    int asked = a->lease_call != 0 ? (int)a->lease_want : 0, working = 0;
    for (int i = 0; i < a->held_count; i++) {
        const sim_held *held = &a->held[i];
        working += held->state != SIM_REPORTING;
        asked += held->state == SIM_REPORTING && held->asked_ms >= 0 ? (int)held->report.want : 0;
    }
    int room = a->depth - working < SIM_HELD_MAX - a->held_count ? a->depth - working
                                                                 : SIM_HELD_MAX - a->held_count;
    return a->leaving || room < asked ? 0 : (uint32_t)(room - asked);
}

static void report(sim_world *w, int worker, sim_held *held)
{
    sim_agent *a = &w->agents[worker];
    held->report.want = room(a);
    ask(w, worker, &held->report);
    held->asked_ms = w->now_ms;
}

static void renew(sim_world *w, int worker)
{
    sim_agent *a = &w->agents[worker];
    sim_message message = {.type = SIM_RENEW, .draining = a->leaving};
    message.count = held_leases(w, a, message.leases);
    ask(w, worker, &message);
    a->renew_call = a->last_call;
    a->renew_ms = w->now_ms;
}

static void lease(sim_world *w, int worker)
{
    sim_agent *a = &w->agents[worker];
    sim_message message = {
        .type = SIM_LEASE, .want = room(a), .wait_ms = (int64_t)sim_below(w, LEASE_WAIT_MS)};
    ask(w, worker, &message);
    a->lease_call = a->last_call;
    a->lease_want = message.want;
    a->lease_ms = w->now_ms;
}

static bool call_overdue(const sim_world *w, const sim_agent *a)
{
    bool overdue = a->lease_call != 0 && w->now_ms - a->lease_ms > LEASE_WAIT_MS + SIM_CALL_MS;
    overdue = overdue || (a->renew_call != 0 && w->now_ms - a->renew_ms > SIM_CALL_MS);
    for (int i = 0; i < a->held_count; i++)
        overdue = overdue || (a->held[i].state == SIM_REPORTING && a->held[i].asked_ms >= 0 &&
                              w->now_ms - a->held[i].asked_ms > SIM_CALL_MS);
    return overdue;
}

static void leave(sim_world *w, int worker)
{
    sim_message bye = {.type = SIM_BYE};
    ask(w, worker, &bye);
    sim_agent_crash(w, worker);
}

static void talk(sim_world *w, int worker)
{
    sim_agent *a = &w->agents[worker];
    if (a->joined && call_overdue(w, a))
        a->joined = false;
    if (!a->joined) {
        say_hello(w, worker);
        return;
    }
    if (a->leaving && a->held_count == 0) {
        leave(w, worker);
        return;
    }
    for (int i = 0; i < a->held_count; i++)
        if (a->held[i].state == SIM_REPORTING && a->held[i].asked_ms < 0)
            report(w, worker, &a->held[i]);
    if (a->renew_call == 0 && w->now_ms - a->renew_ms >= SIM_HEARTBEAT_MS)
        renew(w, worker);
    if (a->lease_call == 0 && room(a) > 0)
        lease(w, worker);
}

void sim_agent_wake(sim_world *w, int worker)
{
    sim_agent *a = &w->agents[worker];
    if (!a->up && w->now_ms >= a->up_ms) {
        a->up = true;
        sim_tell(w, "worker %d starts", worker);
    }
    if (!a->up || w->now_ms < a->stalled_ms) {
        set_timer(w, worker, a->up ? a->stalled_ms : a->up_ms);
        return;
    }
    work(w, a);
    talk(w, worker);
    int64_t next = w->now_ms + SIM_HEARTBEAT_MS;
    for (int i = 0; i < a->held_count; i++)
        if (a->held[i].state == SIM_RUNNING && a->held[i].until_ms < next)
            next = a->held[i].until_ms;
    set_timer(w, worker, a->up ? next : a->up_ms);
}

/* ---- hearing ---- */

static void take_grants(sim_world *w, int worker, const sim_message *message)
{
    sim_agent *a = &w->agents[worker];
    for (int i = 0; i < message->count; i++) {
        if (a->held_count == SIM_HELD_MAX)
            sim_wrong(w, "worker %d is given more than it can hold", worker);
        else
            a->held[a->held_count++] = (sim_held){.lease = message->leases[i], .state = SIM_QUEUED};
    }
}

static void hear_grants(sim_world *w, int worker, const sim_message *message)
{
    sim_agent *a = &w->agents[worker];
    if (message->call == a->lease_call) {
        a->lease_call = 0;
        take_grants(w, worker, message);
        return;
    }
    for (int i = 0; i < a->held_count; i++) {
        if (a->held[i].state == SIM_REPORTING && a->held[i].report.call == message->call) {
            forget(a, i);
            take_grants(w, worker, message);
            return;
        }
    }
}

static void hear_control(sim_world *w, int worker, const sim_message *message)
{
    sim_agent *a = &w->agents[worker];
    if (message->call == a->renew_call)
        a->renew_call = 0;
    for (int c = 0; c < message->count; c++)
        for (int i = 0; i < a->held_count; i++) {
            sim_held *held = &a->held[i];
            if (held->lease.task.serial != message->leases[c].task.serial ||
                held->lease.task.place != message->leases[c].task.place ||
                held->state == SIM_REPORTING ||
                (held->state == SIM_RUNNING && !message->leases[c].started))
                continue;
            if (sim_chance(w, 300)) { /* forgets it without a word */
                forget(a, i--);
                continue;
            }
            end_work(w, a, held);
            held->report.type = SIM_FAIL;
            held->report.fault = I8X_SCHED_FAULT_FREE;
        }
}

void sim_agent_hear(sim_world *w, int worker, const sim_message *message)
{
    sim_agent *a = &w->agents[worker];
    if (!a->up)
        return;
    if (w->now_ms < a->stalled_ms) {
        sim_plan(w, a->stalled_ms, SIM_TO_AGENT, worker, a->life, message);
        return;
    }
    if (message->type == SIM_WELCOME && message->call == a->hello_call) {
        a->hello_call = a->lease_call = a->renew_call = 0;
        a->session = message->session;
        a->joined = true;
        a->renew_ms = w->now_ms;
        for (int i = 0; i < a->held_count; i++)
            a->held[i].asked_ms = -1;
    } else if (message->type == SIM_GRANTS) {
        hear_grants(w, worker, message);
    } else if (message->type == SIM_CONTROL) {
        hear_control(w, worker, message);
    } else if (message->type == SIM_UNKNOWN && message->session == a->session) {
        a->joined = false;
    }
    sim_agent_wake(w, worker);
}

void sim_agent_disconnected(sim_world *w, int worker)
{
    sim_agent *a = &w->agents[worker];
    a->life++;
    a->joined = false;
    a->hello_call = 0;
    a->hello_ms = w->now_ms;
    set_timer(w, worker, w->now_ms + REJOIN_MS);
}

void sim_agent_crash(sim_world *w, int worker)
{
    sim_agent *a = &w->agents[worker];
    if (!a->up)
        return;
    sim_tell(w, "worker %d ends%s", worker, a->leaving ? " in peace" : "");
    w->outcome->crashes++;
    if (!sim_chance(w, 200)) /* else nobody notices */
        sim_plan(w, w->now_ms + 1 + (int64_t)sim_below(w, 30), SIM_PIPE_CLOSED, worker, a->life,
                 NULL);
    sim_agent_disconnected(w, worker);
    a->up = a->leaving = false;
    a->up_ms = w->now_ms + (int64_t)sim_below(w, DOWN_MS);
    a->held_count = 0;
    a->stalled_ms = 0;
    set_timer(w, worker, a->up_ms);
}
