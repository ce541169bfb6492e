/* SPDX-License-Identifier: Apache-2.0
 *
 * A coordinator of an older version answers a RENEW at once; then the first thread keeps the pace
 * by itself. An answer that says something is followed by the next RENEW at once, since there may
 * be more to say.
 */
#include "worker/heartbeat.h"

#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "int8x/alloc.h"

#define ARENA_MAX (32u << 20)

struct i8x_heartbeat {
    i8x_heartbeat_env env;
    pthread_t hear_thread, look_thread;
    bool hears, looks;
    uint64_t told_session; /* of the hearing thread: the one that knows what the cache holds */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    i8x_watch watch; /* this and what follows under the mutex */
    bool draining, ended;
};

/* ---- what is said and heard ---- */

static void fill_renew(i8x_heartbeat *h, i8x_arena *arena, i8x_wire_renew *renew)
{
    renew->held_count = i8x_intake_held(h->env.intake, arena, &renew->held);
    renew->has_status = true;
    pthread_mutex_lock(&h->mutex);
    renew->draining = h->draining;
    i8x_watch_status(&h->watch, h->draining, renew->held_count > 0, &renew->status);
    renew->status.reason =
        i8x_arena_copy(arena, h->watch.governor.reason, sizeof h->watch.governor.reason);
    renew->status.hottest =
        i8x_arena_copy(arena, h->watch.reading.hottest, sizeof h->watch.reading.hottest);
    pthread_mutex_unlock(&h->mutex);
    I8X_ASSERT(renew->status.reason != NULL && renew->status.hottest != NULL);
    renew->status.cache_bytes = i8x_cache_size_bytes(h->env.cache);
}

/* True if the answer said something. */
static bool obey(i8x_heartbeat *h, const i8x_wire_control *control)
{
    for (size_t i = 0; i < control->cancel.digest_count; i++)
        i8x_intake_cancel(h->env.intake, &control->cancel.digests[i]);
    for (size_t i = 0; i < control->call_back.digest_count; i++)
        i8x_intake_call_back(h->env.intake, &control->call_back.digests[i]);
    bool said = control->cancel.digest_count + control->call_back.digest_count > 0;
    if (said)
        i8x_pool_stir(h->env.pool);
    return said;
}

static bool renew(i8x_heartbeat *h, int lane, uint32_t wait_ms, i8x_arena *arena)
{
    i8x_wire_message message = {.type = I8X_WIRE_RENEW}, answer;
    fill_renew(h, arena, &message.u.renew);
    message.u.renew.wait_ms = wait_ms;
    i8x_status status = i8x_session_call(h->env.session, lane, &message, 0, arena, &answer);
    return status == I8X_OK && answer.type == I8X_WIRE_CONTROL && obey(h, &answer.u.control);
}

/* Tells what came into the cache and what went, when there is news or a new session. */
static void tell_holdings(i8x_heartbeat *h, i8x_arena *arena)
{
    i8x_session_terms terms;
    if (!i8x_session_terms_get(h->env.session, &terms))
        return;
    i8x_cache_news *news = i8x_arena_array(arena, 1, sizeof *news);
    I8X_ASSERT(news != NULL);
    bool all = terms.number != h->told_session;
    for (bool more = true; more; all = false) {
        i8x_cache_news_take(h->env.cache, all, news);
        more = news->more;
        if (news->came_count + news->gone_count == 0 && !news->all)
            break;
        i8x_wire_message message = {.type = I8X_WIRE_HAVE,
                                    .u.have = {{news->came, news->came_count},
                                               {news->gone, news->gone_count},
                                               news->all}},
                         answer;
        i8x_status status =
            i8x_session_call(h->env.session, h->env.lane, &message, 0, arena, &answer);
        /* a session that began with this call knows nothing of before: all over again */
        bool told = status == I8X_OK && message.session == terms.number;
        h->told_session = told ? message.session : 0;
        if (!told)
            break;
    }
}

/* ---- the threads ---- */

static int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Waits until then, or until draining is another one than *draining (NULL: never mind); false: the
 * end has come. */
static bool wait_until(i8x_heartbeat *h, int64_t until_ns, bool *draining)
{
    struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    int code = 0;
    pthread_mutex_lock(&h->mutex);
    while (!h->ended && (draining == NULL || h->draining == *draining) && code == 0)
        code = pthread_cond_timedwait(&h->wake, &h->mutex, &until);
    if (draining != NULL)
        *draining = h->draining;
    bool ended = h->ended;
    pthread_mutex_unlock(&h->mutex);
    return !ended;
}

