/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a large fleet takes for one large job, against the time it would take if work could be
 * divided like water. Workers behave as int8x-worker does: they ask for all the room they have on
 * the back of each result, and by themselves only when a slot is empty. Nothing fails here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sched/sched.h"
#include "int8x/clock.h"
#include "tests/sim/sim.h"

#define AHEAD 32 /* leases beyond its slots that a worker has room for */
#define HELD_MAX (1 + AHEAD)
#define STOPS_MAX 64 /* leases called back, told with the next heartbeat */
#define NETWORK_MS 10
#define COMMIT_MS 5
#define HEARTBEAT_MS 3000
#define WAIT_MS 5000

typedef enum held_state { EMPTY, QUEUED, RUNNING, REPORTING } held_state;

typedef struct held {
    held_state state;
    uint32_t task;
    uint64_t epoch, number; /* number: order of arrival */
    int64_t begin_ms, until_ms;
} held;

typedef struct worker {
    int64_t speed; /* thousandths */
    int slots, held_count, running, asked;
    bool waits; /* a LEASE is under way */
    uint64_t last_number;
    held held[HELD_MAX];
    struct {
        uint32_t task;
        bool even_if_started;
    } stops[STOPS_MAX];
    int stop_count;
} worker;

typedef enum thing_type { DONE, RESULT, COMMIT, ANSWER, HEARTBEAT, CONTROL, TICK, ASK } thing_type;

typedef struct thing {
    int64_t at_ms;
    uint64_t number;
    uint32_t worker, lease, task; /* lease: index of its held ones */
    uint32_t want, count;
    struct {
        uint32_t task;
        uint64_t epoch;
    } * grants; /* ANSWER: [count] */
    uint8_t type;
    bool first; /* COMMIT: this result counts */
} thing;

typedef struct world {
    uint64_t random, last_number;
    int64_t now_ms, tick_ms;
    i8x_sched *sched;
    worker *workers;
    int worker_count;
    int64_t *work_ms; /* [task_count] at speed 1000 */
    uint8_t *done;    /* [task_count] */
    uint32_t task_count, left;
    thing *things; /* heap */
    size_t thing_count, thing_capacity;
    thing answer; /* being made by the step in hand */
    bool committed;
    long steps, seconds, called_back, wasted;
} world;

