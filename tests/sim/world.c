/* SPDX-License-Identifier: Apache-2.0
 *
 * The clock: a heap of things that will happen. Every choice is drawn from one generator in the
 * order of what happens, so the seed alone decides the run.
 */
#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHAOS_MS 400      /* mean pause between blows */
#define CALM_MS 3600000   /* everything has to end in this time when it is calm */
#define CALM_STEPS 200000 /* and in so many steps */
#define CHECK_ALL_STEPS 100

/* ---- chance ---- */

uint64_t sim_random(sim_world *w)
{
    uint64_t z = (w->random += 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

uint64_t sim_below(sim_world *w, uint64_t count)
{
    return sim_random(w) % count;
}

bool sim_chance(sim_world *w, int per_mille)
{
    return sim_below(w, 1000) < (uint64_t)per_mille && !w->calm;
}

/* ---- telling ---- */

void sim_wrong(sim_world *w, const char *format, ...)
{
    if (w->outcome->wrong[0] != 0)
        return;
    int used = snprintf(w->outcome->wrong, sizeof w->outcome->wrong,
                        "at step %ld, %lld ms: ", w->outcome->steps, (long long)w->now_ms);
    va_list args;
    va_start(args, format);
    vsnprintf(w->outcome->wrong + used, sizeof w->outcome->wrong - (size_t)used, format, args);
    va_end(args);
}

void sim_tell(const sim_world *w, const char *format, ...)
{
    if (!w->opts.tell)
        return;
    printf("%8lld ", (long long)w->now_ms);
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static const char *const plant_names[] = {
#define X(name, text, what) text,
    SIM_PLANT_LIST(X)
#undef X
};
static const char *const plant_whats[] = {
#define X(name, text, what) what,
    SIM_PLANT_LIST(X)
#undef X
};

const char *sim_plant_name(sim_plant plant)
{
    return plant_names[plant];
}

const char *sim_plant_what(sim_plant plant)
{
    return plant_whats[plant];
}

/* ---- names of tasks ---- */

sim_name sim_name_of(const i8x_digest *key)
{
    sim_name name;
    memcpy(&name, key->bytes + I8X_DIGEST_SIZE - sizeof name, sizeof name);
    return name;
}

sim_task *sim_task_of(sim_world *w, sim_name name)
{
    sim_task *task = name.place < SIM_TASKS_MAX ? &w->tasks[name.place] : NULL;
    return task != NULL && task->serial == name.serial ? task : NULL;
}

uint64_t sim_value_of(sim_name name)
{
    return ((uint64_t)name.serial << 32 | name.place) * 0x9E3779B97F4A7C15u;
}

/* ---- what will happen ---- */

static bool sooner(const sim_queue_entry *a, const sim_queue_entry *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->number < b->number;
}

static uint32_t take_place(sim_queue *q)
{
    if (q->free_count > 0)
        return q->free_places[--q->free_count];
    if (q->place_count == q->capacity) {
        q->capacity = q->capacity == 0 ? 256 : q->capacity * 2;
        q->entries = realloc(q->entries, q->capacity * sizeof *q->entries);
        q->places = realloc(q->places, q->capacity * sizeof *q->places);
        q->free_places = realloc(q->free_places, q->capacity * sizeof *q->free_places);
        I8X_ASSERT(q->entries != NULL && q->places != NULL && q->free_places != NULL);
    }
    return (uint32_t)q->place_count++;
}

void sim_plan(sim_world *w, int64_t at_ms, sim_happening_type type, int worker, uint32_t life,
              const sim_message *message)
{
    sim_queue *q = &w->queue;
    uint32_t place = take_place(q);
    sim_happening *happening = &q->places[place];
    happening->type = type;
    happening->worker = worker;
    happening->life = life;
    if (message != NULL) /* the leases that count, not the whole array */
        memcpy(&happening->message, message,
               offsetof(sim_message, leases) + (size_t)message->count * sizeof(sim_lease));
    sim_queue_entry entry = {at_ms, ++q->last_number, place};
    size_t at = q->count++;
    while (at > 0 && sooner(&entry, &q->entries[(at - 1) / 2])) {
        q->entries[at] = q->entries[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    q->entries[at] = entry;
}

static sim_queue_entry take_first(sim_queue *q)
{
    sim_queue_entry first = q->entries[0], last = q->entries[--q->count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < q->count; at = child) {
        if (child + 1 < q->count && sooner(&q->entries[child + 1], &q->entries[child]))
            child++;
        if (!sooner(&q->entries[child], &last))
            break;
        q->entries[at] = q->entries[child];
    }
    q->entries[at] = last;
    return first;
}

/* ---- network ---- */

static int64_t delay_ms(sim_world *w)
{
    if (sim_chance(w, w->far))
        return 200 + (int64_t)sim_below(w, 9000);
    return 1 + (int64_t)sim_below(w, 20);
}

void sim_send(sim_world *w, sim_happening_type to, int worker, const sim_message *message)
{
    const sim_agent *agent = &w->agents[worker];
    bool deaf = to == SIM_TO_OFFICE ? agent->deaf_out : agent->deaf_in;
    if (deaf || sim_chance(w, w->loss))
        return;
    sim_plan(w, w->now_ms + delay_ms(w), to, worker, agent->life, message);
    if (sim_chance(w, w->twice))
        sim_plan(w, w->now_ms + delay_ms(w), to, worker, agent->life, message);
}

/* ---- blows ---- */

static void crash_agent(sim_world *w, int worker)
{
    sim_agent_crash(w, worker);
}

static void stall_agent(sim_world *w, int worker)
{
    w->agents[worker].stalled_ms = w->now_ms + (int64_t)sim_below(w, 25000);
    sim_tell(w, "worker %d stalls", worker);
}

static void cut_agent(sim_world *w, int worker)
{
    sim_agent *agent = &w->agents[worker];
    uint64_t way = sim_below(w, 4); /* out, in, both, healed */
    agent->deaf_out = way == 0 || way == 2;
    agent->deaf_in = way == 1 || way == 2;
    sim_tell(w, "worker %d: cut out=%d in=%d", worker, agent->deaf_out, agent->deaf_in);
}

static void part_agent(sim_world *w, int worker)
{
    w->agents[worker].leaving = true;
    sim_agent_wake(w, worker);
}

static void disconnect_agent(sim_world *w, int worker)
{
    sim_plan(w, w->now_ms + delay_ms(w), SIM_PIPE_CLOSED, worker, w->agents[worker].life, NULL);
    sim_agent_disconnected(w, worker);
}

static void change_weather(sim_world *w, int worker)
{
    (void)worker;
    static const int levels[] = {0, 0, 5, 30, 100};
    w->loss = levels[sim_below(w, 5)];
    w->twice = levels[sim_below(w, 5)];
    w->far = levels[sim_below(w, 5)];
}

static void crash_office(sim_world *w, int worker)
{
    (void)worker;
    if (w->office.up && sim_chance(w, 250))
        sim_office_crash(w);
}

static void cancel_job(sim_world *w, int worker)
{
    (void)worker;
    int job = (int)sim_below(w, SIM_TASKS_MAX);
    if (w->office.up && w->jobs[job].open && sim_chance(w, 300))
        sim_office_cancel(w, job);
}

static void drain_agent(sim_world *w, int worker)
{
    sim_office_operate(w, worker, I8X_SCHED_WORKER_DRAIN);
}

static void quarantine_agent(sim_world *w, int worker)
{
    sim_office_operate(w, worker,
                       sim_chance(w, 500) ? I8X_SCHED_WORKER_QUARANTINE : I8X_SCHED_WORKER_RESUME);
}

static void resume_agent(sim_world *w, int worker)
{
    sim_office_operate(w, worker, I8X_SCHED_WORKER_RESUME);
}

static void strike(sim_world *w)
{
    static void (*const blows[])(sim_world *, int) = {
        crash_agent,      stall_agent,    cut_agent,        cut_agent,    part_agent,
        disconnect_agent, change_weather, crash_office,     crash_office, cancel_job,
        cancel_job,       drain_agent,    quarantine_agent, resume_agent, resume_agent};
    if (w->calm)
        return;
    blows[sim_below(w, sizeof blows / sizeof *blows)](w,
                                                      (int)sim_below(w, (uint64_t)w->opts.workers));
    sim_plan(w, w->now_ms + 1 + (int64_t)sim_below(w, 2 * CHAOS_MS), SIM_CHAOS, 0, 0, NULL);
}

/* ---- the run ---- */

static void happen(sim_world *w, const sim_happening *h)
{
    switch (h->type) {
    case SIM_TO_OFFICE:
        sim_office_hear(w, h->worker, h->life, &h->message);
        break;
    case SIM_TO_AGENT:
        if (h->life == w->agents[h->worker].life)
            sim_agent_hear(w, h->worker, &h->message);
        break;
    case SIM_PIPE_CLOSED:
        sim_office_pipe_closed(w, h->worker, h->life);
        break;
    case SIM_CALL_FAILED:
        if (h->life == w->agents[h->worker].life)
            sim_agent_disconnected(w, h->worker);
        break;
    case SIM_AGENT_TIMER:
        w->agents[h->worker].timer_ms = INT64_MAX;
        sim_agent_wake(w, h->worker);
        break;
    case SIM_LEDGER:
        if (h->life == w->office.life)
            sim_office_written(w);
        break;
    case SIM_TICK:
        if (h->life == w->office.life)
            sim_office_tick(w);
        break;
    case SIM_OFFICE_STARTS:
        sim_office_start(w);
        break;
    case SIM_CHAOS:
        strike(w);
        break;
    default:
        break;
    }
}

/* New work whenever there is little. */
static void feed(sim_world *w)
{
    while (w->office.up && !w->calm && w->open_tasks < w->opts.tasks * 3 / 4) {
        int most = w->opts.tasks - w->open_tasks;
        sim_office_submit(w, 1 + (int)sim_below(w, (uint64_t)(most < 40 ? most : 40)));
    }
}

static bool turn(sim_world *w)
{
    if (w->queue.count == 0)
        return false;
    sim_queue_entry first = take_first(&w->queue);
    w->now_ms = first.at_ms;
    sim_happening happening = w->queue.places[first.place];
    w->queue.free_places[w->queue.free_count++] = first.place;
    long before = w->outcome->steps;
    happen(w, &happening);
    feed(w);
    if (before / CHECK_ALL_STEPS != w->outcome->steps / CHECK_ALL_STEPS && w->office.up)
        sim_model_check_all(w);
    return w->outcome->wrong[0] == 0;
}

/* The world heals; what was begun has to come to its end. */
static void calm_down(sim_world *w)
{
    w->calm = true;
    sim_tell(w, "calm");
    for (int i = 0; i < w->opts.workers; i++) {
        sim_agent *agent = &w->agents[i];
        agent->deaf_in = agent->deaf_out = false;
        agent->stalled_ms = 0;
        agent->up_ms = agent->up_ms < w->now_ms ? agent->up_ms : w->now_ms;
        sim_office_operate(w, i, I8X_SCHED_WORKER_RESUME);
        sim_agent_wake(w, i);
    }
    int64_t end_ms = w->now_ms + CALM_MS;
    long end_steps = w->outcome->steps + CALM_STEPS;
    while (w->open_tasks > 0 && w->now_ms < end_ms && w->outcome->steps < end_steps && turn(w))
        ;
    if (w->outcome->wrong[0] == 0 && w->open_tasks > 0)
        sim_wrong(w, "%d tasks do not end although all is well", w->open_tasks);
    if (w->outcome->wrong[0] == 0)
        sim_model_check_all(w);
}

void sim_run(const sim_opts *opts, sim_outcome *outcome)
{
    *outcome = (sim_outcome){.right = false};
    sim_world *w = calloc(1, sizeof *w);
    I8X_ASSERT(w != NULL && opts->workers <= SIM_WORKERS_MAX && opts->tasks <= SIM_TASKS_MAX);
    w->opts = *opts;
    w->random = opts->seed * 0xD1342543DE82EF95u;
    w->outcome = outcome;
    static const int shares[] = {0, 10, 1000};
    w->audit_per_mille = shares[opts->seed % 3];
    for (int i = 0; i < opts->workers; i++)
        sim_agent_init(w, i);
    sim_office_start(w);
    sim_plan(w, CHAOS_MS, SIM_CHAOS, 0, 0, NULL);
    feed(w);
    while (outcome->steps < opts->events && turn(w))
        ;
    if (outcome->wrong[0] == 0)
        calm_down(w);
    outcome->right = outcome->wrong[0] == 0;
    outcome->end_ms = w->now_ms;
    sim_office_end(w);
    free(w->queue.entries);
    free(w->queue.places);
    free(w->queue.free_places);
    free(w);
}