static void *hear_main(void *user)
{
    i8x_heartbeat *h = user;
    i8x_arena *arena = NULL;
    if (i8x_arena_new(NULL, ARENA_MAX, &arena) != I8X_OK)
        return NULL;
    i8x_arena_mark start = i8x_arena_mark_get(arena);
    int64_t next_ns;
    do {
        i8x_session_terms terms;
        bool known = i8x_session_terms_get(h->env.session, &terms);
        uint32_t beat_ms = known ? terms.heartbeat_ms : I8X_REJOIN_MAX_MS;
        uint32_t wait_ms = beat_ms < I8X_WIRE_WAIT_MS_MAX ? beat_ms : I8X_WIRE_WAIT_MS_MAX;
        int64_t now_ns = monotonic_ns();
        bool said = renew(h, h->env.lane, known ? wait_ms : 0, arena);
        tell_holdings(h, arena);
        i8x_arena_rewind(arena, start);
        bool joined = !known && i8x_session_terms_get(h->env.session, &terms);
        next_ns = said || joined ? now_ns : now_ns + (int64_t)beat_ms * 1000000;
    } while (wait_until(h, next_ns, NULL));
    i8x_arena_free(arena);
    return NULL;
}

/* Reads the sensors; true if that changed whether work may be taken. */
static bool look(i8x_heartbeat *h)
{
    /* our own processes: this one, the zygote and the slots */
    pid_t own[I8X_SLOTS_MAX + 2] = {getpid(), i8x_zygote_pid(h->env.zygote)};
    size_t slots = i8x_pool_pids(h->env.pool, own + 2, I8X_SLOTS_MAX);
    pthread_mutex_lock(&h->mutex);
    bool changed = i8x_watch_look(&h->watch, own, slots + 2);
    bool allowed = i8x_governor_allows(&h->watch.governor);
    pthread_mutex_unlock(&h->mutex);
    i8x_intake_allow(h->env.intake, allowed);
    if (changed)
        i8x_pool_stir(h->env.pool);
    return changed;
}

static void *look_main(void *user)
{
    i8x_heartbeat *h = user;
    i8x_arena *arena = NULL;
    if (i8x_arena_new(NULL, ARENA_MAX, &arena) != I8X_OK)
        return NULL;
    i8x_arena_mark start = i8x_arena_mark_get(arena);
    bool draining = false, said = false;
    int64_t look_ns = monotonic_ns() + (int64_t)I8X_SENSOR_MS * 1000000;
    while (wait_until(h, look_ns, &draining)) {
        bool changed = false;
        if (monotonic_ns() >= look_ns) {
            changed = look(h);
            look_ns = monotonic_ns() + (int64_t)I8X_SENSOR_MS * 1000000;
        }
        if (!changed && draining == said)
            continue;
        said = draining;
        renew(h, h->env.lane + 1, 0, arena);
        i8x_arena_rewind(arena, start);
    }
    i8x_arena_free(arena);
    return NULL;
}

/* ---- life ---- */

static i8x_status start(i8x_heartbeat *h)
{
    pthread_mutex_init(&h->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&h->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    i8x_watch_init(&h->watch, h->env.device_root, h->env.limits);
    look(h);
    h->hears = pthread_create(&h->hear_thread, NULL, hear_main, h) == 0;
    h->looks = pthread_create(&h->look_thread, NULL, look_main, h) == 0;
    I8X_ENSURE(h->hears && h->looks, I8X_ENOMEM, "no thread for heartbeats");
    return I8X_OK;
}

i8x_status i8x_heartbeat_new(const i8x_heartbeat_env *env, i8x_heartbeat **heartbeat)
{
    i8x_heartbeat *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->env = *env;
    i8x_status status = start(made);
    if (status != I8X_OK) {
        i8x_heartbeat_free(made);
        return status;
    }
    *heartbeat = made;
    return I8X_OK;
}

static void tell(i8x_heartbeat *h, bool *what)
{
    pthread_mutex_lock(&h->mutex);
    *what = true;
    pthread_cond_broadcast(&h->wake);
    pthread_mutex_unlock(&h->mutex);
}

void i8x_heartbeat_drain(i8x_heartbeat *heartbeat)
{
    tell(heartbeat, &heartbeat->draining);
}

void i8x_heartbeat_end(i8x_heartbeat *heartbeat)
{
    tell(heartbeat, &heartbeat->ended);
}

void i8x_heartbeat_free(i8x_heartbeat *heartbeat)
{
    if (heartbeat == NULL)
        return;
    i8x_heartbeat_end(heartbeat);
    if (heartbeat->looks)
        pthread_join(heartbeat->look_thread, NULL);
    if (heartbeat->hears)
        pthread_join(heartbeat->hear_thread, NULL);
    pthread_cond_destroy(&heartbeat->wake);
    pthread_mutex_destroy(&heartbeat->mutex);
    i8x_alloc_free(i8x_alloc_heap(), heartbeat, sizeof *heartbeat);
}