static uint64_t draw(world *w)
{
    uint64_t z = (w->random += 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* ---- what will happen ---- */

static bool sooner(const thing *a, const thing *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->number < b->number;
}

static void plan(world *w, thing_type type, int64_t after_ms, thing t)
{
    if (w->thing_count == w->thing_capacity) {
        w->thing_capacity = w->thing_capacity == 0 ? 1024 : w->thing_capacity * 2;
        w->things = realloc(w->things, w->thing_capacity * sizeof t);
        I8X_ASSERT(w->things != NULL);
    }
    t.type = (uint8_t)type;
    t.at_ms = w->now_ms + after_ms;
    t.number = ++w->last_number;
    size_t at = w->thing_count++;
    for (; at > 0 && sooner(&t, &w->things[(at - 1) / 2]); at = (at - 1) / 2)
        w->things[at] = w->things[(at - 1) / 2];
    w->things[at] = t;
}

static thing take(world *w)
{
    thing first = w->things[0], last = w->things[--w->thing_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < w->thing_count; at = child) {
        if (child + 1 < w->thing_count && sooner(&w->things[child + 1], &w->things[child]))
            child++;
        if (!sooner(&w->things[child], &last))
            break;
        w->things[at] = w->things[child];
    }
    w->things[at] = last;
    return first;
}

static int64_t network_ms(world *w)
{
    return 1 + (int64_t)(draw(w) % NETWORK_MS);
}

/* ---- the daemon ---- */

static i8x_digest key_of(uint32_t task)
{
    i8x_digest key = {{0}};
    uint64_t spread = (task + 1) * 0x9E3779B97F4A7C15u;
    memcpy(key.bytes, &spread, sizeof spread);
    memcpy(key.bytes + sizeof spread, &task, sizeof task);
    return key;
}

static uint32_t task_of(const i8x_digest *key)
{
    uint32_t task;
    memcpy(&task, key->bytes + sizeof(uint64_t), sizeof task);
    return task;
}

static void note_stop(world *w, const i8x_sched_action *action, bool even_if_started)
{
    worker *told = &w->workers[action->worker - 1];
    if (told->stop_count == STOPS_MAX)
        return;
    told->stops[told->stop_count].task = task_of(&action->key);
    told->stops[told->stop_count++].even_if_started = even_if_started;
}

/* Answers go to whom they belong, which need not be the one whose message is in hand. */
static void give(world *w, const i8x_sched_action *action)
{
    thing *answer = &w->answer;
    if (answer->count == 0) {
        answer->grants = malloc(64 * sizeof *answer->grants);
        I8X_ASSERT(answer->grants != NULL);
        answer->worker = (uint32_t)action->worker - 1;
    }
    I8X_ASSERT(answer->worker == action->worker - 1 && answer->count < 64);
    answer->grants[answer->count].task = task_of(&action->key);
    answer->grants[answer->count++].epoch = action->epoch;
}

static void act(world *w, const i8x_sched_action *action)
{
    switch (action->type) {
    case I8X_SCHED_DO_GRANT:
        w->seconds += action->duplicate;
        give(w, action);
        break;
    case I8X_SCHED_DO_ANSWER:
        w->answer.worker = (uint32_t)(action->ticket >> 32);
        w->answer.want = (uint32_t)action->ticket;
        plan(w, ANSWER, network_ms(w), w->answer);
        w->answer = (thing){0};
        break;
    case I8X_SCHED_DO_COMMIT:
        w->committed = true;
        break;
    case I8X_SCHED_DO_CANCEL:
        note_stop(w, action, true);
        break;
    case I8X_SCHED_DO_CALL_BACK:
        w->called_back++;
        note_stop(w, action, false);
        break;
    default:
        break;
    }
}

/* Grants of several asks may mix in one step: those of one worker are put together first. */
static void act_all(world *w)
{
    size_t count;
    const i8x_sched_action *actions = i8x_sched_actions(w->sched, &count);
    for (size_t i = 0; i < count; i++) {
        if (actions[i].type == I8X_SCHED_DO_GRANT)
            continue;
        for (size_t k = 0; actions[i].type == I8X_SCHED_DO_ANSWER && k < i; k++)
            if (actions[k].type == I8X_SCHED_DO_GRANT && actions[k].ticket == actions[i].ticket)
                act(w, &actions[k]);
        act(w, &actions[i]);
    }
}

static void step(world *w, const i8x_sched_event *event)
{
    i8x_sched_step(w->sched, event, w->now_ms);
    w->steps++;
    act_all(w);
    int64_t next_ms = i8x_sched_next_ms(w->sched);
    if (next_ms >= w->tick_ms)
        return;
    w->tick_ms = next_ms;
    plan(w, TICK, next_ms > w->now_ms ? next_ms - w->now_ms : 0, (thing){0});
}

static void ask(world *w, uint32_t number, uint32_t want, int64_t wait_ms)
{
    i8x_sched_event event = {.type = I8X_SCHED_ASK,
                             .worker = number + 1,
                             .ticket = (uint64_t)number << 32 | want,
                             .want = want,
                             .until_ms = w->now_ms + wait_ms};
    step(w, &event);
}

static void on_result(world *w, const thing *t)
{
    i8x_sched_event event = {.type = I8X_SCHED_RESULT,
                             .worker = t->worker + 1,
                             .key = key_of(t->task),
                             .result = key_of(t->task)};
    w->committed = false;
    step(w, &event);
    thing commit = *t;
    commit.first = w->committed;
    w->wasted += !w->committed;
    plan(w, COMMIT, w->committed ? 1 + (int64_t)(draw(w) % COMMIT_MS) : 0, commit);
}

static void on_commit(world *w, const thing *t)
{
    i8x_sched_event event = {.type = I8X_SCHED_COMMITTED, .key = key_of(t->task)};
    if (t->first) {
        step(w, &event);
        I8X_ASSERT(!w->done[t->task]);
        w->done[t->task] = 1;
        w->left--;
    }
    if (t->want > 0)
        ask(w, t->worker, t->want, 0);
}

static void on_tick(world *w, const thing *t)
{
    (void)t;
    w->tick_ms = INT64_MAX;
    i8x_sched_event event = {.type = I8X_SCHED_TICK};
    step(w, &event);
}

/* ---- a worker ---- */

static void start_queued(world *w, uint32_t number)
{
    worker *me = &w->workers[number];
    while (me->running < me->slots) {
        held *next = NULL;
        for (int i = 0; i < HELD_MAX; i++)
            if (me->held[i].state == QUEUED && (next == NULL || me->held[i].number < next->number))
                next = &me->held[i];
        if (next == NULL)
            return;
        next->state = RUNNING;
        next->begin_ms = w->now_ms;
        int64_t work = 1 + w->work_ms[next->task] * 1000 / me->speed;
        next->until_ms = w->now_ms + work;
        me->running++;
        plan(w, DONE, work,
             (thing){.worker = number, .lease = (uint32_t)(next - me->held), .task = next->task});
    }
}

static void on_ask(world *w, const thing *t)
{
    ask(w, t->worker, t->want, WAIT_MS);
}

static void ask_if_hungry(world *w, uint32_t number)
{
    worker *me = &w->workers[number];
    int room = me->slots + AHEAD - me->held_count - me->asked;
    if (me->waits || me->held_count + me->asked >= me->slots || room <= 0)
        return;
    me->waits = true;
    me->asked += room;
    plan(w, ASK, network_ms(w), (thing){.worker = number, .want = (uint32_t)room});
}

static void on_done(world *w, const thing *t)
{
    worker *me = &w->workers[t->worker];
    held *lease = &me->held[t->lease];
    if (lease->state != RUNNING || lease->task != t->task || lease->until_ms != w->now_ms)
        return; /* it was canceled */
    lease->state = EMPTY;
    me->running--;
    me->held_count--;
    int room = me->slots + AHEAD - me->held_count - me->asked;
    thing result = {.worker = t->worker, .task = t->task, .want = room > 0 ? (uint32_t)room : 0};
    me->asked += (int)result.want;
    plan(w, RESULT, network_ms(w), result);
    start_queued(w, t->worker);
}

static void on_answer(world *w, const thing *t)
{
    worker *me = &w->workers[t->worker];
    me->asked -= (int)t->want;
    me->waits = false;
    for (uint32_t i = 0; i < t->count; i++) {
        int at = 0;
        while (at < HELD_MAX && me->held[at].state != EMPTY)
            at++;
        I8X_ASSERT(at < HELD_MAX);
        me->held[at] = (held){.state = QUEUED,
                              .task = t->grants[i].task,
                              .epoch = t->grants[i].epoch,
                              .number = ++me->last_number};
        me->held_count++;
    }
    free(t->grants);
    start_queued(w, t->worker);
    ask_if_hungry(w, t->worker);
}

static void on_heartbeat(world *w, const thing *t)
{
    const worker *me = &w->workers[t->worker];
    i8x_sched_event event = {.type = I8X_SCHED_RENEW, .worker = t->worker + 1, .key_absent = true};
    step(w, &event);
    event.key_absent = false;
    for (int i = 0; i < HELD_MAX; i++) {
        if (me->held[i].state == EMPTY)
            continue;
        event.key = key_of(me->held[i].task);
        event.epoch = me->held[i].epoch;
        event.started = me->held[i].state == RUNNING;
        step(w, &event);
    }
    plan(w, CONTROL, network_ms(w), (thing){.worker = t->worker});
    plan(w, HEARTBEAT, HEARTBEAT_MS, (thing){.worker = t->worker});
}

static void on_control(world *w, const thing *t)
{
    worker *me = &w->workers[t->worker];
    for (int k = 0; k < me->stop_count; k++)
        for (int i = 0; i < HELD_MAX; i++) {
            held *lease = &me->held[i];
            if (lease->state == EMPTY || lease->task != me->stops[k].task ||
                (lease->state == RUNNING && !me->stops[k].even_if_started))
                continue;
            me->running -= lease->state == RUNNING;
            lease->state = EMPTY;
            me->held_count--;
        }
    me->stop_count = 0;
    start_queued(w, t->worker);
    ask_if_hungry(w, t->worker);
}

/* ---- the run ---- */

static void open_world(world *w, const sim_makespan_opts *opts)
{
    i8x_sched_opts sched = {.lease_life_ms = 15000,
                            .backoff_first_ms = 500,
                            .backoff_max_ms = 60000,
                            .attempts_max = 5,
                            .workers_max = 3,
                            .lost_max = 64};
    if (i8x_sched_new(&sched, &w->sched) != I8X_OK)
        abort();
    w->random = opts->seed * 0xD1342543DE82EF95u;
    w->tick_ms = INT64_MAX;
    w->worker_count = opts->workers;
    w->task_count = w->left = (uint32_t)opts->workers * (uint32_t)opts->tasks_each;
    w->workers = calloc((size_t)w->worker_count, sizeof *w->workers);
    w->work_ms = calloc(w->task_count, sizeof *w->work_ms);
    w->done = calloc(w->task_count, 1);
    I8X_ASSERT(w->workers != NULL && w->work_ms != NULL && w->done != NULL);
}

/* The ideal time: all work over all speed. */
static double begin(world *w)
{
    double speed = 0, work = 0;
    int64_t typical_ms = 1000 + (int64_t)(draw(w) % 30000); /* on the slowest worker */
    for (uint32_t task = 0; task < w->task_count; task++) {
        w->work_ms[task] = typical_ms / 2 + (int64_t)(draw(w) % (uint64_t)typical_ms);
        work += (double)w->work_ms[task];
        i8x_sched_event add = {.type = I8X_SCHED_TASK_ADD,
                               .key = key_of(task),
                               .kind = I8X_TASK_CALIBRATE,
                               .order = task};
        step(w, &add);
    }
    for (int i = 0; i < w->worker_count; i++) {
        worker *me = &w->workers[i];
        me->speed = 1000 + (int64_t)(draw(w) % 19001);
        me->slots = 1;
        speed += (double)me->speed / 1000 * me->slots;
        i8x_sched_event join = {.type = I8X_SCHED_WORKER_JOIN,
                                .worker = (uint64_t)i + 1,
                                .identity = (uint64_t)i + 1,
                                .kinds = (1u << I8X_TASK_KIND_COUNT) - 1,
                                .slots = (uint32_t)me->slots};
        step(w, &join);
        ask_if_hungry(w, (uint32_t)i);
        plan(w, HEARTBEAT, (int64_t)(draw(w) % HEARTBEAT_MS), (thing){.worker = (uint32_t)i});
    }
    return work / speed;
}

static void close_world(world *w)
{
    for (size_t i = 0; i < w->thing_count; i++)
        free(w->things[i].grants);
    i8x_sched_free(w->sched);
    free(w->things);
    free(w->workers);
    free(w->work_ms);
    free(w->done);
}

double sim_makespan(const sim_makespan_opts *opts)
{
    static void (*const doers[])(world *, const thing *) = {
        [DONE] = on_done,           [RESULT] = on_result,
        [COMMIT] = on_commit,       [ANSWER] = on_answer,
        [HEARTBEAT] = on_heartbeat, [CONTROL] = on_control,
        [TICK] = on_tick,           [ASK] = on_ask};
    world w = {0};
    open_world(&w, opts);
    int64_t start_ns = i8x_clock_now_ns(NULL);
    double ideal_ms = begin(&w);
    while (w.left > 0 && w.thing_count > 0) {
        thing next = take(&w);
        w.now_ms = next.at_ms;
        doers[next.type](&w, &next);
    }
    double ratio = w.left == 0 ? (double)w.now_ms / ideal_ms : 1e9;
    printf("seed %llu: %d workers, %u tasks: %.1f s, ideal %.1f s: %.3f times (%ld second runs, "
           "%ld called "
           "back, %ld results for nothing; %ld steps, %.1f s of real time)\n",
           (unsigned long long)opts->seed, w.worker_count, w.task_count, (double)w.now_ms / 1000,
           ideal_ms / 1000, ratio, w.seconds, w.called_back, w.wasted, w.steps,
           (double)(i8x_clock_now_ns(NULL) - start_ns) / 1e9);
    fflush(stdout);
    close_world(&w);
    return ratio;
}
